"""Sources of photos for an evaluation: a folder, a zip file, or bytes in memory. Photos are read by name."""

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
from facespace.images import EXTENSIONS, Limits, Skipped, natural, path_of, photos_in, summary_of, text_of


class MissingPhotoError(ImageError):
    """A list contains a photo that does not exist."""


class Photos(Protocol):
    """Photos by name. Names are paths with forward slashes, such as PERSON/photo.jpg."""

    where: str

    @property
    def names(self) -> tuple[str, ...]:
        """All names, in natural order (img2 before img10)."""
        ...

    def read(self, name: str) -> bytes:
        """Return the content of the file.

        Raises
        ------
        MissingPhotoError
            There is no such photo; the message says whether the person exists.
        ImageError
            The photo cannot be read.
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
        """See `Photos.read`."""
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
            raise ImageError(f"{text_of(path)} is larger than {limit:,} bytes; save it at a smaller size")
        return content


class ZipPhotos:
    """The photos in a zip file; a folder that contains all of them is not part of their names."""

    def __init__(self, path: str | os.PathLike[str]):
        self.where = text_of(path)
        try:
            self._archive = zipfile.ZipFile(path)
        except (OSError, zipfile.BadZipFile) as error:
            reason = getattr(error, "strerror", None) or "it is not a zip file, or it is damaged"
            raise DataError(f"cannot read photos from {self.where}: {reason}") from None
        self._lock = threading.Lock()
        files = [info.filename for info in self._archive.infolist() if not info.is_dir()]
        members = [name for name in files if _is_photo(name)]
        if not members:
            raise DataError(f"no photos in {self.where}; looked for files ending in {', '.join(sorted(EXTENSIONS))}")
        root = os.path.commonpath([PurePosixPath(member).parent.parent for member in members])
        if skipped := [Skipped(Path(name), "files that are not photos") for name in files if not _is_photo(name)]:
            warnings.warn(f"ignored in {self.where}: {summary_of(skipped)}", FacespaceWarning, stacklevel=2)
        self._members = {PurePosixPath(member).relative_to(root).as_posix(): member for member in members}

    @cached_property
    def names(self) -> tuple[str, ...]:
        """All photos in the file."""
        return tuple(sorted(self._members, key=natural))

    def read(self, name: str) -> bytes:
        """See `Photos.read`."""
        if name not in self._members:
            raise _missing(name, self.names, self.where)
        info = self._archive.getinfo(self._members[name])
        if info.file_size > Limits().file_bytes:
            raise ImageError(
                f"{name} in {self.where} is larger than {Limits().file_bytes:,} bytes; save it at a smaller size"
            )
        try:
            with self._lock:
                return self._archive.read(info)
        except (OSError, zipfile.BadZipFile, RuntimeError, NotImplementedError) as error:
            raise ImageError(f"cannot read {name} in {self.where}: {error}") from None


class InMemoryPhotos:
    """Photos whose bytes are in memory."""

    def __init__(self, photos: Mapping[str, bytes], where: str):
        self.where = where
        self._photos = photos

    @property
    def names(self) -> tuple[str, ...]:
        """All names, in the given order."""
        return tuple(self._photos)

    def read(self, name: str) -> bytes:
        """See `Photos.read`."""
        try:
            return self._photos[name]
        except KeyError:
            raise _missing(name, self.names, self.where) from None


def open_photos(path: str | os.PathLike[str]) -> Photos:
    """Open a folder or a zip file of photos.

    Raises
    ------
    DataError
        The path is neither, or contains no photos.
    """
    if Path(path).is_dir():
        return FolderPhotos(path)
    if Path(path).is_file():
        return ZipPhotos(path)
    raise DataError(f"{text_of(path)} does not exist; give a folder or a zip file of photos")


def by_person(photos: Photos) -> dict[str, list[str]]:
    """Return the names of each person's photos, which must be named PERSON/photo.

    Raises
    ------
    DataError
        No photo is in a person's folder.
    """
    people: dict[str, list[str]] = {}
    for name in photos.names:
        person, _, rest = name.partition("/")
        if rest:
            people.setdefault(person, []).append(name)
    if not people:
        raise DataError(f"no people in {photos.where}: it must contain one folder per person, PERSON/photo.jpg")
    return people


def _is_photo(member: str) -> bool:
    return PurePosixPath(member).suffix.lower() in EXTENSIONS and "__MACOSX" not in member


def _missing(name: str, names: tuple[str, ...], where: str) -> MissingPhotoError:
    person, _, rest = name.partition("/")
    if rest and not any(known.startswith(f"{person}/") for known in names):
        people = sorted({known.partition("/")[0] for known in names})
        near = difflib.get_close_matches(person, people, n=1, cutoff=0.8)
        hint = f"; did you mean {near[0]}?" if near else ""
        return MissingPhotoError(f"{name}: there is no person {person} in {where}{hint}")
    return MissingPhotoError(f"{name}: no such photo in {where}")
