"""The report of a training run: its content, and its privacy."""

import json
import re
import stat

import numpy as np
import pytest
import torch

from facespace.train.networks import build_network
from facespace.train.recipe import parse_recipe
from facespace.train.report.curves import MAX_POINTS, all_curves, thinned
from facespace.train.report.page import shown_triplets, split, time_by_part, write_page


def recipe(**changes):
    values = {
        "name": "shown",
        "steps": 30,
        "data": {"train": "people"},
        "network": {"name": "small-cnn", "width": 32, "height": 40, "dimension": 32},
        "batch": {"people": 6, "photos": 5},
    }
    return parse_recipe({**values, **changes}, "of the test")


def record(step, **more):
    return {
        "step": step, "loss": 0.2 - step / 1000, "active": 0.9, "hard": 0.5, "positive_distance": 0.4,
        "negative_distance": 1.1, "gradient_norm": 1.0, "rate": 0.01, "rank": 5.0, "images": step * 30,
        "seconds": 2.0, "data_seconds": 0.1, "embed_seconds": 0.5, "loss_seconds": 0.1, "backward_seconds": 1.0,
        **more,
    }  # fmt: skip


def rollback(at, to):
    return {
        "event": "rollback",
        "at": at,
        "to": to,
        "why": "the space <collapsed>",
        "rate_scale": 0.5,
        "hardness_scale": 0.5,
    }


RECORDS = [
    *(record(step) for step in range(1, 13)),
    rollback(13, 10),
    *(record(step, **({"val_at_1e-02": 0.3 + step / 100} if step % 10 == 0 else {})) for step in range(11, 31)),
]


@pytest.fixture(scope="module")
def network():
    torch.manual_seed(0)
    return build_network("small-cnn", 32, 40, 32).eval()


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    folder = tmp_path_factory.mktemp("run")
    (folder / "history.jsonl").write_text("".join(json.dumps(line) + "\n" for line in RECORDS))
    return folder


@pytest.fixture(scope="module")
def page(run, network, faces):
    return write_page(run, recipe(), network, faces, "facespace train shown").read_text("utf-8")


def test_steps_undone_by_a_rollback_are_separated():
    kept, undone = split(RECORDS)
    assert [line["step"] for line in kept] == list(range(1, 31))
    assert [line["step"] for line in undone] == [11, 12]


def test_the_page_is_self_contained_and_private(run, page):
    assert not re.findall(r"<script|(?:src|href)=\"(?!data:)", page)
    assert stat.S_IMODE((run / "training.html").stat().st_mode) == 0o600


def test_the_page_shows_curves_rollbacks_rates_times_and_photos(page):
    for title in ("Loss", "Active triplets", "Distances", "VAL on validation people", "Learning rate", "Gradient"):
        assert f"<strong>{title}" in page
    assert page.count('class="rollback"') == 1
    assert "the space &lt;collapsed&gt;" in page
    assert re.search(r"0\.600</td><td class=\"number\">0\.600 at step 30", page)
    assert "30 of 30 steps in 64 s" in page
    assert page.count('class="pair triplet') == len(re.findall("data:image/webp", page)) / 3 > 2


def test_a_run_without_validation_or_triplets_has_a_page_too(tmp_path, network, faces):
    lines = [{"step": 1, "loss": 1.0, "rate": 0.1, "seconds": 1.0}]
    (tmp_path / "history.jsonl").write_text(json.dumps(lines[0]) + "\n")
    page = write_page(tmp_path, recipe(), network, faces, "facespace train").read_text("utf-8")
    assert "VAL on validation people" not in page
    assert "image/webp" not in page


def test_a_curve_without_data_is_left_out():
    titles = [title for title, _, _ in all_curves([{"step": 1, "loss": 1.0}], [])]
    assert titles == ["Loss"]


def test_the_shares_of_time_add_up():
    parts = {words: (seconds, share) for words, seconds, share in time_by_part(split(RECORDS)[0])}
    assert parts["waiting for faces"] == pytest.approx((3.0, 0.05))
    assert sum(share for _, share in parts.values()) == pytest.approx(1)
    assert parts["anything else"][0] == pytest.approx(30 * 0.3)


def test_long_runs_are_thinned_to_means_that_keep_the_whole():
    steps = np.arange(1, 100_001, dtype=float)
    few, means = thinned(steps, np.sin(steps / 1e4))
    assert len(few) <= MAX_POINTS
    assert np.abs(means - np.sin(few / 1e4)).max() < 1e-2


def test_triplets_are_shown_hardest_first_each_of_another_person_with_true_distances(network, faces):
    shown = shown_triplets(network, faces, recipe())
    violations = [triplet.positive_distance - triplet.negative_distance for triplet in shown]
    assert violations == sorted(violations, reverse=True)
    assert all(violation > -0.2 for violation in violations)
    assert len({triplet.person for triplet in shown}) == len(shown) > 2
    assert all(triplet.person != triplet.other for triplet in shown)
