"""The model file: one ONNX file that carries its card.

ONNX is a protobuf message, and protobuf lets fields be read, dropped and appended without understanding the
rest. So the card is read and written here with no ONNX library and no network is ever re-encoded: only the
metadata entry changes. docs/decisions/002-model-file.md.
"""

import hashlib
import json
import os
import tomllib
from dataclasses import dataclass
from pathlib import Path

from facespace.errors import ModelError
from facespace.model.card import Card
from facespace.protobuf import field, fields
from facespace.textfile import read_toml

CARD_KEY = "facespace.card"

# Field numbers of onnx.ModelProto, and of its metadata entries (StringStringEntryProto).
_GRAPH, _METADATA = 7, 14
_KEY, _VALUE = 1, 2


@dataclass(frozen=True)
class ModelFile:
    """A model as read from disk: its card, and the whole ONNX file as bytes."""

    path: Path
    card: Card
    onnx: bytes


def read_model(path: str | os.PathLike[str]) -> ModelFile:
    """Read a model file and check it against its card.

    The card is the one inside the file or, for a network made elsewhere, a TOML file of the same name
    beside it (`mine.onnx`, `mine.toml`).

    Raises
    ------
    ModelError
        No such file, not ONNX, no card (the message shows one to write), a card that is not valid, or
        weights that are not those the card was written for.
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
            f"the weights in {path} are not those its card was written for (sha256 {digest[:12]}..., the card "
            f"says {card.weights_sha256[:12]}...): the file is damaged or was exchanged; get it again"
        )
    return ModelFile(path, card, onnx)


def write_model(path: str | os.PathLike[str], onnx: bytes, card: Card) -> None:
    """Write a model file: the network with this card, replacing any other card it had.

    Written beside the target, synced, then renamed: the old file stays whole if anything fails.

    Raises
    ------
    ModelError
        The disk refused, or the card is not of these weights.
    """
    path = Path(path)
    if card.weights_sha256 != weights_sha256(onnx, str(path)):
        raise ModelError(f"the card for {path} is of other weights; take weights_sha256 from the ONNX file")
    partial = path.with_name(f".{path.name}.partial")
    try:
        with partial.open("wb") as file:
            file.write(with_card(onnx, card))
            file.flush()
            os.fsync(file.fileno())
        partial.replace(path)
    except OSError as error:
        partial.unlink(missing_ok=True)
        raise ModelError(f"cannot write the model file {path}: {error.strerror}") from None


def weights_sha256(onnx: bytes, where: str = "the model") -> str:
    """Hex sha256 of the network itself (graph and weights), whatever metadata is around it.

    Raises
    ------
    ModelError
        Not an ONNX file.
    """
    graphs = [onnx[start:end] for number, start, end, _ in fields(onnx, where) if number == _GRAPH]
    if not graphs:
        raise ModelError(f"{where} holds no network; export one with: facespace export")
    return hashlib.sha256(b"".join(graphs)).hexdigest()


def with_card(onnx: bytes, card: Card) -> bytes:
    """The same ONNX file with this card in its metadata."""
    kept = [
        onnx[begin:end]
        for number, start, end, begin in fields(onnx, "the model")
        if not (number == _METADATA and _entry(onnx[start:end])[0] == CARD_KEY)
    ]
    value = card.model_dump_json(exclude_none=True).encode()
    entry = field(_KEY, CARD_KEY.encode()) + field(_VALUE, value)
    return b"".join([*kept, field(_METADATA, entry)])


def _card_of(path: Path, onnx: bytes, digest: str) -> Card:
    for number, start, end, _ in fields(onnx, str(path)):
        if number == _METADATA:
            key, value = _entry(onnx[start:end])
            if key == CARD_KEY:
                try:
                    return Card.parse(json.loads(value), str(path))
                except json.JSONDecodeError as error:
                    raise ModelError(f"the model card in {path} is not JSON: {error}") from None
    beside = path.with_suffix(".toml")
    if not beside.exists():
        raise ModelError(_HOW_TO_WRITE_A_CARD.format(path=path, beside=beside, name=path.stem, digest=digest))
    try:
        return Card.parse(read_toml(beside), str(beside))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ModelError(f"{beside} is not TOML: {error}") from None


_HOW_TO_WRITE_A_CARD = """\
{path} has no model card, so how to prepare a face for it and what its distances mean is not known.
If you know, write this into {beside} and set the values to those the network was trained with:

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


def _entry(message: bytes) -> tuple[str, bytes]:
    parts = {number: message[start:end] for number, start, end, _ in fields(message, "the metadata")}
    return parts.get(_KEY, b"").decode("utf-8", "replace"), parts.get(_VALUE, b"")
