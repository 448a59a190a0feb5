"""Photos in folders, in an order that people expect."""

import os
import re
from pathlib import Path

from facespace.errors import DataError

EXTENSIONS = frozenset({".jpg", ".jpeg", ".png", ".webp", ".tif", ".tiff", ".bmp", ".gif", ".pgm", ".ppm", ".pnm"})


def photos_in(folder: str | os.PathLike[str]) -> list[Path]:
    """All photos under a folder, in natural order (img2 before img10); hidden files are skipped.

    Raises
    ------
    DataError
        No such folder, or no photos in it.
    """
    root = _existing(folder)
    photos = [
        path
        for path in root.rglob("*")
        if path.suffix.lower() in EXTENSIONS
        and path.is_file()
        and not any(part.startswith(".") for part in path.relative_to(root).parts)
    ]
    if not photos:
        raise DataError(f"no photos under {root}; looked for files ending in {', '.join(sorted(EXTENSIONS))}")
    return sorted(photos, key=lambda path: _natural(path.relative_to(root)))


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
    for person in sorted(subfolders, key=lambda path: _natural(path.relative_to(root))):
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


def _natural(path: Path) -> list[tuple[int, int | str]]:
    parts = re.split(r"(\d+)", str(path).casefold())
    return [(0, int(part)) if part.isdecimal() else (1, part) for part in parts if part]
