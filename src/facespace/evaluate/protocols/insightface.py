"""Verification sets in the .bin format of the insightface project: lfw.bin, cfp_fp.bin, agedb_30.bin.

Such a file is a pickle of two lists: the encoded photos of all pairs in order, and whether each pair shows one person.
Unpickling a file can run arbitrary code, so it is never unpickled. Its instructions are parsed by pickletools, and only
those that build lists of bytes and booleans are executed; any other instruction is an error.
"""

import os
import pickletools
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from facespace.errors import DataError
from facespace.evaluate.photos import InMemoryPhotos
from facespace.evaluate.protocols.protocol import ListedPair, Protocol, connected, tabulate

FOLDS = 10

_MARK = object()
# Python 3 writes bytes in protocol 2 as a call of this function with text.
_ENCODE = "_codecs encode"


def insightface_bin(path: str | os.PathLike[str], folds: int = FOLDS) -> Protocol:
    """Read the pairs of a .bin file, in the usual folds of consecutive pairs.

    Parameters
    ----------
    path : path
    folds : int

    Raises
    ------
    DataError
        The file is not in this format, or contains instructions that lists of photos do not need.
    """
    photos, same = _contents(path)
    # Equal bytes are one photo. The file does not name people: photos linked by same-person pairs are one person.
    first_of: dict[bytes, str] = {}
    width = len(str(len(photos)))
    names = [first_of.setdefault(photo, f"photo {at:0{width}d}") for at, photo in enumerate(photos)]
    of = connected((names[2 * at], names[2 * at + 1]) for at in range(len(same)) if same[at])
    notes = []
    listed, doubled, contradicted = [], 0, 0
    seen: set[frozenset[str]] = set()
    for at, truth in enumerate(same):
        first, second = names[2 * at], names[2 * at + 1]
        pair = frozenset((first, second))
        doubled += pair in seen or len(pair) == 1
        contradicted += not truth and len(pair) == 2 and of(first) == of(second)
        if pair in seen or len(pair) == 1 or (not truth and of(first) == of(second)):
            continue
        seen.add(pair)
        fold = at * folds // len(same)
        listed.append(ListedPair(first, second, of(first), of(second), fold, f"{path}, pair {at + 1}"))
    if doubled:
        notes.append(f"{doubled} pairs are duplicates or pair a photo with itself and were left out")
    if contradicted:
        notes.append(f"{contradicted} different-person pairs contradict same-person pairs and were left out")
    table = tabulate(listed, str(path), folds_share_people=True)
    return Protocol(
        name="bin",
        words=(
            f"The pairs of {Path(path).name}: {len(listed):,} pairs in {folds} folds of consecutive pairs; the "
            "threshold of a fold is the most accurate one on the others. The file does not name people, so photos "
            "linked by same-person pairs count as one person, and intervals may be slightly too narrow."
        ),
        photos=InMemoryPhotos({name: photo for photo, name in first_of.items()}, str(path)),
        names=table.names,
        people=tuple(map(str, table.people)),
        labels=table.labels,
        verify=table.trials,
        notes=(*notes, *table.notes),
    )


def _contents(path: str | os.PathLike[str]) -> tuple[list[bytes], list[bool]]:
    try:
        content = Path(path).read_bytes()
    except OSError as error:
        raise DataError(f"cannot read {path}: {error.strerror}; check the path") from None
    try:
        value = _value(pickletools.genops(content), str(path))
    except (ValueError, IndexError, KeyError, AttributeError, TypeError) as error:
        raise DataError(f"{path} is not a verification set (.bin): {error}") from None
    if not (isinstance(value, tuple | list) and len(value) == 2 and all(isinstance(part, list) for part in value)):
        raise DataError(f"{path} is not a verification set (.bin): it must contain a list of photos and one of labels")
    photos, same = value
    if len(photos) != 2 * len(same) or not same or not all(isinstance(photo, bytes) for photo in photos):
        raise DataError(f"{path}: {len(photos)} photos for {len(same)} pairs; there must be two per pair, as bytes")
    if not all(isinstance(truth, bool | int) for truth in same):
        raise DataError(f"{path}: the second list must say for each pair whether it shows one person")
    return photos, [bool(truth) for truth in same]


def _value(instructions: Iterator[tuple[Any, Any, Any]], where: str) -> Any:
    """Execute the instructions that plain data needs."""
    stack: list[Any] = []
    memo: dict[int, Any] = {}

    def since_mark() -> list[Any]:
        at = max((at for at, item in enumerate(stack) if item is _MARK), default=-1)
        if at < 0:
            raise ValueError("it closes a list that it did not open")
        taken = stack[at + 1 :]
        del stack[at:]
        return taken

    for instruction, argument, _ in instructions:
        match instruction.name:
            case "PROTO" | "FRAME":
                pass
            case "STOP":
                return stack.pop()
            case "MARK":
                stack.append(_MARK)
            case "BINBYTES" | "SHORT_BINBYTES" | "BINBYTES8" | "INT" | "BININT" | "BININT1" | "BININT2" | "LONG1":
                stack.append(argument)
            case "BINUNICODE" | "SHORT_BINUNICODE" | "BINUNICODE8" | "UNICODE":
                stack.append(argument)
            case "STRING" | "BINSTRING" | "SHORT_BINSTRING":
                # Byte strings of Python 2; pickletools decodes them as latin-1.
                stack.append(argument.encode("latin-1"))
            case "NEWTRUE" | "NEWFALSE":
                stack.append(instruction.name == "NEWTRUE")
            case "EMPTY_LIST":
                stack.append([])
            case "EMPTY_TUPLE":
                stack.append(())
            case "LIST":
                stack.append(since_mark())
            case "TUPLE":
                stack.append(tuple(since_mark()))
            case "TUPLE1" | "TUPLE2" | "TUPLE3":
                count = int(instruction.name[-1])
                stack[-count:] = [tuple(stack[-count:])]
            case "APPEND":
                item = stack.pop()
                stack[-1].append(item)
            case "APPENDS":
                items = since_mark()
                stack[-1].extend(items)
            case "PUT" | "BINPUT" | "LONG_BINPUT":
                memo[argument] = stack[-1]
            case "MEMOIZE":
                memo[len(memo)] = stack[-1]
            case "GET" | "BINGET" | "LONG_BINGET":
                stack.append(memo[argument])
            case "GLOBAL" if argument == _ENCODE:
                stack.append(_ENCODE)
            case "REDUCE" if len(stack) > 1 and stack[-2] is _ENCODE:
                text, encoding = stack.pop()
                if encoding != "latin1":
                    raise ValueError(f"bytes written in {encoding!r}")
                stack[-1] = text.encode("latin-1")
            case other:
                raise DataError(
                    f"{where} contains the pickle instruction {other}, which lists of photos do not need; for your "
                    "safety it was not run, and the file was not read"
                )
    raise ValueError("it ends early")
