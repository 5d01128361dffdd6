"""Mistakes at the activations of hidden layers, at dropout and at batch normalization."""

from collections.abc import Iterator, Mapping, Sequence

import numpy as np

from deltarule.checking.mistakes.catalog import join_names
from deltarule.checking.mistakes.network_matching import Like, NetworkMatch
from deltarule.checking.mistakes.tape_mutations import (
    Back,
    Mutation,
    apply_twice,
    input_of,
    multiply_by,
    mutated_gradients,
    pass_through,
    slope_at,
    slope_with_z_for_a,
)
from deltarule.maths.activations import ACTIVATIONS
from deltarule.maths.elementary import Array
from deltarule.maths.network import BATCH_NORM_EPSILON, Taped

_COMMON_ACTIVATIONS = ("sigmoid", "tanh", "relu")


def activation_mutations(match: NetworkMatch) -> Iterator[Mutation]:
    """Mistakes at the activation of a hidden layer, of one layer or of all of them."""
    wrong: dict[tuple[str, str], dict[int, tuple[str, Back]]] = {}
    tape = match.tape
    hidden = [i for i, taped in enumerate(tape) if taped.name[0] == "a"]
    for i in hidden:
        n = int(tape[i].name[1:])
        activation = match.network.layers[n - 1].activation
        z, a = input_of(match, i), tape[i].value
        ways: dict[tuple[str, str], tuple[str, Back]] = {
            ("derivative_missing", ""): (f"lacks the derivative of {activation.name}", pass_through),
            ("derivative_twice", ""): (
                f"is multiplied by the derivative of {activation.name} twice",
                apply_twice(tape[i]),
            ),
        }
        if activation.rowwise:
            ways["softmax_elementwise", ""] = (
                f"takes {activation.name} as if it were elementwise",
                multiply_by(a * (1 - a)),
            )
        else:
            ways["derivative_at_output", ""] = (
                f"takes the derivative of {activation.name} at a{n}, its output",
                multiply_by(slope_at(activation, a)),
            )
            ways["derivative_of_z", ""] = (
                f"puts z{n} into a formula for a{n}, the derivative of {activation.name}",
                multiply_by(slope_with_z_for_a(activation, z)),
            )
            if tape[i + 1].name[0] == "d":
                ways["derivative_of_z", "dropped"] = (
                    f"puts a{n} as dropout leaves it into a formula for a{n}, the derivative of {activation.name}",
                    multiply_by(activation.derivative(z, tape[i + 1].value, **activation.parameters)),
                )
            for name in _COMMON_ACTIVATIONS:
                if name == activation.name:
                    continue
                other = ACTIVATIONS[name]
                sentence = f"takes the derivative of {name} for that of {activation.name}"
                ways["other_derivative", name] = sentence, multiply_by(slope_at(other, z))
                ways["other_derivative", f"{name}, of a"] = (
                    sentence,
                    multiply_by(other.derivative(z, a, **other.parameters)),
                )
        for part, words in ((a, f"a{n}"), (1 - a, f"1 − a{n}")) if activation.name == "sigmoid" else ():
            sentence = f"∂J/∂z{n} has {words} alone for the derivative of sigmoid"
            yield "derivative_missing", [f"z{n}"], sentence, mutated_gradients(match, {i: multiply_by(part)})
        for kind, (sentence, way) in ways.items():
            yield kind[0], [f"z{n}"], f"∂J/∂z{n} {sentence}", mutated_gradients(match, {i: way})
            wrong.setdefault(kind, {})[i] = sentence, way
    yield from _slopes_at_other_layers(match, hidden)
    yield from _mutations_of_all_layers(match, wrong)


def _slopes_at_other_layers(match: NetworkMatch, hidden: list[int]) -> Iterator[Mutation]:
    """The derivative at another layer's z, in one layer or, as by a variable that a loop has left behind, in all."""
    tape = match.tape
    for j in hidden:
        m, other = tape[j].name[1:], input_of(match, j)
        ways = {}
        for i in hidden:
            n = int(tape[i].name[1:])
            activation = match.network.layers[n - 1].activation
            if i != j and not activation.rowwise and input_of(match, i).shape == other.shape:
                ways[i] = multiply_by(slope_at(activation, other))
                sentence = f"∂J/∂z{n} takes the derivative of {activation.name} at z{m}, of another layer"
                yield "other_mask", [f"z{n}"], sentence, mutated_gradients(match, {i: ways[i]})
        if len(ways) > 1:
            names = [f"z{tape[i].name[1:]}" for i in ways]
            sentence = f"∂J/∂ of {join_names(names)} takes the activation's derivative at z{m}, of another layer"
            yield "other_mask", names, sentence, mutated_gradients(match, ways)


