"""Claim: a network trained with the harmonic loss can search a gallery of old embeddings.

Trains the recipe 'harmonic' (or resumes an interrupted run), and compares VAL over all pairs of photos of the
validation people: within the new space, between old and new embeddings, and within the old space. For comparison,
trains the same network for as long without old embeddings.

    python benchmarks/harmonic.py ../shared/data runs/harmonic [--steps N]
"""

import argparse
from pathlib import Path

import numpy as np
import torch

from facespace.recipes import find
from facespace.train.engine.loop import train
from facespace.train.engine.validate import embed_all
from facespace.train.mining.harmonic import compatibility
from facespace.train.recipe import Recipe, read_recipe
from facespace.train.session import faces_of

FARS = (1e-2, 1e-3)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("data", type=Path)
    parser.add_argument("run", type=Path)
    parser.add_argument("--steps", type=int)
    options = parser.parse_args()
    recipe = read_recipe(find("harmonic"), options.data)
    recipe = recipe.model_copy(update={"steps": options.steps or recipe.steps})
    apart = recipe.model_dump(mode="json")
    apart["loss"] = {"name": "triplet"}
    faces, others = faces_of(recipe, print)
    assert others is not None
    print(f"{'trained':12} {'compared':12} " + " ".join(f"VAL at FAR {far:g}" for far in FARS))
    for name, variant in (("harmonic", recipe), ("alone", Recipe.model_validate(apart))):
        trained = train(variant, faces, options.run / name, resume=True, warn=print)
        rows = np.arange(len(others.labels))
        device = next(trained.network.parameters()).device
        new = embed_all(trained.network, others, rows, torch.device(device)).cpu().numpy()
        assert others.teacher is not None
        for compared, rates in compatibility(new, others.teacher, others.labels, FARS).items():
            print(f"{name:12} {compared:12} " + " ".join(f"{rates[far]:15.3f}" for far in FARS), flush=True)


if __name__ == "__main__":
    main()
