import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from facespace.clustering.arrange import Constraints, arrange, carry, join, loosened, part, settle
from facespace.clustering.threshold import Cut
from facespace.metric import normalise


def clouds(rng, people=8, faces=6, spread=0.25):
    """Faces of people who are far from each other."""
    centres = np.eye(people, 16)
    return normalise(np.repeat(centres, faces, 0) + spread / 4 * rng.normal(size=(people * faces, 16)))


def constraints(count, together=(), apart=(), colour=None):
    pairs = [np.array(list(p), np.int64).reshape(-1, 2) for p in (together, apart)]
    return Constraints(*pairs, np.full(count, -1) if colour is None else np.array(colour))


def test_without_constraints_people_are_found(rng):
    found = arrange(clouds(rng), Cut(0.5))
    np.testing.assert_array_equal(found.labels, np.repeat(np.arange(8), 6))


@settings(deadline=None, max_examples=50)
@given(st.integers(0, 2**32 - 1))
def test_constraints_hold_whatever_the_faces_look_like(seed):
    rng = np.random.default_rng(seed)
    count = 20
    points = normalise(rng.normal(size=(count, 5)))
    truth = rng.integers(4, size=count)
    pairs = rng.integers(count, size=(12, 2))
    pairs = pairs[pairs[:, 0] != pairs[:, 1]]
    alike = truth[pairs[:, 0]] == truth[pairs[:, 1]]
    known = constraints(count, pairs[alike], pairs[~alike], np.where(rng.random(count) < 0.2, truth, -1))
    for labels in (
        arrange(points, Cut(1.0), known).labels,
        join(points, np.full(count, -1), 1.0, known),
        settle(points, rng.integers(3, size=count), known, 1.0, np.empty(0, np.int64)),
    ):
        assert all(labels[a] == labels[b] for a, b in known.together)
        assert all(labels[a] != labels[b] for a, b in known.apart)
        coloured = np.flatnonzero(known.colour >= 0)
        assert all(known.colour[a] == known.colour[b] or labels[a] != labels[b] for a in coloured for b in coloured)


def test_new_faces_join_found_and_connect_clusters(rng):
    points = clouds(rng, people=3)
    labels = np.repeat([0, 1, 2], 6)
    labels[[5, 11]] = -1  # of known people
    labels[12:] = -1  # a new person
    found = join(points, labels, 0.5, Constraints.nothing(18))
    np.testing.assert_array_equal(found, np.repeat([0, 1, 2], 6))
    # One person in two clusters that are connected only by a face between them.
    line = normalise(np.array([[1, 0], [1, 0.05], [1, 1.0], [1, 0.95], [1, 0.5]]))
    split = np.array([0, 0, 1, 1, -1])
    assert len(set(join(line, split, 0.45, Constraints.nothing(5)).tolist())) == 1


def test_clusters_that_no_new_face_touches_stay_unchanged(rng):
    points = clouds(rng, people=4)
    labels = rng.integers(5, size=24)  # wrong, but decided earlier
    labels[-1] = -1
    found = join(points, labels, 0.3, Constraints.nothing(24))
    before = labels[:18]
    for a in range(18):
        assert ((found[:18] == found[a]) == (before == before[a])).all() or found[a] == found[-1]


def test_settling_moves_the_face_that_is_farther_from_the_rest(rng):
    points = clouds(rng, people=2)
    labels = np.zeros(12, np.int64)
    labels[7:] = 1  # face 6 is with the wrong person
    known = constraints(12, apart=[(0, 6)])
    found = settle(points, labels, known, 0.5, np.empty(0, np.int64))
    np.testing.assert_array_equal(found, np.repeat([0, 1], 6))


def test_settling_moves_bound_points_to_the_majority_cluster(rng):
    points = clouds(rng, people=2)
    labels = np.repeat([0, 1], 6)
    known = constraints(12, together=[(0, 6), (6, 7), (7, 8)])
    assert settle(points, labels, known, 0.01, np.empty(0, np.int64)).tolist() == [1, 0, 0, 0, 0, 0, 1, 1, 1, 1, 1, 1]


@pytest.mark.parametrize("faces", [3, 1100])
def test_splitting_gives_two_groups_around_the_two_faces(rng, faces):
    points = clouds(rng, people=2, faces=faces)
    found = part(points, constraints(2 * faces, apart=[(0, faces)]))
    np.testing.assert_array_equal(found, np.repeat([0, 1], faces))


def test_ids_go_where_most_of_their_points_went():
    before = np.array([7, 7, 7, 3, 3, -1, -1])
    assert carry(before, np.array([0, 0, 1, 1, 1, 1, 2]), 9).tolist() == [7, 7, 3, 3, 3, 3, 9]
    # When a cluster splits, its larger part keeps the id.
    assert carry(np.array([7, 7, 7]), np.array([0, 1, 1]), 9).tolist() == [9, 7, 7]
    # A name takes precedence over a larger part.
    assert carry(np.array([7, 3, 3]), np.array([0, 0, 0]), 9, kept=np.array([7])).tolist() == [7, 7, 7]


@settings(deadline=None, max_examples=50)
@given(st.integers(0, 2**32 - 1))
def test_ids_are_unique_and_group_the_same_points(seed):
    rng = np.random.default_rng(seed)
    before, labels = rng.integers(-1, 6, size=30), rng.integers(8, size=30)
    ids = carry(before, labels, 100)
    assert len({(a, b) for a, b in zip(labels.tolist(), ids.tolist(), strict=True)}) == len(set(ids.tolist()))
    assert len(set(ids.tolist())) == len(set(labels.tolist()))
    np.testing.assert_array_equal(carry(ids, labels, 200), ids)


def on_a_circle(*angles):
    """Unit vectors at these angles; squared distance 2 - 2 cos of the difference."""
    return np.array([[np.cos(angle), np.sin(angle)] for angle in angles], np.float32)


def test_clusters_near_new_faces_are_clustered_again_with_them():
    # The second is nearer to the new face than to the first, which is then too far from the two.
    points, labels = on_a_circle(0.0, 0.6, 0.75), np.array([0, 0, -1])
    nothing = Constraints.nothing(3)
    assert join(points, labels, 0.4, nothing).tolist() == [0, 0, 0]
    found = join(points, loosened(points, labels, 0.4, nothing), 0.4, nothing)
    assert found.tolist() == arrange(points, Cut(0.4)).labels.tolist() == [0, 1, 1]


def test_distant_and_decided_clusters_stay_unchanged():
    points, labels = on_a_circle(0.0, 0.6, 0.75, 3.0, 3.1), np.array([0, 0, -1, 1, 1])
    nothing = Constraints.nothing(5)
    assert loosened(points, labels, 0.4, nothing).tolist() == [-1, -1, -1, 1, 1]
    decided = Constraints(np.array([[0, 1]]), nothing.apart, nothing.colour)
    assert loosened(points, labels, 0.4, decided).tolist() == labels.tolist()
    named = Constraints(nothing.together, nothing.apart, np.array([7, -1, -1, -1, -1]))
    assert loosened(points, labels, 0.4, named).tolist() == labels.tolist()
