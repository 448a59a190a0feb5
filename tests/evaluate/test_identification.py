"""Open-set figures by a hand-worked example, rank-1 by counting."""

import numpy as np
import pytest

from facespace.errors import DataError
from facespace.evaluate import identification, leave_one_out_rank1, one_photo_rank1
from facespace.metric import normalise, squared_distances


def test_figures_of_a_hand_worked_example():
    # Enrolled: 0 and 1. Eight probes:    0: right twice, refused once; 1: taken for 0 once, right once;
    truth = [0, 0, 0, 1, 1, 2, 2, 3]  # 2 and 3 are strangers: 2 taken for 1 once.
    nearest = [0, 0, 0, 0, 1, 1, 0, 0]
    accepted = [True, True, False, True, True, True, False, False]
    figures = identification(truth, nearest, accepted, enrolled=[0, 1])
    assert (figures.mated, figures.strangers) == (5, 3)
    assert figures.rank1.value == pytest.approx(4 / 5)
    assert figures.fnir.value == pytest.approx(2 / 5)
    assert figures.fpir.value == pytest.approx(1 / 3)
    assert figures.fpir.low <= 1 / 3 <= figures.fpir.high


@pytest.mark.parametrize("enrolled", [[], [0, 1, 2]])
def test_without_strangers_or_without_acquaintances_there_is_no_open_set(enrolled):
    with pytest.raises(DataError, match="needs probes of people enrolled and of strangers"):
        identification([0, 1, 2], [0, 1, 2], [True] * 3, enrolled)


@pytest.fixture
def faces(rng):
    labels = np.repeat(np.arange(8), 4)
    return normalise(rng.normal(size=(8, 16))[labels] + 0.8 * rng.normal(size=(32, 16))), labels


def test_leave_one_out_is_a_count_over_all_photos(faces):
    points, labels = faces
    distances = squared_distances(points, points)
    hits = 0
    for i in range(len(labels)):
        others = [j for j in range(len(labels)) if j != i]
        hits += labels[min(others, key=lambda j: distances[i, j])] == labels[i]
    assert 0.3 < hits / 32 < 1
    assert leave_one_out_rank1(points, labels).value == pytest.approx(hits / 32)


def test_people_with_one_photo_are_found_against_but_not_searched_for(faces):
    points, labels = faces
    alone = labels.copy()
    alone[:4] = [100, 101, 102, 103]
    found = leave_one_out_rank1(points, alone)
    distances = squared_distances(points, points)
    np.fill_diagonal(distances, 9)
    assert found.value == pytest.approx(np.mean(alone[distances.argmin(1)][4:] == alone[4:]))


def test_one_photo_each_is_a_search_of_the_rest_among_those(faces):
    points, labels = faces
    gallery = np.arange(0, 32, 4)
    distances = squared_distances(points, points)
    rest = [i for i in range(32) if i % 4]
    hits = [labels[gallery[distances[i, gallery].argmin()]] == labels[i] for i in rest]
    assert one_photo_rank1(points, labels, gallery).value == pytest.approx(np.mean(hits))


def test_nothing_to_find_is_a_clear_error(faces):
    points, _ = faces
    with pytest.raises(DataError, match="nobody has two photos"):
        leave_one_out_rank1(points, np.arange(32))
    with pytest.raises(DataError, match="nothing to search for"):
        one_photo_rank1(points, np.arange(32), [0, 1])
