"""The file of a detector of our own: one ONNX file that carries its card, as a model file does.

The one that comes with the package lies in its folder `models` and is named in the manifest there with its sha256.
"""

import hashlib
import json
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from facespace.errors import ModelError
from facespace.onnxfile import metadata, weights_sha256
from facespace.validation import explain

DETECTOR_KEY = "facespace.detector"
SHIPPED = Path(__file__).parents[1] / "models"
# The layout that this version reads: maps of these strides, boxes whose logarithmic sides are 0 at so many cells.
STRIDES: tuple[Literal[8], Literal[16], Literal[32]] = (8, 16, 32)
CELLS = 4.0


class DetectorModelCard(BaseModel):
    """How to use a detector, and what was measured of it.

    weights_sha256 : of the network the card was written for
    strides : pixels of the input for a cell of each map
    score : faces below are left out; chosen so that photos without faces give `false_boxes` boxes each
    false_boxes : boxes a photo at that score, on photos without faces
    false_boxes_data : which photos
    smallest : side in pixels of the smallest faces it was trained to find
    figures : what else was measured, by name
    recipe : of its training
    """

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    format: Literal[1] = 1
    kind: Literal["detector"] = "detector"
    layout: Literal["one-shot"] = "one-shot"
    name: Annotated[str, Field(min_length=1)]
    version: Annotated[str, Field(min_length=1)]
    weights_sha256: Annotated[str, Field(pattern="^[0-9a-f]{64}$")]
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
    try:
        onnx = path.read_bytes()
    except OSError as error:
        raise ModelError(f"cannot read the detector {path}: {error.strerror}; check the path") from None
    digest = weights_sha256(onnx, str(path))
    value = metadata(onnx, DETECTOR_KEY, str(path))
    if value is None:
        raise ModelError(
            f"{path} has no card of a detector: make one with `facespace train detector` and `facespace export`; "
            "a detector made elsewhere needs a TOML card beside it, as docs/how-to/find-faces.md says"
        )
    try:
        card = DetectorModelCard.model_validate(json.loads(value))
    except (json.JSONDecodeError, UnicodeDecodeError) as error:
        raise ModelError(f"the detector's card in {path} is not JSON: {error}") from None
    except ValidationError as error:
        raise ModelError(
            f"the detector's card in {path} is not one that this version can use:\n{explain(error, DetectorModelCard)}"
        ) from None
    if card.weights_sha256 != digest:
        raise ModelError(
            f"the weights in {path} are not those its card was written for (sha256 {digest[:12]}..., the card says "
            f"{card.weights_sha256[:12]}...): the file is damaged or was exchanged; get it again"
        )
    return card, onnx


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
        raise ModelError(f"no detector comes with this version, or it is damaged ({error}); install it again") from None
    if real != digest:
        raise ModelError(
            f"{path} is not the detector that was shipped (sha256 {real[:12]}..., not {digest[:12]}...); "
            "install facespace again"
        )
    return path
