"""The gradients that a network has when one mistake is planted in its backward pass.

A mistake is a step of the tape whose way back is exchanged for a wrong one; the pass back then runs as ever.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from deltarule.checking.mistakes.catalog import join_names, make_mistake
from deltarule.checking.mistakes.diagnose import Evidence, Hypothesis
from deltarule.checking.mistakes.network_matching import Like, Likeness, match_network
from deltarule.maths.activations import ACTIVATIONS, Activation
from deltarule.maths.elementary import Array
from deltarule.maths.layers import transpose
from deltarule.maths.losses import NAIVE_BINARY_CROSS_ENTROPY
from deltarule.maths.network import BATCH_NORM_EPSILON, Taped, backward
from deltarule.problem.problem import Floats

Back = Callable[[Array], tuple[Array, dict[str, Array]]]


def hypotheses(evidence: Evidence, likeness: Likeness, like: Like) -> Iterator[Hypothesis]:
    """The structural mistakes whose gradient is the one that was found."""
    everything = frozenset(range(len(evidence.names)))
    for code, where, sentence, gradients in _candidates(likeness, like):
        if evidence.is_found(likeness.to_theirs(gradients)):
            yield Hypothesis(everything, (make_mistake(code, where, sentence),), 0)
    yield from _fit_constants(evidence, likeness, everything)
    other = match_network(evidence, evidence.found, None, like)
    if other:
        yield from epsilon_in_loss(evidence, other)
    if other and other.objective.loss is not likeness.objective.loss:
        sentence = f"the gradient is that of {_words(other)}, the loss is {_words(likeness)}"
        yield Hypothesis(everything, (make_mistake("loss_wrong", evidence.names, sentence),), 0)


def _words(likeness: Likeness) -> str:
    return likeness.objective.loss.name.replace("_", " ")


_Candidate = tuple[str, list[str], str, dict[str, Array]]


def _candidates(likeness: Likeness, like: Like) -> Iterator[_Candidate]:
    with np.errstate(all="ignore"):
        yield from _at_the_output(likeness)
        yield from _at_activations(likeness)
        yield from _at_weights(likeness)
        yield from _other_deltas(likeness)
        yield from _at_sums(likeness)
        yield from _at_masks(likeness, like)


def _with(likeness: Likeness, exchanged: Mapping[int, Back], slope: Array | None = None) -> dict[str, Array]:
    """The gradients when steps of the tape, by their places, go back in another way."""
    tape = [taped._replace(backward=exchanged[i]) if i in exchanged else taped for i, taped in enumerate(likeness.tape)]
    return backward(tape, likeness.factor * likeness.objective.slope if slope is None else slope)


def _before(likeness: Likeness, i: int) -> Array:
    """What goes into a step of the tape."""
    return likeness.tape[i - 1].value if i else likeness.x


_SHARES = ((1, ""), (2, ", and is doubled"), (0.5, ", and is halved"))


def _at_the_output(likeness: Likeness) -> Iterator[_Candidate]:
    """Mistakes in ∂J/∂z of the last layer."""
    c, output, loss = likeness.factor, likeness.network.output, likeness.objective.loss
    z, y = likeness.tape[-1].value, likeness.y
    right, last = c * likeness.objective.slope, likeness.network.layers[-1].number
    p, through = output.forward(z)
    dp = c * loss.derivative(p, y, **loss.parameters)
    where = [f"z{last}"]
    fused = output.name in loss.fused
    no_target = c * p if fused else through(c * loss.derivative(p, 0 * y, **loss.parameters))
    yield "target_missing", where, f"∂J/∂z{last} lacks the targets", _with(likeness, {}, no_target)
    # A gradient that lacks a derivative, and a 2, may be that of another loss: both are named.
    for share, beside in _SHARES if output.name != "identity" else ():
        sentence = f"∂J/∂z{last} is multiplied by the derivative of {output.name} once too often{beside}"
        for twice in (through(right), right * p * (1 - p)) if output.rowwise else (through(right),):
            yield "derivative_twice", where, sentence, _with(likeness, {}, share * twice)
        sentence = f"∂J/∂z{last} lacks the derivative of {output.name}{beside}"
        yield "derivative_missing", where, sentence, _with(likeness, {}, share * dp)
    if output.name == "sigmoid":
        for factor, words in ((p, f"a{last}"), (1 - p, f"1 − a{last}")):
            sentence = f"∂J/∂z{last} is multiplied by {words}, a part of the derivative of sigmoid, once too often"
            yield "derivative_twice", where, sentence, _with(likeness, {}, right * factor)
            sentence = f"∂J/∂z{last} has {words} alone for the derivative of sigmoid"
            yield "derivative_missing", where, sentence, _with(likeness, {}, dp * factor)
    if output.rowwise:
        sentence = f"∂J/∂z{last} takes {output.name} as if it were elementwise"
        yield "softmax_elementwise", where, sentence, _with(likeness, {}, dp * p * (1 - p))
        powers = np.exp(z - z.max())
        wrong = powers / powers.sum(0)
        slope = c * (wrong - y) if fused else wrong * (dp - (wrong * dp).sum(0))
        sentence = f"{output.name} is normalized over the samples"
        yield "wrong_axis", where, sentence, _with(likeness, {}, slope)
    elif output.name != "identity":
        sentence = f"∂J/∂z{last} takes the derivative of {output.name} at its output"
        yield "derivative_at_output", where, sentence, _with(likeness, {}, _slope(output, p) * dp)
        sentence = f"∂J/∂z{last} puts z{last} into a formula for a{last}, the derivative of {output.name}"
        yield "derivative_of_z", where, sentence, _with(likeness, {}, _mistaken(output, z) * dp)
    if y.shape[1] == 1 and len(y) > 1:
        pairs = [c * loss.forward(output, z, np.full_like(z, one))[1](np.ones((len(z), 1))) for one in y[:, 0]]
        for slope in (sum(pairs), sum(pairs) / len(y), *_other_sides(pairs)):
            sentence = "predictions of shape (N, 1) and targets of shape (N,) make a table of N × N differences"
            yield "broadcast", where, sentence, _with(likeness, {}, slope)


def _other_sides(pairs: list[Array]) -> tuple[Array, Array]:
    """A table of differences summed, or averaged, over predictions instead of targets."""
    table = np.concatenate(pairs, axis=1)
    return table.sum(0)[:, None], table.mean(0)[:, None]


def _slope(activation: Activation, z: Array) -> Array:
    """f′(z) of an elementwise activation."""
    a, back = activation.forward(z)
    return back(np.ones_like(a))


def _mistaken(activation: Activation, z: Array) -> Array:
    """f′ by a formula that is meant for a = f(z), with z in the place of a."""
    if activation.name == "softplus":  # ours is a formula for z; people also write 1 − e⁻ᵃ
        return 1 - np.exp(-z)
    return activation.derivative(z, z, **activation.parameters)


_OFTEN_MISTAKEN = ("sigmoid", "tanh", "relu")


def _at_activations(likeness: Likeness) -> Iterator[_Candidate]:
    """Mistakes at the activation of a hidden layer, of one layer or of all of them."""
    wrong: dict[tuple[str, str], dict[int, tuple[str, Back]]] = {}
    tape = likeness.tape
    hidden = [i for i, taped in enumerate(tape) if taped.name[0] == "a"]
    for i in hidden:
        n = int(tape[i].name[1:])
        activation = likeness.network.layers[n - 1].activation
        z, a = _before(likeness, i), tape[i].value
        ways: dict[tuple[str, str], tuple[str, Back]] = {
            ("derivative_missing", ""): (f"lacks the derivative of {activation.name}", _handed_on),
            ("derivative_twice", ""): (f"is multiplied by the derivative of {activation.name} twice", _twice(tape[i])),
        }
        if activation.rowwise:
            ways["softmax_elementwise", ""] = (
                f"takes {activation.name} as if it were elementwise",
                _times(a * (1 - a)),
            )
        else:
            ways["derivative_at_output", ""] = (
                f"takes the derivative of {activation.name} at a{n}, its output",
                _times(_slope(activation, a)),
            )
            ways["derivative_of_z", ""] = (
                f"puts z{n} into a formula for a{n}, the derivative of {activation.name}",
                _times(_mistaken(activation, z)),
            )
            if tape[i + 1].name[0] == "d":
                ways["derivative_of_z", "dropped"] = (
                    f"puts a{n} as dropout leaves it into a formula for a{n}, the derivative of {activation.name}",
                    _times(activation.derivative(z, tape[i + 1].value, **activation.parameters)),
                )
            for name in _OFTEN_MISTAKEN:
                if name == activation.name:
                    continue
                other = ACTIVATIONS[name]
                sentence = f"takes the derivative of {name} for that of {activation.name}"
                ways["other_derivative", name] = sentence, _times(_slope(other, z))
                ways["other_derivative", f"{name}, of a"] = sentence, _times(other.derivative(z, a, **other.parameters))
        for part, words in ((a, f"a{n}"), (1 - a, f"1 − a{n}")) if activation.name == "sigmoid" else ():
            sentence = f"∂J/∂z{n} has {words} alone for the derivative of sigmoid"
            yield "derivative_missing", [f"z{n}"], sentence, _with(likeness, {i: _times(part)})
        for kind, (sentence, way) in ways.items():
            yield kind[0], [f"z{n}"], f"∂J/∂z{n} {sentence}", _with(likeness, {i: way})
            wrong.setdefault(kind, {})[i] = sentence, way
    yield from _other_masks(likeness, hidden)
    yield from _everywhere(likeness, wrong)


def _other_masks(likeness: Likeness, hidden: list[int]) -> Iterator[_Candidate]:
    """The derivative at another layer's z, in one layer or, as by a variable that a loop has left behind, in all."""
    tape = likeness.tape
    for j in hidden:
        m, other = tape[j].name[1:], _before(likeness, j)
        ways = {}
        for i in hidden:
            n = int(tape[i].name[1:])
            activation = likeness.network.layers[n - 1].activation
            if i != j and not activation.rowwise and _before(likeness, i).shape == other.shape:
                ways[i] = _times(_slope(activation, other))
                sentence = f"∂J/∂z{n} takes the derivative of {activation.name} at z{m}, of another layer"
                yield "other_mask", [f"z{n}"], sentence, _with(likeness, {i: ways[i]})
        if len(ways) > 1:
            names = [f"z{tape[i].name[1:]}" for i in ways]
            sentence = f"∂J/∂ of {join_names(names)} takes the activation's derivative at z{m}, of another layer"
            yield "other_mask", names, sentence, _with(likeness, ways)


