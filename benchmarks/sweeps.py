"""The paper's tables 5 and 6 at a small scale: VAL against the embedding dimension and the amount of training data.

Trains a small network with the triplet loss for each dimension and for each share of the people, with the same number
of embedded faces and one seed, and prints the tables of `facespace evaluate --sweep dim` and `data` on other people.
With so few steps no network is fully trained: the tables show trends, not final values. Interrupted runs are resumed.

    python benchmarks/sweeps.py ../shared/data runs/sweeps [--faces 50000]
"""

import argparse
from pathlib import Path

import numpy as np
import torch

from facespace.evaluate import open_photos, protocols
from facespace.evaluate.results import write_sweep
from facespace.evaluate.session import Session
from facespace.recipes import find
from facespace.train.data.dataset import FaceSet, read_faces
from facespace.train.engine.loop import train
from facespace.train.export.model import export
from facespace.train.recipe import Recipe, read_recipe

DIMENSIONS = (16, 32, 64, 128, 256)
SHARES = (0.1, 0.25, 0.5, 1.0)
SIDE = 56


def recipe_of(faces: int, dimension: int) -> Recipe:
    """Return the recipe of the mining experiment with a residual network and its best optimiser."""
    base = read_recipe(find("compare-mining"))
    steps = faces // (base.batch.people * base.batch.photos)
    network = base.network.model_copy(
        update={"name": "small-resnet", "width": SIDE, "height": SIDE, "dimension": dimension}
    )
    optimiser = read_recipe(find("mobile-112")).optimiser
    validation = base.validation.model_copy(update={"every": steps})
    changes = {"network": network, "optimiser": optimiser, "validation": validation}
    return base.model_copy(update={"steps": steps, "checkpoint_every": steps, **changes})


def trained(recipe: Recipe, faces: FaceSet, others: FaceSet, run: Path) -> Path:
    """Return the model file of a run; train it first if necessary."""
    model = run / "model.onnx"
    if not model.exists():
        done = train(recipe, faces, run, resume=True, validation=others, warn=lambda text: print(text, flush=True))
        export(run, model, faces, others)
        print(f"{run.name}: {len(faces.people)} people, {len(faces.labels)} photos, {done.seconds:.0f} s", flush=True)
    return model


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("data", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--faces", type=int, default=50_000)
    options = parser.parse_args()
    torch.set_num_threads(1)
    faces, others = (read_faces(options.data / f"{split}.zip", SIDE, SIDE) for split in ("train", "val"))
    order = np.random.default_rng(0).permutation(len(faces.people))
    by_dimension = {
        d: trained(recipe_of(options.faces, d), faces, others, options.out / f"dim-{d}") for d in DIMENSIONS
    }
    by_share = {1.0: by_dimension[128]}
    for share in SHARES[:-1]:
        some = faces.of(np.sort(order[: round(share * len(order))]))
        recipe = recipe_of(options.faces, 128)
        by_share[share] = trained(recipe, some, others, options.out / f"data-{share:.0%}".rstrip("%"))
    everybody = protocols.people(open_photos(options.data / "val.zip"))
    session = Session(everybody, detector="aligned-128", threads=1)
    for what, models in (("dim", by_dimension), ("data", by_share)):
        swept = session.sweep(what, list(models.values()), lambda done, of: None)
        print(" | ".join(["", *swept.columns]))
        for row in swept.rows():
            print(" | ".join(["", *row]))
        print(write_sweep(swept, options.out, f"python benchmarks/sweeps.py, --sweep {what}"), flush=True)


if __name__ == "__main__":
    main()
