"""The training loop: it learns, resumes with identical results, and reports errors clearly."""

import json
import multiprocessing
import os
import resource
import signal
import subprocess
import sys
import textwrap

import numpy as np
import pytest
import torch

from facespace.errors import DataError
from facespace.train.engine.checkpoint import checkpoints_in, load_checkpoint
from facespace.train.engine.distributed import Workers
from facespace.train.engine.loop import train


@pytest.fixture
def one_thread():
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def weights(trained):
    return {name: tensor.clone() for name, tensor in trained.network.state_dict().items()}


def numbers(trained):
    """The history without times."""
    return [{key: value for key, value in record.items() if not key.endswith("seconds")} for record in trained.history]


def test_training_brings_photos_of_a_person_together(recipe, faces, tmp_path):
    trained = train(recipe(steps=40, checkpoint_every=40), faces, tmp_path)

    def ratio(record):
        return record["positive_distance"] / record["negative_distance"]

    first = np.mean([ratio(record) for record in trained.history[:3]])
    last = np.mean([ratio(record) for record in trained.history[-3:]])
    assert last < 0.7 * first


class Failed(Exception):
    pass


@pytest.mark.parametrize(("reason", "saved"), [(Failed, 4), (KeyboardInterrupt, 5)])
def test_a_resumed_run_equals_an_uninterrupted_one(recipe, faces, tmp_path, one_thread, reason, saved):
    whole = train(recipe(), faces, tmp_path / "whole")

    def stop(record):
        if record["step"] == 5:
            raise reason

    with pytest.raises(reason):
        train(recipe(), faces, tmp_path / "parts", on_step=stop)
    resumed = train(recipe(), faces, tmp_path / "parts", resume=True)
    assert resumed.resumed_from == saved
    assert numbers(resumed) == numbers(whole)
    for name, tensor in weights(whole).items():
        assert torch.equal(tensor, weights(resumed)[name]), name


def test_threads_and_processes_prepare_the_same_batches(recipe, faces, tmp_path, one_thread):
    mining = {"online": "semi-hard", "offline": {"every": 3, "pool": 40, "share": 0.5, "start": 2}}
    asked = recipe(steps=10, mining=mining, augment={"rotate": 5, "light": 0.2, "jpeg": 0.5})
    thread = train(asked, faces, tmp_path / "thread", workers=Workers("cpu"))
    processes = train(asked, faces, tmp_path / "processes", workers=Workers("cpu", loaders=2))
    assert numbers(processes) == numbers(thread)
    assert multiprocessing.active_children() == []


def test_a_device_that_augments_sees_nearly_the_same_faces(recipe, faces, tmp_path, one_thread):
    asked = recipe(steps=1, augment={"rotate": 5, "light": 0.2, "erase": 0.5})
    with_pillow = train(asked, faces, tmp_path / "pillow", workers=Workers("cpu"))
    workers = Workers("cpu")
    # What a CUDA device does, here on the processor.
    workers.augments = True
    on_device = train(asked, faces, tmp_path / "device", workers=workers)
    (expected,), (found,) = with_pillow.history, on_device.history
    assert found["loss"] == pytest.approx(expected["loss"], rel=0.02)
    assert found["loss"] != expected["loss"]


def test_a_killed_run_resumes_with_the_same_results(recipe, people, faces, tmp_path, one_thread):
    whole = train(recipe(steps=30, checkpoint_every=1), faces, tmp_path / "whole")
    (tmp_path / "recipe.json").write_text(json.dumps(recipe(steps=30, checkpoint_every=1).model_dump(mode="json")))
    script = textwrap.dedent(f"""
        import json, pathlib, torch
        from facespace.train.data.dataset import read_faces
        from facespace.train.engine.loop import train
        from facespace.train.recipe import parse_recipe
        torch.set_num_threads(1)
        recipe = parse_recipe(json.loads(pathlib.Path({str(tmp_path / "recipe.json")!r}).read_text()), "test")
        train(recipe, read_faces(pathlib.Path({str(people)!r}), 32, 40), pathlib.Path({str(tmp_path / "killed")!r}),
              resume=True, on_step=lambda record: print(record["step"], flush=True))
    """)
    for kills in range(3):
        process = subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, text=True)
        for line in process.stdout:
            if int(line) >= 4 + 7 * kills:
                os.kill(process.pid, signal.SIGKILL)
                break
        process.wait()
        assert process.returncode == -signal.SIGKILL
    resumed = train(recipe(steps=30, checkpoint_every=1), faces, tmp_path / "killed", resume=True)
    assert resumed.resumed_from >= 15
    assert numbers(resumed) == numbers(whole)
    for name, tensor in weights(whole).items():
        assert torch.equal(tensor, weights(resumed)[name]), name


def test_only_the_first_and_the_last_checkpoints_are_kept(recipe, faces, tmp_path):
    train(recipe(keep_checkpoints=2), faces, tmp_path)
    found = checkpoints_in(tmp_path / "checkpoints")
    assert [load_checkpoint(path).step for path in found] == [0, 4, 6]


def test_a_damaged_checkpoint_is_reported_and_the_previous_one_used(recipe, faces, tmp_path, one_thread):
    whole = train(recipe(), faces, tmp_path)
    damaged = checkpoints_in(tmp_path / "checkpoints")[-1] / "network.safetensors"
    damaged.write_bytes(damaged.read_bytes()[:-1000])
    messages = []
    resumed = train(recipe(), faces, tmp_path, resume=True, warn=messages.append)
    assert resumed.resumed_from == 4
    assert "step-00000006 is damaged" in messages[0]
    assert "falling back" in messages[0]
    assert numbers(resumed) == numbers(whole)


def test_a_full_disk_is_a_clear_error_and_loses_no_checkpoint(recipe, faces, tmp_path):
    train(recipe(steps=2), faces, tmp_path)
    before = checkpoints_in(tmp_path / "checkpoints")
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    ignored = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (50_000, limits[1]))
    try:
        with pytest.raises(DataError, match="cannot write the checkpoint of step 4 .* --resume"):
            train(recipe(), faces, tmp_path, resume=True)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
        signal.signal(signal.SIGXFSZ, ignored)
    assert checkpoints_in(tmp_path / "checkpoints") == before
    assert [path.name for path in (tmp_path / "checkpoints").iterdir()] == [path.name for path in before]
    assert train(recipe(), faces, tmp_path, resume=True).resumed_from == 2


def test_a_second_run_does_not_overwrite_the_first(recipe, faces, tmp_path):
    train(recipe(steps=2), faces, tmp_path)
    with pytest.raises(DataError, match="already contains a training run; continue it with --resume"):
        train(recipe(steps=2), faces, tmp_path)


def test_a_run_is_not_resumed_with_another_recipe(recipe, faces, tmp_path):
    train(recipe(steps=2), faces, tmp_path)
    with pytest.raises(DataError, match=r"changed since this run began \(optimiser\.rate: 0\.01 then, 0\.5 now\)"):
        train(recipe(optimiser={"rate": 0.5}), faces, tmp_path, resume=True)


def test_divergence_stops_the_run_and_keeps_its_checkpoints(recipe, faces, tmp_path):
    broken = recipe(optimiser={"rate": 1e30}, steps=40, checkpoint_every=1)
    with pytest.raises(
        DataError, match=r"no longer finite at step \d+. Rollbacks so far: step .* Lower optimiser.rate"
    ):
        train(broken, faces, tmp_path)
    assert checkpoints_in(tmp_path / "checkpoints")
