"""Check that a model does what its card says, by running it."""

import numpy as np

from facespace.errors import ModelError
from facespace.faces import CROPS, DETECTORS
from facespace.model.engine import Engine
from facespace.model.file import ModelFile

# Allowed deviation of an L2 norm from 1 if the card says that the output is normalised.
_NORM_SLACK = 1e-3

# Allowed difference between embedding a face in a batch and alone, as a fraction of the largest number.
_BATCH_SLACK = 1e-3


def check_model(model: ModelFile) -> tuple[str, ...]:
    """Run a model on noise on the CPU, and check that it does what its card says.

    Returns
    -------
    tuple of str
        Warnings about a model that works: a missing detector, no thresholds.

    Raises
    ------
    ModelError
        It does not load, does not match its card, embeds faces differently in a batch than alone, returns values that
        are not finite, or does not normalise its output although the card says so.
    """
    card, engine = model.card, Engine(model, provider="cpu")
    noise = np.random.default_rng(0).integers(0, 256, (3, card.input.height, card.input.width, 3), np.uint8)
    try:
        together = engine.run(noise)
        alone = np.concatenate([engine.run(noise[index : index + 1]) for index in range(len(noise))])
    except Exception as error:  # onnxruntime's exceptions share no public parent
        raise ModelError(f"{model.path} does not run on a batch of {len(noise)} faces: {error}") from None
    if not np.isfinite(together).all():
        raise ModelError(f"{model.path} returns values that are not finite")
    # int8 networks round each layer; a difference in the last bit before rounding can become a whole step.
    slack = _BATCH_SLACK if card.quantised is None else 0.1
    if float(np.abs(together - alone).max()) > slack * float(np.abs(alone).max()):
        raise ModelError(
            f"{model.path} embeds a face differently in a batch than alone; export it in evaluation mode, so that "
            "batch normalisation uses its trained statistics"
        )
    norms = np.linalg.norm(together, axis=1)
    if card.normalised and float(np.abs(norms - 1).max()) > _NORM_SLACK:
        raise ModelError(
            f"the card of {model.path} says that the output has L2 norm 1, but it is {norms.min():.3g} to "
            f"{norms.max():.3g}; set normalised = false"
        )
    return tuple(_remarks(model))


def _remarks(model: ModelFile) -> list[str]:
    card, remarks = model.card, []
    for what, wanted, known in (("detector", card.detector, DETECTORS), ("crop", card.crop, CROPS)):
        if wanted not in known:
            remarks.append(f"the card names the {what} {wanted!r}, which this version does not have")
    if card.decisions is None:
        remarks.append("the card has no thresholds: facespace evaluate MODEL --people FOLDER --write-card")
    return remarks
