"""Export: onnxruntime computes the same embeddings as torch."""

import numpy as np
import pytest
import torch

from facespace.errors import DataError, ModelError
from facespace.model import Engine, ModelFile
from facespace.space import load
from facespace.train.data.dataset import read_faces, split_people
from facespace.train.engine.loop import train
from facespace.train.export.model import disagreement, export, new_card, restore, to_onnx
from facespace.train.networks import NETWORKS, build_network
from facespace.train.recipe import parse_recipe


def recipe(name="small-cnn", steps=4):
    return parse_recipe(
        {
            "name": "exported",
            "steps": steps,
            "data": {"train": "/home/ada/people", "description": "six people"},
            "network": {"name": name, "width": 32, "height": 40, "dimension": 64},
            "batch": {"people": 4, "photos": 4},
            "optimiser": {"rate": 0.01},
        },
        "of the test",
    )


# Without NN1 and NNS1, which have hundreds of megabytes, and NN2 and NN3, which are like NN4 for larger inputs.
@pytest.mark.parametrize("name", sorted(NETWORKS.keys() - {"nn1", "nn2", "nn3", "nns1"}))
def test_torch_and_onnxruntime_agree_for_any_number_of_faces(name, rng):
    torch.manual_seed(0)
    network = build_network(name, 32, 40, 64).eval()
    onnx = to_onnx(network, 32, 40)
    card = new_card(recipe(name), onnx)
    engine = Engine(ModelFile("model.onnx", card, onnx), "cpu")
    for count in (1, 2, 33):
        faces = rng.integers(0, 256, (count, 40, 32, 3), dtype=np.uint8)
        assert disagreement(network, engine, card, faces) <= 1e-5


@pytest.fixture(scope="module")
def run(people, tmp_path_factory):
    folder = tmp_path_factory.mktemp("run")
    faces, others = split_people(read_faces(people, 32, 40), 3, seed=1)
    train(recipe(), faces, folder)
    return folder, faces, others


def test_the_file_holds_the_last_checkpoint_and_says_where_it_comes_from(run, tmp_path):
    folder, faces, others = run
    card = export(folder, tmp_path / "model.onnx", faces, others)
    assert (card.training.people, card.training.photos, card.training.steps) == (3, 30, 4)
    assert card.training.recipe["network"]["name"] == "small-cnn"
    assert card.training.recipe["data"]["train"] == "people"
    # Paths on the training machine are private.
    assert "/" not in str(card.training)
    assert card.decisions.people == 3
    assert "six people" in card.decisions.data
    from facespace.train.engine.checkpoint import last_checkpoint

    network, _ = restore(last_checkpoint(folder), folder)
    space = load(tmp_path / "model.onnx", provider="cpu")
    assert disagreement(network, space.engine, space.card, faces.pixels) <= 1e-5


def test_without_validation_people_the_model_has_no_thresholds(run, tmp_path, people):
    folder, faces, _ = run
    export(folder, tmp_path / "model.onnx", faces, None)
    space = load(tmp_path / "model.onnx")
    assert space.embed(people / "s1" / "1.pgm").shape == (1, 64)
    with pytest.raises(ModelError, match="has no thresholds"):
        space.verify(people / "s1" / "1.pgm", people / "s1" / "2.pgm")


def test_a_run_without_a_checkpoint_cannot_be_exported(run, tmp_path):
    _, faces, _ = run
    with pytest.raises(DataError, match="contains no checkpoint; train first"):
        export(tmp_path, tmp_path / "model.onnx", faces, None)


def test_people_set_aside_are_in_one_set_only(people):
    everybody = read_faces(people, 32, 40)
    train_set, validation = split_people(everybody, 2, seed=5)
    assert not set(train_set.people) & set(validation.people)
    assert set(train_set.people) | set(validation.people) == set(everybody.people)
    for part in (train_set, validation):
        for label, name in enumerate(part.people):
            whole = everybody.pixels[everybody.labels == everybody.people.index(name)]
            assert (part.pixels[part.labels == label] == whole).all()


def test_too_few_people_cannot_be_split(people):
    with pytest.raises(DataError, match="cannot set 5 of 6 people aside"):
        split_people(read_faces(people, 32, 40), 5, seed=1)


def test_unusable_photos_are_reported_and_skipped(people, tmp_path):
    for person in ("s1", "s2"):
        (tmp_path / person).symlink_to(people / person)
    (tmp_path / "s3").mkdir()
    (tmp_path / "s3" / "bad.jpg").write_text("no photo")
    messages = []
    faces = read_faces(tmp_path, 32, 40, messages.append)
    assert faces.people == ("s1", "s2")
    assert len(faces.labels) == 20
    assert "bad.jpg is not an image" in messages[0]


def test_a_folder_without_one_usable_photo_is_a_clear_error(tmp_path):
    (tmp_path / "s3").mkdir()
    (tmp_path / "s3" / "bad.jpg").write_text("no photo")
    with pytest.raises(DataError, match="no photo under .* can be used"):
        read_faces(tmp_path, 32, 40)
