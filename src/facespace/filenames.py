"""Names of files as text that can be written anywhere, and back.

A file name need not be UTF-8: Python holds bytes that are not as lone surrogates, which no file, database or JSON
parser takes. As text such a byte is written `\\xHH`; a name that holds these four characters itself has its backslash
written `\\x5c`, so every name has one text and every text that was made of a name leads back to it.
"""

import os
import re

_SURROGATE = re.compile("[\ud800-\udfff]")
_LOOKS_ESCAPED = re.compile(r"\\(?=x[0-9a-f]{2})")
_ESCAPED = re.compile(r"\\x([0-9a-f]{2})")
# What moves the cursor, rings or reorders the text around it: C0, DEL, C1, line separators, bidirectional controls.
_CONTROLS = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029\u200e\u200f\u202a-\u202e\u2066-\u2069]")


def text_of(path: str | os.PathLike[str]) -> str:
    """A path as text; UTF-8 names are as they are."""
    name = os.fspath(path)
    if os.sep == "/":
        name = _LOOKS_ESCAPED.sub(r"\\x5c", name)
    return _SURROGATE.sub(_escaped, name)


def path_of(text: str) -> str:
    """The path that `text_of` made a text of."""
    if os.sep != "/":
        return text
    return _ESCAPED.sub(lambda match: os.fsdecode(bytes.fromhex(match[1])), text)


def printable(text: str, keep: str = "") -> str:
    """Text for a terminal: control characters, but for those to keep, and lone surrogates are written as escapes."""
    shown = _CONTROLS.sub(lambda match: match[0] if match[0] in keep else _escape_of(match[0]), text)
    return _SURROGATE.sub(_escaped, shown)


def writable(text: str) -> str:
    """Text that any file takes: lone surrogates, as in names that are not UTF-8, are written as escapes."""
    return _SURROGATE.sub(_escaped, text)


def _escaped(match: re.Match[str]) -> str:
    return _escape_of(match[0])


def _escape_of(letter: str) -> str:
    number = ord(letter)
    if 0xDC80 <= number <= 0xDCFF:
        number -= 0xDC00
    return f"\\x{number:02x}" if number < 0x100 else f"\\u{number:04x}"
