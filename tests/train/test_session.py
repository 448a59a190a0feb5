"""A complete run, from recipe to model file."""

import json

import pytest

from facespace.demo.orl import lay_out
from facespace.errors import DataError
from facespace.model import read_model
from facespace.train.engine.checkpoint import best_checkpoint, last_checkpoint
from facespace.train.engine.history import read_history
from facespace.train.recipe import read_recipe
from facespace.train.session import export_run, faces_of, train_recipe

RECIPE = """
name = "whole"
seed = 3
steps = 12
checkpoint_every = 6
[data]
train = "train"
validation = "others"
[network]
name = "small-cnn"
width = 32
height = 40
dimension = 32
[batch]
people = 4
photos = 4
[mining.offline]
every = 5
pool = 40
share = 0.5
[optimiser]
rate = 0.01
[validation]
every = 4
"""


@pytest.fixture(scope="module")
def folder(orl, tmp_path_factory):
    folder = tmp_path_factory.mktemp("session")
    lay_out(folder / "train", 1, 8)
    lay_out(folder / "others", 9, 24)
    (folder / "recipe.toml").write_text(RECIPE)
    return folder


@pytest.fixture(scope="module")
def run(folder):
    train_recipe(read_recipe(folder / "recipe.toml"), folder / "run", False, lambda record: None, print)
    return folder / "run"


def test_validation_is_recorded_and_the_best_checkpoint_kept(run):
    records = [record for record in read_history(run / "history.jsonl") if "val_at_1e-03" in record]
    assert [record["step"] for record in records] == [4, 8, 12]
    best = max(records, key=lambda record: record["val_at_1e-03"])
    assert best_checkpoint(run).step == best["step"]
    assert last_checkpoint(run).step == 12


def test_the_best_checkpoint_is_exported_with_thresholds_of_the_validation_people(run, tmp_path):
    card = export_run(run, tmp_path / "model.onnx", print)
    assert card.training is not None
    assert card.training.steps == best_checkpoint(run).step
    assert card.decisions is not None
    assert card.decisions.people == 16
    assert read_model(tmp_path / "model.onnx").card == card


def test_thresholds_of_a_model_that_averages_mirror_images_are_its_own(run, tmp_path):
    plain = export_run(run, tmp_path / "plain.onnx", print)
    card = export_run(run, tmp_path / "mirror.onnx", print, mirror=True)
    assert (plain.mirror, card.mirror) == (False, True)
    assert card.weights_sha256 == plain.weights_sha256
    assert card.space_id != plain.space_id
    assert card.decisions.thresholds != plain.decisions.thresholds


def test_the_pool_leaves_a_list_of_suspects(run):
    assert (run / "suspects.csv").read_text().startswith("photo,person,looks_like")


def test_images_count_those_embedded_for_the_pool(run):
    records = read_history(run / "history.jsonl")
    # Batches of 16, fewer if faces are selected both ways; pools of 40 before steps 1, 6 and 11.
    assert 12 * 10 + 3 * 40 <= records[-1]["images"] <= 12 * 16 + 3 * 40
    assert records[0]["images"] >= 40


def test_a_person_in_both_sets_is_an_error(folder, tmp_path):
    lay_out(tmp_path / "both", 8, 12)
    recipe = read_recipe(folder / "recipe.toml")
    data = recipe.data.model_copy(update={"validation": tmp_path / "both"})
    with pytest.raises(DataError, match="1 people are in both the training and the validation set, for example 's8'"):
        faces_of(recipe.model_copy(update={"data": data}), print)


def test_data_are_relative_to_the_recipe_or_a_given_folder(folder, tmp_path):
    (tmp_path / "elsewhere.toml").write_text(RECIPE)
    assert read_recipe(folder / "recipe.toml").data.train == folder / "train"
    assert read_recipe(tmp_path / "elsewhere.toml", folder).data.train == folder / "train"


def test_the_history_is_json_lines_that_any_tool_reads(run):
    lines = (run / "history.jsonl").read_text().splitlines()
    assert len(lines) == 12
    assert {"loss", "active", "rank", "gradient_norm", "data_seconds"} <= json.loads(lines[0]).keys()
