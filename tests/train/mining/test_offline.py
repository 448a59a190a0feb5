"""Mining in a pool against a direct search, and on a real space with wrong labels."""

import csv

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from facespace.train.mining import hard_triplets, offline, suspected_labels

MARGIN = 0.3


def pool(seed, people=8, photos=5):
    rng = np.random.default_rng(seed)
    labels = np.repeat(np.arange(people), rng.integers(1, photos + 1, people))
    rng.shuffle(labels)
    centres = rng.normal(size=(people, 6))
    points = torch.from_numpy((centres[labels] + 0.8 * rng.normal(size=(len(labels), 6))).astype("f4"))
    return torch.nn.functional.normalize(points), torch.from_numpy(labels)


@settings(deadline=None)
@given(seed=st.integers(0, 10_000), cells=st.integers(1, 300))
def test_it_finds_the_farthest_positive_and_the_nearest_negative_of_the_whole_pool(seed, cells):
    points, labels = pool(seed)
    distances = (2 - 2 * points @ points.T).clamp(min=0)
    expected = {}
    for a in range(len(labels)):
        positives = [p for p in range(len(labels)) if labels[p] == labels[a] and p != a]
        negatives = [n for n in range(len(labels)) if labels[n] != labels[a]]
        if positives and negatives:
            p, n = max(float(distances[a, p]) for p in positives), min(float(distances[a, n]) for n in negatives)
            if p + MARGIN > n:
                expected[a] = (p, n)
    before, offline.BLOCK_CELLS = offline.BLOCK_CELLS, cells
    try:
        found = hard_triplets(points, labels, torch.arange(len(labels)), MARGIN)
    finally:
        offline.BLOCK_CELLS = before
    assert found.anchor.tolist() == sorted(expected)
    for a, p, n in zip(found.anchor, found.positive_distance, found.negative_distance, strict=True):
        assert (float(p), float(n)) == pytest.approx(expected[int(a)], abs=1e-5)
    assert (labels[found.anchor] == labels[found.positive]).all()
    assert (labels[found.anchor] != labels[found.negative]).all()


def test_milder_hardness_takes_negatives_beyond_the_positive_where_there_are_any():
    points, labels = pool(3, people=12)
    found = hard_triplets(points, labels, torch.arange(len(labels)), MARGIN, hardness=0.0)
    beyond = found.negative_distance > found.positive_distance
    assert beyond.any()
    hardest = hard_triplets(points, labels, torch.arange(len(labels)), 4.0)
    mildest = hard_triplets(points, labels, torch.arange(len(labels)), 4.0, hardness=0.0)
    assert (hardest.negative_distance <= mildest.negative_distance + 1e-6).all()


def test_the_floor_keeps_the_nearest_strangers_out():
    points, labels = pool(4)
    found = hard_triplets(points, labels, torch.arange(len(labels)), MARGIN, floor=0.4)
    assert (found.negative_distance >= 0.4).all()


def test_wrong_labels_among_real_embeddings_are_suspected_and_few_right_ones(shared_data):
    with (shared_data / "faces.csv").open() as file:
        rows = [row for row in csv.DictReader(file) if row["split"] == "val"]
    teacher = np.load(shared_data / "teacher.npy", mmap_mode="r")
    points = torch.from_numpy(np.stack([teacher[int(row["teacher_row"])] for row in rows]).astype("f4"))
    points = torch.nn.functional.normalize(points)
    names, labels = np.unique([row["person"] for row in rows], return_inverse=True)
    rng = np.random.default_rng(0)
    wrong = rng.choice(len(labels), 60, replace=False)
    changed = labels.copy()
    changed[wrong] = (labels[wrong] + rng.integers(1, len(names), 60)) % len(names)
    suspects = suspected_labels(points, torch.from_numpy(changed), torch.arange(len(labels)))
    found = {suspect.face for suspect in suspects}
    caught = len(found & set(wrong.tolist()))
    assert caught > 0.8 * len(wrong)
    assert caught > 0.6 * len(found)
    # The most suspicious come first, and the other person is the true one.
    assert all(labels[suspect.face] == suspect.other for suspect in suspects[:20])


def test_pool_triplets_violate_a_margin_of_plain_distances_where_that_is_asked_for():
    rng = np.random.default_rng(4)
    labels = np.arange(60) // 3
    people = rng.normal(size=(20, 8))
    points = torch.from_numpy((people[labels] + 0.6 * rng.normal(size=(60, 8))).astype("f4"))
    points = torch.nn.functional.normalize(points)
    kept = torch.from_numpy(labels)
    found = hard_triplets(points, kept, torch.arange(60), MARGIN, hardness=0.0, plain=True)
    squared = hard_triplets(points, kept, torch.arange(60), MARGIN, hardness=0.0)
    assert 0 < len(found) < 60
    assert (found.positive_distance.sqrt() + MARGIN > found.negative_distance.sqrt()).all()
    assert (squared.positive_distance + MARGIN > squared.negative_distance).all()
    # Plain distances above a quarter differ by less than squared ones, so the same margin reaches farther.
    assert not (found.positive_distance + MARGIN > found.negative_distance).all()
