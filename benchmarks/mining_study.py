"""Test whether mixing offline and online mining, which the paper suggests but does not test, is better than either.

All arms train the same network from scratch on the same data, with the same number of embedded images (including those
of pool searches) and the same seeds for the batches. The rate and hardness of each arm are chosen first, with the same
budget for each, on held-out training people. VAL and rank-1 are measured on people that no run was trained on, and
plotted against images and processor time.

    python benchmarks/mining_study.py ../shared/data runs/study                  # all missing runs
    python benchmarks/mining_study.py ../shared/data runs/study --size few       # 100 people: triplets become scarce
    python benchmarks/mining_study.py ../shared/data runs/study --size full      # 600,000 images a run
    python benchmarks/mining_study.py ../shared/data runs/study --report         # tables and plots

If it is interrupted, run it again and it continues; manifest.json in the folder lists which runs are done. `--workers`
runs several at once, and the same command may also be started several times. `--seconds` sets the processor time after
which no run is started, and `--until` starts no run that is expected to end later. A GPU is used if there is one.
"""

import argparse
import os
import signal
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import matplotlib as mpl
import numpy as np
import torch
from matplotlib.figure import Figure
from numpy.typing import NDArray

from facespace.errors import DataError
from facespace.train.data.dataset import FaceSet
from facespace.train.engine.distributed import Workers
from facespace.train.engine.history import read_history
from facespace.train.engine.loop import Trained, train
from facespace.train.recipe import Recipe
from study import (
    FARS,
    Clock,
    Faces,
    Job,
    Values,
    clear_failures,
    embedded,
    figures,
    in_processes,
    interval_over_people,
    interval_over_seeds,
    one_thread,
    read_split,
    result_of,
    run_jobs,
    samples_over_people,
    write_manifest,
)

PICTURES = Path(__file__).parents[1] / "docs" / "pictures" / "experiments"


@dataclass(frozen=True)
class Size:
    """How large a study is.

    limit : number of training people, drawn once; None for all
    images : number embedded in each run, including pool searches
    tuning : number embedded in each tuning run
    people, photos : people in a batch, and photos of each
    every, pool, start : steps between two searches, faces in the pool, and step of the first search
    seeds : number of seeds for each arm
    scarce : share of active online triplets below which the late arm starts its searches
    muon : the two middle rates tried with Muon
    """

    network: str
    side: int
    limit: int | None
    images: int
    tuning: int
    people: int
    photos: int
    every: int
    pool: int
    start: int
    seeds: int
    scarce: float
    muon: tuple[float, float] = (0.01, 0.03)


SIZES = {
    "many": Size("study:narrow_resnet", 48, None, 48_000, 12_000, 32, 4, 100, 4_000, 60, 3, 0.1),
    # The share of active triplets falls below a tenth only at the end of a run, so the late arm starts earlier.
    "few": Size("study:narrow_resnet", 48, 100, 48_000, 12_000, 16, 4, 50, 500, 100, 3, 0.3),
    # The rates of `few` were too low here: without a pool, the highest of them was by far the best.
    "full": Size(
        "small-resnet", 64, None, 600_000, 60_000, 90, 4, 200, 20_000, 200, 3, 0.1, muon=(0.03, 0.09)
    ),
}  # fmt: skip
ADAGRAD, CLASSIFIER = (0.01, 0.03), (0.03, 0.1)
# With the hardest triplets from the pool, an untrained network collapses.
HARDNESS = (0.3, 0.7)
# The share of active triplets that the plot marks as scarce, and the steps of its running mean.
SCARCE, WINDOW = 0.1, 20
VALIDATIONS = 8
# What the time of a run measures on each device.
DEVICES = {"cpu": "processor seconds", "cuda": "seconds on a GPU shared with other runs"}
# Okabe and Ito's palette, which can be distinguished with any kind of colour vision.
PALETTE = ("#000000", "#0072B2", "#D55E00", "#009E73", "#CC79A7", "#56B4E9", "#E69F00", "#7F7F7F", "#F0E442", "#5B4BB5")


