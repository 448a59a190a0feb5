"""One signed byte per dimension."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from facespace.metric import dequantise, normalise, quantise, squared_distances


def points(seed, count=20, dimension=128):
    return normalise(np.random.default_rng(seed).normal(size=(count, dimension)))


def test_128_dimensions_take_128_bytes():
    (row,) = quantise(points(0, count=1))
    assert row.dtype == np.int8
    assert len(row.tobytes()) == 128
    assert np.abs(row.astype(int)).max() == 127


@given(seed=st.integers(0, 1000))
def test_distances_move_by_less_than_a_hundredth(seed):
    unit = points(seed)
    restored = dequantise(quantise(unit))
    moved = squared_distances(restored, restored) - squared_distances(unit, unit)
    # A component is off by at most half a step of max|x|/127; over 128 dimensions, these errors nearly cancel.
    assert np.abs(moved).max() < 0.01


@given(seed=st.integers(0, 1000))
def test_quantising_again_changes_nothing(seed):
    small = quantise(points(seed))
    assert (quantise(dequantise(small)) == small).all()


def test_an_empty_array_can_be_quantised():
    assert quantise(np.empty((0, 8))).shape == (0, 8)
    assert dequantise(np.empty((0, 8), np.int8)).shape == (0, 8)
