"""Evaluate a space: protocols, metrics with confidence intervals, reports, thresholds and calibration."""

from facespace.evaluate import protocols
from facespace.evaluate.answers import Evaluation
from facespace.evaluate.breakdown import Breakdown, Column, read_columns
from facespace.evaluate.cache import EmbeddingCache
from facespace.evaluate.decisions import decide, groups_card, with_calibration_error
from facespace.evaluate.embedding import EmbeddedPhotos, Preparation, embed_photos
from facespace.evaluate.evaluation import data_name, evaluate, verify_embeddings
from facespace.evaluate.figures import as_figures, figure_rows
from facespace.evaluate.grouped_photos import GroupTable, embed_groups, read_groups
from facespace.evaluate.groups import GroupedFaces, GroupFigures, measure_groups, val_at_worst_group
from facespace.evaluate.landmarks import read_landmarks
from facespace.evaluate.metrics import (
    Difference,
    GroupingFigures,
    IdentificationFigures,
    Interval,
    Pairs,
    Reliability,
    Roc,
    ScoredPairs,
    Searches,
    VerificationFigures,
    accuracy,
    all_pairs,
    bcubed_f,
    best_threshold,
    compare,
    grouping,
    identification,
    identity_folds,
    judge,
    leave_one_out_rank1,
    reliability,
    roc,
    sampled_pairs,
    score,
    search,
    verification,
)
from facespace.evaluate.photos import Photos, open_photos
from facespace.evaluate.results import write_results

__all__ = [
    "Breakdown",
    "Column",
    "Difference",
    "EmbeddedPhotos",
    "EmbeddingCache",
    "Evaluation",
    "GroupFigures",
    "GroupTable",
    "GroupedFaces",
    "GroupingFigures",
    "IdentificationFigures",
    "Interval",
    "Pairs",
    "Photos",
    "Preparation",
    "Reliability",
    "Roc",
    "ScoredPairs",
    "Searches",
    "VerificationFigures",
    "accuracy",
    "all_pairs",
    "as_figures",
    "bcubed_f",
    "best_threshold",
    "compare",
    "data_name",
    "decide",
    "embed_groups",
    "embed_photos",
    "evaluate",
    "figure_rows",
    "grouping",
    "groups_card",
    "identification",
    "identity_folds",
    "judge",
    "leave_one_out_rank1",
    "measure_groups",
    "open_photos",
    "protocols",
    "read_columns",
    "read_groups",
    "read_landmarks",
    "reliability",
    "roc",
    "sampled_pairs",
    "score",
    "search",
    "val_at_worst_group",
    "verification",
    "verify_embeddings",
    "with_calibration_error",
    "write_results",
]
