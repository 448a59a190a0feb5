"""Photos to embeddings: each photo's main face by a named policy, nothing dropped in silence, nothing done twice."""

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

# Photos read, and faces embedded and kept, at a time: what a stop can lose.
CHUNK = 64


@dataclass(frozen=True)
class Change:
    """What is done to every face before the network sees it, for a sweep; its name says all about it."""

    name: str
    apply: Callable[[Image], Image]


@dataclass(frozen=True)
class Preparation:
    """How a photo becomes the face that is compared.

    no_face : where no face is found, take the fixed centre crop (as the paper does), or count a failure to enrol:
        such a face is accepted as nobody
    central : of several faces take the one nearest to the photo's middle, in place of the largest
    landmarks : where the faces are, by name, in place of the detector
    change : for sweeps
    """

    no_face: NoFace = "centre-crop"
    central: bool = False
    landmarks: Mapping[str, GivenFace] | None = None
    change: Change | None = None

    def words(self, space: Space) -> str:
        """The policy, as the report states it."""
        chosen = "one nearest to the middle" if self.central else "largest"
        how = (
            "Faces lie where the landmarks file says"
            if self.landmarks is not None
            else f"Faces are found by {space.detector}; of several in a photo, the {chosen} counts"
        )
        other = (
            "the fixed centre crop (half the shorter side) is taken"
            if self.no_face == "centre-crop"
            else "it is a failure to enrol: accepted at no threshold"
        )
        changed = f" Every face is changed: {self.change.name}." if self.change else ""
        return f"{how}; where no face is found, {other}.{changed}"


@dataclass(frozen=True)
class PhotoFailure:
    """A photo whose face could not be had, and why."""

    name: str
    how: How
    message: str

    def __str__(self) -> str:
        return self.message


@dataclass(frozen=True)
class EmbeddedPhotos:
    """The main face of each photo.

    names : of the photos
    embeddings : float32, shape (n, d), L2 norm 1; zeros where there is no face
    how : how each face was had, or why not
    boxes : float32, shape (n, 4), NaN where there is none
    landmarks : float32, shape (n, 5, 2), NaN where there are none
    quality : float32, shape (n,), 0 to 1; NaN where it is not known
    failures : of the photos without a face
    photos, space, preparation : what they come from
    embedded : how many were embedded now; the others were kept from before
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
        """Which photos have a face; shape (n,)."""
        return np.array([how in ("found", "centre-crop") for how in self.how], bool)

    def crop(self, index: int) -> Image:
        """The face as the network saw it, cut out again; black where there is none."""
        size = self.space.card.input
        if not self.present[index]:
            return np.zeros((size.height, size.width, 3), np.uint8)
        # Faces are told in pixels of the photo, which may be larger than what is decoded of it.
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
    """Embed the main face of each photo. Stopped in the middle, it goes on from there the next time.

    Parameters
    ----------
    space : Space
    photos : Photos
    names : photos to take
    preparation : Preparation or None
        The defaults where None.
    cache : EmbeddingCache or None
        Where faces embedded before are kept; nothing is kept where None.
    on_progress : callable or None
        Told photos done and photos in all.

    Raises
    ------
    DataError
        Not a single photo can be used.
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
        for said, locator in _locators(space, prepare):
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
                    faces[name], how[name] = face, said
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
    """How to find the face, and what to try where that finds none."""
    if prepare.landmarks is None:
        yield "found", ByDetector(space, prepare.central)
    else:
        yield "found", ByLandmarks(space, prepare.landmarks)
    if prepare.no_face == "centre-crop":
        yield "centre-crop", ByCentre(space)


def _embed(
    space: Space, locator: Locator, photos: Mapping[str, bytes], change: Change | None
) -> dict[str, CachedFace | ImageError]:
    """Embed the faces of some photos; NO_FACE where none is found, the error where a photo cannot be used."""
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
