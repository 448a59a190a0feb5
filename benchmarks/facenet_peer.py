"""facenet-pytorch's MTCNN for comparison, installed without its dependencies (requirements-no-deps.txt).

It requires a certain version of torch, and two functions of torchvision. If torchvision is not installed, or does not
work with the installed torch, replacements are used: non-maximum suppression by class, and conversion of an image to a
tensor. Everything else is facenet-pytorch's code; only the suppression, in numpy, may differ in speed.
"""

import importlib
import sys
from types import ModuleType
from typing import Any

import numpy as np

from facespace.faces.boxes import suppress


def facenet_mtcnn() -> Any:
    """Return its detector with one thread, keeping all faces; raises ImportError if it is not installed."""
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
        # Remove the replacements again, so that no other code imports them as torchvision.
        for name in ours:
            sys.modules.pop(name, None)


def _stand_in(torch: Any) -> dict[str, ModuleType]:
    """Return modules with the two functions, used as torchvision while facenet-pytorch is imported."""

    def batched_nms(boxes: Any, scores: Any, classes: Any, threshold: float) -> Any:
        """Return the indices of the kept boxes, best first; boxes of different classes do not suppress each other."""
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
