"""A space: a network with everything needed to use it, and the entry point of the library."""

import os
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, BinaryIO, TypeVar, cast

import numpy as np
import PIL.Image
from numpy.typing import ArrayLike, NDArray

from facespace.errors import ImageError, ModelError
from facespace.faces import (
    CROPS,
    DEFAULT_DETECTOR,
    DETECTORS,
    Detector,
    Finder,
    Found,
    detector_from,
    in_order,
)
from facespace.images import Colour, Limits, Photo, called
from facespace.metric import Decision, as_point, paired_squared_distances
from facespace.model.card import Card, ClusteringCard
from facespace.model.engine import BATCH, Embedder, Engine
from facespace.model.file import ModelFile, read_model
from facespace.model.shipped import find_model
from facespace.space.records import Face, PhotoFaces, Verification, compared_face
from facespace.validation import nearest_name

T = TypeVar("T")


class Space:
    """A trained network, how to prepare a face for it, and what a distance between two embeddings means.

    Parameters
    ----------
    model : ModelFile
    provider : str or None
        Where to run: 'cpu', 'cuda', 'coreml', 'openvino'; None chooses.
    threads : int or None
        Threads of the network; None uses one for each core that this process may use.
    detector : str or None
        How to find faces, instead of the card's detector: 'aligned-128' for photos that are aligned faces
        already, or the path of a detector's ONNX file (one made elsewhere needs its card). It does not change the id
        of the space.
    colour : 'RGB' or 'BGR'
        Channel order of arrays given as photos: 'BGR' for arrays read by OpenCV. Paths, bytes, files and PIL images
        are not affected.

    A space can be pickled, for example for the processes of `multiprocessing`: the copy opens the model file again,
    which must be unchanged.

    Raises
    ------
    ModelError
        The model does not match its card.
    """

    def __init__(
        self,
        model: ModelFile,
        provider: str | None = None,
        threads: int | None = None,
        detector: str | None = None,
        colour: Colour = "RGB",
    ):
        if colour not in ("RGB", "BGR"):
            raise ModelError(f"colour must be 'RGB' or 'BGR', not {colour!r}")
        self._opened = (Path(model.path).absolute(), provider, threads, detector, colour)
        self.card: Card = model.card
        says = f"the card of {model.path} names"
        finder = self.card.detector if detector is None else detector
        self.detector = finder
        if detector is not None and Path(detector).suffix == ".onnx":
            found_by: Detector = detector_from(Path(detector))
        else:
            found_by = _named(DETECTORS, finder, f"{says if detector is None else 'you asked for'} the detector")()
        crop = _named(CROPS, self.card.crop, f"{says} the crop")
        if crop.needs_landmarks and not found_by.gives_landmarks:
            raise ModelError(
                f"{says} the crop {self.card.crop!r}, which needs landmarks, but the detector {finder!r} finds none; "
                f"take {DEFAULT_DETECTOR!r} for photos or 'aligned-128' for aligned faces"
            )
        self.finder = Finder(found_by, crop, self.card.input.width, self.card.input.height, colour=colour)
        self.engine: Embedder = Engine(model, provider, threads)

    def __reduce__(self) -> tuple[Any, ...]:
        # The onnxruntime sessions of network and detector cannot be copied, so they are opened again.
        finder = self.finder
        return _opened_again, (
            *self._opened,
            self.id,
            finder.longest,
            finder.limits,
            finder.max_faces,
            finder.truncated,
        )

    @property
    def id(self) -> str:
        """Id of the space (hex sha256); embeddings of spaces with different ids cannot be compared."""
        return self.card.space_id

    @property
    def dimension(self) -> int:
        """Dimension of the embeddings."""
        return self.card.dimension

    @property
    def far(self) -> float:
        """The default false accept rate."""
        return self.card.require_decisions().default_far

    @property
    def clustering(self) -> ClusteringCard:
        """The card's linkage and cut for clustering."""
        return self.card.require_decisions().clustering

    def threshold(self, far: float | None = None) -> float:
        """Squared distance within which two faces are the same person, at a FAR of the card (or its default).

        Raises
        ------
        ModelError
            The card has no threshold for that rate.
        """
        return self.card.threshold(far)

    def decision(self, far: float | None = None) -> Decision:
        """Squared distances that separate 'same person', 'too close to call' and 'different people', at a FAR.

        Raises
        ------
        ModelError
            As for `threshold`.
        """
        return self.card.decision(far)

    def probability(self, distances: ArrayLike) -> NDArray[np.float64]:
        """Probability of 'same person' for squared distances of any shape, with even prior odds."""
        return self.card.calibration().probability(distances)

    def faces(self, photo: Photo, crops: bool = False) -> list[Face]:
        """Find and embed every face of a photo, in reading order; may be empty.

        Parameters
        ----------
        photo : a photo
        crops : bool
            Whether to include the aligned image of each face.

        Raises
        ------
        ImageError
            The photo cannot be used.
        """
        found, points = next(embedded(self, [self.finder.find(photo, "photo")]))
        return list(_photo_faces(found, points, crops).faces)

    def stream(self, photos: Iterable[Photo], workers: int | None = None, crops: bool = False) -> Iterator[PhotoFaces]:
        """Find and embed the faces of many photos with several threads.

        Photos are read from the iterable as they are needed, and results come in their order, so memory stays bounded
        whatever their number. A photo that cannot be used is reported as a failure.

        Parameters
        ----------
        photos : iterable of photos
        workers : int or None
            None uses one per core.
        crops : bool
            Whether to include the aligned image of each face.
        """
        for found, points in found_stream(self, photos, workers):
            yield _photo_faces(found, points, crops)

    def embed(self, photos: Photo | Iterable[Photo]) -> NDArray[np.float32]:
        """Embed the main (largest) face of each photo.

        Parameters
        ----------
        photos : a photo, or an iterable of photos
            Read as they are needed, in bounded memory.

        Returns
        -------
        ndarray of float32, shape (n, d), L2 norm 1

        Raises
        ------
        ImageError, NoFaceError
            A photo cannot be used, or shows no face; the message names it.
        """
        listed = as_photos(photos)
        one = isinstance(listed, _OnePhoto)
        points = list(
            self.engine.embed_stream(
                self._main_crop(photo, "photos" if one else f"photos[{place}]") for place, photo in enumerate(listed)
            )
        )
        return np.stack(points) if points else np.empty((0, self.dimension), np.float32)

    def verify(
        self, a: Photo, b: Photo, far: float | None = None, face_a: int | None = None, face_b: int | None = None
    ) -> Verification:
        """Decide whether two photos show the same person.

        Parameters
        ----------
        a, b : photos
        far : float or None
            False accept rate of the decision, one of the card's; None uses the card's default.
        face_a, face_b : int or None
            Which face of a photo to compare, by its number from 1 in reading order; None compares the largest.

        Returns
        -------
        Verification
            Includes the number of faces in each photo, and which was compared.

        Raises
        ------
        ImageError
            A photo cannot be used; the message names it.
        NoFaceError
            A photo shows no face, or none with that number.
        ModelError
            The card has no thresholds.
        """
        self.threshold(far)  # before any work: a rate that the card does not have
        found = self.finder.find_all([a, b], ["a", "b"])
        for photo in found:
            if photo.failure:
                raise ImageError(photo.failure)
        sides = [
            compared_face(photo.faces, called(given, name), face)
            for photo, given, name, face in zip(found, (a, b), "ab", (face_a, face_b), strict=True)
        ]
        crops = [photo.faces[side.face - 1].pixels for photo, side in zip(found, sides, strict=True)]
        points = self.engine.embed(np.stack(crops))
        return replace(self.compare(points[0], points[1], far), a=sides[0], b=sides[1])

    def compare(self, a: ArrayLike, b: ArrayLike, far: float | None = None) -> Verification:
        """Decide whether two embeddings show the same person, as `verify`.

        Parameters
        ----------
        a, b : array-like, shape (d,), L2 norm 1
        far : float or None
            As for `verify`.

        Raises
        ------
        EmbeddingError
            An embedding is not d finite numbers of L2 norm 1.
        ModelError
            As for `verify`.
        """
        decision = self.decision(far)
        one, other = as_point(a, self.dimension, "a"), as_point(b, self.dimension, "b")
        distance = float(paired_squared_distances(one[None], other[None])[0])
        verdict = decision.verdict(distance)
        return Verification(
            verdict=verdict.outcome,
            headline=verdict.headline,
            explanation=verdict.explanation,
            same=verdict.outcome == "same",
            probability=float(self.probability(distance)),
            distance=distance,
            threshold=decision.accept,
            far=decision.far,
            rejection=None if decision.reject is None else decision.beyond,
            frr=decision.frr,
        )

    def _main_crop(self, photo: Photo, name: str) -> NDArray[np.uint8]:
        """The main (largest) face of a photo, aligned for the network; messages call it by its path, or `name`."""
        crops = self.finder.find(photo, name).faces
        return crops[compared_face(crops, called(photo, name)).face - 1].pixels


