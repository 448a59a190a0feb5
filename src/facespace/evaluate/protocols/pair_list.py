"""A protocol with pairs from a CSV file."""

import os
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from facespace.errors import DataError
from facespace.evaluate.photos import Photos
from facespace.evaluate.protocols.protocol import ListedPair, Protocol, connected, tabulate
from facespace.evaluate.table import Row, read_table

_TRUE, _FALSE = {"1", "true", "yes", "same"}, {"0", "false", "no", "different"}


def pair_list(path: str | os.PathLike[str], photos: Photos, folds: int = 10) -> Protocol:
    """Read labelled pairs of photos.

    Parameters
    ----------
    path : path
        A CSV file with the columns `a` and `b` (photos) and `same` (1 or 0). Optional: `fold` (a number; a person may
        be in one fold only), `person_a` and `person_b`. Without names, photos linked by a chain of same-person pairs
        are of one person.
    photos : Photos
    folds : int
        Number of folds if the file has no column `fold`. People who occur in a pair stay in one fold, and each fold has
        both kinds of pairs, so there may be fewer.

    Raises
    ------
    DataError
        A column is missing, a line is malformed, a pair occurs twice, or the names contradict the pairs.
    """
    table = read_table(path, ("a", "b", "same"))
    rows, named, folded = table.rows, {"person_a", "person_b"} <= set(table.columns), "fold" in table.columns
    if named:
        for row in rows:
            if (row["person_a"] == row["person_b"]) != _same(row):
                raise DataError(f"{row.where}: same={row['same']} contradicts {row['person_a']} and {row['person_b']}")
        owner = {row[side]: row[f"person_{side}"] for row in rows for side in "ab"}
    else:
        of = connected((row["a"], row["b"]) for row in rows if _same(row))
        owner = {row[side]: str(of(row[side])) for row in rows for side in "ab"}
        for row in rows:
            if not _same(row) and owner[row["a"]] == owner[row["b"]]:
                raise DataError(
                    f"{row.where}: {row['a']} and {row['b']} are labelled as different people, but a chain of "
                    "same-person pairs links them"
                )
    fold_of = None if folded else _fold_of(rows, owner, folds)
    listed = [
        ListedPair(
            row["a"], row["b"],
            row["person_a"] if named else owner[row["a"]], row["person_b"] if named else owner[row["b"]],
            _number(row) if fold_of is None else fold_of[owner[row["a"]]],
            row.where,
        )
        for row in rows
    ]  # fmt: skip
    numbers = sorted({pair.fold for pair in listed})
    renumbered = {fold: at for at, fold in enumerate(numbers)}
    listed = [ListedPair(p.first, p.second, p.person, p.other, renumbered[p.fold], p.where) for p in listed]
    tabulated = tabulate(listed, str(path))
    if len(numbers) < 2:
        raise DataError(
            f"the pairs of {path} cannot be split into two or more folds of different people with both kinds of pairs: "
            f"there are {sum(_same(row) for row in rows)} same-person and {sum(not _same(row) for row in rows)} "
            "different-person pairs, and people who occur in a pair must be in one fold. Thresholds must be chosen on "
            "other people, so add or remove pairs, or add a column 'fold'"
        )
    source = "named in the file" if named else "given by chains of same-person pairs"
    return Protocol(
        name="pairs",
        words=(
            f"The pairs of {Path(path).name}: {int(sum(_same(row) for row in rows)):,} of one person, "
            f"{sum(not _same(row) for row in rows):,} of different people; people are {source}. {len(numbers)} folds "
            f"({'from the file' if folded else 'of disjoint people, of similar size'}); the threshold of a fold is the "
            "most accurate one on the others."
        ),
        photos=photos,
        names=tabulated.names,
        people=tuple(map(str, tabulated.people)),
        labels=tabulated.labels,
        verify=tabulated.trials,
        notes=tabulated.notes,
    )


def _same(row: Row) -> bool:
    text = row["same"].strip().lower()
    if text not in _TRUE | _FALSE:
        raise DataError(f"{row.where}: same is {row['same']!r}; it must be 1 or 0")
    return text in _TRUE


def _number(row: Row) -> int:
    try:
        return int(row["fold"])
    except ValueError:
        raise DataError(f"{row.where}: fold is {row['fold']!r}; it must be a number") from None


@dataclass(frozen=True)
class _Component:
    """People connected by pairs, who must be in one fold.

    root : one of them, as the representative
    name : the first of their photos by name, independent of the order of the file
    same, different : their numbers of pairs of each kind
    """

    root: Hashable
    name: str
    same: int
    different: int


def _fold_of(rows: Sequence[Row], owner: Mapping[str, str], limit: int) -> dict[Hashable, int]:
    """Assign a fold to each person: connected people stay together, and both kinds of pairs are spread evenly.

    Makes as many folds, up to `limit`, as can each have both kinds of pairs; one if not even two can. The order of the
    rows does not matter.
    """
    group = connected((owner[row["a"]], owner[row["b"]]) for row in rows)
    listed: dict[Hashable, list[Row]] = {}
    for row in rows:
        listed.setdefault(group(owner[row["a"]]), []).append(row)
    components = [
        _Component(
            root,
            min(row[side] for row in own for side in "ab"),
            sum(_same(row) for row in own),
            sum(not _same(row) for row in own),
        )
        for root, own in listed.items()
    ]
    components.sort(key=lambda each: (-each.same - each.different, each.name))
    for folds in range(min(limit, len(components)), 1, -1):
        assigned = _assigned(components, folds)
        if assigned is not None:
            break
    else:
        assigned = dict.fromkeys(listed, 0)
    return {person: assigned[group(person)] for person in owner.values()}


def _assigned(components: Sequence[_Component], folds: int) -> dict[Hashable, int] | None:
    """Assign groups to folds greedily, the largest first; None if a fold lacks one kind of pairs."""
    all_same = max(1, sum(each.same for each in components))
    all_different = max(1, sum(each.different for each in components))
    same, different = [0] * folds, [0] * folds
    fold: dict[Hashable, int] = {}
    for each in components:

        def load(at: int, each: _Component = each) -> tuple[float, float]:
            # Growth of the sum of the squared shares of both kinds, without terms common to all folds.
            grows = each.same * same[at] / all_same**2 + each.different * different[at] / all_different**2
            return grows, same[at] / all_same + different[at] / all_different

        chosen = min(range(folds), key=load)
        fold[each.root] = chosen
        same[chosen] += each.same
        different[chosen] += each.different
    return fold if all(same) and all(different) else None
