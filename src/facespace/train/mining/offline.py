"""Offline mining: hard triplets from a whole pool of embeddings (paper section 3.2).

Every N steps training stops, embeds a pool with the network as it is, and looks there for the hard positives and
negatives that no batch would hold. The search is exact and goes through the pool in blocks, for as many anchors
as the next N steps need: beside the embeddings themselves it holds a few numbers an anchor.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

# Distances held at a time: 64 MB of float32.
BLOCK_CELLS = 1 << 24

# Nearest faces of other people looked at for each anchor.
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
) -> PoolTriplets:
    """For each anchor the farthest positive and a hard negative in the pool.

    Parameters
    ----------
    embeddings : float tensor, shape (n, d), L2 norm 1
    labels : int tensor, shape (n,)
    anchors : int tensor, shape (a,)
        Positions in the pool; anchors whose person has one face only give no triplet.
    margin : float
        Only triplets that break it are returned.
    hardness, floor : float
        As for the online miners: of the 16 nearest faces of other people the nearest one is taken that is
        farther than both `floor` and (1 - hardness) times the positive; where none is, the last of them.

    Returns
    -------
    PoolTriplets
        At most one for each anchor, in the order of `anchors`.
    """
    positive, positive_distance = _farthest_positives(embeddings, labels, anchors)
    found, near = _nearest_others(embeddings, labels, anchors, NEIGHBOURS)
    least = (positive_distance * (1 - hardness)).clamp(min=floor)[:, None]
    allowed = (near >= least if hardness >= 1 else near > least) & near.isfinite()
    first = torch.where(allowed.any(dim=1), allowed.int().argmax(dim=1), near.isfinite().sum(dim=1) - 1).clamp(min=0)
    negative = found.gather(1, first[:, None])[:, 0]
    negative_distance = near.gather(1, first[:, None])[:, 0]
    keep = (positive >= 0) & (positive_distance + margin > negative_distance)
    return PoolTriplets(anchors[keep], positive[keep], negative[keep], positive_distance[keep], negative_distance[keep])


@dataclass(frozen=True)
class Suspect:
    """A face whose label looks wrong: position in the pool, its label, the other person it is among, and the
    squared distances to its nearest own face and to the third nearest face of that other person."""

    face: int
    label: int
    other: int
    own_distance: float
    other_distance: float


@torch.no_grad()
def suspected_labels(embeddings: Tensor, labels: Tensor, faces: Tensor, votes: int = 3) -> list[Suspect]:
    """Faces that lie among another person: their `votes` nearest faces of others are all of one person, and all
    nearer than their nearest own face.

    Parameters
    ----------
    embeddings : float tensor, shape (n, d), L2 norm 1
    labels : int tensor, shape (n,)
    faces : int tensor, shape (f,)
        Positions in the pool to look at.
    votes : int
        At least 2: one near stranger is a likeness, several of one person are a label.

    Returns
    -------
    list of Suspect
        The most suspect first: largest own distance for its other distance.
    """
    found, near = _nearest_others(embeddings, labels, faces, votes)
    own = _nearest_own(embeddings, labels, faces)
    agreed = (labels[found] == labels[found[:, :1]]).all(dim=1) & near.isfinite().all(dim=1)
    wrong = torch.nonzero(agreed & (near[:, -1] < own)).flatten().tolist()
    suspects = [
        Suspect(
            face=int(faces[i]),
            label=int(labels[faces[i]]),
            other=int(labels[found[i, 0]]),
            own_distance=float(own[i]),
            other_distance=float(near[i, -1]),
        )
        for i in wrong
    ]
    return sorted(suspects, key=lambda s: s.other_distance - s.own_distance)


def _nearest_others(embeddings: Tensor, labels: Tensor, faces: Tensor, k: int) -> tuple[Tensor, Tensor]:
    """The k nearest faces of other people, nearest first: positions and squared distances, both (f, k).

    Where the pool has fewer, the distance is infinite.
    """
    k = min(k, len(labels))
    positions = torch.empty((len(faces), k), dtype=torch.int64, device=embeddings.device)
    distances = torch.empty((len(faces), k), dtype=embeddings.dtype, device=embeddings.device)
    for rows, block in _blocks(embeddings, faces):
        block.masked_fill_(labels[faces[rows]][:, None] == labels[None, :], torch.inf)
        distances[rows], positions[rows] = block.topk(k, dim=1, largest=False)
    return positions, distances


def _nearest_own(embeddings: Tensor, labels: Tensor, faces: Tensor) -> Tensor:
    """Squared distance to the nearest other face of the same person; infinite where there is none."""
    nearest = torch.full((len(faces),), torch.inf, dtype=embeddings.dtype, device=embeddings.device)
    for other, apart in _own_faces(embeddings, labels, faces):
        nearest = torch.where((other >= 0) & (apart < nearest), apart, nearest)
    return nearest


def _farthest_positives(embeddings: Tensor, labels: Tensor, anchors: Tensor) -> tuple[Tensor, Tensor]:
    """The farthest face of each anchor's person: position (-1 where there is no other), squared distance."""
    positions = torch.full_like(anchors, -1)
    distances = torch.full((len(anchors),), -1.0, dtype=embeddings.dtype, device=embeddings.device)
    for other, apart in _own_faces(embeddings, labels, anchors):
        better = (other >= 0) & (apart > distances)
        positions = torch.where(better, other, positions)
        distances = torch.where(better, apart, distances)
    return positions, distances


def _own_faces(embeddings: Tensor, labels: Tensor, faces: Tensor) -> Iterator[tuple[Tensor, Tensor]]:
    """Turn by turn another face of each face's person: its position (-1 where there is none), squared distance."""
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
