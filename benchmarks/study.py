"""Shared parts of the two training studies: faces, network, running a list of jobs, and statistics."""

import csv
import json
import multiprocessing
import time
import traceback
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from filelock import FileLock, Timeout
from numpy.typing import NDArray
from scipy import stats
from torch import nn

from facespace.evaluate import all_pairs
from facespace.evaluate.metrics.pairs import score
from facespace.evaluate.metrics.resample import resample_roc
from facespace.files import replacing
from facespace.metric import squared_distance_blocks
from facespace.train.data.dataset import FaceSet, read_faces
from facespace.train.engine.checkpoint import load_checkpoint
from facespace.train.engine.validate import embed_all, validation_rates
from facespace.train.networks.residual import residual_tower

FARS = (1e-2, 1e-3)
# Number of training people held out to choose rates and hardness.
TUNING_PEOPLE = 400
ROUNDS = 200

Values = dict[str, Any]


def narrow_resnet(width: int, height: int, dimension: int) -> nn.Module:
    """`small-resnet` with three quarters of its channels and two thirds of its blocks: 0.4 million parameters.

    (n, 3, height, width) -> (n, dimension) with L2 norm 1.
    """
    return residual_tower(16, ((24, 1), (48, 2), (96, 2)), 192, width, height, dimension)


@dataclass(frozen=True)
class Faces:
    """The faces of a study.

        train, validation : the published split
    tuning, held_out : the training people, split into those to train on and those to measure on while tuning
    """

    train: FaceSet
    validation: FaceSet
    tuning: FaceSet
    held_out: FaceSet


def read_split(data: Path, side: int) -> Faces:
    """Read the faces of the shared data at `side` x `side` pixels."""
    train, validation = (read_faces(data / f"{split}.zip", side, side) for split in ("train", "val"))
    order = np.random.default_rng(0).permutation(len(train.people))
    held_out, tuning = train.of(np.sort(order[:TUNING_PEOPLE])), train.of(np.sort(order[TUNING_PEOPLE:]))
    return Faces(train, validation, tuning, held_out)


@dataclass(frozen=True)
class Job:
    """One run of a study.

    name : also the name of its folder
    work : takes the folder and returns the result as plain data, or None if the job must wait for another one
    images : number embedded, from which the duration is estimated
    """

    name: str
    work: Callable[[Path], Values | None]
    images: int = 0


# Seconds between two searches for a job that no other process is running.
PAUSE = 1.0
# How often a process is started, including restarts after an error.
STARTS = 3
FAILED = "failed.txt"


def run_jobs(jobs: Sequence[Job], out: Path, seconds: float | None = None, until: float | None = None) -> None:
    """Run the jobs that are not done, in order, and update manifest.json.

    Several processes may call this at once. Each job is run by one of them, and by another one if that process dies. A
    process returns when no job is left for it. While others are busy it waits, because a job may need their results.

    Parameters
    ----------
    jobs : sequence of Job
    out : path
    seconds : float or None
        Processor time of this process after which no job is started.
    until : float or None
        Time, in seconds since 1970. A job that is expected to end later is not started.
    """
    out.mkdir(parents=True, exist_ok=True)
    while True:
        if seconds is not None and time.process_time() >= seconds:
            break
        outcomes = set()
        for job in jobs:
            outcomes.add(_attempt(job, out, _ends_too_late(job, jobs, out, until)))
            if "done" in outcomes:
                break
        write_manifest(jobs, out)
        if "done" not in outcomes:
            if "busy" not in outcomes:
                break
            time.sleep(PAUSE)


def _attempt(job: Job, out: Path, too_late: bool) -> str:
    """Run a job. Return 'done', 'busy' if another process is running it, or 'left' if it cannot or need not run now."""
    folder = out / job.name
    if result_of(folder) is not None or (folder / FAILED).exists():
        return "left"
    try:
        # If a process dies, the system releases its lock.
        with FileLock(out / f".{job.name}.lock", timeout=0):
            if too_late or result_of(folder) is not None:
                return "left"
            return "done" if _run(job, folder) else "left"
    except Timeout:
        return "busy"


