"""A cache of decoded faces as one memory-mapped file, so that no epoch waits for decoding.

A cache folder is filled under a temporary name and renamed when it is complete. Its name is a hash of everything that
determines its content, so it never becomes stale and can be deleted at any time.
"""

import hashlib
import json
import os
import shutil
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import numpy as np
from filelock import FileLock
from numpy.typing import NDArray

from facespace.errors import DataError, ImageError
from facespace.processors import available
from facespace.train.data.sources import Entry, Source

# Increase it whenever the same photos would give different pixels.
FORMAT = 1
# Smaller sets are decoded in about a second and are not cached.
IN_MEMORY_BYTES = 64 << 20
_CHUNK = 256

Prepare = Callable[[NDArray[np.uint8]], NDArray[np.uint8]]


class Decoded(NamedTuple):
    """Decoded faces of a source.

    pixels : uint8, shape (entries, h, w, 3); rows of unusable photos have undefined content
    kept : int64, the usable rows, ascending
    left_out : for each unusable photo, the reason
    """

    pixels: NDArray[np.uint8]
    kept: NDArray[np.int64]
    left_out: list[str]


def default_cache() -> Path:
    """Return `facespace/faces` in the user's cache folder ($XDG_CACHE_HOME, or ~/.cache)."""
    base = os.environ.get("XDG_CACHE_HOME")
    return (Path(base) if base else Path.home() / ".cache") / "facespace" / "faces"


def decoded(
    source: Source,
    shape: tuple[int, int],
    prepare: Prepare,
    cache: Path,
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> Decoded:
    """Return all faces of a source, decoded and prepared, from the cache if they are in it.

    Parameters
    ----------
    source : Source
    shape : (height, width) of a prepared face
    prepare : callable
        Maps a photo (h, w, 3) to a face (height, width, 3). Must be determined by `shape` and `source.aligned`; may
        raise ImageError. Called from several threads.
    cache : path
        Folder of caches; nothing is written for small sets.
    progress : callable
        Called with the number of decoded photos and the total.

    Raises
    ------
    DataError
        The cache cannot be written, for lack of space or of permission.
    """
    total = len(source.entries)
    full_shape = (total, *shape, 3)
    if int(np.prod(full_shape)) <= IN_MEMORY_BYTES:
        pixels = np.zeros(full_shape, np.uint8)
        return _result(pixels, _fill(pixels, source, prepare, progress))
    folder = cache / _key(source, shape)
    try:
        cache.mkdir(parents=True, exist_ok=True)
        with _alone(folder.with_suffix(".lock")):
            if not folder.exists():
                _build(folder, full_shape, source, prepare, progress)
        left_out = {int(row): message for row, message in json.loads((folder / "left_out.json").read_text()).items()}
        return _result(np.load(folder / "pixels.npy", mmap_mode="r"), left_out)
    except (OSError, ValueError) as error:
        raise DataError(
            f"cannot cache the decoded faces of {source.where} in {folder} ({error}); they need "
            f"{int(np.prod(full_shape)) >> 20:,} MB: free some disk space, or set XDG_CACHE_HOME to another disk"
        ) from None


def _build(
    folder: Path,
    shape: tuple[int, ...],
    source: Source,
    prepare: Prepare,
    progress: Callable[[int, int], None],
) -> None:
    partial = folder.with_suffix(".partial")
    shutil.rmtree(partial, ignore_errors=True)
    try:
        partial.mkdir()
        path = partial / "pixels.npy"
        pixels = np.lib.format.open_memmap(path, mode="w+", dtype=np.uint8, shape=shape)
        with path.open("r+b") as file:
            # Allocate the space now: a full disk detected later, through the memory map, is a bus error.
            os.posix_fallocate(file.fileno(), 0, path.stat().st_size)
            left_out = _fill(pixels, source, prepare, progress)
            pixels.flush()
            os.fsync(file.fileno())
        (partial / "left_out.json").write_text(json.dumps(left_out))
        partial.rename(folder)
    finally:
        shutil.rmtree(partial, ignore_errors=True)


def _fill(
    pixels: NDArray[np.uint8], source: Source, prepare: Prepare, progress: Callable[[int, int], None]
) -> dict[int, str]:
    """Decode every photo into its row, in parallel; return the reason for each that failed, by row."""
    left_out: dict[int, str] = {}

    def read(row: int, entry: Entry) -> None:
        try:
            photo = source.decode(entry)
        except ImageError as error:
            left_out[row] = str(error)
            return
        try:
            pixels[row] = prepare(photo)
        except ImageError as error:
            left_out[row] = f"{entry.name}: {error}"

    def read_chunk(first: int) -> None:
        for row, entry in enumerate(source.entries[first : first + _CHUNK], start=first):
            read(row, entry)

    total = len(source.entries)
    pool = ThreadPoolExecutor(available())
    try:
        for number, _ in enumerate(pool.map(read_chunk, range(0, total, _CHUNK)), start=1):
            progress(min(number * _CHUNK, total), total)
    finally:
        # When the user interrupts, do not wait for chunks that have not started.
        pool.shutdown(cancel_futures=True)
    return left_out


def _result(pixels: NDArray[np.uint8], left_out: dict[int, str]) -> Decoded:
    kept = np.setdiff1d(np.arange(len(pixels)), np.fromiter(left_out, np.int64))
    return Decoded(pixels, kept, [left_out[row] for row in sorted(left_out)])


def _key(source: Source, shape: tuple[int, int]) -> str:
    digest = hashlib.sha256(json.dumps([FORMAT, source.aligned, *shape]).encode())
    for entry in source.entries:
        digest.update(f"{entry.name}\0{entry.signature}\0".encode(errors="surrogateescape"))
    return digest.hexdigest()[:32]


@contextmanager
def _alone(lock: Path) -> Iterator[None]:
    """Exclude other processes; the lock is released even if its process is killed."""
    with FileLock(lock):
        yield
