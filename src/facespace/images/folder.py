"""Find photos in folders, in natural order, and report what was ignored."""

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

# A folder with a file of this name was written by this package, and is not searched for photos.
MARKER = ".facespace"
# Entries of each kind that a summary names; the others are counted.
NAMED = 3


@dataclass(frozen=True)
class Skipped:
    """An entry of a folder that was ignored, and why. Entries of one kind have the same reason."""

    path: Path
    reason: str


OnSkipped = Callable[[Skipped], None]


def walk_photos(folder: str | os.PathLike[str], on_skipped: OnSkipped = lambda skipped: None) -> Iterator[Path]:
    """Iterate over the photos under a folder, folder by folder, each in natural order (img2 before img10).

    Only one folder's names are in memory at a time. Entries that are ignored are passed to `on_skipped` and affect
    nothing else: hidden entries, files without a photo's suffix, broken links, links to something inside the folder or
    already visited, entries without read permission, and folders that this package wrote.

    Raises
    ------
    DataError
        The folder does not exist or cannot be read.
    """
    root = _existing(folder)
    status = root.stat()
    real = Path(os.path.realpath(root))
    return _Walk(real, on_skipped, {(status.st_dev, status.st_ino)}).walk(root, top=True)


def photos_in(folder: str | os.PathLike[str], on_skipped: OnSkipped | None = None) -> list[Path]:
    """List all photos under a folder, in the order of `walk_photos`; without `on_skipped`, warn about ignored entries.

    Raises
    ------
    DataError
        The folder does not exist, or has no photos.
    """
    skipped: list[Skipped] = []
    photos = list(walk_photos(folder, on_skipped or skipped.append))
    if not photos:
        seen = f"; ignored {summary_of(skipped)}" if skipped else ""
        endings = ", ".join(sorted(EXTENSIONS))
        raise DataError(f"no photos under {text_of(folder)}{seen}; supported file name suffixes: {endings}")
    if skipped:
        warnings.warn(f"ignored in {text_of(folder)}: {summary_of(skipped)}", FacespaceWarning, stacklevel=2)
    return photos


def people_in(folder: str | os.PathLike[str], on_skipped: OnSkipped | None = None) -> dict[str, list[Path]]:
    """List the photos of each person in a folder laid out as FOLDER/PERSON/photo.jpg.

    Returns
    -------
    dict
        Photos by name, both in natural order. Subfolders without photos, and photos outside of them, are ignored;
        without `on_skipped`, ignored entries cause a warning.

    Raises
    ------
    DataError
        The folder does not exist, or has no person in it.
    """
    root = _existing(folder)
    skipped: list[Skipped] = []
    report = on_skipped or skipped.append
    people: dict[str, list[Path]] = {}
    for photo in walk_photos(root, report):
        person, *rest = photo.relative_to(root).parts
        if rest:
            people.setdefault(person, []).append(photo)
        else:
            report(Skipped(photo, "photos outside the people's folders"))
    if not people:
        seen = f" (ignored {summary_of(skipped)})" if skipped else ""
        raise DataError(
            f"no people in {text_of(root)}: it must have one folder of photos per person, PERSON/photo.jpg{seen}"
        )
    for name in _folders(root):
        if name not in people:
            report(Skipped(root / name, "folders without photos"))
    if skipped:
        warnings.warn(f"ignored in {text_of(root)}: {summary_of(skipped)}", FacespaceWarning, stacklevel=2)
    return people


def summary_of(skipped: Sequence[Skipped]) -> str:
    """Summarise ignored entries: counts by reason, with the first few names of each."""
    counts = Counter(entry.reason for entry in skipped)
    parts = []
    for reason, count in counts.most_common():
        names = [text_of(entry.path.name) for entry in skipped if entry.reason == reason][:NAMED]
        parts.append(f"{count:,} {reason} ({', '.join(names)}{', ...' if count > NAMED else ''})")
    return "; ".join(parts)


def mark_as_output(folder: Path) -> None:
    """Mark a folder as output of this package, so that later walks of a parent folder ignore it."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / MARKER).write_text("Written by facespace. Photos in this folder are ignored when the parent is read.\n")


def is_output(folder: Path) -> bool:
    """Whether a folder was marked by `mark_as_output`."""
    return (folder / MARKER).is_file()


def natural(name: str) -> list[tuple[int, int | str]]:
    """Sort key for names in natural order: numbers by value, letters ignoring case."""
    parts = re.split(r"(\d+)", name.casefold())
    return [(0, int(part)) if part.isdecimal() else (1, part) for part in parts if part]


@dataclass
class _Walk:
    """A walk under one folder, with the device and inode numbers of what it has visited."""

    root: Path
    on_skipped: OnSkipped
    met: set[tuple[int, int]]

    def walk(self, folder: Path, top: bool = False) -> Iterator[Path]:
        try:
            with os.scandir(folder) as entries:
                names = sorted((entry.name for entry in entries), key=natural)
        except OSError as error:
            if top:
                raise DataError(f"{text_of(folder)} cannot be read ({error.strerror}); check its permissions") from None
            self._pass(folder, f"folders that cannot be read: {error.strerror}")
            return
        if not top and MARKER in names:
            self._pass(folder, "folders that facespace wrote")
            return
        # All names first, then photos and subfolders in one sorted order.
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
            self._pass(path, "broken links" if loop else f"entries that cannot be read: {error.strerror}")
            return
        number = (status.st_dev, status.st_ino)
        if stat.S_ISDIR(status.st_mode):
            if lies_in_root or number in self.met:
                self._pass(path, "links to folders that are searched already")
                return
            self.met.add(number)
            yield from self.walk(path)
        elif path.suffix.lower() not in EXTENSIONS:
            self._pass(path, f"{path.suffix.lower()} files" if path.suffix else "files without a suffix")
        elif not stat.S_ISREG(status.st_mode):
            self._pass(path, "entries that are not files")
        elif lies_in_root or number in self.met:
            self._pass(path, "links to photos that are included already")
        else:
            if linked:
                self.met.add(number)
            yield path

    def _pass(self, path: Path, reason: str) -> None:
        self.on_skipped(Skipped(path, reason))


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
    raise DataError(f"{text_of(root)} {what}; give a folder of photos")
