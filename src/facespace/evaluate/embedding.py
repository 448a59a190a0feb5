"""Embed the main face of each photo, with a documented policy, a report of all failures, and a cache."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from facespace.errors import DataError, ImageError
from facespace.evaluate.cache import NO_FACE, CachedFace, EmbeddingCache, face_key
from facespace.evaluate.landmarks import GivenFace
from facespace.evaluate.locate import ByCentre, ByDetector, ByLandmarks, Located, Locator
from facespace.evaluate.photos import MissingPhotoError, Photos
from facespace.faces import CROPS
from facespace.images import Image
from facespace.space import Space

NoFace = Literal["centre-crop", "failure"]
How = Literal["found", "centre-crop", "no face", "missing", "unreadable"]

# Photos processed at a time; an interruption loses at most this many.
CHUNK = 64


@dataclass(frozen=True)
class Change:
    """A change applied to every face before embedding, for sweeps; its name must describe it completely."""

    name: str
    apply: Callable[[Image], Image]


@dataclass(frozen=True)
class Preparation:
    """How the face to compare is taken from a photo.

    no_face : if no face is found, use the fixed centre crop (as in the paper), or count a failure to enrol, which never
        matches
    central : of several faces, use the one nearest to the centre of the photo instead of the largest
    landmarks : position of the face by photo name, instead of a detector
    change : for sweeps
    """

    no_face: NoFace = "centre-crop"
    central: bool = False
    landmarks: Mapping[str, GivenFace] | None = None
    change: Change | None = None

    def words(self, space: Space) -> str:
        """Describe the policy in words, for the report."""
        chosen = "one nearest to the centre" if self.central else "largest"
        how = (
            "The positions of the faces come from the landmarks file"
            if self.landmarks is not None
            else f"Faces are detected by {space.detector}; if a photo has several, the {chosen} is used"
        )
        other = (
            "the fixed centre crop (half the shorter side) is used"
            if self.no_face == "centre-crop"
            else "it is a failure to enrol, which never matches"
        )
        changed = f" Every face is changed: {self.change.name}." if self.change else ""
        return f"{how}; if no face is found, {other}.{changed}"


@dataclass(frozen=True)
class PhotoFailure:
    """A photo without a usable face, and the reason."""

    name: str
    how: How
    message: str

    def __str__(self) -> str:
        return self.message


@dataclass(frozen=True)
class EmbeddedPhotos:
    """The main face of each photo.

    names : of the photos
    embeddings : float32, shape (n, d), L2 norm 1; zeros without a face
    how : how each face was found, or why there is none
    boxes : float32, shape (n, 4), NaN if unknown
    landmarks : float32, shape (n, 5, 2), NaN if unknown
    quality : float32, shape (n,), 0 to 1; NaN if unknown
    failures : the photos without a face
    photos, space, preparation : the arguments of `embed_photos`
    embedded : number of photos embedded in this call; the others came from the cache
    """

    names: tuple[str, ...]
    embeddings: NDArray[np.float32]
    how: tuple[How, ...]
    boxes: NDArray[np.float32]
    landmarks: NDArray[np.float32]
    quality: NDArray[np.float32]
    failures: tuple[PhotoFailure, ...]
    photos: Photos = field(repr=False)
    space: Space = field(repr=False)
    preparation: Preparation
    embedded: int

    @property
    def present(self) -> NDArray[np.bool_]:
        """Mask of the photos with a face; shape (n,)."""
        return np.array([how in ("found", "centre-crop") for how in self.how], bool)

    def crop(self, index: int) -> Image:
        """Return the network's input for a face, cropped again from the photo; black if there is no face."""
        size = self.space.card.input
        if not self.present[index]:
            return np.zeros((size.height, size.width, 3), np.uint8)
        # Boxes and landmarks are in pixels of the full photo; a large photo may be decoded at a smaller scale.
        photo = self.space.finder.decode(self.photos.read(self.names[index]))
        scale = np.array(photo.scale, np.float32)
        given = self.landmarks[index]
        landmarks = None if np.isnan(given).any() else (given + 0.5) / scale - 0.5
        box = self.boxes[index] / np.tile(scale, 2)
        pixels = CROPS[self.space.card.crop](photo.pixels, box, landmarks, size.width, size.height)
        return self.preparation.change.apply(pixels) if self.preparation.change else pixels


