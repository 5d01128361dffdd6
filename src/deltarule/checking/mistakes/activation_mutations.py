"""Mistakes at activations, dropout and batch norm of hidden layers. A new one is an entry in `_wrong_steps`."""

from collections.abc import Iterator, Mapping, Sequence

import numpy as np

from deltarule.checking.mistakes.catalog import join_names
from deltarule.checking.mistakes.network_matching import Like, NetworkMatch
from deltarule.checking.mistakes.network_mutations import (
    Back,
    Mutation,
    apply_twice,
    multiply_by,
    pass_through,
    slope_at,
    slope_with_z_for_a,
)
from deltarule.maths.activations import ACTIVATIONS
from deltarule.maths.elementary import Array
from deltarule.maths.network import BATCH_NORM_EPSILON

WrongStep = tuple[str, str, str, Back]
"""A mistake's code, a name for each of its variants, the end of the sentence "∂J/∂z1 …", and the backward step."""


def activation_mutations(match: NetworkMatch) -> Iterator[Mutation]:
    """Mistakes at the activation of one hidden layer, and the same mistake at all hidden layers."""
    hidden = match.positions("a")
    steps_by_mistake: dict[tuple[str, str], dict[int, tuple[str, Back]]] = {}
    for i in hidden:
        n = match.layer_number(i)
        for code, variant, sentence, back in _wrong_steps(match, i):
            yield Mutation(code, [f"z{n}"], f"∂J/∂z{n} {sentence}", {i: back})
            steps_by_mistake.setdefault((code, variant), {})[i] = sentence, back
    yield from _slopes_at_other_layers(match, hidden)
    yield from _mistakes_of_all_layers(match, steps_by_mistake)


def _wrong_steps(match: NetworkMatch, i: int) -> Iterator[WrongStep]:
    """The wrong backward steps for the activation at position i on the tape."""
    taped, n = match.tape[i], match.layer_number(i)
    activation, z, a = match.network.layers[n - 1].activation, match.input_of(i), taped.value
    name = activation.name
    if name == "sigmoid":
        for part, text in ((a, f"a{n}"), (1 - a, f"1 − a{n}")):
            yield "derivative_missing", text, f"has {text} alone for the derivative of sigmoid", multiply_by(part)
    yield "derivative_missing", "", f"lacks the derivative of {name}", pass_through
    yield "derivative_twice", "", f"is multiplied by the derivative of {name} twice", apply_twice(taped)
    if activation.rowwise:
        yield "softmax_elementwise", "", f"takes {name} as if it were elementwise", multiply_by(a * (1 - a))
        return
    at_output = multiply_by(slope_at(activation, a))
    yield "derivative_at_output", "", f"takes the derivative of {name} at a{n}, its output", at_output
    of_z = multiply_by(slope_with_z_for_a(activation, z))
    yield "derivative_of_z", "", f"puts z{n} into a formula for a{n}, the derivative of {name}", of_z
    if match.tape[i + 1].name[0] == "d":
        of_dropped = multiply_by(activation.derivative(z, match.tape[i + 1].value, **activation.parameters))
        sentence = f"puts a{n} as dropout leaves it into a formula for a{n}, the derivative of {name}"
        yield "derivative_of_z", "dropped", sentence, of_dropped
    alone = slope_at(activation, z)
    yield "upstream_ignored", "", f"is the derivative of {name} alone", lambda upstream: (alone, {})
    if name == "softplus":
        yield "other_derivative", "exp", "takes the derivative of exp for that of softplus", multiply_by(np.exp(z))
    if name == "relu":
        yield "mask_of_gradient", "", "is masked by the sign of the gradient, not of z", _mask_of_gradient
        yield "mask_inverted", "", "is masked where z is positive", multiply_by(z <= 0)
    for other in (ACTIVATIONS["sigmoid"], ACTIVATIONS["tanh"], ACTIVATIONS["relu"]):
        if other.name != name:
            sentence = f"takes the derivative of {other.name} for that of {name}"
            yield "other_derivative", other.name, sentence, multiply_by(slope_at(other, z))
            of_a = multiply_by(other.derivative(z, a, **other.parameters))
            yield "other_derivative", f"{other.name}, of a", sentence, of_a


