"""Mistakes in ∂J/∂z of the last layer."""

from collections.abc import Iterator

import numpy as np

from deltarule.checking.mistakes.network_matching import NetworkMatch
from deltarule.checking.mistakes.tape_mutations import Mutation, mutated_gradients, slope_at, slope_with_z_for_a
from deltarule.maths.elementary import Array

_EXTRA_FACTORS = ((1, ""), (2, ", and is doubled"), (0.5, ", and is halved"))


def output_mutations(match: NetworkMatch) -> Iterator[Mutation]:
    """Mistakes in ∂J/∂z of the last layer."""
    c, output, loss = match.factor, match.network.output, match.objective.loss
    z, y = match.tape[-1].value, match.y
    right, last = c * match.objective.slope, match.network.layers[-1].number
    p, through = output.forward(z)
    dp = c * loss.derivative(p, y, **loss.parameters)
    where = [f"z{last}"]
    fused = output.name in loss.fused
    no_target = c * p if fused else through(c * loss.derivative(p, 0 * y, **loss.parameters))
    yield "target_missing", where, f"∂J/∂z{last} lacks the targets", mutated_gradients(match, {}, no_target)
    # A gradient that lacks a derivative, and a 2, may be that of another loss: both are named.
    for share, beside in _EXTRA_FACTORS if output.name != "identity" else ():
        sentence = f"∂J/∂z{last} is multiplied by the derivative of {output.name} once too often{beside}"
        for twice in (through(right), right * p * (1 - p)) if output.rowwise else (through(right),):
            yield "derivative_twice", where, sentence, mutated_gradients(match, {}, share * twice)
        sentence = f"∂J/∂z{last} lacks the derivative of {output.name}{beside}"
        yield "derivative_missing", where, sentence, mutated_gradients(match, {}, share * dp)
    if output.name == "sigmoid":
        for factor, words in ((p, f"a{last}"), (1 - p, f"1 − a{last}")):
            sentence = f"∂J/∂z{last} is multiplied by {words}, a part of the derivative of sigmoid, once too often"
            yield "derivative_twice", where, sentence, mutated_gradients(match, {}, right * factor)
            sentence = f"∂J/∂z{last} has {words} alone for the derivative of sigmoid"
            yield "derivative_missing", where, sentence, mutated_gradients(match, {}, dp * factor)
    if output.rowwise:
        sentence = f"∂J/∂z{last} takes {output.name} as if it were elementwise"
        yield "softmax_elementwise", where, sentence, mutated_gradients(match, {}, dp * p * (1 - p))
        powers = np.exp(z - z.max())
        wrong = powers / powers.sum(0)
        slope = c * (wrong - y) if fused else wrong * (dp - (wrong * dp).sum(0))
        sentence = f"{output.name} is normalized over the samples"
        yield "wrong_axis", where, sentence, mutated_gradients(match, {}, slope)
    elif output.name != "identity":
        sentence = f"∂J/∂z{last} takes the derivative of {output.name} at its output"
        yield "derivative_at_output", where, sentence, mutated_gradients(match, {}, slope_at(output, p) * dp)
        sentence = f"∂J/∂z{last} puts z{last} into a formula for a{last}, the derivative of {output.name}"
        yield "derivative_of_z", where, sentence, mutated_gradients(match, {}, slope_with_z_for_a(output, z) * dp)
    if y.shape[1] == 1 and len(y) > 1:
        pairs = [c * loss.forward(output, z, np.full_like(z, one))[1](np.ones((len(z), 1))) for one in y[:, 0]]
        for slope in (sum(pairs), sum(pairs) / len(y), *_sums_over_predictions(pairs)):
            sentence = "predictions of shape (N, 1) and targets of shape (N,) make a table of N × N differences"
            yield "broadcast", where, sentence, mutated_gradients(match, {}, slope)


def _sums_over_predictions(pairs: list[Array]) -> tuple[Array, Array]:
    """A table of differences summed, or averaged, over predictions instead of targets."""
    table = np.concatenate(pairs, axis=1)
    return table.sum(0)[:, None], table.mean(0)[:, None]
