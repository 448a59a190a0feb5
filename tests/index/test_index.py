"""Indexes match exhaustive search after any additions, removals, saving and damage."""

import json
import threading

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from facespace.index import ExactIndex, open_index
from facespace.metric import dequantise, nearest, normalise, quantise

D = 32


def points(count, seed=0, dimension=D):
    return normalise(np.random.default_rng(seed).normal(size=(count, dimension)))


def reference(ids, stored, queries, k):
    """All distances, the slow and simple way."""
    unit = dequantise(quantise(stored)).astype(np.float64)
    found = []
    for query in np.asarray(queries, np.float64):
        distances = ((unit - query) ** 2).sum(axis=1)
        order = np.argsort(distances, kind="stable")[:k]
        found.append((np.asarray(ids)[order], distances[order]))
    return found


@settings(max_examples=60, deadline=None)
@given(
    batches=st.lists(st.integers(0, 40), max_size=5),
    removed=st.sets(st.integers(0, 200)),
    k=st.integers(1, 12),
    seed=st.integers(0, 1000),
)
def test_exact_search_matches_all_distances(batches, removed, k, seed):
    index, stored = ExactIndex(D, threads=2), points(sum(batches), seed) if sum(batches) else np.empty((0, D))
    start = 0
    for size in batches:
        index.add(np.arange(start, start + size), stored[start : start + size])
        start += size
    assert index.remove(sorted(removed)) == len([i for i in removed if i < start])
    live = np.array([i for i in range(start) if i not in removed], int)
    assert len(index) == len(live)
    queries = points(3, seed + 1)
    hits = index.search(queries, k)
    for row, (ids, distances) in enumerate(reference(live, stored[live], queries, k) if len(live) else []):
        assert hits.distances[row, : len(ids)] == pytest.approx(distances, abs=2e-6)
        # Two points may have the same distance to the last bit of float32.
        assert np.mean(hits.ids[row, : len(ids)] == ids) == 1 or len(set(np.round(distances, 5))) < len(distances)
    assert (hits.ids[:, len(live) :] == -1).all()
    assert np.isinf(hits.distances[:, len(live) :]).all()


@pytest.mark.parametrize("queries", [1, 7, 600])
def test_blocks_and_threads_do_not_change_the_result(queries):
    stored, asked = points(200_000), points(queries, 1)
    index = ExactIndex(D, threads=3)
    index.add(np.arange(len(stored)), stored)
    hits = index.search(asked, 10)
    distances, rows = nearest(asked, dequantise(quantise(stored)), 10)
    assert hits.distances == pytest.approx(distances, abs=3e-6)
    assert np.mean(hits.ids == rows) > 0.999


@pytest.mark.parametrize(("dimension", "queries"), [(1, 2), (5, 3), (128, 1), (130, 40), (600, 2)])
def test_points_closer_than_the_integer_resolution_are_ordered_correctly(dimension, queries):
    rng = np.random.default_rng(dimension)
    codes = quantise(points(1, 3, dimension)).repeat(9000, axis=0)
    # Half of the points differ from one by 1 in a few bytes, including -128; half are strangers.
    codes[4500:] = rng.integers(-128, 128, (4500, dimension))
    codes[codes.any(axis=1) == 0] = 1
    rows, columns = rng.integers(0, 4500, (2, 6000))
    codes[rows, columns % dimension] -= 1
    codes = codes[rng.permutation(9000)]
    codes[codes.any(axis=1) == 0] = 1
    index = ExactIndex(dimension, threads=1)
    index.add(np.arange(9000), codes)
    gone = rng.choice(9000, 1000, replace=False)
    index.remove(gone)
    left = np.setdiff1d(np.arange(9000), gone)
    asked = np.concatenate([points(1, 3, dimension), -points(1, 3, dimension), points(queries, 1, dimension)])
    hits = index.search(asked, 25)
    unit = codes[left] / np.linalg.norm(codes[left].astype(np.float64), axis=1, keepdims=True)
    true = ((unit[None] - asked[:, None].astype(np.float64)) ** 2).sum(axis=2)
    nearest = np.sort(true, axis=1)[:, :25]
    assert hits.distances == pytest.approx(nearest, abs=3e-6)
    assert (np.diff(hits.distances, axis=1) >= 0).all()
    found = np.searchsorted(left, hits.ids)
    assert (left[found] == hits.ids).all()
    assert np.take_along_axis(true, found, 1) == pytest.approx(nearest, abs=3e-6)
    assert all(len(set(row)) == 25 for row in hits.ids.tolist())


