"""Calibrate a classifier's probabilities by scaling and shifting its logits.

N rows · C classes
"""

from typing import NamedTuple

import numpy as np

from deltarule.estimators.tabular.splits import stratified_folds, take
from deltarule.problem.problem import Floats, Integers

MIN_CALIBRATION_ROWS = 500
"""Rows set aside from which on an ensemble is calibrated on them: the standard error of the scale is then a tenth. For
fewer there are the networks of the cross-validation, which predict four times as many rows, but are single ones."""
SCALE_BOUNDS = (0.2, 5.0)
"""Bounds of the fitted scale: networks need 0.4 to 1, a linear model with a strong penalty a little more than 1."""
MIN_PROBABILITY = 1e-12
"""Smaller probabilities are raised to this one, so that their logarithms are finite."""


class LogitCalibration(NamedTuple):
    """Calibrated logits, scale · logits + biases [C].

    They are those of the mean over the networks, which is less certain than each of them where they disagree.
    """

    scale: float
    biases: Floats


def fit_calibration(classes: Integers, probabilities: Floats, weights: Floats | None = None) -> LogitCalibration:
    """Fit scale (1 / temperature) and biases [C] of logits by maximum likelihood.

    `classes` [N] are indices, and `probabilities` [N, C] those of rows that the networks were not trained on; `weights`
    [N] say how much these count.
    Labels are smoothed by 1 / (N + C): that all of N predictions are correct does not show that all others will be.
    See Guo, Pleiss, Sun & Weinberger, On calibration of modern neural networks, 2017, section 4.2; Platt 1999.
    """
    from scipy.optimize import minimize
    from scipy.special import log_softmax

    logits = np.log(np.maximum(probabilities, MIN_PROBABILITY))
    rows, class_count = logits.shape
    target = np.full((rows, class_count), 1 / (rows + class_count) / class_count)
    target[np.arange(rows), classes] += 1 - 1 / (rows + class_count)
    weight = np.ones((rows, 1)) if weights is None else weights[:, None]
    total = float(weight.sum())

    def log_loss(scale_and_biases: Floats) -> tuple[float, Floats]:
        log_probabilities = log_softmax(scale_and_biases[0] * logits + scale_and_biases[1:], axis=1)
        grad_logits = (np.exp(log_probabilities) - target) * weight / total
        gradient = np.r_[(grad_logits * logits).sum(), grad_logits.sum(axis=0)]
        return -float((weight * target * log_probabilities).sum()) / total, gradient

    start = np.r_[1.0, np.zeros(class_count)]
    bounds = [SCALE_BOUNDS, *[(None, None)] * class_count]
    minimum = minimize(log_loss, start, jac=True, method="L-BFGS-B", bounds=bounds).x
    return LogitCalibration(float(minimum[0]), minimum[1:] - minimum[1:].mean())


def apply_calibration(probabilities: Floats, calibration: LogitCalibration) -> Floats:
    from scipy.special import softmax

    logits = np.log(np.maximum(probabilities, MIN_PROBABILITY))
    return np.asarray(softmax(calibration.scale * logits + calibration.biases, axis=1))


def cross_calibrate(classes: Integers, probabilities: Floats, weights: Floats | None = None) -> Floats:
    """Calibrate each fifth of the rows by a calibration fitted to the others."""
    calibrated = np.empty_like(probabilities)
    for others, fold in stratified_folds(classes, 5, np.random.default_rng(0)):
        calibration = fit_calibration(classes[others], probabilities[others], take(weights, others))
        calibrated[fold] = apply_calibration(probabilities[fold], calibration)
    return calibrated


def calibrate_arrays(arrays: dict[str, Floats], layer_count: int, calibration: LogitCalibration) -> dict[str, Floats]:
    """Merge a logit calibration into the last layer; two classes share one output."""
    weights, biases = arrays[f"W{layer_count}"], arrays[f"b{layer_count}"]
    scale, added = calibration
    added = added if weights.shape[-1] > 1 else added[1:] - added[:1]
    return arrays | {f"W{layer_count}": scale * weights, f"b{layer_count}": scale * biases + added}
