"""Many photos to faces, several at a time, in the order given, in memory that does not grow."""

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

# Photos handed to a thread at once: its networks see the windows of all of them together.
GROUP = 8
# Pixels that a thread holds decoded at once, unless one photo alone has more.
HELD = 8_000_000
# Longest side in pixels at which a photo is looked at and its faces are cut out: docs/decisions/013-large-photos.md.
LONGEST = 4096


@dataclass(frozen=True)
class Found:
    """What became of a photo.

    photo : as it was given
    width, height : in pixels, upright; 0 where it could not be decoded
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
    """From photos to faces cut out for a network. Safe to share between threads.

    Photos that are stored on their side or upside down, and do not say so, are looked at turned where the detector
    is not sure of any face in them and knows how sure it must be (`Detector.second_look`).

    Parameters
    ----------
    detector, crop
        How to find and how to cut.
    width, height : int
        Size of each crop in pixels.
    longest : int or None
        Photos with a longer side are scaled down to this first, which saves most of the time on large photos and
        loses their smallest faces. Never more than 4,096, which bounds memory and time; that where None.
    limits : Limits or None
        The largest photo that is decoded; the default limits where None.
    most : int or None
        Photos with more faces are refused: a crowd would hold up everybody else.
    truncated : bool
        Take what is there of JPEG files that end too early.
    colour : 'RGB' or 'BGR'
        Order of the channels of arrays given as photos.
    """

    detector: Detector
    crop: Crop
    width: int
    height: int
    longest: int | None = None
    limits: Limits | None = None
    most: int | None = None
    truncated: bool = False
    colour: Colour = "RGB"

    def decode(self, photo: Photo, name: str = "the photo") -> Decoded:
        """A photo as the detector sees it; ImageError where it cannot be used, which calls an array or file `name`."""
        given = as_photo(photo, name, self.colour)
        longest = min(self.longest or LONGEST, LONGEST)
        return decode_photo(given, self.limits, longest=longest, truncated=self.truncated, name=called(photo, name))

    def find(self, photo: Photo, name: str = "the photo") -> Found:
        """Faces of one photo; ImageError where it cannot be used, which calls a value that is no photo `name`."""
        found = self._cut([photo], [self.decode(photo, name)])[0]
        if found.failure:
            raise ImageError(found.failure)
        return found

    def find_all(self, photos: Sequence[Photo], names: Sequence[str] | None = None) -> list[Found]:
        """Faces of some photos, in the order given; one that cannot be used has a failure and the rest go on.

        `names` are what to call values that are no photos in the message.
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
            if self.most is not None and len(detected.boxes) > self.most:
                reason = f"{name_of(photo)} shows {len(detected.boxes)} faces, more than the {self.most} allowed"
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
    """Faces by the default detector, aligned on the usual template, 112 pixels square: what most networks take."""
    return Finder(DETECTORS[DEFAULT_DETECTOR](), CROPS["arcface-112"], 112, 112, longest, truncated=truncated)


def find_stream(finder: Finder, photos: Iterable[Photo], workers: int | None = None) -> Iterator[Found]:
    """Find the faces of many photos with several threads; results come in the order of the photos.

    Decoding, detecting and aligning are native code that lets other threads run. Photos are taken from the iterable
    as they are needed, and at most a few dozen are between there and here.

    Parameters
    ----------
    finder : Finder
    photos : iterable of photos
        Of any length, or endless.
    workers : int or None
        Threads; one a core where None.

    Yields
    ------
    Found
        One a photo, also for those that cannot be used.
    """
    return in_order(finder.find_all, photos, workers)


def in_order(
    work: Callable[[list[Photo]], list[T]], photos: Iterable[Photo], workers: int | None = None
) -> Iterator[T]:
    """What some work makes of each photo, by several threads, in the order of the photos; memory does not grow.

    Parameters
    ----------
    work : callable
        From up to `GROUP` photos to as many results; called by several threads at once.
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
        # Also where the caller stops early or is interrupted: nothing that has not begun is begun.
        pool.shutdown(wait=True, cancel_futures=True)


def _grouped(photos: Iterable[Photo]) -> Iterator[list[Photo]]:
    iterator = iter(photos)
    while group := list(islice(iterator, GROUP)):
        yield group


def _enlarged(face: FaceCrop, scale: NDArray[np.float32]) -> FaceCrop:
    """The same face in pixels of the photo before it was scaled down."""
    left, top, right, bottom = (np.array(face.box) * np.tile(scale, 2)).tolist()
    landmarks = None if face.landmarks is None else ((face.landmarks + 0.5) * scale - 0.5).astype(np.float32)
    quality = face.quality and replace(face.quality, eye_distance=face.quality.eye_distance * float(scale.mean()))
    return replace(face, box=(left, top, right, bottom), landmarks=landmarks, quality=quality)
