"""The table of suspected labels."""

import csv

import numpy as np
import pytest

from facespace.errors import DataError
from facespace.train.data.dataset import FaceSet
from facespace.train.mining.offline import Suspect
from facespace.train.mining.suspects import write_suspects

FACES = FaceSet(
    np.zeros((3, 4, 4, 3), np.uint8),
    np.array([0, 0, 1]),
    ("Ada", "Ben"),
    photos=("Ada/1.jpg", "Ada/2.jpg", "Ben/1.jpg"),
)


def test_the_table_names_the_photo_its_person_and_the_similar_person(tmp_path):
    suspect = Suspect(face=0, label=0, other=1, own_distance=0.9, other_distance=0.3)
    write_suspects(tmp_path / "suspects.csv", [suspect], np.array([1, 2]), FACES)
    with (tmp_path / "suspects.csv").open() as file:
        (row,) = csv.DictReader(file)
    assert row == {
        "photo": "Ada/2.jpg",
        "person": "Ada",
        "looks_like": "Ben",
        "own_distance": "0.9000",
        "other_distance": "0.3000",
    }
    assert [path.name for path in tmp_path.iterdir()] == ["suspects.csv"]


def test_a_folder_that_is_not_there_is_a_clear_error(tmp_path):
    with pytest.raises(DataError, match="cannot write the list of suspected labels"):
        write_suspects(tmp_path / "gone" / "suspects.csv", [], np.array([0]), FACES)
