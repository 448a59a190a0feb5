"""facenet-pytorch's MTCNN as a peer, installed without its dependencies (benchmarks/requirements.txt)."""

from typing import Any

import numpy as np


def facenet_mtcnn() -> Any:
    """Its detector on one thread, all faces kept.

    It takes one function from torchvision's native part, non-maximum suppression. Where that part does not load beside
    a torch for the processor alone, ours stands in for it.
    """
    import torch

    torch.set_num_threads(1)
    try:
        import torchvision  # noqa: F401
    except RuntimeError:
        _stand_in(torch)
    from facenet_pytorch import MTCNN

    return MTCNN(keep_all=True)


def _stand_in(torch: Any) -> None:
    import sys

    from facespace.faces.boxes import suppress

    for name in [name for name in sys.modules if name.split(".")[0] == "torchvision"]:
        del sys.modules[name]
    library = torch.library.Library("torchvision", "DEF")
    for name in ("nms", "qnms"):
        library.define(f"{name}(Tensor boxes, Tensor scores, float threshold) -> Tensor")

    def nms(boxes: Any, scores: Any, threshold: float) -> Any:
        return torch.from_numpy(suppress(boxes.numpy(), scores.numpy(), threshold).astype(np.int64))

    library.impl("nms", nms, "CPU")
    import torchvision.extension

    torchvision.extension._has_ops = lambda: True
    facenet_mtcnn.library = library  # type: ignore[attr-defined]  # it must outlive this call
