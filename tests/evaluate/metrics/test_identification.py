"""Identification metrics against a worked example and against counting."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from facespace.errors import DataError
from facespace.evaluate import Searches, identification, leave_one_out_rank1, search
from facespace.metric import normalise, squared_distances, template


def worked_example():
    # Enrolled: 0 and 1. Of their five probes, four find the correct person first, one of these beyond a threshold of 1.
    # Of three probes of the strangers 2 and 3, one is within that threshold.
    return Searches(
        truth=np.array([0, 0, 0, 1, 1, 2, 2, 3]),
        nearest=np.array([0, 0, 0, 0, 1, 1, 0, 0]),
        distances=np.array([0.3, 0.5, 1.2, 0.9, 0.7, 0.6, 1.4, 1.5]),
        rank=np.array([1, 1, 1, 2, 1, 0, 0, 0]),
        people=2,
    )


def test_metrics_of_a_worked_example():
    figures = identification(worked_example(), threshold=1.0, fpirs=(0.4, 1 / 3, 0.1))
    assert (figures.mated, figures.strangers) == (5, 3)
    assert figures.rank[1].value == pytest.approx(4 / 5)
    assert figures.cmc.tolist() == pytest.approx([4 / 5, 1])
    assert figures.fnir.value == pytest.approx(2 / 5)
    assert figures.fpir.value == pytest.approx(1 / 3)
    assert figures.fpir.low <= 1 / 3 <= figures.fpir.high
    # One of three strangers may be accepted: the threshold is just below 1.4, where four of five are found.
    assert figures.fnir_at[1 / 3].value == figures.fnir_at[0.4].value == pytest.approx(1 / 5)
    assert "needs 10 photos of strangers; there are 3" in figures.unmeasured[0.1]
    fpir, fnir = figures.curve
    assert list(zip(fpir, fnir, strict=True))[:3] == [(0, 0.8), (0, pytest.approx(0.6)), (1 / 3, pytest.approx(0.6))]


def test_without_strangers_the_set_is_closed():
    whole = worked_example()
    known = whole.mated
    closed = Searches(whole.truth[known], whole.nearest[known], whole.distances[known], whole.rank[known], 2)
    figures = identification(closed, threshold=1.0)
    assert figures.rank[1].value == pytest.approx(4 / 5)
    assert figures.fpir is None
    assert not figures.fnir_at


def test_probes_of_nobody_enrolled_are_an_error():
    strangers = Searches(np.array([5]), np.array([0]), np.array([1.0]), np.array([0]), 1)
    with pytest.raises(DataError, match="none of the 1 probes is of an enrolled person"):
        identification(strangers)


@pytest.fixture
def faces(rng):
    labels = np.repeat(np.arange(8), 4)
    return normalise(rng.normal(size=(8, 16))[labels] + 0.8 * rng.normal(size=(32, 16))), labels


def test_a_search_ranks_people_by_the_distance_to_their_template(faces):
    points, labels = faces
    gallery = [i for i in range(24) if i % 4 < 2]
    probes = [i for i in range(32) if i not in gallery]
    found = search(points, labels, gallery, probes)
    templates = np.stack([template(points[[4 * person, 4 * person + 1]]) for person in range(6)])
    for at, probe in enumerate(probes):
        distances = squared_distances(points[[probe]], templates)[0]
        assert found.nearest[at] == distances.argmin()
        assert found.distances[at] == pytest.approx(distances.min(), abs=1e-5)
        own = labels[probe]
        assert found.rank[at] == (1 + np.sum(distances < distances[own]) if own < 6 else 0)
    assert found.people == 6


@settings(max_examples=25, deadline=None)
@given(threshold=st.floats(0, 2), seed=st.integers(0, 50))
def test_open_set_rates_are_counts(threshold, seed):
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, 6, 40)
    labels[:6] = range(6)
    points = normalise(rng.normal(size=(6, 8))[labels] + rng.normal(size=(40, 8)))
    found = search(points, labels, range(4), range(6, 40))
    if not found.mated.any() or found.mated.all():
        return
    figures = identification(found, threshold, rounds=5)
    missed = [
        not (n == t and d <= threshold) for n, t, d in zip(found.nearest, found.truth, found.distances, strict=True)
    ]
    assert figures.fnir.value == pytest.approx(np.mean(np.array(missed)[found.mated]))
    assert figures.fpir.value == pytest.approx(np.mean(found.distances[~found.mated] <= threshold))


def test_a_person_or_probe_without_a_face_counts_as_a_miss(faces):
    points, labels = faces
    present = np.ones(32, bool)
    present[[0, 5]] = False  # the only gallery photo of person 0, and a probe of person 1
    found = search(points, labels, [0, 4, 8], [1, 5, 9, 30], present)
    assert found.rank[0] == found.rank[1] == 4
    assert found.nearest[1] == -1
    assert np.isinf(found.distances[1])
    assert found.rank[3] == 0
    figures = identification(found, threshold=4.0)
    assert figures.cmc[-1] == pytest.approx(1 / 3)
    assert figures.fnir.value == pytest.approx(2 / 3)


def test_leave_one_out_is_a_count_over_all_photos(faces):
    points, labels = faces
    distances = squared_distances(points, points)
    hits = 0
    for i in range(len(labels)):
        others = [j for j in range(len(labels)) if j != i]
        hits += labels[min(others, key=lambda j: distances[i, j])] == labels[i]
    assert 0.3 < hits / 32 < 1
    assert leave_one_out_rank1(points, labels).value == pytest.approx(hits / 32)


def test_people_with_one_photo_are_enrolled_but_not_probes(faces):
    points, labels = faces
    alone = labels.copy()
    alone[:4] = [100, 101, 102, 103]
    found = leave_one_out_rank1(points, alone)
    distances = squared_distances(points, points)
    np.fill_diagonal(distances, 9)
    assert found.value == pytest.approx(np.mean(alone[distances.argmin(1)][4:] == alone[4:]))


def test_a_gallery_without_faces_or_probes_is_a_clear_error(faces):
    points, labels = faces
    with pytest.raises(DataError, match="no person has two photos"):
        leave_one_out_rank1(points, np.arange(32))
    with pytest.raises(DataError, match="no person can be enrolled"):
        search(points, labels, [0], [1], present=np.zeros(32, bool))
