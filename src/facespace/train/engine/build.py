"""Build the network, loss and optimiser of a run from its recipe."""

import torch

from facespace.train.data.dataset import FaceSet
from facespace.train.data.sampling import IdentityBatches
from facespace.train.engine.plan import Plan
from facespace.train.engine.start import start_from
from facespace.train.engine.state import State
from facespace.train.engine.updates import Updates
from facespace.train.engine.watchdog import Watchdog
from facespace.train.losses import build_loss
from facespace.train.networks import build_network
from facespace.train.optim.optimisers import build_optimiser, margin_at
from facespace.train.recipe import Recipe


def build(recipe: Recipe, faces: FaceSet, batches: IdentityBatches, device: torch.device) -> State:
    """Build the initial state of a run, with random weights by the recipe's seed or weights of another run.

    Raises
    ------
    DataError
        The run to start from has no checkpoint, or trained another network.
    """
    torch.manual_seed(recipe.seed)
    size = recipe.network
    network = build_network(size.name, size.width, size.height, size.dimension).to(device)
    if size.start is not None:
        start_from(network, size.name, size.start)
    # Channels last in memory is 1.5 times as fast on a CPU and gives the same results.
    network = network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    loss = build_loss(recipe.loss, len(faces.people), size.dimension).to(device)
    return State(
        network=network,
        # Only batches use the compiled network; validation and pool searches use the original.
        forward=torch.compile(network) if recipe.compile else network,
        loss=loss,
        optimiser=build_optimiser(recipe.optimiser, [*network.parameters(), *loss.parameters()]),
        plan=Plan(recipe, batches),
        watchdog=Watchdog(
            recipe.watchdog, margin_at(recipe.loss, 0, recipe.steps) if loss.uses_triplets else None, recipe.steps
        ),
        updates=Updates(network),
    )
