"""Training photos of a detector, decoded once, with their labelled faces."""

import hashlib
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from facespace.errors import DataError, ImageError
from facespace.images import Decoded, decode_photo
from facespace.processors import available

# Maximum longer side of the stored photos, in pixels.
LONGEST = 1024


@dataclass(frozen=True)
class Labels:
    """The faces of one photo, in pixels of the stored photo.

    boxes : float32, (k, 4), left, top, right, bottom
    landmarks : float32, (k, 5, 2), counted from edges as boxes are; zeros where not known
    trust : float32, (k,), weight of the landmarks, 0 where not known
    ignored : bool, (k,), perhaps a face, or too unclear to train on
    """

    boxes: NDArray[np.float32]
    landmarks: NDArray[np.float32]
    trust: NDArray[np.float32]
    ignored: NDArray[np.bool_]


class LabelledPhotos:
    """Photos with labels, as read by `facespace train detector`.

    Parameters
    ----------
    folder : path
        The photos.
    labels : path
        An npz file as `write_labels` writes it: names relative to the folder, how many faces each, and their labels.
    cache : path
        Where the decoded photos are kept between runs; made where it does not exist.
    wanted : callable
        Which photos, by name.
    warn : callable
        Called with a message for each photo that cannot be read; such photos are skipped.

    Raises
    ------
    DataError
        The labels are not readable, or no photo is left.
    """

    def __init__(
        self, folder: Path, labels: Path, cache: Path, wanted: Callable[[str], bool], warn: Callable[[str], None]
    ):
        every = read_labels(labels)
        names = sorted(name for name in every if wanted(name))
        index = _stored(folder, names, cache, warn)
        self.names = [name for name in names if name in index]
        if not self.names:
            raise DataError(f"{folder} contains none of the {len(names)} photos in {labels}")
        self._pixels = np.memmap(cache / "photos.u8", np.uint8, "r")
        self._places = [index[name] for name in self.names]
        self._labels = [_scaled(every[name], index[name]) for name in self.names]

    def __len__(self) -> int:
        return len(self.names)

    def pixels(self, number: int) -> NDArray[np.uint8]:
        """One photo: uint8, (h, w, 3)."""
        start, height, width, _ = self._places[number]
        return self._pixels[start : start + 3 * height * width].reshape(height, width, 3)

    def labels(self, number: int) -> Labels:
        """Its faces."""
        return self._labels[number]


def write_labels(path: Path, labels: dict[str, Labels]) -> None:
    """Write the labels of photos by name."""
    parts = list(labels.values())
    np.savez_compressed(
        path,
        names=np.array(list(labels)),
        counts=np.array([len(part.boxes) for part in parts]),
        boxes=np.concatenate([part.boxes for part in parts]),
        landmarks=np.concatenate([part.landmarks for part in parts]),
        trust=np.concatenate([part.trust for part in parts]),
        ignored=np.concatenate([part.ignored for part in parts]),
    )


def read_labels(path: Path) -> dict[str, Labels]:
    """Read a file written by `write_labels`; DataError if it cannot be read."""
    try:
        with np.load(path, allow_pickle=False) as read:
            ends = np.cumsum(read["counts"])[:-1]
            parts = [np.split(read[key], ends) for key in ("boxes", "landmarks", "trust", "ignored")]
            return {str(name): Labels(*columns) for name, *columns in zip(read["names"], *parts, strict=True)}
    except (OSError, ValueError, KeyError) as error:
        raise DataError(
            f"cannot read the labels {path}: {error}; make them with facespace.train.detector.labels"
        ) from None


Place = tuple[int, int, int, float]


def _stored(folder: Path, names: Sequence[str], cache: Path, warn: Callable[[str], None]) -> dict[str, Any]:
    """Where each photo lies in the cache: offset, height, width, and what it was scaled by."""
    key = hashlib.sha256("\n".join([str(folder), str(LONGEST), *names]).encode()).hexdigest()
    index = cache / "photos.npz"
    if index.is_file():
        with np.load(index, allow_pickle=False) as read:
            if str(read["key"]) == key:
                return _as_places(read)
    cache.mkdir(parents=True, exist_ok=True)
    kept: list[str] = []
    places: list[tuple[int, int, int]] = []
    scales: list[float] = []
    offset = 0
    with (cache / "photos.u8").open("wb") as file:
        for name, decoded in _decoded(folder, names):
            if isinstance(decoded, ImageError):
                warn(f"{decoded}; left out")
                continue
            height, width = decoded.pixels.shape[:2]
            file.write(decoded.pixels.tobytes())
            kept.append(name)
            places.append((offset, height, width))
            scales.append(1 / decoded.scale[0])
            offset += decoded.pixels.size
    np.savez(index, key=np.array(key), names=np.array(kept), places=np.array(places), scales=np.array(scales))
    with np.load(index, allow_pickle=False) as read:
        return _as_places(read)


def _decoded(folder: Path, names: Sequence[str]) -> Iterator[tuple[str, Decoded | ImageError]]:
    """Each photo in order, decoded by as many threads as there are processors, or the error that it caused."""

    def decoded(name: str) -> Decoded | ImageError:
        try:
            return decode_photo(folder / name, longest=LONGEST)
        except ImageError as error:
            return error

    threads = available()
    with ThreadPoolExecutor(threads) as pool:
        # A few at a time: decoded photos are large.
        for first in range(0, len(names), 8 * threads):
            some = names[first : first + 8 * threads]
            yield from zip(some, pool.map(decoded, some), strict=True)


def _as_places(read: Any) -> dict[str, Place]:
    rows = zip(read["names"].tolist(), read["places"].tolist(), read["scales"].tolist(), strict=True)
    return {name: (*place, scale) for name, place, scale in rows}


def _scaled(labels: Labels, place: Place) -> Labels:
    scale = np.float32(place[3])
    return Labels(labels.boxes * scale, labels.landmarks * scale, labels.trust, labels.ignored)