def _handed_on(upstream: Array) -> tuple[Array, dict[str, Array]]:
    return upstream, {}


def _twice(taped: Taped) -> Back:
    return lambda upstream: taped.backward(taped.backward(upstream)[0])


def _times(factor: Array) -> Back:
    return lambda upstream: (upstream * factor, {})


def _everywhere(likeness: Likeness, wrong: dict[tuple[str, str], dict[int, tuple[str, Back]]]) -> Iterator[_Candidate]:
    """The same mistake at all hidden layers, and at the output too where a loss does not take it in."""
    output, loss, last = likeness.network.output, likeness.objective.loss, likeness.network.layers[-1].number
    z = likeness.tape[-1].value
    p, through = output.forward(z)
    dp = likeness.factor * loss.derivative(p, likeness.y, **loss.parameters)
    ends = {"derivative_missing": dp, "derivative_twice": through(through(dp))}
    if output.rowwise:
        ends["softmax_elementwise"] = dp * p * (1 - p)
    else:
        ends["derivative_at_output"] = dp * _slope(output, p)
        ends["derivative_of_z"] = dp * _mistaken(output, z)
    for (code, _), by_place in wrong.items():
        ways = {i: way for i, (_, way) in by_place.items()}
        names = [f"z{likeness.tape[i].name[1:]}" for i in by_place]
        sentence = next(iter(by_place.values()))[0]
        if len(ways) > 1:
            yield code, names, f"∂J/∂z of every hidden layer {sentence}", _with(likeness, ways)
        if code in ends and output.name != "identity":
            yield code, [*names, f"z{last}"], f"∂J/∂z of every layer {sentence}", _with(likeness, ways, ends[code])


