"""Calibration: probabilities that are as sure as a classifier is right, and give each class its share.

N rows · C classes
"""

import numpy as np
from scipy.optimize import minimize
from scipy.special import log_softmax

from deltarule.estimators.mlp.base import BaseMLP
from deltarule.problem.problem import Floats, Integers

SCALES = (0.2, 5.0)
"""Between which a scale is looked for: networks need 0.4 to 1, a linear model with a strong penalty a little more."""
SMALLEST = 1e-12
"""Probabilities count as at least so much: the logarithm of 0 is no number."""


def fit_calibration(classes: Integers, probabilities: Floats) -> tuple[float, Floats]:
    """The scale and the biases [C] with which logits make true classes most likely: scale · logits + biases.

    The scale is 1 / temperature. With the biases the mean probability of each class is its share of the rows. Each row
    counts a little, 1 / (N + C), as one of any class: where all answers are right, N rows do not show that all others
    will be.

    Parameters
    ----------
    classes : [N]
        The index of each row's class.
    probabilities : [N, C]
        Of rows that the networks have not learned from.

    Source: Guo, Pleiss, Sun & Weinberger, On calibration of modern neural networks, 2017, section 4.2; Platt 1999

    >>> sure = np.array([[0.99, 0.01], [0.01, 0.99]] * 50)
    >>> right_in_80 = np.array([0, 1] * 40 + [1, 0] * 10)
    >>> scale, biases = fit_calibration(right_in_80, sure)
    >>> round(scale, 1), bool(abs(biases).max() < 1e-6)
    (0.3, True)
    """
    logits = np.log(np.maximum(probabilities, SMALLEST))
    count, known = logits.shape
    target = np.full((count, known), 1 / (count + known) / known)
    target[np.arange(count), classes] += 1 - 1 / (count + known)

    def log_loss(scale_and_biases: Floats) -> tuple[float, Floats]:
        """The loss and its gradient."""
        log_probabilities = log_softmax(scale_and_biases[0] * logits + scale_and_biases[1:], axis=1)
        grad_logits = (np.exp(log_probabilities) - target) / count
        gradient = np.r_[(grad_logits * logits).sum(), grad_logits.sum(axis=0)]
        return -float((target * log_probabilities).sum()) / count, gradient

    start = np.r_[1.0, np.zeros(known)]
    found = minimize(log_loss, start, jac=True, method="L-BFGS-B", bounds=[SCALES, *[(None, None)] * known]).x
    return float(found[0]), found[1:] - found[1:].mean()


def calibrate(model: BaseMLP, scale: float, biases: Floats) -> None:
    """Scale the logits of a fitted classifier and add biases [C]: that changes the weights and biases of its outputs.

    Two classes have one output, the difference of their logits.
    """
    added = biases if model.coefs_[-1].shape[-1] > 1 else biases[1:] - biases[0]
    model.coefs_ = [*model.coefs_[:-1], scale * model.coefs_[-1]]
    model.intercepts_ = [*model.intercepts_[:-1], scale * model.intercepts_[-1] + added]
