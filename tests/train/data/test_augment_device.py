"""Augmentation as tensor operations: each change gives the same result as with Pillow."""

import io

import numpy as np
import PIL.Image
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from facespace.train.data.augment import Draw, augmented
from facespace.train.data.augment_device import augmented_on_device
from facespace.train.data.jpeg import jpeg_compressed
from facespace.train.recipe import AugmentSection

NOTHING = AugmentSection(
    flip=0, rotate=0, scale=0, shift=0, light=0, colour=0, erase=0, blur=0, low_resolution=0, jpeg=0
)
MARGIN = 8
# Levels of 255 by which a face may differ on average: Pillow rounds after each step, and blurs with boxes.
CLOSE = 3.0


@pytest.fixture(scope="module")
def faces(people):
    """Photos of faces at 64x64 pixels, with noise in colour, shape (n, 64, 64, 3)."""
    rng = np.random.default_rng(4)
    paths = sorted(people.rglob("*.pgm"))[:24]
    grey = np.stack([np.asarray(PIL.Image.open(path).convert("RGB").resize((64, 64))) for path in paths])
    tint = rng.uniform(0.7, 1.2, (len(grey), 1, 1, 3))
    return np.clip(grey * tint, 0, 255).astype(np.uint8)


def both(faces, seed=0, size=(48, 48), **changes):
    """The same changes by Pillow and as tensors, float arrays (n, h, w, 3)."""
    options = NOTHING.model_copy(update=changes)
    draw = Draw.of(len(faces), np.random.default_rng(seed))
    by_pillow = augmented(faces, MARGIN, size, options, draw)
    uniform = torch.from_numpy(draw.uniform)
    as_tensors = augmented_on_device(torch.from_numpy(faces), MARGIN, size, options, uniform)
    return by_pillow.astype(float), as_tensors.permute(0, 2, 3, 1).numpy()


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"flip": 0.5},
        {"rotate": 20.0},
        {"scale": 0.3},
        {"shift": 0.2},
        {"turn": 0.3},
        {"rotate": 10.0, "scale": 0.2, "shift": 0.2, "turn": 0.2, "flip": 0.5},
        {"light": 0.5},
        {"colour": 0.8},
        {"grey": 0.5},
        {"erase": 1.0},
        {"frame": 1.0},
        {"blur": 1.0},
        {"low_resolution": 1.0},
        {"jpeg": 1.0},
    ],
    ids=lambda changes: "-".join(changes) or "nothing",
)
def test_each_change_gives_the_same_result_as_with_pillow(faces, changes):
    by_pillow, as_tensors = both(faces, **changes)
    apart = np.abs(by_pillow - as_tensors).mean(axis=(1, 2, 3))
    unchanged = both(faces)[0]
    assert apart.max() < CLOSE
    if changes:
        assert np.abs(by_pillow - unchanged).mean() > 2 * apart.mean()
    else:
        assert apart.max() == 0


@pytest.mark.parametrize("size", [(48, 48), (64, 80), (40, 32)])
def test_the_result_can_have_any_size(faces, size):
    by_pillow, as_tensors = both(faces, size=size, rotate=10.0, blur=0.5, jpeg=0.5, frame=0.5, erase=0.5)
    assert as_tensors.shape == (len(faces), size[1], size[0], 3)
    assert np.abs(by_pillow - as_tensors).mean() < CLOSE


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 2**32 - 1))
def test_all_changes_together_give_integer_levels(seed):
    rng = np.random.default_rng(seed)
    faces = rng.integers(0, 256, (3, 40, 40, 3), np.uint8)
    options = AugmentSection(
        rotate=45, scale=0.5, shift=0.5, light=1, colour=1, grey=0.3, turn=0.5, frame=0.5, erase=0.5, blur=0.5,
        low_resolution=0.5, jpeg=0.5,
    )  # fmt: skip
    uniform = torch.from_numpy(Draw.of(3, rng).uniform)
    found = augmented_on_device(torch.from_numpy(faces), 4, (32, 32), options, uniform)
    assert found.dtype == torch.float32
    assert found.shape == (3, 3, 32, 32)
    assert torch.equal(found, found.round().clamp(0, 255))


def test_an_empty_batch_stays_empty():
    none = torch.zeros((0, 40, 40, 3), dtype=torch.uint8)
    found = augmented_on_device(none, 4, (32, 32), NOTHING, torch.zeros(0, 36))
    assert found.shape == (0, 3, 32, 32)


@pytest.mark.parametrize("quality", [20, 55, 90])
def test_jpeg_loses_what_pillow_loses(faces, quality):
    images = torch.from_numpy(faces).permute(0, 3, 1, 2).float()
    found = jpeg_compressed(images, torch.full((len(faces),), quality)).permute(0, 2, 3, 1).numpy()
    for face, mine in zip(faces, found, strict=True):
        file = io.BytesIO()
        PIL.Image.fromarray(face).save(file, "JPEG", quality=quality)
        reference = np.asarray(PIL.Image.open(file)).astype(float)
        lost, apart = np.abs(reference - face).mean(), np.abs(reference - mine).mean()
        # Pillow rounds to whole levels between the steps, which shows where little else is lost.
        assert apart < 0.2 * lost + 0.6
        assert abs(np.abs(mine - face).mean() - lost) < 0.1 * lost
