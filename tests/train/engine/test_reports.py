"""Warnings about smaller batches, changed data and changed precision; runs that cannot be resumed."""

import json

import numpy as np
import pytest

from facespace.errors import DataError
from facespace.train.data.dataset import read_faces
from facespace.train.data.sampling import IdentityBatches
from facespace.train.engine import precision
from facespace.train.engine.checkpoint import checkpoints_in, last_checkpoint
from facespace.train.engine.loop import train
from facespace.train.engine.reports import changed_data, data_fingerprint, reduced_batch
from facespace.train.engine.stored import stored_recipe
from facespace.train.recipe import parse_recipe
from facespace.train.session import export_run

# What a run of three steps ends with.
UNTRAINED = "training ended, but the network is useless"


def recipe(**changes):
    values = {
        "name": "reports",
        "steps": 2,
        "checkpoint_every": 1,
        "data": {"train": "people"},
        "network": {"name": "small-cnn", "width": 32, "height": 40, "dimension": 32},
        "batch": {"people": 4, "photos": 4},
        "optimiser": {"rate": 0.01},
    }
    return parse_recipe({**values, **changes}, "of the test")


@pytest.fixture(scope="module")
def faces(people):
    return read_faces(people, 32, 40)


def test_a_batch_that_the_data_cannot_fill_is_reported_with_its_size():
    labels = np.repeat(np.arange(5), [1, 2, 3, 8, 8])
    messages = reduced_batch(labels, 6, 4)
    sizes = [len(IdentityBatches(labels, 6, 4, 1).batch(step)) for step in range(3)]
    assert f"about {round(np.mean(sizes))} faces instead of 24" in messages
    assert "only 4 people have two or more photos, not 6" in messages
    assert "2 people have fewer" in messages
    assert reduced_batch(np.repeat(np.arange(5), 4), 5, 4) is None


def test_a_run_warns_of_small_batches_before_its_first_step(faces, tmp_path):
    messages = []
    train(recipe(batch={"people": 9, "photos": 4}, steps=1), faces, tmp_path, warn=messages.append)
    assert messages == [f"batches have about 24 faces instead of 36 (only {len(faces.people)} people have two or more "
                    "photos, not 9)"]  # fmt: skip


def test_the_same_data_are_the_same_and_one_other_pixel_or_label_is_not(faces):
    before = json.loads(json.dumps(data_fingerprint(faces)))
    assert changed_data("training", before, data_fingerprint(faces)) is None
    pixels = faces.pixels.copy()
    pixels[0, 0, 0, 0] ^= 1
    labels = faces.labels.copy()
    labels[1] = 1
    for changed in ({"pixels": pixels}, {"labels": labels}, {"teacher": np.ones((len(labels), 3), np.float32)}):
        now = data_fingerprint(type(faces)(**{**vars(faces), **changed}))
        message = changed_data("training", before, now)
        assert "have changed since this run began: 60 photos of 6 people then, 60" in message
    assert "none now" in changed_data("validation", before, None)


def test_changed_data_on_resume_are_reported_and_pool_triplets_of_the_old_dropped(faces, tmp_path):
    asked = recipe(mining={"offline": {"every": 100, "pool": 40, "share": 0.5}})
    train(asked, faces, tmp_path)
    messages, fewer = [], faces.of(np.arange(5))
    longer = asked.model_copy(update={"steps": 4})
    resumed = train(longer, fewer, tmp_path, resume=True, warn=messages.append)
    assert (
        "the training faces have changed since this run began: 60 photos of 6 people then, 50 photos of 5 people now"
        in messages
    )
    assert [record["step"] for record in resumed.history] == [1, 2, 3, 4]
    assert resumed.history[2]["search_seconds"] > resumed.history[3]["search_seconds"]
    assert int(last_checkpoint(tmp_path).mined.max()) < len(fewer.labels)


def test_a_loss_with_weights_for_people_is_not_resumed_with_other_people(faces, tmp_path):
    asked = recipe(loss={"name": "cross-entropy"})
    train(asked, faces, tmp_path)
    with pytest.raises(DataError, match=r"'cross-entropy' has weights for each training person.*6 then, 5 now"):
        train(asked.model_copy(update={"steps": 4}), faces.of(np.arange(5)), tmp_path, resume=True)


