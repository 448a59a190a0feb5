"""Clustering metrics against their definitions, computed face by face and pair by pair."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import normalized_mutual_info_score
from sklearn.metrics.cluster import pair_confusion_matrix

from facespace.evaluate import bcubed_f, grouping

labels = st.lists(st.tuples(st.integers(0, 4), st.integers(0, 4)), min_size=1, max_size=25)


@settings(max_examples=40, deadline=None)
@given(pairs=labels)
def test_bcubed_is_its_definition_face_by_face(pairs):
    truth, found = np.array(pairs).T
    precision = np.mean([np.mean(truth[found == found[i]] == truth[i]) for i in range(len(truth))])
    recall = np.mean([np.mean(found[truth == truth[i]] == found[i]) for i in range(len(truth))])
    figures = grouping(truth, found)
    assert figures.bcubed_precision == pytest.approx(precision)
    assert figures.bcubed_recall == pytest.approx(recall)
    assert figures.bcubed_f.value == pytest.approx(2 * precision * recall / (precision + recall))
    assert bcubed_f(truth, found) == pytest.approx(figures.bcubed_f.value)


@settings(max_examples=40, deadline=None)
@given(pairs=labels)
def test_pairwise_f_is_that_of_scikit_learns_pair_counts(pairs):
    truth, found = np.array(pairs).T
    (_, false_together), (false_apart, together) = pair_confusion_matrix(truth, found)
    total = 2 * together + false_together + false_apart
    figures = grouping(truth, found)
    assert figures.pairwise_f == pytest.approx(2 * together / total if total else 1)
    grouped, same = together + false_together, together + false_apart
    assert figures.pairwise_precision == pytest.approx(together / grouped if grouped else 1)
    assert figures.pairwise_recall == pytest.approx(together / same if same else 1)


@settings(max_examples=40, deadline=None)
@given(pairs=labels)
def test_mutual_information_is_scikit_learns(pairs):
    truth, found = np.array(pairs).T
    assert grouping(truth, found).nmi == pytest.approx(normalized_mutual_info_score(truth, found), abs=1e-9)


def test_correct_clusters_with_other_numbers_are_perfect():
    figures = grouping([0, 0, 1, 2, 2], [7, 7, 3, 9, 9])
    assert figures.bcubed_f.value == figures.bcubed_f.low == figures.pairwise_f == 1
    assert (figures.people, figures.groups) == (3, 3)


def test_a_worked_example():
    # Two people with two and three faces, in one cluster of five.
    figures = grouping([0, 0, 1, 1, 1], [0] * 5)
    assert figures.bcubed_precision == pytest.approx((2 * 2 / 5 + 3 * 3 / 5) / 5)
    assert figures.bcubed_recall == 1
    assert figures.pairwise_f == pytest.approx(2 * 4 / (4 + 10))
