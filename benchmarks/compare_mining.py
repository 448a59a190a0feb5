"""Test the claim that mixed offline and online mining, suggested but not tried in the paper, beats either alone.

One network, one data set, one budget of embedded images, three seeds: online mining, offline mining, mixed mining with
a quarter and half of each batch from the pool, and cross-entropy with a bottleneck. An image counts each time it is
embedded, for a step or for a search of the pool. Reports VAL on people who are not in the training set.

    python benchmarks/compare_mining.py ../shared/data runs/mining             # train the missing runs
    python benchmarks/compare_mining.py ../shared/data runs/mining --report    # table and curves of the existing runs

An interrupted run is resumed. `--rates` selects the learning rates, on held-out training people.
"""

import argparse
import json
from pathlib import Path

import matplotlib as mpl
import numpy as np
import torch
from matplotlib.figure import Figure
from scipy import stats

from facespace.recipes import find
from facespace.train.data.dataset import read_faces
from facespace.train.engine.history import read_history
from facespace.train.engine.loop import train
from facespace.train.recipe import Recipe, read_recipe

SEEDS = (1, 2, 3)
IMAGES = 48_000
EVERY, POOL, START = 60, 4_500, 40
# The best learning rates of those tried with --rates, for cross-entropy and for the triplet losses.
RATES = {"triplet": 0.01, "cross-entropy": 0.03}
TRIED = (0.003, 0.01, 0.03)
VALIDATIONS = 8
FARS = ("1e-02", "1e-03")
# Okabe and Ito's palette, safe for all kinds of colour blindness.
PALETTE = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#000000")


def variants() -> dict[str, dict[str, object]]:
    def pool(share: float) -> dict[str, object]:
        # At full hardness from the first step, triplets from the pool collapse an untrained network, as the paper
        # warns. So each run starts with online mining, and does not use the very hardest negatives.
        return {"mining": {"offline": {"every": EVERY, "pool": POOL, "share": share, "start": START, "hardness": 0.5}}}

    return {
        "online": {},
        "offline": pool(1.0),
        "mixed-25": pool(0.25),
        "mixed-50": pool(0.5),
        "cross-entropy": {"loss": {"name": "cross-entropy"}},
    }