def _mask_of_gradient(upstream: Array) -> tuple[Array, dict[str, Array]]:
    """A backward step of ReLU that masks by the sign of the gradient, not of z."""
    return upstream * (upstream > 0), {}


def _slopes_at_other_layers(match: NetworkMatch, hidden: Sequence[int]) -> Iterator[Mutation]:
    """Mistakes that take the activation's derivative at another layer's z, in one hidden layer or in all of them.

    hidden   positions on the tape of the hidden activations
    """
    for j in hidden:
        m, other = match.layer_number(j), match.input_of(j)
        steps = {}
        for i in hidden:
            n = match.layer_number(i)
            activation = match.network.layers[n - 1].activation
            if i != j and not activation.rowwise and match.input_of(i).shape == other.shape:
                steps[i] = multiply_by(slope_at(activation, other))
                sentence = f"∂J/∂z{n} takes the derivative of {activation.name} at z{m}, of another layer"
                yield Mutation("other_mask", [f"z{n}"], sentence, {i: steps[i]})
        if len(steps) > 1:
            names = [f"z{match.layer_number(i)}" for i in steps]
            sentence = f"∂J/∂ of {join_names(names)} takes the activation's derivative at z{m}, of another layer"
            yield Mutation("other_mask", names, sentence, steps)


def _mistakes_of_all_layers(
    match: NetworkMatch, steps_by_mistake: Mapping[tuple[str, str], Mapping[int, tuple[str, Back]]]
) -> Iterator[Mutation]:
    """The same mistake at all hidden layers, and at all layers with the output; `steps_by_mistake` has those of each.

    steps_by_mistake   by code and variant, the sentence and the wrong step at each position on the tape
    """
    output, z, p, dp = match.network.output, match.tape[-1].value, match.prediction, match.output_slope
    _, through = output.forward(z)
    at_output = {"derivative_missing": dp, "derivative_twice": through(through(dp))}
    if output.rowwise:
        at_output["softmax_elementwise"] = dp * p * (1 - p)
    else:
        at_output["derivative_at_output"] = dp * slope_at(output, p)
        at_output["derivative_of_z"] = dp * slope_with_z_for_a(output, z)
    for (code, variant), by_position in steps_by_mistake.items():
        steps = {i: back for i, (_, back) in by_position.items()}
        names = [f"z{match.layer_number(i)}" for i in steps]
        sentence = next(iter(by_position.values()))[0]
        if len(steps) > 1:
            yield Mutation(code, names, f"∂J/∂z of every hidden layer {sentence}", steps)
        if code in at_output and variant in ("", "dropped") and output.name != "identity":
            names = [*names, f"z{match.last}"]
            yield Mutation(code, names, f"∂J/∂z of every layer {sentence}", steps, at_output[code])


def normalization_mutations(match: NetworkMatch, like: Like) -> Iterator[Mutation]:
    """Mistakes that omit dropout masks or the derivatives of batch norm's statistics, in one layer or in all."""
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
    """Each position alone and, if there are several, all of them together."""
    return [*([i] for i in positions), *([list(positions)] if len(positions) > 1 else [])]


def _without_derivatives_of(match: NetworkMatch, i: int, constants: Sequence[str]) -> Back:
    """Batch norm's backward step that takes the statistics in `constants`, "mean" and "variance", as constants."""
    z, taped = match.input_of(i), match.tape[i]
    deviation = np.sqrt(z.var(0) + BATCH_NORM_EPSILON)
    normal, gain = (z - z.mean(0)) / deviation, match.parameters[f"gamma{match.layer_number(i)}"] / deviation

    def back(upstream: Array) -> tuple[Array, dict[str, Array]]:
        """Go back through the statistics that are no constants: upstream gradient → gradient of z, and of γ and β."""
        dz = upstream
        if "mean" not in constants:
            dz = dz - upstream.mean(0)
        if "variance" not in constants:
            dz = dz - normal * (upstream * normal).mean(0)
        return gain * dz, taped.backward(upstream)[1]

    return back
