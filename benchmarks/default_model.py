"""Build the default model: export a training run, measure its card, quantise it, and put it into the package.

    python benchmarks/default_model.py RUN [--data ../shared/data] [--out runs/mobile] [--lfw] [--ship]

Exports the run and quantises it to int8 (calibrated on training faces). Measures thresholds, calibration and accuracy
on the validation people, also with small and strongly compressed faces. With --lfw, also evaluates LFW View 2 with the
model's own detector. View 2 is reserved for final results, so every such evaluation is recorded in OUT/looks.jsonl.
With --ship, both files are copied into the package.
"""

import argparse
import io
import json
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import PIL.Image
from numpy.typing import NDArray

from facespace.evaluate import protocols
from facespace.evaluate.decisions import decide, with_calibration_error
from facespace.evaluate.grouped_photos import embed_groups, read_groups
from facespace.evaluate.metrics import Interval, verification
from facespace.evaluate.session import Session
from facespace.images import resize
from facespace.model import DecisionsCard, Engine, FigureCard, LimitCard, ModelFile, read_model, write_model
from facespace.model.convert import quantise
from facespace.model.shipped import ship
from facespace.space import load
from facespace.train.data.dataset import FaceSet
from facespace.train.engine.checkpoint import best_checkpoint
from facespace.train.engine.stored import stored_recipe
from facespace.train.session import export_run, faces_of

FARS = (1e-1, 1e-2, 1e-3, 1e-4)
CALIBRATION = 172
# Bootstrap rounds; few, because a round with four million pairs is slow.
ROUNDS = 100
# Distance between the eyes in the 112-pixel template.
EYES = 35.2
TERMS = (
    "trained on CelebA, which is for non-commercial research, so this model is too, and on FairFace (CC BY 4.0); its "
    "teachers were trained on refined MS-Celeb-1M and by insightface (non-commercial research). Train your own: "
    "facespace prepare, facespace train"
)

Change = Callable[[NDArray[np.uint8]], NDArray[np.uint8]]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run", type=Path)
    parser.add_argument("--name", default="mobile")
    parser.add_argument("--data", type=Path, default=Path("../shared/data"))
    parser.add_argument("--out", type=Path, default=Path("runs/mobile"))
    parser.add_argument("--lfw", action="store_true")
    parser.add_argument("--ship", action="store_true")
    given = parser.parse_args()
    given.out.mkdir(parents=True, exist_ok=True)
    path = given.out / f"{given.name}.onnx"
    export_run(given.run, path, print, mirror=True)
    train, validation = faces_of(stored_recipe(best_checkpoint(given.run), given.run), print)
    assert validation is not None
    rename(path, given.name)
    small = given.out / f"{given.name}-int8.onnx"
    rows = np.random.default_rng(0).permutation(len(train.labels))[:CALIBRATION]
    quantise(read_model(path), train.crops(np.sort(rows)), small, f"{CALIBRATION} training faces")
    for each in (path, small):
        measure(each, validation, given.data, given.lfw, given.out)
    if given.ship:
        for each in (path, small):
            # load() uses the int8 model, which is faster than the float32 one on every processor measured.
            print("shipped", ship(each, default=each == small))


def described(validation: FaceSet) -> str:
    """Describe the data that a figure was measured on."""
    return f"{len(validation.people)} validation people, all pairs of their {len(validation.labels):,} photos"


def rename(path: Path, name: str) -> None:
    """Name the model after its purpose, not after the last training stage."""
    model = read_model(path)
    write_model(path, model.onnx, model.card.model_copy(update={"name": name, "data_terms": TERMS}))


def measure(path: Path, validation: FaceSet, data: Path, lfw: bool, out: Path) -> None:
    """Measure thresholds, accuracy and limits of a model file; write them to its card and print them."""
    model = read_model(path)
    # Faces of unnamed people by group, aligned like the training faces.
    space = load(path, provider="cpu", detector="aligned-128")
    strangers, _ = embed_groups(space, read_groups(data / "groups.csv"))
    engine = Engine(model, provider="cpu")
    crops = validation.crops()
    plain = engine.embed(crops)
    figures = [
        figure(f"VAL at FAR {far:g}", val, described(validation))
        for far, val in verification(plain, validation.labels, FARS, rounds=ROUNDS).val.items()
    ]
    limits = [
        LimitCard(condition=condition, figure=val_after(engine, crops, validation, change))
        for condition, change in conditions().items()
    ]
    limits += [
        LimitCard(condition="same-person pairs by group, age and sex (no data with these labels)"),
        LimitCard(condition="masks, infrared"),
    ]
    decisions = decide(plain, validation.labels, described(validation), strangers=strangers)
    update = {"figures": tuple(figures), "limits": tuple(limits), "decisions": decisions}
    write_model(path, model.onnx, model.card.model_copy(update=update))
    if lfw:
        look(path, data, out)
    show_groups(decisions)
    for each in (*read_model(path).card.figures, *(limit.figure for limit in limits if limit.figure)):
        print(f"{path.name}: {each.name} {each.value:.4f} ({each.low} to {each.high}); {each.note or ''}")


