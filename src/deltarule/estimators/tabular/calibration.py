"""Temperature scaling: probabilities that are as sure as the answers are right.

K members · N rows · C classes
"""

import numpy as np
from scipy.optimize import minimize_scalar

from deltarule.estimators.mlp.base import BaseMLP
from deltarule.problem.problem import Floats, Integers

LEAST, MOST = 0.2, 5.0
"""Temperatures that are looked at: deep networks need 1.5 to 3, a linear model with a strong penalty a little less than
1."""
SMALLEST = 1e-12
"""Probabilities count as at least so much: the logarithm of 0 is no number."""


def temperature_of(classes: Integers, probabilities: Floats) -> float:
    """The temperature to divide logits by, so that true classes have the largest likelihood.

    Each row counts a little, 1 / (N + 2), as a row of every class: where all answers are right, N of them do not show
    that all others will be.

    Parameters
    ----------
    classes : [N]
        The index of each row's class.
    probabilities : [N, C]
        Of rows that the networks have not learned from.

    Source: Guo, Pleiss, Sun & Weinberger, On calibration of modern neural networks, 2017; Platt 1999, section 2.2

    >>> sure = np.array([[0.99, 0.01]] * 100)
    >>> round(temperature_of(np.array([0] * 80 + [1] * 20), sure), 1)  # right in 80 of 100
    3.4
    """
    logits = np.log(np.maximum(probabilities, SMALLEST))
    own = logits[np.arange(len(classes)), classes]
    target = own + (logits.mean(axis=1) - own) / (len(classes) + 2)

    def log_loss(log_temperature: float) -> float:
        scale = np.exp(-log_temperature)
        return float(np.mean(np.logaddexp.reduce(logits * scale, axis=1) - target * scale))

    return float(np.exp(minimize_scalar(log_loss, bounds=np.log([LEAST, MOST]), method="bounded").x))


def divide_logits(model: BaseMLP, temperature: float) -> None:
    """Divide the logits of a fitted classifier by a temperature: the weights and biases of its outputs."""
    model.coefs_ = [*model.coefs_[:-1], model.coefs_[-1] / temperature]
    model.intercepts_ = [*model.intercepts_[:-1], model.intercepts_[-1] / temperature]
