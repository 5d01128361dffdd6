"""Mistakes in ∂J/∂z of the last layer of a recognized network. A new one is an entry in `_wrong_slopes`."""

from collections.abc import Iterator

import numpy as np

from deltarule.checking.mistakes.network_matching import NetworkMatch
from deltarule.checking.mistakes.network_mutations import Mutation, slope_at, slope_with_z_for_a
from deltarule.maths.elementary import Array

_EXTRA_FACTORS = ((1, ""), (2, ", and is doubled"), (0.5, ", and is halved"))
_TABLE = "predictions of shape (N, 1) and targets of shape (N,) make a table of N × N differences"


def output_mutations(match: NetworkMatch) -> Iterator[Mutation]:
    """Mistakes in ∂J/∂z of the last layer: in the loss's derivative or in the output's."""
    where = [f"z{match.last}"]
    for code, sentence, slope in _wrong_slopes(match):
        yield Mutation(code, where, f"∂J/∂z{match.last} {sentence}", slope=slope)
    if match.network.output.rowwise:
        sentence = f"{match.network.output.name} is normalized over the samples"
        yield Mutation("wrong_axis", where, sentence, slope=_slope_over_samples(match))
    if match.y.shape[1] == 1 and len(match.y) > 1:
        for slope in _slopes_of_table(match):
            yield Mutation("broadcast", where, _TABLE, slope=slope)


def _wrong_slopes(match: NetworkMatch) -> Iterator[tuple[str, str, Array]]:
    """Wrong ∂J/∂z of the last layer, each after the code of its mistake and the end of the sentence "∂J/∂z2 …"."""
    output, loss, z, n = match.network.output, match.objective.loss, match.tape[-1].value, match.last
    delta, p, dp = match.delta, match.prediction, match.output_slope
    name, through = output.name, output.forward(z)[1]
    no_target = p if name in loss.fused else through(loss.derivative(p, 0 * match.y, **loss.parameters))
    yield "target_missing", "lacks the targets", match.factor * no_target
    samples = len(match.x)
    if name in loss.fused and samples > 1:
        yield "targets_not_averaged", "divides p by N, and not y", p / samples - match.y
        yield "targets_not_averaged", "divides y by N, and not p", p - match.y / samples
    if name == "identity":
        return
    # A gradient that lacks a derivative, and a 2, may be that of another loss: both are named.
    for share, beside in _EXTRA_FACTORS:
        for twice in (through(delta), delta * p * (1 - p)) if output.rowwise else (through(delta),):
            sentence = f"is multiplied by the derivative of {name} once too often{beside}"
            yield "derivative_twice", sentence, share * twice
        yield "derivative_missing", f"lacks the derivative of {name}{beside}", share * dp
    if name == "sigmoid":
        for factor, text in ((p, f"a{n}"), (1 - p, f"1 − a{n}")):
            sentence = f"is multiplied by {text}, a part of the derivative of sigmoid, once too often"
            yield "derivative_twice", sentence, delta * factor
            yield "derivative_missing", f"has {text} alone for the derivative of sigmoid", dp * factor
    if output.rowwise:
        yield "softmax_elementwise", f"takes {name} as if it were elementwise", dp * p * (1 - p)
    else:
        yield "derivative_at_output", f"takes the derivative of {name} at its output", slope_at(output, p) * dp
        sentence = f"puts z{n} into a formula for a{n}, the derivative of {name}"
        yield "derivative_of_z", sentence, slope_with_z_for_a(output, z) * dp


def _slope_over_samples(match: NetworkMatch) -> Array:
    """∂J/∂z with a softmax that the backward pass normalizes over the samples instead of the outputs."""
    z, dp = match.tape[-1].value, match.output_slope
    powers = np.exp(z - z.max())
    wrong = powers / powers.sum(0)
    if match.network.output.name in match.objective.loss.fused:
        return match.factor * (wrong - match.y)
    return wrong * (dp - (wrong * dp).sum(0))


def _slopes_of_table(match: NetworkMatch) -> Iterator[Array]:
    """Wrong ∂J/∂z from a table of all predictions and targets, summed or averaged over its rows or columns."""
    output, loss, z = match.network.output, match.objective.loss, match.tape[-1].value
    ones = np.ones((len(z), 1))
    pairs = [match.factor * loss.forward(output, z, np.full_like(z, y))[1](ones) for y in match.y[:, 0]]
    table = np.concatenate(pairs, axis=1)
    yield sum(pairs)
    yield sum(pairs) / len(pairs)
    yield table.sum(0)[:, None]
    yield table.mean(0)[:, None]
