"""The search for hard triplets in a pool of faces (offline mining)."""

from pathlib import Path

import torch

from facespace.train.data.dataset import FaceSet
from facespace.train.engine.distributed import Workers
from facespace.train.engine.state import State
from facespace.train.engine.validate import embed_all
from facespace.train.mining import hard_triplets, suspected_labels
from facespace.train.mining.suspects import write_suspects
from facespace.train.optim.optimisers import margin_at
from facespace.train.recipe import Recipe


def search_pool(state: State, recipe: Recipe, faces: FaceSet, workers: Workers, bf16: bool, suspects: Path) -> None:
    """Embed a pool with the network as it is, and give the hard triplets that are there to the plan.

    Parameters
    ----------
    state : State
        Its plan and its count of images change.
    recipe : Recipe
    faces : FaceSet
    workers : Workers
    bf16 : bool
    suspects : path
        Where the first process lists the faces of the pool whose labels look wrong.
    """
    offline, plan = recipe.mining.offline, state.plan
    pool = plan.pool(state.step, len(faces.labels))
    own = pool[workers.share(len(pool))]
    points = workers.gather(embed_all(state.network, faces, own, workers.device, bf16), len(pool))
    anchors = torch.from_numpy(plan.anchors(state.step, len(pool))).to(points.device)
    labels = torch.from_numpy(faces.labels)[torch.from_numpy(pool)].to(points.device)
    if workers.first:
        write_suspects(suspects, suspected_labels(points, labels, anchors), pool, faces)
    found = hard_triplets(
        points,
        labels,
        anchors,
        margin_at(recipe.loss, state.step, recipe.steps) or 0.0,
        offline.hardness * state.care.easing,
        offline.floor,
    )
    plan.take(state.step, pool, found)
    state.images += len(pool)