def test_too_many_dimensions_are_refused():
    ExactIndex(4096)
    with pytest.raises(ValueError, match="1 to 4,096 dimensions, not 5,000"):
        ExactIndex(5000)


def test_ties_go_to_the_point_added_first():
    index = ExactIndex(D)
    index.add(np.arange(50_000)[::-1], np.repeat(quantise(points(1)), 50_000, axis=0))
    assert index.search(points(1), 4).ids.tolist() == [[49_999, 49_998, 49_997, 49_996]]


def test_removed_points_are_never_found_and_others_still_are():
    index, stored = ExactIndex(D), points(1000)
    index.add(np.arange(1000), stored)
    for start in range(0, 900, 90):
        assert index.remove(np.arange(start, start + 90)) == 90
        hits = index.search(stored, 1)
        assert (hits.ids[start + 90 :, 0] == np.arange(start + 90, 1000)).mean() > 0.99
        assert hits.ids.min() >= start + 90
    assert len(index) == 100
    assert index.remove([3, 5000]) == 0
    index.add([3], stored[3:4])
    assert index.search(stored[3:4], 1).ids.tolist() == [[3]]


@pytest.mark.parametrize("memory_map", [True, False])
def test_a_saved_index_answers_as_before_and_can_be_changed(memory_map, tmp_path):
    index, stored = ExactIndex(D), points(500)
    index.add(np.arange(500), stored)
    index.remove([1, 2, 3])
    index.save(tmp_path / "saved", "of today")
    again = open_index(tmp_path / "saved", "of today", memory_map)
    assert type(again) is ExactIndex
    assert len(again) == 497
    before, after = index.search(stored, 5), again.search(stored, 5)
    assert (before.ids == after.ids).all()
    assert (before.distances == after.distances).all()
    again.add([1, 600], stored[[1, 2]])
    assert again.search(stored[[1, 2]], 1).ids.tolist() == [[1], [600]]
    again.remove([600])
    again.save(tmp_path / "saved", "of tomorrow")
    assert open_index(tmp_path / "saved", "of today") is None
    assert len(open_index(tmp_path / "saved", "of tomorrow")) == 498
    assert len(list((tmp_path / "saved").iterdir())) == 4


