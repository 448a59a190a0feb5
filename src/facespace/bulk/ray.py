"""Distribute a harvest over many machines with Ray Data (extra `ray`); the output is that of one machine."""

import io
import json
import re
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

from facespace.bulk.harvest import Harvest, Source, row_of, write_rows
from facespace.errors import DataError
from facespace.faces import default_finder
from facespace.images import EXTENSIONS, natural
from facespace.rays import require_ray, start_ray
from facespace.space import Space, embedded, load

# Photos per task at most.
BATCH = 32

# Seconds to wait before a photo that could not be read is read again.
PAUSES = (0.5, 2.0, 8.0)


class FindAndEmbed:
    """Function object that each worker runs: names of photos to JSON rows. It opens the model once.

    Parameters
    ----------
    root : path or URI of the folder, as every machine sees it
    model : path of a model file, or None to find faces only
    longest, truncated : as for `Finder`
    """

    def __init__(self, root: str, model: str | None, longest: int | None, truncated: bool = False):
        self._folder = root
        self._files, self._root = _filesystem(root)
        # Each worker is a process with one core; the parallelism comes from their number.
        self._space = None if model is None else load(model, threads=1)
        self._finder = replace(
            self._space.finder if self._space else default_finder(), longest=longest, truncated=truncated
        )

    def __call__(self, batch: dict[str, Any]) -> dict[str, list[str]]:
        """Make the rows of a batch of names, in order."""
        read = [self._read(str(name)) for name in batch["name"]]
        sources = [Source(str(name), content) for name, (content, _) in zip(batch["name"], read, strict=True)]
        found = self._finder.find_all([source.photo for source in sources])
        points = (points for _, points in embedded(self._space, found)) if self._space else (None for _ in found)
        rows = [row_of(source, one, point) for source, one, point in zip(sources, found, points, strict=True)]
        for row, (_, reason) in zip(rows, read, strict=True):
            if reason is not None:
                row["failure"] = reason
        return {"row": [json.dumps(row) for row in rows]}

    def _read(self, name: str) -> tuple[io.BytesIO, str | None]:
        """Read a photo; returns its bytes, and a reason if it does not exist or must not be read.

        Any other failure, such as a network that is down, is not the photo's fault. It is retried, and then stops the
        run, which can be continued; otherwise good photos would be left out.
        """
        content, reason = io.BytesIO(), None
        content.name = f"{self._folder}/{name}"
        for pause in (*PAUSES, None):
            try:
                with self._files.open_input_stream(f"{self._root}/{name}") as file:
                    content.write(file.read())
                content.seek(0)
                break
            except OSError as error:
                if isinstance(error, FileNotFoundError | PermissionError) or "ACCESS_DENIED" in str(error):
                    reason = f"cannot read {content.name}: {error.strerror or error}"
                    break
                content.seek(0)
                content.truncate()
                if pause is None:
                    raise DataError(
                        f"cannot read {content.name}, tried {len(PAUSES) + 1} times: {error}; check the storage and "
                        "the network, then run the same command again to continue"
                    ) from None
                time.sleep(pause)
        return content, reason


def harvest_with_ray(
    folder: str,
    out: str | Path,
    model: str | Path | None = None,
    longest: int | None = None,
    workers: int | None = None,
    on_photo: Callable[[dict[str, Any]], None] = lambda row: None,
    truncated: bool = False,
) -> Harvest:
    """Find (and embed) the faces of a folder with Ray, on this machine or on the cluster that Ray is connected to.

    Parameters
    ----------
    folder : path or URI (s3://, gs://)
        Accessible from every machine.
    out, on_photo
        As for `harvest`: the same rows in the same order, and it can be continued in the same way.
    model : path or None
        A model file that every machine can read.
    longest, truncated
        As for `Finder`.
    workers : int or None
        Processes, one core each; None uses one per core.

    Raises
    ------
    DataError
        The folder does not exist or has no photos; the output exists or was begun with another model; photos could not
        be read after several tries, or machines were lost too often. What was done is kept.
    FacespaceError
        The extra is not installed.
    """
    ray = require_ray()
    names = list(_names(folder))
    if not names:
        raise DataError(f"no photos under {folder}; supported file name suffixes: {', '.join(sorted(EXTENSIONS))}")
    cores = start_ray(ray, workers)
    context = ray.data.DataContext.get_current()
    context.execution_options.preserve_order = True
    context.enable_progress_bars = False
    processes = workers or cores

    def rows(done: set[str]) -> Iterator[dict[str, Any]]:
        left = [{"name": name} for name in names if name not in done]
        if not left:
            return
        found = ray.data.from_items(left, override_num_blocks=-(-len(left) // BATCH)).map_batches(
            FindAndEmbed,
            fn_constructor_args=(folder, None if model is None else str(model), longest, truncated),
            # Each block is a separate task. With a number here Ray would join blocks until they have that many rows.
            batch_size=None,
            concurrency=processes,
            num_cpus=1,
        )
        try:
            for row in found.iter_rows():
                yield json.loads(row["row"])
        except ray.exceptions.RayError as error:
            raise _explained(error) from None

    space: Space | None = None if model is None else load(model, threads=1)
    return write_rows(rows, Path(out), space, on_photo)


def _explained(error: Exception) -> DataError:
    """Turn what stopped the workers into an error for the user."""
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, DataError):
            return DataError(str(cause))
        cause = getattr(cause, "cause", None) or cause.__cause__
    reason = next((line for line in reversed(str(error).splitlines()) if line.strip()), type(error).__name__)
    return DataError(f"the workers stopped: {reason.strip()}; run the same command again to continue")


def _filesystem(root: str) -> tuple[Any, str]:
    from pyarrow import fs

    files, path = fs.FileSystem.from_uri(root if re.match(r"\w+://", root) else Path(root).absolute().as_uri())
    return files, path.rstrip("/")


def _names(root: str) -> Iterator[str]:
    """Photos below a folder, relative to it, in the order of `walk_photos`; hidden files are ignored."""
    from pyarrow import fs

    files, path = _filesystem(root)
    try:
        found = files.get_file_info(fs.FileSelector(path, recursive=True))
    except OSError as error:
        raise DataError(f"{root} cannot be listed: {error}") from None
    names = [info.path[len(path) + 1 :] for info in found if info.type == fs.FileType.File]
    photos = [
        name
        for name in names
        if Path(name).suffix.lower() in EXTENSIONS and not any(part.startswith(".") for part in name.split("/"))
    ]
    return iter(sorted(photos, key=lambda name: [natural(part) for part in name.split("/")]))
