"""The protocols of Labeled Faces in the Wild: View 2 (pairs.txt) and View 1 (pairsDevTrain.txt, pairsDevTest.txt).

Huang, Ramesh, Berg, Learned-Miller, Labeled Faces in the Wild, 2007; its results page names the settings.
"""

import os
from collections.abc import Iterator
from pathlib import Path

from facespace.errors import DataError
from facespace.evaluate.photos import Photos
from facespace.evaluate.protocols.protocol import TRAINING, ListedPair, Protocol, tabulate
from facespace.textfile import read_text


def lfw(pairs: str | os.PathLike[str], photos: Photos) -> Protocol:
    """View 2: folds of same-person and different-person pairs, the threshold for each chosen on the others.

    Setting: unrestricted, with labelled outside data.

    Parameters
    ----------
    pairs : path
        `pairs.txt`: a first line with the number of folds and of pairs of each kind in a fold; then for each fold its
        same-person pairs (`NAME i j`) and its different-person pairs (`NAME i OTHER j`), tabs between.
    photos : Photos
        `NAME/NAME_0001.jpg`.

    Raises
    ------
    DataError
        A line is malformed (the message says which), pairs are missing or too many, or a person is in two folds.
    """
    folds, size, lines = _read(pairs)
    listed = [
        _pair(words, f"{pairs}, line {number}", (at // (2 * size)), at % (2 * size) < size)
        for at, (number, words) in enumerate(lines)
    ]
    if len(listed) != 2 * folds * size:
        raise DataError(
            f"{pairs} promises {folds} folds of {size} + {size} pairs, {2 * folds * size} in all, and lists "
            f"{len(listed)}"
        )
    if folds < 2:
        raise DataError(f"{pairs} has one fold; a fold's threshold is chosen on the others, so it needs two or more")
    table = tabulate(listed, str(pairs))
    return Protocol(
        name="lfw",
        words=(
            f"Labeled Faces in the Wild, View 2, unrestricted with labelled outside data: {folds} folds of {size} "
            f"same-person and {size} different-person pairs, {len(table.names):,} photos of {len(table.people):,} "
            "people, nobody in two folds. The threshold for a fold is the one most accurate on the other folds; "
            f"accuracy is the mean over folds, its standard error their standard deviation over root {folds}. "
            "A photo's subject is the face nearest to its middle. Whether the network was trained on other photos of "
            "people of LFW, these figures cannot tell."
        ),
        photos=photos,
        names=table.names,
        people=tuple(map(str, table.people)),
        labels=table.labels,
        verify=table.trials,
        central=True,
        notes=table.notes,
    )


def lfw_dev(train: str | os.PathLike[str], test: str | os.PathLike[str], photos: Photos) -> Protocol:
    """View 1, for development: the threshold is chosen on pairsDevTrain.txt and judged on pairsDevTest.txt.

    Parameters
    ----------
    train, test : paths
        A first line with the number of pairs of each kind, then pairs as in `pairs.txt`.
    photos : Photos

    Raises
    ------
    DataError
        As for `lfw`; a person in both files is an error too.
    """
    listed: list[ListedPair] = []
    for path, fold in ((train, TRAINING), (test, 0)):
        folds, size, lines = _read(path)
        found = [_pair(words, f"{path}, line {n}", fold, at < size) for at, (n, words) in enumerate(lines)]
        if folds != 1 or len(found) != 2 * size:
            raise DataError(f"{path} promises {size} + {size} pairs and lists {len(found)}")
        listed += found
    table = tabulate(listed, f"{train} and {test}")
    return Protocol(
        name="lfw-dev",
        words=(
            "Labeled Faces in the Wild, View 1 (development): the threshold is the one most accurate on "
            f"{Path(train).name}, judged on {Path(test).name}; nobody is in both. Not for final figures."
        ),
        photos=photos,
        names=table.names,
        people=tuple(map(str, table.people)),
        labels=table.labels,
        verify=table.trials,
        central=True,
        notes=table.notes,
    )


def _read(path: str | os.PathLike[str]) -> tuple[int, int, Iterator[tuple[int, list[str]]]]:
    """Folds, pairs of each kind in a fold, and the lines that follow with their numbers."""
    try:
        lines = read_text(path).splitlines()
    except OSError as error:
        raise DataError(f"cannot read the pairs {path}: {error.strerror}; check the path") from None
    except UnicodeDecodeError:
        raise DataError(f"{path} is not a text file") from None
    head = lines[0].split() if lines else []
    if not 1 <= len(head) <= 2 or not all(word.isdecimal() and int(word) > 0 for word in head):
        raise DataError(
            f"{path}, line 1: it must hold the number of folds and of pairs of each kind in a fold, such as '10 300'"
        )
    folds, size = (int(head[0]), int(head[1])) if len(head) == 2 else (1, int(head[0]))
    numbered = ((n, line.split("\t" if "\t" in line else None)) for n, line in enumerate(lines[1:], 2) if line.strip())
    return folds, size, numbered


def _pair(words: list[str], where: str, fold: int, same: bool) -> ListedPair:
    expected = "NAME i j" if same else "NAME i OTHER j"
    if len(words) != (3 if same else 4):
        raise DataError(f"{where}: {' '.join(words)!r} is not of the form '{expected}' that is due here")
    name, i, *others, j = words
    other = others[0] if others else name
    if not (i.isdecimal() and j.isdecimal()):
        raise DataError(
            f"{where}: {' '.join(words)!r} is not of the form '{expected}': {i!r} and {j!r} must be numbers"
        )
    if others and other == name:
        raise DataError(f"{where}: a different-person pair is due here, and both sides are {name}")
    return ListedPair(_photo(name, i), _photo(other, j), name, other, fold, where)


def _photo(name: str, number: str) -> str:
    return f"{name}/{name}_{int(number):04d}.jpg"
