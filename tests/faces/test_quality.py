"""Quality of a face."""

import numpy as np
import pytest
from PIL import Image, ImageDraw, ImageFilter

from facespace.faces import Mtcnn, Quality
from facespace.faces.quality import RISKS, judge


@pytest.fixture(scope="module")
def face(portraits):
    """A photo of one face at twice its size, with the landmarks."""
    photo = portraits[0].resize((184, 224), Image.Resampling.BICUBIC)
    (found,) = Mtcnn()([np.asarray(photo)])
    return photo, found.landmarks[0]


def judged(photo, landmarks, score=0.999) -> Quality:
    return judge(np.asarray(photo), landmarks, score)


def test_measures_have_the_documented_units(face):
    photo, landmarks = face
    quality = judged(photo, landmarks)
    assert quality.eye_distance == pytest.approx(np.linalg.norm(landmarks[1] - landmarks[0]))
    assert quality.brightness == pytest.approx(np.asarray(photo.convert("L"))[60:180, 40:150].mean() / 255, abs=0.12)
    assert 0 <= quality.occlusion <= 1
    assert 0 <= quality.value <= 1
    assert max(abs(quality.yaw), abs(quality.pitch), abs(quality.roll)) < 35


def test_blur_lowers_the_sharpness(face):
    photo, landmarks = face
    sharpness = [
        judged(photo.filter(ImageFilter.GaussianBlur(radius)), landmarks).sharpness for radius in (0, 1.5, 3, 6)
    ]
    assert sharpness == sorted(sharpness, reverse=True)
    assert sharpness[-1] < 0.5 * sharpness[0]


def test_brightness_and_contrast_are_measured(face):
    photo, landmarks = face
    dark, bright = (photo.point(lambda value, f=factor: value * f) for factor in (0.15, 1.6))
    assert judged(dark, landmarks).brightness < 0.15 < judged(bright, landmarks).brightness
    assert judged(dark, landmarks).contrast < judged(photo, landmarks).contrast


def test_a_covered_eye_raises_occlusion(face):
    photo, landmarks = face
    covered = photo.copy()
    x, y = landmarks[0]
    ImageDraw.Draw(covered).rectangle((x - 30, y - 25, x + 22, y + 25), fill=(90, 60, 50))
    assert judged(covered, landmarks).occlusion > judged(photo, landmarks).occlusion + 0.1


def test_a_small_dark_turned_face_has_lower_quality(face):
    photo, landmarks = face
    good = judged(photo, landmarks).value
    small = judged(photo.resize((46, 56)), landmarks / 4).value
    assert small < good
    assert judged(photo.point(lambda value: value * 0.15), landmarks).value < good


def test_the_value_is_a_percentile_of_ordinary_photos():
    assert len(RISKS) == 11
    assert (np.diff(RISKS) > 0).all()


def test_a_face_without_detail_has_a_finite_quality():
    landmarks = np.array([[30, 30], [60, 30], [45, 45], [35, 60], [55, 60]], np.float32)
    quality = judged(np.zeros((90, 90, 3), np.uint8), landmarks)
    assert np.isfinite(list(vars(quality).values())).all()