@dataclass(frozen=True)
class Arm:
    """One way to mine, or a loss to compare with.

    share : share of each batch that comes from the pool; None for no pool
    annealed : whether the hardness of the online miner rises during the run
    late : whether the pool is used only from when online triplets are scarce, or from half of the run if they never are
    like : the arm whose tuned rate and hardness are used, if this one is not tuned itself
    """

    name: str
    optimiser: str = "muon"
    loss: str = "triplet"
    share: float | None = None
    annealed: bool = False
    late: bool = False
    like: str | None = None

    def tried(self, size: Size) -> list[tuple[float, float]]:
        """The four pairs of rate and hardness to choose from."""
        if self.loss != "triplet":
            return [(rate, 0.0) for rate in (CLASSIFIER[0] / 3, *CLASSIFIER, CLASSIFIER[1] * 3)]
        rates = ADAGRAD if self.optimiser == "adagrad" else size.muon
        if self.share is None and not self.annealed:
            return [(rate, 0.0) for rate in (rates[0] / 3, *rates, rates[1] * 3)]
        return [(rate, hardness) for rate in rates for hardness in HARDNESS]


ARMS = {
    arm.name: arm
    for arm in (
        Arm("online"),
        Arm("mixed-25", share=0.25),
        Arm("mixed-50", share=0.5),
        Arm("offline", share=1.0),
        Arm("annealed", annealed=True),
        Arm("mixed-late", share=0.5, late=True, like="mixed-50"),
        Arm("online-adagrad", optimiser="adagrad"),
        Arm("mixed-25-adagrad", optimiser="adagrad", share=0.25),
        Arm("cross-entropy", loss="cross-entropy"),
        Arm("arcface", loss="arcface"),
    )
}
CLOSE = ("online", "mixed-25", "mixed-50", "mixed-late")


