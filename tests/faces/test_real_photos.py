"""Real photos as users have them: rotated, dark, nearly grey, badly compressed, crowded.

Skips without ../shared/data.
"""

import csv
import io

import numpy as np
import pytest
from PIL import Image

from facespace.faces import default_finder, find_stream

NAMES = ("left_eye", "right_eye", "nose", "mouth_left", "mouth_right")


@pytest.fixture(scope="module")
def finder():
    return default_finder()


@pytest.fixture(scope="module")
def photos(lfw, shared_data):
    """Thirty photos of LFW with the reference landmarks of the main face."""
    with (shared_data / "lfw_landmarks.csv").open() as file:
        table = {
            row["path"]: np.array([[float(row[f"{name}_x"]), float(row[f"{name}_y"])] for name in NAMES])
            for row in csv.DictReader(file)
        }
    paths = sorted(lfw.rglob("*.jpg"))[::17][:30]
    return [(Image.open(path).convert("RGB"), table[path.relative_to(lfw).as_posix()]) for path in paths]


def found_at(found, truth, share=0.3):
    """Whether a face is found whose landmarks match the reference up to a fraction of the eye distance."""
    apart = np.linalg.norm(truth[1] - truth[0])
    gaps = [np.linalg.norm(face.landmarks - truth, axis=1).mean() for face in found.faces]
    return bool(gaps) and min(gaps) < share * apart


def test_the_main_face_is_found_with_its_landmarks(finder, photos):
    found = list(find_stream(finder, [photo for photo, _ in photos], workers=2))
    assert sum(found_at(one, truth, 0.15) for one, (_, truth) in zip(found, photos, strict=True)) >= 29


@pytest.mark.parametrize("orientation", [3, 6, 8])
def test_exif_orientations_are_undone(finder, photos, orientation):
    photo, truth = photos[0]
    turned = photo.rotate({3: 180, 6: 90, 8: -90}[orientation], expand=True)
    exif, target = Image.Exif(), io.BytesIO()
    exif[0x0112] = orientation
    turned.save(target, "JPEG", quality=95, exif=exif)
    assert found_at(finder.find(target.getvalue()), truth)


def spoilt(how, photo):
    pixels = np.asarray(photo).astype(float)
    if how == "dark":
        pixels = pixels * 0.25
    elif how == "nearly grey":
        pixels = pixels.mean(axis=2, keepdims=True) + (pixels - pixels.mean(axis=2, keepdims=True)) * 0.05
    else:
        target = io.BytesIO()
        photo.save(target, "JPEG", quality=10)
        return Image.open(target)
    return Image.fromarray(pixels.astype(np.uint8))


@pytest.mark.parametrize("how", ["dark", "nearly grey", "JPEG quality 10"])
def test_faces_are_found_in_degraded_photos(finder, photos, how):
    some = photos[:15]
    assert sum(found_at(finder.find(spoilt(how, photo)), truth) for photo, truth in some) >= 13


def test_an_upside_down_face_is_not_mistaken_for_an_upright_one(finder, photos):
    for photo, _ in photos[:5]:
        for face in finder.find(photo.rotate(180)).faces:
            # Whatever is found must be upright by its own landmarks.
            assert face.landmarks.shape == (5, 2)
            assert np.isfinite(face.landmarks).all()


def test_a_group_with_faces_of_all_sizes_is_found(finder, photos):
    sizes = (24, 32, 48, 96, 190)
    canvas, truths = Image.new("RGB", (1500, 900), (110, 120, 130)), []
    for number, (photo, truth) in enumerate(photos[:15]):
        scale = sizes[number % len(sizes)] / 95
        side = round(250 * scale)
        left, top = (number % 5) * 300, (number // 5) * 300
        piece = photo.resize((side, side), Image.Resampling.BILINEAR).crop((0, 0, 300, 300) if side > 300 else None)
        canvas.paste(piece, (left, top))
        truths.append((truth + 0.5) * (side / 250) - 0.5 + (left, top))
    group = finder.find(canvas)
    assert sum(found_at(group, truth) for truth in truths) >= 12


def test_drawn_landscapes_show_no_face(finder, rng):
    for _ in range(5):
        rows = np.mgrid[:240, :320][0]
        hills = 120 + 40 * np.sin(np.arange(320) / rng.uniform(20, 60) + rng.uniform(0, 6))
        sky, land = np.array([140, 180, 230]), np.array([60, 120, 50])
        picture = np.where((rows < hills)[..., None], sky, land) + rng.normal(0, 6, (240, 320, 3))
        assert finder.find(np.clip(picture, 0, 255).astype(np.uint8)).faces == ()
