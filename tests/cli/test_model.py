"""`facespace model ...`: each command as a user runs it."""

import json
import os
import shutil
import subprocess
import sys

import pytest

from facespace.faces.detector_file import read_detector
from facespace.model import read_model


@pytest.fixture
def run(tmp_path):
    """Run `facespace model ...` and return the finished process."""

    def call(*words):
        command = [sys.executable, "-m", "facespace", "model", *map(str, words)]
        environment = {**os.environ, "COLUMNS": "200", "NO_COLOR": "1"}
        return subprocess.run(command, capture_output=True, text=True, env=environment, cwd=tmp_path, timeout=300)

    return call


def test_list_shows_the_models_of_a_folder_and_warns_about_other_files(run, model_path, tmp_path):
    shutil.copy(model_path, tmp_path / "good.onnx")
    (tmp_path / "bad.onnx").write_bytes(b"nonsense")
    finished = run("list", tmp_path)
    assert finished.returncode == 0
    assert "good.onnx" in finished.stdout
    assert "bad.onnx cannot be used" in finished.stderr
    listed = json.loads(run("list", tmp_path, "--json").stdout)["models"]
    found = {each["path"].rsplit("/", 1)[-1]: each for each in listed}
    assert found["good.onnx"]["card"]["dimension"] == 128
    assert found["bad.onnx"]["problem"]


def test_verify_reports_an_intact_or_a_damaged_file(run, model_path, tmp_path):
    assert "is intact and matches its card" in run("verify", model_path).stdout
    damaged = bytearray(model_path.read_bytes())
    damaged[len(damaged) // 2] ^= 1
    (tmp_path / "damaged.onnx").write_bytes(damaged)
    finished = run("verify", tmp_path / "damaged.onnx")
    assert finished.returncode == 2
    assert "damaged" in finished.stderr


def test_import_and_quantise_write_two_model_files(run, model_path, people, tmp_path):
    card = read_model(model_path).card
    fields = {"name": "foreign", "version": "2", "dimension": 128, "normalised": True, "detector": "whole-photo"}
    lines = [f"{key} = {json.dumps(value)}" for key, value in fields.items()]
    lines += ['crop = "box"', 'licence = "MIT"', 'data_terms = "none"', "[input]", 'colour = "RGB"']
    lines += [f"width = {card.input.width}", f"height = {card.input.height}"]
    lines += [f"mean = {list(card.input.mean)}", f"std = {list(card.input.std)}"]
    (tmp_path / "foreign.toml").write_text("\n".join(lines))
    finished = run("import", model_path, "made.onnx", "--card", "foreign.toml")
    assert finished.returncode == 0, finished.stderr
    assert "foreign 2" in finished.stdout
    finished = run("quantise", "made.onnx", "int8.onnx", "--faces", people, "--json")
    assert finished.returncode == 0, finished.stderr
    assert json.loads(finished.stdout)["card"]["quantised"]["drift"] < 0.1
    assert read_model(tmp_path / "int8.onnx").card.name == "foreign-int8"


def test_quantise_takes_a_detector_too(run, float_detector, people, tmp_path):
    (tmp_path / "photos").mkdir()
    for number, photo in enumerate(sorted(people.rglob("*.*"))[:8]):
        shutil.copy(photo, tmp_path / "photos" / f"{number}{photo.suffix}")
    (tmp_path / "photos" / "bad.jpg").write_bytes(b"not a photo")
    finished = run("quantise", float_detector, "int8.onnx", "--faces", "photos", "--json")
    assert finished.returncode == 0, finished.stderr
    assert "bad.jpg" in finished.stderr
    card = read_detector(tmp_path / "int8.onnx")[0]
    assert json.loads(finished.stdout)["card"]["quantised"] == card.quantised.model_dump()
    assert (card.quantised.data, card.quantised.photos) == ("the folder photos", 6)
    finished = run("quantise", float_detector, "other.onnx", "--faces", "photos")
    assert "scores above .1 differ by" in finished.stdout
    finished = run("quantise", "int8.onnx", "other.onnx", "--faces", "photos")
    assert (finished.returncode, "quantised already" in finished.stderr) == (2, True)
    finished = run("quantise", float_detector, "other.onnx", "--faces", "photos", "--detector", "mtcnn")
    assert (finished.returncode, "leave out --detector" in finished.stderr) == (2, True)
