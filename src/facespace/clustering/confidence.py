"""Confidence of a clustering, and the questions whose answers settle most."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from facespace.clustering.arrange import Constraints
from facespace.clustering.graph import candidate_graph
from facespace.clustering.linkage import Groups
from facespace.clustering.threshold import Cut

Ints = NDArray[np.int64]
Floats = NDArray[np.float32]

# Pairs of clusters farther apart than this many times the cut are not worth a question.
_REACH = 1.6


@dataclass(frozen=True)
class Confidence:
    """Confidence of each cluster and each of its members.

    representative : int64, shape (g,), the row nearest to its cluster's mean
    cohesion : float64, shape (g,), probability at the mean distance between members; 1 for a single face
    membership : float64, shape (n,), probability that a face belongs to its cluster; 1 for a single face
    """

    representative: Ints
    cohesion: NDArray[np.float64]
    membership: NDArray[np.float64]


@dataclass(frozen=True)
class Question:
    """Are these two faces, of different clusters, the same person?

    a, b : rows, the representatives of their clusters
    probability : that the answer is yes
    gain : faces that a 'yes' is expected to connect: probability times 2 |A| |B| / (|A| + |B|)
    """

    a: int
    b: int
    probability: float
    gain: float


def confidence(points: Floats, labels: Ints, cut: Cut, used: float) -> Confidence:
    """Compute confidence from the mean squared distances between the members of clusters.

    Parameters
    ----------
    points : ndarray of float32, shape (n, d)
    labels : int64, shape (n,), from 0 without gaps
    cut : Cut
        Converts distances to probabilities.
    used : float
        Squared distance at which the clusters were cut; the odds are even there.
    """
    groups = Groups(points, labels, np.empty((0, 2), np.int64), None)
    sizes = groups.sizes[labels].astype(np.float64)
    norms = np.einsum("nd,nd->n", points, points).astype(np.float64)
    products = np.einsum("nd,nd->n", points, groups.sums[labels]).astype(np.float64)
    # Mean squared distance to the other members, without the zero distance to itself.
    within = (sizes * norms + groups.norms[labels] * sizes - 2 * products) / np.maximum(sizes - 1, 1)
    membership = np.where(sizes > 1, cut.probability(np.maximum(within, 0), used), 1.0)
    count = len(groups.sizes)
    means = np.bincount(labels, within, count) / np.maximum(groups.sizes, 1)
    cohesion = np.where(groups.sizes > 1, cut.probability(np.maximum(means, 0), used), 1.0)
    # Nearest to the mean; the norm of the mean is the same for all members.
    off = norms - 2 * products / sizes
    order = np.lexsort((np.arange(len(labels)), off, labels))
    representative = order[np.searchsorted(labels[order], np.arange(count))]
    return Confidence(representative, cohesion, membership)


def questions(
    points: Floats, labels: Ints, cut: Cut, used: float, constraints: Constraints, limit: int = 100
) -> list[Question]:
    """Pairs of clusters that may be the same person; first those whose answer is expected to settle most.

    A 'yes' joins |A| and |B| faces: each of A gains |B| faces of the same person, so recall over all faces rises by
    h = 2 |A| |B| / (|A| + |B|) faces, weighted by the probability of 'yes'. The mean distance of many pairs is more
    informative, so the log-odds of two single faces are multiplied by the square root of h; otherwise doubtful pairs of
    large clusters would come too early. Pairs that must be apart are not asked. benchmarks/cluster_questions.py
    compares other orders.
    """
    groups = Groups(points, labels, constraints.apart, constraints.colour)
    graph = candidate_graph(points, used * _REACH)
    a, b, linkage = groups.candidates(labels[graph.a], labels[graph.b], used * _REACH)
    sizes = groups.sizes.astype(np.float64)
    faces = 2 * sizes[a] * sizes[b] / (sizes[a] + sizes[b])
    probability = cut.probability(used + np.sqrt(faces) * (linkage - used), used)
    gain = probability * faces
    first = confidence(points, labels, cut, used).representative
    best = np.lexsort((b, a, -gain))[:limit]
    return [
        Question(int(first[a[place]]), int(first[b[place]]), float(probability[place]), float(gain[place]))
        for place in best
    ]
