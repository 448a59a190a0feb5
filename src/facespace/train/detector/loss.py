"""Targets for each cell of the network's maps, and the loss.

The 3x3 cells around the centre of a face at each stride, 27 in all, are candidates for it. Which of them are assigned,
and how many, depends on the network's current outputs, as in SimOTA (Ge et al., YOLOX, 2021), with a preference for the
stride that suits the size of the face. Scores are trained towards the overlap of box and face (Li et al., Generalized
Focal Loss, 2020).
"""

from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn import functional

from facespace.train.detector.network import CELLS, STRIDES, decode, flat, grid

# Maximum number of cells assigned to one face.
MAX_CELLS = 9
# Octaves between the size of a face and that of a stride without cost, and the cost of each further octave.
NEAR, FAR = 0.75, 1.5
# Weights of the parts of the loss.
BOX, LANDMARKS = 2.0, 5.0
# Error of a landmark, as a share of the face, up to which the loss is quadratic.
SMOOTH = 0.02


class Faces(NamedTuple):
    """The faces of a batch.

    photo : int64, (g,), which photo of the batch
    boxes : float32, (g, 4), left, top, right, bottom in pixels
    landmarks : float32, (g, 5, 2), in pixels counted from edges as boxes are; anything where not known
    trust : float32, (g,), weight of the landmarks: 0 where not known
    """

    photo: Tensor
    boxes: Tensor
    landmarks: Tensor
    trust: Tensor


class Matched(NamedTuple):
    """Assigned cells: indices into the rows of all photos' cells, and the index of each one's face."""

    cells: Tensor
    faces: Tensor


def detection_loss(maps: list[Tensor], faces: Faces, ignored: Tensor) -> dict[str, Tensor]:
    """The loss of a batch: the sum as 'loss', and its parts 'score', 'box' and 'landmark'.

    Parameters
    ----------
    maps : outputs of the network
    faces : Faces
    ignored : bool, (n, h / 8, w / 8)
        Places with a face, or perhaps a face, that is not in `faces`; scores there do not count.
    """
    values = flat(maps)
    cells = grid(maps[0].shape[2] * STRIDES[0], maps[0].shape[3] * STRIDES[0], values.device)
    count, total = values.shape[:2]
    matched = match(values, faces)
    rows = values.reshape(-1, values.shape[2])
    target = torch.zeros(count * total, device=values.device)
    weight = (~_ignored_cells(ignored)).float().reshape(-1)
    at = matched.cells % total
    boxes, points = decode(rows[matched.cells], cells.centres[at], cells.strides[at])
    true = faces.boxes[matched.faces]
    overlap, penalty = overlap_of(boxes, true)
    # With the square root, scores of small faces, whose boxes overlap less, stay comparable with those of large ones.
    target[matched.cells] = overlap.detach().clamp(0, 1).sqrt()
    weight[matched.cells] = 1.0
    logits = rows[:, 0]
    focus = (target - torch.sigmoid(logits.detach())).square()
    positives = max(len(matched.cells), 1)
    score = (
        functional.binary_cross_entropy_with_logits(logits, target, reduction="none") * focus * weight
    ).sum() / positives
    box = (1 - overlap + penalty).sum() / positives
    unit = (true[:, 2:] - true[:, :2]).prod(dim=1).sqrt()[:, None, None]
    error = ((points - faces.landmarks[matched.faces]) / unit).abs()
    smooth = torch.where(error < SMOOTH, error.square() / (2 * SMOOTH), error - SMOOTH / 2).mean(dim=(1, 2))
    trust = faces.trust[matched.faces]
    landmark = (smooth * trust).sum() / trust.sum().clamp(min=1)
    return {"loss": score + BOX * box + LANDMARKS * landmark, "score": score, "box": box, "landmark": landmark}


