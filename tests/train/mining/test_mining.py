"""Semi-hard mining against a slow reference, and its properties."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from facespace.train.mining import semi_hard, squared_distance_matrix

MARGIN = 0.2


def obvious_semi_hard(distances, labels, margin):
    """A triple loop, straight from the docstring."""
    triplets = set()
    for a in range(len(labels)):
        negatives = [n for n in range(len(labels)) if labels[n] != labels[a]]
        for p in range(len(labels)):
            if p == a or labels[p] != labels[a] or not negatives:
                continue
            beyond = [n for n in negatives if distances[a, n] > distances[a, p]]
            n = min(beyond, key=lambda n: distances[a, n]) if beyond else max(negatives, key=lambda n: distances[a, n])
            if distances[a, p] - distances[a, n] + margin > 0:
                triplets.add((a, p, n))
    return triplets


def batch(seed, people=4, photos=4, spread=0.6):
    rng = np.random.default_rng(seed)
    labels = np.repeat(np.arange(people), rng.integers(1, photos + 1, people))
    centres = rng.normal(size=(people, 8))
    points = torch.from_numpy((centres[labels] + spread * rng.normal(size=(len(labels), 8))).astype("f4"))
    points = torch.nn.functional.normalize(points)
    return squared_distance_matrix(points), torch.from_numpy(labels)


@given(seed=st.integers(0, 10_000), spread=st.floats(0.05, 3))
def test_it_finds_the_triplets_of_the_slow_reference(seed, spread):
    distances, labels = batch(seed, spread=spread)
    mined = semi_hard(distances, labels, MARGIN)
    found = set(zip(mined.anchor.tolist(), mined.positive.tolist(), mined.negative.tolist(), strict=True))
    assert found == obvious_semi_hard(distances.numpy(), labels.numpy(), MARGIN)
    assert len(found) == len(mined.anchor)


@given(seed=st.integers(0, 10_000))
def test_every_triplet_is_one_and_breaks_the_margin(seed):
    distances, labels = batch(seed)
    mined = semi_hard(distances, labels, MARGIN)
    assert (labels[mined.anchor] == labels[mined.positive]).all()
    assert (labels[mined.anchor] != labels[mined.negative]).all()
    assert (mined.anchor != mined.positive).all()
    gap = distances[mined.anchor, mined.negative] - distances[mined.anchor, mined.positive]
    assert (gap < MARGIN).all()


def test_statistics_of_a_worked_example():
    # Two people on a line: a at 0 and 1, b at 1.05 and 5 (squared distances).
    points = torch.tensor([0.0, 1.0, 1.05, 5.0])
    distances = (points[:, None] - points[None, :]) ** 2
    labels = torch.tensor([0, 0, 1, 1])
    mined = semi_hard(distances, labels, MARGIN)
    triplets = set(zip(mined.anchor.tolist(), mined.positive.tolist(), mined.negative.tolist(), strict=True))
    # 0-1: the negative at 1.1025 is just beyond 1. 1-0: only the one at 16 is beyond 1, outside the margin.
    # 2-3 and 3-2: anchor 2 has no negative beyond 15.6; anchor 3 has negatives at 16 (1) and 25, and 16 > 15.8.
    assert triplets == {(0, 1, 2), (2, 3, 0)}
    assert mined.stats.pairs == 4
    assert mined.stats.active == pytest.approx(2 / 4)
    assert mined.stats.hard == pytest.approx(2 / 4)


def test_a_batch_of_one_person_or_of_strangers_gives_no_triplets():
    distances, _ = batch(1)
    one = semi_hard(distances, torch.zeros(len(distances), dtype=torch.long), MARGIN)
    strangers = semi_hard(distances, torch.arange(len(distances)), MARGIN)
    assert len(one.anchor) == len(strangers.anchor) == 0


def test_distances_are_those_of_the_metric():
    from facespace.metric import normalise, squared_distances

    points = normalise(np.random.default_rng(0).normal(size=(20, 128)))
    ours = squared_distance_matrix(torch.from_numpy(points)).numpy()
    assert np.abs(ours - squared_distances(points, points)).max() < 1e-5
