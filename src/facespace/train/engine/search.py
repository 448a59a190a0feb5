"""Offline mining: search a pool of faces for hard triplets."""

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

# Pools of up to this many faces are searched for wrong labels completely, larger ones only for the anchors of the
# triplets. All distances of this many take a second or two, far less than embedding them.
SUSPECTS_OF = 20_000


def search_pool(state: State, recipe: Recipe, faces: FaceSet, workers: Workers, bf16: bool, suspects: Path) -> None:
    """Embed a pool with the current network, mine hard triplets in it, and pass them to the plan.

    Parameters
    ----------
    state : State
        Its plan and its number of images are updated.
    recipe : Recipe
    faces : FaceSet
    workers : Workers
    bf16 : bool
    suspects : path
        The table that the first process writes the suspected labels of the pool to.
    """
    offline, plan = recipe.mining.offline, state.plan
    pool = plan.pool(state.step, len(faces.labels))
    own = pool[workers.share(len(pool))]
    points = workers.gather(embed_all(state.network, faces, own, workers.device, bf16), len(pool))
    anchors = torch.from_numpy(plan.anchors(state.step, len(pool))).to(points.device)
    labels = torch.from_numpy(faces.labels)[torch.from_numpy(pool)].to(points.device)
    if workers.first:
        looked_at = torch.arange(len(pool), device=points.device) if len(pool) <= SUSPECTS_OF else anchors
        write_suspects(suspects, suspected_labels(points, labels, looked_at), pool, faces)
    found = hard_triplets(
        points,
        labels,
        anchors,
        margin_at(recipe.loss, state.step, recipe.steps) or 0.0,
        offline.hardness * state.watchdog.hardness_scale,
        offline.floor,
        recipe.loss.plain_margin,
    )
    plan.take(state.step, pool, found)
    state.images += len(pool)
