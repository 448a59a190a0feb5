"""Which cells answer for which faces, and what the loss says of good and bad answers."""

import numpy as np
import pytest
import torch

from facespace.faces.candidates import decode_maps
from facespace.train.detector.loss import Faces, detection_loss, match
from facespace.train.detector.network import DetectorNetwork, decode, flat, grid, grown

SIDE = 128


@pytest.fixture
def faces(rng):
    sizes = np.array([12, 30, 70, 110, 9])
    corners = (SIDE - sizes)[:, None] * rng.random((5, 2))
    boxes = np.concatenate([corners, corners + sizes[:, None]], axis=1).astype(np.float32)
    landmarks = corners[:, None] + rng.random((5, 5, 2)) * sizes[:, None, None]
    return Faces(
        torch.tensor([0, 0, 1, 2, 2]), torch.from_numpy(boxes), torch.from_numpy(landmarks).float(), torch.ones(5)
    )


def answered(faces, sure=6.0):
    """Maps in which the cell at the middle of each face says the truth, at the stride that suits its size."""
    maps = [torch.full((3, 15, SIDE // stride, SIDE // stride), 0.0) for stride in (8, 16, 32)]
    for level in maps:
        # Everything else says, surely, that there is next to nothing.
        level[:, 0], level[:, 3:5] = -8, -4
    for photo, box, points in zip(faces.photo, faces.boxes, faces.landmarks, strict=True):
        middle, sides = (box[:2] + box[2:]) / 2, box[2:] - box[:2]
        level = int((sides.prod().sqrt() / 32).log2().round().clamp(0, 2))
        stride = 8 << level
        column, row = (middle / stride).long().tolist()
        cell = maps[level][photo, :, row, column]
        cell[0] = sure
        cell[1:3] = middle / stride - torch.tensor([column + 0.5, row + 0.5])
        cell[3:5] = (sides / (4 * stride)).log()
        cell[5:] = ((points - middle) / sides.prod().sqrt()).ravel()
    return maps


def test_a_grown_network_computes_what_the_smaller_one_did():
    small = DetectorNetwork((8, 8), (8, 8, 8), 8, (0, 1, 1)).eval()
    for module in small.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            module.weight.data.uniform_(0.5, 1.5)
            module.running_mean.normal_()
            module.running_var.uniform_(0.5, 2)
    large = DetectorNetwork((8, 16), (16, 16, 24), 16, (1, 2, 1)).eval()
    large.load_state_dict(grown(small.state_dict(), large))
    pixels = torch.rand(1, 3, 64, 96)
    with torch.no_grad():
        for own, other in zip(small(pixels), large(pixels), strict=True):
            assert torch.allclose(own, other, atol=1e-5)
    with pytest.raises(ValueError, match="does not fit"):
        grown(large.state_dict(), small)


def test_training_and_use_decode_alike(rng):
    network = DetectorNetwork((8, 8), (8, 8, 8), 8).eval()
    with torch.no_grad():
        maps = network(torch.rand(1, 3, 64, 96))
        network.bias[0] = 0
    values, cells = flat(maps), grid(64, 96)
    boxes, points = decode(values, cells.centres, cells.strides)
    used = decode_maps([level[0].numpy() for level in maps], 1e-6)
    assert used.boxes == pytest.approx(boxes[0].numpy(), abs=1e-3)
    assert used.landmarks == pytest.approx(points[0].numpy(), abs=1e-3)
    assert used.scores == pytest.approx(torch.sigmoid(values[0, :, 0]).numpy(), abs=1e-5)


def test_every_face_has_a_cell_of_its_own_photo(faces):
    values = flat([torch.randn(3, 15, SIDE // stride, SIDE // stride) for stride in (8, 16, 32)])
    matched = match(values, faces)
    assert set(matched.faces.tolist()) == set(range(5))
    assert (matched.cells // values.shape[1] == faces.photo[matched.faces]).all()
    assert len(set(matched.cells.tolist())) == len(matched.cells)


def test_the_right_answer_costs_little_and_any_other_more(faces):
    nothing = torch.zeros((3, SIDE // 8, SIDE // 8), dtype=torch.bool)
    right = detection_loss(answered(faces), faces, nothing)
    assert right["box"] < 0.01
    assert right["landmark"] < 1e-4
    missed = detection_loss(answered(faces, sure=-8.0), faces, nothing)
    assert missed["score"] > 10 * right["score"]
    moved = faces._replace(boxes=faces.boxes + 2, landmarks=faces.landmarks + 2)
    assert detection_loss(answered(faces), moved, nothing)["box"] > right["box"] + 0.05


def test_a_face_that_nobody_labelled_costs_nothing_where_it_is_ignored(faces):
    maps = answered(faces)
    without = Faces(*(part[:-1] for part in faces))
    judged = torch.zeros((3, SIDE // 8, SIDE // 8), dtype=torch.bool)
    ignored = judged.clone()
    ignored[2] = True
    kept = detection_loss(maps, without, ignored)["score"]
    assert detection_loss(maps, without, judged)["score"] > kept + 0.1


def test_landmarks_that_are_not_known_teach_nothing(faces):
    maps = [level.requires_grad_() for level in answered(faces)]
    wrong = faces._replace(landmarks=faces.landmarks + 50, trust=torch.zeros(5))
    losses = detection_loss(maps, wrong, torch.zeros((3, SIDE // 8, SIDE // 8), dtype=torch.bool))
    assert losses["landmark"] == 0
    losses["loss"].backward()
    assert all((level.grad[:, 5:] == 0).all() for level in maps)


def test_a_batch_without_faces_is_learnt_from_too():
    maps = [torch.zeros(2, 15, 64 // stride, 64 // stride, requires_grad=True) for stride in (8, 16, 32)]
    none = Faces(torch.zeros(0, dtype=torch.int64), torch.zeros(0, 4), torch.zeros(0, 5, 2), torch.zeros(0))
    loss = detection_loss(maps, none, torch.zeros((2, 8, 8), dtype=torch.bool))["loss"]
    loss.backward()
    assert torch.isfinite(loss)
    assert (maps[0].grad[:, 0] > 0).all()
