"""Networks by name. Each maps (n, 3, height, width) to (n, dimension) with L2 norm 1, and does nothing else."""

from collections.abc import Callable

from torch import nn

from facespace.errors import RecipeError
from facespace.train.networks.small_cnn import small_cnn
from facespace.validation import nearest_name

# (width, height, dimension) -> network
NETWORKS: dict[str, Callable[[int, int, int], nn.Module]] = {"small-cnn": small_cnn}


def build_network(name: str, width: int, height: int, dimension: int) -> nn.Module:
    """A network with fresh weights, drawn from torch's global generator.

    Raises
    ------
    RecipeError
        No network has that name.
    """
    if name not in NETWORKS:
        raise RecipeError(f"network.name: there is no network {name!r}{nearest_name(name, list(NETWORKS))}")
    return NETWORKS[name](width, height, dimension)


__all__ = ["NETWORKS", "build_network"]
