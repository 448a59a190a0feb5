"""Whitening: its effect on the variation within people, and its export with the network."""

import numpy as np
import pytest
import torch

from facespace.errors import DataError
from facespace.metric import squared_distances
from facespace.space import load
from facespace.train.engine.loop import train
from facespace.train.export.model import export
from facespace.train.export.whitening import Whitened, whitened, whitening
from facespace.train.networks import build_network


def photos_of(people, rng, photos=40, nuisance=3.0):
    """Embeddings that vary within a person mostly along the first axis, which is unrelated to the person."""
    templates = rng.normal(size=(people, 6))
    templates[:, 0] = 0
    noise = rng.normal(size=(people, photos, 6)) * [nuisance, 0.3, 0.3, 0.3, 0.3, 0.3]
    points = (templates[:, None] + noise).reshape(-1, 6).astype(np.float32)
    return points, np.repeat(np.arange(people), photos)


def within(points, labels):
    left = np.concatenate([points[labels == label] - points[labels == label].mean(0) for label in np.unique(labels)])
    return left.T @ left / len(left)


def test_photos_of_a_person_vary_equally_in_all_directions():
    points, labels = photos_of(20, np.random.default_rng(0))
    mean, matrix = whitening(points, labels, shrinkage=1e-6)
    spread = within((points - mean) @ matrix, labels)
    np.testing.assert_allclose(spread, np.eye(6) * spread[0, 0], atol=1e-3 * spread[0, 0])


def test_more_shrinkage_changes_less():
    points, labels = photos_of(20, np.random.default_rng(1))
    conditions = [np.linalg.cond(whitening(points, labels, shrinkage)[1]) for shrinkage in (0.01, 0.1, 1.0, 100.0)]
    assert conditions == sorted(conditions, reverse=True)
    assert conditions[-1] < 1.1


def test_whitening_separates_unseen_people_better():
    rng = np.random.default_rng(2)
    mean, matrix = whitening(*photos_of(30, rng), shrinkage=0.1)
    points, labels = photos_of(10, rng, photos=8)

    def mistaken(space):
        distances = squared_distances(space.astype(np.float32), space.astype(np.float32)) + 9e9 * np.eye(len(space))
        return float((labels[distances.argmin(axis=1)] != labels).mean())

    assert mistaken((points - mean) @ matrix) < 0.5 * mistaken(points)


def test_one_photo_a_person_and_equal_points_change_nothing_badly():
    rng = np.random.default_rng(3)
    for points in (rng.normal(size=(5, 4)), np.ones((5, 4))):
        _, matrix = whitening(points.astype(np.float32), np.arange(5), shrinkage=0.1)
        assert np.isfinite(matrix).all()


def test_the_layer_is_the_map_on_the_sphere(rng):
    network = build_network("small-cnn", 32, 40, 16).eval()
    faces = torch.from_numpy(rng.normal(size=(3, 3, 40, 32)).astype(np.float32))
    mean, matrix = rng.normal(size=16).astype(np.float32), rng.normal(size=(16, 16)).astype(np.float32)
    with torch.inference_mode():
        wanted = (network(faces).numpy() - mean) @ matrix
        found = Whitened(network, mean, matrix)(faces).numpy()
    np.testing.assert_allclose(found, wanted / np.linalg.norm(wanted, axis=1, keepdims=True), atol=1e-5)


def test_a_recipe_that_does_not_ask_for_it_keeps_its_network(recipe, faces):
    network = build_network("small-cnn", 32, 40, 16).eval()
    assert whitened(network, recipe(), faces) is network


@pytest.mark.parametrize(("copies", "mirror"), [(0, False), (2, True)])
def test_it_is_part_of_the_exported_model(recipe, faces, tmp_path, copies, mirror):
    asked = recipe(whitening={"shrinkage": 0.1, "copies": copies, "mirror": mirror})
    plain = train(asked, faces, tmp_path / "run").network
    export(tmp_path / "run", tmp_path / "model.onnx", faces, None)
    space = load(tmp_path / "model.onnx", provider="cpu")
    crops = faces.crops(slice(0, 30))
    found = space.engine.embed(crops)
    with torch.inference_mode():
        network = whitened(plain.eval(), asked, faces)
        again = network((torch.from_numpy(crops).permute(0, 3, 1, 2).float() - 127.5) / 127.5).numpy()
    np.testing.assert_allclose(found, again, atol=2e-5)
    turned = space.engine.embed(np.ascontiguousarray(crops[:, :, ::-1]))
    assert np.allclose(turned, found, atol=1e-5) == mirror


def test_mirror_images_are_not_averaged_twice(recipe, faces, tmp_path):
    asked = recipe(whitening={"shrinkage": 0.1, "copies": 0, "mirror": True})
    train(asked, faces, tmp_path / "run")
    with pytest.raises(DataError, match=r"averages mirror images already \(whitening.mirror\)"):
        export(tmp_path / "run", tmp_path / "model.onnx", faces, None, mirror=True)
