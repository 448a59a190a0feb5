"""Files of detectors trained with this package: one ONNX file that contains its card, like a model file.

The detector that ships with the package is in its folder `models`; the manifest there has its name and sha256.
"""

import hashlib
import json
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from facespace.errors import ModelError
from facespace.files import replacing
from facespace.onnxfile import metadata, weights_sha256, with_metadata
from facespace.validation import Sha256, explain

DETECTOR_KEY = "facespace.detector"
SHIPPED = Path(__file__).parents[1] / "models"
# The layout that this version reads: the strides of the maps, and the side of a box, in cells, whose logarithm is 0.
STRIDES: tuple[Literal[8], Literal[16], Literal[32]] = (8, 16, 32)
CELLS = 4.0


class QuantisedDetectorCard(BaseModel):
    """How an int8 detector was made from a float32 one.

    weights_sha256 : hash of the float32 network
    data : the photos of calibration
    photos : their number
    drift : mean absolute difference between the scores of the two networks, over the cells in which one of them is
        above .1; None if there were none
    """

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    weights_sha256: Sha256
    data: str
    photos: Annotated[int, Field(ge=1)]
    drift: Annotated[float, Field(ge=0, le=1)] | None = None


class DetectorModelCard(BaseModel):
    """How to use a detector, and its measured figures.

    weights_sha256 : hash of the network that the card was written for
    strides : for each map, the side of a cell in pixels of the input
    score : faces with lower scores are left out; chosen so that photos without faces give `false_boxes` boxes each
    false_boxes : mean number of boxes at that score in a photo without faces
    false_boxes_data : the photos on which this was measured
    smallest : side in pixels of the smallest faces it was trained to find
    figures : further measurements, by name
    recipe : the training recipe
    quantised : how the network was converted to int8; None for a float32 network
    """

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    format: Literal[1] = 1
    kind: Literal["detector"] = "detector"
    layout: Literal["one-shot"] = "one-shot"
    name: Annotated[str, Field(min_length=1)]
    version: Annotated[str, Field(min_length=1)]
    weights_sha256: Sha256
    strides: tuple[Literal[8], Literal[16], Literal[32]] = STRIDES
    score: Annotated[float, Field(gt=0, lt=1)]
    false_boxes: Annotated[float, Field(ge=0)] | None = None
    false_boxes_data: str = "not measured"
    smallest: Annotated[int, Field(ge=1)] = 10
    data: str = "not described"
    licence: str = "not stated"
    data_terms: str = "not stated"
    figures: dict[str, float] = {}
    recipe: dict[str, Any] | None = None
    quantised: QuantisedDetectorCard | None = None


def is_detector_file(path: Path) -> bool:
    """Whether an ONNX file contains the card of a detector.

    Raises
    ------
    ModelError
        No such file, or not ONNX.
    """
    return metadata(_content(path), DETECTOR_KEY, str(path)) is not None


def read_detector(path: Path) -> tuple[DetectorModelCard, bytes]:
    """Read a detector's file and check it against its card.

    Returns
    -------
    card, the whole ONNX file as bytes

    Raises
    ------
    ModelError
        No such file, not ONNX, no card of a detector, a card that is not valid, or other weights than the card's.
    """
    onnx = _content(path)
    digest = weights_sha256(onnx, str(path))
    value = metadata(onnx, DETECTOR_KEY, str(path))
    if value is None:
        raise ModelError(
            f"{path} has no card of a detector: make one with `facespace train detector` and `facespace export`; "
            "a detector made elsewhere needs a TOML card next to it, see docs/how-to/find-faces.md"
        )
    try:
        card = DetectorModelCard.model_validate(json.loads(value))
    except (json.JSONDecodeError, UnicodeDecodeError) as error:
        raise ModelError(f"the detector's card in {path} is not JSON: {error}") from None
    except ValidationError as error:
        raise ModelError(
            f"the detector's card in {path} is not valid for this version:\n{explain(error, DetectorModelCard)}"
        ) from None
    if card.weights_sha256 != digest:
        raise ModelError(
            f"the weights in {path} are not those its card was written for (sha256 {digest[:12]}..., the card says "
            f"{card.weights_sha256[:12]}...): the file is damaged or was replaced; get it again"
        )
    return card, onnx


def write_detector(path: Path, onnx: bytes, card: DetectorModelCard) -> None:
    """Write a network with its card; ModelError if the file cannot be written."""
    content = with_metadata(onnx, DETECTOR_KEY, card.model_dump_json(exclude_none=True).encode())
    try:
        with replacing(path) as partial:
            partial.write_bytes(content)
    except OSError as error:
        raise ModelError(f"cannot write the detector {path}: {error.strerror}") from None


def shipped_detector(folder: Path = SHIPPED) -> Path:
    """The file of the detector that comes with the package, its sha256 checked.

    Raises
    ------
    ModelError
        There is none, or the file is not the one that was shipped.
    """
    try:
        manifest = json.loads((folder / "manifest.json").read_text("utf-8"))
        name, digest = next(iter(manifest["detectors"].items()))
        path = folder / f"{name}.onnx"
        real = hashlib.sha256(path.read_bytes()).hexdigest()
    except (OSError, ValueError, KeyError, StopIteration, AttributeError) as error:
        raise ModelError(f"this version ships no detector, or it is damaged ({error}); install it again") from None
    if real != digest:
        raise ModelError(
            f"{path} is not the detector that was shipped (sha256 {real[:12]}..., not {digest[:12]}...); "
            "install facespace again"
        )
    return path


def _content(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise ModelError(f"cannot read the detector {path}: {error.strerror}; check the path") from None