def test_data_may_move_to_another_folder(faces, tmp_path):
    train(recipe(data={"train": "/there/people"}), faces, tmp_path)
    messages = []
    train(recipe(data={"train": "/here/people"}, steps=3), faces, tmp_path, resume=True, warn=messages.append)
    assert [message for message in messages if not message.startswith(UNTRAINED)] == []


def test_the_precision_used_is_kept_and_another_on_resume_is_reported(faces, tmp_path, monkeypatch):
    monkeypatch.setattr(precision, "has_bf16", lambda device: True)
    first = train(recipe(precision="auto"), faces, tmp_path)
    assert (first.precision, last_checkpoint(tmp_path).extra["precision"]) == ("bf16", "bf16")
    monkeypatch.setattr(precision, "has_bf16", lambda device: False)
    messages = []
    second = train(recipe(precision="auto", steps=3), faces, tmp_path, resume=True, warn=messages.append)
    assert (second.precision, last_checkpoint(tmp_path).extra["precision"]) == ("fp32", "fp32")
    assert "this run was trained in bf16 up to step 2 and continues in fp32" in messages[0]


@pytest.fixture
def of_an_earlier_version(faces, tmp_path):
    """Make a run whose checkpoints contain a recipe as written by earlier versions; `made(offset)` returns it."""

    def made(offset):
        train(recipe(), faces, tmp_path)
        for folder in checkpoints_in(tmp_path / "checkpoints"):
            path = folder / "state.json"
            state = json.loads(path.read_text())
            state["recipe"]["data"]["offset"] = offset
            state["recipe"]["precision"] = "bf16"
            state["recipe"]["loss"] |= {
                "smoothing": 0.0, "angle": 28.6, "scale": 64.0, "relations": 1.0, "templates": 0.0, "triplets": 0.0,
            }  # fmt: skip
            for name in ("data", "precision"):
                state["extra"].pop(name, None)
            watchdog = state["recipe"].pop("watchdog")
            state["recipe"]["care"] = {
                "window": watchdog["window"], "tries": watchdog["max_rollbacks"], "ease": watchdog["backoff"],
            }  # fmt: skip
            care = state["extra"].pop("watchdog")
            care["rollbacks"] = [{"at": 2, "to": 1, "why": "it collapsed", "rate_scale": 0.5, "easing": 0.25}]
            state["extra"]["care"] = care
            path.write_text(json.dumps(state))
        return tmp_path

    return made


def test_a_run_of_an_earlier_version_is_read_and_resumed(of_an_earlier_version, faces):
    run = of_an_earlier_version([0.0, 0.0])
    assert stored_recipe(last_checkpoint(run), run) == recipe(precision="bf16")
    messages = []
    trained = train(recipe(steps=3, precision="fp32"), faces, run, resume=True, warn=messages.append)
    assert trained.resumed_from == 2
    assert trained.rollbacks == 1
    assert trained.history[-1]["rate"] == pytest.approx(0.5 * 0.01)
    (message,) = (message for message in messages if not message.startswith(UNTRAINED))
    assert "trained in bf16" in message


def test_a_run_on_faces_with_an_offset_is_neither_resumed_nor_exported(of_an_earlier_version, faces, tmp_path):
    run = of_an_earlier_version([-2.0, -2.0])
    with pytest.raises(DataError, match=r"data\.offset: \(-2\.0, -2\.0\) then, not set now"):
        train(recipe(steps=3), faces, run, resume=True)
    with pytest.raises(DataError, match=r"trained with data\.offset, an option that was removed"):
        export_run(run, tmp_path / "model.onnx", print)


def test_a_run_warns_of_slow_bfloat16_at_the_start(faces, tmp_path, monkeypatch):
    monkeypatch.setattr(precision, "has_bf16", lambda device: False)
    messages = []
    train(recipe(precision="bf16", steps=1), faces, tmp_path, warn=messages.append)
    assert len(messages) == 1
    assert "no bfloat16 arithmetic" in messages[0]
