"""Read text files written by hand, in the encodings that editors use."""

import codecs
import os
import tomllib
from pathlib import Path
from typing import Any


def read_text(path: str | os.PathLike[str]) -> str:
    """Read a text file: UTF-8 with or without a byte-order mark, or UTF-16 with one.

    Raises
    ------
    OSError
        The file cannot be read.
    UnicodeDecodeError
        The file has another encoding.
    """
    content = Path(path).read_bytes()
    if content.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return content.decode("utf-16")
    return content.decode("utf-8-sig")


def read_toml(path: str | os.PathLike[str]) -> dict[str, Any]:
    """Read a TOML file.

    Raises
    ------
    OSError, UnicodeDecodeError
        As for `read_text`.
    tomllib.TOMLDecodeError
        The file is not TOML. The message says where, and explains Windows paths if a backslash may be the cause.
    """
    text = read_text(path)
    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        backslash = any("\\" in line.partition("#")[0] for line in text.splitlines())
        raise tomllib.TOMLDecodeError(f"{error}{'; ' + BACKSLASHES if backslash else ''}") from None


def slashed(name: str) -> str:
    r"""Return a photo's name with forward slashes: PERSON\photo.jpg becomes PERSON/photo.jpg."""
    return name.replace("\\", "/").removeprefix("./")


# How to write a Windows path in TOML.
BACKSLASHES = (
    "a backslash in double quotes begins an escape: write a path in single quotes, 'C:\\faces', or with forward "
    'slashes, "C:/faces"'
)
