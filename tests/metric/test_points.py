"""Embeddings passed in by callers are checked at every entry point."""

import numpy as np
import pytest

from facespace.album import cluster
from facespace.errors import EmbeddingError
from facespace.evaluate.decisions import decide
from facespace.evaluate.metrics import verification
from facespace.gallery import Gallery, NewFace
from facespace.index import ExactIndex
from facespace.metric import as_point, as_points, paired_squared_distances, squared_distances
from facespace.space import Face

D = 128
UNIT = np.eye(1, D, dtype=np.float32)[0]

BAD = [
    pytest.param(np.zeros(D), "all zeros", id="zeros"),
    pytest.param(np.eye(1, 512)[0], "512", id="size"),
    pytest.param(np.full(D, 1.0), "L2 norm 11.3", id="norm"),
    pytest.param(np.full(D, np.nan), "NaN", id="nan"),
]


@pytest.mark.parametrize(("point", "message"), BAD)
def test_compare_refuses_an_invalid_embedding_and_names_the_argument(space, point, message):
    good = np.eye(1, space.dimension, dtype=np.float32)[0]
    with pytest.raises(EmbeddingError, match=f"^a .*{message}"):
        space.compare(point, good)
    with pytest.raises(EmbeddingError, match=f"^b .*{message}"):
        space.compare(good, point)
    assert space.compare(good, good.tolist()).same


@pytest.mark.parametrize("value", [None, "text", b"bytes", [[1, 2], [3]], [object()], {"a": 1}])
def test_non_numeric_input_is_refused_by_type(value):
    with pytest.raises(EmbeddingError, match="point must be an array of numbers"):
        as_point(value, name="point")


def test_float16_and_lists_are_accepted():
    rough = (np.random.default_rng(0).normal(size=D) / np.sqrt(D)).astype(np.float16)
    rough = (rough / np.linalg.norm(rough.astype(float))).astype(np.float16)
    assert as_points([rough, rough.tolist()], D).shape == (2, D)


@pytest.mark.parametrize(("point", "message"), BAD)
def test_every_entry_point_refuses_invalid_embeddings(space, tmp_path, point, message):
    face = Face((0, 0, 1, 1), None, 1.0, point)
    rows = np.tile(point, (8, 1))
    index = ExactIndex(space.dimension)
    index.add([1], UNIT[None, : space.dimension])
    with Gallery(tmp_path / "people.db", space) as gallery:
        gallery.store.add("Ada", [NewFace("a", (0, 0, 1, 1), np.eye(1, space.dimension, dtype=np.float32)[0])])
        ways = [
            lambda: gallery.identify_faces([face]),
            lambda: gallery.store.add("Ben", [NewFace("b", (0, 0, 1, 1), point)]),
            lambda: index.search(rows, 1),
            lambda: index.add([2], rows[:1]),
        ]
        if len(point) == D:  # a dimension is only wrong if the function knows the right one
            ways += [
                lambda: cluster(rows, threshold=1.0),
                lambda: cluster([face], threshold=1.0),
                lambda: verification(rows, np.repeat(np.arange(4), 2)),
                lambda: decide(rows, np.repeat(np.arange(4), 2), "data"),
            ]
        for way in ways:
            with pytest.raises(EmbeddingError, match=message):
                way()
        assert [person.name for person in gallery.people()] == ["Ada"]


def test_arrays_of_different_models_are_not_compared():
    for compare in (squared_distances, paired_squared_distances):
        with pytest.raises(EmbeddingError, match="different models"):
            compare(np.eye(2, 128), np.eye(2, 512))
    with pytest.raises(EmbeddingError, match="row by row"):
        paired_squared_distances(np.eye(2, 4), np.eye(1, 4))
