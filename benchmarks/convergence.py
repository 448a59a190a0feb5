"""Test whether triplet training with the watchdog converges, or says why it did not, for nearly any usual settings.

There are 36 settings of rate, margin, mining, batch, distance and optimiser, balanced so that each pair of values of
two options occurs about equally often. Each is trained twice from the same initial weights on the same batches: by
`facespace train` with its watchdog, and by a plain loop with the miner and the loss of pytorch-metric-learning. More
runs test wrong labels: 0, 5 and 20 % of the names are shuffled, with and without a cap on the hardness of the pool's
negatives, and with the faces in suspects.csv left out.

    python benchmarks/convergence.py ../shared/data runs/convergence             # all missing runs

    python benchmarks/convergence.py ../shared/data runs/convergence --report    # tables and the plot


If it is interrupted, run it again and it continues; manifest.json in the folder lists which runs are done. `--seconds`
limits the processor time after which no run is started.
"""

import argparse
import csv
import math
from collections.abc import Iterator
from dataclasses import asdict, dataclass, replace
from functools import cache
from pathlib import Path

import matplotlib as mpl
import numpy as np
import torch
from matplotlib.figure import Figure
from numpy.typing import NDArray
from pytorch_metric_learning.distances import LpDistance
from pytorch_metric_learning.losses import TripletMarginLoss
from pytorch_metric_learning.miners import BatchHardMiner, TripletMarginMiner
from scipy.stats import binomtest
from torch import Tensor, nn

from facespace.errors import DataError
from facespace.train.data.augment import Draw, augmented
from facespace.train.data.dataset import FaceSet
from facespace.train.data.inputs import as_input
from facespace.train.data.sampling import IdentityBatches
from facespace.train.engine.checkpoint import checkpoints_in
from facespace.train.engine.distributed import Workers
from facespace.train.engine.history import read_history
from facespace.train.engine.loop import train
from facespace.train.engine.plan import Plan
from facespace.train.engine.precision import precision_for
from facespace.train.engine.seeds import step_seed
from facespace.train.engine.validate import embed_all
from facespace.train.mining import hard_triplets
from facespace.train.networks import build_network
from facespace.train.optim.optimisers import build_optimiser
from facespace.train.recipe import Recipe
from study import (
    Faces,
    Job,
    Values,
    embedded,
    figures,
    interval_over_seeds,
    load_network,
    one_thread,
    precision_and_recall,
    read_split,
    result_of,
    run_jobs,
    write_manifest,
)

SIDE, DIMENSION, SEED = 48, 128, 5
POOL, SEARCHES = 1_000, 5

PICTURES = Path(__file__).parents[1] / "docs" / "pictures" / "experiments"

LEVELS = {
    "rate": (0.1, 0.3, 1.0, 3.0, 10.0, 30.0),
    "margin": (0.1, 0.2, 0.5),
    "mining": ("batch-hard", "semi-hard", "mixed"),
    "batch": ((16, 2), (32, 4), (64, 4)),
    "distance": ("squared", "plain"),
    "optimiser": ("adagrad", "sgd", "adamw", "muon"),
}
SETTINGS = 36
# Rates tried for each optimiser on held-out training people. `rate` above is a multiple of the best one.
TRIED = {
    "adagrad": (0.003, 0.01, 0.03),
    "sgd": (0.01, 0.03, 0.1),
    "adamw": (0.0003, 0.001, 0.003),
    "muon": (0.007, 0.02, 0.05),
}
NOISE, REMEDIES = (0.0, 0.05, 0.2), ("uncapped", "capped", "suspects")
# Finding suspects needs embeddings that tell people apart, so these runs are longer than those of the settings.
NOISE_BUDGET, NOISE_PEOPLE = 4 / 3, 300


@dataclass(frozen=True)
class Setting:
    """One way to train.

    rate : as a multiple of the optimiser's tuned rate
    batch : number of people, and of photos of each
    """

    rate: float
    margin: float
    mining: str
    batch: tuple[int, int]
    distance: str
    optimiser: str

    @property
    def name(self) -> str:
        people, photos = self.batch
        return f"{self.optimiser}-x{self.rate:g}-{self.margin:g}-{self.mining}-{people}x{photos}-{self.distance}"


