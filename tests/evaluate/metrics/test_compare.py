"""Paired comparison of two models."""

import numpy as np
import pytest

from facespace.errors import DataError
from facespace.evaluate import compare, verification
from facespace.metric import normalise


def two_models(spread, other_spread, seed=0, people=30):
    """Embeddings of two models for the same faces: people who are hard for one are hard for the other."""
    rng = np.random.default_rng(seed)
    labels = np.repeat(np.arange(people), 5)
    # Some people vary more than others, in both spaces.
    hard = rng.uniform(0.3, 1.2, people)[labels, None]
    means, noise = rng.normal(size=(people, 24))[labels], rng.normal(size=(len(labels), 24))
    return normalise(means + spread * hard * noise), normalise(means + other_spread * hard * noise), labels


def figures(points, labels):
    return verification(points, labels, fars=(1e-1, 1e-2), rounds=200)


def test_a_model_does_not_differ_from_itself():
    points, _, labels = two_models(1, 1)
    for difference in compare(figures(points, labels), figures(points, labels)):
        assert difference.difference.low == difference.difference.value == difference.difference.high == 0
        assert not difference.clear


def test_a_better_model_is_detected_although_the_intervals_overlap():
    points, others, labels = two_models(1.0, 1.15)
    better, worse = figures(points, labels), figures(others, labels)
    found = {difference.name: difference for difference in compare(better, worse)}
    assert set(found) == {"accuracy", "auc", "equal_error_rate", "val_at_far_1e-1", "val_at_far_1e-2"}
    assert better.val[1e-2].low < worse.val[1e-2].high
    assert found["val_at_far_1e-2"].clear
    assert found["val_at_far_1e-2"].difference.value == pytest.approx(better.val[1e-2].value - worse.val[1e-2].value)
    assert found["equal_error_rate"].difference.value < 0


def test_models_that_differ_only_by_chance_are_not_called_different():
    clear = 0
    for seed in range(20):
        rng = np.random.default_rng(seed)
        labels = np.repeat(np.arange(25), 4)
        means = rng.normal(size=(25, 24))[labels]
        first, second = (
            verification(normalise(means + rng.normal(size=means.shape)), labels, (1e-1,), rounds=200) for _ in range(2)
        )
        clear += next(d.clear for d in compare(first, second) if d.name == "auc")
    assert clear <= 4


def test_results_on_different_pairs_cannot_be_compared():
    points, _, labels = two_models(1, 1)
    with pytest.raises(DataError, match="on the same pairs"):
        compare(figures(points, labels), figures(points[:-5], labels[:-5]))
