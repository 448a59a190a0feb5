"""The model file: one ONNX file that contains its card.

The card is stored in the file's metadata (`facespace.onnxfile`). docs/decisions/002-model-file.md.
"""

import json
import os
import tomllib
from dataclasses import dataclass
from pathlib import Path

from facespace.errors import ModelError
from facespace.files import replacing
from facespace.model.card import Card
from facespace.onnxfile import metadata, weights_sha256, with_metadata
from facespace.textfile import read_toml

CARD_KEY = "facespace.card"


@dataclass(frozen=True)
class ModelFile:
    """A model as read from disk: its card, and the whole ONNX file as bytes."""

    path: Path
    card: Card
    onnx: bytes


def read_model(path: str | os.PathLike[str]) -> ModelFile:
    """Read a model file and check it against its card.

    The card is in the file or, for a network made elsewhere, in a TOML file of the same name beside it (`mine.onnx`,
    `mine.toml`).

    Raises
    ------
    ModelError
        The file does not exist, is not ONNX, has no card (the message shows one to write) or an invalid one, or its
        weights are not those the card was written for.
    """
    path = Path(path)
    try:
        onnx = path.read_bytes()
    except OSError as error:
        raise ModelError(f"cannot read the model file {path}: {error.strerror}; check the path") from None
    digest = weights_sha256(onnx, str(path))
    card = _card_of(path, onnx, digest)
    if card.weights_sha256 != digest:
        raise ModelError(
            f"the weights in {path} are not those its card was written for (sha256 {digest[:12]}..., but the card "
            f"says {card.weights_sha256[:12]}...): the file is damaged or was replaced; get it again"
        )
    return ModelFile(path, card, onnx)


def write_model(path: str | os.PathLike[str], onnx: bytes, card: Card) -> None:
    """Write a model file: the network with this card, which replaces any other.

    A temporary file is written, synced, then renamed: if anything fails, the old file stays intact.

    Raises
    ------
    ModelError
        Writing failed, or the card is for other weights.
    """
    path = Path(path)
    if card.weights_sha256 != weights_sha256(onnx, str(path)):
        raise ModelError(f"the card for {path} is for other weights; take weights_sha256 from the ONNX file")
    content = with_card(onnx, card)
    try:
        with replacing(path) as partial:
            partial.write_bytes(content)
    except OSError as error:
        raise ModelError(f"cannot write the model file {path}: {error.strerror}") from None


def with_card(onnx: bytes, card: Card) -> bytes:
    """Return the ONNX file with this card in its metadata."""
    return with_metadata(onnx, CARD_KEY, card.model_dump_json(exclude_none=True).encode())


def _card_of(path: Path, onnx: bytes, digest: str) -> Card:
    value = metadata(onnx, CARD_KEY, str(path))
    if value is not None:
        try:
            return Card.parse(json.loads(value), str(path))
        except (json.JSONDecodeError, UnicodeDecodeError) as error:
            raise ModelError(f"the model card in {path} is not JSON: {error}") from None
    beside = path.with_suffix(".toml")
    if not beside.exists():
        raise ModelError(_HOW_TO_WRITE_A_CARD.format(path=path, beside=beside, name=path.stem, digest=digest))
    try:
        return Card.parse(read_toml(beside), str(beside))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ModelError(f"{beside} is not TOML: {error}") from None


_HOW_TO_WRITE_A_CARD = """\
{path} has no model card, so it is not known how to prepare a face for it and what its distances mean.
If you know, write this into {beside} with the values that the network was trained with:

format = 1
name = "{name}"
version = "1"
weights_sha256 = "{digest}"
dimension = 128
normalised = true            # does the output have L2 norm 1?
detector = "whole-photo"     # photos are faces already cropped
crop = "box"
licence = "unknown"
data_terms = "unknown"

[input]
width = 112
height = 112
colour = "RGB"
mean = [127.5, 127.5, 127.5]
std = [127.5, 127.5, 127.5]

Then measure its thresholds: facespace evaluate {path} --people FOLDER --write-card"""
