"""The points of an old model for faces to train on: what a new network learns to be comparable with."""

import hashlib
import os
from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from facespace.errors import DataError
from facespace.model import Engine, read_model
from facespace.train.data.cache import default_cache
from facespace.train.data.dataset import FaceSet, read_faces

# Faces taken from the set at a time: memory stays bounded.
_CHUNK = 1024


class OldSpace:
    """A model file as the old space.

    Parameters
    ----------
    model : path
    cache : path or None
        Folder for the points found; the user's cache folder where None.

    Raises
    ------
    ModelError
        The model cannot be loaded.
    """

    def __init__(self, model: Path, cache: Path | None = None):
        self._model = read_model(model)
        self._cache = cache or default_cache()

    def beside(self, faces: FaceSet, path: Path) -> FaceSet:
        """The same faces with their old points as `teacher`.

        The faces are read again, at the size that the old model takes, and embedded once: the points are kept in
        the cache folder.

        Parameters
        ----------
        faces : FaceSet
            All faces of a data set, as `read_faces` gave them.
        path : path
            Where they were read from.

        Raises
        ------
        DataError
            The old model takes faces cut in another way than these are, or the cache cannot be written.
        """
        card = self._model.card
        if card.crop != faces.crop:
            raise DataError(
                f"the old model {card.name!r} takes faces cut by {card.crop!r}, and those of {path} are cut by "
                f"{faces.crop!r}; give training faces that are cut as it wants them"
            )
        own = read_faces(path, card.input.width, card.input.height, cache=self._cache)
        return replace(faces, teacher=self._points(own))

    def _points(self, faces: FaceSet) -> NDArray[np.float32]:
        parts = [slice(start, start + _CHUNK) for start in range(0, len(faces.labels), _CHUNK)]
        digest = hashlib.sha256(self._model.card.space_id.encode())
        for part in parts:
            digest.update(faces.pixels[part].tobytes())
        kept = self._cache / f"points-{digest.hexdigest()[:32]}.npy"
        if kept.is_file():
            return np.load(kept, allow_pickle=False)
        engine = Engine(self._model)
        points = np.concatenate([engine.embed(np.ascontiguousarray(faces.crops(part))) for part in parts])
        partial = kept.with_name(f".{kept.stem}-{os.getpid()}.npy")
        try:
            self._cache.mkdir(parents=True, exist_ok=True)
            np.save(partial, points)
            partial.replace(kept)
        except OSError as error:
            partial.unlink(missing_ok=True)
            raise DataError(f"cannot keep the old points in {kept}: {error.strerror}; free some space") from None
        return points
