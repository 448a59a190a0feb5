"""The online miners against slow references, and their properties."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from facespace.train.mining import (
    MINERS,
    OWN_HARDNESS,
    batch_all,
    batch_hard,
    distance_weighted,
    mine,
    semi_hard,
    squared_distance_matrix,
)

MARGIN = 0.2


def batch(seed, people=5, photos=4, spread=0.6):
    rng = np.random.default_rng(seed)
    labels = np.repeat(np.arange(people), rng.integers(1, photos + 1, people))
    centres = rng.normal(size=(people, 8))
    points = torch.from_numpy((centres[labels] + spread * rng.normal(size=(len(labels), 8))).astype("f4"))
    return squared_distance_matrix(torch.nn.functional.normalize(points)), torch.from_numpy(labels)


def as_set(mined):
    return set(zip(mined.anchor.tolist(), mined.positive.tolist(), mined.negative.tolist(), strict=True))


def pairs_and_negatives(labels):
    for a in range(len(labels)):
        negatives = [n for n in range(len(labels)) if labels[n] != labels[a]]
        positives = [p for p in range(len(labels)) if labels[p] == labels[a] and p != a]
        if negatives and positives:
            yield a, positives, negatives


@given(seed=st.integers(0, 10_000), spread=st.floats(0.05, 3))
def test_batch_hard_takes_the_farthest_positive_and_the_nearest_negative(seed, spread):
    distances, labels = batch(seed, spread=spread)
    expected = set()
    for a, positives, negatives in pairs_and_negatives(labels):
        p = max(positives, key=lambda p: distances[a, p])
        n = min(negatives, key=lambda n: distances[a, n])
        if distances[a, p] + MARGIN > distances[a, n]:
            expected.add((a, p, n))
    mined = batch_hard(distances, labels, MARGIN)
    assert as_set(mined) == expected
    assert mined.divisor == sum(1 for _ in pairs_and_negatives(labels))


@given(seed=st.integers(0, 10_000), spread=st.floats(0.05, 3), name=st.sampled_from(sorted(MINERS)))
def test_a_margin_of_plain_distances_decides_by_plain_distances(seed, spread, name):
    distances, labels = batch(seed, spread=spread)
    generator = torch.Generator().manual_seed(0)
    mined = mine(name, distances, labels, MARGIN, OWN_HARDNESS[name], 0.0, "all", generator, plain=True)
    plain = distances.double().sqrt()
    violation = plain[mined.anchor, mined.positive] + MARGIN - plain[mined.anchor, mined.negative]
    assert (violation > -1e-6).all()
    if name == "batch-all":
        expected = sum(
            int((plain[a, negatives] < plain[a, p] + MARGIN).sum())
            for a, positives, negatives in pairs_and_negatives(labels)
            for p in positives
        )
        assert len(mined) == pytest.approx(expected, abs=2)


@given(seed=st.integers(0, 10_000), spread=st.floats(0.05, 3), floor=st.floats(0, 1))
def test_batch_all_lists_every_triplet_that_breaks_the_margin_above_the_floor(seed, spread, floor):
    distances, labels = batch(seed, spread=spread)
    floor = float(np.float32(floor))
    expected = {
        (a, p, n)
        for a, positives, negatives in pairs_and_negatives(labels)
        for p in positives
        for n in negatives
        if distances[a, n] < distances[a, p] + MARGIN and distances[a, n] >= floor
    }
    mined = batch_all(distances, labels, MARGIN, floor=floor)
    assert as_set(mined) == expected
    assert len(mined) == len(expected)


def test_batch_all_samples_where_there_are_too_many_to_list(monkeypatch):
    from facespace.train.mining import online

    distances, labels = batch(3, people=12, spread=2)
    every = as_set(batch_all(distances, labels, MARGIN))
    monkeypatch.setattr(online, "LARGEST_LISTING", 50)
    sampled = batch_all(distances, labels, MARGIN, generator=torch.Generator().manual_seed(1))
    assert len(every) > 50
    assert len(sampled) == 50
    assert as_set(sampled) <= every


@given(seed=st.integers(0, 10_000), hardness=st.floats(0, 1), floor=st.floats(0, 0.5))
def test_harder_mining_takes_nearer_negatives_but_none_below_the_floor(seed, hardness, floor):
    distances, labels = batch(seed)
    mild, hard = semi_hard(distances, labels, 4.0), semi_hard(distances, labels, 4.0, hardness, floor=0.0)
    # A margin of 4 keeps every pair, so both have the same pairs.
    assert (distances[hard.anchor, hard.negative] <= distances[mild.anchor, mild.negative] + 1e-6).all()
    floored = semi_hard(distances, labels, 4.0, hardness, floor)
    nearest_kept = distances[floored.anchor, floored.negative]
    farthest = torch.stack([distances[a][labels != labels[a]].max() for a in floored.anchor]) if len(floored) else 0
    assert ((nearest_kept >= floor - 1e-6) | (nearest_kept == farthest)).all()


def test_at_full_hardness_it_takes_the_nearest_negative():
    distances, labels = batch(7)
    mined = semi_hard(distances, labels, 4.0, hardness=1.0)
    for a, n in zip(mined.anchor, mined.negative, strict=True):
        assert distances[a, n] == distances[a][labels != labels[a]].min()


@pytest.mark.parametrize("miner", [semi_hard, batch_all, distance_weighted])
def test_one_positive_for_each_anchor_where_asked_for(miner):
    distances, labels = batch(5)
    generator = torch.Generator().manual_seed(0)
    mined = miner(distances, labels, 4.0, pairs="one", generator=generator)
    positives = {}
    for a, p, _ in as_set(mined):
        positives.setdefault(a, set()).add(p)
    assert positives
    assert all(len(found) == 1 for found in positives.values())


def test_distance_weighting_draws_near_and_far_negatives_equally_often():
    # Negatives at 60, 90 and 110 degrees: in 128 dimensions nearly all of a sphere is near 90 degrees, so uniform
    # sampling of the sphere would almost never draw the first.
    angles = np.radians([0, 5, 60, 90, 110])
    points = np.zeros((5, 128), np.float32)
    points[:, 0], points[:, 1] = np.cos(angles), np.sin(angles)
    distances = squared_distance_matrix(torch.from_numpy(points))
    labels = torch.tensor([0, 0, 1, 2, 3])
    generator = torch.Generator().manual_seed(0)
    drawn = torch.cat([distance_weighted(distances, labels, 4.0, generator=generator).negative for _ in range(200)])
    assert set(drawn.tolist()) <= {2, 3, 4}
    assert (drawn == 2).float().mean() > 0.9  # the rarest distance, so drawn most often
    # 110 degrees is a plain distance of 1.64, where a negative gives no loss.
    assert not (drawn == 4).any()


@given(seed=st.integers(0, 10_000))
def test_every_miner_returns_true_triplets_that_break_the_margin(seed):
    distances, labels = batch(seed)
    for miner in MINERS.values():
        mined = miner(distances, labels, MARGIN, 0.5, 0.0, "all", torch.Generator().manual_seed(seed))
        assert (labels[mined.anchor] == labels[mined.positive]).all()
        assert (labels[mined.anchor] != labels[mined.negative]).all()
        assert (mined.anchor != mined.positive).all()
        assert (distances[mined.anchor, mined.positive] + MARGIN > distances[mined.anchor, mined.negative] - 1e-6).all()


def test_a_batch_of_one_person_or_of_strangers_gives_nothing_by_any_miner():
    distances, _ = batch(1)
    for miner in MINERS.values():
        for labels in (torch.zeros(len(distances), dtype=torch.long), torch.arange(len(distances))):
            mined = miner(distances, labels, MARGIN, 0.5, 0.0, "all", torch.Generator())
            assert len(mined) == 0