def show_groups(decisions: DecisionsCard) -> None:
    """Print the false match rate of each group."""
    assert decisions.groups is not None
    for entry in decisions.groups.thresholds:
        val = "" if entry.val is None else f", VAL {entry.val.value} ({entry.val.low} to {entry.val.high})"
        print(f"worst group at {entry.far:g}: {entry.group}, threshold {entry.threshold:.4f}{val}")
    stated = ", ".join(f"{at.threshold:.3f} ({at.holds_for}, FAR {at.far:g})" for at in decisions.groups.at)
    print(f"false matches per 1,000 pairs at the thresholds {stated}:")
    for group in decisions.groups.groups:
        rates = "; ".join(f"{1e3 * r.value:.2f} ({1e3 * r.low:.2f} to {1e3 * r.high:.2f})" for r in group.rates)
        print(f"  {group.column} {group.name}, {group.faces} faces: {rates}")


def conditions() -> dict[str, Change]:
    """Return the changes of faces to measure the model's limits with."""
    found: dict[str, Change] = {}
    for eyes in (18, 12, 8):
        found[f"faces with {eyes} pixels between the eyes"] = shrunk(eyes)
    for quality in (30, 10):
        found[f"faces compressed as JPEG of quality {quality}"] = compressed(quality)
    return found


def shrunk(eyes: int) -> Change:
    def change(face: NDArray[np.uint8]) -> NDArray[np.uint8]:
        side = round(len(face) * eyes / EYES)
        return resize(resize(face, side, side), *face.shape[1::-1])

    return change


def compressed(quality: int) -> Change:
    def change(face: NDArray[np.uint8]) -> NDArray[np.uint8]:
        file = io.BytesIO()
        PIL.Image.fromarray(face).save(file, "JPEG", quality=quality)
        return np.asarray(PIL.Image.open(file))

    return change


def val_after(engine: Engine, crops: NDArray[np.uint8], validation: FaceSet, change: Change) -> FigureCard:
    """Measure VAL at FAR 1e-3 with both faces of each pair changed."""
    points = engine.embed(np.stack([change(face) for face in crops]))
    val = verification(points, validation.labels, (1e-3,), rounds=ROUNDS).val[1e-3]
    return figure("VAL at FAR 0.001", val, described(validation), "both faces of every pair changed")


def figure(name: str, value: Interval, data: str, note: str | None = None) -> FigureCard:
    return FigureCard(name=name, value=value.value, low=value.low, high=value.high, data=data, note=note)


def look(path: Path, data: Path, out: Path) -> None:
    """Evaluate LFW View 2 with the model's own detector; write the result to the card, and record the evaluation."""
    protocol = protocols.by_name("lfw", data / "lfw.zip", [data / "pairs.txt"], 0)
    evaluation, _ = Session(protocol).evaluate(path)
    found = evaluation.verification
    assert found is not None
    name = f"LFW View 2 (evaluation {looks(out) + 1})"
    note = f"ten folds, standard error {found.accuracy_se:.4f}; the training set may contain people of LFW"
    figures = [
        figure("accuracy", found.accuracy, name, note),
        *(figure(f"VAL at FAR {far:g}", val, name) for far, val in found.val.items()),
    ]
    model: ModelFile = read_model(path)
    write_model(path, model.onnx, model.card.model_copy(update={"figures": (*figures, *model.card.figures)}))
    if model.card.decisions is not None and evaluation.reliability is not None:
        decisions = with_calibration_error(model.card.decisions, "LFW View 2", evaluation.reliability)
        model = read_model(path)
        write_model(path, model.onnx, model.card.model_copy(update={"decisions": decisions}))
        print(f"{path.name}: calibration error on LFW View 2 {evaluation.reliability.error:.4f}")
    measured = {each.name: each.value for each in figures}
    record = {"model": path.name, "weights": model.card.weights_sha256, "time": time.strftime("%F %T"), **measured}
    with (out / "looks.jsonl").open("a") as file:
        file.write(json.dumps({**record, "accuracy_se": found.accuracy_se}) + "\n")
    for group in evaluation.breakdowns:
        print(group.title, [(g.name, g.fnmr and round(g.fnmr.value, 4)) for g in group.groups])


def looks(out: Path) -> int:
    file = out / "looks.jsonl"
    return len(file.read_text().splitlines()) if file.exists() else 0


if __name__ == "__main__":
    main()