def recipe_of(arm: Arm, size: Size, seed: int, images: int, rate: float, hardness: float, start: int) -> Recipe:
    """The recipe of an arm, with as many steps as the number of images allows."""
    batch = size.people * size.photos
    steps = images // batch
    values: dict[str, Any] = {"loss": {"name": arm.loss}}
    if arm.annealed:
        values["mining"] = {"hardness": 0.0, "final_hardness": hardness}
    if arm.share is not None:
        offline = {"every": size.every, "pool": size.pool, "share": arm.share, "start": start, "hardness": hardness}
        values["mining"] = {"offline": offline}
        # Each search, from step `start` on, uses up the images of a pool, which are then not available for steps.
        while steps * batch + searches(steps, start, size.every) * size.pool > images:
            steps -= 1
    return Recipe.model_validate(
        {
            **values,
            "name": f"mining-study-{arm.name}",
            "seed": seed,
            "steps": steps,
            "checkpoint_every": max(steps // 6, 1),
            "keep_checkpoints": 2,
            "precision": "auto",
            "data": {"train": "train.zip", "description": "aligned CelebA faces"},
            "network": {"name": size.network, "width": size.side, "height": size.side},
            "batch": {"people": size.people, "photos": size.photos},
            "optimiser": {
                "name": arm.optimiser,
                "rate": rate,
                "warmup": 20,
                "final_share": 0.05,
                "momentum": 0.6 if arm.optimiser == "muon" else 0.9,
            },
            "augment": {"rotate": 0, "scale": 0.05, "light": 0.2},
            "validation": {"every": max(steps // VALIDATIONS, 1)},
        }
    )


def searches(steps: int, start: int, every: int) -> int:
    """Number of pool searches in a run."""
    return max(0, -(-(steps - start) // every))


def scarce_from(records: list[dict[str, float]], below: float, window: int = WINDOW) -> int | None:
    """The first step at which the median share of active triplets over a window is below a limit, or None."""
    active = [record["active"] for record in records if "active" in record]
    for end in range(window, len(active) + 1):
        if float(np.median(active[end - window : end])) < below:
            return end
    return None


def jobs_of(size: Size, out: Path, faces: Faces | None) -> Iterator[Job]:
    """All jobs, the most important first. Without faces, only their names can be used."""

    def tuning(arm: Arm, rate: float, hardness: float) -> Job:
        def work(folder: Path) -> Values:
            assert faces is not None
            recipe = recipe_of(arm, size, 99, size.tuning, rate, hardness, size.start // 2)
            recipe = recipe.model_copy(update={"validation": recipe.validation.model_copy(update={"every": 0})})
            trained = train_or_explain(recipe, limited_to(faces.tuning, size.limit), folder)
            if isinstance(trained, str):
                return {"failed": trained}
            points = embedded(trained.network, faces.held_out, trained.precision == "bf16")
            return {**figures(points, faces.held_out.labels), "rollbacks": trained.rollbacks}

        return Job(f"tune-{arm.name}-{rate:.3g}-{hardness:g}", work, size.tuning)

    def main_run(arm: Arm, seed: int) -> Job:
        def work(folder: Path) -> Values | None:
            assert faces is not None
            best, start = tuned(size, out, arm), size.start
            if arm.late:
                if result_of(out / f"online-{seed}") is None:
                    return None
                # Until then, this run gets the batches of the online run, at nearly the same rates.
                found = scarce_from(read_history(out / f"online-{seed}" / "run" / "history.jsonl"), size.scarce)
                start = found or size.images // (size.people * size.photos) // 2
            if best is None:
                return None
            recipe = recipe_of(arm, size, seed, size.images, *best, start)
            clock = time.perf_counter if torch.cuda.is_available() else time.process_time
            trained = train_or_explain(
                recipe,
                limited_to(faces.train, size.limit),
                folder,
                Clock(folder / "clock.csv", clock),
                faces.validation,
            )
            if isinstance(trained, str):
                return {"failed": trained}
            points = embedded(trained.network, faces.validation, trained.precision == "bf16")
            np.save(folder / "points.npy", points.astype(np.float16))
            return {
                **figures(points, faces.validation.labels),
                "images": trained.history[-1]["images"],
                "rate": best[0],
                "hardness": best[1],
                "start": start,
                "rollbacks": trained.rollbacks,
                "precision": trained.precision,
            }

        return Job(f"{arm.name}-{seed}", work, size.images)

    arms = sorted(ARMS.values(), key=lambda arm: arm.name not in CLOSE)
    for arm in arms:
        if arm.like is None:
            yield from (tuning(arm, *pair) for pair in arm.tried(size))
    for seed in range(1, size.seeds + 1):
        yield from (main_run(arm, seed) for arm in arms)


def train_or_explain(
    recipe: Recipe,
    faces: FaceSet,
    folder: Path,
    on_step: Callable[[dict[str, float]], None] = lambda record: None,
    validation: FaceSet | None = None,
) -> Trained | str:
    """Train, or resume training. If the watchdog gives up, return the reason, which is a result, too."""
    run = folder / "run"
    try:
        return train(
            recipe, faces, run, resume=True, on_step=on_step, warn=printer(folder), validation=validation,
            workers=Workers(loaders=0),
        )  # fmt: skip
    except DataError as error:
        history = run / "history.jsonl"
        rollbacks = [record for record in read_history(history) if "event" in record] if history.exists() else []
        if len(rollbacks) < recipe.watchdog.max_rollbacks:
            raise
        return str(error)


def limited_to(faces: FaceSet, limit: int | None) -> FaceSet:
    """The faces of `limit` people, always the same ones, or of all people if it is None."""
    if limit is None:
        return faces
    return faces.of(np.sort(np.random.default_rng(3).permutation(len(faces.people))[:limit]))


def tuned(size: Size, out: Path, arm: Arm) -> tuple[float, float] | None:
    """The best rate and hardness of those tried for an arm, or None if one has not been tried yet."""
    source = ARMS[arm.like] if arm.like else arm
    found = {pair: result_of(out / f"tune-{source.name}-{pair[0]:.3g}-{pair[1]:g}") for pair in source.tried(size)}
    if any(result is None for result in found.values()):
        return None
    return max(found, key=lambda pair: (found[pair] or {}).get("val_at_1e-02", 0.0))


def printer(folder: Path) -> Callable[[str], None]:
    """A function that prints the messages of a run with its name."""
    return lambda text: print(folder.name, text, flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--size", choices=SIZES, default="many")
    parser.add_argument("--arms", nargs="+", choices=ARMS, help="run only these arms")
    parser.add_argument("--seconds", type=float, help="processor time in seconds after which no run is started")
    parser.add_argument("--workers", type=int, default=1, help="number of runs at once, each in a process of its own")
    parser.add_argument(
        "--until", type=float, help="start no run that is expected to end after this time, in seconds since 1970"
    )
    parser.add_argument("--report", action="store_true", help="print the tables and draw the plots")
    options = parser.parse_args()
    size, out = SIZES[options.size], options.out / options.size
    if options.report:
        report(size, out)
        return
    out.mkdir(parents=True, exist_ok=True)
    clear_failures(out)
    if options.workers > 1:
        # Terminates the worker processes, too.
        signal.signal(signal.SIGTERM, lambda number, frame: sys.exit(128 + number))
        # The processes inherit this, so each computes in one thread.
        os.environ["OMP_NUM_THREADS"] = "1"
        in_processes(options.workers, run_missing, options)
    else:
        run_missing(options)
    write_manifest(list(jobs_of(size, out, None)), out)


def run_missing(options: argparse.Namespace) -> None:
    """Run all missing runs in this process."""
    size, out = SIZES[options.size], options.out / options.size
    one_thread()
    faces = read_split(options.data, size.side)
    np.save(out / "labels.npy", faces.validation.labels)
    jobs = list(jobs_of(size, out, faces))
    if options.arms:
        jobs = [job for job in jobs if _arm_of(job.name) in options.arms]
    run_jobs(jobs, out, options.seconds, options.until)


def _arm_of(name: str) -> str:
    plain = name.removeprefix("tune-")
    return max((arm for arm in ARMS if plain.startswith(f"{arm}-")), key=len)


@dataclass(frozen=True)
class Run:
    """A finished main run.

    result : its figures and settings
    points : embeddings of the validation faces
    curve : the validations, each with the processor seconds up to it
    active : share of active triplets at each step
    images : number of images embedded up to each step
    searching : share of the time spent on pool searches
    """

    result: Values
    points: NDArray[np.float32]
    curve: list[dict[str, float]]
    active: NDArray[np.float64]
    images: NDArray[np.float64]
    searching: float

    @property
    def device(self) -> str:
        """'cpu' or 'cuda'."""
        return str(self.result.get("device", "cpu"))


def run_of(folder: Path) -> Run | None:
    """Read a finished run. None if it is not finished, or the watchdog gave up."""
    result = result_of(folder)
    if result is None or "failed" in result:
        return None
    spent = Clock.read(folder / "clock.csv")
    steps = [record for record in read_history(folder / "run" / "history.jsonl") if "event" not in record]
    return Run(
        result,
        np.load(folder / "points.npy").astype(np.float32),
        [{**r, "processor_seconds": spent.get(r["step"], np.nan)} for r in steps if "val_at_1e-02" in r],
        np.array([record.get("active", np.nan) for record in steps]),
        np.array([record["images"] for record in steps]),
        sum(r["search_seconds"] for r in steps) / sum(r["seconds"] for r in steps),
    )


def report(size: Size, out: Path) -> None:
    """Print the tables as Markdown, and draw the plots."""
    jobs = list(jobs_of(size, out, None))
    write_manifest(jobs, out)
    seeds = range(1, size.seeds + 1)
    runs = {name: {s: run for s in seeds if (run := run_of(out / f"{name}-{s}"))} for name in ARMS}
    runs = {name: found for name, found in runs.items() if found}
    print(
        "| arm | seeds | rate, hardness | VAL at FAR 1e-2 | VAL at FAR 1e-3 | rank-1 | active at the end | searching |"
    )
    print("|---|---|---|---|---|---|---|---|")
    for name, found in runs.items():
        values = list(found.values())
        cells = [
            mean_with_interval([r.result[key] for r in values]) for key in ("val_at_1e-02", "val_at_1e-03", "rank1")
        ]
        active = np.mean([np.nanmean(r.active[-WINDOW:]) for r in values]) if ARMS[name].loss == "triplet" else None
        settings = sorted({f"{r.result['rate']:.3g}, {r.result['hardness']:g}" for r in values})
        print(
            f"| {name} | {len(values)} | {' / '.join(settings)} | "
            f"{' | '.join(cells)} | {'-' if active is None else f'{active:.2f}'} | "
            f"{np.mean([r.searching for r in values]):.0%} |"
        )
    print("\n| time | device | seconds a run | images | rollbacks |\n|---|---|---|---|---|")
    for name, found in runs.items():
        for where in sorted({run.device for run in found.values()}):
            here = [run for run in found.values() if run.device == where]
            seconds = np.mean([run.curve[-1]["processor_seconds"] for run in here])
            images = np.mean([run.result["images"] for run in here])
            rollbacks = sum(run.result["rollbacks"] for run in here)
            print(f"| {name} | {DEVICES[where]} | {seconds:.0f} | {images:,.0f} | {rollbacks} |")
    for job in jobs:
        if "failed" in (result := result_of(out / job.name) or {}):
            print(f"\n{job.name} ended: {result['failed']}")
    differences(runs, out)
    done = [result for job in jobs if (result := result_of(out / job.name))]
    print(f"\n{len(done)} of {len(jobs)} runs")
    for where, kind in DEVICES.items():
        key = "seconds" if where == "cuda" else "processor_seconds"
        hours = sum(result[key] for result in done if result.get("device", "cpu") == where) / 3600
        print(f"{hours:.2f} hours: {kind}")
    pictures = PICTURES / out.name
    pictures.mkdir(parents=True, exist_ok=True)
    for key, label in (("val_at_1e-02", "VAL at FAR 1e-2"), ("val_at_1e-03", "VAL at FAR 1e-3")):
        draw(runs, key, label, "images", "images embedded", pictures)
        # Times on different devices are not comparable, so only one device is plotted.
        where = max(
            DEVICES, key=lambda where: sum(run.device == where for found in runs.values() for run in found.values())
        )
        there = {name: {s: run for s, run in found.items() if run.device == where} for name, found in runs.items()}
        draw(there, key, label, "processor_seconds", f"{DEVICES[where]}, searches included", pictures)
    draw_active(runs, pictures)


def differences(runs: dict[str, dict[int, Run]], out: Path) -> None:
    """Print the paired differences from the online arm with the same optimiser, with both intervals."""
    labels = np.load(out / "labels.npy")
    samples = {
        (name, seed): cached_samples(out / f"{name}-{seed}" / "people.npy", run.points, labels)
        for name, found in runs.items()
        for seed, run in found.items()
    }
    for number, far in enumerate(FARS):
        key = f"val_at_{far:.0e}"
        print(f"\n| difference, same seed, VAL at FAR {far:.0e} | seeds | mean, 95 % over seeds | 95 % over people |")
        print("|---|---|---|---|")
        for name, found in runs.items():
            base = "online-adagrad" if name.endswith("adagrad") else "online"
            # Only runs on the same device, because augmentation differs a little between devices.
            both = [s for s in found if s in runs.get(base, {}) and found[s].device == runs[base][s].device]
            if name == base or not both:
                continue
            apart = [found[s].result[key] - runs[base][s].result[key] for s in both]
            rounds = np.mean([samples[name, s][:, number] - samples[base, s][:, number] for s in both], axis=0)
            low, high = interval_over_people(rounds)
            print(f"| {name} - {base} | {len(both)} | {mean_with_interval(apart, '+')} | {low:+.4f} to {high:+.4f} |")


def cached_samples(path: Path, points: NDArray[np.float32], labels: NDArray[np.int64]) -> NDArray[np.float64]:
    """`samples_over_people`, cached in a file because computing them takes seconds."""
    if not path.exists():
        np.save(path, samples_over_people(points, labels))
    return np.asarray(np.load(path))


def mean_with_interval(values: list[float], sign: str = "") -> str:
    """Format the mean, and half of its 95 % interval if there are several seeds."""
    mean, half = interval_over_seeds(values)
    return f"{mean:{sign}.4f} ± {half:.4f}" if np.isfinite(half) else f"{mean:{sign}.4f}"


def draw(runs: dict[str, dict[int, Run]], key: str, label: str, axis: str, name: str, out: Path) -> None:
    with mpl.rc_context({"svg.hashsalt": "facespace", "svg.fonttype": "path", "font.size": 11}):
        figure = Figure(figsize=(7, 4.4), layout="constrained")
        axes = figure.subplots()
        for number, arm in enumerate(ARMS):
            curves = [run.curve for run in runs.get(arm, {}).values()]
            for curve in curves:
                axes.plot([r[axis] for r in curve], [r[key] for r in curve], color=PALETTE[number], alpha=0.2, lw=1)
            if curves:
                grid = np.linspace(max(c[0][axis] for c in curves), min(c[-1][axis] for c in curves), 50)
                mean = np.mean([np.interp(grid, [r[axis] for r in c], [r[key] for r in c]) for c in curves], axis=0)
                style = ("-", "--", "-.", ":")[number % 4]
                axes.plot(grid, mean, color=PALETTE[number], linestyle=style, lw=2, label=arm)
        finish(axes, name, f"{label}, people not trained on")
        figure.savefig(out / f"mining-{key[-5:]}-{axis}.svg", metadata={"Date": None, "Creator": None})


def draw_active(runs: dict[str, dict[int, Run]], out: Path) -> None:
    """Plot the share of pairs with an active triplet against the images, as a running mean."""
    with mpl.rc_context({"svg.hashsalt": "facespace", "svg.fonttype": "path", "font.size": 11}):
        figure = Figure(figsize=(7, 4), layout="constrained")
        axes = figure.subplots()
        for number, arm in enumerate(ARMS):
            found = list(runs.get(arm, {}).values())[:1]
            if found and ARMS[arm].loss == "triplet":
                smooth = np.convolve(found[0].active, np.ones(WINDOW) / WINDOW, "valid")
                images = found[0].images[WINDOW - 1 :]
                axes.plot(
                    images, smooth, color=PALETTE[number], linestyle=("-", "--", "-.", ":")[number % 4], label=arm
                )
        axes.axhline(SCARCE, color="#8a9099", linestyle="--", linewidth=1)
        finish(axes, "images embedded", "share of pairs with an active triplet")
        figure.savefig(out / "mining-active.svg", metadata={"Date": None, "Creator": None})


def finish(axes: Any, x: str, y: str) -> None:
    axes.set(xlabel=x, ylabel=y, ylim=(0, None))
    axes.grid(alpha=0.25)
    axes.spines[["top", "right"]].set_visible(False)
    axes.legend(frameon=False, fontsize=9)


if __name__ == "__main__":
    main()
