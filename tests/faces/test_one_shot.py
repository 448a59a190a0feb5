"""The package's own detector: what it finds, and what it makes of photos that are none."""

import json

import numpy as np
import pytest

from facespace.errors import ModelError
from facespace.faces import Detections, Mtcnn, OneShot
from facespace.faces.candidates import decode_maps
from facespace.faces.detector_file import DETECTOR_KEY, read_detector, shipped_detector
from facespace.faces.refine import lowest_score, refined
from facespace.model.shipped import shipped_models
from facespace.onnxfile import metadata, with_metadata


@pytest.fixture(scope="module")
def detector():
    return OneShot()


def test_photos_together_give_what_each_gives_alone(detector, portraits, lay_out_faces):
    small = lay_out_faces(portraits[:2])[0]
    images = [small, lay_out_faces(portraits[2:6], 0.7)[0], np.zeros((30, 30, 3), np.uint8), small[:, ::-1].copy()]
    for image, found in zip(images, detector(images), strict=True):
        (alone,) = detector([image])
        assert found.boxes == pytest.approx(alone.boxes, abs=1e-2)
        assert found.landmarks == pytest.approx(alone.landmarks, abs=1e-2)
    assert detector([]) == []


def test_landmarks_are_those_of_mtcnn_where_its_third_network_is_sure(detector, portraits, lay_out_faces):
    image, _ = lay_out_faces(portraits)
    (found,), (exact,) = detector([image]), Mtcnn()([image])
    gaps = np.linalg.norm(found.landmarks[:, None] - exact.landmarks[None], axis=3).mean(axis=2).min(axis=1)
    # Faces of 92 pixels; the boxes that the network looks at are not quite the same.
    assert np.median(gaps) < 1.5


@pytest.mark.parametrize(
    "box", [[50, 50, 120, 130], [-60, -60, 260, 260], [-2e5, -2e5, 2e5, 2e5], [150, 150, 500, 500]]
)
def test_a_box_without_a_face_keeps_its_landmarks(box):
    # The third is so large that cutting it out of the photo would need more memory than there is.
    nothing = np.zeros((200, 200, 3), np.uint8)
    points = np.full((1, 5, 2), 80, np.float32)
    found = Detections(np.array([box], np.float32), points, np.ones(1, np.float32))
    assert refined(nothing, found, Mtcnn()).landmarks.tolist() == points.tolist()


def test_the_third_network_raises_the_score_of_a_face_and_lowers_that_of_a_wall(portraits, lay_out_faces):
    image, _ = lay_out_faces(portraits[:1], 2)
    (whole,) = Mtcnn()([image])
    shifted = whole.boxes[:1] + 0.1 * (whole.boxes[0, 2] - whole.boxes[0, 0])
    # The corner of the image is plain.
    boxes = np.concatenate([np.array([[0, 0, 40, 40]], np.float32), shifted]).astype(np.float32)
    points = np.stack([np.full((5, 2), 20), whole.landmarks[0]]).astype(np.float32)
    found = refined(image, Detections(boxes, points, np.full(2, 0.5, np.float32)), Mtcnn())
    # The face comes first now.
    odds = found.scores / (1 - found.scores)
    np.testing.assert_allclose(odds, [9**0.4, 9**-0.4], rtol=1e-4)
    assert lowest_score(found.scores[0]) == pytest.approx(0.5, abs=1e-4)
    # Its box moves half way to where the third network sees it.
    before, after = np.abs(shifted - whole.boxes[:1]).mean(), np.abs(found.boxes[0] - whole.boxes[0]).mean()
    assert after == pytest.approx(before / 2, rel=0.3)
    np.testing.assert_array_equal(found.boxes[1], boxes[0])


def test_two_candidates_that_are_refined_to_one_face_are_one(detector, portraits, lay_out_faces):
    # Faces so large that the two looks at the photo see them differently.
    image, _ = lay_out_faces(portraits[:2], 4)
    assert len(detector([image])[0].boxes) == 2


