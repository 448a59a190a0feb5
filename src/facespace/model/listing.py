"""List models: those that ship with the package, and those in a folder."""

import os
from dataclasses import dataclass
from pathlib import Path

from facespace.errors import ModelError
from facespace.model.card import Card
from facespace.model.file import read_model
from facespace.model.shipped import SHIPPED, shipped_model, shipped_models


@dataclass(frozen=True)
class ListedModel:
    """A model file: its card, or why it cannot be used.

    name : by which a shipped model can be loaded; None for a file in a folder
    """

    path: Path
    name: str | None
    card: Card | None
    problem: str | None


def list_models(folder: str | os.PathLike[str] | None = None, shipped: Path = SHIPPED) -> list[ListedModel]:
    """List the shipped models, default first, then the ONNX files of a folder by name.

    A file that cannot be used is listed with the reason.

    Raises
    ------
    ModelError
        The folder cannot be read, or the manifest of the shipped models is damaged.
    """
    listed = [_listed(path, name, shipped) for name, path in shipped_models(shipped).items()]
    if folder is not None:
        root = Path(folder)
        if not root.is_dir():
            raise ModelError(f"{root} is not a folder; give a folder of model files")
        listed += [_listed(path, None, shipped) for path in sorted(root.glob("*.onnx"))]
    return listed


def _listed(path: Path, name: str | None, shipped: Path) -> ListedModel:
    try:
        if name is not None:
            shipped_model(name, shipped)
        return ListedModel(path, name, read_model(path).card, None)
    except ModelError as error:
        return ListedModel(path, name, None, str(error))
