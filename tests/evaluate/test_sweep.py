"""Sweeps like the paper's tables."""

import numpy as np
import pytest

from facespace.errors import DataError
from facespace.evaluate import open_photos, protocols
from facespace.evaluate.photos import InMemoryPhotos
from facespace.evaluate.results import write_sweep
from facespace.evaluate.session import Session
from facespace.evaluate.sweep import REPORTED, _changer, sweep_faces


@pytest.fixture(scope="module")
def asked(people):
    found = open_photos(people)
    names = [name for name in found.names if int(name.rpartition("/")[2].removesuffix(".pgm")) <= 5]
    return protocols.pairs_of_people(InMemoryPhotos({name: found.read(name) for name in names}, "people"))


def test_fewer_pixels_are_fewer_pixels():
    rng = np.random.default_rng(0)
    face = rng.integers(0, 256, (48, 40, 3)).astype(np.uint8)
    small = _changer("pixels", 480)(face)
    assert small.shape == face.shape
    assert small.std() < 0.6 * face.std()


def test_lower_jpeg_quality_is_less_similar_to_the_photo():
    # A smooth image, like a face.
    y, x = np.mgrid[:48, :40]
    face = (
        np.stack([120 + 100 * np.sin(x / 6), 120 + 100 * np.cos(y / 7), 3 * (x + y)], axis=2)
        .clip(0, 255)
        .astype(np.uint8)
    )
    errors = [np.abs(_changer("jpeg", quality)(face).astype(int) - face).mean() for quality in (10, 50, 90)]
    assert errors[0] > errors[1] > errors[2] > 0


def test_our_results_are_shown_next_to_the_papers(space, asked, tmp_path):
    swept = sweep_faces("pixels", asked, space)
    assert [point.x for point in swept.points] == sorted(REPORTED["pixels"])
    # The network's input has 1,920 pixels: more make no difference, fewer do.
    assert swept.points[1].val == swept.points[-1].val
    assert not swept.points[0].note
    assert "unchanged" in swept.points[-1].note
    row = swept.rows()[0]
    assert row[0] == "1,600"
    assert row[4] == "0.378"
    assert "compare the trends" in swept.reminder
    page = write_sweep(swept, tmp_path, "facespace evaluate ...")
    assert page.read_text().count("0.378") == 1
    assert (tmp_path / "plots" / "sweep-pixels.png").exists()
    assert swept.as_figures()["reported"]["1600"] == 0.378


def test_each_model_is_a_point(asked, model_path):
    swept = Session(asked, cached=False).sweep("dim", [model_path, model_path])
    assert [point.x for point in swept.points] == [128, 128]
    with pytest.raises(DataError, match="needs two or more models"):
        Session(asked, cached=False).sweep("dim", [model_path])
    with pytest.raises(DataError, match="takes only one model"):
        Session(asked, cached=False).sweep("jpeg", [model_path, model_path])
