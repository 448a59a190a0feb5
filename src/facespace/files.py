"""Write files so that readers see the old content or the new one, never a part."""

import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path


@contextmanager
def replacing(path: Path, private: bool = False) -> Iterator[Path]:
    """Yield a temporary path in the same folder; the file written there replaces `path` when the block ends.

    If the block raises, `path` stays as it was, and the temporary file is deleted. Several processes may write the same
    path at once; the last one to end wins.

    Parameters
    ----------
    path : Path
        In an existing folder.
    private : bool
        The file is readable by its owner only, from the beginning.

    Raises
    ------
    OSError
        The file cannot be written.
    """
    # The suffix stays, because libraries choose the format by it.
    temporary = path.with_name(f".{path.stem[:40]}.{secrets.token_hex(4)}.part{path.suffix}")
    try:
        if private:
            os.close(os.open(temporary, os.O_CREAT | os.O_WRONLY | os.O_EXCL, 0o600))
        yield temporary
        with temporary.open("rb+") as file:
            os.fsync(file.fileno())
        temporary.replace(path)
    finally:
        with suppress(OSError):
            temporary.unlink(missing_ok=True)
