"""Find the faces of many photos in parallel, in the given order, with bounded memory."""

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, replace
from itertools import islice
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from facespace.errors import ImageError
from facespace.faces.align import CROPS, Crop
from facespace.faces.detect import DEFAULT_DETECTOR, DETECTORS
from facespace.faces.detection import Detector
from facespace.faces.find import FaceCrop, cut_faces
from facespace.faces.turned import look_turned, turned_back
from facespace.images import Colour, Decoded, Limits, Photo, as_photo, called, decode_photo, name_of
from facespace.processors import available

T = TypeVar("T")

# Photos given to a thread at once: its networks process the windows of all of them together.
GROUP = 8
# Decoded pixels that a thread holds at once, unless a single photo has more.
HELD = 8_000_000
# Longest side in pixels at which a photo is searched and its faces are cut out: docs/decisions/013-large-photos.md.
LONGEST = 4096


@dataclass(frozen=True)
class Found:
    """The result for a photo.

    photo : as it was given
    width, height : in pixels, upright; 0 if it could not be decoded
    faces : in reading order, boxes and landmarks in pixels of the photo
    failure : why it could not be used, or None
    """

    photo: Photo
    width: int = 0
    height: int = 0
    faces: tuple[FaceCrop, ...] = ()
    failure: str | None = None


@dataclass(frozen=True)
class Finder:
    """Find faces in photos and align them for a network. Threads may share it.

    A photo that is stored on its side or upside down, without an EXIF orientation that says so, is tried rotated if the
    detector is unsure about its faces (`Detector.second_look`).

    Parameters
    ----------
    detector, crop
        The detector, and how to cut out a face.
    width, height : int
        Size of each crop in pixels.
    longest : int or None
        Photos with a longer side are scaled down to this first, which saves most of the time on large photos and
        misses their smallest faces. At most 4,096, which bounds memory and time and is the default.
    limits : Limits or None
        The largest photo that is decoded; None uses the default limits.
    max_faces : int or None
        Photos with more faces are rejected, so that they do not delay other callers.
    truncated : bool
        Accept JPEG files that end too early.
    colour : 'RGB' or 'BGR'
        Channel order of arrays given as photos.
    """

    detector: Detector
    crop: Crop
    width: int
    height: int
    longest: int | None = None
    limits: Limits | None = None
    max_faces: int | None = None
    truncated: bool = False
    colour: Colour = "RGB"

    def decode(self, photo: Photo, name: str = "the photo") -> Decoded:
        """Decode a photo for the detector; ImageError if it cannot be used, which calls an array or file `name`."""
        given = as_photo(photo, name, self.colour)
        longest = min(self.longest or LONGEST, LONGEST)
        return decode_photo(given, self.limits, longest=longest, truncated=self.truncated, name=called(photo, name))

    def find(self, photo: Photo, name: str = "the photo") -> Found:
        """Find the faces of one photo; ImageError if it cannot be used, which calls an invalid value `name`."""
        found = self._cut([photo], [self.decode(photo, name)])[0]
        if found.failure:
            raise ImageError(found.failure)
        return found

    def find_all(self, photos: Sequence[Photo], names: Sequence[str] | None = None) -> list[Found]:
        """Find the faces of some photos, in the given order; a photo that cannot be used is reported as a failure.

        `names` are used in messages about values that are not photos.
        """
        results: dict[int, Found] = {}
        numbers: list[int] = []
        held: list[Decoded] = []

        def flush() -> None:
            results.update(zip(numbers, self._cut([photos[number] for number in numbers], held), strict=True))
            numbers.clear()
            held.clear()

        for number, photo in enumerate(photos):
            try:
                held.append(self.decode(photo, names[number] if names else "the photo"))
            except ImageError as error:
                results[number] = Found(photo, failure=str(error))
                continue
            numbers.append(number)
            if sum(decoded.pixels.size for decoded in held) >= 3 * HELD:
                flush()
        flush()
        return [results[number] for number in range(len(photos))]

    def _cut(self, photos: list[Photo], decoded: list[Decoded]) -> list[Found]:
        found = []
        detections = self.detector([photo.pixels for photo in decoded])
        for photo, image, as_it_is in zip(photos, decoded, detections, strict=True):
            turns, pixels, detected = look_turned(image.pixels, as_it_is, self.detector)
            if self.max_faces is not None and len(detected.boxes) > self.max_faces:
                reason = f"{name_of(photo)} shows {len(detected.boxes)} faces, more than the {self.max_faces} allowed"
                found.append(Found(photo, image.width, image.height, failure=reason))
                continue
            rows, columns = image.pixels.shape[:2]
            faces = [
                turned_back(face, turns, columns, rows)
                for face in cut_faces(pixels, detected, self.crop, self.width, self.height)
            ]
            if image.scale != (1.0, 1.0):
                faces = [_enlarged(face, np.array(image.scale, np.float32)) for face in faces]
            found.append(Found(photo, image.width, image.height, tuple(faces)))
        return found


def default_finder(longest: int | None = None, truncated: bool = False) -> Finder:
    """Find faces with the default detector and align them to the usual template, 112 pixels square."""
    return Finder(DETECTORS[DEFAULT_DETECTOR](), CROPS["arcface-112"], 112, 112, longest, truncated=truncated)


def find_stream(finder: Finder, photos: Iterable[Photo], workers: int | None = None) -> Iterator[Found]:
    """Find the faces of many photos with several threads; results come in the order of the photos.

    Decoding, detection and alignment run in native code that releases the GIL. Photos are read from the iterable as
    they are needed, at most a few dozen ahead of the results.

    Parameters
    ----------
    finder : Finder
    photos : iterable of photos
        Of any length, or endless.
    workers : int or None
        Threads; None uses one per core.

    Yields
    ------
    Found
        One per photo, including photos that cannot be used.
    """
    return in_order(finder.find_all, photos, workers)


def in_order(
    work: Callable[[list[Photo]], list[T]], photos: Iterable[Photo], workers: int | None = None
) -> Iterator[T]:
    """Apply a function to photos with several threads, in the order of the photos, with bounded memory.

    Parameters
    ----------
    work : callable
        Maps up to `GROUP` photos to as many results; called by several threads at once.
    photos, workers
        As for `find_stream`.
    """
    workers = workers or available()
    groups = _grouped(photos)
    waiting: deque[Future[list[T]]] = deque()
    pool = ThreadPoolExecutor(workers, thread_name_prefix="find")
    try:
        for group in islice(groups, 2 * workers):
            waiting.append(pool.submit(work, group))
        while waiting:
            done = waiting.popleft().result()
            for group in islice(groups, 1):
                waiting.append(pool.submit(work, group))
            yield from done
    finally:
        # If the caller stops early or is interrupted, pending work is cancelled.
        pool.shutdown(wait=True, cancel_futures=True)


def _grouped(photos: Iterable[Photo]) -> Iterator[list[Photo]]:
    iterator = iter(photos)
    while group := list(islice(iterator, GROUP)):
        yield group


def _enlarged(face: FaceCrop, scale: NDArray[np.float32]) -> FaceCrop:
    """Convert a face to pixels of the photo before it was scaled down."""
    left, top, right, bottom = (np.array(face.box) * np.tile(scale, 2)).tolist()
    landmarks = None if face.landmarks is None else ((face.landmarks + 0.5) * scale - 0.5).astype(np.float32)
    quality = face.quality and replace(face.quality, eye_distance=face.quality.eye_distance * float(scale.mean()))
    return replace(face, box=(left, top, right, bottom), landmarks=landmarks, quality=quality)
