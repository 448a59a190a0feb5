"""Claim: with questions ordered by expected gain, few answers bring a clustering close to the truth.

    python benchmarks/cluster_questions.py ../shared/data [--set val] [--most 400]

A simulated user answers from the labels. Orders: by expected gain (ours); by expected gain with a probability that
ignores the sizes of the clusters; by that probability alone; at random among useful questions. Questions are answered
in rounds of 20, and BCubed F is reported after 1, 2, 4... rounds.
"""

import argparse
from pathlib import Path

import numpy as np

from clustering import load
from facespace.album import cut_of
from facespace.clustering.arrange import Constraints, arrange
from facespace.clustering.confidence import Question, questions
from facespace.evaluate.decisions import decide
from facespace.evaluate.metrics.grouping import bcubed_f

ROUND = 20
ORDERS = ("expected gain", "sizes ignored", "probability", "random")


def ordered(asked: list[Question], order: str, rng: np.random.Generator) -> list[Question]:
    if order == "random":
        return [asked[i] for i in rng.permutation(len(asked))]
    return sorted(asked, key=lambda question: -rank(question, order)) if order != "expected gain" else asked


def rank(question: Question, order: str) -> float:
    faces = question.gain / question.probability
    odds = question.probability / (1 - question.probability)
    single = 1 / (1 + odds ** (-1 / np.sqrt(faces)))
    return single * faces if order == "sizes ignored" else single


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path)
    parser.add_argument("--lfw")
    parser.add_argument("--set", default="val")
    parser.add_argument("--most", type=int, default=320)
    options = parser.parse_args()
    cut = cut_of(decide(*load(options.data, "val", None), "validation people"))
    points, people = load(options.data, options.set, options.lfw)
    shown = [0, *(ROUND * 2**power for power in range(20) if ROUND * 2**power <= options.most)]
    print(f"{len(points):,} faces of {people.max() + 1:,} people; BCubed F by number of questions:")
    print(f"{'order':>16} " + " ".join(f"{count:>7}" for count in shown) + "   answered yes")
    for order in ORDERS:
        rng = np.random.default_rng(0)
        together, apart = np.empty((0, 2), np.int64), np.empty((0, 2), np.int64)
        found, yes = {}, 0
        for count in range(0, options.most + 1, ROUND):
            known = Constraints(together, apart, np.full(len(points), -1))
            now = arrange(points, cut, known)
            found[count] = bcubed_f(people, now.labels)
            asked = questions(points, now.labels, cut, now.cut, known, limit=10_000)
            pairs = np.array([(q.a, q.b) for q in ordered(asked, order, rng)[:ROUND]], np.int64).reshape(-1, 2)
            same = people[pairs[:, 0]] == people[pairs[:, 1]]
            yes += int(same.sum()) if count < options.most else 0
            together, apart = np.concatenate([together, pairs[same]]), np.concatenate([apart, pairs[~same]])
        print(f"{order:>16} " + " ".join(f"{found[count]:7.4f}" for count in shown) + f"   {yes}", flush=True)


if __name__ == "__main__":
    main()
