"""Claim: exact metrics of a million scores take less than a second. Also measures the time of their intervals.

    python benchmarks/evaluation.py

Uses random embeddings of 300 people, about a million pairs. scikit-learn's ROC (roc_curve and auc) is timed on the same
scores in the same run, and must agree. Reports CPU seconds, the median of five.
"""

import time
from collections.abc import Callable

import numpy as np
from sklearn.metrics import auc, roc_curve

from facespace.evaluate import all_pairs, judge, roc, score
from facespace.metric import normalise

PEOPLE, PHOTOS, DIMENSION = 300, 5, 64
REPEATS = 5


def seconds(what: Callable[[], object]) -> float:
    taken = []
    for _ in range(REPEATS):
        started = time.process_time()
        what()
        taken.append(time.process_time() - started)
    return float(np.median(taken))


def main() -> None:
    rng = np.random.default_rng(0)
    people = np.repeat(np.arange(PEOPLE), PHOTOS)
    centres = rng.normal(size=(PEOPLE, DIMENSION))[people]
    pairs = all_pairs(people)
    scored = score(normalise(centres + rng.normal(size=centres.shape)), people, pairs)
    folds = rng.integers(0, 5, PEOPLE)
    of = (folds[scored.first], folds[scored.second])

    def figures(rounds: int) -> object:
        return judge(scored, pairs, of, range(5), rounds=rounds)

    def by_scikit_learn() -> float:
        far, val, _ = roc_curve(scored.same, -scored.distances)
        return float(auc(far, val))

    ours = roc(scored.genuine, scored.impostor)
    print(f"{len(pairs):,} pairs; area {ours.auc:.9f}, by scikit-learn {by_scikit_learn():.9f}")
    mine = seconds(lambda: roc(scored.genuine, scored.impostor).auc)
    theirs = seconds(by_scikit_learn)
    print(f"exact ROC and area: {mine:.2f} s, scikit-learn {theirs:.2f} s, ratio {theirs / mine:.1f}")
    print(f"all verification metrics with five folds, without intervals: {seconds(lambda: figures(1)):.2f} s")
    started = time.process_time()
    figures(1000)
    print(f"with intervals by 1,000 bootstrap rounds: {time.process_time() - started:.1f} s")


if __name__ == "__main__":
    main()
