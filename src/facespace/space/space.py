"""A space: a network with all that is needed to use it. Everything a user does starts from it."""

import os
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, BinaryIO, TypeVar, cast

import numpy as np
import PIL.Image
from numpy.typing import ArrayLike, NDArray

from facespace.errors import ImageError, ModelError
from facespace.faces import CROPS, DETECTORS, Detector, Finder, ForeignDetector, Found, in_order
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
    """A trained network, how to prepare a face for it, and what a distance between two points means.

    Parameters
    ----------
    model : ModelFile
    provider : str or None
        Where to run: 'cpu', 'cuda', 'coreml', 'openvino'; chosen by itself where None.
    threads : int or None
        Threads of the network; onnxruntime's choice where None.
    detector : str or None
        How to find faces, in place of the card's detector: 'aligned-128' for photos that are aligned faces
        already, or the path of a detector's ONNX file with its card. The space, and the name of it, stay the same.
    colour : 'RGB' or 'BGR'
        Order of the channels of arrays given as photos: 'BGR' for those that OpenCV reads. Paths, bytes, files and PIL
        images are not affected.

    A space can be pickled, for example to reach the processes of `multiprocessing`: the copy opens the model file
    again, which must still be the same.

    Raises
    ------
    ModelError
        The model cannot be used as its card says.
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
        says = f"the card of {model.path} wants"
        finder = self.card.detector if detector is None else detector
        self.detector = finder
        if detector is not None and Path(detector).suffix == ".onnx":
            found_by: Detector = ForeignDetector(detector)
        else:
            found_by = _named(DETECTORS, finder, f"{says if detector is None else 'you want'} the detector")()
        crop = _named(CROPS, self.card.crop, f"{says} the crop")
        if crop.needs_landmarks and not found_by.gives_landmarks:
            raise ModelError(
                f"{says} the crop {self.card.crop!r}, which needs landmarks, and the detector {finder!r} gives none; "
                "take 'mtcnn' for photos or 'aligned-128' for aligned faces"
            )
        self.finder = Finder(found_by, crop, self.card.input.width, self.card.input.height, colour=colour)
        self.engine: Embedder = Engine(model, provider, threads)

    def __reduce__(self) -> tuple[Any, ...]:
        # The network and the detector live in onnxruntime, which cannot be copied: they are opened again.
        finder = self.finder
        return _opened_again, (*self._opened, self.id, finder.longest, finder.limits, finder.most, finder.truncated)

    @property
    def id(self) -> str:
        """Hex sha256 that names the space; points of spaces with other names cannot be compared."""
        return self.card.space_id

    @property
    def dimension(self) -> int:
        """Numbers in an embedding."""
        return self.card.dimension

    @property
    def far(self) -> float:
        """The false accept rate used where none is asked for."""
        return self.card.require_decisions().default_far

    @property
    def clustering(self) -> ClusteringCard:
        """Linkage and cut that suit this space."""
        return self.card.require_decisions().clustering

    def threshold(self, far: float | None = None) -> float:
        """Squared distance up to which two faces are one person, at a FAR of the card (or its default).

        Raises
        ------
        ModelError
            The card has no threshold for that rate.
        """
        return self.card.threshold(far)

    def decision(self, far: float | None = None) -> Decision:
        """The squared distances that divide 'same person', 'too close to call' and 'different people', at a FAR.

        Raises
        ------
        ModelError
            As for `threshold`.
        """
        return self.card.decision(far)

    def probability(self, distances: ArrayLike) -> NDArray[np.float64]:
        """Probability of 'same person' at squared distances of any shape, for even prior odds."""
        return self.card.calibration().probability(distances)

    def faces(self, photo: Photo, crops: bool = False) -> list[Face]:
        """Every face of a photo with its embedding, in reading order; may be none.

        Parameters
        ----------
        photo : a photo
        crops : bool
            With each face as the network saw it.

        Raises
        ------
        ImageError
            The photo cannot be used.
        """
        found, points = next(embedded(self, [self.finder.find(photo, "photo")]))
        return list(_photo_faces(found, points, crops).faces)

    def stream(self, photos: Iterable[Photo], workers: int | None = None, crops: bool = False) -> Iterator[PhotoFaces]:
        """Every face of many photos: decoded, detected, aligned and embedded by several threads.

        Photos are taken from the iterable as they are needed and results come in their order, so memory stays
        bounded whatever their number. One that cannot be used has a failure, and the rest go on.

        Parameters
        ----------
        photos : iterable of photos
        workers : int or None
            One a core where None.
        crops : bool
            With each face as the network saw it.
        """
        for found, points in found_stream(self, photos, workers):
            yield _photo_faces(found, points, crops)

    def embed(self, photos: Photo | Iterable[Photo]) -> NDArray[np.float32]:
        """The main (largest) face of each photo, as points.

        Parameters
        ----------
        photos : a photo, or an iterable of photos
            Read as they are needed: memory does not grow with their number.

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
        """Are two photos of the same person?

        Parameters
        ----------
        a, b : photos
        far : float or None
            False accept rate to decide at, one of the card's; its default where None.
        face_a, face_b : int or None
            Which face of a photo to compare, by its number from 1 in reading order; the largest where None.

        Returns
        -------
        Verification
            With the number of faces in each photo, and which was compared.

        Raises
        ------
        ImageError
            A photo cannot be used; the message names it.
        NoFaceError
            A photo shows no face, or none of that number.
        ModelError
            The card does not say what a distance means.
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
        """Are two embeddings of the same person? As `verify`, for faces that are embedded already.

        Parameters
        ----------
        a, b : array-like, shape (d,), L2 norm 1
        far : float or None
            As for `verify`.

        Raises
        ------
        EmbeddingError
            Not d finite numbers of L2 norm 1.
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
        """The main (largest) face of a photo as the network wants it; messages call it by its path, or `name`."""
        crops = self.finder.find(photo, name).faces
        return crops[compared_face(crops, called(photo, name)).face - 1].pixels


