"""Functions on embeddings, in pure numpy: distances, templates, quantisation, thresholds, calibration.

They take arrays and return arrays or frozen records, and raise ValueError for arguments that break their contract.
"""

from facespace.metric.calibration import Calibration, fit_calibration
from facespace.metric.distance import (
    as_embeddings,
    as_point,
    as_points,
    nearest,
    normalise,
    paired_squared_distances,
    squared_distance_blocks,
    squared_distances,
)
from facespace.metric.impostors import Impostors
from facespace.metric.open_set import DUPLICATES, open_set_far
from facespace.metric.quantised import dequantise, quantise
from facespace.metric.template import template
from facespace.metric.threshold import OperatingPoint, rejection_at, threshold_at, val_far
from facespace.metric.verdict import FRRS, PREFERRED_FRR, Decision, Outcome, Verdict, measurable_frr, other_faces

__all__ = [
    "DUPLICATES",
    "FRRS",
    "PREFERRED_FRR",
    "Calibration",
    "Decision",
    "Impostors",
    "OperatingPoint",
    "Outcome",
    "Verdict",
    "as_embeddings",
    "as_point",
    "as_points",
    "dequantise",
    "fit_calibration",
    "measurable_frr",
    "nearest",
    "normalise",
    "open_set_far",
    "other_faces",
    "paired_squared_distances",
    "quantise",
    "rejection_at",
    "squared_distance_blocks",
    "squared_distances",
    "template",
    "threshold_at",
    "val_far",
]
