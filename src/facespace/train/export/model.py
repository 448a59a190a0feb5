"""Export a training run as one model file."""

from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from facespace.errors import DataError, ModelError
from facespace.evaluate.decisions import decide
from facespace.model import (
    Card,
    DecisionsCard,
    Engine,
    InputCard,
    ModelFile,
    TrainingCard,
    prepare,
    read_model,
    weights_sha256,
    write_model,
)
from facespace.train.data.dataset import CROP, DETECTOR_OF_CROP, FaceSet
from facespace.train.data.inputs import MEAN, STD
from facespace.train.engine.checkpoint import Checkpoint, best_checkpoint
from facespace.train.engine.start import stages_of
from facespace.train.engine.stored import recipe_as_trained, stored_recipe
from facespace.train.export.bounds import bound_activations
from facespace.train.export.onnx_of import onnx_of
from facespace.train.export.whitening import whitened
from facespace.train.networks import build_network
from facespace.train.recipe import Recipe

# Largest allowed difference between torch and onnxruntime in any component of an embedding.
AGREEMENT = 1e-5
# Number of training faces for that comparison and for the bounds on the activations.
SOME = 128


def restore(checkpoint: Checkpoint, run: Path) -> tuple[nn.Module, Recipe]:
    """Return the network of a checkpoint, in evaluation mode, and the recipe it was trained with."""
    recipe = stored_recipe(checkpoint, run)
    size = recipe.network
    network = build_network(size.name, size.width, size.height, size.dimension)
    network.load_state_dict(checkpoint.network)
    return network.eval(), recipe


def export(run: Path, path: Path, train: FaceSet, validation: FaceSet | None, mirror: bool = False) -> Card:
    """Export a run as a model file, after checking it against torch.

    Exports the checkpoint with the highest VAL on the validation people, or the last one if none was validated.

    Parameters
    ----------
    run : path
        Folder of the training run.
    path : path
        The model file to write.
    train : FaceSet
        The training faces: counted for the card, and used to compare torch and onnxruntime.
    validation : FaceSet or None
        People who are not in the training set, to measure thresholds and calibration. Without them the card has no
        thresholds and the model cannot give verdicts.
    mirror : bool
        Average the embeddings of each face and its mirror image whenever the model is used.

    Returns
    -------
    Card
        The card written to the file.

    Raises
    ------
    DataError
        The run has no checkpoint, or `mirror` is asked of a recipe that averages mirror images itself.
    ModelError
        onnxruntime and torch disagree, or the file cannot be written.
    """
    checkpoint = best_checkpoint(run)
    network, recipe = restore(checkpoint, run)
    if mirror and recipe.whitening is not None and recipe.whitening.mirror:
        raise DataError(
            f"the recipe of {run} averages mirror images already (whitening.mirror), before it whitens the space; "
            "export without mirror"
        )
    network = whitened(network, recipe, train)
    onnx = to_onnx(network, recipe.network.width, recipe.network.height)
    card = new_card(recipe, onnx, train.crop).model_copy(
        update={
            "training": TrainingCard(
                data=recipe.data.description,
                people=len(train.people),
                photos=len(train.labels),
                steps=checkpoint.step,
                recipe=recipe_as_trained(checkpoint),
                stages=stages_of(run, checkpoint),
            )
        }
    )
    engine = Engine(ModelFile(path, card, onnx), provider="cpu")
    some = train.crops(slice(None, None, max(1, len(train.labels) // SOME)))
    difference = disagreement(network, engine, card, some)
    if difference > AGREEMENT:
        raise ModelError(
            f"not exported: the embeddings of onnxruntime and torch differ by {difference:.1e}, more than {AGREEMENT:g}"
        )
    onnx = bound_activations(onnx, prepare(some, card))
    card = card.model_copy(update={"weights_sha256": weights_sha256(onnx), "mirror": mirror})
    engine = Engine(ModelFile(path, card, onnx), provider="cpu")
    if validation is not None:
        decisions = _decisions(engine, validation, recipe.data.description)
        card = card.model_copy(update={"decisions": decisions})
    write_model(path, onnx, card)
    return read_model(path).card


def new_card(recipe: Recipe, onnx: bytes, crop: str = CROP) -> Card:
    """Return a card that says how to prepare faces for a recipe's network, still without thresholds."""
    return Card(
        name=recipe.name,
        version="1",
        weights_sha256=weights_sha256(onnx),
        dimension=recipe.network.dimension,
        normalised=True,
        detector=DETECTOR_OF_CROP[crop],
        crop=crop,
        input=InputCard(
            width=recipe.network.width,
            height=recipe.network.height,
            colour="RGB",
            mean=(MEAN, MEAN, MEAN),
            std=(STD, STD, STD),
        ),
        licence=recipe.data.licence,
        data_terms=recipe.data.terms,
    )


def to_onnx(network: nn.Module, width: int, height: int) -> bytes:
    """Convert a network to ONNX, for any number of faces.

    Parameters
    ----------
    network : nn.Module
        In evaluation mode; maps float (n, 3, height, width) to (n, d).
    width, height : int
        Input size in pixels.
    """
    example = torch.zeros(2, 3, height, width)
    model = onnx_of(network, example, {0: torch.export.Dim("n")}, ["faces"], ["embeddings"])
    serialised: bytes = model.SerializeToString()
    return serialised


def disagreement(network: nn.Module, engine: Engine, card: Card, crops: NDArray[np.uint8]) -> float:
    """Return the largest absolute difference between torch's embeddings and the engine's.

    Parameters
    ----------
    crops : ndarray of uint8, shape (n, height, width, 3)
    """
    with torch.inference_mode():
        expected = network(torch.from_numpy(prepare(crops, card))).numpy()
    return float(np.abs(expected - engine.embed(crops)).max())


def _decisions(engine: Engine, validation: FaceSet, data: str) -> DecisionsCard:
    described = f"{len(validation.people)} people held out from training: {data}"
    return decide(engine.embed(validation.crops()), validation.labels, described)
