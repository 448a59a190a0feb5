"""`facespace faces` as a user runs it."""

import json
import os
import subprocess
import sys

import pytest
from PIL import Image


@pytest.fixture
def run(tmp_path):
    def call(*words):
        environment = {**os.environ, "COLUMNS": "200", "NO_COLOR": "1"}
        environment.pop("FACESPACE_MODEL", None)
        command = [sys.executable, "-m", "facespace", *map(str, words)]
        return subprocess.run(command, capture_output=True, text=True, env=environment, cwd=tmp_path, timeout=300)

    return call


@pytest.fixture
def album(people, tmp_path):
    (tmp_path / "album").mkdir()
    for number in (1, 2):
        canvas = Image.new("RGB", (150, 160), (128, 128, 128))
        canvas.paste(Image.open(people / f"s{number}" / "1.pgm"), (25, 25))
        canvas.save(tmp_path / "album" / f"{number}.png")
    return tmp_path / "album"


def test_the_faces_of_a_photo_are_listed_and_drawn(run, album, tmp_path):
    done = run("faces", album / "1.png", "--draw", "drawn.png")
    assert done.returncode == 0, done.stderr
    assert "1 faces in" in done.stdout
    assert "yaw, pitch, roll" in done.stdout
    assert Image.open(tmp_path / "drawn.png").size == (150, 160)
    found = json.loads(run("faces", album / "1.png", "--json").stdout)
    assert len(found["faces"][0]["landmarks"]) == 5
    assert "embedding" not in found["faces"][0]


def test_a_folder_is_written_to_a_table_with_its_crops(run, album, tmp_path):
    (album / "bad.jpg").write_text("no photo")
    done = run("faces", album, "--out", "faces.jsonl", "--crops", "crops")
    assert done.returncode == 0, done.stderr
    assert "2 faces in 3 photos" in done.stdout
    assert "1 photos could not be used" in done.stdout
    assert "left out" in done.stderr
    assert (tmp_path / "crops" / "1.png-0.png").exists()


def test_options_that_cannot_be_combined_are_an_error(run, album):
    assert "needs --out" in run("faces", album).stderr
    assert "does not exist" in run("faces", "absent", "--out", "faces.jsonl").stderr
    assert "--engine ray needs --out" in run("faces", album, "--engine", "ray").stderr
    assert "--engine ray needs --out" in run("cluster", album, "--engine", "ray").stderr
    assert "--workers needs --engine ray" in run("cluster", album, "--workers", "2").stderr
    assert "--draw takes one photo" in run("faces", album, "--out", "f.jsonl", "--draw", "d.png").stderr


def test_a_very_large_photo_is_drawn_smaller_with_its_faces_in_place(run, people, tmp_path):
    photo = Image.new("RGB", (5000, 500), (128, 128, 128))
    photo.paste(Image.open(people / "s1" / "1.pgm").resize((322, 392)), (4400, 50))
    photo.save(tmp_path / "wide.png")
    found = json.loads(run("faces", "wide.png", "--draw", "drawn.png", "--json").stdout)
    drawn = Image.open(tmp_path / "drawn.png").convert("RGB")
    assert (found["width"], found["height"]) == (5000, 500)
    assert drawn.width == 4096
    left, top, right, _ = found["faces"][0]["box"]
    assert 4400 < left < right < 4722
    edge = drawn.getpixel((round((left + right) / 2 * 4096 / 5000), max(round(top * 4096 / 5000), 0)))
    assert max(edge) - min(edge) > 50
