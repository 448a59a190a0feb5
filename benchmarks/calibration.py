"""Compare logistic and isotonic calibration, fitted on some people and tested on others.

Uses ORL faces embedded by a model file (the demo's by default). The ten people not used in the demo's training are
split into two halves, fifty times: one to fit, one to test. Reports the log loss and the calibration error of the
probabilities, with equal total weight of genuine and impostor pairs.

    python benchmarks/calibration.py [MODEL PEOPLE]
"""

import sys

import numpy as np
from sklearn.isotonic import IsotonicRegression

from facespace.evaluate import all_pairs, embed_photos, open_photos, protocols
from facespace.metric import fit_calibration, paired_squared_distances
from facespace.space import load

SPLITS = 50


def weights(same: np.ndarray) -> np.ndarray:
    return np.where(same, 0.5 / same.sum(), 0.5 / (~same).sum())


def log_loss(predicted: np.ndarray, same: np.ndarray) -> float:
    clipped = np.clip(predicted, 1e-3, 1 - 1e-3)
    return float(-weights(same) @ np.where(same, np.log(clipped), np.log(1 - clipped)))


def calibration_error(predicted: np.ndarray, same: np.ndarray) -> float:
    """Expected calibration error over ten bins."""
    w, bins, error = weights(same), np.minimum((predicted * 10).astype(int), 9), 0.0
    for number in np.unique(bins):
        inside = bins == number
        error += abs(w[inside] @ predicted[inside] - w[inside] @ same[inside])
    return error


def main() -> None:
    model, folder = sys.argv[1:] or ("runs/demo/model.onnx", "runs/demo/photos/unseen")
    asked = protocols.people(open_photos(folder))
    faces = embed_photos(load(model), asked.photos, asked.names)
    pairs = all_pairs(asked.labels)
    distances = paired_squared_distances(faces.embeddings[pairs.a], faces.embeddings[pairs.b]).astype(float)
    found: dict[str, list[tuple[float, float]]] = {"logistic": [], "isotonic": []}
    for split in range(SPLITS):
        people = np.random.default_rng(split).permutation(len(asked.people))
        fitted_on = np.isin(np.arange(len(people)), people[: len(people) // 2])
        first, second = fitted_on[asked.labels[pairs.a]], fitted_on[asked.labels[pairs.b]]
        fit, judge = first & second, ~first & ~second
        logistic = fit_calibration(distances[fit & pairs.same], distances[fit & ~pairs.same])
        isotonic = IsotonicRegression(increasing=False, out_of_bounds="clip", y_min=0, y_max=1)
        isotonic.fit(distances[fit], pairs.same[fit], sample_weight=weights(pairs.same[fit]))
        same = pairs.same[judge]
        for name, predicted in (
            ("logistic", logistic.probability(distances[judge])),
            ("isotonic", isotonic.predict(distances[judge])),
        ):
            found[name].append((log_loss(predicted, same), calibration_error(predicted, same)))
    for name, figures in found.items():
        losses, errors = np.array(figures).T
        print(
            f"{name}: log loss {np.median(losses):.3f} (90th percentile {np.quantile(losses, 0.9):.3f}), "
            f"calibration error {np.median(errors):.3f} (90th percentile {np.quantile(errors, 0.9):.3f})"
        )
    wins = np.mean([a < b for (a, _), (b, _) in zip(found["logistic"], found["isotonic"], strict=True)])
    print(f"logistic has the lower log loss in {wins:.0%} of {SPLITS} splits")


if __name__ == "__main__":
    main()