@torch.no_grad()
def match(values: Tensor, faces: Faces) -> Matched:
    """Assign cells to faces; values (n, cells, 15)."""
    count, total = values.shape[:2]
    side = round((total / (1 + 1 / 4 + 1 / 16)) ** 0.5) * STRIDES[0]
    middle = (faces.boxes[:, :2] + faces.boxes[:, 2:]) / 2
    size = (faces.boxes[:, 2:] - faces.boxes[:, :2]).prod(dim=1).clamp(min=1).sqrt()
    around = torch.tensor([(x, y) for y in (-1, 0, 1) for x in (-1, 0, 1)], device=values.device)
    indices, allowed, centres, strides = [], [], [], []
    start = 0
    for pixels in STRIDES:
        cells = side // pixels
        home = (middle / pixels).floor().long()
        places = home[:, None] + around
        inside = ((places >= 0) & (places < cells)).all(dim=2)
        places = places.clamp(0, cells - 1)
        at = (places + 0.5) * pixels
        covered = ((at > faces.boxes[:, None, :2]) & (at < faces.boxes[:, None, 2:])).all(dim=2)
        allowed.append(inside & (covered | (around == 0).all(dim=1)))
        indices.append(start + places[..., 1] * cells + places[..., 0])
        centres.append(at)
        strides.append(torch.full(at.shape[:2], float(pixels), device=values.device))
        start += cells * cells
    index, may = torch.cat(indices, 1), torch.cat(allowed, 1)
    stride = torch.cat(strides, 1)
    rows = faces.photo[:, None] * total + index
    chosen = values.reshape(-1, values.shape[2])[rows]
    boxes, _ = decode(chosen, torch.cat(centres, 1), stride)
    overlap = overlap_of(boxes, faces.boxes[:, None].expand_as(boxes))[0].clamp(0, 1)
    octaves = (size[:, None] / (stride * CELLS)).log2().abs()
    cost = (
        functional.softplus(-chosen[..., 0]) - 3 * overlap.clamp(min=1e-4).log() + FAR * (octaves - NEAR).clamp(min=0)
    )
    cost = torch.where(may, cost, torch.inf)
    wanted = torch.where(may, overlap, 0.0).topk(MAX_CELLS, dim=1).values.sum(dim=1).long().clamp(min=1)
    rank = cost.argsort(dim=1).argsort(dim=1)
    picked = (rank < wanted[:, None]) & cost.isfinite()
    # A cell that is assigned to several faces keeps the one with the lowest cost.
    rivals = torch.where(picked, cost, torch.inf)
    best = torch.full((count * total,), torch.inf, device=values.device)
    best = best.scatter_reduce(0, rows.flatten(), rivals.flatten(), "amin")
    picked &= cost <= best[rows]
    face = torch.arange(len(faces.photo), device=values.device)[:, None].expand_as(rows)
    return Matched(rows[picked], face[picked])


def overlap_of(boxes: Tensor, true: Tensor) -> tuple[Tensor, Tensor]:
    """Intersection over union of pairs of boxes (..., 4), and the DIoU loss's distance of their middles (...)."""
    common = torch.minimum(boxes[..., 2:], true[..., 2:]) - torch.maximum(boxes[..., :2], true[..., :2])
    shared = common.clamp(min=0).prod(dim=-1)
    sizes, wanted = boxes[..., 2:] - boxes[..., :2], true[..., 2:] - true[..., :2]
    overlap = shared / (sizes.prod(dim=-1) + wanted.prod(dim=-1) - shared).clamp(min=1e-6)
    around = torch.maximum(boxes[..., 2:], true[..., 2:]) - torch.minimum(boxes[..., :2], true[..., :2])
    apart = (boxes[..., :2] + boxes[..., 2:] - true[..., :2] - true[..., 2:]) / 2
    return overlap, apart.square().sum(dim=-1) / around.square().sum(dim=-1).clamp(min=1e-6)


def _ignored_cells(ignored: Tensor) -> Tensor:
    """The ignored cells of all strides, as rows (n, cells)."""
    return torch.cat([ignored[:, step // 2 :: step, step // 2 :: step].flatten(1) for step in (1, 2, 4)], dim=1)
