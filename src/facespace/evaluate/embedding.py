"""Photos to embeddings: each photo's main face by a named policy, nothing dropped in silence, nothing done twice."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from facespace.embed import Space
from facespace.errors import DataError, ImageError
from facespace.evaluate.cache import NO_FACE, CachedFace, EmbeddingCache, face_key
from facespace.evaluate.landmarks import GivenFace
from facespace.evaluate.photos import MissingPhotoError, Photos
from facespace.faces import CROPS, TEMPLATES
from facespace.images import Image, read_image

NoFace = Literal["centre-crop", "failure"]
How = Literal["found", "centre-crop", "no face", "missing", "unreadable"]

# Photos read, and faces embedded and kept, at a time: what a stop can lose.
CHUNK = 64

# Side of the fixed centre crop as a share of the photo's shorter side.
CENTRE = 0.5


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
        chosen = "nearest to the middle" if self.central else "largest"
        how = (
            "Faces lie where the landmarks file says"
            if self.landmarks is not None
            else f"Faces are found by {space.detector}; of several in a photo, the one {chosen} counts"
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
    sharpness : float32, shape (n,), variance of the face's Laplacian; NaN where there is no face
    failures : of the photos without a face
    photos, space, preparation : what they come from
    embedded : how many were embedded now; the others were kept from before
    """

    names: tuple[str, ...]
    embeddings: NDArray[np.float32]
    how: tuple[How, ...]
    boxes: NDArray[np.float32]
    landmarks: NDArray[np.float32]
    sharpness: NDArray[np.float32]
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
        image = read_image(self.photos.read(self.names[index]))
        landmarks = None if np.isnan(self.landmarks[index]).any() else self.landmarks[index]
        pixels = CROPS[self.space.card.crop](image, self.boxes[index], landmarks, size.width, size.height)
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
    found = np.zeros((len(names), space.dimension), np.float32)
    boxes, landmarks = np.full((len(names), 4), np.nan, np.float32), np.full((len(names), 5, 2), np.nan, np.float32)
    sharpness = np.full(len(names), np.nan, np.float32)
    how: list[How] = ["missing"] * len(names)
    failures: dict[int, PhotoFailure] = {}
    embedded = 0

    def use(index: int, face: CachedFace, said: How) -> None:
        assert face.embedding is not None
        found[index], boxes[index], landmarks[index] = face.embedding, face.box, face.landmarks
        sharpness[index], how[index] = face.sharpness, said

    for start in range(0, len(names), CHUNK):
        waiting: dict[int, bytes] = {}
        for index in range(start, min(start + CHUNK, len(names))):
            try:
                waiting[index] = photos.read(names[index])
            except ImageError as error:
                how[index] = "missing" if isinstance(error, MissingPhotoError) else "unreadable"
                failures[index] = PhotoFailure(names[index], how[index], str(error))
        for said, finder in _finders(space, prepare):
            keys = {index: face_key(content, finder.key(names[index])) for index, content in waiting.items()}
            kept = cache.find(list(keys.values())) if cache else {}
            new = _embed(space, finder, {i: waiting[i] for i in waiting if keys[i] not in kept}, names, prepare.change)
            if cache:
                cache.keep((keys[index], face) for index, face in new.items() if isinstance(face, CachedFace))
            embedded += sum(isinstance(face, CachedFace) and face.embedding is not None for face in new.values())
            for index in list(waiting):
                face = new.get(index) or kept[keys[index]]
                if isinstance(face, ImageError):
                    how[index] = "unreadable"
                    failures[index] = PhotoFailure(
                        names[index], "unreadable", str(face).replace("the photo", names[index], 1)
                    )
                elif face.embedding is not None:
                    use(index, face, said)
                else:
                    continue
                del waiting[index]
        for index in waiting:
            how[index] = "no face"
            failures[index] = PhotoFailure(names[index], "no face", f"{names[index]}: no face found")
        if on_progress:
            on_progress(min(start + CHUNK, len(names)), len(names))
    if len(failures) == len(names):
        first = failures[0].message if failures else "there are none"
        raise DataError(f"no photo of {photos.where} can be used: {first}")
    return EmbeddedPhotos(
        names=tuple(names),
        embeddings=found,
        how=tuple(how),
        boxes=boxes,
        landmarks=landmarks,
        sharpness=sharpness,
        failures=tuple(failures[index] for index in sorted(failures)),
        photos=photos,
        space=space,
        preparation=prepare,
        embedded=embedded,
    )


