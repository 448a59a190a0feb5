"""Both detectors of the package, on real faces: where faces and landmarks are."""

import numpy as np
import pytest

from facespace.faces import Mtcnn, OneShot


@pytest.fixture(scope="module", params=[Mtcnn, OneShot])
def detector(request):
    return request.param()


def lowest_score(detector):
    """The score below which a detector reports no face."""
    return detector.card.score if isinstance(detector, OneShot) else 0.7


@pytest.mark.parametrize("scale", [0.5, 1, 2.5])
def test_every_face_is_found_where_it_is(detector, portraits, lay_out_faces, scale):
    image, middles = lay_out_faces(portraits, scale)
    (found,) = detector([image])
    centres = (found.boxes[:, :2] + found.boxes[:, 2:]) / 2
    gaps = np.linalg.norm(middles[:, None] - centres[None], axis=2)
    assert len(found.boxes) == len(portraits)
    assert gaps.min(axis=1).max() < 30 * scale
    assert (found.scores >= lowest_score(detector)).all()
    assert found.scores.max() <= 1


def test_landmarks_are_eyes_nose_and_mouth_in_that_order(detector, portraits, lay_out_faces):
    image, _ = lay_out_faces(portraits)
    (found,) = detector([image])
    left_eye, right_eye, nose, left_mouth, right_mouth = found.landmarks.transpose(1, 2, 0)
    assert (left_eye[0] < nose[0]).all()
    assert (nose[0] < right_eye[0]).all()
    assert (left_mouth[0] < right_mouth[0]).all()
    assert (left_eye[1] < nose[1]).all()
    assert (nose[1] < left_mouth[1]).all()


def test_a_mirrored_photo_has_mirrored_landmarks(detector, portraits, lay_out_faces):
    # A systematic error of a pixel in one direction would affect every crop.
    image, _ = lay_out_faces(portraits, 2)
    (plain,), (mirrored,) = detector([image]), detector([np.ascontiguousarray(image[:, ::-1])])
    back = mirrored.landmarks[:, [1, 0, 2, 4, 3]].copy()
    back[..., 0] = image.shape[1] - 1 - back[..., 0]
    plain_order, back_order = plain.landmarks[:, 2, 0].argsort(), back[:, 2, 0].argsort()
    gaps = plain.landmarks[plain_order] - back[back_order]
    # The distance between the eyes is about 85 pixels here.
    assert np.abs(gaps.mean(axis=(0, 1))).max() < 2.5
