"""Augmentation of training faces: limits of each change, and reproducible random numbers."""

import io

import numpy as np
import PIL.Image
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from facespace.train.data.augment import Draw, augmented
from facespace.train.recipe import AugmentSection

NOTHING = AugmentSection(
    flip=0, rotate=0, scale=0, shift=0, light=0, colour=0, erase=0, blur=0, low_resolution=0, jpeg=0
)
WIDTH, HEIGHT, MARGIN, COUNT = 32, 40, 4, 6


def faces():
    """Smooth colour patterns, shape (n, 48, 40, 3)."""
    rng = np.random.default_rng(1)
    small = rng.integers(40, 216, (COUNT, 6, 5, 3), np.uint8)
    size = (WIDTH + 2 * MARGIN, HEIGHT + 2 * MARGIN)
    return np.stack([np.asarray(PIL.Image.fromarray(s).resize(size, PIL.Image.Resampling.BICUBIC)) for s in small])


def inner():
    return faces()[:, MARGIN:-MARGIN, MARGIN:-MARGIN]


def run(seed=0, size=(WIDTH, HEIGHT), **changes):
    options = NOTHING.model_copy(update=changes)
    return augmented(faces(), MARGIN, size, options, Draw.of(COUNT, np.random.default_rng(seed)))


def difference(a, b):
    return np.abs(a.astype(int) - b.astype(int))


def detail(images):
    """Mean squared step between neighbours."""
    return float((np.diff(images.astype(float), axis=2) ** 2).mean())


def test_without_augmentation_the_crop_is_unchanged():
    assert np.array_equal(run(), inner())


def test_a_certain_flip_is_a_mirror():
    assert np.array_equal(run(flip=1.0), inner()[:, :, ::-1])


def test_half_of_many_faces_are_mirrored():
    many = np.repeat(faces()[:1], 400, axis=0)
    changed = augmented(
        many, MARGIN, (WIDTH, HEIGHT), NOTHING.model_copy(update={"flip": 0.5}), Draw.of(400, np.random.default_rng(0))
    )
    mirrored = (changed == inner()[0, :, ::-1]).all(axis=(1, 2, 3))
    assert 150 < mirrored.sum() < 250
    assert (changed[~mirrored] == inner()[0]).all()


def test_a_shift_shows_the_margin():
    changed = run(shift=MARGIN / WIDTH)
    for face, whole in zip(changed, faces(), strict=True):
        nearest = min(
            difference(face, whole[y : y + HEIGHT, x : x + WIDTH]).mean()
            for y in range(2 * MARGIN + 1)
            for x in range(2 * MARGIN + 1)
        )
        assert nearest < 6
    assert difference(changed, inner()).mean() > 3


def test_the_edge_is_repeated_outside_the_photo():
    flat = np.full((1, 30, 30, 3), 200, np.uint8)
    options = NOTHING.model_copy(update={"shift": 0.5, "rotate": 45.0, "scale": 0.5})
    for seed in range(20):
        changed = augmented(flat, 0, (30, 30), options, Draw.of(1, np.random.default_rng(seed)))
        assert (changed == 200).all()


def test_a_turn_of_a_tall_face_does_not_shear_it():
    # A bright disc stays a disc: as wide as it is tall.
    rows, columns = np.mgrid[:60, :40]
    disc = (((rows - 29.5) ** 2 + (columns - 19.5) ** 2) < 12**2)[..., None] * np.full(3, 255, np.uint8)
    tall = np.repeat(disc[None].astype(np.uint8), 8, axis=0)
    turned = augmented(
        tall, 0, (40, 60), NOTHING.model_copy(update={"rotate": 40.0}), Draw.of(8, np.random.default_rng(2))
    )
    for face in turned[..., 0] > 127:
        assert abs(int(face.any(1).sum()) - int(face.any(0).sum())) <= 2


def test_a_larger_result_is_the_same_face_enlarged():
    enlarged = run(size=(2 * WIDTH, 2 * HEIGHT))
    assert enlarged.shape == (COUNT, 2 * HEIGHT, 2 * WIDTH, 3)
    halved = enlarged.reshape(COUNT, HEIGHT, 2, WIDTH, 2, 3).mean(axis=(2, 4))
    assert np.abs(halved - inner()).mean() < 1.5


def test_erasing_paints_a_rectangle_and_leaves_the_rest():
    changed = run(erase=1.0)
    painted = (changed == 127).all(axis=3)
    assert np.array_equal(changed[~painted], inner()[~painted])
    for face in painted:
        rows, columns = np.flatnonzero(face.sum(1) > 2), np.flatnonzero(face.sum(0) > 2)
        assert face[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1].all()
        assert 0.08 * HEIGHT <= len(rows) <= 0.36 * HEIGHT
        assert 0.08 * WIDTH <= len(columns) <= 0.36 * WIDTH