def recipe_of(variant: dict[str, object], seed: int, images: int, rate: float | None = None) -> Recipe:
    """Return the base recipe with a variant, and the number of steps that the budget allows."""
    values = read_recipe(find("compare-mining")).model_dump(mode="json")
    for section, changes in variant.items():
        assert isinstance(changes, dict)
        values[section] = {**values[section], **changes}
    rate = rate or RATES["cross-entropy" if values["loss"]["name"] == "cross-entropy" else "triplet"]
    values["optimiser"]["rate"] = rate
    recipe = Recipe.model_validate({**values, "seed": seed})
    batch, pools = recipe.batch.people * recipe.batch.photos, recipe.mining.offline.every > 0
    # Pool searches begin after START steps and repeat every EVERY steps.
    steps = int((images + pools * START * POOL / EVERY) / (batch + pools * POOL / EVERY))
    validation = recipe.validation.model_copy(update={"every": max(steps // VALIDATIONS, 1)})
    return recipe.model_copy(update={"steps": steps, "checkpoint_every": max(steps // 2, 1), "validation": validation})


def run_all(data: Path, out: Path) -> None:
    faces, others = (read_faces(data / f"{split}.zip", 48, 48) for split in ("train", "val"))
    for seed in SEEDS:
        for name, variant in variants().items():
            folder = out / f"{name}-{seed}"
            if (folder / "done.json").exists():
                continue
            trained = train(
                recipe_of(variant, seed, IMAGES), faces, folder, resume=True, validation=others,
                warn=lambda text, at=folder: print(at.name, text, flush=True),
            )  # fmt: skip
            last = trained.history[-1]
            (folder / "done.json").write_text(json.dumps(last))
            rates = {k: round(v, 4) for k, v in last.items() if k.startswith("val")}
            print(folder.name, rates, int(last["images"]), "images", round(trained.seconds), "s", flush=True)


def choose_rates(data: Path, out: Path) -> None:
    """Train each loss at each rate with a third of the budget; report VAL on 400 held-out training people."""
    faces = read_faces(data / "train.zip", 48, 48)
    order = np.random.default_rng(0).permutation(len(faces.people))
    held, rest = (faces.of(np.sort(part)) for part in (order[:400], order[400:]))
    for name in ("online", "cross-entropy"):
        for rate in TRIED:
            trained = train(
                recipe_of(variants()[name], 9, IMAGES // 3, rate), rest, out / f"rate-{name}-{rate}", resume=True,
                validation=held, warn=lambda text: print(text, flush=True),
            )  # fmt: skip
            last = trained.history[-1]
            print(name, rate, {k: round(v, 4) for k, v in last.items() if k.startswith("val")}, flush=True)


def curve(folder: Path) -> list[dict[str, float]]:
    """Return the validation records of a run, with the seconds of training so far."""
    seconds, found = 0.0, []
    for record in read_history(folder / "history.jsonl"):
        seconds += record.get("seconds", 0.0)
        if "val_at_1e-02" in record:
            found.append({**record, "training_seconds": seconds})
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--rates", action="store_true")
    parser.add_argument("--report", action="store_true")
    parser.add_argument("--pictures", type=Path, default=Path("docs/pictures/mining"))
    options = parser.parse_args()
    torch.set_num_threads(1)
    if options.rates:
        choose_rates(options.data, options.out)
    elif options.report:
        report(options.out, options.pictures)
    else:
        run_all(options.data, options.out)


def report(out: Path, pictures: Path) -> None:
    """Print the table as Markdown, and write the curves as SVG files."""
    done: dict[str, dict[int, list[dict[str, float]]]] = {}
    for name in variants():
        folders = {seed: out / f"{name}-{seed}" for seed in SEEDS}
        done[name] = {seed: curve(folder) for seed, folder in folders.items() if (folder / "done.json").exists()}
    print(f"| mining | seeds | {' | '.join(f'VAL at FAR {far}' for far in FARS)} | seconds | rollbacks |")
    print("|---|---|---|---|---|---|")
    for name, runs in done.items():
        cells = [mean_text([at(run, far) for run in runs.values()]) for far in FARS]
        seconds = np.median([run[-1]["training_seconds"] for run in runs.values()])
        histories = (read_history(out / f"{name}-{seed}" / "history.jsonl") for seed in runs)
        events = sum("event" in record for history in histories for record in history)
        print(f"| {name} | {len(runs)} | {' | '.join(cells)} | {seconds:.0f} | {events} |")
    print("\n| difference to online, same seed | VAL at FAR 1e-02 | VAL at FAR 1e-03 |\n|---|---|---|")
    for name, runs in done.items():
        both = [seed for seed in runs if seed in done["online"]]
        if name != "online" and both:
            differences = [[at(runs[seed], far) - at(done["online"][seed], far) for seed in both] for far in FARS]
            print(f"| {name} | {' | '.join(mean_text(values, '+') for values in differences)} |")
    pictures.mkdir(parents=True, exist_ok=True)
    curves = {name: list(runs.values()) for name, runs in done.items() if runs}
    for far in FARS:
        for axis, label in (("images", "images embedded"), ("training_seconds", "seconds, including searches")):
            draw(curves, f"val_at_{far}", axis, label, far, pictures / f"mining-{far}-{axis.split('_')[-1]}.svg")


def at(run: list[dict[str, float]], far: str) -> float:
    """Interpolate VAL at exactly the budget, which runs with pool searches exceed slightly."""
    return float(np.interp(IMAGES, [record["images"] for record in run], [record[f"val_at_{far}"] for record in run]))


def mean_text(values: list[float], sign: str = "") -> str:
    """Format the mean with its 95 % interval over seeds (Student's t)."""
    if len(values) < 2:
        return " ".join(f"{value:{sign}.4f}" for value in values)
    half = stats.t.ppf(0.975, len(values) - 1) * stats.sem(values)
    return f"{np.mean(values):{sign}.4f} ± {half:.4f}"


def draw(
    curves: dict[str, list[list[dict[str, float]]]], key: str, axis: str, label: str, far: str, path: Path
) -> None:
    with mpl.rc_context({"svg.hashsalt": "facespace", "svg.fonttype": "path", "font.size": 11}):
        figure = Figure(figsize=(6.5, 4.2), layout="constrained")
        axes = figure.subplots()
        for number, (name, runs) in enumerate(curves.items()):
            colour, style = PALETTE[number], ("-", "--", "-.", ":", (0, (1, 1)))[number]
            for run in runs:
                axes.plot([r[axis] for r in run], [r[key] for r in run], color=colour, alpha=0.25, linewidth=1)
            grid = np.linspace(max(run[0][axis] for run in runs), min(run[-1][axis] for run in runs), 50)
            mean = np.mean([np.interp(grid, [r[axis] for r in run], [r[key] for r in run]) for run in runs], axis=0)
            axes.plot(grid, mean, color=colour, linestyle=style, linewidth=2, label=name)
        axes.set(xlabel=label, ylabel=f"VAL at FAR {far}, validation people", ylim=(0, None))
        axes.grid(alpha=0.25)
        axes.spines[["top", "right"]].set_visible(False)
        axes.legend(frameon=False)
        figure.savefig(path, metadata={"Date": None, "Creator": None})


if __name__ == "__main__":
    main()
