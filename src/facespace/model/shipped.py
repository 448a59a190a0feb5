"""Models that come with the package, in its folder `models`, with a manifest of their sha256.

Nothing is ever fetched. A file that is not the one the manifest names is refused: it was damaged or exchanged after
the package was made.
"""

import hashlib
import os
from pathlib import Path
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from facespace.errors import ModelError
from facespace.model.file import read_model
from facespace.validation import explain

SHIPPED = Path(__file__).parents[1] / "models"
_MANIFEST = "manifest.json"


class Manifest(BaseModel):
    """The models of a folder: sha256 of each file by its name, and which is the default."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    default: str
    sha256: dict[str, Annotated[str, Field(pattern="^[0-9a-f]{64}$")]]

    @model_validator(mode="after")
    def _consistent(self) -> "Manifest":
        if self.default not in self.sha256:
            raise ValueError(f"the default {self.default!r} is not among the models {sorted(self.sha256)}")
        return self


def shipped_models(folder: Path = SHIPPED) -> dict[str, Path]:
    """Model files by name, the default first; empty where none are shipped.

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
    """The file of a shipped model, its sha256 checked; the default one where no name is given.

    Raises
    ------
    ModelError
        None is shipped, none has this name, or the file is not the one that was shipped.
    """
    manifest = _manifest(folder)
    if manifest is None:
        raise ModelError(
            "this version ships no default model; train one (`make demo` does, in two minutes) and name its "
            "file: facespace.load('model.onnx')"
        )
    name = manifest.default if name is None else name
    if name not in manifest.sha256:
        raise ModelError(f"no model {name!r} comes with this version; it has {', '.join(sorted(manifest.sha256))}")
    path = folder / f"{name}.onnx"
    try:
        digest = hashlib.sha256(path.read_bytes()).hexdigest()
    except OSError as error:
        raise ModelError(f"cannot read the shipped model {path}: {error.strerror}; install facespace again") from None
    if digest != manifest.sha256[name]:
        raise ModelError(
            f"{path} is not the model that was shipped (sha256 {digest[:12]}..., not "
            f"{manifest.sha256[name][:12]}...); install facespace again"
        )
    return path


def find_model(model: str | os.PathLike[str] | None = None, folder: Path = SHIPPED) -> Path:
    """The file that is meant: by path, by the name of a shipped model where no such file exists, or the default.

    Raises
    ------
    ModelError
        As for `shipped_model`, where one is meant.
    """
    if model is None:
        return shipped_model(None, folder)
    path = Path(model)
    if not path.exists() and str(model) in shipped_models(folder):
        return shipped_model(str(model), folder)
    return path


def ship(model: str | os.PathLike[str], name: str | None = None, default: bool = True, folder: Path = SHIPPED) -> Path:
    """Put a model among those that come with the package: for who builds it.

    Parameters
    ----------
    model : path
        The model file.
    name : str or None
        What to call it; the name on its card where None.
    default : bool
        Whether `load()` takes it; the first one shipped always is the default.
    folder : path
        Of the package's models.

    Raises
    ------
    ModelError
        The model cannot be read, or the folder cannot be written.
    """
    read = read_model(model)
    name = name or read.card.name
    manifest = _manifest(folder)
    digests = {**(manifest.sha256 if manifest else {}), name: hashlib.sha256(read.onnx).hexdigest()}
    made = Manifest(default=name if default or manifest is None else manifest.default, sha256=digests)
    try:
        folder.mkdir(exist_ok=True)
        path = folder / f"{name}.onnx"
        path.write_bytes(read.onnx)
        (folder / _MANIFEST).write_text(made.model_dump_json(indent=2) + "\n", "utf-8")
    except OSError as error:
        raise ModelError(f"cannot ship {model} into {folder}: {error.strerror}") from None
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
