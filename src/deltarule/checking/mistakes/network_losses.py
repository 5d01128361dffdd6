"""Hypotheses about the loss of a recognized network."""

from collections.abc import Callable, Iterator, Sequence

import numpy as np

from deltarule.checking import tolerances
from deltarule.checking.mistakes.evidence import Evidence, Hypothesis, one_mistake
from deltarule.checking.mistakes.network_matching import Like, NetworkMatch, match_network
from deltarule.maths.elementary import Array
from deltarule.maths.losses import NAIVE_BINARY_CROSS_ENTROPY
from deltarule.maths.network import backward
from deltarule.problem.problem import Floats

_LOSSES_WITH_EPSILON = (("sigmoid", "binary_cross_entropy"), ("softmax", "cross_entropy"))
"""Outputs and losses for which user code often adds an ε inside the logarithm."""
_TABLE = "predictions of shape (N, 1) and targets of shape (N,) make a table of N × N differences"


def loss_hypotheses(evidence: Evidence, match: NetworkMatch, like: Like) -> Iterator[Hypothesis]:
    """The mistakes in the loss that give exactly the user's gradient."""
    where = [f"z{match.last}"]
    with np.errstate(all="ignore"):
        for code, sentence, slope in _wrong_slopes(match):
            if evidence.is_found(match.to_theirs(backward(match.tape, slope))):
                yield one_mistake(code, evidence.parameters, sentence, where=where)
        gradients_at = _gradients_at_epsilon(match)
        epsilon = None if gradients_at is None else _fit_constant(evidence.gradients, match, gradients_at)
        if epsilon is not None and gradients_at and evidence.is_found(match.to_theirs(gradients_at(epsilon))):
            sentence = f"the gradient divides by predictions plus {epsilon:.3g}, and the loss has no such ε"
            yield one_mistake("epsilon", evidence.parameters, sentence, 1, where)
    of_gradient = match_network(evidence, evidence.gradients, None, like)
    if of_gradient:
        yield from epsilon_in_loss(evidence, of_gradient)
    if of_gradient and of_gradient.objective.loss is not match.objective.loss:
        name, own_name = (one.objective.loss.name.replace("_", " ") for one in (of_gradient, match))
        sentence = f"the gradient is that of {name}, the loss is {own_name}"
        yield one_mistake("loss_wrong", evidence.parameters, sentence)


def _wrong_slopes(match: NetworkMatch) -> Iterator[tuple[str, str, Array]]:
    if match.network.output.rowwise:
        yield "wrong_axis", f"{match.network.output.name} is normalized over the samples", _slope_over_samples(match)
    if match.y.shape[1] == 1 and len(match.y) > 1:
        yield from (("broadcast", _TABLE, slope) for slope in _slopes_of_table(match))


def _slope_over_samples(match: NetworkMatch) -> Array:
    """∂J/∂z with a softmax that is normalized over the samples."""
    z, dp = match.tape[-1].value, match.output_slope
    powers = np.exp(z - z.max())
    wrong = powers / powers.sum(0)
    if match.network.output.name in match.objective.loss.fused:
        return match.factor * (wrong - match.y)
    return wrong * (dp - (wrong * dp).sum(0))


def _slopes_of_table(match: NetworkMatch) -> Iterator[Array]:
    """Wrong ∂J/∂z from a table of all predictions and targets."""
    output, loss, z = match.network.output, match.objective.loss, match.tape[-1].value
    ones = np.ones((len(z), 1))
    pairs = [match.factor * loss.forward(output, z, np.full_like(z, y))[1](ones) for y in match.y[:, 0]]
    table = np.concatenate(pairs, axis=1)
    yield sum(pairs)
    yield sum(pairs) / len(pairs)
    yield table.sum(0)[:, None]
    yield table.mean(0)[:, None]


def epsilon_in_loss(evidence: Evidence, match: NetworkMatch) -> Iterator[Hypothesis]:
    """The hypothesis that the loss has an ε in its logarithm but the gradient none.

    match   the network recognized by the user's gradient, not by the reference
    """
    gradients_at = _gradients_at_epsilon(match)
    if gradients_at is None:
        return
    with np.errstate(all="ignore"):
        epsilon = _fit_constant(evidence.references, match, gradients_at)
        if epsilon is None or epsilon > tolerances.FIT.epsilon:
            return
        without, with_epsilon = match.to_theirs(gradients_at(0.0)), match.to_theirs(gradients_at(epsilon))
        predicted = [
            np.where(np.isfinite(expected), expected + gradient - changed, gradient)
            for gradient, changed, expected in zip(without, with_epsilon, evidence.references, strict=True)
        ]
    if evidence.is_found(predicted):
        sentence = f"the loss adds {epsilon:.3g} to predictions in the logarithm, and the gradient has no such ε"
        yield one_mistake("epsilon", evidence.parameters, sentence, 2, ["loss"])


def _gradients_at_epsilon(match: NetworkMatch) -> Callable[[float], dict[str, Array]] | None:
    """The gradients as a function of the ε in log(p + ε)."""
    output = match.network.output
    if (output.name, match.objective.loss.name) not in _LOSSES_WITH_EPSILON:
        return None
    p, through = output.forward(match.tape[-1].value)
    naive = NAIVE_BINARY_CROSS_ENTROPY.derivative

    def gradients_at(epsilon: float) -> dict[str, Array]:
        slope = -match.y / (p + epsilon) if output.rowwise else naive(p, match.y, epsilon)
        return backward(match.tape, through(match.factor * slope))

    return gradients_at


def _fit_constant(
    gradients: Sequence[Floats], match: NetworkMatch, make: Callable[[float], dict[str, Array]]
) -> float | None:
    """Fit the constant for which `make` gives these gradients, by Gauss–Newton."""

    def error(constant: float) -> Floats:
        candidate = match.to_theirs(make(constant))
        flat = [(predicted - gradient).ravel() for predicted, gradient in zip(candidate, gradients, strict=True)]
        return np.nan_to_num(np.concatenate(flat), nan=0.0, posinf=0.0, neginf=0.0)

    constant, nudge = 0.0, 1e-9
    for _ in range(12):
        here = error(constant)
        slope = (error(constant + nudge) - here) / nudge
        square = float(slope @ slope)
        if square == 0:
            return None
        step = -float(slope @ here) / square
        constant += step
        if not 0 <= constant < 1e6:
            return None
        nudge = max(1e-9, 1e-6 * constant)
        if abs(step) <= 1e-9 * constant:
            break
    return constant or None
