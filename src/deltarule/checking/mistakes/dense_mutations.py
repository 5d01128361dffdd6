"""Mistakes in the matrix products and sums of the dense layers of a recognized network."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from deltarule.checking.mistakes.catalog import join_names
from deltarule.checking.mistakes.network_matching import NetworkMatch
from deltarule.checking.mistakes.network_mutations import Back, Mutation, mutated_gradients
from deltarule.maths.elementary import Array
from deltarule.maths.layers import transpose
from deltarule.maths.network import Taped


def weight_mutations(match: NetworkMatch) -> Iterator[Mutation]:
    """Mistakes in a factor of a dense layer's products: weights not transposed, other weights, or a wrong input."""
    weights = {layer.number: match.parameters[f"W{layer.number}"] for layer in match.network.layers}
    inputs = [("x", match.x), *((taped.name, taped.value) for taped in match.tape)]
    for i in match.positions("z"):
        taped, n = match.tape[i], match.layer_number(i)
        own_weight, where = weights[n], [f"a{n - 1}"]
        if i and own_weight.shape[0] == own_weight.shape[1]:
            sentence = f"∂J/∂a{n - 1} is made with W{n} that is not transposed"
            yield Mutation("weights_not_transposed", where, sentence, {i: _with_other_weights(taped, own_weight.T)})
        for m, weight in weights.items():
            if i and m != n and weight.shape == own_weight.shape:
                sentence = f"∂J/∂a{n - 1} is made with W{m} instead of W{n}"
                yield Mutation("other_weights", where, sentence, {i: _with_other_weights(taped, weight)})
        for name, values in inputs:
            if values.shape == match.input_of(i).shape and values is not match.input_of(i):
                sentence = f"the gradient of W{n} is made with {name} instead of {inputs[i][0]}"
                back = _with_other_gradients(taped, lambda dz, name=f"W{n}", x=values: {name: transpose(x) @ dz})
                yield Mutation("wrong_input", [f"W{n}"], sentence, {i: back})


def _with_other_weights(taped: Taped, weights: Array) -> Back:
    """A dense layer's backward step that goes back through other weights."""
    return lambda dz: (dz @ transpose(weights), taped.backward(dz)[1])


def _with_other_gradients(taped: Taped, replacements: Any) -> Back:
    """A dense layer's backward step in which replacements(dz), by name, replaces gradients of its parameters."""

    def back(dz: Array) -> tuple[Array, dict[str, Array]]:
        upstream, correct = taped.backward(dz)
        return upstream, {**correct, **replacements(dz)}

    return back


def delta_mutations(match: NetworkMatch) -> Iterator[Mutation]:
    """Mistakes that compute gradients of a layer's weights or biases from another δ: that of a, or of another layer."""
    deltas = _deltas(match)
    hidden_deltas = {}
    for i in match.positions("z"):
        taped, n, own_delta = match.tape[i], match.layer_number(i), deltas[match.tape[i].name]
        arrays = [name for name in (f"W{n}", f"b{n}") if name in match.parameters]
        for name, delta in deltas.items():
            if delta.shape != own_delta.shape or not delta.any() or np.allclose(delta, own_delta, rtol=1e-9, atol=0):
                continue
            code = "derivative_missing" if name in (f"a{n}", f"d{n}") else "other_delta"
            for chosen in (arrays, *([array] for array in arrays if len(arrays) > 1)):
                sentence = f"the gradient of {join_names(chosen)} is made with ∂J/∂{name} instead of ∂J/∂z{n}"
                yield Mutation(code, chosen, sentence, {i: _with_other_delta(taped, chosen, delta)})
            if name == f"a{n}":
                hidden_deltas[i] = arrays, _with_other_delta(taped, arrays, delta)
    if len(hidden_deltas) > 1:
        names = [name for arrays, _ in hidden_deltas.values() for name in arrays]
        sentence = f"the gradient of {join_names(names)} is made with ∂J/∂a of each layer instead of ∂J/∂z"
        yield Mutation("derivative_missing", names, sentence, {i: back for i, (_, back) in hidden_deltas.items()})


def _deltas(match: NetworkMatch) -> Mapping[str, Array]:
    """∂J/∂ of every value on the tape and of the prediction, by name, such as z1."""
    upstream = match.delta
    deltas = {f"z{match.last}": upstream}
    for before, taped in zip(reversed(match.tape[:-1]), reversed(match.tape), strict=False):
        upstream = taped.backward(upstream)[0]
        deltas[before.name] = upstream
    deltas[f"a{match.last}"] = match.output_slope
    return deltas


def _with_other_delta(taped: Taped, names: Sequence[str], delta: Array) -> Back:
    """A dense layer's backward step with another δ, `delta`, for the gradients of the parameters `names`."""
    wrong = taped.backward(delta)[1]
    return _with_other_gradients(taped, lambda dz: {name: wrong[name] for name in names})


def sum_mutations(match: NetworkMatch) -> Iterator[Mutation]:
    """Mistakes in sums: too early, over the wrong axis, of the last sample alone; a penalty that is in ∂J/∂z."""
    samples = len(match.x)
    for i, taped in enumerate(match.tape) if samples > 1 else ():
        for total, how in ((np.sum, ""), (np.mean, ", and averaged")):
            sentence = f"what comes back is summed over the samples before it has gone through {taped.name}{how}"
            yield Mutation("summed_early", [taped.name], sentence, {i: _sum_before(taped, total)})
        name = f"b{match.layer_number(i)}"
        if taped.name[0] == "z" and taped.value.shape[1] == samples and name in match.parameters:
            sentence = f"the gradient of {name} is summed over the units"
            back = _with_other_gradients(taped, lambda dz, name=name: {name: dz.sum(1, keepdims=True).T})
            yield Mutation("wrong_axis", [name], sentence, {i: back})
    if samples > 1:
        yield from _last_sample_alone(match)
    for name, penalty in match.penalties.items():
        for part in (penalty, penalty.T):
            if part.shape == match.delta.shape and part.any():
                sentence = f"∂J/∂z{match.last} has the penalty of {name} in it"
                yield Mutation("penalty_through_network", [f"z{match.last}"], sentence, slope=match.delta + part)


def _sum_before(taped: Taped, total: Any) -> Back:
    """A backward step that first reduces its upstream gradient over the samples with `total`, np.sum or np.mean."""
    return lambda upstream: taped.backward(np.broadcast_to(total(upstream, axis=0, keepdims=True), upstream.shape))


def _last_sample_alone(match: NetworkMatch) -> Iterator[Mutation]:
    """Mistakes that assign the gradients in a loop over the samples instead of adding, with or without the mean.

    A gradient of 0 for the last sample, such as behind an inactive ReLU, looks like one that was never assigned.
    """
    whole, last_delta = mutated_gradients(match, {}), np.zeros_like(match.delta)
    for share in (1, len(last_delta)):
        last_delta[-1] = share * match.delta[-1]
        last = mutated_gradients(match, {}, last_delta)
        visible = [name for name in last if last[name].any() and not np.allclose(last[name], whole[name], 1e-9, 0)]
        for names in (list(match.parameters), *([name] for name in visible)) if visible else ():
            sentence = f"the gradient of {join_names(names)} is that of the last sample alone"
            yield Mutation("last_sample", names, sentence, gradients={name: last[name] for name in names})
