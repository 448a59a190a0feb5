"""Text files that people write by hand, as the programs they use save them."""

import codecs
import os
import tomllib
from pathlib import Path
from typing import Any


def read_text(path: str | os.PathLike[str]) -> str:
    """The text of a file: UTF-8 with or without a byte-order mark, or UTF-16 with one.

    Raises
    ------
    OSError
        The file cannot be read.
    UnicodeDecodeError
        It is in another encoding.
    """
    content = Path(path).read_bytes()
    if content.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return content.decode("utf-16")
    return content.decode("utf-8-sig")


def read_toml(path: str | os.PathLike[str]) -> dict[str, Any]:
    """The values of a TOML file.

    Raises
    ------
    OSError, UnicodeDecodeError
        As for `read_text`.
    tomllib.TOMLDecodeError
        It is not TOML; the message says where, and how to write a Windows path where a backslash may be the reason.
    """
    text = read_text(path)
    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        backslash = any("\\" in line.partition("#")[0] for line in text.splitlines())
        raise tomllib.TOMLDecodeError(f"{error}{'; ' + BACKSLASHES if backslash else ''}") from None


def slashed(name: str) -> str:
    r"""A photo's name with forward slashes, as all its readers have it: PERSON\photo.jpg is PERSON/photo.jpg."""
    return name.replace("\\", "/").removeprefix("./")


# What to do about a Windows path in TOML's double quotes.
BACKSLASHES = (
    "a backslash in double quotes begins an escape: write a path in single quotes, 'C:\\faces', or with forward "
    'slashes, "C:/faces"'
)
