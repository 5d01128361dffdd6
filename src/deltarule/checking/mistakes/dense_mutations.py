"""Mistakes in the products and sums of dense layers."""

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from deltarule.checking.mistakes.catalog import join_names
from deltarule.checking.mistakes.network_matching import NetworkMatch
from deltarule.checking.mistakes.tape_mutations import Back, Mutation, input_of, mutated_gradients
from deltarule.maths.elementary import Array
from deltarule.maths.layers import transpose
from deltarule.maths.network import Taped


def weight_mutations(match: NetworkMatch) -> Iterator[Mutation]:
    """Mistakes in the products of a dense layer."""
    tape, layers = match.tape, match.network.layers
    weights = {layer.number: match.parameters[f"W{layer.number}"] for layer in layers}
    for i, taped in enumerate(tape):
        if taped.name[0] != "z":
            continue
        n = int(taped.name[1:])
        own = weights[n]
        if i and own.shape[0] == own.shape[1]:
            sentence = f"∂J/∂a{n - 1} is made with W{n} that is not transposed"
            yield (
                "weights_not_transposed",
                [f"a{n - 1}"],
                sentence,
                mutated_gradients(match, {i: _with_other_weights(taped, own.T)}),
            )
        for m, others in weights.items():
            if i and m != n and others.shape == own.shape:
                sentence = f"∂J/∂a{n - 1} is made with W{m} instead of W{n}"
                yield (
                    "other_weights",
                    [f"a{n - 1}"],
                    sentence,
                    mutated_gradients(match, {i: _with_other_weights(taped, others)}),
                )
        came, inputs = input_of(match, i), [("x", match.x), *((one.name, one.value) for one in tape)]
        for name, values in inputs:
            if values.shape == came.shape and values is not came:
                sentence = f"the gradient of W{n} is made with {name} instead of {inputs[i][0]}"
                yield (
                    "wrong_input",
                    [f"W{n}"],
                    sentence,
                    mutated_gradients(match, {i: _with_other_input(taped, f"W{n}", values)}),
                )


def _with_other_weights(taped: Taped, weights: Array) -> Back:
    """A dense layer's backward pass with other weights."""
    return lambda dz: (dz @ transpose(weights), taped.backward(dz)[1])


def _with_other_input(taped: Taped, name: str, inputs: Array) -> Back:
    """A dense layer's backward pass with other inputs."""

    def back(dz: Array) -> tuple[Array, dict[str, Array]]:
        upstream, found = taped.backward(dz)
        return upstream, {**found, name: transpose(inputs) @ dz}

    return back


def delta_mutations(match: NetworkMatch) -> Iterator[Mutation]:
    """Gradients of a layer's weights and biases that are made with another δ: that of a, or of another layer."""
    tape, loss, z = match.tape, match.objective.loss, match.tape[-1].value
    last = match.network.layers[-1].number
    deltas = {f"z{last}": match.factor * match.objective.slope}
    upstream = deltas[f"z{last}"]
    for before, taped in zip(reversed(tape[:-1]), reversed(tape), strict=False):
        upstream = taped.backward(upstream)[0]
        deltas[before.name] = upstream
    p, _ = match.network.output.forward(z)
    deltas[f"a{last}"] = match.factor * loss.derivative(p, match.y, **loss.parameters)
    everywhere = {}
    for i, taped in enumerate(tape):
        if taped.name[0] != "z":
            continue
        n = taped.name[1:]
        arrays = [name for name in (f"W{n}", f"b{n}") if name in match.parameters]
        for name, delta in deltas.items():
            own = deltas[taped.name]
            if delta.shape != own.shape or not delta.any() or np.allclose(delta, own, rtol=1e-9, atol=0):
                continue
            code = "derivative_missing" if name[0] in "ad" and name[1:] == n else "other_delta"
            for chosen in (arrays, *([one] for one in arrays if len(arrays) > 1)):
                sentence = f"the gradient of {join_names(chosen)} is made with ∂J/∂{name} instead of ∂J/∂z{n}"
                yield code, chosen, sentence, mutated_gradients(match, {i: _with_other_delta(taped, chosen, delta)})
            if name == f"a{n}":
                everywhere[i] = arrays, _with_other_delta(taped, arrays, delta)
    if len(everywhere) > 1:
        names = [name for arrays, _ in everywhere.values() for name in arrays]
        sentence = f"the gradient of {join_names(names)} is made with ∂J/∂a of each layer instead of ∂J/∂z"
        yield (
            "derivative_missing",
            names,
            sentence,
            mutated_gradients(match, {i: way for i, (_, way) in everywhere.items()}),
        )


def _with_other_delta(taped: Taped, names: Sequence[str], delta: Array) -> Back:
    """A dense layer's backward pass with another δ for some of its parameters."""

    def back(dz: Array) -> tuple[Array, dict[str, Array]]:
        upstream, found = taped.backward(dz)
        other = taped.backward(delta)[1]
        return upstream, {**found, **{name: other[name] for name in names}}

    return back


def sum_mutations(match: NetworkMatch) -> Iterator[Mutation]:
    """Sums that come too early, or go over the wrong axis; a penalty that goes through the network."""
    tape, right = match.tape, match.factor * match.objective.slope
    samples = len(match.x)
    for i, taped in enumerate(tape):
        if samples > 1:
            early = f"is summed over the samples before it has gone through {taped.name}"
            for way, how in ((np.sum, ""), (np.mean, ", and averaged")):
                sentence = f"what comes back {early}{how}"
                yield "summed_early", [taped.name], sentence, mutated_gradients(match, {i: _sum_before(taped, way)})
        if taped.name[0] == "z" and taped.value.shape[1] == samples > 1:
            name = f"b{taped.name[1:]}"
            if name in match.parameters:
                sentence = f"the gradient of {name} is summed over the units"
                yield "wrong_axis", [name], sentence, mutated_gradients(match, {i: _sum_over_units(taped, name)})
    if samples > 1:
        yield from _last_sample_alone(match, right)
    last = match.network.layers[-1].number
    for name, penalty in match.penalties.items():
        for part in (penalty, penalty.T):
            if part.shape == right.shape and part.any():
                sentence = f"∂J/∂z{last} has the penalty of {name} in it"
                yield "penalty_through_network", [f"z{last}"], sentence, mutated_gradients(match, {}, right + part)


def _last_sample_alone(match: NetworkMatch, right: Array) -> Iterator[Mutation]:
    """Gradients that a loop over the samples assigns instead of adding, with the mean taken or not.

    A part of the last sample that is 0, as behind a ReLU that is off, is not told from a gradient that was never made.
    """
    whole, only = mutated_gradients(match, {}), np.zeros_like(right)
    for share in (1, len(right)):
        only[-1] = share * right[-1]
        last = mutated_gradients(match, {}, only)
        telling = [name for name in last if last[name].any() and not np.allclose(last[name], whole[name], 1e-9, 0)]
        for names in (list(match.parameters), *([name] for name in telling)) if telling else ():
            sentence = f"the gradient of {join_names(names)} is that of the last sample alone"
            yield "last_sample", names, sentence, {**whole, **{name: last[name] for name in names}}


def _sum_before(taped: Taped, way: Any) -> Back:
    return lambda upstream: taped.backward(np.broadcast_to(way(upstream, axis=0, keepdims=True), upstream.shape))


def _sum_over_units(taped: Taped, name: str) -> Back:
    def back(dz: Array) -> tuple[Array, dict[str, Array]]:
        upstream, found = taped.backward(dz)
        return upstream, {**found, name: dz.sum(1, keepdims=True).T}

    return back