def _at_weights(likeness: Likeness) -> Iterator[_Candidate]:
    """Mistakes in the products of a dense layer."""
    tape, layers = likeness.tape, likeness.network.layers
    weights = {layer.number: likeness.parameters[f"W{layer.number}"] for layer in layers}
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
                _with(likeness, {i: _dense_backward_with(taped, own.T)}),
            )
        for m, others in weights.items():
            if i and m != n and others.shape == own.shape:
                sentence = f"∂J/∂a{n - 1} is made with W{m} instead of W{n}"
                yield (
                    "other_weights",
                    [f"a{n - 1}"],
                    sentence,
                    _with(likeness, {i: _dense_backward_with(taped, others)}),
                )
        came, inputs = _before(likeness, i), [("x", likeness.x), *((one.name, one.value) for one in tape)]
        for name, values in inputs:
            if values.shape == came.shape and values is not came:
                sentence = f"the gradient of W{n} is made with {name} instead of {inputs[i][0]}"
                yield "wrong_input", [f"W{n}"], sentence, _with(likeness, {i: _from(taped, f"W{n}", values)})


def _dense_backward_with(taped: Taped, weights: Array) -> Back:
    """A dense layer's way back with other weights."""
    return lambda dz: (dz @ transpose(weights), taped.backward(dz)[1])


