"""An evaluation as a table for people and as plain data for programs."""

import math
from contextlib import suppress
from dataclasses import dataclass

import numpy as np

from facespace.errors import DataError
from facespace.evaluate.answers import Evaluation
from facespace.evaluate.groups import CHILD, CHILDREN, KEY_FAR, GroupFigures
from facespace.evaluate.metrics import Interval, VerificationFigures, val_name


@dataclass(frozen=True)
class FigureRow:
    """A row of the table of figures: value and interval as text, what it was measured on, what it means."""

    name: str
    value: str
    interval: str | None
    of: str
    meaning: str


def intervals(evaluation: Evaluation) -> dict[str, Interval]:
    """Return the figures that have an interval, by their names in figures.json."""
    named: dict[str, Interval] = {}
    v, s, g = evaluation.verification, evaluation.search, evaluation.grouping
    if v is not None:
        named |= {"accuracy": v.accuracy, "auc": v.auc, "equal_error_rate": v.equal_error_rate}
        named |= {val_name(far): val for far, val in v.val.items()}
    if evaluation.rank1 is not None:
        named["rank1"] = evaluation.rank1
    if s is not None:
        named |= {f"rank{k}_enrolled": share for k, share in s.figures.rank.items()}
        if s.figures.fpir is not None:
            named["fpir"] = s.figures.fpir
        if s.figures.fnir is not None:
            named["fnir"] = s.figures.fnir
        named |= {f"fnir_at_fpir_{power(fpir)}": fnir for fpir, fnir in s.figures.fnir_at.items()}
    if g is not None:
        named["bcubed_f"] = g.bcubed_f
    if evaluation.strangers is not None:
        named |= group_intervals(evaluation.strangers)
    return named


def group_intervals(figures: GroupFigures) -> dict[str, Interval]:
    """Return the key figures within groups, by name: thresholds, VAL and the rate for children."""
    named: dict[str, Interval] = {}
    for each in figures.thresholds:
        named[f"worst_group_threshold_at_{power(each.worst.far)}"] = each.worst.threshold
        if each.val is not None:
            named[f"val_at_worst_group_{power(each.worst.far)}"] = each.val
    with suppress(DataError):
        named["children_at_worst_group_" + power(KEY_FAR)] = figures.rate(*CHILDREN)
    return named


def group_figures(figures: GroupFigures) -> dict[str, object]:
    """Return all measurements within groups as plain data; rates are between 0 and 1."""
    return {
        "data": figures.data,
        "by": list(figures.by),
        "faces": figures.faces,
        "calibration_error": figures.calibration_error,
        "thresholds": [
            {
                "far": each.worst.far,
                "threshold": _three(each.worst.threshold),
                "group": each.worst.group,
                "groups": each.worst.groups,
                "val": None if each.val is None else _three(each.val),
            }
            for each in figures.thresholds
        ],
        "at": [{"far": at.far, "threshold": at.threshold, "holds_for": at.holds_for} for at in figures.at],
        "rates": [
            {
                "column": group.column,
                "name": group.name,
                "faces": group.faces,
                "pairs": group.pairs,
                "rates": [_three(rate) for rate in group.rates],
            }
            for group in figures.groups
        ],
    }