def _run(job: Job, folder: Path) -> bool:
    folder.mkdir(exist_ok=True)
    before, started = time.process_time(), time.perf_counter()
    try:
        result = job.work(folder)
    except Exception:
        (folder / FAILED).write_text(traceback.format_exc(), "utf-8")
        raise
    if result is None:
        return False
    spent = {"processor_seconds": time.process_time() - before, "seconds": time.perf_counter() - started}
    write_json(folder / "done.json", {**spent, "device": device(), **result})
    print(job.name, {key: _short(value) for key, value in result.items()}, flush=True)
    return True


def _ends_too_late(job: Job, jobs: Sequence[Job], out: Path, until: float | None) -> bool:
    """Whether a job is expected to end after `until`, judged by the jobs done on this device."""
    if until is None:
        return False
    done = [(other.images, result_of(out / other.name) or {}) for other in jobs if other.images]
    took = [(images, result["seconds"] / images) for images, result in done if result.get("device") == device()]
    # Short jobs take more time per image.
    similar = [pace for images, pace in took if images == job.images] or [pace for _, pace in took]
    return bool(similar) and time.time() + job.images * float(np.median(similar)) > until


def device() -> str:
    """The device that a study runs on: 'cuda' or 'cpu'."""
    return "cuda" if torch.cuda.is_available() else "cpu"


def clear_failures(out: Path) -> None:
    """Remove the marks of jobs that ended with an error, so that they are tried again."""
    for path in out.glob(f"*/{FAILED}"):
        path.unlink(missing_ok=True)


def in_processes(count: int, work: Callable[..., None], *arguments: Any) -> None:
    """Run a function in several new processes until all have returned, and restart those that end with an error.

    An error can leave a GPU unusable for its process. Each process is started STARTS times at most.
    """
    context = multiprocessing.get_context("spawn")
    started: list[list[Any]] = [[] for _ in range(count)]
    try:
        while True:
            for processes in started:
                if not processes or (processes[-1].exitcode and len(processes) < STARTS):
                    processes.append(context.Process(target=work, args=arguments))
                    processes[-1].start()
            if all(processes[-1].exitcode is not None for processes in started):
                break
            time.sleep(PAUSE)
    finally:
        for processes in started:
            for process in processes:
                process.terminate()
                process.join()


def write_manifest(jobs: Sequence[Job], out: Path) -> None:
    """Write which jobs of a study are done, begun and missing."""

    def state(job: Job) -> str:
        if result_of(out / job.name) is not None:
            return "done"
        return "begun" if (out / job.name).is_dir() else "missing"

    states = {job.name: state(job) for job in jobs}
    counts = {name: sum(value == name for value in states.values()) for name in ("done", "begun", "missing")}
    write_json(out / "manifest.json", {**counts, "runs": states})


def result_of(folder: Path) -> Values | None:
    """The result of a job, or None if it is not done."""
    try:
        found: Values = json.loads((folder / "done.json").read_text("utf-8"))
        return found
    except FileNotFoundError:
        return None


def write_json(path: Path, values: Values) -> None:
    with replacing(path) as partial:
        partial.write_text(json.dumps(values, indent=1) + "\n", "utf-8")


class Clock:
    """Record the processor time of each step of a run in a table, to which a resumed run adds.

    Parameters
    ----------
    path : path
    clock : callable
        Returns seconds: processor time of this process, or wall-clock time if a GPU does the work.
    """

    def __init__(self, path: Path, clock: Callable[[], float] = time.process_time):
        self._path, self._clock, self._last = path, clock, clock()

    def __call__(self, record: dict[str, float]) -> None:
        """Record a step. Pass this as the `on_step` of `train`."""
        now = self._clock()
        with self._path.open("a", encoding="utf-8") as file:
            file.write(f"{record['step']:.0f},{now - self._last:.4f}\n")
        self._last = now

    @staticmethod
    def read(path: Path) -> dict[int, float]:
        """Processor seconds up to each step. Steps that were done twice count once."""
        with path.open(encoding="utf-8") as file:
            spent = {int(step): float(seconds) for step, seconds in csv.reader(file)}
        steps = sorted(spent)
        return dict(zip(steps, np.cumsum([spent[step] for step in steps]).tolist(), strict=True))


