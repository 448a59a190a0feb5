"""How good is a space? Protocols, figures with intervals, the report, and what a distance means."""

from facespace.evaluate.decisions import decide
from facespace.evaluate.grouping import GroupingFigures, bcubed_f, grouping
from facespace.evaluate.identification import (
    IdentificationFigures,
    identification,
    leave_one_out_rank1,
    one_photo_rank1,
)
from facespace.evaluate.intervals import Interval
from facespace.evaluate.pairs import Pairs, all_pairs, identity_folds
from facespace.evaluate.people import Evaluation, PeopleFaces, embed_people, evaluate_people
from facespace.evaluate.results import write_results
from facespace.evaluate.roc import Roc, accuracy, best_threshold, roc
from facespace.evaluate.verification import VerificationFigures, verification

__all__ = [
    "Evaluation",
    "GroupingFigures",
    "IdentificationFigures",
    "Interval",
    "Pairs",
    "PeopleFaces",
    "Roc",
    "VerificationFigures",
    "accuracy",
    "all_pairs",
    "bcubed_f",
    "best_threshold",
    "decide",
    "embed_people",
    "evaluate_people",
    "grouping",
    "identification",
    "identity_folds",
    "leave_one_out_rank1",
    "one_photo_rank1",
    "roc",
    "verification",
    "write_results",
]
