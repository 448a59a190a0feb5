"""facenet-pytorch's MTCNN as a peer, installed without its dependencies (benchmarks/requirements.txt).

It wants a torch of its own and two functions of torchvision. Where torchvision is not installed, or does not load
beside the torch at hand, both are written here: non-maximum suppression by classes, and an image as a tensor. Its
networks and everything around them are its own; the suppression, in numpy, is the only part whose speed is not.
"""

import importlib
import sys
from types import ModuleType
from typing import Any

import numpy as np

from facespace.faces.boxes import suppress


def facenet_mtcnn() -> Any:
    """Its detector on one thread, all faces kept; ImportError where it is not installed."""
    import torch

    torch.set_num_threads(1)
    try:
        importlib.import_module("torchvision.ops.boxes")
        ours = {}
    except (ImportError, RuntimeError):
        ours = _stand_in(torch)
    try:
        return importlib.import_module("facenet_pytorch").MTCNN(keep_all=True)
    finally:
        # It has what it took from them; nobody else is to take them for torchvision.
        for name in ours:
            sys.modules.pop(name, None)


def _stand_in(torch: Any) -> dict[str, ModuleType]:
    """Modules with the two functions, under torchvision's names for as long as facenet-pytorch is being imported."""

    def batched_nms(boxes: Any, scores: Any, classes: Any, threshold: float) -> Any:
        """Indices of the boxes that stay, best first; boxes of different classes never meet."""
        if not len(boxes):
            return torch.empty(0, dtype=torch.int64)
        apart = classes.to(boxes)[:, None] * (boxes.max() - boxes.min() + 1)
        kept = suppress((boxes + apart).numpy(), scores.numpy(), threshold)
        return torch.from_numpy(kept.astype(np.int64))

    def to_tensor(image: np.ndarray) -> Any:
        return torch.from_numpy(np.ascontiguousarray(image.transpose(2, 0, 1)))

    for name in [name for name in sys.modules if name.split(".")[0] == "torchvision"]:
        del sys.modules[name]
    names = ("", ".ops", ".ops.boxes", ".transforms", ".transforms.functional")
    made = {f"torchvision{name}": ModuleType(f"torchvision{name}") for name in names}
    made["torchvision.ops.boxes"].batched_nms = batched_nms  # type: ignore[attr-defined]
    made["torchvision.transforms.functional"].to_tensor = to_tensor  # type: ignore[attr-defined]
    made["torchvision.transforms"].functional = made["torchvision.transforms.functional"]  # type: ignore[attr-defined]
    sys.modules.update(made)
    return made
