"""Networks by name, or from a user's module."""

import importlib
from collections.abc import Callable
from dataclasses import dataclass, field

import torch
from torch import Tensor, nn

from facespace.errors import RecipeError
from facespace.train.networks.count import Size, size_of
from facespace.train.networks.inception import nn2, nn4, nns1, nns2
from facespace.train.networks.mobile_face import mobile_face
from facespace.train.networks.residual import deepen, deeper_small_resnet, resnet_18, small_resnet
from facespace.train.networks.small_cnn import small_cnn, small_cnn_batch
from facespace.train.networks.zeiler_fergus import nn1
from facespace.validation import nearest_name

# (width, height, dimension) -> network
Builder = Callable[[int, int, int], nn.Module]


@dataclass(frozen=True)
class NetworkRecord:
    """A network that a recipe can name.

    build : (width, height, dimension) -> network with random weights
    width, height : intended input size in pixels; other sizes work if they are not too small for the layers
    begin_as : for the name of a smaller network, the function that makes this one compute what given weights compute
    """

    name: str
    width: int
    height: int
    build: Builder
    begin_as: dict[str, Callable[[nn.Module, dict[str, Tensor]], None]] = field(default_factory=dict)


NETWORKS: dict[str, NetworkRecord] = {
    record.name: record
    for record in (
        NetworkRecord("small-cnn", 48, 56, small_cnn),
        NetworkRecord("small-cnn-batch", 48, 56, small_cnn_batch),
        NetworkRecord("mobile-face", 112, 112, mobile_face),
        NetworkRecord("small-resnet", 112, 112, small_resnet),
        NetworkRecord("deeper-small-resnet", 112, 112, deeper_small_resnet, {"small-resnet": deepen}),
        NetworkRecord("resnet-18", 112, 112, resnet_18),
        NetworkRecord("nn1", 220, 220, nn1),
        NetworkRecord("nn2", 224, 224, nn2),
        NetworkRecord("nn3", 160, 160, nn2),
        NetworkRecord("nn4", 96, 96, nn4),
        NetworkRecord("nns1", 165, 165, nns1),
        NetworkRecord("nns2", 116, 140, nns2),
    )
}


def network_record(name: str) -> NetworkRecord:
    """Look up a registered network, or a user's function given as 'package.module:function'.

    The function takes (width, height, dimension) and returns a module that maps float (n, 3, height, width) to
    (n, dimension) with L2 norm 1. The Python module is imported, so name only code that you trust. Its default input
    size is 112x112.

    Raises
    ------
    RecipeError
        There is no network of that name, or the module or function cannot be imported.
    """
    if ":" in name:
        return NetworkRecord(name, 112, 112, _imported(name))
    if name not in NETWORKS:
        raise RecipeError(
            f"network.name: there is no network {name!r}{nearest_name(name, list(NETWORKS))} "
            "(write your own network as package.module:function)"
        )
    return NETWORKS[name]


def build_network(name: str, width: int, height: int, dimension: int) -> nn.Module:
    """Build a network, with random weights from torch's global generator.

    Raises
    ------
    RecipeError
        As for `network_record`; or the input is too small for the network's layers; or a user's function did not
        return a module.
    """
    record = network_record(name)
    try:
        network = record.build(width, height, dimension)
    except (TypeError, ValueError, RuntimeError) as error:
        raise RecipeError(
            f"network: {name} cannot be built for {width}x{height} pixels and {dimension} dimensions ({error}); "
            f"it is meant for {record.width}x{record.height}"
        ) from error
    if not isinstance(network, nn.Module):
        raise RecipeError(f"network.name: {name} returned a {type(network).__name__}, not a torch.nn.Module")
    return network


def network_size(name: str, width: int, height: int, dimension: int) -> Size:
    """Return `size_of` a network without allocating its weights; errors as for `build_network`."""
    with torch.device("meta"):
        return size_of(build_network(name, width, height, dimension), width, height)


def _imported(name: str) -> Builder:
    module_name, _, function = name.partition(":")
    try:
        builder = getattr(importlib.import_module(module_name), function)
    except (ImportError, ValueError) as error:
        raise RecipeError(f"network.name: cannot import {module_name!r}: {error}; is it on PYTHONPATH?") from None
    except AttributeError:
        raise RecipeError(f"network.name: {module_name} has no {function!r}") from None
    if not callable(builder):
        raise RecipeError(f"network.name: {name} is not a function")
    found: Builder = builder
    return found
