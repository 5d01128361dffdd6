"""What the letters on the page about batch norm stand for."""

from collections.abc import Iterator
from typing import Any

import numpy as np
from blackboard import Values
from derivatives import jacobian

from deltarule.maths.layers import (
    BATCH_NORM_EPSILON,
    BATCH_NORM_MOMENTUM,
    batch_norm,
    batch_norm_evaluation,
    running_statistics,
)

GENERATOR = np.random.default_rng(0)
B, H, EPSILON = 6, 3, 1e-5
Z, UPSTREAM = 2 * GENERATOR.normal(size=(B, H)) + 1, GENERATOR.normal(size=(B, H))
GAMMA, BETA = GENERATOR.normal(size=(1, H)), GENERATOR.normal(size=(1, H))
SHARE = GENERATOR.random((B, 1))
SHARE /= SHARE.sum()


def training() -> Iterator[Values]:
    """A batch in training in front of the objective Σ upstream · u; the way back by the code, then without it."""
    u, backward, mean, variance = batch_norm(Z, GAMMA, BETA, SHARE, EPSILON)
    normalized = (Z - mean) / np.sqrt(variance + EPSILON)

    def objective(z: Any = Z, gamma: Any = GAMMA, beta: Any = BETA) -> Any:
        return (UPSTREAM * batch_norm(z, gamma, beta, SHARE, EPSILON)[0]).sum()

    def from_statistics(mean: Any, variance: Any) -> Any:
        return (UPSTREAM * (GAMMA * (Z - mean) / np.sqrt(variance + EPSILON) + BETA)).sum()

    names = {
        "z": Z,
        "s": SHARE,
        "ε": EPSILON,
        "γ": GAMMA,
        "β": BETA,
        "μ": mean,
        "σ^2": variance,
        "hat z": normalized,
        "u": u,
        "∂J/∂u": UPSTREAM,
        "∂J/∂hat z": jacobian(lambda normalized: (UPSTREAM * (GAMMA * normalized + BETA)).sum(), normalized),
        "∂J/∂σ^2": jacobian(lambda variance: from_statistics(mean, variance), variance),
        "∂J/∂μ": jacobian(lambda mean: from_statistics(mean, variance), mean),
    }
    by_step = jacobian(objective, Z), jacobian(lambda g: objective(gamma=g), GAMMA), jacobian(by_beta, BETA)
    for dz, dgamma, dbeta in (backward(UPSTREAM), by_step):
        yield Values({**names, "∂J/∂z": dz, "∂J/∂γ": dgamma, "∂J/∂β": dbeta}, {"i": B, "h": H})


def by_beta(beta: Any) -> Any:
    """The objective by β alone."""
    return (UPSTREAM * batch_norm(Z, GAMMA, beta, SHARE, EPSILON)[0]).sum()


def running() -> Iterator[Values]:
    """One update of the running statistics of one unit."""
    old = {"mean": np.array([[0.3]]), "variance": np.array([[1.2]])}
    new = running_statistics(old, {"mean": np.array([[2.0]]), "variance": np.array([[0.5]])}, 8.0)
    yield Values(
        {"bar μ": 0.3, "bar σ^2": 1.2, "μ": 2.0, "σ^2": 0.5, "N": 8, "η": BATCH_NORM_MOMENTUM},
        after={"bar μ": new["mean"].item(), "bar σ^2": new["variance"].item()},
    )


def evaluation() -> Iterator[Values]:
    """A batch in evaluation."""
    mean, variance = np.array([[0.3, 0.1, -1.0]]), np.array([[1.2, 0.4, 2.0]])
    fixed = GAMMA, BETA, mean, variance, BATCH_NORM_EPSILON
    u, backward = batch_norm_evaluation(Z, *fixed)
    by_step = jacobian(lambda z: (UPSTREAM * batch_norm_evaluation(z, *fixed)[0]).sum(), Z)
    for dz in (backward(UPSTREAM)[0], by_step):
        names = {"z": Z, "γ": GAMMA, "β": BETA, "bar μ": mean, "bar σ^2": variance, "ε": BATCH_NORM_EPSILON, "u": u}
        yield Values({**names, "∂J/∂u": UPSTREAM, "∂J/∂z": dz}, {"i": B, "h": H})


VALUES = {
    "Forward": training,
    "Backward: the parameters": training,
    "Backward: the inputs": training,
    "Running statistics": running,
    "In evaluation": evaluation,
}
