"""Offline hard negative mining: hard triplets from a large pool of embeddings (paper section 3.2).

Every N steps, training embeds a pool of faces with the current network and searches it for hard positives and
negatives, which rarely meet in one batch. The search is exact and works in blocks, for as many anchors as the next N
steps need. Besides the embeddings it needs only a few numbers per anchor.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

from facespace.train.mining.records import squared_margin

# Distances held at a time: 64 MB of float32.
BLOCK_CELLS = 1 << 24

# Nearest faces of other people considered for each anchor.
NEIGHBOURS = 16


@dataclass(frozen=True)
class PoolTriplets:
    """Hard triplets of a pool.

    anchor, positive, negative : int64 tensors of shape (t,), positions in the pool
    positive_distance, negative_distance : float tensors of shape (t,), squared
    """

    anchor: Tensor
    positive: Tensor
    negative: Tensor
    positive_distance: Tensor
    negative_distance: Tensor

    def __len__(self) -> int:
        return len(self.anchor)


@torch.no_grad()
def hard_triplets(
    embeddings: Tensor,
    labels: Tensor,
    anchors: Tensor,
    margin: float,
    hardness: float = 1.0,
    floor: float = 0.0,
    plain: bool = False,
) -> PoolTriplets:
    """For each anchor, find the farthest positive and a hard negative in the pool.

    Parameters
    ----------
    embeddings : float tensor, shape (n, d), L2 norm 1
    labels : int tensor, shape (n,)
    anchors : int tensor, shape (a,)
        Positions in the pool. Anchors whose person has a single face give no triplet.
    margin : float
        Only triplets that violate it are returned.
    hardness, floor : float
        As for the online miners: among the 16 nearest faces of other people, the negative is the nearest one that is
        farther than both `floor` and (1 - hardness) times the positive's distance; if there is none, the last of them.
    plain : bool
        Whether `margin` is one between plain distances instead of squared ones.

    Returns
    -------
    PoolTriplets
        At most one triplet per anchor, in the order of `anchors`.
    """
    positive, positive_distance = _farthest_positives(embeddings, labels, anchors)
    found, near = _nearest_others(embeddings, labels, anchors, NEIGHBOURS)
    min_distance = (positive_distance * (1 - hardness)).clamp(min=floor)[:, None]
    allowed = (near >= min_distance if hardness >= 1 else near > min_distance) & near.isfinite()
    first = torch.where(allowed.any(dim=1), allowed.int().argmax(dim=1), near.isfinite().sum(dim=1) - 1).clamp(min=0)
    negative = found.gather(1, first[:, None])[:, 0]
    negative_distance = near.gather(1, first[:, None])[:, 0]
    reach = squared_margin(positive_distance.clamp(min=0), margin) if plain else margin
    keep = (positive >= 0) & (positive_distance + reach > negative_distance)
    return PoolTriplets(anchors[keep], positive[keep], negative[keep], positive_distance[keep], negative_distance[keep])


@dataclass(frozen=True)
class Suspect:
    """A face whose label is probably wrong.

    face : position in the pool
    label, other : its label, and the person whose faces are nearest
    own_distance : squared distance to the nearest face with its own label
    other_distance : squared distance to the third nearest face of the other person
    """

    face: int
    label: int
    other: int
    own_distance: float
    other_distance: float


@torch.no_grad()
def suspected_labels(embeddings: Tensor, labels: Tensor, faces: Tensor, votes: int = 3) -> list[Suspect]:
    """Find faces that are probably labelled wrong.

    A face is suspected if its `votes` nearest faces of other people all belong to one person, and all are nearer than
    the nearest face with its own label.

    Parameters
    ----------
    embeddings : float tensor, shape (n, d), L2 norm 1
    labels : int tensor, shape (n,)
    faces : int tensor, shape (f,)
        Positions in the pool to check.
    votes : int
        At least 2: a single near face of another person may only look similar.

    Returns
    -------
    list of Suspect
        Sorted by `other_distance` - `own_distance`, the most suspicious first.
    """
    found, near = _nearest_others(embeddings, labels, faces, votes)
    own = _nearest_own(embeddings, labels, faces)
    agreed = (labels[found] == labels[found[:, :1]]).all(dim=1) & near.isfinite().all(dim=1)
    wrong = torch.nonzero(agreed & (near[:, -1] < own)).flatten()
    # One copy for each column: a GPU would be waited for at each number.
    columns = (faces[wrong], labels[faces[wrong]], labels[found[wrong, 0]], own[wrong], near[wrong, -1])
    suspects = [Suspect(*row) for row in zip(*(column.tolist() for column in columns), strict=True)]
    return sorted(suspects, key=lambda s: s.other_distance - s.own_distance)


def _nearest_others(embeddings: Tensor, labels: Tensor, faces: Tensor, k: int) -> tuple[Tensor, Tensor]:
    """Return positions and squared distances of the k nearest faces of other people, both (f, k), nearest first.

    If the pool has fewer, the remaining distances are infinite.
    """
    k = min(k, len(labels))
    positions = torch.empty((len(faces), k), dtype=torch.int64, device=embeddings.device)
    distances = torch.empty((len(faces), k), dtype=embeddings.dtype, device=embeddings.device)
    for rows, block in _blocks(embeddings, faces):
        block.masked_fill_(labels[faces[rows]][:, None] == labels[None, :], torch.inf)
        distances[rows], positions[rows] = block.topk(k, dim=1, largest=False)
    return positions, distances


def _nearest_own(embeddings: Tensor, labels: Tensor, faces: Tensor) -> Tensor:
    """Return the squared distance to the nearest other face of the same person; infinite if there is none."""
    nearest = torch.full((len(faces),), torch.inf, dtype=embeddings.dtype, device=embeddings.device)
    for other, apart in _own_faces(embeddings, labels, faces):
        nearest = torch.where((other >= 0) & (apart < nearest), apart, nearest)
    return nearest


def _farthest_positives(embeddings: Tensor, labels: Tensor, anchors: Tensor) -> tuple[Tensor, Tensor]:
    """Return the position (-1 if there is none) and squared distance of each anchor's farthest positive."""
    positions = torch.full_like(anchors, -1)
    distances = torch.full((len(anchors),), -1.0, dtype=embeddings.dtype, device=embeddings.device)
    for other, apart in _own_faces(embeddings, labels, anchors):
        better = (other >= 0) & (apart > distances)
        positions = torch.where(better, other, positions)
        distances = torch.where(better, apart, distances)
    return positions, distances


def _own_faces(embeddings: Tensor, labels: Tensor, faces: Tensor) -> Iterator[tuple[Tensor, Tensor]]:
    """Iterate over the other faces of each face's person, one per face at a time.

    Yields positions (-1 if a person has no further face) and squared distances.
    """
    order = labels.argsort(stable=True)
    own, ordered = labels[faces].contiguous(), labels[order].contiguous()
    start, end = torch.searchsorted(ordered, own), torch.searchsorted(ordered, own, right=True)
    for turn in range(int((end - start).max()) if len(faces) else 0):
        at = start + turn
        other = order[at.clamp(max=len(order) - 1)]
        apart = (2 - 2 * (embeddings[faces] * embeddings[other]).sum(dim=1)).clamp(min=0)
        yield torch.where((at < end) & (other != faces), other, -1), apart


def _blocks(embeddings: Tensor, faces: Tensor) -> Iterator[tuple[slice, Tensor]]:
    step = max(1, BLOCK_CELLS // max(1, len(embeddings)))
    for first in range(0, len(faces), step):
        rows = slice(first, min(first + step, len(faces)))
        yield rows, (2 - 2 * embeddings[faces[rows]] @ embeddings.T).clamp_(min=0)
