"""Convert a torch network to ONNX, without the exporter's warnings and without paths of this machine."""

import logging
import warnings
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn


def onnx_of(
    network: nn.Module, example: Tensor, sizes: dict[int, Any], inputs: Sequence[str], outputs: Sequence[str]
) -> Any:
    """Convert a network in evaluation mode.

    Parameters
    ----------
    network : nn.Module
    example : tensor
        An input. The exporter would treat a batch of one as a fixed size.
    sizes : dict
        Axes of the input that may have any size, as `torch.export.Dim`.
    inputs, outputs : names

    Returns
    -------
    onnx.ModelProto
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        logging.getLogger("torch.onnx").setLevel(logging.ERROR)
        program = torch.onnx.export(
            network,
            (example,),
            input_names=list(inputs),
            output_names=list(outputs),
            dynamic_shapes=(sizes,),
            dynamo=True,
            verbose=False,
        )
    assert program is not None
    model = program.model_proto
    # The exporter records the path of each operator's Python code on this machine: private, so it is removed.
    for node in model.graph.node:
        del node.metadata_props[:]
    model.producer_name, model.producer_version = "facespace", ""
    return model
