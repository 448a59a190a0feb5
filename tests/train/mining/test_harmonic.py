"""Harmonic embedding: triplets across two spaces, and training with them."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from torch.nn import functional

from facespace.errors import DataError
from facespace.space import load
from facespace.train.data.dataset import read_faces
from facespace.train.data.old_space import OldSpace
from facespace.train.engine.watchdog import Watchdog
from facespace.train.losses import Batch, HarmonicTripletLoss
from facespace.train.mining import mine, semi_hard
from facespace.train.mining.harmonic import compatibility, harmonic_triplets, mixed
from facespace.train.recipe import parse_recipe
from facespace.train.session import train_recipe

MARGIN = 0.2


def semi_hard_at_margin(distances, labels):
    return semi_hard(distances, labels, MARGIN)


def batch(seed=0, people=5, photos=3, dimension=8):
    generator = torch.Generator().manual_seed(seed)
    labels = torch.arange(people).repeat_interleave(photos)
    new, old = (functional.normalize(torch.randn(len(labels), dimension, generator=generator)) for _ in range(2))
    return new, old, labels


def slow_triplets(new, old, labels):
    """Straight from the definition: for every pair of embeddings of a person, the nearest negative beyond it."""
    points = [*((0, i, p) for i, p in enumerate(new)), *((1, i, p) for i, p in enumerate(old))]
    found = set()
    for a, (space_a, face_a, point_a) in enumerate(points):
        negatives = sorted(
            (float((point_a - p).square().sum()), n)
            for n, (_, face, p) in enumerate(points)
            if labels[face] != labels[face_a]
        )
        for p, (space_p, face_p, point_p) in enumerate(points):
            if a == p or labels[face_p] != labels[face_a]:
                continue
            apart = float((point_a - point_p).square().sum())
            distance, n = next(((d, n) for d, n in negatives if d > apart), negatives[-1])
            all_old = space_a == space_p == points[n][0] == 1
            if apart + MARGIN > distance and not all_old:
                found.add((a, p, n))
    return found


@pytest.mark.parametrize("seed", range(5))
def test_triplets_are_those_of_the_definition_over_both_spaces(seed):
    new, old, labels = batch(seed)
    _, triplets = harmonic_triplets(new, old, labels, semi_hard_at_margin)
    found = set(zip(*(t.tolist() for t in (triplets.anchor, triplets.positive, triplets.negative)), strict=True))
    assert found == slow_triplets(new, old, labels)


def test_every_mixture_but_three_old_points_occurs():
    new, old, labels = batch(1, people=12)
    _, triplets = harmonic_triplets(new, old, labels, semi_hard_at_margin)
    kinds = {
        tuple("new" if int(i) < len(labels) else "old" for i in triplet)
        for triplet in zip(triplets.anchor, triplets.positive, triplets.negative, strict=True)
    }
    assert len(kinds) == 7
    assert ("old", "old", "old") not in kinds


def test_old_embeddings_get_no_gradient():
    new, old, labels = batch()
    new.requires_grad_()
    old.requires_grad_()
    distances, triplets = harmonic_triplets(new, old, labels, semi_hard_at_margin)
    (distances[triplets.anchor, triplets.positive] - distances[triplets.anchor, triplets.negative]).sum().backward()
    assert new.grad.abs().sum() > 0
    assert old.grad is None


def test_spaces_of_different_dimension_are_refused():
    new, _, labels = batch(dimension=8)
    _, old, _ = batch(dimension=6)
    with pytest.raises(DataError, match="have 8 dimensions and the old space's 6"):
        mixed(new, old, labels)


def test_compatibility_is_the_val_of_all_pairs_by_definition():
    new, old, labels = (t.numpy() for t in batch(3, people=8, photos=4))
    new = (0.6 * new + 0.4 * old) / np.linalg.norm(0.6 * new + 0.4 * old, axis=1, keepdims=True)
    rates = compatibility(new, old, labels, (0.1,))
    for name, a, b, ordered in (("new to new", new, new, False), ("old to new", old, new, True)):
        pairs = [
            (float(((a[i] - b[j]) ** 2).sum()), labels[i] == labels[j])
            for i in range(len(labels))
            for j in range(len(labels))
            if (i != j if ordered else i < j)
        ]
        impostors = sorted(d for d, same in pairs if not same)
        genuine = [d for d, same in pairs if same]
        best = 0.0
        for threshold, _ in pairs:
            if sum(d <= threshold for d in impostors) <= 0.1 * len(impostors):
                best = max(best, sum(d <= threshold for d in genuine) / len(genuine))
        assert rates[name][0.1] == pytest.approx(best)


def test_training_makes_new_embeddings_comparable_with_old_ones():
    # Faces are noisy vectors; the old space is a rotation of them that the new network does not know.
    generator = torch.Generator().manual_seed(0)
    centres = torch.randn(40, 16, generator=generator)
    labels = torch.arange(40).repeat_interleave(6)
    faces = centres[labels] + 0.4 * torch.randn(len(labels), 16, generator=generator)
    turn = torch.linalg.qr(torch.randn(16, 16, generator=generator)).Q
    old = functional.normalize(faces @ turn)
    torch.manual_seed(1)
    network = torch.nn.Linear(16, 16, bias=False)
    optimiser = torch.optim.Adam(network.parameters(), lr=0.05)
    seen, unseen = labels < 30, labels >= 30

    def rates():
        with torch.no_grad():
            new = functional.normalize(network(faces[unseen])).numpy()
        return compatibility(new, old[unseen].numpy(), labels[unseen].numpy(), (0.01,))

    before = rates()["old to new"][0.01]
    for _ in range(60):
        distances, triplets = harmonic_triplets(
            functional.normalize(network(faces[seen])), old[seen], labels[seen], semi_hard_at_margin
        )
        at = triplets.anchor
        loss = torch.relu(distances[at, triplets.positive] - distances[at, triplets.negative] + MARGIN).sum()
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    after = rates()
    assert before < 0.2
    assert after["old to new"][0.01] > 0.5
    assert after["new to new"][0.01] > 0.5


def test_the_loss_needs_old_embeddings():
    new, _, labels = batch()
    with pytest.raises(DataError, match=r"needs the old model's embeddings of the training faces: set data.old"):
        HarmonicTripletLoss()(Batch(new, labels, MARGIN, lambda distances, people: pytest.fail("nothing to mine")))


def test_the_loss_is_the_mean_violation_over_all_pairs_of_the_mixed_set():
    new, old, labels = batch(2)
    loss, _ = HarmonicTripletLoss()(Batch(new, labels, MARGIN, semi_hard_at_margin, old))
    points = torch.cat([new, old])
    violations = [
        float((points[a] - points[p]).square().sum() - (points[a] - points[n]).square().sum() + MARGIN)
        for a, p, n in slow_triplets(new, old, labels)
    ]
    pairs = len(points) * (2 * 3 - 1)
    assert float(loss) == pytest.approx(sum(violations) / pairs, rel=1e-4)


def harmonic_recipe(people, model_path, mining=None):
    return parse_recipe(
        {
            "name": "harmonic",
            "steps": 3,
            "data": {"train": people, "old": model_path},
            "network": {"name": "small-cnn", "width": 32, "height": 40, "dimension": 128},
            "batch": {"people": 4, "photos": 4},
            "loss": {"name": "harmonic"},
            "mining": mining or {},
        },
        "of the test",
    )


def fail_unless_untrained(message):
    """Fail on any warning but that of a run of so few steps at its end."""
    if not message.startswith("training ended, but the network is useless"):
        pytest.fail(message)


def test_a_run_learns_to_be_compared_with_an_old_model(people, model_path, tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    recipe = harmonic_recipe(people, model_path)
    trained = train_recipe(recipe, tmp_path / "run", False, lambda record: None, fail_unless_untrained)
    assert len(trained.history) == 3
    assert all(record["pairs"] > 4 * 4 * 3 for record in trained.history)


@pytest.mark.parametrize("mining", [{"online": "batch-hard"}, {"pairs": "one"}])
def test_the_miner_of_the_recipe_mines_over_both_spaces(people, model_path, tmp_path, monkeypatch, mining):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    recipe = harmonic_recipe(people, model_path, mining)
    trained = train_recipe(recipe, tmp_path / "run", False, lambda record: None, fail_unless_untrained)
    # One pair for each of the 2 x 16 points; all pairs would be 2 x 16 x 7.
    assert {record["pairs"] for record in trained.history} == {32}


def test_a_rollback_lowers_the_hardness_of_a_harmonic_run(people, model_path, tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    asked = []

    def noted(*given):
        asked.append(given[4])
        return mine(*given)

    monkeypatch.setattr("facespace.train.engine.loop.mine", noted)
    monkeypatch.setattr(Watchdog, "failure", lambda watchdog, record: "sick" if not watchdog.rollbacks else None)
    recipe = harmonic_recipe(people, model_path, {"hardness": 0.8})
    trained = train_recipe(recipe, tmp_path / "run", False, lambda record: None, lambda message: None)
    assert asked == pytest.approx([0.8, 0.4, 0.4, 0.4])
    assert [record["hardness"] for record in trained.history] == pytest.approx([0.4, 0.4, 0.4])


def test_old_points_are_those_of_the_model_and_found_once(people, model_path, tmp_path, monkeypatch):
    faces = read_faces(people, 32, 40)
    with_old = OldSpace(model_path, tmp_path).with_teacher(faces, people)
    space = load(model_path, provider="cpu")
    card = space.card
    expected = space.engine.embed(read_faces(people, card.input.width, card.input.height).crops())
    assert np.allclose(with_old.teacher, expected, atol=1e-6)
    assert np.array_equal(with_old.pixels, faces.pixels)
    monkeypatch.setattr("facespace.train.data.old_space.Engine", lambda model: pytest.fail("embedded again"))
    assert np.array_equal(OldSpace(model_path, tmp_path).with_teacher(faces, people).teacher, with_old.teacher)


def test_an_old_model_for_other_crops_is_refused(people, model_path, tmp_path):
    faces = replace(read_faces(people, 32, 40), crop="arcface-112")
    with pytest.raises(DataError, match="needs faces with the crop 'box', but those of .* have the crop 'arcface-112'"):
        OldSpace(model_path, tmp_path).with_teacher(faces, people)
