"""Which models there are: those that come with the package, and those of a folder."""

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

    name : of a shipped model, by which it can be loaded; None for a file of a folder
    """

    path: Path
    name: str | None
    card: Card | None
    problem: str | None


def list_models(folder: str | os.PathLike[str] | None = None, shipped: Path = SHIPPED) -> list[ListedModel]:
    """The shipped models, the default one first, then the ONNX files of a folder by name.

    A file that cannot be used is listed with the reason, and does not stop the rest.

    Raises
    ------
    ModelError
        The folder cannot be read, or the manifest of the shipped models is damaged.
    """
    listed = [_listed(path, name, shipped) for name, path in shipped_models(shipped).items()]
    if folder is not None:
        root = Path(folder)
        if not root.is_dir():
            raise ModelError(f"{root} is not a folder; name one that holds model files")
        listed += [_listed(path, None, shipped) for path in sorted(root.glob("*.onnx"))]
    return listed


def _listed(path: Path, name: str | None, shipped: Path) -> ListedModel:
    try:
        if name is not None:
            shipped_model(name, shipped)
        return ListedModel(path, name, read_model(path).card, None)
    except ModelError as error:
        return ListedModel(path, name, None, str(error))
