"""A detector's run from a recipe to a file: small, on painted faces."""

import json
import shlex

import numpy as np
import pytest
import torch
from click.testing import CliRunner
from PIL import Image, ImageDraw
from torch.fx.experimental._config import patch

from facespace.cli.main import command
from facespace.errors import DataError, RecipeError
from facespace.faces import OneShot
from facespace.train.detector.data import batches, read_data
from facespace.train.detector.export import export_detector
from facespace.train.detector.loop import network_of, sent
from facespace.train.detector.loss import detection_loss
from facespace.train.detector.photos import Labels, read_labels, write_labels
from facespace.train.detector.recipe import (
    BackgroundSection,
    parse_detector_recipe,
    read_detector_recipe,
    without_folders,
)
from facespace.train.detector.session import is_detector, train_detector_recipe
from facespace.train.engine.checkpoint import last_checkpoint
from facespace.train.engine.history import read_history

RECIPE = """
kind = "detector"
name = "tiny"
steps = 6
checkpoint_every = 3

[data.wild]
photos = "photos"
labels = "labels.npz"
validation = ["b"]
report = ["c"]

[network]
stem = [8, 8]
widths = [8, 8, 8]
neck = 8

[batch]
views = 4
side = 96

[optimiser]
name = "muon"
rate = 0.05
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Twelve photos with a smiling disc each, in three parts."""
    folder, rng, labels = tmp_path_factory.mktemp("detector"), np.random.default_rng(3), {}
    (folder / "photos").mkdir()
    for number in range(12):
        image = Image.fromarray(rng.integers(60, 120, (160, 200, 3), dtype=np.uint8))
        left, top, side = *rng.integers(10, 90, 2).tolist(), int(rng.integers(24, 64))
        draw = ImageDraw.Draw(image)
        draw.ellipse((left, top, left + side, top + side), (230, 190, 160))
        shares = np.array([(0.3, 0.35), (0.7, 0.35), (0.5, 0.55), (0.35, 0.75), (0.65, 0.75)])
        points = np.array([left, top]) + shares * side
        for x, y in points:
            draw.ellipse((x - 2, y - 2, x + 2, y + 2), (20, 20, 20))
        name = f"{'abc'[number % 3]}{number}.png"
        image.save(folder / "photos" / name)
        box = np.array([[left, top, left + side, top + side]], np.float32)
        labels[name] = Labels(box, points[None].astype(np.float32), np.ones(1, np.float32), np.zeros(1, bool))
    write_labels(folder / "labels.npz", labels)
    (folder / "recipe.toml").write_text(RECIPE)
    return folder


def trained(folder, run, resume=False, steps=6, warn=pytest.fail):
    recipe = read_detector_recipe(folder / "recipe.toml").model_copy(update={"steps": steps})
    return train_detector_recipe(recipe, run, resume, lambda record: None, warn, loaders=0)


def test_a_resumed_run_gives_the_numbers_of_one_that_was_not_stopped(folder, tmp_path):
    trained(folder, tmp_path / "whole")
    trained(folder, tmp_path / "parts", steps=3)
    resumed = trained(folder, tmp_path / "parts", resume=True)
    assert resumed.resumed_from == 3
    whole, parts = (last_checkpoint(tmp_path / name) for name in ("whole", "parts"))
    # The schedule of three steps ends before that of six: what is compared is the chance, not the rates.
    first, second = (read_history(tmp_path / name / "history.jsonl") for name in ("whole", "parts"))
    assert [record["faces"] for record in first] == [record["faces"] for record in second]
    assert whole.network.keys() == parts.network.keys()
    assert (tmp_path / "whole" / "training.html").read_text().count("data:image") >= 4
    with pytest.raises(DataError, match="already contains a training run"):
        trained(folder, tmp_path / "whole")


def test_an_interrupted_run_is_saved_after_its_step(folder, tmp_path):
    def stop(record):
        if record["step"] == 2:
            raise KeyboardInterrupt

    recipe = read_detector_recipe(folder / "recipe.toml")
    with pytest.raises(KeyboardInterrupt):
        train_detector_recipe(recipe, tmp_path / "run", False, stop, pytest.fail, 0)
    assert last_checkpoint(tmp_path / "run").step == 2


def test_photos_kept_back_are_not_trained_on(folder, tmp_path):
    trained(folder, tmp_path / "run", steps=1)
    assert last_checkpoint(tmp_path / "run").extra["photos"] == 4
    with np.load(tmp_path / "run" / "photos" / "train" / "photos.npz") as index:
        assert all(name.startswith("a") for name in index["names"])
    assert not (tmp_path / "run" / "photos" / "report").exists()