@cache
def settings(count: int = SETTINGS, tries: int = 1_000) -> list[Setting]:
    """A balanced selection from all combinations.

    Each value of an option occurs equally often. Of `tries` random arrangements, this is the one in which the counts of
    pairs of values of two options vary least.
    """
    rng = np.random.default_rng(0)
    columns = {key: np.resize(np.arange(len(values)), count) for key, values in LEVELS.items()}
    best, least = columns, math.inf
    for _ in range(tries):
        tried = {key: rng.permutation(column) for key, column in columns.items()}
        uneven = _unevenness(list(tried.values()))
        if uneven < least:
            best, least = tried, uneven
    return [Setting(**{key: LEVELS[key][column[row]] for key, column in best.items()}) for row in range(count)]


def _unevenness(columns: list[NDArray[np.int64]]) -> float:
    total = 0.0
    for i, a in enumerate(columns):
        for b in columns[i + 1 :]:
            counts = np.bincount(a * 10 + b, minlength=100).reshape(10, 10)[: a.max() + 1, : b.max() + 1]
            total += float(counts.var() / counts.mean())
    return total


BASE = Setting(1.0, 0.2, "semi-hard", (32, 4), "squared", "muon")


def recipe_of(setting: Setting, rate: float, images: int) -> Recipe:
    """The recipe of a setting, with as many steps as the number of images allows, and defaults for everything else."""
    people, photos = setting.batch
    mixed = setting.mining == "mixed"
    steps = (images - mixed * SEARCHES * POOL) // (people * photos)
    every = -(-steps // SEARCHES)
    offline = {"offline": {"every": every, "pool": POOL, "share": 0.5}} if mixed else {}
    return Recipe.model_validate(
        {
            "name": "convergence",
            "seed": SEED,
            "steps": steps,
            "checkpoint_every": max(steps // 10, 1),
            "precision": "auto",
            "data": {"train": "train.zip", "description": "aligned CelebA faces"},
            "network": {"name": "study:narrow_resnet", "width": SIDE, "height": SIDE, "dimension": DIMENSION},
            "batch": {"people": people, "photos": photos},
            "mining": {"online": "semi-hard" if mixed else setting.mining, **offline},
            "loss": {"margin": setting.margin, "distance": setting.distance},
            "optimiser": {"name": setting.optimiser, "rate": rate * setting.rate},
            "augment": {"rotate": 0, "scale": 0.05, "light": 0.2},
        }
    )


def by_facespace(recipe: Recipe, faces: FaceSet, others: FaceSet, run: Path) -> Values:
    """Train with the watchdog. Return how it ended, by its files on disk."""
    warnings: list[str] = []
    gave_up, verdict = "", None
    try:
        trained = train(recipe, faces, run, resume=True, warn=warnings.append)
        network, verdict = trained.network, trained.verdict
    except DataError as error:
        gave_up = str(error)
        network = build_network(recipe.network.name, SIDE, SIDE, DIMENSION)
        load_network(network, checkpoints_in(run / "checkpoints")[-1])
    records = read_history(run / "history.jsonl")
    events = [record for record in records if "event" in record]
    steps = sum("event" not in record for record in records) + len(events)
    return {
        **ended(network, others, bool(gave_up or verdict)),
        "rollbacks": len(events),
        "reasons": [record["why"] for record in events],
        "gave_up": gave_up,
        "verdict": verdict,
        "work": steps / recipe.steps,
    }


def by_a_plain_loop(recipe: Recipe, faces: FaceSet, others: FaceSet) -> Values:
    """Train the same network on the same faces and images in a typical loop with pytorch-metric-learning."""
    torch.manual_seed(recipe.seed)
    device, bf16 = torch.device("cpu"), precision_for(recipe.precision, Workers("cpu")) == "bf16"
    network = build_network(recipe.network.name, SIDE, SIDE, DIMENSION).to(memory_format=torch.channels_last)
    optimiser = build_optimiser(recipe.optimiser, network.parameters())
    distance = LpDistance(power=2 if recipe.loss.distance == "squared" else 1)
    loss_of = TripletMarginLoss(margin=recipe.loss.margin, distance=distance)
    miner = BatchHardMiner(distance=distance)
    if recipe.mining.online == "semi-hard":
        miner = TripletMarginMiner(recipe.loss.margin, type_of_triplets="semihard", distance=distance)
    plan = Plan(recipe, IdentityBatches(faces.labels, recipe.batch.people, recipe.batch.photos, recipe.seed))
    labels = torch.from_numpy(faces.labels)
    network.train()
    finite = True
    for step in range(recipe.steps):
        if plan.due(step):
            pool = plan.pool(step, len(labels))
            points = embed_all(network, faces, pool, device, bf16)
            anchors = torch.from_numpy(plan.anchors(step, len(pool)))
            own = labels[torch.from_numpy(pool)]
            mined = hard_triplets(points, own, anchors, recipe.loss.margin, plain=recipe.loss.plain_margin)
            plan.take(step, pool, mined)
        chosen = plan.step(step)
        people = labels[torch.from_numpy(chosen.faces)]
        with torch.autocast("cpu", torch.bfloat16, enabled=bf16):
            found: Tensor = network(_batch(recipe, faces, chosen.faces, step))
        points = found.float()
        if not points.isfinite().all():
            finite = False
            break
        triplets = miner(points, people)
        if len(chosen.hard):
            hard = torch.from_numpy(chosen.hard).T
            triplets = tuple(torch.cat([ours, theirs]) for ours, theirs in zip(triplets, hard, strict=True))
        loss = loss_of(points, people, triplets)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        if not math.isfinite(float(loss)) or not all(bool(w.isfinite().all()) for w in network.parameters()):
            finite = False
            break
    return {**ended(network if finite else None, others, False), "work": (step + 1) / recipe.steps}


def _batch(recipe: Recipe, faces: FaceSet, chosen: NDArray[np.int64], step: int) -> Tensor:
    draw = Draw.of(len(chosen), np.random.default_rng(step_seed(recipe.seed, step, "augment")))
    pixels = augmented(faces.pixels[chosen], faces.margin, faces.input_size, recipe.augment, draw)
    return as_input(torch.from_numpy(pixels).permute(0, 3, 1, 2).float())


def ended(network: nn.Module | None, others: FaceSet, reported: bool) -> Values:
    """The figures of a network, and its state: 'trained', 'collapsed' or 'not finite'.

    A network has collapsed if the mean distance between people is less than a hundredth of that between random points,
    or if VAL at FAR 1e-2 is less than twice the FAR.
    """
    found = {} if network is None else figures(embedded(network, others), others.labels)
    if not found:
        return {"state": "not finite", "val_at_1e-02": 0.0, "said": reported}
    collapsed = found["spread"] < 0.02 or found["val_at_1e-02"] < 0.02
    return {**found, "state": "collapsed" if collapsed else "trained", "said": reported}


def shuffled(faces: FaceSet, share: float, seed: int = SEED) -> tuple[FaceSet, set[str]]:
    """Permute the names of a share of the faces. Return the faces, and the photos whose name is now wrong."""
    rng = np.random.default_rng([seed, 77])
    chosen = rng.choice(len(faces.labels), round(share * len(faces.labels)), replace=False)
    labels = faces.labels.copy()
    labels[chosen] = rng.permutation(labels[chosen])
    wrong = np.flatnonzero(labels != faces.labels)
    return replace(faces, labels=labels), {faces.photos[face] for face in wrong}


def without(faces: FaceSet, photos: set[str]) -> FaceSet:
    """A set without some photos, and without people who have no photos left."""
    kept = np.array([photo not in photos for photo in faces.photos])
    # `of` selects whole people, so the faces to leave out become a person of their own.
    labels = np.where(kept, faces.labels, len(faces.people))
    return replace(faces, labels=labels, people=(*faces.people, "left out")).of(np.unique(faces.labels[kept]))


def noise_job(name: str, share: float, images: int, faces: Faces | None, out: Path) -> Job:
    """A run with a share of wrong names: without a cap on hardness, with one, or with one and without the suspects."""

    def work(folder: Path) -> Values | None:
        assert faces is not None
        rate = tuned(out, "muon")
        first = out / f"noise-{share:g}-capped"
        if rate is None or (name == "suspects" and result_of(first) is None):
            return None
        chosen = np.random.default_rng(1).permutation(len(faces.train.people))[:NOISE_PEOPLE]
        train_set, wrong = shuffled(faces.train.of(np.sort(chosen)), share)
        if name == "suspects":
            train_set = without(train_set, set(suspects_in(first / "run")))
        recipe = noise_recipe(rate, images, len(train_set.labels), capped=name != "uncapped")
        result = by_facespace(recipe, train_set, faces.validation, folder / "run")
        listed = suspects_in(folder / "run")
        precision, recall = precision_and_recall(listed, wrong, train_set.photos)
        return {**result, "suspects": len(listed), "precision": precision, "recall": recall, "wrong": len(wrong)}

    return Job(f"noise-{share:g}-{name}", work)


def noise_recipe(rate: float, images: int, faces: int, capped: bool) -> Recipe:
    """A recipe that takes a quarter of each batch from a pool of all faces, with the hardest or capped negatives."""
    recipe = recipe_of(BASE, rate, images)
    cap = {"hardness": 0.5, "floor": 0.2} if capped else {"hardness": 1.0}
    every = -(-recipe.steps // SEARCHES)
    offline = {"every": every, "pool": faces, "share": 0.25, "start": recipe.steps // 6, **cap}
    return Recipe.model_validate({**recipe.model_dump(), "mining": {"online": "semi-hard", "offline": offline}})


def suspects_in(run: Path) -> list[str]:
    """The photos of a run's suspects.csv."""
    with (run / "suspects.csv").open(encoding="utf-8") as file:
        return [row["photo"] for row in csv.DictReader(file)]


def tuned(out: Path, optimiser: str) -> float | None:
    """The best of the rates tried for an optimiser, or None if one has not been tried yet."""
    found = {rate: result_of(out / f"rate-{optimiser}-{rate:g}") for rate in TRIED[optimiser]}
    if any(result is None for result in found.values()):
        return None
    return max(found, key=lambda rate: (found[rate] or {})["val_at_1e-02"])


def jobs_of(faces: Faces | None, out: Path, images: int) -> Iterator[Job]:
    """All jobs, in order. Without faces, only their names can be used."""

    def tuning(optimiser: str, rate: float) -> Job:
        def work(folder: Path) -> Values:
            assert faces is not None
            recipe = recipe_of(replace(BASE, optimiser=optimiser), rate, images)
            return by_facespace(recipe, faces.tuning, faces.held_out, folder / "run")

        return Job(f"rate-{optimiser}-{rate:g}", work)

    def grid(setting: Setting, ours: bool) -> Job:
        def work(folder: Path) -> Values | None:
            assert faces is not None
            rate = tuned(out, setting.optimiser)
            if rate is None:
                return None
            recipe = recipe_of(setting, rate, images)
            if ours:
                result = by_facespace(recipe, faces.train, faces.validation, folder / "run")
            else:
                result = by_a_plain_loop(recipe, faces.train, faces.validation)
            return {"setting": asdict(setting), **result}

        return Job(f"{'ours' if ours else 'plain'}-{setting.name}", work)

    yield from (tuning(optimiser, rate) for optimiser, rates in TRIED.items() for rate in rates)
    yield from (grid(setting, ours) for setting in settings() for ours in (True, False))
    yield from (
        noise_job(name, share, round(NOISE_BUDGET * images), faces, out) for share in NOISE for name in REMEDIES
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument(
        "--images", type=int, default=36_000, help="number of images embedded in each run of the settings"
    )
    parser.add_argument("--seconds", type=float, help="processor time in seconds after which no run is started")
    parser.add_argument("--report", action="store_true", help="print the tables and draw the plot")
    options = parser.parse_args()
    out = options.out / f"images-{options.images}"
    one_thread()
    if options.report:
        report(out, list(jobs_of(None, out, options.images)))
    else:
        run_jobs(list(jobs_of(read_split(options.data, SIDE), out, options.images)), out, options.seconds)


def report(out: Path, jobs: list[Job]) -> None:
    """Print the tables as Markdown, and draw the plot."""
    write_manifest(jobs, out)
    runs = {job.name: result for job in jobs if (result := result_of(out / job.name)) is not None}
    both = [s for s in settings() if f"ours-{s.name}" in runs and f"plain-{s.name}" in runs]
    groups = {side: [runs[f"{side}-{s.name}"] for s in both] for side in ("ours", "plain")}
    best = max((r["val_at_1e-02"] for group in groups.values() for r in group), default=math.nan)
    print(f"{len(both)} of {SETTINGS} settings; best VAL at FAR 1e-2: {best:.4f}\n")
    print("| share of the settings | facespace train | plain loop |\n|---|---|---|")
    for title, holds in (
        ("within 90 % of the best VAL", lambda r: r["val_at_1e-02"] >= 0.9 * best),
        ("within 80 % of the best VAL", lambda r: r["val_at_1e-02"] >= 0.8 * best),
        ("within half of the best VAL", lambda r: r["val_at_1e-02"] >= 0.5 * best),
        ("collapsed", lambda r: r["state"] == "collapsed"),
        ("not finite", lambda r: r["state"] == "not finite"),
        ("collapsed or not finite, without a message", lambda r: r["state"] != "trained" and not r["said"]),
        ("stopped with a diagnosis", lambda r: bool(r.get("gave_up"))),
        ("rolled back at least once", lambda r: r.get("rollbacks", 0) > 0),
    ):
        print(
            f"| {title} | " + " | ".join(share(sum(map(holds, group)), len(group)) for group in groups.values()) + " |"
        )
    ours = groups["ours"]
    print(
        f"\nRollbacks: {sum(r['rollbacks'] for r in ours)} in all; steps taken, relative to those of the recipes:  "
        f"{np.mean([r['work'] for r in ours]):.3f} on average, at most {max(r['work'] for r in ours):.2f}\n"
    )
    if both:
        apart = [a["val_at_1e-02"] - b["val_at_1e-02"] for a, b in zip(*groups.values(), strict=True)]
        mean, half = interval_over_seeds(apart)
        ahead = sum(difference > 0 for difference in apart)
        print(
            f"VAL, facespace train minus plain loop: {mean:+.4f} ± {half:.4f} (95 % over settings), ahead in {ahead}\n"
        )
    for option in ("rate", "mining", "optimiser"):
        print(f"| {option} | settings | median VAL, facespace train | plain loop |\n|---|---|---|---|")
        for level in LEVELS[option]:
            at = [k for k, s in enumerate(both) if getattr(s, option) == level]
            if at:
                cells = [f"{np.median([group[k]['val_at_1e-02'] for k in at]):.4f}" for group in groups.values()]
                print(f"| {f'x {level:g}' if option == 'rate' else level} | {len(at)} | {' | '.join(cells)} |")
        print()
    print("\n| wrong names | run | VAL at FAR 1e-2 | at 1e-3 | suspects | precision | recall |")
    print("|---|---|---|---|---|---|---|")
    for noise in NOISE:
        for name in REMEDIES:
            run = runs.get(f"noise-{noise:g}-{name}")
            if run:
                cells = [f"{run[key]:.4f}" for key in ("val_at_1e-02", "val_at_1e-03")]
                found = [f"{run[key]:.2f}" for key in ("precision", "recall")]
                print(f"| {noise:.0%} | {name} | {' | '.join(cells)} | {run['suspects']} | {' | '.join(found)} |")
    hours = sum(run["processor_seconds"] for run in runs.values()) / 3600
    print(f"\n{len(runs)} of {len(jobs)} runs, {hours:.2f} hours of processor time")
    draw([(s, *(runs[f"{side}-{s.name}"]["val_at_1e-02"] / best for side in groups)) for s in both])


def share(count: int, of: int) -> str:
    """Format a share with its 95 % interval (Wilson)."""
    if not of:
        return "-"
    low, high = binomtest(count, of).proportion_ci(method="wilson")
    return f"{count / of:.0%} ({low:.0%} to {high:.0%})"


def draw(found: list[tuple[Setting, float, float]]) -> None:
    """Plot the VAL of each setting as a share of the best, by rate."""
    with mpl.rc_context({"svg.hashsalt": "facespace", "svg.fonttype": "path", "font.size": 11}):
        figure = Figure(figsize=(7, 4), layout="constrained")
        axes = figure.subplots()
        for setting, ours, plain in found:
            x = LEVELS["rate"].index(setting.rate) + 0.55 * (settings_at(setting.rate).index(setting) / 5 - 0.5)
            axes.plot([x, x], [plain, ours], color="#8a9099", linewidth=1)
            axes.plot(x, ours, "o", color="#0072B2", label="facespace train")
            axes.plot(x, plain, "o", markerfacecolor="white", color="#D55E00", label="plain loop")
        axes.axhline(0.8, color="#8a9099", linestyle="--", linewidth=1)
        axes.set_xticks(range(len(LEVELS["rate"])), [f"x {rate:g}" for rate in LEVELS["rate"]])
        axes.set(
            xlabel="learning rate, times the tuned one", ylabel="VAL at FAR 1e-2, share of the best", ylim=(-0.03, 1.05)
        )
        axes.spines[["top", "right"]].set_visible(False)
        handles, labels = axes.get_legend_handles_labels()
        named = dict(zip(labels, handles, strict=True))
        axes.legend(
            named.values(), named.keys(), frameon=False, loc="upper center", ncols=2, bbox_to_anchor=(0.5, 1.12)
        )
        PICTURES.mkdir(parents=True, exist_ok=True)
        figure.savefig(PICTURES / "convergence.svg", metadata={"Date": None, "Creator": None})


def settings_at(rate: float) -> list[Setting]:
    """The settings with a rate, in order."""
    return [setting for setting in settings() if setting.rate == rate]


if __name__ == "__main__":
    main()