def _mutations_of_all_layers(
    match: NetworkMatch, wrong: dict[tuple[str, str], dict[int, tuple[str, Back]]]
) -> Iterator[Mutation]:
    """The same mistake at all hidden layers, and at the output too where a loss does not take it in."""
    output, loss, last = match.network.output, match.objective.loss, match.network.layers[-1].number
    z = match.tape[-1].value
    p, through = output.forward(z)
    dp = match.factor * loss.derivative(p, match.y, **loss.parameters)
    ends = {"derivative_missing": dp, "derivative_twice": through(through(dp))}
    if output.rowwise:
        ends["softmax_elementwise"] = dp * p * (1 - p)
    else:
        ends["derivative_at_output"] = dp * slope_at(output, p)
        ends["derivative_of_z"] = dp * slope_with_z_for_a(output, z)
    for (code, _), by_place in wrong.items():
        ways = {i: way for i, (_, way) in by_place.items()}
        names = [f"z{match.tape[i].name[1:]}" for i in by_place]
        sentence = next(iter(by_place.values()))[0]
        if len(ways) > 1:
            yield code, names, f"∂J/∂z of every hidden layer {sentence}", mutated_gradients(match, ways)
        if code in ends and output.name != "identity":
            yield (
                code,
                [*names, f"z{last}"],
                f"∂J/∂z of every layer {sentence}",
                mutated_gradients(match, ways, ends[code]),
            )


def normalization_mutations(match: NetworkMatch, like: Like) -> Iterator[Mutation]:
    """Dropout masks and batch norm's statistics."""
    tape = match.tape
    dropped = {i: int(taped.name[1:]) for i, taped in enumerate(tape) if taped.name[0] == "d"}
    for chosen in [*([i] for i in dropped), *([list(dropped)] if len(dropped) > 1 else [])]:
        names = [f"a{dropped[i]}" for i in chosen]
        whose = f"∂J/∂ of {join_names(names)}"
        sentence = f"{whose} lacks the dropout mask"
        yield "dropout_mask", names, sentence, mutated_gradients(match, dict.fromkeys(chosen, pass_through))
        sentence = f"{whose} lacks the 1 / (1 − rate) of dropout"
        kept = {i: multiply_by((np.asarray(like.masks[dropped[i]]) != 0).astype(float)) for i in chosen}
        yield "dropout_mask", names, sentence, mutated_gradients(match, kept)
    normalized = [i for i, taped in enumerate(tape) if taped.name[0] == "n"]
    for chosen in [*([i] for i in normalized), *([normalized] if len(normalized) > 1 else [])]:
        names = [f"z{tape[i].name[1:]}" for i in chosen]
        for constants in (("mean", "variance"), ("mean",), ("variance",)):
            treated = f"{join_names(constants)} as {'constants' if len(constants) > 1 else 'a constant'}"
            sentence = f"∂J/∂ of {join_names(names)} takes batch norm's {treated}"
            ways = {
                i: _without_derivatives_of(tape[i], input_of(match, i), match.parameters, constants) for i in chosen
            }
            yield "batch_norm_constants", names, sentence, mutated_gradients(match, ways)


def _without_derivatives_of(taped: Taped, z: Array, parameters: Mapping[str, Array], constants: Sequence[str]) -> Back:
    """Batch norm's backward pass without the derivatives of its mean, or its variance, or both."""
    deviation = np.sqrt(z.var(0) + BATCH_NORM_EPSILON)
    normal, gain = (z - z.mean(0)) / deviation, parameters[f"gamma{taped.name[1:]}"] / deviation

    def back(upstream: Array) -> tuple[Array, dict[str, Array]]:
        dz = upstream
        if "mean" not in constants:
            dz = dz - upstream.mean(0)
        if "variance" not in constants:
            dz = dz - normal * (upstream * normal).mean(0)
        return gain * dz, taped.backward(upstream)[1]

    return back
