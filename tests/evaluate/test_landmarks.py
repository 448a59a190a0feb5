"""Reading landmarks from a file."""

import numpy as np
import pytest

from facespace.errors import DataError
from facespace.evaluate import read_landmarks
from facespace.evaluate.landmarks import POINTS

HEAD = "path," + ",".join(f"{point}_{axis}" for point in POINTS for axis in "xy")


def write(tmp_path, text):
    (tmp_path / "landmarks.csv").write_text(text)
    return tmp_path / "landmarks.csv"


def test_points_are_in_the_usual_order(tmp_path):
    (face,) = read_landmarks(write(tmp_path, f"{HEAD}\na.jpg,1,2,3,4,5,6,7,8,9,10\n")).values()
    assert face.landmarks.tolist() == [[1, 2], [3, 4], [5, 6], [7, 8], [9, 10]]


def test_a_box_is_read_or_made_around_the_points(tmp_path):
    path = write(tmp_path, f"{HEAD},box_x,box_y,box_w,box_h\na.jpg,40,50,80,50,60,70,45,90,75,90,10,20,100,120\n")
    assert read_landmarks(path)["a.jpg"].box.tolist() == [10, 20, 110, 140]
    box = read_landmarks(write(tmp_path, f"{HEAD}\na.jpg,40,50,80,50,60,70,45,90,75,90\n"))["a.jpg"].box
    # The eyes are 40 pixels apart, which is 35.2 of the template's 112.
    assert box[2] - box[0] == pytest.approx(40 * 112 / 35.24, rel=1e-3)
    assert (box[0] + box[2]) / 2 == pytest.approx(60)


def test_the_landmarks_of_lfw_are_read(shared_data):
    found = read_landmarks(shared_data / "lfw_landmarks.csv")
    assert len(found) > 13_000
    face = found["Aaron_Eckhart/Aaron_Eckhart_0001.jpg"]
    assert np.linalg.norm(face.landmarks[1] - face.landmarks[0]) == pytest.approx(40, abs=2)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("path,left_eye_x\na,1\n", "has no column left_eye_y, right_eye_x"),
        (f"{HEAD}\na.jpg,1,2,3,4,5,6,7,8,9,x\n", "line 2: a landmark is not a number"),
        (f"{HEAD}\na.jpg,1,2,3,4,5,6,7,8,9,nan\n", "line 2: a landmark is not finite"),
        (f"{HEAD}\na.jpg,1,2,3\n", "line 2: expected 11 values"),
        ("", "has no column path"),
    ],
)
def test_an_invalid_file_is_an_error_with_its_line(tmp_path, text, message):
    with pytest.raises(DataError, match=message):
        read_landmarks(write(tmp_path, text))
