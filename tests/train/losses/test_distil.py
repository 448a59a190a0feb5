"""Distillation: the loss against its formula, and a student that learns the teacher's space without labels."""

import dataclasses

import numpy as np
import pytest
import torch

from facespace.errors import DataError
from facespace.train.data.dataset import FaceSet
from facespace.train.engine.loop import train
from facespace.train.engine.start import stages_of, start_from
from facespace.train.losses import Batch, distillation_loss
from facespace.train.losses.distil import DistillationLoss, likeness_loss
from facespace.train.mining import semi_hard
from facespace.train.recipe import parse_recipe


def unit(rng, count=10, dimension=5):
    return torch.nn.functional.normalize(torch.from_numpy(rng.normal(size=(count, dimension)).astype("f4")))


def test_the_loss_is_what_its_formula_says():
    rng = np.random.default_rng(0)
    student, teacher = unit(rng), unit(rng)
    points = np.mean([((s - t) ** 2).sum().item() for s, t in zip(student, teacher, strict=True)])
    errors = [
        (((student[i] - student[j]) ** 2).sum() - ((teacher[i] - teacher[j]) ** 2).sum()).item() ** 2
        for i in range(10)
        for j in range(i)
    ]
    assert distillation_loss(student, teacher, 0).item() == pytest.approx(points, rel=1e-5)
    assert distillation_loss(student, teacher, 0.5).item() == pytest.approx(points + 0.5 * np.mean(errors), rel=1e-4)


def test_a_student_equal_to_the_teacher_has_no_loss():
    points = unit(np.random.default_rng(1))
    assert distillation_loss(points, points, 1.0).item() == pytest.approx(0, abs=1e-10)


def test_a_turned_copy_of_the_teacher_keeps_its_relations():
    rng = np.random.default_rng(2)
    teacher = unit(rng)
    turn = torch.linalg.qr(torch.from_numpy(rng.normal(size=(5, 5)).astype("f4")))[0]
    turned = teacher @ turn
    assert distillation_loss(turned, teacher, 1.0) - distillation_loss(turned, teacher, 0.0) < 1e-8


def test_the_template_loss_is_the_divergence_of_two_distributions():
    rng = np.random.default_rng(7)
    student, teacher, templates = unit(rng), unit(rng), unit(rng, 20)

    def opinion(points):
        odds = np.exp(8.0 * points.numpy().astype(np.float64) @ templates.numpy().T)
        return odds / odds.sum(axis=1, keepdims=True)

    wanted, found = opinion(teacher), opinion(student)
    divergence = (wanted * np.log(wanted / found)).sum(axis=1).mean()
    assert likeness_loss(student, teacher, templates, 8.0).item() == pytest.approx(divergence, rel=1e-4)
    assert likeness_loss(teacher, teacher, templates, 8.0).item() == pytest.approx(0, abs=1e-6)


def test_a_persons_template_is_where_the_teacher_has_its_photos_on_average():
    rng = np.random.default_rng(8)
    loss, labels = DistillationLoss(templates=1.0), np.array([0, 1, 0, 1, 2])
    points = loss.teacher_points(rng.normal(size=(5, 4)).astype(np.float32), labels, 6)
    for person in range(3):
        mean = points[labels == person].mean(axis=0)
        np.testing.assert_allclose(loss.templates[person], mean / np.linalg.norm(mean), atol=1e-6)
    batch = Batch(
        unit(rng, 5, 6), torch.from_numpy(labels), 0.2, lambda distances, people: None, torch.from_numpy(points)
    )
    assert loss(batch)[0] > DistillationLoss()(batch)[0]


def test_triplets_count_where_they_are_weighed():
    rng = np.random.default_rng(3)
    points, labels = unit(rng, 12), torch.arange(12) // 3
    batch = Batch(points, labels, 0.2, lambda distances, people: semi_hard(distances, people, 0.2), unit(rng, 12))
    alone, none = DistillationLoss(1.0)(batch)
    both, triplets = DistillationLoss(1.0, triplets=2.0)(batch)
    assert none is None
    assert triplets is not None
    assert both > alone


def test_faces_without_a_teacher_are_refused_with_what_is_missing():
    points = unit(np.random.default_rng(4))
    with pytest.raises(DataError, match=r"teacher\.npy next to the table"):
        DistillationLoss()(Batch(points, torch.zeros(10, dtype=torch.int64), 0.2, lambda distances, people: None, None))