def photo_faces(space: Space, photos: Sequence[Photo]) -> list[PhotoFaces]:
    """Find and embed the faces of a few photos together, with their crops; see `Space.stream` for many."""
    return [_photo_faces(found, points, crops=True) for found, points in embedded(space, space.finder.find_all(photos))]


def found_stream(
    space: Space, photos: Iterable[Photo], workers: int | None = None
) -> Iterator[tuple[Found, NDArray[np.float32]]]:
    """Process many photos, as `Space.stream`; yields what was found, and embeddings (k, d)."""
    # Each thread embeds the faces that it found. A separate embedding thread would compete for a core or, if it is the
    # slower part, make the others wait.
    return in_order(lambda group: list(embedded(space, space.finder.find_all(group))), photos, workers)


def embedded(space: Space, found: Iterable[Found]) -> Iterator[tuple[Found, NDArray[np.float32]]]:
    """Embed the faces already found in photos; yields each with embeddings (k, d). Batches span photos."""
    waiting: list[Found] = []
    for photo in found:
        waiting.append(photo)
        if sum(len(other.faces) for other in waiting) >= BATCH or len(waiting) >= 8 * BATCH:
            yield from _embed_now(space, waiting)
            waiting.clear()
    yield from _embed_now(space, waiting)


def load(
    model: str | os.PathLike[str] | None = None,
    *,
    provider: str | None = None,
    threads: int | None = None,
    detector: str | None = None,
    truncated: bool = False,
    limits: Limits | None = None,
    colour: Colour = "RGB",
) -> Space:
    """Open a model as a space.

    Parameters
    ----------
    model : path, str or None
        An ONNX file with its card, or the name of a model that ships with the package; None loads the default model.
        Nothing is downloaded.
    provider, threads, detector, colour
        As for `Space`.
    truncated : bool
        Accept JPEG files that end too early, instead of rejecting them.
    limits : Limits or None
        The largest photo that is decoded; None uses the default limits.

    Raises
    ------
    ModelError
        The file does not exist, or does not match its card.
    """
    space = Space(read_model(find_model(model)), provider, threads, detector, colour)
    space.finder = replace(space.finder, limits=limits, truncated=truncated)
    return space