def test_light_keeps_a_grey_face_grey_and_colour_keeps_its_brightness():
    grey = np.full((40, 16, 16, 3), 120, np.uint8)
    draw = Draw.of(40, np.random.default_rng(0))
    lit = augmented(grey, 0, (16, 16), NOTHING.model_copy(update={"light": 0.4}), draw)[:, 0, 0].astype(int)
    assert (np.ptp(lit, axis=1) == 0).all()
    assert lit.std() > 10
    tinted = augmented(grey, 0, (16, 16), NOTHING.model_copy(update={"colour": 0.4}), draw)[:, 0, 0].astype(float)
    assert np.ptp(tinted, axis=1).max() > 15
    assert np.abs(tinted @ [0.299, 0.587, 0.114] - 120).max() < 2


def test_blur_and_low_resolution_take_detail_away_and_keep_the_mean():
    plain = inner()
    noisy = np.random.default_rng(3).integers(0, 256, (20, 40, 40, 3), np.uint8)
    draw = Draw.of(20, np.random.default_rng(0))
    for option in ("blur", "low_resolution"):
        changed = augmented(noisy, 0, (40, 40), NOTHING.model_copy(update={option: 1.0}), draw)
        assert detail(changed) < 0.8 * detail(noisy)
        assert np.abs(run(**{option: 1.0}).mean((1, 2, 3)) - plain.mean((1, 2, 3))).max() < 3


def test_jpeg_is_what_a_jpeg_file_would_give():
    changed = run(jpeg=1.0)
    assert 0.3 < difference(changed, inner()).mean() < 12
    # Exactly as Pillow compresses at the drawn quality.
    quality = round(20 + 70 * np.random.default_rng(0).random((COUNT, 24))[0, 21])
    file = io.BytesIO()
    PIL.Image.fromarray(inner()[0]).save(file, "JPEG", quality=quality)
    assert np.array_equal(changed[0], np.asarray(PIL.Image.open(file)))


EVERYTHING = {
    "flip": 0.5, "rotate": 30.0, "scale": 0.3, "shift": 0.3, "light": 1.0, "colour": 1.0, "erase": 0.5, "blur": 0.5,
    "low_resolution": 0.5, "jpeg": 0.5,
}  # fmt: skip


def test_the_same_seed_gives_the_same_faces_and_another_seed_others():
    assert np.array_equal(run(seed=4, **EVERYTHING), run(seed=4, **EVERYTHING))
    assert not np.array_equal(run(seed=4, **EVERYTHING), run(seed=5, **EVERYTHING))


@pytest.mark.parametrize("option", EVERYTHING)
def test_turning_one_change_on_leaves_the_draws_of_the_others(option):
    # Geometry alone, then with another option that is too weak to have an effect.
    little = {"flip": 0.0, "erase": 0.0, "blur": 0.0, "low_resolution": 0.0, "jpeg": 0.0}.get(option, 1e-9)
    base = {"rotate": 20.0, "shift": 0.1}
    assert difference(run(**base), run(**{option: little, **base})).max() <= 1


@settings(max_examples=10, deadline=None)
@given(count=st.integers(1, 100), cut=st.integers(0, 100), seed=st.integers(0, 2**32))
def test_a_share_of_a_batch_is_changed_as_the_whole_is(count, cut, seed):
    rng = np.random.default_rng(seed)
    batch = rng.integers(0, 256, (count, 20, 20, 3), np.uint8)
    draw = Draw.of(count, rng)
    options = NOTHING.model_copy(update=EVERYTHING)
    whole = augmented(batch, 2, (16, 16), options, draw)
    parts = [augmented(batch[part], 2, (16, 16), options, draw[part]) for part in (slice(0, cut), slice(cut, count))]
    assert np.array_equal(np.concatenate(parts), whole)


def test_a_certain_frame_hides_part_of_each_face_and_leaves_the_rest():
    changed = run(frame=1.0)
    same = (difference(changed, inner()) == 0).all(axis=3).mean(axis=(1, 2))
    assert (same < 1).all()
    assert (same > 0.25).all()


def test_frames_are_black_more_often_than_not():
    many = np.repeat(faces()[:1], 300, axis=0)
    options = NOTHING.model_copy(update={"frame": 1.0})
    changed = augmented(many, MARGIN, (WIDTH, HEIGHT), options, Draw.of(300, np.random.default_rng(4)))
    black = (changed == 0).all(axis=3).any(axis=(1, 2)).mean()
    assert 0.6 < black < 0.8


def test_a_turn_changes_the_width_alone():
    changed = run(turn=0.3)
    # The middle row is stretched horizontally; the middle column does not change vertically.
    middle = WIDTH // 2
    assert difference(changed, inner()).mean() > 1
    assert difference(changed[:, :, middle], inner()[:, :, middle]).mean() < difference(changed, inner()).mean()


def test_a_certain_grey_has_no_colour():
    changed = run(grey=1.0)
    assert np.ptp(changed.astype(int), axis=3).max() == 0