def test_a_damaged_or_unfinished_index_opens_as_none(tmp_path):
    index = ExactIndex(D)
    index.add(np.arange(300), points(300))
    index.save(tmp_path / "saved")
    for path in sorted((tmp_path / "saved").iterdir()):
        whole = path.read_bytes()
        for damaged in (whole[: len(whole) // 2], whole[:-9] + b"\x07" + whole[-8:], b""):
            path.write_bytes(damaged)
            assert open_index(tmp_path / "saved") is None, path
        path.unlink()
        assert open_index(tmp_path / "saved") is None, path
        path.write_bytes(whole)
    assert open_index(tmp_path / "saved") is not None
    assert open_index(tmp_path / "never saved") is None


def test_an_index_of_a_kind_that_no_longer_exists_opens_as_none(tmp_path):
    index = ExactIndex(D)
    index.add([1], points(1))
    index.save(tmp_path)
    description = json.loads((tmp_path / "index.json").read_text())
    (tmp_path / "index.json").write_text(json.dumps({**description, "kind": "hnsw"}))
    assert open_index(tmp_path) is None


def test_others_can_search_during_changes():
    index, stored = ExactIndex(D), points(6000)
    index.add(np.arange(1000), stored[:1000])
    stop, wrong = threading.Event(), []

    def search():
        while not stop.is_set():
            hits = index.search(stored[:20], 1)
            if not (hits.ids[:, 0] == np.arange(20)).all():
                wrong.append(hits.ids)

    readers = [threading.Thread(target=search) for _ in range(2)]
    for reader in readers:
        reader.start()
    for start in range(1000, 6000, 250):
        index.add(np.arange(start, start + 250), stored[start : start + 250])
        index.remove(np.arange(start, start + 125))
    stop.set()
    for reader in readers:
        reader.join()
    assert not wrong
    assert len(index) == 1000 + 20 * 125


def test_replaced_points_are_found_at_every_moment():
    index, stored = ExactIndex(D), points(300)
    index.add(np.arange(300), stored)
    stop, searches, missed = threading.Event(), [], []

    def search():
        while not stop.is_set():
            found = index.search(stored[:20], 1).ids[:, 0]
            searches.append(1)
            missed.extend(np.flatnonzero(found != np.arange(20)))

    readers = [threading.Thread(target=search) for _ in range(2)]
    for reader in readers:
        reader.start()
    for number in range(150):
        index.replace(np.arange(20), stored[:20], [20 + number])
    stop.set()
    for reader in readers:
        reader.join()
    assert searches
    assert missed == []
    assert len(index) == 150


@given(
    changes=st.lists(
        st.tuples(st.lists(st.integers(0, 30), unique=True, max_size=8), st.sets(st.integers(0, 30), max_size=8)),
        max_size=6,
    ),
    seed=st.integers(0, 100),
)
@settings(max_examples=25, deadline=None)
def test_replacing_equals_removing_and_adding(changes, seed):
    replaced, plain = ExactIndex(D, threads=1), ExactIndex(D, threads=1)
    for number, (ids, gone) in enumerate(changes):
        gone, stored = sorted(gone - set(ids)), points(max(1, len(ids)), seed + number)[: len(ids)]
        codes = quantise(stored) if len(ids) else np.empty((0, D), np.int8)
        replaced.replace(ids, codes, gone)
        plain.remove([*ids, *gone])
        plain.add(ids, codes)
    asked = points(3, seed + 50)
    mine, theirs = replaced.search(asked, 40), plain.search(asked, 40)
    assert len(replaced) == len(plain)
    assert (mine.ids == theirs.ids).all()
    assert (mine.distances == theirs.distances).all()


@pytest.mark.parametrize(
    ("ids", "given", "message"),
    [
        ([0], points(1), "in the index already"),
        ([5, 5], points(2), "distinct"),
        ([-1], points(1), "not negative"),
        ([5], points(2), "1 ids were given for 2 points"),
        ([5], points(1, dimension=8), r"shape \(n, 32\)"),
        ([5], np.zeros((1, D)), "all zeros"),
        ([5], np.zeros((1, D), np.int8), "all zeros"),
        ([5], np.full((1, D), np.nan), "NaN"),
    ],
)
def test_invalid_points_are_refused_and_nothing_is_added(ids, given, message):
    index = ExactIndex(D)
    index.add([0], points(1))
    with pytest.raises(ValueError, match=message):
        index.add(ids, given)
    assert len(index) == 1
    assert index.search(points(1), 2).ids.tolist() == [[0, -1]]


def test_invalid_queries_are_refused():
    index = ExactIndex(D)
    for asked, k, message in (
        (points(1), 0, "k must be at least 1"),
        (points(1, dimension=8), 1, "shape"),
        (np.zeros((1, D)), 1, "all zeros"),
    ):
        with pytest.raises(ValueError, match=message):
            index.search(asked, k)
    assert index.search(points(2), 3).ids.tolist() == [[-1] * 3] * 2
    assert index.search(np.empty((0, D)), 3).ids.shape == (0, 3)
