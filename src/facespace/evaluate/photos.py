"""Where an evaluation's photos are: a folder, a zip file, or bytes held already. Read by name, one at a time."""

import difflib
import os
import threading
import warnings
import zipfile
from collections.abc import Mapping
from functools import cached_property
from pathlib import Path, PurePosixPath
from typing import Protocol

from facespace.errors import DataError, FacespaceWarning, ImageError
from facespace.images import EXTENSIONS, Limits, PassedOver, natural, path_of, photos_in, summary_of, text_of


class MissingPhotoError(ImageError):
    """A list names a photo that is not there."""


class Photos(Protocol):
    """Photos by name. Names are paths with forward slashes, such as PERSON/photo.jpg."""

    where: str

    @property
    def names(self) -> tuple[str, ...]:
        """All of them, in natural order (img2 before img10)."""
        ...

    def read(self, name: str) -> bytes:
        """The bytes of the file.

        Raises
        ------
        MissingPhotoError
            Not there; the message says whether the person is.
        ImageError
            It cannot be read.
        """
        ...


class FolderPhotos:
    """The photos under a folder."""

    def __init__(self, folder: str | os.PathLike[str]):
        self.where = text_of(folder)
        self._root = Path(folder)

    @cached_property
    def names(self) -> tuple[str, ...]:
        """All photos under the folder."""
        return tuple(text_of(path.relative_to(self._root).as_posix()) for path in photos_in(self._root))

    def read(self, name: str) -> bytes:
        """As `Photos.read`."""
        path = self._root / path_of(name)
        limit = Limits().file_bytes
        try:
            with path.open("rb") as file:
                content = file.read(limit + 1)
        except FileNotFoundError:
            raise _missing(name, self.names, self.where) from None
        except OSError as error:
            raise ImageError(f"cannot read {text_of(path)}: {error.strerror}; check the file") from None
        if len(content) > limit:
            raise ImageError(f"{text_of(path)} is larger than {limit:,} bytes; save it smaller")
        return content


class ZipPhotos:
    """The photos in a zip file; a folder that holds all of them is left out of their names."""

    def __init__(self, path: str | os.PathLike[str]):
        self.where = text_of(path)
        try:
            self._archive = zipfile.ZipFile(path)
        except (OSError, zipfile.BadZipFile) as error:
            reason = getattr(error, "strerror", None) or "it is not a zip file, or damaged"
            raise DataError(f"cannot read photos from {self.where}: {reason}") from None
        self._lock = threading.Lock()
        files = [info.filename for info in self._archive.infolist() if not info.is_dir()]
        members = [name for name in files if _is_photo(name)]
        if not members:
            raise DataError(f"no photos in {self.where}; looked for files ending in {', '.join(sorted(EXTENSIONS))}")
        root = os.path.commonpath([PurePosixPath(member).parent.parent for member in members])
        if passed := [PassedOver(Path(name), "files that are no photos") for name in files if not _is_photo(name)]:
            warnings.warn(f"in {self.where} passed over {summary_of(passed)}", FacespaceWarning, stacklevel=2)
        self._members = {PurePosixPath(member).relative_to(root).as_posix(): member for member in members}

    @cached_property
    def names(self) -> tuple[str, ...]:
        """All photos in the file."""
        return tuple(sorted(self._members, key=natural))

    def read(self, name: str) -> bytes:
        """As `Photos.read`."""
        if name not in self._members:
            raise _missing(name, self.names, self.where)
        info = self._archive.getinfo(self._members[name])
        if info.file_size > Limits().file_bytes:
            raise ImageError(f"{name} in {self.where} is larger than {Limits().file_bytes:,} bytes; save it smaller")
        try:
            with self._lock:
                return self._archive.read(info)
        except (OSError, zipfile.BadZipFile, RuntimeError, NotImplementedError) as error:
            raise ImageError(f"cannot read {name} in {self.where}: {error}") from None


class HeldPhotos:
    """Photos whose bytes are in memory."""

    def __init__(self, photos: Mapping[str, bytes], where: str):
        self.where = where
        self._photos = photos

    @property
    def names(self) -> tuple[str, ...]:
        """All of them, in the order given."""
        return tuple(self._photos)

    def read(self, name: str) -> bytes:
        """As `Photos.read`."""
        try:
            return self._photos[name]
        except KeyError:
            raise _missing(name, self.names, self.where) from None


def open_photos(path: str | os.PathLike[str]) -> Photos:
    """Photos of a folder or of a zip file, read in place.

    Raises
    ------
    DataError
        Neither, or no photos in it.
    """
    if Path(path).is_dir():
        return FolderPhotos(path)
    if Path(path).is_file():
        return ZipPhotos(path)
    raise DataError(f"{text_of(path)} does not exist; name a folder of photos, or a zip file of them")


def by_person(photos: Photos) -> dict[str, list[str]]:
    """The names of each person's photos, laid out as PERSON/photo.

    Raises
    ------
    DataError
        No photo lies in a folder of a person.
    """
    people: dict[str, list[str]] = {}
    for name in photos.names:
        person, _, rest = name.partition("/")
        if rest:
            people.setdefault(person, []).append(name)
    if not people:
        raise DataError(f"nobody in {photos.where}: it must hold one folder of photos a person, PERSON/photo.jpg")
    return people


def _is_photo(member: str) -> bool:
    return PurePosixPath(member).suffix.lower() in EXTENSIONS and "__MACOSX" not in member


def _missing(name: str, names: tuple[str, ...], where: str) -> MissingPhotoError:
    person, _, rest = name.partition("/")
    if rest and not any(known.startswith(f"{person}/") for known in names):
        people = sorted({known.partition("/")[0] for known in names})
        near = difflib.get_close_matches(person, people, n=1, cutoff=0.8)
        hint = f"; did you mean {near[0]}?" if near else ""
        return MissingPhotoError(f"{name}: there is nobody named {person} in {where}{hint}")
    return MissingPhotoError(f"{name}: no such photo in {where}")
