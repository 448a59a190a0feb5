"""Calibration error against scikit-learn and a worked example."""

import numpy as np
import pytest
from sklearn.calibration import calibration_curve
from sklearn.metrics import brier_score_loss

from facespace.evaluate import reliability


def test_it_is_scikit_learns_curve_where_both_kinds_are_equally_many(rng):
    p = rng.random(4000)
    same = rng.random(4000) < p**2
    keep = np.concatenate([np.flatnonzero(same)[:1000], np.flatnonzero(~same)[:1000]])
    p, same = p[keep], same[keep]
    found = reliability(p, same)
    observed, predicted = calibration_curve(same, p, n_bins=10)
    assert found.predicted == pytest.approx(predicted)
    assert found.observed == pytest.approx(observed)
    assert found.brier == pytest.approx(brier_score_loss(same, p))
    assert found.weight.sum() == pytest.approx(1)


def test_a_worked_example():
    # Two genuine pairs have weight 1/4 each, four impostor pairs 1/8 each.
    found = reliability([0.95, 0.25, 0.25, 0.05, 0.05, 0.05], [True, True, False, False, False, False])
    assert found.predicted == pytest.approx([0.05, 0.25, 0.95])
    assert found.observed == pytest.approx([0, 2 / 3, 1])
    assert found.weight == pytest.approx([3 / 8, 3 / 8, 1 / 4])
    assert found.error == pytest.approx(3 / 8 * 0.05 + 3 / 8 * (2 / 3 - 0.25) + 1 / 4 * 0.05)


def test_correct_probabilities_have_almost_no_error(rng):
    p = rng.random(200_000)
    same = rng.random(200_000) < p
    assert reliability(p, same).error < 0.01
    assert reliability(p**3, same).error > 0.1


def test_one_kind_alone_is_refused():
    with pytest.raises(ValueError, match="same-person and different-person"):
        reliability([0.5], [True])
