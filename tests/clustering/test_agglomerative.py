"""Exact agglomerative clustering against scikit-learn and a naive version."""

import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.cluster import AgglomerativeClustering
from sklearn.metrics import adjusted_rand_score

from facespace.clustering import agglomerative
from facespace.errors import DataError
from facespace.metric import normalise, squared_distances

linkages = st.sampled_from(["average", "complete"])


def cloud(seed, count):
    rng = np.random.default_rng(seed)
    centres = rng.normal(size=(4, 6))
    return normalise(centres[rng.integers(4, size=count)] + 0.4 * rng.normal(size=(count, 6)))


def obvious(points, threshold, linkage):
    """Merge the two nearest groups until none are near enough."""
    distances = squared_distances(points, points).astype(float)
    groups = [[i] for i in range(len(points))]
    measure = np.mean if linkage == "average" else np.max
    while len(groups) > 1:
        pairs = [(i, j) for i in range(len(groups)) for j in range(i)]
        near = [measure(distances[np.ix_(groups[i], groups[j])]) for i, j in pairs]
        best = int(np.argmin(near))
        if near[best] > threshold:
            break
        i, j = pairs[best]
        groups[j] += groups.pop(i)
    labels = np.empty(len(points), int)
    for number, group in enumerate(groups):
        labels[group] = number
    return labels


@settings(deadline=None, max_examples=40)
@given(seed=st.integers(0, 1000), count=st.integers(2, 14), threshold=st.floats(0.05, 3), linkage=linkages)
def test_groups_match_the_naive_version(seed, count, threshold, linkage):
    points = cloud(seed, count)
    found = agglomerative(points, threshold, linkage)
    assert adjusted_rand_score(obvious(points, threshold, linkage), found) == 1


@settings(deadline=None, max_examples=40)
@given(seed=st.integers(0, 1000), threshold=st.floats(0.05, 3), linkage=linkages)
def test_groups_match_scikit_learn(seed, threshold, linkage):
    points = cloud(seed, 80)
    distances = squared_distances(points, points).astype(float)
    np.fill_diagonal(distances, 0)
    model = AgglomerativeClustering(
        n_clusters=None, metric="precomputed", linkage=linkage, distance_threshold=np.nextafter(threshold, 9)
    )
    assert adjusted_rand_score(model.fit_predict(distances), agglomerative(points, threshold, linkage)) == 1


@given(seed=st.integers(0, 1000), count=st.integers(1, 30))
def test_groups_are_numbered_by_first_appearance(seed, count):
    labels = agglomerative(cloud(seed, count), 0.5)
    firsts = [int(np.argmax(labels == label)) for label in range(labels.max() + 1)]
    assert firsts == sorted(firsts)
    assert labels[0] == 0


def test_the_diameter_as_threshold_gives_one_group_and_a_negative_one_only_single_faces():
    points = cloud(0, 20)
    assert set(agglomerative(points, 4.01)) == {0}
    assert agglomerative(points, -1).tolist() == list(range(20))


def test_one_face_is_one_group_and_no_face_is_none():
    assert agglomerative(np.empty((0, 6)), 1).tolist() == []
    assert agglomerative(cloud(0, 1), 1).tolist() == [0]


def test_too_many_faces_are_refused_before_allocating_memory():
    with pytest.raises(DataError, match=r"30,000 faces are too many .* needs 4 GB"):
        agglomerative(np.ones((30_000, 2), np.float32), 1)


def test_it_needs_no_scipy():
    code = (
        "import sys; sys.modules['scipy'] = None\n"
        "import numpy as np\n"
        "from facespace.clustering import agglomerative\n"
        "print(agglomerative(np.eye(4)[[0, 0, 1, 2]], 0.5).tolist())"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[0, 0, 1, 2]"
