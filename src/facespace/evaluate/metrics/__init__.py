"""Metrics computed from distances, each with a confidence interval over identities."""

from facespace.evaluate.metrics.compare import Difference, compare
from facespace.evaluate.metrics.grouping import GroupingFigures, bcubed_f, grouping
from facespace.evaluate.metrics.identification import (
    IdentificationFigures,
    Searches,
    identification,
    leave_one_out_rank1,
    search,
    templates_of,
)
from facespace.evaluate.metrics.intervals import Interval, over_identities
from facespace.evaluate.metrics.pairs import Pairs, ScoredPairs, all_pairs, identity_folds, sampled_pairs, score
from facespace.evaluate.metrics.reliability import Reliability, reliability
from facespace.evaluate.metrics.roc import Roc, accuracy, best_threshold, roc
from facespace.evaluate.metrics.verification import FARS, VerificationFigures, judge, val_name, verification

__all__ = [
    "FARS",
    "Difference",
    "GroupingFigures",
    "IdentificationFigures",
    "Interval",
    "Pairs",
    "Reliability",
    "Roc",
    "ScoredPairs",
    "Searches",
    "VerificationFigures",
    "accuracy",
    "all_pairs",
    "bcubed_f",
    "best_threshold",
    "compare",
    "grouping",
    "identification",
    "identity_folds",
    "judge",
    "leave_one_out_rank1",
    "over_identities",
    "reliability",
    "roc",
    "sampled_pairs",
    "score",
    "search",
    "templates_of",
    "val_name",
    "verification",
]