def test_a_lower_threshold_finds_the_same_faces_and_more(detector, portraits, lay_out_faces):
    image, _ = lay_out_faces(portraits[:4])
    (few,), (more,) = detector([image]), OneShot(score=0.05)([image])
    assert len(more.scores) >= len(few.scores)
    np.testing.assert_allclose(more.scores[: len(few.scores)], few.scores)
    assert (few.scores >= detector.card.score).all()
    assert (np.diff(more.scores) <= 0).all()


def test_a_face_cut_by_the_border_is_refined_as_mtcnn_sees_it(portraits, lay_out_faces):
    image, _ = lay_out_faces(portraits[:1], 2)
    mtcnn = Mtcnn()
    (whole,) = mtcnn([image])
    corner = whole.boxes[0, :2] + 0.15 * (whole.boxes[0, 2:] - whole.boxes[0, :2])
    left, top = corner.astype(int)
    cut = np.ascontiguousarray(image[top:, left:])
    _, points, scores = mtcnn.faces_in(cut, whole.boxes - np.array([left, top, left, top], np.float32))
    assert scores[0] > 0.7
    gaps = np.linalg.norm(points[0] + [left, top] - whole.landmarks[0], axis=1)
    assert gaps.mean() < 0.05 * (whole.boxes[0, 2] - whole.boxes[0, 0])


@pytest.mark.parametrize("shape", [(1, 1, 3), (1, 5000, 3), (5000, 1, 3), (19, 19, 3), (300, 300, 3), (700, 1024, 3)])
def test_where_no_face_is_none_is_found(detector, shape, rng):
    for image in (np.zeros(shape, np.uint8), rng.integers(0, 256, shape, dtype=np.uint8)):
        (found,) = detector([image])
        assert found.boxes.shape == (0, 4)
        assert found.landmarks.shape == (0, 5, 2)
        assert found.scores.shape == (0,)