def _from(taped: Taped, name: str, inputs: Array) -> Back:
    """A dense layer's way back with other inputs."""

    def back(dz: Array) -> tuple[Array, dict[str, Array]]:
        upstream, found = taped.backward(dz)
        return upstream, {**found, name: transpose(inputs) @ dz}

    return back


def _other_deltas(likeness: Likeness) -> Iterator[_Candidate]:
    """Gradients of a layer's weights and biases that are made with another δ: that of a, or of another layer."""
    tape, loss, z = likeness.tape, likeness.objective.loss, likeness.tape[-1].value
    last = likeness.network.layers[-1].number
    deltas = {f"z{last}": likeness.factor * likeness.objective.slope}
    upstream = deltas[f"z{last}"]
    for before, taped in zip(reversed(tape[:-1]), reversed(tape), strict=False):
        upstream = taped.backward(upstream)[0]
        deltas[before.name] = upstream
    p, _ = likeness.network.output.forward(z)
    deltas[f"a{last}"] = likeness.factor * loss.derivative(p, likeness.y, **loss.parameters)
    everywhere = {}
    for i, taped in enumerate(tape):
        if taped.name[0] != "z":
            continue
        n = taped.name[1:]
        arrays = [name for name in (f"W{n}", f"b{n}") if name in likeness.parameters]
        for name, delta in deltas.items():
            own = deltas[taped.name]
            if delta.shape != own.shape or not delta.any() or np.allclose(delta, own, rtol=1e-9, atol=0):
                continue
            code = "derivative_missing" if name[0] in "ad" and name[1:] == n else "other_delta"
            for chosen in (arrays, *([one] for one in arrays if len(arrays) > 1)):
                sentence = f"the gradient of {join_names(chosen)} is made with ∂J/∂{name} instead of ∂J/∂z{n}"
                yield code, chosen, sentence, _with(likeness, {i: _from_delta(taped, chosen, delta)})
            if name == f"a{n}":
                everywhere[i] = arrays, _from_delta(taped, arrays, delta)
    if len(everywhere) > 1:
        names = [name for arrays, _ in everywhere.values() for name in arrays]
        sentence = f"the gradient of {join_names(names)} is made with ∂J/∂a of each layer instead of ∂J/∂z"
        yield "derivative_missing", names, sentence, _with(likeness, {i: way for i, (_, way) in everywhere.items()})


def _from_delta(taped: Taped, names: Sequence[str], delta: Array) -> Back:
    """A dense layer's way back with another δ for some of its parameters."""

    def back(dz: Array) -> tuple[Array, dict[str, Array]]:
        upstream, found = taped.backward(dz)
        other = taped.backward(delta)[1]
        return upstream, {**found, **{name: other[name] for name in names}}

    return back


