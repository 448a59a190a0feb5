"""Convert false accept rates of strangers to thresholds and back, for templates of any number of photos."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from facespace.metric import Impostors, normalise, template

FARS = (0.5, 0.1, 0.01, 0.001)
MEASURED = Impostors(FARS, (1, 2, 4), ((1.4, 1.0, 0.7, 0.5), (1.3, 0.9, 0.6, 0.4), (1.25, 0.85, 0.55)))


def test_measured_thresholds_are_returned_exactly():
    for photos, row in zip(MEASURED.photos, MEASURED.thresholds, strict=True):
        for far, threshold in zip(FARS, row, strict=False):
            assert MEASURED.threshold(far, photos) == pytest.approx(threshold, abs=1e-7)


def test_between_rates_the_threshold_is_linear_in_the_logarithm_of_the_rate():
    assert MEASURED.threshold(10**-1.5) == pytest.approx(0.85, abs=1e-7)


def test_beyond_the_smallest_rate_the_last_decades_slope_is_used():
    assert MEASURED.threshold(1e-4) == pytest.approx(0.3, abs=1e-6)
    assert MEASURED.threshold(1e-3, 4) == pytest.approx(0.25, abs=1e-6)
    assert MEASURED.threshold(1e-30) == 0
    assert MEASURED.as_single(MEASURED.threshold(1e-3, 2), 2) == pytest.approx(0.5, abs=1e-6)


def test_between_and_beyond_numbers_of_photos_it_is_linear_in_their_inverse():
    at = MEASURED.threshold(0.1, [1, 2, 3, 4, 10**9])
    assert at == pytest.approx([1.0, 0.9, 0.9 - 0.05 * (1 / 2 - 1 / 3) / (1 / 4), 0.85, 0.8], abs=1e-6)


@given(distance=st.floats(0.2, 1.6), photos=st.integers(1, 50))
def test_a_distance_and_its_single_photo_equivalent_have_the_same_rate(distance, photos):
    single = float(MEASURED.as_single(distance, photos))
    for far in (0.3, 0.02, 0.004):
        near = min(abs(distance - MEASURED.threshold(far, photos)), abs(single - MEASURED.threshold(far)))
        assert near < 1e-6 or (distance <= MEASURED.threshold(far, photos)) == (single <= MEASURED.threshold(far))


@given(st.lists(st.floats(0, 4), min_size=2, max_size=2), st.integers(1, 9))
def test_the_conversion_keeps_the_order(distances, photos):
    low, high = MEASURED.as_single(sorted(distances), photos)
    assert low <= high


def test_a_single_photo_is_unchanged_and_larger_templates_are_moved_farther():
    assert MEASURED.as_single([[0.6, 0.9]], 1) == pytest.approx(np.array([[0.6, 0.9]]), abs=1e-7)
    assert MEASURED.as_single(0.6, 2) == pytest.approx(0.7, abs=1e-7)


def test_without_measured_templates_the_mean_distance_to_photos_is_used():
    rng = np.random.default_rng(0)
    photos, face = normalise(rng.normal(size=(5, 8))), normalise(rng.normal(size=(1, 8)))
    length = np.linalg.norm(photos.mean(axis=0))
    to_template = ((face - template(photos)) ** 2).sum(axis=1).astype(float)
    found = Impostors(FARS, (1,), ((1.4, 1.0, 0.7, 0.5),)).comparable(to_template, np.array([5]), np.array([length]))
    assert found[0] == pytest.approx(((face - photos) ** 2).sum(axis=1).mean(), abs=1e-6)
    assert MEASURED.comparable(to_template, np.array([5]), np.array([length])) == MEASURED.as_single(to_template, 5)


def test_thresholds_of_an_old_card_are_used_for_every_number_of_photos():
    old = Impostors((0.1, 0.01), (1,), ((1.0, 0.8),))
    assert not old.covers_templates
    assert MEASURED.covers_templates
    assert old.threshold(1e-3, [1, 7]) == pytest.approx([0.6, 0.6], abs=1e-7)
    assert Impostors((0.1,), (1,), ((1.0,),)).threshold(1e-3) == pytest.approx(1.0, abs=1e-7)


@given(
    st.lists(st.floats(0, 4), min_size=2, max_size=2, unique=True).filter(lambda d: abs(d[0] - d[1]) > 1e-6),
    st.integers(1, 40),
)
def test_distinct_distances_stay_distinct(distances, photos):
    flat = Impostors((0.1, 0.01), (1, 2), ((1.0, 0.99), (0.9, 0.895)))
    steep = Impostors((0.1, 0.01), (1, 2), ((1.0, 0.3), (0.9, 0.8)))
    for card in (MEASURED, flat, steep):
        low, high = card.as_single(sorted(distances), photos)
        assert 0 <= low < high


@pytest.mark.parametrize("far", [0, -0.1, 1.5])
def test_an_impossible_rate_is_refused(far):
    with pytest.raises(ValueError, match="far must be above 0"):
        MEASURED.threshold(far)
