"""Warnings before a run starts: batches smaller than requested, data that has changed."""

import hashlib
import json
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from facespace.train.data.dataset import FaceSet

# Number of faces whose pixels are compared.
_SAMPLE = 256


def reduced_batch(labels: ArrayLike, people: int, photos: int) -> str | None:
    """Return a message if the data is too small for batches of `people` x `photos` faces, else None.

    Parameters
    ----------
    labels : int array, shape (n,)
        The person of each training face; people with a single photo do not count.
    people, photos : int
        From [batch] of the recipe.
    """
    counts = np.unique(np.asarray(labels), return_counts=True)[1]
    drawn = counts[counts > 1]
    parts = []
    if len(drawn) < people:
        parts.append(f"only {len(drawn)} people have two or more photos, not {people}")
    short = int((drawn < photos).sum())
    if short:
        mean = np.minimum(drawn, photos).mean()
        parts.append(f"{short} people have fewer than {photos} photos, so the average is {mean:.1f} photos per person")
    if not parts:
        return None
    size = round(min(len(drawn), people) * float(np.minimum(drawn, photos).mean()))
    return f"batches have about {size} faces instead of {people * photos} ({'; '.join(parts)})"


def data_fingerprint(faces: FaceSet) -> dict[str, Any]:
    """Return a fingerprint of a set of faces, saved in checkpoints to detect changed data.

    It covers the names and labels of all faces, and the pixels and teacher's embeddings of a sample.
    """
    rows = np.unique(np.linspace(0, len(faces.labels) - 1, _SAMPLE).astype(np.int64))
    digest = hashlib.sha256(json.dumps([faces.people, faces.photos, faces.input_size, faces.margin]).encode())
    digest.update(faces.labels.astype("<i8").tobytes())
    digest.update(np.ascontiguousarray(faces.pixels[rows]).tobytes())
    if faces.teacher is not None:
        digest.update(faces.teacher[rows].astype("<f4").tobytes())
    return {"people": len(faces.people), "photos": len(faces.labels), "sha256": digest.hexdigest()}


def changed_data(what: str, before: dict[str, Any] | None, now: dict[str, Any] | None) -> str | None:
    """Return a message if a set of faces differs from the one a run began with, else None.

    Parameters
    ----------
    what : str
        'training' or 'validation'.
    before, now : dict or None
        Results of `data_fingerprint`; None if there is no such set. Checkpoints of earlier versions have no 'sha256'.
    """
    if before is None and now is None:
        return None
    if before is not None and now is not None and all(now[key] == value for key, value in before.items()):
        return None
    return f"the {what} faces have changed since this run began: {_counts(before)} then, {_counts(now)} now"


def _counts(data: dict[str, Any] | None) -> str:
    return "none" if data is None else f"{data['photos']:,} photos of {data['people']:,} people"
