"""Protocols by name, for the command line."""

import os
from collections.abc import Sequence

from facespace.errors import DataError
from facespace.evaluate.photos import Photos, open_photos
from facespace.evaluate.protocols.folder import (
    closed_set,
    groups_of_people,
    listed_search,
    open_set,
    pairs_of_people,
    people,
)
from facespace.evaluate.protocols.insightface import insightface_bin
from facespace.evaluate.protocols.lfw import lfw, lfw_dev
from facespace.evaluate.protocols.pair_list import pair_list
from facespace.evaluate.protocols.protocol import Protocol
from facespace.validation import nearest_name

NAMES = ("people", "folder", "lfw", "lfw-dev", "pairs", "bin", "closed-set", "open-set", "search", "clustering")

# List files that a protocol needs in addition to photos, in order.
_LISTS = {
    "lfw": ("pairs.txt",),
    "lfw-dev": ("pairsDevTrain.txt", "pairsDevTest.txt"),
    "pairs": ("a CSV file with the columns a, b, same",),
    "bin": ("the .bin file",),
    "search": ("the gallery's CSV file", "the probes' CSV file"),
}


def by_name(
    name: str,
    images: str | os.PathLike[str] | None = None,
    lists: Sequence[str | os.PathLike[str]] = (),
    seed: int = 0,
) -> Protocol:
    """Read a protocol from files.

    Parameters
    ----------
    name : str
        One of `NAMES`.
    images : path or None
        Folder or zip file of photos; None for 'bin', which contains its photos.
    lists : sequence of path
        List files of the protocol.
    seed : int
        Random seed of the split, if the protocol has one.

    Raises
    ------
    DataError
        There is no such protocol, or its files are missing or malformed.
    """
    if name not in NAMES:
        raise DataError(f"unknown protocol {name!r}{nearest_name(name, list(NAMES))}")
    needed = _LISTS.get(name, ())
    if len(lists) != len(needed):
        wanted = " and ".join(f"--pairs FILE ({what})" for what in needed) or "no --pairs"
        raise DataError(f"the protocol {name!r} takes {wanted}, but {len(lists)} were given")
    if name == "bin":
        return insightface_bin(lists[0])
    if images is None:
        raise DataError(f"the protocol {name!r} needs photos: --images FOLDER, or a zip file")
    return _of_photos(name, open_photos(images), lists, seed)


def _of_photos(name: str, photos: Photos, lists: Sequence[str | os.PathLike[str]], seed: int) -> Protocol:
    match name:
        case "lfw":
            return lfw(lists[0], photos)
        case "lfw-dev":
            return lfw_dev(lists[0], lists[1], photos)
        case "pairs":
            return pair_list(lists[0], photos)
        case "search":
            return listed_search(lists[0], lists[1], photos)
        case "closed-set":
            return closed_set(photos, seed)
        case "open-set":
            return open_set(photos, seed)
        case "clustering":
            return groups_of_people(photos)
        case "folder":
            return pairs_of_people(photos)
        case _:
            return people(photos, seed)
