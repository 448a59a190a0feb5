import sys

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from facespace.clustering.graph import Graph, candidate_graph, neighbour_graph, radius_graph
from facespace.clustering.linkage import average_linkage, components, first_appearance
from facespace.metric import normalise, squared_distances


def people(rng, count=12, faces=6, dimension=16, spread=0.5):
    """Clouds on the sphere, some of which overlap."""
    centres = rng.normal(size=(count, dimension))
    return normalise(np.repeat(centres, faces, 0) + spread * rng.normal(size=(count * faces, dimension)))


def one_merge_at_a_time(points, threshold, apart=(), colour=None, start=None):
    """The definition: repeatedly merge the nearest pair of groups that may merge."""
    distances = squared_distances(points, points).astype(np.float64)
    for i, j in apart:
        distances[i, j] = distances[j, i] = np.inf
    if colour is not None:
        different = (colour[:, None] != colour[None]) & (colour[:, None] >= 0) & (colour[None] >= 0)
        distances[different] = np.inf
    groups = (
        [[i] for i in range(len(points))] if start is None else [list(np.flatnonzero(start == g)) for g in set(start)]
    )
    while len(groups) > 1:
        # Uncoloured members of a coloured group also keep away from other colours.
        height, i, j = min(
            (distances[np.ix_(groups[i], groups[j])].mean(), i, j) for i in range(len(groups)) for j in range(i)
        )
        if height > threshold:
            break
        groups[j] += groups.pop(i)
    labels = np.empty(len(points), np.int64)
    for number, group in enumerate(groups):
        labels[group] = number
    return first_appearance(labels)


@pytest.mark.parametrize("threshold", [0.1, 0.3, 0.5, 0.8, 1.2, 4.0])
@pytest.mark.parametrize("spread", [0.3, 0.6])
def test_with_all_pairs_up_to_the_cut_the_result_is_exact(exact_clusters, rng, threshold, spread):
    points = people(rng, spread=spread)
    found = average_linkage(points, radius_graph(points, threshold), threshold).cut(threshold)
    np.testing.assert_array_equal(found, exact_clusters(points, threshold))


def test_a_forest_grown_to_a_cut_gives_every_stricter_clustering(exact_clusters, rng):
    points = people(rng)
    merges = average_linkage(points, radius_graph(points, 0.9), 0.9)
    for threshold in (0.0, 0.2, 0.45, 0.7, 0.9):
        np.testing.assert_array_equal(merges.cut(threshold), exact_clusters(points, threshold))


@settings(deadline=None, max_examples=60)
@given(data=st.data())
def test_with_constraints_the_result_matches_merging_one_pair_at_a_time(data):
    rng = np.random.default_rng(data.draw(st.integers(0, 2**32 - 1)))
    count = data.draw(st.integers(2, 14))
    points = normalise(rng.normal(size=(count, 4)))
    threshold = data.draw(st.sampled_from([0.3, 1.0, 2.0]))
    apart = rng.integers(count, size=(data.draw(st.integers(0, 6)), 2))
    apart = apart[apart[:, 0] != apart[:, 1]]
    colour = np.where(rng.random(count) < 0.3, rng.integers(3, size=count), -1)
    graph = radius_graph(points, threshold)
    found = average_linkage(points, graph, threshold, apart=apart, colour=colour).cut(threshold)
    np.testing.assert_array_equal(found, one_merge_at_a_time(points, threshold, apart, colour))