RECIPE = {
    "name": "student",
    "steps": 60,
    "checkpoint_every": 60,
    "data": {"train": "."},
    "network": {"name": "small-cnn", "width": 16, "height": 16, "dimension": 8},
    "batch": {"people": 8, "photos": 4},
    "loss": {"name": "distillation"},
    "optimiser": {"name": "adamw", "rate": 0.01},
    "augment": {"flip": 0, "rotate": 0, "scale": 0, "shift": 0, "light": 0},
}


@pytest.fixture
def faces():
    """Colour patches of 16x16 pixels; the teacher's embedding is the mean colour of each of the four corners."""
    rng = np.random.default_rng(5)
    corners = rng.integers(0, 256, (64, 2, 2, 3))
    pixels = corners.repeat(8, axis=1).repeat(8, axis=2).astype(np.uint8)
    return FaceSet(pixels, np.arange(64) // 8, tuple("abcdefgh"), teacher=corners.reshape(64, 12).astype(np.float32))


def test_a_student_learns_from_its_teacher_with_random_labels(faces, tmp_path):
    trained = train(parse_recipe(RECIPE, "here"), faces, tmp_path)
    first = np.mean([record["loss"] for record in trained.history[:5]])
    last = np.mean([record["loss"] for record in trained.history[-5:]])
    assert last < 0.7 * first


def test_a_stage_starts_from_the_previous_one_and_the_card_lists_both(faces, tmp_path):
    first = parse_recipe({**RECIPE, "steps": 30, "checkpoint_every": 30}, "here")
    distilled = train(first, faces, tmp_path / "distil")
    network = {**RECIPE["network"], "start": tmp_path / "distil"}
    second = parse_recipe(
        {**RECIPE, "name": "tuned", "steps": 1, "network": network, "loss": {"name": "triplet"}}, "here"
    )
    tuned = train(second, faces, tmp_path / "tune")
    from facespace.train.engine.checkpoint import checkpoints_in, load_checkpoint

    begun = load_checkpoint(checkpoints_in(tmp_path / "tune" / "checkpoints")[0])
    for name, weights in distilled.network.state_dict().items():
        assert torch.equal(begun.network[name], weights), name
    last = load_checkpoint(checkpoints_in(tmp_path / "tune" / "checkpoints")[-1])
    stages = stages_of(tmp_path / "tune", last)
    assert [(stage.name, stage.method, stage.steps) for stage in stages] == [
        ("student", "distillation", 30),
        ("tuned", "triplet", 1),
    ]
    assert (stages[0].people, stages[0].photos) == (8, 64)
    assert len(tuned.history) == 1


def test_a_stage_with_other_faces_begins_where_the_one_before_ended(faces, tmp_path):
    def part(start):
        rows = slice(start, start + 48)
        return dataclasses.replace(
            faces, pixels=faces.pixels[rows], labels=faces.labels[rows] - start // 8, teacher=faces.teacher[rows],
            people=faces.people[start // 8 : start // 8 + 6],
        )  # fmt: skip

    loss = {"name": "distillation", "templates": 1.0}
    batch = {"people": 6, "photos": 4}
    first = parse_recipe({**RECIPE, "batch": batch, "loss": loss}, "here")
    before = train(first, part(0), tmp_path / "before").history
    network = {**RECIPE["network"], "start": tmp_path / "before"}
    second = parse_recipe({**RECIPE, "batch": batch, "loss": loss, "steps": 1, "network": network}, "here")
    begun = train(second, part(16), tmp_path / "after").history[0]["loss"]
    # A third of the faces is new.
    ended = np.mean([record["loss"] for record in before[-5:]])
    assert begun < ended + 0.5 * (before[0]["loss"] - ended)


def test_a_stage_without_a_matching_run_is_a_clear_error(faces, tmp_path):
    from facespace.train.networks import build_network

    with pytest.raises(DataError, match="contains no checkpoint; train first"):
        start_from(build_network("small-cnn", 16, 16, 8), "small-cnn", tmp_path)
    train(parse_recipe({**RECIPE, "steps": 1}, "here"), faces, tmp_path / "one")
    with pytest.raises(DataError, match=r"trained another network \(small-cnn, 16x16, 8 dimensions\)"):
        start_from(build_network("small-cnn", 16, 16, 9), "small-cnn", tmp_path / "one")


def test_the_targets_are_of_the_students_dimension_whatever_the_teachers(faces, tmp_path):
    wide = dataclasses.replace(faces, teacher=np.random.default_rng(6).normal(size=(64, 40)).astype(np.float32))
    trained = train(parse_recipe({**RECIPE, "steps": 2}, "here"), wide, tmp_path)
    assert np.isfinite(trained.history[-1]["loss"])
