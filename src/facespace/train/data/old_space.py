"""An old model's embeddings of the training faces, for the harmonic loss."""

import hashlib
from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from facespace.errors import DataError
from facespace.files import replacing
from facespace.model import Engine, read_model
from facespace.train.data.cache import default_cache
from facespace.train.data.dataset import FaceSet, read_faces

# Faces embedded at a time, to bound memory.
_CHUNK = 1024


class OldSpace:
    """The embedding space of an old model file.

    Parameters
    ----------
    model : path
    cache : path or None
        Folder to cache the embeddings in; None uses the user's cache folder.

    Raises
    ------
    ModelError
        The model cannot be loaded.
    """

    def __init__(self, model: Path, cache: Path | None = None):
        self._model = read_model(model)
        self._cache = cache or default_cache()

    def with_teacher(self, faces: FaceSet, path: Path) -> FaceSet:
        """Return the same faces with their old embeddings as `teacher`.

        The faces are read again at the input size of the old model, and embedded once; the embeddings are cached.

        Parameters
        ----------
        faces : FaceSet
            All faces of a data set, as returned by `read_faces`.
        path : path
            The data set they were read from.

        Raises
        ------
        DataError
            The old model needs another crop than these faces have, or the cache cannot be written.
        """
        card = self._model.card
        if card.crop != faces.crop:
            raise DataError(
                f"the old model {card.name!r} needs faces with the crop {card.crop!r}, but those of {path} have the "
                f"crop {faces.crop!r}; use training faces with the crop of the old model"
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
        try:
            self._cache.mkdir(parents=True, exist_ok=True)
            with replacing(kept) as partial:
                np.save(partial, points)
        except OSError as error:
            raise DataError(
                f"cannot cache the old model's embeddings in {kept}: {error.strerror}; free some disk space"
            ) from None
        return points
