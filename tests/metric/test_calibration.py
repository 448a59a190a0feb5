"""Distance to probability, against scikit-learn and by the properties of probabilities."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.linear_model import LogisticRegression

from facespace.metric import fit_calibration


def distances(seed, genuine=4000, impostor=20000):
    rng = np.random.default_rng(seed)
    return rng.normal(0.7, 0.35, genuine).clip(0), rng.normal(1.5, 0.3, impostor).clip(0)


def test_with_many_pairs_it_matches_scikit_learns_balanced_logistic_regression():
    genuine, impostor = distances(0)
    fitted = fit_calibration(genuine, impostor)
    same = np.repeat([1, 0], [len(genuine), len(impostor)])
    model = LogisticRegression(C=np.inf, class_weight="balanced", tol=1e-10, max_iter=1000)
    model.fit(np.concatenate([genuine, impostor])[:, None], same)
    # Platt's targets differ from 0 and 1 by about 1/n.
    assert fitted.slope == pytest.approx(model.coef_[0, 0], rel=0.02)
    assert fitted.intercept == pytest.approx(model.intercept_[0], rel=0.02)


@given(seed=st.integers(0, 100), prior=st.floats(0.01, 0.99))
def test_a_probability_falls_with_the_distance_and_rises_with_the_prior(seed, prior):
    fitted = fit_calibration(*distances(seed, 50, 200))
    grid = np.linspace(0, 4, 50)
    probabilities = fitted.probability(grid, prior)
    assert (np.diff(probabilities) <= 0).all()
    assert ((probabilities >= 0) & (probabilities <= 1)).all()
    assert (fitted.probability(grid, min(prior + 0.005, 0.995)) >= probabilities).all()


def test_probabilities_match_observed_frequencies():
    fitted = fit_calibration(*distances(1))
    genuine, impostor = distances(2, 20000, 20000)
    probabilities = fitted.probability(np.concatenate([genuine, impostor]))
    same = np.repeat([True, False], 20000)
    for low in (0.1, 0.3, 0.5, 0.7):
        chosen = (probabilities >= low) & (probabilities < low + 0.2)
        assert same[chosen].mean() == pytest.approx(probabilities[chosen].mean(), abs=0.06)


def test_separable_sets_give_a_finite_curve():
    fitted = fit_calibration([0.1, 0.2, 0.3], [1.5, 1.6, 1.7])
    assert np.isfinite([fitted.slope, fitted.intercept]).all()
    assert fitted.probability(0.2) > 0.7
    assert fitted.probability(1.6) < 0.3


def test_a_space_that_does_not_separate_people_is_refused():
    with pytest.raises(ValueError, match="not nearer"):
        fit_calibration([1.5, 1.6, 1.7], [0.1, 0.2, 0.3])
    with pytest.raises(ValueError, match="collapsed"):
        fit_calibration([1.0, 1.0], [1.0, 1.0])


def test_an_invalid_prior_is_refused():
    with pytest.raises(ValueError, match="between 0 and 1"):
        fit_calibration([0.1, 0.2], [1.0, 1.1]).probability(0.5, prior=1)
