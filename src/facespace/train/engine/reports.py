"""What a run reports before it starts: batches smaller than asked, data other than before."""

import hashlib
import json
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from facespace.train.data.dataset import FaceSet

# Faces whose pixels stand for those of all.
_SAMPLE = 256


def reduced_batch(labels: ArrayLike, people: int, photos: int) -> str | None:
    """How batches of `people` x `photos` faces are smaller with this data, in words; None where they are not.

    Parameters
    ----------
    labels : int array, shape (n,)
        The person of each training face; people with one photo are not drawn.
    people, photos : int
        As [batch] of the recipe asks.
    """
    counts = np.unique(np.asarray(labels), return_counts=True)[1]
    drawn = counts[counts > 1]
    parts = []
    if len(drawn) < people:
        parts.append(f"{len(drawn)} of {people} people: no more have two or more photos")
    short = int((drawn < photos).sum())
    if short:
        mean = np.minimum(drawn, photos).mean()
        parts.append(f"{mean:.1f} photos a person on average instead of {photos}: {short} people have fewer")
    if not parts:
        return None
    size = round(min(len(drawn), people) * float(np.minimum(drawn, photos).mean()))
    return f"batches have about {size} faces instead of {people * photos} ({'; '.join(parts)})"


def data_of(faces: FaceSet) -> dict[str, Any]:
    """What a checkpoint keeps of a set of faces, to notice that another one stands in its place.

    Names and labels of all faces, and the pixels and teacher's embeddings of some.
    """
    rows = np.unique(np.linspace(0, len(faces.labels) - 1, _SAMPLE).astype(np.int64))
    digest = hashlib.sha256(json.dumps([faces.people, faces.photos, faces.input_size, faces.margin]).encode())
    digest.update(faces.labels.astype("<i8").tobytes())
    digest.update(np.ascontiguousarray(faces.pixels[rows]).tobytes())
    if faces.teacher is not None:
        digest.update(faces.teacher[rows].astype("<f4").tobytes())
    return {"people": len(faces.people), "photos": len(faces.labels), "sha256": digest.hexdigest()}


def changed_data(what: str, before: dict[str, Any] | None, now: dict[str, Any] | None) -> str | None:
    """That a set of faces is not the one a run began with, in words; None where it is, as far as can be told.

    Parameters
    ----------
    what : str
        What the set is for: 'training' or 'validation'.
    before, now : as of `data_of`
        None where there is no such set. Checkpoints of earlier versions have no 'sha256'.
    """
    if before is None and now is None:
        return None
    if before is not None and now is not None and all(now[key] == value for key, value in before.items()):
        return None
    return f"the {what} faces are not those this run began with: {_counts(before)} then, {_counts(now)} now"


def _counts(data: dict[str, Any] | None) -> str:
    return "none" if data is None else f"{data['photos']:,} photos of {data['people']:,} people"
