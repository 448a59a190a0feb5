"""Photos in folders, in an order that people expect."""

import os
import re
from collections.abc import Iterator
from pathlib import Path

from facespace.errors import DataError
from facespace.images.formats import EXTENSIONS


def walk_photos(folder: str | os.PathLike[str]) -> Iterator[Path]:
    """Photos under a folder as they are found, folder by folder, each in natural order (img2 before img10).

    Only one folder's names are in memory at a time, however many photos there are. Hidden files are skipped, links
    to folders are followed once, a sub-folder that may not be read is skipped.

    Raises
    ------
    DataError
        No such folder.
    """
    return _walk(_existing(folder), ())


def photos_in(folder: str | os.PathLike[str]) -> list[Path]:
    """All photos under a folder, in the order of `walk_photos`.

    Raises
    ------
    DataError
        No such folder, or no photos in it.
    """
    photos = list(walk_photos(folder))
    if not photos:
        raise DataError(f"no photos under {folder}; looked for files ending in {', '.join(sorted(EXTENSIONS))}")
    return photos


def people_in(folder: str | os.PathLike[str]) -> dict[str, list[Path]]:
    """The photos of each person of a folder laid out as FOLDER/PERSON/photo.jpg.

    Returns
    -------
    dict
        Name to photos, both in natural order; sub-folders without photos are left out.

    Raises
    ------
    DataError
        No such folder, or nobody in it.
    """
    root = _existing(folder)
    people: dict[str, list[Path]] = {}
    subfolders = [path for path in root.iterdir() if path.is_dir() and not path.name.startswith(".")]
    for person in sorted(subfolders, key=lambda path: natural(path.name)):
        try:
            people[person.name] = photos_in(person)
        except DataError:
            continue
    if not people:
        raise DataError(f"nobody in {root}: it must hold one folder of photos a person, PERSON/photo.jpg")
    return people


def _existing(folder: str | os.PathLike[str]) -> Path:
    root = Path(folder)
    if not root.is_dir():
        what = "is a file, not a folder" if root.exists() else "does not exist"
        raise DataError(f"{root} {what}; name a folder of photos")
    return root


def _walk(folder: Path, above: tuple[Path, ...]) -> Iterator[Path]:
    real = folder.resolve()
    # A link back to a folder we are in would never end.
    if real in above:
        return
    try:
        with os.scandir(folder) as entries:
            names = sorted((entry.name, entry.is_dir()) for entry in entries if not entry.name.startswith("."))
    except OSError:
        if not above:
            raise DataError(f"{folder} may not be read; check its permissions") from None
        return
    for name, is_folder in sorted(names, key=lambda item: natural(item[0])):
        path = folder / name
        if is_folder:
            yield from _walk(path, (*above, real))
        elif path.suffix.lower() in EXTENSIONS and path.is_file():
            yield path


def natural(name: str) -> list[tuple[int, int | str]]:
    """The key that sorts names as people do: numbers by value, letters whatever their case."""
    parts = re.split(r"(\d+)", name.casefold())
    return [(0, int(part)) if part.isdecimal() else (1, part) for part in parts if part]