def test_initial_groups_stay_together_and_count_all_members(rng):
    points = people(rng, count=6)
    start = first_appearance(np.arange(len(points)) // 2)
    graph = radius_graph(points, 0.6)
    found = average_linkage(points, graph, 0.6, start=start).cut(0.6)
    np.testing.assert_array_equal(found, one_merge_at_a_time(points, 0.6, start=start))


def test_points_of_any_norm_are_supported(exact_clusters, rng):
    points = (people(rng) * rng.uniform(0.5, 2, size=(72, 1))).astype(np.float32)
    np.testing.assert_array_equal(
        average_linkage(points, radius_graph(points, 0.8), 0.8).cut(0.8), exact_clusters(points, 0.8)
    )


def test_copies_of_one_photo_are_merged():
    points = np.repeat(normalise(np.eye(3)), 5, axis=0)
    found = average_linkage(points, radius_graph(points, 0.0), 0.0).cut(0.0)
    np.testing.assert_array_equal(found, np.repeat([0, 1, 2], 5))


def test_groups_without_a_pair_in_the_graph_do_not_merge():
    points = normalise(np.ones((4, 3)))
    graph = Graph(np.array([0]), np.array([2]), np.zeros(1, np.float32))
    np.testing.assert_array_equal(average_linkage(points, graph, 1.0).cut(1.0), [0, 1, 0, 2])


def test_no_points_and_one_point_are_supported():
    none, one = np.empty((0, 8), np.float32), np.ones((1, 8), np.float32)
    assert average_linkage(none, candidate_graph(none, 1.0), 1.0).cut(1.0).shape == (0,)
    np.testing.assert_array_equal(average_linkage(one, candidate_graph(one, 1.0), 1.0).cut(1.0), [0])


def test_the_graph_of_neighbours_holds_each_pair_once_and_within_the_radius(rng):
    points = people(rng)
    graph = neighbour_graph(points, 0.7, k=5)
    distances = squared_distances(points, points)
    assert (graph.a < graph.b).all()
    assert len(set(zip(graph.a.tolist(), graph.b.tolist(), strict=True))) == len(graph.a)
    np.testing.assert_allclose(graph.distance, distances[graph.a, graph.b], atol=1e-5)
    assert graph.distance.max() <= 0.7
    np.fill_diagonal(distances, np.inf)
    wanted = {
        (min(i, j), max(i, j))
        for i in range(len(points))
        for j in np.argsort(distances[i])[:5]
        if distances[i, j] <= 0.7
    }
    assert set(zip(graph.a.tolist(), graph.b.tolist(), strict=True)) == wanted


@settings(deadline=None, max_examples=40)
@given(st.integers(0, 2**32 - 1))
def test_components_match_a_graph_traversal(seed):
    rng = np.random.default_rng(seed)
    count = int(rng.integers(1, 40))
    a, b = rng.integers(count, size=(2, int(rng.integers(0, 40))))
    label = list(range(count))
    for _ in range(count):
        for i, j in zip(a, b, strict=True):
            label[i] = label[j] = min(label[i], label[j])
    np.testing.assert_array_equal(components(count, a, b), first_appearance(np.array(label)))


@pytest.mark.parametrize(
    ("points", "groups"),
    [
        (np.repeat(np.eye(1, 8), 300, axis=0), 1),
        (np.repeat(np.eye(12, 16), 25, axis=0), 12),
        (np.eye(300), 1),
        (np.repeat(normalise(np.random.default_rng(5).normal(size=(1, 8))), 300, axis=0), 1),
    ],
    ids=["copies", "groups of copies", "all equally far apart", "copies whose products are rounded"],
)
def test_ties_are_merged_many_at_a_time(points, groups, monkeypatch):
    """One merge per round would be cubic: 5,000 copies of a photo took a quarter of an hour."""
    module = sys.modules["facespace.clustering.linkage"]
    rounds, merge = [], module._reciprocal
    monkeypatch.setattr(module, "_reciprocal", lambda *given: rounds.append(1) or merge(*given))
    points = points.astype(np.float32)
    cut = 2.5 if groups == 1 else 1.0
    found = average_linkage(points, radius_graph(points, cut), cut).cut(cut)
    assert found.max() + 1 == groups
    assert len(rounds) < 60


def test_copies_that_must_stay_apart_stay_apart(rng):
    points = np.repeat(normalise(rng.normal(size=(1, 8))), 120, axis=0)
    # Sixty photos that each show the same face twice: the two faces of a photo go to two people.
    apart = np.arange(120).reshape(60, 2)
    found = average_linkage(points, radius_graph(points, 0.5), 0.5, apart=apart).cut(0.5)
    assert (found[apart[:, 0]] != found[apart[:, 1]]).all()
