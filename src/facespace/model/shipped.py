"""Models that ship with the package, in its folder `models`, with a manifest of their sha256.

Nothing is downloaded. A file that does not match the manifest is refused: it was damaged or replaced.
"""

import hashlib
import os
from pathlib import Path

from pydantic import BaseModel, ConfigDict, ValidationError, model_validator

from facespace.errors import ModelError
from facespace.faces.detector_file import read_detector
from facespace.model.file import read_model
from facespace.validation import Sha256, explain

SHIPPED = Path(__file__).parents[1] / "models"
_MANIFEST = "manifest.json"


class Manifest(BaseModel):
    """The models of a folder: sha256 of each file by name, and the default; the detectors likewise."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    default: str
    sha256: dict[str, Sha256]
    detectors: dict[str, Sha256] = {}

    @model_validator(mode="after")
    def _consistent(self) -> "Manifest":
        if self.default not in self.sha256:
            raise ValueError(f"the default {self.default!r} is not among the models {sorted(self.sha256)}")
        return self


def shipped_models(folder: Path = SHIPPED) -> dict[str, Path]:
    """Shipped model files by name, default first; empty if none are shipped.

    Raises
    ------
    ModelError
        The manifest is damaged.
    """
    manifest = _manifest(folder)
    if manifest is None:
        return {}
    names = sorted(manifest.sha256, key=lambda name: (name != manifest.default, name))
    return {name: folder / f"{name}.onnx" for name in names}


def shipped_model(name: str | None = None, folder: Path = SHIPPED) -> Path:
    """The file of a shipped model, with its sha256 checked; None selects the default.

    Raises
    ------
    ModelError
        No model is shipped, none has this name, or the file was changed.
    """
    manifest = _manifest(folder)
    if manifest is None:
        raise ModelError(
            "this version ships no default model; train one (`make demo` takes two minutes) and load "
            "its file: facespace.load('model.onnx')"
        )
    name = manifest.default if name is None else name
    if name not in manifest.sha256:
        raise ModelError(f"no shipped model is named {name!r}; this version has {', '.join(sorted(manifest.sha256))}")
    path = folder / f"{name}.onnx"
    try:
        digest = hashlib.sha256(path.read_bytes()).hexdigest()
    except OSError as error:
        raise ModelError(f"cannot read the shipped model {path}: {error.strerror}; install facespace again") from None
    if digest != manifest.sha256[name]:
        raise ModelError(
            f"{path} is not the model that was shipped (its sha256 is {digest[:12]}..., not "
            f"{manifest.sha256[name][:12]}...); install facespace again"
        )
    return path


def find_model(model: str | os.PathLike[str] | None = None) -> Path:
    """Find a model's file: a path, the name of a shipped model if no such file exists, or None for the default.

    Raises
    ------
    ModelError
        As for `shipped_model`, if a shipped model is meant.
    """
    if model is None:
        return shipped_model(None, SHIPPED)
    path = Path(model)
    if not path.exists() and str(model) in shipped_models(SHIPPED):
        return shipped_model(str(model), SHIPPED)
    return path


def ship(model: str | os.PathLike[str], name: str | None = None, default: bool = True, folder: Path = SHIPPED) -> Path:
    """Add a model to those that ship with the package, when building it.

    Parameters
    ----------
    model : path
        The model file.
    name : str or None
        Its name; None uses the name on its card.
    default : bool
        Whether `load()` uses it; the first model added always becomes the default.
    folder : path
        The package's folder of models.

    Raises
    ------
    ModelError
        The model cannot be read, or the folder cannot be written.
    """
    read = read_model(model)
    name = name or read.card.name
    manifest = _manifest(folder)
    digests = {**(manifest.sha256 if manifest else {}), name: hashlib.sha256(read.onnx).hexdigest()}
    made = Manifest(
        default=name if default or manifest is None else manifest.default,
        sha256=digests,
        detectors=manifest.detectors if manifest else {},
    )
    return _shipped(model, read.onnx, name, made, folder)


def ship_detector(detector: str | os.PathLike[str], folder: Path = SHIPPED) -> Path:
    """Add a detector made by `facespace train detector` to the models, replacing the previous one.

    Raises
    ------
    ModelError
        The detector cannot be read, there is no model, a model has its name, or the folder cannot be written.
    """
    card, onnx = read_detector(Path(detector))
    manifest = _manifest(folder)
    if manifest is None:
        raise ModelError(f"{folder} has no model yet; ship one first")
    if card.name in manifest.sha256:
        raise ModelError(f"{card.name!r} is the name of a model; give the detector's recipe another name")
    made = manifest.model_copy(update={"detectors": {card.name: hashlib.sha256(onnx).hexdigest()}})
    return _shipped(detector, onnx, card.name, made, folder)


def _shipped(source: str | os.PathLike[str], onnx: bytes, name: str, made: Manifest, folder: Path) -> Path:
    try:
        folder.mkdir(exist_ok=True)
        path = folder / f"{name}.onnx"
        path.write_bytes(onnx)
        (folder / _MANIFEST).write_text(made.model_dump_json(indent=2) + "\n", "utf-8")
    except OSError as error:
        raise ModelError(f"cannot ship {source} into {folder}: {error.strerror}") from None
    return path


def _manifest(folder: Path) -> Manifest | None:
    try:
        text = (folder / _MANIFEST).read_text("utf-8")
    except FileNotFoundError:
        return None
    except OSError as error:
        raise ModelError(f"cannot read {folder / _MANIFEST}: {error.strerror}; install facespace again") from None
    try:
        return Manifest.model_validate_json(text)
    except ValidationError as error:
        raise ModelError(
            f"{folder / _MANIFEST} is damaged; install facespace again:\n{explain(error, Manifest)}"
        ) from None
