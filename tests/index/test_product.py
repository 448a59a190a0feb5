"""Integer products of bytes, against numpy."""

import numpy as np
import pytest

from facespace.index.product import LARGEST, MAX_DIMENSIONS, Whole, products
from facespace.metric import normalise


@pytest.mark.parametrize(("dimension", "queries", "tiles", "width"), [(1, 1, 1, 1), (7, 3, 5, 4), (128, 9, 40, 32)])
def test_products_match_integer_arithmetic(dimension, queries, tiles, width):
    rng = np.random.default_rng(0)
    whole = Whole.of(normalise(rng.normal(size=(queries, dimension))))
    codes = rng.integers(-128, 128, (tiles, dimension, width)).astype(np.int8)
    lengths = rng.random((tiles, 1, width)).astype(np.float32)
    found, largest = products(whole, codes, lengths)
    numbers = whole.numbers[0].astype(np.int64) - LARGEST
    expected = np.einsum("nd,tdw->tnw", numbers, codes.astype(np.int64)) * lengths
    assert found == pytest.approx(expected, rel=1e-6, abs=1e-3)
    assert (largest == found.max(axis=2)).all()


def test_the_largest_products_do_not_overflow():
    whole = Whole.of(np.full((1, MAX_DIMENSIONS), 1 / 64, np.float32))
    codes = np.full((1, MAX_DIMENSIONS, 32), -128, np.int8)
    found, _ = products(whole, codes, np.ones((1, 1, 32), np.float32))
    assert found == pytest.approx(-128.0 * LARGEST * MAX_DIMENSIONS, rel=1e-6)


def test_the_rounding_error_of_a_query_is_within_its_bound():
    queries = normalise(np.random.default_rng(1).normal(size=(50, 128)))
    whole = Whole.of(queries)
    numbers = whole.numbers[0].astype(np.float64) - LARGEST
    error = np.linalg.norm(queries - whole.scale[:, None] * numbers, axis=1)
    assert error == pytest.approx(whole.left, rel=1e-2)
    assert whole.left.max() < 0.03
    assert whole.numbers.max() <= 2 * LARGEST
