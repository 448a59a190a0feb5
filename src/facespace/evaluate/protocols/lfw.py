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
    """View 2, for final results: the threshold of each fold is chosen on the other folds.

    Setting: unrestricted, with labelled outside data.

    Parameters
    ----------
    pairs : path
        `pairs.txt`: a first line with the number of folds and of pairs of each kind per fold; then for each fold its
        same-person pairs (`NAME i j`) and its different-person pairs (`NAME i OTHER j`), separated by tabs.
    photos : Photos
        Named `NAME/NAME_0001.jpg`.

    Raises
    ------
    DataError
        A line is malformed (the message gives its number), the number of pairs is wrong, or a person is in two folds.
    """
    folds, size, lines = _read(pairs)
    listed = [
        _pair(words, f"{pairs}, line {number}", (at // (2 * size)), at % (2 * size) < size)
        for at, (number, words) in enumerate(lines)
    ]
    if len(listed) != 2 * folds * size:
        raise DataError(
            f"{pairs} announces {folds} folds of {size} + {size} pairs, {2 * folds * size} in total, but contains "
            f"{len(listed)}"
        )
    if folds < 2:
        raise DataError(f"{pairs} has one fold; it needs two or more, since thresholds are chosen on the other folds")
    table = tabulate(listed, str(pairs))
    return Protocol(
        name="lfw",
        words=(
            f"Labeled Faces in the Wild, View 2, unrestricted with labelled outside data: {folds} folds of {size} "
            f"same-person and {size} different-person pairs, {len(table.names):,} photos of {len(table.people):,} "
            "people, no person in two folds. The threshold of a fold is the most accurate one on the other folds; "
            "accuracy is the mean over folds, and its standard error is their standard deviation divided by the square "
            f"root of {folds}. The subject of a photo is the face nearest to its centre. These figures cannot show "
            "whether the network was trained on other photos of the people in LFW."
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
    """View 1, for development: the threshold is chosen on pairsDevTrain.txt and tested on pairsDevTest.txt.

    Parameters
    ----------
    train, test : path
        A first line with the number of pairs of each kind, then pairs as in `pairs.txt`.
    photos : Photos

    Raises
    ------
    DataError
        As for `lfw`; also if a person is in both files.
    """
    listed: list[ListedPair] = []
    for path, fold in ((train, TRAINING), (test, 0)):
        folds, size, lines = _read(path)
        found = [_pair(words, f"{path}, line {n}", fold, at < size) for at, (n, words) in enumerate(lines)]
        if folds != 1 or len(found) != 2 * size:
            raise DataError(f"{path} announces {size} + {size} pairs, but contains {len(found)}")
        listed += found
    table = tabulate(listed, f"{train} and {test}")
    return Protocol(
        name="lfw-dev",
        words=(
            "Labeled Faces in the Wild, View 1 (development): the threshold is the most accurate one on "
            f"{Path(train).name}, tested on {Path(test).name}; no person is in both. Not for final results."
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
    """Read the number of folds, the number of pairs of each kind per fold, and the numbered lines that follow."""
    try:
        lines = read_text(path).splitlines()
    except OSError as error:
        raise DataError(f"cannot read the pairs {path}: {error.strerror}; check the path") from None
    except UnicodeDecodeError:
        raise DataError(f"{path} is not a text file") from None
    head = lines[0].split() if lines else []
    if not 1 <= len(head) <= 2 or not all(word.isdecimal() and int(word) > 0 for word in head):
        raise DataError(
            f"{path}, line 1: expected the number of folds and of pairs of each kind per fold, such as '10 300'"
        )
    folds, size = (int(head[0]), int(head[1])) if len(head) == 2 else (1, int(head[0]))
    numbered = ((n, line.split("\t" if "\t" in line else None)) for n, line in enumerate(lines[1:], 2) if line.strip())
    return folds, size, numbered


def _pair(words: list[str], where: str, fold: int, same: bool) -> ListedPair:
    expected = "NAME i j" if same else "NAME i OTHER j"
    if len(words) != (3 if same else 4):
        raise DataError(f"{where}: expected '{expected}', but found {' '.join(words)!r}")
    name, i, *others, j = words
    other = others[0] if others else name
    if not (i.isdecimal() and j.isdecimal()):
        raise DataError(
            f"{where}: expected '{expected}', but found {' '.join(words)!r}: {i!r} and {j!r} must be numbers"
        )
    if others and other == name:
        raise DataError(f"{where}: expected a different-person pair, but both photos are of {name}")
    return ListedPair(_photo(name, i), _photo(other, j), name, other, fold, where)


def _photo(name: str, number: str) -> str:
    return f"{name}/{name}_{int(number):04d}.jpg"
