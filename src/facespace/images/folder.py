"""Photos in folders, in an order that people expect, and what was passed over on the way."""

import errno
import os
import re
import stat
import warnings
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from facespace.errors import DataError, FacespaceWarning
from facespace.filenames import text_of
from facespace.images.formats import EXTENSIONS

# A folder that holds a file of this name was written by this package, and no photos are looked for in it.
MARKER = ".facespace"
# Entries that a summary names; the others are counted.
NAMED = 3


@dataclass(frozen=True)
class PassedOver:
    """An entry of a folder that was not taken, and why. Entries of one kind share a reason."""

    path: Path
    reason: str


OnPassed = Callable[[PassedOver], None]


def walk_photos(folder: str | os.PathLike[str], on_passed: OnPassed = lambda passed: None) -> Iterator[Path]:
    """Photos under a folder as they are found, folder by folder, each in natural order (img2 before img10).

    Only one folder's names are in memory at a time, however many photos there are. What is not taken is handed to
    `on_passed`, and costs only itself: hidden entries, files that are no photos by their ending, links that lead
    nowhere, links to what lies under the folder itself or was met before, what may not be read, and folders that
    this package wrote.

    Raises
    ------
    DataError
        No such folder, or it may not be read.
    """
    root = _existing(folder)
    status = root.stat()
    real = Path(os.path.realpath(root))
    return _Walk(real, on_passed, {(status.st_dev, status.st_ino)}).walk(root, top=True)


def photos_in(folder: str | os.PathLike[str], on_passed: OnPassed | None = None) -> list[Path]:
    """All photos under a folder, in the order of `walk_photos`; warns of what is passed over if nobody is handed it.

    Raises
    ------
    DataError
        No such folder, or no photos in it.
    """
    passed: list[PassedOver] = []
    photos = list(walk_photos(folder, on_passed or passed.append))
    if not photos:
        seen = f"; passed over {summary_of(passed)}" if passed else ""
        endings = ", ".join(sorted(EXTENSIONS))
        raise DataError(f"no photos under {text_of(folder)}{seen}; looked for files ending in {endings}")
    if passed:
        warnings.warn(f"in {text_of(folder)} passed over {summary_of(passed)}", FacespaceWarning, stacklevel=2)
    return photos


def people_in(folder: str | os.PathLike[str], on_passed: OnPassed | None = None) -> dict[str, list[Path]]:
    """The photos of each person of a folder laid out as FOLDER/PERSON/photo.jpg.

    Returns
    -------
    dict
        Name to photos, both in natural order; sub-folders without photos, and photos that belong to nobody, are passed
        over. Warns of what is passed over if nobody is handed it.

    Raises
    ------
    DataError
        No such folder, or nobody in it.
    """
    root = _existing(folder)
    passed: list[PassedOver] = []
    tell = on_passed or passed.append
    people: dict[str, list[Path]] = {}
    for photo in walk_photos(root, tell):
        person, *rest = photo.relative_to(root).parts
        if rest:
            people.setdefault(person, []).append(photo)
        else:
            tell(PassedOver(photo, "photos that lie in no person's folder"))
    if not people:
        seen = f" (passed over {summary_of(passed)})" if passed else ""
        raise DataError(
            f"nobody in {text_of(root)}: it must hold one folder of photos a person, PERSON/photo.jpg{seen}"
        )
    for name in _folders(root):
        if name not in people:
            tell(PassedOver(root / name, "folders without a photo"))
    if passed:
        warnings.warn(f"in {text_of(root)} passed over {summary_of(passed)}", FacespaceWarning, stacklevel=2)
    return people


def summary_of(passed: Sequence[PassedOver]) -> str:
    """What was passed over, counted by reason, the first few of each named."""
    counts = Counter(entry.reason for entry in passed)
    parts = []
    for reason, count in counts.most_common():
        names = [text_of(entry.path.name) for entry in passed if entry.reason == reason][:NAMED]
        parts.append(f"{count:,} {reason} ({', '.join(names)}{', ...' if count > NAMED else ''})")
    return "; ".join(parts)


def mark_as_output(folder: Path) -> None:
    """Have photos under a folder of this package's own making passed over in later walks of a folder above it."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / MARKER).write_text("Written by facespace. Photos in here are not taken for photos of the folder above.\n")


def is_output(folder: Path) -> bool:
    """Whether a folder was marked by `mark_as_output`."""
    return (folder / MARKER).is_file()


def natural(name: str) -> list[tuple[int, int | str]]:
    """The key that sorts names as people do: numbers by value, letters whatever their case."""
    parts = re.split(r"(\d+)", name.casefold())
    return [(0, int(part)) if part.isdecimal() else (1, part) for part in parts if part]


@dataclass
class _Walk:
    """A walk under one folder; what it has met, by device and number."""

    root: Path
    on_passed: OnPassed
    met: set[tuple[int, int]]

    def walk(self, folder: Path, top: bool = False) -> Iterator[Path]:
        try:
            with os.scandir(folder) as entries:
                names = sorted((entry.name for entry in entries), key=natural)
        except OSError as error:
            if top:
                raise DataError(
                    f"{text_of(folder)} may not be read ({error.strerror}); check its permissions"
                ) from None
            self._pass(folder, f"folders that cannot be read: {error.strerror}")
            return
        if not top and MARKER in names:
            self._pass(folder, "folders that facespace wrote")
            return
        # Names first, then photos of sub-folders as they come: folders and photos stand in one order.
        for name in names:
            yield from self._entry(folder / name)

    def _entry(self, path: Path) -> Iterator[Path]:
        if path.name.startswith("."):
            if path.name != MARKER:
                self._pass(path, "hidden entries")
            return
        try:
            status, linked = path.stat(), path.is_symlink()
            lies_in_root = linked and Path(os.path.realpath(path)).is_relative_to(self.root)
        except OSError as error:
            loop = error.errno in (errno.ELOOP, errno.ENOENT)
            self._pass(path, "links that lead nowhere" if loop else f"entries that cannot be read: {error.strerror}")
            return
        number = (status.st_dev, status.st_ino)
        if stat.S_ISDIR(status.st_mode):
            if lies_in_root or number in self.met:
                self._pass(path, "links to folders that are searched anyway")
                return
            self.met.add(number)
            yield from self.walk(path)
        elif path.suffix.lower() not in EXTENSIONS:
            self._pass(path, f"files ending in {path.suffix.lower()}" if path.suffix else "files without an ending")
        elif not stat.S_ISREG(status.st_mode):
            self._pass(path, "entries that are no files")
        elif lies_in_root or number in self.met:
            self._pass(path, "links to photos that are taken anyway")
        else:
            if linked:
                self.met.add(number)
            yield path

    def _pass(self, path: Path, reason: str) -> None:
        self.on_passed(PassedOver(path, reason))


def _folders(root: Path) -> list[str]:
    names = (path.name for path in root.iterdir() if path.is_dir() and not path.name.startswith("."))
    return sorted(names, key=natural)


def _existing(folder: str | os.PathLike[str]) -> Path:
    root = Path(folder)
    try:
        if stat.S_ISDIR(root.stat().st_mode):
            return root
        what = "is a file, not a folder"
    except FileNotFoundError:
        what = "does not exist"
    except (OSError, ValueError) as error:
        what = f"cannot be opened ({getattr(error, 'strerror', None) or error})"
    raise DataError(f"{text_of(root)} {what}; name a folder of photos")