def _opened_again(
    path: Path,
    provider: str | None,
    threads: int | None,
    detector: str | None,
    colour: Colour,
    space_id: str,
    longest: int | None,
    limits: Limits | None,
    max_faces: int | None,
    truncated: bool,
) -> Space:
    """Reconstruct a pickled space."""
    space = Space(read_model(path), provider, threads, detector, colour)
    if space.id != space_id:
        raise ModelError(f"{path} has changed since the space was pickled; pickle the space again")
    space.finder = replace(space.finder, longest=longest, limits=limits, max_faces=max_faces, truncated=truncated)
    return space


def _named(known: dict[str, T], wanted: str, sentence: str) -> T:
    if wanted not in known:
        raise ModelError(f"{sentence} {wanted!r}, which this version does not have{nearest_name(wanted, list(known))}")
    return known[wanted]


def _embed_now(space: Space, found: list[Found]) -> Iterator[tuple[Found, NDArray[np.float32]]]:
    points = list(space.engine.embed_stream(face.pixels for photo in found for face in photo.faces))
    start = 0
    for photo in found:
        own = points[start : start + len(photo.faces)]
        start += len(own)
        yield photo, np.stack(own) if own else np.empty((0, space.dimension), np.float32)


def _photo_faces(found: Found, points: NDArray[np.float32], crops: bool) -> PhotoFaces:
    faces = tuple(
        Face(face.box, face.landmarks, face.score, point, face.quality, face.pixels if crops else None)
        for face, point in zip(found.faces, points, strict=True)
    )
    return PhotoFaces(found.photo, found.width, found.height, faces, found.failure)


class _OnePhoto(list[Photo]):
    """One photo, as a list."""


def as_photos(photos: Photo | Iterable[Photo]) -> Iterable[Photo]:
    """Convert one photo or several to an iterable; an invalid value counts as one photo and is rejected when read."""
    # A path, bytes, an array, an open file and a PIL image are one photo each, although some are iterable.
    if isinstance(photos, str | bytes | bytearray | memoryview | os.PathLike | np.ndarray | PIL.Image.Image):
        return _OnePhoto([cast(Photo, photos)])
    if hasattr(photos, "read") or hasattr(photos, "detach") or not hasattr(photos, "__iter__"):
        return _OnePhoto([cast(BinaryIO, photos)])
    return photos