def _at_sums(likeness: Likeness) -> Iterator[_Candidate]:
    """Sums that come too early, or go over the wrong axis; a penalty that goes through the network."""
    tape, right = likeness.tape, likeness.factor * likeness.objective.slope
    samples = len(likeness.x)
    for i, taped in enumerate(tape):
        if samples > 1:
            early = f"is summed over the samples before it has gone through {taped.name}"
            for way, how in ((np.sum, ""), (np.mean, ", and averaged")):
                sentence = f"what comes back {early}{how}"
                yield "summed_early", [taped.name], sentence, _with(likeness, {i: _sum_over_batch(taped, way)})
        if taped.name[0] == "z" and taped.value.shape[1] == samples > 1:
            name = f"b{taped.name[1:]}"
            if name in likeness.parameters:
                sentence = f"the gradient of {name} is summed over the units"
                yield "wrong_axis", [name], sentence, _with(likeness, {i: _transpose_gradient(taped, name)})
    if samples > 1:
        yield from _last_sample(likeness, right)
    last = likeness.network.layers[-1].number
    for name, penalty in likeness.penalties.items():
        for part in (penalty, penalty.T):
            if part.shape == right.shape and part.any():
                sentence = f"∂J/∂z{last} has the penalty of {name} in it"
                yield "penalty_through_network", [f"z{last}"], sentence, _with(likeness, {}, right + part)


def _last_sample(likeness: Likeness, right: Array) -> Iterator[_Candidate]:
    """Gradients that a loop over the samples assigns instead of adding, with the mean taken or not.

    A part of the last sample that is 0, as behind a ReLU that is off, is not told from a gradient that was never made.
    """
    whole, only = _with(likeness, {}), np.zeros_like(right)
    for share in (1, len(right)):
        only[-1] = share * right[-1]
        last = _with(likeness, {}, only)
        telling = [name for name in last if last[name].any() and not np.allclose(last[name], whole[name], 1e-9, 0)]
        for names in (list(likeness.parameters), *([name] for name in telling)) if telling else ():
            sentence = f"the gradient of {join_names(names)} is that of the last sample alone"
            yield "last_sample", names, sentence, {**whole, **{name: last[name] for name in names}}


def _sum_over_batch(taped: Taped, way: Any) -> Back:
    return lambda upstream: taped.backward(np.broadcast_to(way(upstream, axis=0, keepdims=True), upstream.shape))


def _transpose_gradient(taped: Taped, name: str) -> Back:
    def back(dz: Array) -> tuple[Array, dict[str, Array]]:
        upstream, found = taped.backward(dz)
        return upstream, {**found, name: dz.sum(1, keepdims=True).T}

    return back


def _at_masks(likeness: Likeness, like: Like) -> Iterator[_Candidate]:
    """Dropout masks and batch norm's statistics."""
    tape = likeness.tape
    dropped = {i: int(taped.name[1:]) for i, taped in enumerate(tape) if taped.name[0] == "d"}
    for chosen in [*([i] for i in dropped), *([list(dropped)] if len(dropped) > 1 else [])]:
        names = [f"a{dropped[i]}" for i in chosen]
        whose = f"∂J/∂ of {join_names(names)}"
        sentence = f"{whose} lacks the dropout mask"
        yield "dropout_mask", names, sentence, _with(likeness, dict.fromkeys(chosen, _handed_on))
        sentence = f"{whose} lacks the 1 / (1 − rate) of dropout"
        kept = {i: _times((np.asarray(like.masks[dropped[i]]) != 0).astype(float)) for i in chosen}
        yield "dropout_mask", names, sentence, _with(likeness, kept)
    normalized = [i for i, taped in enumerate(tape) if taped.name[0] == "n"]
    for chosen in [*([i] for i in normalized), *([normalized] if len(normalized) > 1 else [])]:
        names = [f"z{tape[i].name[1:]}" for i in chosen]
        for constants in (("mean", "variance"), ("mean",), ("variance",)):
            said = f"{join_names(constants)} as {'constants' if len(constants) > 1 else 'a constant'}"
            sentence = f"∂J/∂ of {join_names(names)} takes batch norm's {said}"
            ways = {i: _constant(tape[i], _before(likeness, i), likeness.parameters, constants) for i in chosen}
            yield "batch_norm_constants", names, sentence, _with(likeness, ways)


def _constant(taped: Taped, z: Array, parameters: Mapping[str, Array], constants: Sequence[str]) -> Back:
    """Batch norm's way back without the derivatives of its mean, or its variance, or both."""
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