def photo_faces(space: Space, photos: Sequence[Photo]) -> list[PhotoFaces]:
    """Every face of a few photos, found and embedded together, with its crop; see `Space.stream` for many."""
    return [_photo_faces(found, points, crops=True) for found, points in embedded(space, space.finder.find_all(photos))]


def found_stream(
    space: Space, photos: Iterable[Photo], workers: int | None = None
) -> Iterator[tuple[Found, NDArray[np.float32]]]:
    """As `Space.stream`: what the detector found in each photo, and the points of its faces (k, d)."""
    # Each thread embeds what it found: a network that ran beside them would take a core from one of them, or
    # where it is the slower part, leave them waiting.
    return in_order(lambda group: list(embedded(space, space.finder.find_all(group))), photos, workers)


def embedded(space: Space, found: Iterable[Found]) -> Iterator[tuple[Found, NDArray[np.float32]]]:
    """Each photo whose faces were found, with their points (k, d); batches reach across photos."""
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
    colour: Colour = "RGB",
) -> Space:
    """Open a space from a model file.

    Parameters
    ----------
    model : path, str or None
        An ONNX file with its card, or the name of a model that comes with the package; its default one where None.
        Nothing is ever fetched.
    provider, threads, detector, colour
        As for `Space`.
    truncated : bool
        Take what is there of JPEG files that end too early, in place of refusing them.

    Raises
    ------
    ModelError
        The file is missing or cannot be used as its card says.
    """
    space = Space(read_model(find_model(model)), provider, threads, detector, colour)
    space.finder = replace(space.finder, truncated=truncated)
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
    most: int | None,
    truncated: bool,
) -> Space:
    """What a pickled space becomes."""
    space = Space(read_model(path), provider, threads, detector, colour)
    if space.id != space_id:
        raise ModelError(f"{path} is another model now than when the space was pickled; pickle the space again")
    space.finder = replace(space.finder, longest=longest, limits=limits, most=most, truncated=truncated)
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
    """One photo, as several."""


def as_photos(photos: Photo | Iterable[Photo]) -> Iterable[Photo]:
    """One photo or several, as several; a value that is neither is one, and refused where it is read."""
    # A path, bytes, an array, an open file and a PIL image are one photo each, though some can be iterated.
    if isinstance(photos, str | bytes | bytearray | memoryview | os.PathLike | np.ndarray | PIL.Image.Image):
        return _OnePhoto([cast(Photo, photos)])
    if hasattr(photos, "read") or hasattr(photos, "detach") or not hasattr(photos, "__iter__"):
        return _OnePhoto([cast(BinaryIO, photos)])
    return photos