def test_an_exported_detector_is_used_as_any_other(folder, tmp_path, capsys):
    run, out = tmp_path / "run", tmp_path / "detector.onnx"
    trained(folder, run)
    result = CliRunner().invoke(command(), ["export", str(out), "--run", str(run)])
    assert result.exit_code == 0, result.output
    refused = CliRunner().invoke(command(), ["export", str(out), "--run", str(run), "--mirror"])
    assert refused.exit_code != 0
    assert "makes no embeddings; leave out --mirror" in str(refused.exception)
    detector = OneShot(out, score=0.001)
    assert detector.card.name == "tiny"
    assert 0 < detector.card.score < 1
    assert detector.card.recipe["data"]["wild"]["photos"] == "photos"
    (found,) = detector([np.asarray(Image.open(folder / "photos" / "a0.png").convert("RGB"))])
    assert found.landmarks.shape == (len(found.boxes), 5, 2)
    card = export_detector(run, tmp_path / "uncalibrated.onnx", None)
    assert (card.score, card.false_boxes) == (0.5, None)


def test_the_command_line_trains_a_detector_as_it_trains_a_space(folder, tmp_path):
    (folder / "one.toml").write_text(RECIPE.replace("steps = 6", "steps = 1"))
    result = CliRunner().invoke(
        command(), ["train", str(folder / "one.toml"), "--run", str(tmp_path / "run"), "--loaders", "0", "--json"]
    )
    assert result.exit_code == 0, result.output
    assert json.loads(result.stdout)["last"]["step"] == 1


def test_the_command_that_continues_an_interrupted_run_is_complete(folder, tmp_path, monkeypatch):
    def interrupted(*given):
        raise KeyboardInterrupt

    monkeypatch.setattr("facespace.train.detector.session.train_detector_recipe", interrupted)
    where = ["--data", str(folder), "--run", str(tmp_path / "my run")]
    result = CliRunner().invoke(command(), ["train", str(folder / "recipe.toml"), *where])
    continued = " ".join(result.stderr.split()).partition("continue with: ")[2]
    # The message is wrapped, so blanks may stand within a long path.
    expected = shlex.join(["facespace", "train", str(folder / "recipe.toml"), *where])
    assert continued.replace(" ", "") == f"{expected} --resume".replace(" ", "")


def test_a_recipe_of_a_detector_is_told_from_one_of_a_space(folder):
    from facespace.recipes import find

    assert is_detector(folder / "recipe.toml")
    assert is_detector(find("detector"))
    assert not is_detector(find("demo"))
    assert read_detector_recipe(find("detector")).network.depths == (1, 2, 2)
    with pytest.raises(RecipeError, match="steps"):
        parse_detector_recipe({"kind": "detector", "name": "x", "step": 3}, "here")


def test_labels_that_are_damaged_or_of_no_photo_are_refused(folder, tmp_path):
    (tmp_path / "labels.npz").write_bytes(b"PK nothing")
    with pytest.raises(DataError, match="cannot read the labels"):
        read_labels(tmp_path / "labels.npz")
    (tmp_path / "recipe.toml").write_text(RECIPE)
    write_labels(tmp_path / "labels.npz", read_labels(folder / "labels.npz"))
    (tmp_path / "photos").mkdir()
    with pytest.raises(DataError, match="contains none of the 4 photos"):
        trained(tmp_path, tmp_path / "run", warn=lambda words: None)


def test_a_run_goes_on_from_a_smaller_network_and_can_leave_its_stem_alone(folder, tmp_path):
    trained(folder, tmp_path / "small", steps=2)
    recipe = read_detector_recipe(folder / "recipe.toml")
    network = recipe.network.model_copy(
        update={"widths": (8, 16, 16), "depths": (1, 2, 1), "start": tmp_path / "small", "keep_stem": True}
    )
    larger = recipe.model_copy(update={"steps": 2, "network": network})
    train_detector_recipe(larger, tmp_path / "large", False, lambda record: None, pytest.fail, loaders=0)
    small, large = (last_checkpoint(tmp_path / name).network for name in ("small", "large"))
    stem = [name for name in large if name.startswith("live.stem")]
    assert stem
    for name in stem:
        assert torch.equal(large[name], small[name.replace("live", "averaged")])
    narrower = network.model_copy(update={"widths": (8, 8, 8), "start": tmp_path / "large"})
    other = larger.model_copy(update={"network": narrower})
    with pytest.raises(DataError, match="does not fit into this one"):
        train_detector_recipe(other, tmp_path / "other", False, lambda record: None, pytest.fail, loaders=0)