def as_figures(evaluation: Evaluation) -> dict[str, object]:
    """Return the evaluation as plain data, by name; rates are between 0 and 1.

    Always present: protocol, model, photos, people, failures, notes, seconds. With verification: accuracy, accuracy_se,
    auc, eer, pairs, val (for each FAR: value, low, high). `intervals` has the low and high end of every figure with an
    interval.
    """
    card, faces = evaluation.space.card, evaluation.faces
    named = intervals(evaluation)
    found: dict[str, object] = {
        "protocol": evaluation.protocol.name,
        "model": {"name": card.name, "version": card.version, "space": card.space_id, "weights": card.weights_sha256},
        "photos": len(faces.names),
        "people": len(evaluation.protocol.people),
        "failures": len(evaluation.failures),
        "centre_crops": faces.how.count("centre-crop"),
    }
    v, s, g = evaluation.verification, evaluation.search, evaluation.grouping
    if v is not None:
        found |= {
            "accuracy": v.accuracy.value,
            "accuracy_se": v.accuracy_se,
            "fold_accuracy": list(v.fold_accuracy),
            "auc": v.auc.value,
            "eer": v.equal_error_rate.value,
            "val": {power(far): [val.value, val.low, val.high] for far, val in v.val.items()},
            "val_unmeasured": {power(far): reason for far, reason in v.unmeasured.items()},
            # The name in earlier versions, until the next release.
            "val_untold": {power(far): reason for far, reason in v.unmeasured.items()},
            "pairs": len(v.pairs),
            "genuine_pairs": len(v.genuine),
            "impostor_pairs": len(v.impostor),
        }
    found |= {
        "at_thresholds": [
            {"far": t.far, "threshold": t.threshold, "fmr": _three(t.fmr), "fnmr": _three(t.fnmr)}
            for t in evaluation.at_thresholds
        ],
    }
    if evaluation.reliability is not None:
        found |= {"calibration_error": evaluation.reliability.error, "brier": evaluation.reliability.brier}
    if s is not None:
        found |= {"mated_probes": s.figures.mated, "strangers_probes": s.figures.strangers}
    if g is not None:
        found |= {
            "groups": g.groups,
            "cut": evaluation.cut,
            "bcubed_precision": g.bcubed_precision,
            "bcubed_recall": g.bcubed_recall,
            "pairwise_precision": g.pairwise_precision,
            "pairwise_recall": g.pairwise_recall,
            "pairwise_f": g.pairwise_f,
            "nmi": g.nmi,
        }
    if evaluation.strangers is not None:
        found["strangers"] = group_figures(evaluation.strangers)
    found |= {name: figure.value for name, figure in named.items()}
    found |= evaluation.extra
    return found | {
        "intervals": {name: [figure.low, figure.high] for name, figure in named.items()},
        "breakdowns": {
            b.title: {
                group.name: {
                    "genuine": group.genuine,
                    "impostor": group.impostor,
                    "fnmr": None if group.fnmr is None else _three(group.fnmr),
                    "fmr": None if group.fmr is None else _three(group.fmr),
                }
                for group in b.groups
            }
            for b in evaluation.breakdowns
        },
        "notes": list(evaluation.notes),
        "failed": [{"photo": failure.name, "why": failure.message} for failure in evaluation.failures],
        "embed_seconds": evaluation.embed_seconds,
        "embedded": faces.embedded,
        "seconds": evaluation.seconds,
    }


def figure_rows(evaluation: Evaluation) -> list[FigureRow]:
    """Return the rows of the table of figures."""
    found: list[FigureRow] = []
    people = evaluation.protocol.people
    photos = f"{len(evaluation.faces.names):,} photos of {len(people):,} people"
    if evaluation.verification is not None:
        found += _verification_rows(evaluation.verification)
    if evaluation.rank1 is not None:
        found.append(
            _row("rank-1, leave one out", evaluation.rank1, photos, "nearest other photo is of the same person")
        )
    if evaluation.search is not None:
        found += _search_rows(evaluation)
    if evaluation.grouping is not None:
        g = evaluation.grouping
        found.append(
            _row("BCubed F", g.bcubed_f, f"{g.groups:,} clusters for {g.people:,} people", "agreement with the people")
        )
        found.append(FigureRow("pairwise F", f"{g.pairwise_f:.3f}", None, "", "the same by pairs of photos"))
        found.append(FigureRow("NMI", f"{g.nmi:.3f}", None, "", "normalised mutual information"))
    if evaluation.reliability is not None:
        error = evaluation.reliability.error
        found.append(
            FigureRow("calibration error", f"{error:.3f}", None, "all pairs", "mean error of the probabilities")
        )
    if evaluation.strangers is not None:
        found += _group_rows(evaluation.strangers)
    for name, value in evaluation.extra.items():
        found.append(FigureRow(name.replace("_", " "), f"{value:.0f}", None, "", ""))
    return found


