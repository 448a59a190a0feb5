"""Verification metrics on data with known results."""

import numpy as np
import pytest

from facespace.errors import DataError
from facespace.evaluate import verification
from facespace.metric import normalise, squared_distances, threshold_at, val_far


def faces(seed, people=12, photos=6, spread=0.5):
    rng = np.random.default_rng(seed)
    labels = np.repeat(np.arange(people), photos)
    return normalise(rng.normal(size=(people, 32))[labels] + spread * rng.normal(size=(len(labels), 32))), labels


def test_perfect_embeddings_have_perfect_metrics():
    figures = verification(*faces(0, spread=0.01), rounds=50)
    assert figures.auc.value == pytest.approx(1)
    assert figures.auc.low == pytest.approx(1)
    assert figures.accuracy.value == 1
    assert figures.val[1e-2].value == 1
    assert figures.equal_error_rate.value == 0


def test_random_embeddings_have_chance_accuracy():
    rng = np.random.default_rng(0)
    figures = verification(normalise(rng.normal(size=(90, 64))), np.repeat(np.arange(15), 6), rounds=100)
    assert figures.auc.value == pytest.approx(0.5, abs=0.08)
    assert figures.accuracy.value == pytest.approx(0.5, abs=0.1)
    assert figures.auc.low < 0.5 < figures.auc.high


def test_figures_are_those_of_brute_force():
    points, labels = faces(1, spread=1.0)
    figures = verification(points, labels, rounds=20)
    distances = squared_distances(points, points)
    i, j = np.triu_indices(len(labels), 1)
    genuine, impostor = distances[i, j][labels[i] == labels[j]], distances[i, j][labels[i] != labels[j]]
    assert len(figures.genuine) == len(genuine) == 12 * 15
    assert len(figures.impostor) == len(impostor)
    assert figures.auc.value == pytest.approx(np.mean(genuine[:, None] < impostor[None, :]), abs=1e-4)
    assert figures.val[1e-1].value == pytest.approx(
        val_far(genuine, impostor, threshold_at(1e-1, impostor)).val, abs=0.006
    )


def test_a_folds_threshold_is_not_chosen_on_its_own_people():
    # Three people with identical photos, and one whose photos are as far apart as different people. The threshold of
    # the others rejects all pairs of that one; a threshold that used these pairs would accept them.
    labels = np.repeat(np.arange(4), 4)
    points = np.eye(8)[[*labels[:12], 3, 4, 5, 6]]
    figures = verification(points, labels, folds=2, rounds=10)
    assert min(figures.fold_accuracy) == pytest.approx(0.75)
    assert max(figures.fold_accuracy) == 1


def test_a_rate_that_needs_more_pairs_is_reported_as_unmeasured():
    figures = verification(*faces(0), fars=(1e-2, 1e-6), rounds=10)
    assert list(figures.val) == [1e-2]
    assert "needs 1,000,000 impostor pairs; there are 2,376" in figures.unmeasured[1e-6]


def test_an_interval_holds_its_value_and_the_seed_decides_it():
    points, labels = faces(4, spread=1.2)
    first, second = (verification(points, labels, seed=3, rounds=200) for _ in range(2))
    assert (first.auc, first.accuracy, first.val) == (second.auc, second.accuracy, second.val)
    for figure in (first.auc, first.accuracy, first.val[0.1]):
        assert figure.low <= figure.value <= figure.high


def test_too_few_people_are_refused():
    with pytest.raises(DataError, match="at least four people, some with two photos"):
        verification(*faces(0, people=3))
    with pytest.raises(DataError, match="0 same-person pairs"):
        verification(*faces(0, photos=1))


def test_nan_embeddings_are_refused():
    points, labels = faces(0)
    points[5, 0] = np.nan
    with pytest.raises(ValueError, match="row 5"):
        verification(points, labels)
