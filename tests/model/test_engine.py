"""The engine: batches do not change results; providers by name."""

from dataclasses import replace

import numpy as np
import pytest

from facespace.errors import ModelError
from facespace.model import Engine, prepare, read_model


@pytest.fixture
def crops(rng):
    return rng.integers(0, 256, (75, 48, 40, 3), dtype=np.uint8)


def test_the_batch_size_does_not_change_an_embedding(space, crops):
    together = space.engine.embed(crops)
    alone = np.concatenate([space.engine.embed(crops[i : i + 1]) for i in range(len(crops))])
    sevens = np.concatenate([space.engine.embed(crops[i : i + 7]) for i in range(0, len(crops), 7)])
    streamed = np.stack(list(space.engine.embed_stream(iter(crops))))
    for other in (alone, sevens, streamed):
        assert np.abs(together - other).max() <= 1e-6


def test_with_mirror_a_face_and_its_mirror_image_have_the_same_embedding(model_path, space, crops):
    plain = space.engine.embed(crops)
    of_mirrored = space.engine.embed(np.ascontiguousarray(crops[:, :, ::-1]))
    model = read_model(model_path)
    engine = Engine(replace(model, card=model.card.model_copy(update={"mirror": True})), provider="cpu")
    found = engine.embed(crops)
    np.testing.assert_allclose(engine.embed(crops[:, :, ::-1]), found, atol=1e-6)
    # The shared model's output has L2 norm 1.
    both = plain + of_mirrored
    np.testing.assert_allclose(found, both / np.linalg.norm(both, axis=1, keepdims=True), atol=1e-6)
    assert np.abs(found - plain).max() > 1e-3
    assert np.abs(engine.embed(crops[:3]) - found[:3]).max() < 1e-6
    np.testing.assert_array_equal(engine.run(crops[:3]), space.engine.run(crops[:3]))


def test_points_lie_on_the_unit_sphere(space, crops):
    points = space.engine.embed(crops)
    assert points.dtype == np.float32
    assert points.shape == (75, 128)
    assert np.abs(np.linalg.norm(points, axis=1) - 1).max() < 1e-6


def test_no_faces_give_an_empty_array(space, crops):
    assert space.engine.embed(crops[:0]).shape == (0, 128)
    assert list(space.engine.embed_stream([])) == []


def test_pixels_are_prepared_as_the_card_says(space):
    card = space.card.model_copy(
        update={
            "input": space.card.input.model_copy(
                update={"colour": "BGR", "mean": (1.0, 2.0, 3.0), "std": (2.0, 4.0, 8.0)}
            )
        }
    )
    pixel = np.array([10, 20, 30], np.uint8)
    prepared = prepare(np.tile(pixel, (1, 48, 40, 1)), card)
    assert prepared.shape == (1, 3, 48, 40)
    assert prepared[0, :, 0, 0] == pytest.approx([(30 - 1) / 2, (20 - 2) / 4, (10 - 3) / 8])


def test_faces_of_another_size_are_refused(space, crops):
    with pytest.raises(ModelError, match=r"takes uint8 faces of shape \(n, 48, 40, 3\)"):
        space.engine.embed(crops[:, :40])


def test_the_number_of_threads_does_not_change_the_result(model_path, space, crops):
    single = Engine(read_model(model_path), provider="cpu", threads=1)
    assert np.abs(single.embed(crops) - space.engine.embed(crops)).max() <= 1e-6
    with pytest.raises(ModelError, match="threads must be at least 1"):
        Engine(read_model(model_path), threads=0)
