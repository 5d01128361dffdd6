"""Measure how far the probabilities of `TabularClassifier` are off, on simulated tables with 30,000 fresh rows."""

import time
from typing import Any

import numpy as np

FRESH_ROWS = 30_000
SETS: dict[str, tuple[int, dict[str, Any]]] = {
    "5,000 rows": (5000, {"n_features": 20, "n_informative": 10, "n_clusters_per_class": 4, "flip_y": 0.05}),
    "10,000 rows": (
        10_000,
        {"n_features": 15, "n_informative": 8, "n_classes": 3, "n_clusters_per_class": 4, "flip_y": 0.1},
    ),
    "20,000 rows": (
        20_000,
        {"n_features": 40, "n_informative": 15, "n_classes": 5, "n_clusters_per_class": 4, "flip_y": 0.02},
    ),
    "50,000 rows": (50_000, {"n_features": 20, "n_informative": 10, "n_clusters_per_class": 16, "flip_y": 0.05}),
    "100,000 rows": (
        100_000,
        {"n_features": 15, "n_informative": 10, "n_classes": 3, "n_clusters_per_class": 8, "flip_y": 0.1},
    ),
    "200,000 rows": (200_000, {"n_features": 20, "n_informative": 10, "n_clusters_per_class": 8, "flip_y": 0.05}),
}
"""The rows of training, and arguments of scikit-learn's `make_classification`."""


def measure_calibration(name: str) -> dict[str, Any]:
    """Fit a simulated table, and find the factor of the logits by which fresh rows have the lowest log loss."""
    from sklearn.datasets import make_classification

    from deltarule import TabularClassifier

    rows, arguments = SETS[name]
    x, y = make_classification(rows + FRESH_ROWS, class_sep=0.8, random_state=0, **arguments)
    started = time.perf_counter()
    model = TabularClassifier(random_state=0).fit(x[:rows], y[:rows])
    seconds = time.perf_counter() - started
    probabilities = model.predict_proba(x[rows:])
    factor, best_loss = best_factor(y[rows:], probabilities)
    return {
        "set": name,
        "factor": factor,
        "log_loss": float(-np.log(probabilities[np.arange(FRESH_ROWS), y[rows:]]).mean()),
        "best_log_loss": best_loss,
        "confidence": float(probabilities.max(axis=1).mean()),
        "accuracy": float((probabilities.argmax(axis=1) == y[rows:]).mean()),
        "reported_confidence": model.report_.scores.confidence,
        "reported_accuracy": model.report_.scores.score,
        "seconds": seconds,
    }


def best_factor(classes: Any, probabilities: Any) -> tuple[float, float]:
    """The factor of the logits that gives the lowest log loss, and that loss, for class indices [N]."""
    from scipy.optimize import minimize_scalar
    from scipy.special import log_softmax

    logits = np.log(np.maximum(probabilities, 1e-12))

    def log_loss(factor: float) -> float:
        return float(-log_softmax(factor * logits, axis=1)[np.arange(len(classes)), classes].mean())

    minimum = minimize_scalar(log_loss, bounds=(0.1, 10.0), method="bounded")
    return float(minimum.x), float(minimum.fun)
