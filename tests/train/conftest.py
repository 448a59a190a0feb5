"""A small recipe and small photos of people, for runs of a few steps."""

import pytest

from facespace.train.data.dataset import read_faces
from facespace.train.recipe import parse_recipe


@pytest.fixture(scope="session")
def recipe():
    """Return a function that makes a recipe; its arguments replace top-level keys."""

    def make(**changes):
        values = {
            "name": "smoke",
            "seed": 3,
            "steps": 6,
            "checkpoint_every": 2,
            "data": {"train": "people"},
            "network": {"name": "small-cnn", "width": 32, "height": 40, "dimension": 32},
            "batch": {"people": 4, "photos": 4},
            "optimiser": {"rate": 0.01},
        }
        return parse_recipe({**values, **changes}, "of the test")

    return make


@pytest.fixture(scope="session")
def faces(people):
    """Faces of 32 x 40 pixels."""
    return read_faces(people, 32, 40)