def test_photos_of_background_take_their_share_of_the_views(folder, tmp_path):
    (tmp_path / "things").mkdir()
    Image.new("RGB", (120, 90), (250, 10, 10)).save(tmp_path / "things" / "red.png")
    nothing = Labels(np.zeros((0, 4), np.float32), np.zeros((0, 5, 2), np.float32), np.zeros(0), np.zeros(0, bool))
    write_labels(tmp_path / "none.npz", {"red.png": nothing})
    recipe = read_detector_recipe(folder / "recipe.toml")
    section = BackgroundSection(photos=tmp_path / "things", labels=tmp_path / "none.npz", share=1.0)
    all_of_it = recipe.model_copy(update={"data": recipe.data.model_copy(update={"background": section})})
    data = read_data(all_of_it, tmp_path / "cache", pytest.fail)
    batch = next(batches(data, all_of_it, 0, 0))
    assert len(batch.faces.photo) == 0
    # Relit as it may be, red stays red.
    red, green, _ = batch.pixels.float().mean(dim=(0, 1, 2)).tolist()
    assert red > 1.5 * green
    assert len(next(batches(read_data(recipe, tmp_path / "other", pytest.fail), recipe, 0, 0)).faces.photo) > 0


def test_more_photos_take_their_share_of_the_views(folder, tmp_path):
    """Three collections with faces of one colour each; the colours of a batch say which photos it is made of."""
    face = read_labels(folder / "labels.npz")["a0.png"]
    (tmp_path / "discs").mkdir()
    names = ("red.png", "green.png", "blue.png")
    for name, colour in zip(names, ((250, 5, 5), (5, 250, 5), (5, 5, 250)), strict=True):
        Image.new("RGB", (160, 160), colour).save(tmp_path / "discs" / name)
        write_labels(tmp_path / f"{name}.npz", {name: face})
    text = RECIPE.replace("views = 4", "views = 64").replace('photos = "photos"', 'photos = "discs"', 1)
    text = text.replace("labels.npz", "red.png.npz").replace('validation = ["b"]\nreport = ["c"]\n', "")
    more = "".join(
        f'[[data.more]]\nphotos = "discs"\nlabels = "{name}.npz"\nshare = {share}\n'
        for name, share in (("green.png", 0.25), ("blue.png", 0.5))
    )
    (tmp_path / "recipe.toml").write_text(text.replace("[network]", more + "[network]"))
    recipe = read_detector_recipe(tmp_path / "recipe.toml")
    data = read_data(recipe, tmp_path / "cache", pytest.fail)
    views = torch.cat([next(batches(data, recipe, step, 0)).pixels for step in range(4)]).float()
    # The middle of a view may be beyond the photo, or grey; most are not.
    spread = views.amax(dim=3) - views.amin(dim=3)
    seen = [views[place][spread[place] > 60].mean(dim=0).argmax().item() for place in range(len(views))
            if (spread[place] > 60).any()]  # fmt: skip
    shares = np.bincount(seen, minlength=3) / len(seen)
    assert len(seen) > 200
    assert np.abs(shares - (0.25, 0.25, 0.5)).max() < 0.08, shares
    with pytest.raises(RecipeError, match=r"add up to 1\.1, over 1"):
        read_again(tmp_path, ("share = 0.5", "share = 0.85"))
    run = tmp_path / "run"
    train_detector_recipe(recipe.model_copy(update={"steps": 1}), run, False, lambda record: None, pytest.fail, 0)
    kept = last_checkpoint(run).recipe
    assert [section["photos"] for section in without_folders(kept)["data"]["more"]] == ["discs", "discs"]


def read_again(folder, change):
    text = (folder / "recipe.toml").read_text()
    (folder / "recipe.toml").write_text(text.replace(*change))
    return read_detector_recipe(folder / "recipe.toml")


def test_a_run_of_before_there_were_more_photos_can_be_resumed(folder, tmp_path):
    run = tmp_path / "run"
    trained(folder, run, steps=1)
    (file,) = (run / "checkpoints").glob("step-*/state.json")
    state = json.loads(file.read_text())
    del state["recipe"]["data"]["more"]
    file.write_text(json.dumps(state))
    assert trained(folder, run, resume=True, steps=2).resumed_from == 1


def test_a_step_stays_on_its_device(folder, tmp_path):
    """The meta device computes nothing, but refuses tensors of another device, as a GPU does."""
    recipe = read_detector_recipe(folder / "recipe.toml")
    batch = next(batches(read_data(recipe, tmp_path / "cache", pytest.fail), recipe, 0, 0))
    network, meta = network_of(recipe).to("meta"), torch.device("meta")
    pixels, faces, ignored = sent(batch, meta)
    with patch(meta_nonzero_assume_all_nonzero=True):
        losses = detection_loss(network(pixels.permute(0, 3, 1, 2).float()), faces, ignored)
    assert {value.device for value in losses.values()} == {meta}
    with pytest.raises(RuntimeError, match="device"), patch(meta_nonzero_assume_all_nonzero=True):
        detection_loss(network(pixels.permute(0, 3, 1, 2).float()), batch.faces, ignored)