def embed_photos(
    space: Space,
    photos: Photos,
    names: Sequence[str],
    preparation: Preparation | None = None,
    cache: EmbeddingCache | None = None,
    on_progress: Callable[[int, int], None] | None = None,
) -> EmbeddedPhotos:
    """Embed the main face of each photo. With a cache, an interrupted call continues where it stopped.

    Parameters
    ----------
    space : Space
    photos : Photos
    names : sequence of str
        The photos to embed.
    preparation : Preparation or None
        None uses the defaults.
    cache : EmbeddingCache or None
        None disables caching.
    on_progress : callable or None
        Called with the number of photos done and the total.

    Raises
    ------
    DataError
        No photo can be used.
    """
    prepare = preparation or Preparation()
    changed = f" | {prepare.change.name}" if prepare.change else ""
    faces: dict[str, CachedFace] = {}
    how: dict[str, How] = {}
    failures: dict[str, PhotoFailure] = {}
    embedded = 0

    def fail(name: str, why: How, message: str) -> None:
        how[name] = why
        failures[name] = PhotoFailure(name, why, message)

    for start in range(0, len(names), CHUNK):
        waiting: dict[str, bytes] = {}
        for name in names[start : start + CHUNK]:
            try:
                waiting[name] = photos.read(name)
            except ImageError as error:
                fail(name, "missing" if isinstance(error, MissingPhotoError) else "unreadable", str(error))
        for how_found, locator in _locators(space, prepare):
            keys = {name: face_key(content, locator.key(name) + changed) for name, content in waiting.items()}
            kept = cache.find(list(keys.values())) if cache else {}
            new = _embed(space, locator, {n: waiting[n] for n in waiting if keys[n] not in kept}, prepare.change)
            if cache:
                cache.keep((keys[name], face) for name, face in new.items() if isinstance(face, CachedFace))
            embedded += sum(isinstance(face, CachedFace) and face.embedding is not None for face in new.values())
            for name in list(waiting):
                face = new.get(name) or kept[keys[name]]
                if isinstance(face, ImageError):
                    fail(name, "unreadable", str(face).replace("the photo", name, 1))
                elif face.embedding is not None:
                    faces[name], how[name] = face, how_found
                else:
                    continue
                del waiting[name]
        for name in waiting:
            fail(name, "no face", f"{name}: no face found")
        if on_progress:
            on_progress(min(start + CHUNK, len(names)), len(names))
    if not faces:
        first = next((failure.message for failure in failures.values()), "there are none")
        raise DataError(f"no photo of {photos.where} can be used: {first}")
    shown = [faces.get(name, NO_FACE) for name in names]
    nothing = np.zeros(space.dimension, np.float32)
    return EmbeddedPhotos(
        names=tuple(names),
        embeddings=np.stack([nothing if face.embedding is None else face.embedding for face in shown]),
        how=tuple(how[name] for name in names),
        boxes=np.stack([face.box for face in shown]),
        landmarks=np.stack([face.landmarks for face in shown]),
        quality=np.array([face.quality for face in shown], np.float32),
        failures=tuple(failures.values()),
        photos=photos,
        space=space,
        preparation=prepare,
        embedded=embedded,
    )


def _locators(space: Space, prepare: Preparation) -> Iterator[tuple[How, Locator]]:
    """Yield the ways to find a face, in the order to try them."""
    if prepare.landmarks is None:
        yield "found", ByDetector(space, prepare.central)
    else:
        yield "found", ByLandmarks(space, prepare.landmarks)
    if prepare.no_face == "centre-crop":
        yield "centre-crop", ByCentre(space)


def _embed(
    space: Space, locator: Locator, photos: Mapping[str, bytes], change: Change | None
) -> dict[str, CachedFace | ImageError]:
    """Embed the faces of some photos; NO_FACE for photos without a face, an ImageError for unusable ones."""
    located = locator.locate(photos) if photos else {}
    faces = {name: face for name, face in located.items() if isinstance(face, Located)}
    done: dict[str, CachedFace | ImageError] = {
        name: NO_FACE if face is None else face for name, face in located.items() if not isinstance(face, Located)
    }
    if faces:
        pixels = [change.apply(face.pixels) if change else face.pixels for face in faces.values()]
        points = space.engine.embed(np.stack(pixels))
        for (name, face), point in zip(faces.items(), points, strict=True):
            done[name] = CachedFace(point, face.box, face.landmarks, face.quality)
    return done