def _fit_constants(evidence: Evidence, likeness: Likeness, everything: frozenset[int]) -> Iterator[Hypothesis]:
    """Mistakes with a constant of their own: the ε of a division, the rate of an update that came too early."""
    for code, where, sentence, make in (*_epsilons(likeness), *_updates(likeness)):
        with np.errstate(all="ignore"):
            constant = _constant_of(evidence.found, likeness, make)
            if constant is not None and evidence.is_found(likeness.to_theirs(make(constant))):
                text = sentence.format(f"{constant:.3g}")
                yield Hypothesis(everything, (make_mistake(code, where, text),), 1)


_LARGEST_EPSILON = 0.01
_WITH_EPSILON = (("sigmoid", "binary_cross_entropy"), ("softmax", "cross_entropy"))
_Family = tuple[str, list[str], str, Callable[[float], dict[str, Array]]]


def epsilon_in_loss(evidence: Evidence, likeness: Likeness) -> Iterator[Hypothesis]:
    """The ε of a logarithm in the loss, where the gradient is that of the loss without one.

    likeness   what the gradient is that was found
    """
    for code, _, _, make in _epsilons(likeness):
        with np.errstate(all="ignore"):
            constant = _constant_of(evidence.expected, likeness, make)
            if constant is None or constant > _LARGEST_EPSILON:
                continue
            ends = zip(
                likeness.to_theirs(make(0.0)), likeness.to_theirs(make(constant)), evidence.expected, strict=True
            )
            planted = [np.where(np.isfinite(one), one + right - with_it, right) for right, with_it, one in ends]
        if evidence.is_found(planted):
            sentence = f"the loss adds {constant:.3g} to predictions in the logarithm, and the gradient has no such ε"
            yield Hypothesis(frozenset(range(len(evidence.names))), (make_mistake(code, ["loss"], sentence),), 2)


def _epsilons(likeness: Likeness) -> Iterator[_Family]:
    """The gradients of log(p + ε), by ε."""
    output, last = likeness.network.output, likeness.network.layers[-1].number
    if (output.name, likeness.objective.loss.name) not in _WITH_EPSILON:
        return
    p, through = output.forward(likeness.tape[-1].value)
    naive = NAIVE_BINARY_CROSS_ENTROPY.derivative

    def make(epsilon: float) -> dict[str, Array]:
        slope = -likeness.y / (p + epsilon) if output.rowwise else naive(p, likeness.y, epsilon)
        return _with(likeness, {}, through(likeness.factor * slope))

    yield "epsilon", [f"z{last}"], "the gradient divides by predictions plus {}, and the loss has no such ε", make


def _updates(likeness: Likeness) -> Iterator[_Family]:
    """Weights that have changed already when the pass back comes to them."""
    tape = likeness.tape
    dense = [i for i, taped in enumerate(tape) if taped.name[0] == "z" and i]
    for chosen in [dense, *([i] for i in dense if len(dense) > 1)] if dense else []:

        def make(rate: float, chosen: list[int] = chosen) -> dict[str, Array]:
            return _with(likeness, {i: _after_update(tape[i], likeness, rate) for i in chosen})

        names = [f"W{tape[i].name[1:]}" for i in chosen]
        sentence = f"the pass back goes through {join_names(names)} after the update, with a rate of {{}}"
        yield "updated_weights", names, sentence, make


def _after_update(taped: Taped, likeness: Likeness, rate: float) -> Back:
    name = f"W{taped.name[1:]}"

    def back(dz: Array) -> tuple[Array, dict[str, Array]]:
        _, found = taped.backward(dz)
        updated = likeness.parameters[name] - rate * (found[name] + likeness.penalties[name])
        return dz @ transpose(updated), found

    return back


def _constant_of(
    wanted: Sequence[Floats], likeness: Likeness, make: Callable[[float], dict[str, Array]]
) -> float | None:
    """The constant at which a family of gradients meets the wanted one, by Newton's method from 0."""

    def away(constant: float) -> Floats:
        candidate = likeness.to_theirs(make(constant))
        flat = [(one - found).ravel() for one, found in zip(candidate, wanted, strict=True)]
        return np.nan_to_num(np.concatenate(flat), nan=0.0, posinf=0.0, neginf=0.0)

    constant, nudge = 0.0, 1e-9
    for _ in range(12):
        here = away(constant)
        slope = (away(constant + nudge) - here) / nudge
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
