"""Augmentation: what it may change, and that chance comes from one place."""

import torch

from facespace.train.augment import augment
from facespace.train.recipe import AugmentSection

NOTHING = AugmentSection(flip=0, rotate=0, scale=0, shift=0, light=0, erase=0)


def faces():
    return torch.rand(6, 3, 20, 16, generator=torch.Generator().manual_seed(1)) * 255


def run(seed=0, **changes):
    options = NOTHING.model_copy(update=changes)
    return augment(faces(), options, torch.Generator().manual_seed(seed))


def test_with_everything_off_nothing_changes():
    assert torch.allclose(run(), faces(), atol=1e-2)


def test_a_certain_flip_is_a_mirror():
    assert torch.allclose(run(flip=1.0), faces().flip(3), atol=1e-2)


def test_values_stay_pixel_values_and_shape_stays():
    changed = run(flip=0.5, rotate=30.0, scale=0.3, shift=0.3, light=1.0, erase=1.0)
    assert changed.shape == (6, 3, 20, 16)
    assert changed.min() >= 0
    assert changed.max() <= 255


def test_the_same_seed_gives_the_same_faces_and_another_seed_others():
    assert torch.equal(run(seed=4, shift=0.2), run(seed=4, shift=0.2))
    assert not torch.equal(run(seed=4, shift=0.2), run(seed=5, shift=0.2))


def test_covering_paints_a_rectangle_and_leaves_the_rest():
    changed = (run(erase=1.0) - faces()).abs().amax(dim=1) > 1
    for face in changed:
        rows, columns = face.any(1).nonzero().flatten(), face.any(0).nonzero().flatten()
        assert len(rows) < 20 * 0.4
        assert len(columns) < 16 * 0.4
        assert len(rows) > 0


def test_a_quarter_turn_of_a_tall_face_does_not_shear_it():
    # A bright disc stays a disc: as wide as it is tall.
    rows, columns = torch.meshgrid(torch.arange(60.0), torch.arange(40.0), indexing="ij")
    disc = (((rows - 29.5) ** 2 + (columns - 19.5) ** 2) < 12**2).float() * 255
    options = NOTHING.model_copy(update={"rotate": 40.0})
    turned = augment(disc.expand(8, 3, 60, 40), options, torch.Generator().manual_seed(2))
    for face in turned[:, 0] > 127:
        height, width = int(face.any(1).sum()), int(face.any(0).sum())
        assert abs(height - width) <= 2
