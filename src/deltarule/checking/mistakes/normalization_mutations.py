"""Mistakes at dropout and at batch normalization."""

from collections.abc import Iterator, Sequence

import numpy as np

from deltarule.checking.mistakes.catalog import join_names
from deltarule.checking.mistakes.network_matching import Like, NetworkMatch
from deltarule.checking.mistakes.tape_mutations import Back, Mutation, multiply_by, pass_through
from deltarule.maths.elementary import Array
from deltarule.maths.network import BATCH_NORM_EPSILON


def normalization_mutations(match: NetworkMatch, like: Like) -> Iterator[Mutation]:
    """Mistakes at dropout masks and batch norm's statistics, of one layer or of all of them."""
    for chosen in _each_and_all(match.positions("d")):
        layers = [match.layer_number(i) for i in chosen]
        names = [f"a{n}" for n in layers]
        subject = f"∂J/∂ of {join_names(names)}"
        yield Mutation("dropout_mask", names, f"{subject} lacks the dropout mask", dict.fromkeys(chosen, pass_through))
        masks = [multiply_by((np.asarray(like.masks[n]) != 0).astype(float)) for n in layers]
        sentence = f"{subject} lacks the 1 / (1 − rate) of dropout"
        yield Mutation("dropout_mask", names, sentence, dict(zip(chosen, masks, strict=True)))
    for chosen in _each_and_all(match.positions("n")):
        names = [f"z{match.layer_number(i)}" for i in chosen]
        for constants in (("mean", "variance"), ("mean",), ("variance",)):
            treated = f"{join_names(constants)} as {'constants' if len(constants) > 1 else 'a constant'}"
            sentence = f"∂J/∂ of {join_names(names)} takes batch norm's {treated}"
            steps = {i: _without_derivatives_of(match, i, constants) for i in chosen}
            yield Mutation("batch_norm_constants", names, sentence, steps)


def _each_and_all(positions: Sequence[int]) -> list[list[int]]:
    return [*([i] for i in positions), *([list(positions)] if len(positions) > 1 else [])]


def _without_derivatives_of(match: NetworkMatch, i: int, constants: Sequence[str]) -> Back:
    """Batch norm's backward pass without the derivatives of its mean, or its variance, or both."""
    z, taped = match.input_of(i), match.tape[i]
    deviation = np.sqrt(z.var(0) + BATCH_NORM_EPSILON)
    normal, gain = (z - z.mean(0)) / deviation, match.parameters[f"gamma{match.layer_number(i)}"] / deviation

    def back(upstream: Array) -> tuple[Array, dict[str, Array]]:
        dz = upstream
        if "mean" not in constants:
            dz = dz - upstream.mean(0)
        if "variance" not in constants:
            dz = dz - normal * (upstream * normal).mean(0)
        return gain * dz, taped.backward(upstream)[1]

    return back
