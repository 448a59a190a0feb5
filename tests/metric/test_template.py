"""Templates."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from facespace.errors import EmbeddingError
from facespace.metric import normalise, squared_distances, template


@given(seed=st.integers(0, 1000), count=st.integers(1, 6))
def test_no_other_point_of_the_sphere_has_a_smaller_sum_of_distances(seed, count):
    rng = np.random.default_rng(seed)
    points = normalise(rng.normal(size=(1, 8)) + 0.5 * rng.normal(size=(count, 8)))
    centre = template(points)
    assert np.linalg.norm(centre) == pytest.approx(1)

    def spread(candidate):
        return squared_distances(candidate[None], points).sum()

    for _ in range(20):
        assert spread(normalise((centre + 0.3 * rng.normal(size=8))[None])[0]) >= spread(centre) - 1e-4


def test_the_template_of_one_photo_is_that_photo(rng):
    (point,) = normalise(rng.normal(size=(1, 128)))
    assert template(point[None]) == pytest.approx(point, abs=1e-6)


def test_empty_and_opposite_embeddings_have_no_template():
    with pytest.raises(ValueError, match="at least one"):
        template(np.empty((0, 4)))
    with pytest.raises(ValueError, match="cancel out"):
        template([[1, 0], [-1, 0]])


@pytest.mark.parametrize("wrong", [[0, 0], [2, 0], [np.nan, 0]])
def test_an_invalid_embedding_has_no_template(wrong):
    with pytest.raises(EmbeddingError, match="row 1"):
        template([[1, 0], wrong])