@dataclass(frozen=True)
class _Finder:
    """Where the main face of a photo is: a box, and landmarks where they are known; None where there is no face.

    name : all that decides where, for the cache
    """

    name: Callable[[str], str]
    find: Callable[[str, Image], tuple[NDArray[np.float32], NDArray[np.float32] | None, float] | None]
    change: Change | None

    def key(self, photo: str) -> str:
        return self.name(photo) + (f" | {self.change.name}" if self.change else "")


def _finders(space: Space, prepare: Preparation) -> Iterator[tuple[How, _Finder]]:
    """How to find the face, and what to try where that finds none."""
    given = prepare.landmarks

    def look_up(name: str, image: Image) -> tuple[NDArray[np.float32], NDArray[np.float32] | None, float] | None:
        assert given is not None
        return (given[name].box, given[name].landmarks, 1.0) if name in given else None

    def detect(name: str, image: Image) -> tuple[NDArray[np.float32], NDArray[np.float32] | None, float] | None:
        crops = space.crops(image)
        if not crops:
            return None
        middle = np.array([image.shape[1], image.shape[0]]) / 2
        boxes = np.array([crop.box for crop in crops], np.float32)
        if prepare.central:
            best = int(np.linalg.norm((boxes[:, :2] + boxes[:, 2:]) / 2 - middle, axis=1).argmin())
        else:
            best = int((boxes[:, 2:] - boxes[:, :2]).prod(axis=1).argmax())
        return boxes[best], crops[best].landmarks, crops[best].score

    if given is not None:
        yield "found", _Finder(lambda name: f"given {_numbers(given.get(name))}", look_up, prepare.change)
    else:
        chosen = f"{space.detector}, {'central' if prepare.central else 'largest'}"
        yield "found", _Finder(lambda name: chosen, detect, prepare.change)
    if prepare.no_face == "centre-crop":
        yield "centre-crop", _Finder(lambda name: "centre", _centre, prepare.change)


def _centre(name: str, image: Image) -> tuple[NDArray[np.float32], NDArray[np.float32] | None, float]:
    """The middle square, and the landmarks of a face that fills it as the usual template does."""
    size = np.array([image.shape[1], image.shape[0]], np.float32)
    side = CENTRE * float(size.min())
    corner = (size - side) / 2
    landmarks = TEMPLATES["arcface-112"] * side + corner - 0.5
    return np.concatenate([corner, corner + side]).astype(np.float32), landmarks.astype(np.float32), 0.0


def _embed(
    space: Space, finder: _Finder, contents: Mapping[int, bytes], names: Sequence[str], change: Change | None
) -> dict[int, CachedFace | ImageError]:
    """Embed the faces of some photos; NO_FACE where none is found, the error where a photo cannot be read."""
    size, crop = space.card.input, CROPS[space.card.crop]
    done: dict[int, CachedFace | ImageError] = {}
    pixels: dict[int, Image] = {}
    where: dict[int, tuple[NDArray[np.float32], NDArray[np.float32] | None, float]] = {}
    for index, content in contents.items():
        try:
            image = read_image(content)
        except ImageError as error:
            done[index] = error
            continue
        place = finder.find(names[index], image)
        if place is None:
            done[index] = NO_FACE
            continue
        where[index] = place
        cut = crop(image, place[0], place[1], size.width, size.height)
        pixels[index] = change.apply(cut) if change else cut
    if not pixels:
        return done
    points = space.engine.embed(np.stack(list(pixels.values())))
    for (index, cut), point in zip(pixels.items(), points, strict=True):
        box, landmarks, score = where[index]
        known = NO_FACE.landmarks if landmarks is None else landmarks
        done[index] = CachedFace(point, box, known, score, _sharpness(cut))
    return done


def _sharpness(pixels: Image) -> float:
    """Variance of the Laplacian of the grey image: low where a face is blurred."""
    grey = pixels.astype(np.float32) @ np.array([0.299, 0.587, 0.114], np.float32)
    edges = 4 * grey[1:-1, 1:-1] - grey[:-2, 1:-1] - grey[2:, 1:-1] - grey[1:-1, :-2] - grey[1:-1, 2:]
    return float(edges.var())


def _numbers(face: GivenFace | None) -> str:
    return "nowhere" if face is None else " ".join(f"{x:.4f}" for x in (*face.box, *face.landmarks.ravel()))
