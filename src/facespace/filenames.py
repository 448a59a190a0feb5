"""Convert file names to text that can be stored anywhere, and back.

A file name need not be UTF-8: Python represents invalid bytes as lone surrogates, which files, databases and JSON
parsers reject. As text, such a byte is written `\\xHH`. If a name contains these four characters itself, its backslash
is written `\\x5c`, so the conversion is unambiguous in both directions.
"""

import os
import re

_SURROGATE = re.compile("[\ud800-\udfff]")
_LOOKS_ESCAPED = re.compile(r"\\(?=x[0-9a-f]{2})")
_ESCAPED = re.compile(r"\\x([0-9a-f]{2})")
# Control characters that move the cursor, ring the bell or reorder text: C0, DEL, C1, line separators, bidirectional.
_CONTROLS = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029\u200e\u200f\u202a-\u202e\u2066-\u2069]")


def text_of(path: str | os.PathLike[str]) -> str:
    """Convert a path to text; names in UTF-8 do not change."""
    name = os.fspath(path)
    if os.sep == "/":
        name = _LOOKS_ESCAPED.sub(r"\\x5c", name)
    return _SURROGATE.sub(_escaped, name)


def path_of(text: str) -> str:
    """Convert text from `text_of` back to the path."""
    if os.sep != "/":
        return text
    return _ESCAPED.sub(lambda match: os.fsdecode(bytes.fromhex(match[1])), text)


def printable(text: str, keep: str = "") -> str:
    """Escape control characters, except those in `keep`, and lone surrogates, to print text on a terminal."""
    shown = _CONTROLS.sub(lambda match: match[0] if match[0] in keep else _escape_of(match[0]), text)
    return _SURROGATE.sub(_escaped, shown)


def writable(text: str) -> str:
    """Escape lone surrogates, as in names that are not UTF-8, so that the text can be written to any file."""
    return _SURROGATE.sub(_escaped, text)


def _escaped(match: re.Match[str]) -> str:
    return _escape_of(match[0])


def _escape_of(letter: str) -> str:
    number = ord(letter)
    if 0xDC80 <= number <= 0xDCFF:
        number -= 0xDC00
    return f"\\x{number:02x}" if number < 0x100 else f"\\u{number:04x}"
