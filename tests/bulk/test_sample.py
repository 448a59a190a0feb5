"""Parts of photos for calibrating a detector: around faces, of whole photos, always the same."""

import numpy as np
import pytest
from PIL import Image

from facespace.bulk import calibration_pieces
from facespace.errors import DataError
from facespace.faces import Detections

RED = (250, 10, 10)


class _RedSquares:
    """Finds the red square of a photo."""

    gives_landmarks = False
    second_look = None

    def __call__(self, images):
        return [self._found(image) for image in images]

    def _found(self, image):
        rows, columns = np.nonzero((image[..., 0] > 150) & (image[..., 1] < 100))
        if not len(rows):
            return Detections(np.zeros((0, 4), np.float32), None, np.zeros(0, np.float32))
        box = np.array([[columns.min(), rows.min(), columns.max() + 1, rows.max() + 1]], np.float32)
        return Detections(box, None, np.ones(1, np.float32))


@pytest.fixture
def folder(tmp_path, rng):
    """Nine photos of 1,600x1,200 with a red square somewhere in them."""
    (tmp_path / "photos").mkdir()
    for number in range(9):
        image = Image.new("RGB", (1600, 1200), (90, 120, 90))
        left, top = int(rng.integers(0, 1540)), int(rng.integers(0, 1140))
        image.paste(RED, (left, top, left + 60, top + 60))
        image.save(tmp_path / "photos" / f"{number}.png")
    return tmp_path / "photos"


def reds(piece):
    return int(((piece[..., 0] > 150) & (piece[..., 1] < 100)).sum())


def test_two_of_three_pieces_are_around_a_face_and_the_third_is_the_whole_photo(folder):
    pieces = calibration_pieces(_RedSquares(), folder, count=9)
    assert pieces.shape == (9, 384, 384, 3)
    for number, piece in enumerate(pieces):
        if number % 3 == 2:
            # A square of 60 pixels in 1,600 is one of 14 in 384, and the lower quarter is beyond the photo.
            assert reds(piece) == pytest.approx(14.4**2, rel=0.35)
            assert piece[288:].max() == 0
            assert piece[:288].min() > 0
        else:
            # In 1,024 pixels it has 38.
            assert reds(piece) == pytest.approx(38.4**2, rel=0.2)
            assert piece.min() > 0


def test_the_choice_is_always_the_same(folder):
    pieces = calibration_pieces(_RedSquares(), folder, count=5)
    assert len(pieces) == 5
    np.testing.assert_array_equal(pieces, calibration_pieces(_RedSquares(), folder, count=5))


def test_photos_without_faces_and_small_ones_are_used_too(tmp_path):
    Image.new("RGB", (900, 700), (80, 80, 80)).save(tmp_path / "plain.png")
    Image.new("RGB", (60, 40), (80, 80, 80)).save(tmp_path / "small.png")
    pieces = calibration_pieces(_RedSquares(), tmp_path)
    assert sorted(int((piece[..., 0] == 80).sum()) for piece in pieces) == [60 * 40, 384 * 384]


def test_bad_photos_are_reported_and_replaced(folder):
    (folder / "bad.jpg").write_bytes(b"not a photo")
    reasons = []
    assert len(calibration_pieces(_RedSquares(), folder, on_failure=reasons.append)) == 9
    assert len(reasons) == 1
    assert "bad.jpg" in reasons[0]
    for photo in folder.glob("*.png"):
        photo.unlink()
    with pytest.raises(DataError, match="cannot read any of the 1 photos"):
        calibration_pieces(_RedSquares(), folder)