def power(far: float) -> str:
    """Format a rate like 1e-2, not like 0.01."""
    return val_name(far).removeprefix("val_at_far_")


def finite(value: object) -> object:
    """Replace NaN and infinite values by None, because JSON does not have them."""
    if isinstance(value, dict):
        return {key: finite(entry) for key, entry in value.items()}
    if isinstance(value, list | tuple):
        return [finite(entry) for entry in value]
    if isinstance(value, np.generic):
        return finite(value.item())
    return None if isinstance(value, float) and not math.isfinite(value) else value


def _verification_rows(v: VerificationFigures) -> list[FigureRow]:
    pairs = f"{len(v.genuine):,} genuine, {len(v.impostor):,} impostor pairs"
    error = f" ± {v.accuracy_se:.4f}" if math.isfinite(v.accuracy_se) else ""
    return [
        FigureRow(
            "accuracy",
            f"{v.accuracy.value:.4f}{error}",
            _between(v.accuracy),
            f"{len(v.fold_accuracy)} folds",
            "correct decisions, threshold from the other folds; ± standard error over folds",
        ),
        _row("ROC AUC", v.auc, pairs, "probability that a genuine pair is closer than an impostor pair"),
        _row("equal error rate", v.equal_error_rate, pairs, "where FAR and 1 - VAL are equal"),
        *(
            _row(
                f"VAL at FAR {power(far)}",
                val,
                f"{pairs}, {int(far * len(v.impostor) + 1e-9):,} of them accepted",
                "same-person pairs accepted",
            )
            for far, val in v.val.items()
        ),
    ]


def _group_rows(figures: GroupFigures) -> list[FigureRow]:
    found = []
    for each in figures.thresholds:
        rate = power(each.worst.far)
        of = f"{each.worst.groups} groups by {', '.join(figures.by)}; worst: {each.worst.group}"
        found.append(
            _row(f"worst-group threshold, {rate}", each.worst.threshold, of, "no group exceeds this false accept rate")
        )
        if each.val is not None:
            found.append(_row(f"VAL at it, {rate}", each.val, of, "same-person pairs accepted at that threshold"))
    with suppress(DataError):
        children = figures.rate(*CHILDREN)
        found.append(_row(f"children up to {CHILD}", children, f"at {power(KEY_FAR)}", "different children accepted"))
    if figures.calibration_error is not None:
        of = f"strangers of one {', '.join(figures.by)}"
        found.append(FigureRow("calibration error in groups", f"{figures.calibration_error:.3f}", None, of, ""))
    return found


def _search_rows(evaluation: Evaluation) -> list[FigureRow]:
    s = evaluation.search
    assert s is not None
    labels = evaluation.protocol.labels
    known = len(np.unique(labels[s.gallery]))
    strangers = len(np.setdiff1d(labels[s.probes], labels[s.gallery]))
    mated = f"{s.figures.mated:,} photos of {known:,} enrolled"
    others = f"{s.figures.strangers:,} photos of {strangers:,} strangers"
    found = [
        _row(f"rank-{k}", share, mated, "the correct person is " + ("nearest" if k == 1 else f"among the {k} nearest"))
        for k, share in s.figures.rank.items()
    ]
    if s.figures.fpir is not None:
        found.append(_row("FPIR", s.figures.fpir, others, "strangers identified as somebody, at a gallery's threshold"))
    if s.figures.fnir is not None:
        found.append(_row("FNIR", s.figures.fnir, mated, "enrolled people not identified, at a gallery's threshold"))
    return found + [
        _row(f"FNIR at FPIR {power(fpir)}", fnir, f"{mated}, {others}", "enrolled people not identified")
        for fpir, fnir in s.figures.fnir_at.items()
    ]


def _row(name: str, figure: Interval, of: str, meaning: str) -> FigureRow:
    return FigureRow(name, f"{figure.value:.4f}", _between(figure), of, meaning)


def _between(figure: Interval) -> str | None:
    return f"{figure.low:.4f} to {figure.high:.4f}" if math.isfinite(figure.low) else None


def _three(figure: Interval) -> list[float]:
    return [figure.value, figure.low, figure.high]