def embedded(network: nn.Module, faces: FaceSet, bf16: bool = True) -> NDArray[np.float32]:
    """Embed all faces of a set with a network in evaluation mode."""
    device = next(network.parameters()).device
    rows = np.arange(len(faces.labels))
    return embed_all(network, faces, rows, device, bf16).cpu().numpy().astype(np.float32)


def figures(points: NDArray[np.float32], labels: NDArray[np.int64]) -> dict[str, float]:
    """VAL at FAR 1e-1 to 1e-4, rank-1, and the mean squared distance between people. Empty if a point is not finite."""
    if not np.isfinite(points).all():
        return {}
    gram = float(np.square(np.abs(points.mean(axis=0))).sum())
    return {
        **validation_rates(points, labels),
        "rank1": float(nearest_is_own(points, labels).mean()),
        "spread": 2 - 2 * gram,
    }


def nearest_is_own(points: NDArray[np.float32], labels: NDArray[np.int64]) -> NDArray[np.bool_]:
    """Whether the nearest other face shows the same person, for each face of a person with two or more.

    Returns
    -------
    bool, shape (faces of people with two or more,)
    """
    hits = np.zeros(len(labels), bool)
    for rows, block in squared_distance_blocks(points, points):
        block = np.array(block)
        block[np.arange(rows.stop - rows.start), np.arange(rows.start, rows.stop)] = np.inf
        hits[rows] = labels[block.argmin(axis=1)] == labels[rows]
    return hits[np.bincount(labels)[labels] > 1]


def samples_over_people(points: NDArray[np.float32], labels: NDArray[np.int64]) -> NDArray[np.float64]:
    """VAL at each of FARS in each bootstrap round over people, shape (ROUNDS, len(FARS)).

    The same people are drawn in the same round for any points, so differences between two models are paired.
    """
    pairs = score(points / np.linalg.norm(points, axis=1, keepdims=True), labels, all_pairs(labels))
    return resample_roc(pairs, FARS, ROUNDS).val


def interval_over_seeds(values: Sequence[float]) -> tuple[float, float]:
    """The mean, and half of its 95 % interval (Student's t), which is infinite for a single value."""
    if len(values) < 2:
        return float(np.mean(values)), float("inf")
    half = stats.t.ppf(0.975, len(values) - 1) * stats.sem(values)
    return float(np.mean(values)), float(half)


def interval_over_people(samples: NDArray[np.float64]) -> tuple[float, float]:
    """The 95 % percentile interval of bootstrap rounds, shape (rounds,)."""
    low, high = np.nanpercentile(samples, [2.5, 97.5])
    return float(low), float(high)


def precision_and_recall(found: Iterable[str], wrong: Iterable[str], looked_at: Iterable[str]) -> tuple[float, float]:
    """Precision and recall of a list of suspects; the recall is over the wrong faces among those looked at."""
    listed, bad = set(found), set(wrong)
    there = bad & set(looked_at)
    precision = len(listed & bad) / len(listed) if listed else float("nan")
    return precision, len(listed & there) / len(there) if there else float("nan")


def load_network(network: nn.Module, checkpoint: Path) -> nn.Module:
    """Load the weights of a checkpoint into a network, in evaluation mode."""
    network.load_state_dict(load_checkpoint(checkpoint).network)
    return network.eval()


def one_thread() -> None:
    """Compute in one thread, so that a resumed run gives the same numbers as an uninterrupted one."""
    torch.set_num_threads(1)


def _short(value: Any) -> Any:
    return round(value, 4) if isinstance(value, float) else value