def test_two_hundred_faces_are_all_counted(detector, portraits):
    grid = np.full((10 * 64, 20 * 48, 3), 128, np.uint8)
    for number in range(200):
        row, column = divmod(number, 20)
        face = np.asarray(portraits[number % len(portraits)].resize((36, 44)))
        grid[row * 64 + 10 : row * 64 + 54, column * 48 + 6 : column * 48 + 42] = face
    (found,) = detector([grid])
    centres = (found.boxes[:, :2] + found.boxes[:, 2:]) / 2
    cells = {(int(y // 64), int(x // 48)) for x, y in centres}
    # Faces as small as these, cut as tightly, are not all found.
    assert len(cells) >= 180


def test_a_face_larger_than_the_photo_is_found(detector, portraits):
    # From the brow to the chin and from cheek to cheek: the box would leave the photo on every side.
    image = np.asarray(portraits[0].resize((920, 1120)).crop((180, 260, 740, 960)))
    (found,) = detector([image])
    assert len(found.boxes) == 1
    sides = found.boxes[0, 2:] - found.boxes[0, :2]
    assert (sides > 0.6 * np.array(image.shape[1::-1])).all()


@pytest.mark.parametrize("light", [0.2, 0.05])
def test_faces_in_the_dark_are_found(detector, portraits, lay_out_faces, light):
    image, _ = lay_out_faces(portraits)
    (found,) = detector([(image * light).astype(np.uint8)])
    assert len(found.boxes) == len(portraits)


def test_tiles_find_small_faces_of_a_large_photo(portraits, lay_out_faces):
    image, middles = lay_out_faces(portraits, 0.5)
    photo = np.full((3000, 4000, 3), 128, np.uint8)
    # The first face lies across the border of two tiles.
    top, left = 600, 1000 - round(middles[0, 0])
    photo[top : top + image.shape[0], left : left + image.shape[1]] = image
    (scaled,), (tiled,) = OneShot()([photo]), OneShot(smallest=20)([photo])
    assert len(tiled.boxes) == len(portraits) > len(scaled.boxes)
    centres = (tiled.boxes[:, :2] + tiled.boxes[:, 2:]) / 2
    assert np.linalg.norm(middles[:, None] + (left, top) - centres[None], axis=2).min(axis=1).max() < 15


def test_a_threshold_of_ones_own_takes_the_place_of_the_cards(portraits, lay_out_faces):
    image, _ = lay_out_faces(portraits)
    (strict,) = OneShot(score=0.9999)([image])
    (loose,) = OneShot(score=0.05)([image])
    assert len(strict.boxes) < len(portraits) <= len(loose.boxes)


def encoded(boxes, landmarks, scores, strides, size):
    """Maps that stand for faces, one a face at the cell its middle lies in: the opposite way of the decoder."""
    maps = [np.full((15, size // stride, size // stride), -9, np.float32) for stride in (8, 16, 32)]
    for box, points, score, stride in zip(boxes, landmarks, scores, strides, strict=True):
        middle, sides = (box[:2] + box[2:]) / 2, box[2:] - box[:2]
        column, row = (middle // stride).astype(int)
        values = maps[(8, 16, 32).index(stride)][:, row, column]
        values[0] = np.log(score / (1 - score))
        values[1:3] = middle / stride - (column + 0.5, row + 0.5)
        values[3:5] = np.log(sides / (4 * stride))
        values[5:] = ((points - middle) / np.sqrt(sides.prod())).ravel()
    return maps


def test_what_cells_say_is_decoded_in_pixels(rng):
    boxes = np.array([[10, 12, 26, 30], [30, 20, 90, 100], [5, 5, 120, 125]], np.float32)
    landmarks = rng.uniform(0, 128, (3, 5, 2)).astype(np.float32)
    scores = np.array([0.9, 0.7, 0.4], np.float32)
    found = decode_maps(encoded(boxes, landmarks, scores, (8, 16, 32), 128), 0.3)
    assert found.boxes == pytest.approx(boxes, abs=1e-3)
    assert found.landmarks == pytest.approx(landmarks, abs=1e-3)
    assert found.scores == pytest.approx(scores, abs=1e-5)
    assert len(decode_maps(encoded(boxes, landmarks, scores, (8, 16, 32), 128), 0.5).scores) == 2


def test_the_shipped_detector_says_what_it_is():
    card, onnx = read_detector(shipped_detector())
    assert card.kind == "detector"
    assert len(onnx) < 1_500_000
    assert card.false_boxes is not None
    assert "research" in card.data_terms
    # It lies beside the embedding models and is none of them.
    assert shipped_detector().stem not in shipped_models()


def test_a_damaged_or_foreign_detector_is_refused(tmp_path, model_path):
    path = shipped_detector()
    _card, onnx = read_detector(path)
    with pytest.raises(ModelError, match="no card of a detector"):
        read_detector(model_path)
    with pytest.raises(ModelError, match="cannot read the detector"):
        OneShot(tmp_path / "absent.onnx")([np.zeros((9, 9, 3), np.uint8)])
    said = json.loads(metadata(onnx, DETECTOR_KEY, "it"))
    for change, words in (
        ({"layout": "two-shot"}, "layout"),
        ({"format": 2}, "format"),
        ({"strides": [4, 8, 16]}, "strides"),
        ({"score": 1.5}, "score"),
        ({"weights_sha256": "0" * 64}, "not those its card was written for"),
    ):
        other = tmp_path / "other.onnx"
        other.write_bytes(with_metadata(onnx, DETECTOR_KEY, json.dumps(said | change).encode()))
        with pytest.raises(ModelError, match=words):
            read_detector(other)
    (tmp_path / "cut.onnx").write_bytes(onnx[: len(onnx) // 2])
    with pytest.raises(ModelError):
        read_detector(tmp_path / "cut.onnx")
    (tmp_path / "one-shot.onnx").write_bytes(onnx + b"x")
    (tmp_path / "manifest.json").write_text((path.parent / "manifest.json").read_text())
    with pytest.raises(ModelError, match="not the detector that was shipped"):
        shipped_detector(tmp_path)


def test_a_network_that_gives_something_else_is_refused(tmp_path, model_path):
    card, _ = read_detector(shipped_detector())
    onnx = model_path.read_bytes()
    from facespace.onnxfile import weights_sha256

    other = card.model_copy(update={"weights_sha256": weights_sha256(onnx)})
    path = tmp_path / "embedding.onnx"
    path.write_bytes(with_metadata(onnx, DETECTOR_KEY, other.model_dump_json().encode()))
    with pytest.raises(ModelError, match=r"cannot be run|does not give"):
        OneShot(path)([np.zeros((64, 64, 3), np.uint8)])
