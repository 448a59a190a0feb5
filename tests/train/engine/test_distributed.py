"""Distributed training with torchrun: it finishes, and survives the failure of a process."""

import os
import signal
import subprocess
import sys
import time

import pytest
import torch

from facespace.train.engine.checkpoint import checkpoints_in, load_checkpoint
from facespace.train.engine.distributed import choose_device
from facespace.train.engine.history import read_history

RECIPE = """
name = "two"
seed = 3
steps = {steps}
checkpoint_every = 5
[data]
train = "{people}"
validation_people = 2
[network]
name = "small-cnn"
width = 32
height = 40
dimension = 32
[batch]
people = 4
photos = 4
[mining.offline]
every = 5
pool = 30
share = 0.5
[optimiser]
rate = 0.01
"""


@pytest.fixture
def start(people, tmp_path):
    """Start a run with torchrun; return the process and the run's folder."""
    started = []

    def begin(steps, restarts):
        (tmp_path / "two.toml").write_text(RECIPE.format(steps=steps, people=people))
        command = [
            sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2",
            "--max-restarts", str(restarts), "--monitor-interval", "0.2",
            "-m", "facespace.train", str(tmp_path / "two.toml"), "--out", str(tmp_path / "run"), "--device", "cpu",
        ]  # fmt: skip
        environment = {**os.environ, "OMP_NUM_THREADS": "1"}
        log = (tmp_path / "log").open("wb")
        process = subprocess.Popen(command, stdout=log, stderr=log, env=environment, start_new_session=True)
        started.append(process)
        return process, tmp_path / "run"

    yield begin
    for process in started:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)


def workers_of(process):
    """Return the training processes started by torchrun."""
    found = subprocess.run(["pgrep", "-P", str(process.pid)], capture_output=True, text=True).stdout
    return [int(pid) for pid in found.split()]


def test_two_processes_train_and_one_writes_files(start, tmp_path):
    process, run = start(steps=10, restarts=0)
    assert process.wait(timeout=240) == 0, (tmp_path / "log").read_text()[-2000:]
    records = read_history(run / "history.jsonl")
    assert [record["step"] for record in records] == list(range(1, 11))
    # The batch of 16 is mined as a whole: 4 people with 4 photos make 48 pairs, fewer with triplets from the pool.
    assert max(record["pairs"] for record in records) > 24
    assert load_checkpoint(checkpoints_in(run / "checkpoints")[-1]).step == 10


def test_a_killed_process_is_restarted_and_resumes_from_the_checkpoint(start, tmp_path):
    process, run = start(steps=400, restarts=2)
    history = run / "history.jsonl"
    deadline = time.monotonic() + 200
    while time.monotonic() < deadline and not (history.exists() and len(history.read_bytes().splitlines()) > 12):
        time.sleep(0.2)
    victims = workers_of(process)
    assert len(victims) == 2, (tmp_path / "log").read_text()[-2000:]
    reached = load_checkpoint(checkpoints_in(run / "checkpoints")[-1]).step
    assert reached >= 5
    os.kill(victims[1], signal.SIGKILL)
    while time.monotonic() < deadline and set(workers_of(process)) & set(victims):
        time.sleep(0.2)
    again = time.monotonic() + 200
    while time.monotonic() < again and load_checkpoint(checkpoints_in(run / "checkpoints")[-1]).step <= reached + 10:
        assert process.poll() is None, (tmp_path / "log").read_text()[-2000:]
        time.sleep(0.2)
    assert not set(workers_of(process)) & set(victims)
    steps = [record["step"] for record in read_history(history)]
    assert steps == list(range(1, len(steps) + 1))


def test_the_requested_or_the_best_device_is_used():
    assert choose_device("cpu") == torch.device("cpu")
    assert choose_device("auto").type in {"cuda", "mps", "cpu"}
