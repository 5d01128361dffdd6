"""The error scale of a gradient: the sum of the absolute terms of each entry.

Rounding errors are proportional to the terms of a sum, not to the sum: an entry whose terms cancel to 1e-9 is not wrong
because its last digits differ. So an error is divided by the sum of the absolute terms of its entry:

    the gradient   ∂J/∂W = xᵀ δ           its terms   |x|ᵀ |δ|

x and δ carry rounding errors r, which exceed their own last digits where they are differences (p − y, 1 − a²). r
follows from the propagation of independent errors, which add by their squares:

    z = x W + b    r² = (x² + r_x²) W² + b²            a = f(z)      r² = (f'(z) r_z)² + a²
    δ = f' u       r² = (f' r_u)² + (u r_f')²          u = δ' W'ᵀ    r² = (δ'² + r_δ'²) (W'²)ᵀ

All are in units in the last place. A 64th of an entry's rounding is added to its terms: at 1e-12, 70 such units.
"""

from collections.abc import Callable, Mapping, Sequence

import numpy as np

from deltarule.maths.activations import Activation
from deltarule.maths.elementary import Array
from deltarule.maths.layers import transpose
from deltarule.maths.losses import divisor
from deltarule.maths.network import BATCH_NORM_EPSILON, Taped, flatten, views
from deltarule.maths.objective import data_term, penalty_term
from deltarule.problem.batches import Batch
from deltarule.problem.problem import Floats, Problem
from deltarule.problem.state import State

NUDGE = 2.0**-48  # 16 units in the last place
_ROUNDING_SHARE = 2.0**-6
"""Share of the rounding of a sum's terms that is counted: errors of many terms mostly cancel."""


def absolute_terms(problem: Problem, state: State, rows: Batch, tape: Sequence[Taped]) -> Floats:
    """The sum of the absolute terms of each gradient entry on one batch, [K, P].

    θ [K, P] in float64, and the tape of its forward pass  →  [K, P], nowhere less than the gradient's absolute value

    Two samples with the gradients −3 and 3 add to 0:

    >>> from deltarule.engines.reference import objective_and_gradient
    >>> from deltarule.problem.batches import batch
    >>> from deltarule.problem.create import create_problem
    >>> from deltarule.problem.network import Network
    >>> from deltarule.problem.state import initial_state
    >>> network = Network([1, 1], bias=False, initializer="zeros")
    >>> problem = create_problem(network, [[1], [1]], [-3, 3], loss="half_squared_error", reduction="sum")
    >>> state = initial_state(problem)
    >>> rows = batch(problem, state.members, 0)
    >>> done = objective_and_gradient(problem, state, rows)
    >>> done.gradient, absolute_terms(problem, state, rows, done.tape).round(1)
    (array([[0.]]), array([[6.1]]))
    """
    network, total = problem.network, rows.w.sum(-2, keepdims=True)
    parameters, share = views(state.theta, network.entries), rows.w / total
    values = [rows.x, *(taped.value for taped in tape)]
    rounded = _rounding_of_tape(problem, parameters, values, tape, share)
    weight = rows.w / divisor(problem.reduction, total, network.outputs)
    _, gradient = data_term(problem.loss, problem.reduction, network.output, values[-1], rows.y, rows.w)
    exact, r = gradient(), weight * _rounding_at_logits(problem, values[-1], rounded[-1], rows.y)
    found: dict[str, Array] = {}
    for i in reversed(range(len(tape))):
        letter, n = tape[i].name[0], int(tape[i].name[1:])
        if letter == "d":
            r, _ = tape[i].backward(r)  # a factor for each unit, as in the forward pass
        elif letter == "a":
            activation = network.layers[n - 1].activation
            r = _rounding_of_dz(activation, values[i], rounded[i], values[i + 1], rounded[i + 1], exact, r)
        elif letter == "n":
            normalized, r_normalized, deviation = _rounding_of_normalization(values[i], rounded[i], share)
            found[f"gamma{n}"] = _absolute_terms((exact * normalized,), (normalized * r, exact * r_normalized))
            found[f"beta{n}"] = _absolute_terms((exact,), (r,))
            both, dgamma = _combine(exact, r), (exact * normalized).sum(-2, keepdims=True)
            coupled = _combine(
                _combine_along(both),
                normalized * _combine_along(normalized * both, exact * r_normalized),
                r_normalized * dgamma,
            )
            r = np.abs(parameters[f"gamma{n}"]) / deviation * _combine(both, share * coupled)
        elif letter == "s":
            x = np.broadcast_to(values[i], exact.shape)
            found[f"scale{n}"] = _absolute_terms((exact * x,), (r * x, exact * rounded[i]))
            r = parameters[f"scale{n}"] * _combine(exact, r)
        else:
            x, both = transpose(values[i]), _combine(exact, r)
            spread = _combine(_combine_product(x, both), _combine_product(transpose(rounded[i]), exact))
            found[f"W{n}"] = np.abs(x) @ np.abs(exact) + _ROUNDING_SHARE * spread
            found[f"b{n}"] = _absolute_terms((exact,), (r,))
            r = _combine_product(both, transpose(parameters[f"W{n}"]))
        before, (exact, _) = exact, tape[i].backward(exact)
        if letter == "a":
            exact = _steeper_dz(network.layers[n - 1].activation, values[i], rounded[i], before, exact)
    terms = flatten(found, network.entries)
    if problem.penalty is not None:
        strength = problem.strength[state.members, None]
        _, of_penalty = penalty_term(problem.penalty, strength, state.theta, problem.penalized, total[..., 0])
        terms = terms + np.abs(of_penalty())
    return np.asarray(terms)


def rounding_of_result(
    function: Callable[..., Array], inputs: Sequence[Array], rounded: Sequence[Array], jumps: Array = False
) -> Floats:
    """The rounding error of `function(*inputs)`.

    inputs, rounded : the inputs and their rounding errors, in units in the last place. jumps : a mask of the results.

    >>> p, y = np.array([3.0]), np.array([4.0])
    >>> rounding_of_result(lambda p, y: (p - y) / 5, [p, y], [p, y]).round(2)
    array([1.02])
    """
    value = function(*inputs)
    squares = value * value
    for i, r in enumerate(rounded):
        moved = function(*inputs[:i], inputs[i] + NUDGE * np.abs(r), *inputs[i + 1 :])
        squares = squares + np.where(jumps, 0, (moved - value) / NUDGE) ** 2
    return np.asarray(np.sqrt(squares))


def roundings(problem: Problem, state: State, rows: Batch, tape: Sequence[Taped]) -> list[Floats]:
    """The rounding errors of x, of each value on a tape and of p − y."""
    parameters, share = views(state.theta.real, problem.network.entries), rows.w / rows.w.sum(-2, keepdims=True)
    values, output = [rows.x, *(taped.value.real for taped in tape)], problem.network.output
    rounded = _rounding_of_tape(problem, parameters, values, tape, share)
    return [
        *rounded,
        _combine(_rounding_of_activation(output, values[-1], rounded[-1], output.forward(values[-1])[0]), rows.y),
    ]


def _rounding_of_tape(
    problem: Problem,
    parameters: Mapping[str, Array],
    values: Sequence[Array],
    tape: Sequence[Taped],
    share: Array,
) -> list[Array]:
    """The rounding errors of x and of each value on a tape."""
    rounded = [0.0 * values[0]]
    for taped, before in zip(tape, values, strict=False):
        letter, n, r = taped.symbol, taped.layer, rounded[-1]
        if letter == "d":
            r, _ = taped.backward(r)
        elif letter == "a":
            r = _rounding_of_activation(problem.network.layers[n - 1].activation, before, r, taped.value)
        elif letter == "n":
            _, r_normalized, _ = _rounding_of_normalization(before, r, share)
            r = _combine(parameters[f"gamma{n}"] * r_normalized, taped.value, parameters[f"beta{n}"])
        elif letter == "s":
            r = _combine(parameters[f"scale{n}"] * r, taped.value)
        else:
            r = _combine(_combine_product(_combine(before, r), parameters[f"W{n}"]), parameters.get(f"b{n}", 0.0))
        rounded.append(r)
    return rounded


def _rounding_of_activation(activation: Activation, z: Array, r: Array, a: Array) -> Array:
    if activation.rowwise:
        return _combine(a, a * r, a * _combine_along(a * r, axis=-1))
    return rounding_of_result(lambda z: activation.function(z, **activation.parameters), [z], [r])


def _rounding_at_logits(problem: Problem, z: Array, r: Array, y: Array) -> Array:
    """The rounding error of the loss's gradient at the logits z, not yet weighted."""
    loss, output = problem.loss, problem.network.output
    p, _ = output.forward(z)
    r_p = _rounding_of_activation(output, z, r, p)
    if loss.fused_with(output):  # predicted minus target
        return _combine(r_p * (y.sum(-1, keepdims=True) if output.rowwise else 1), y)
    slope = loss.derivative(p, y, **loss.parameters)
    jumps = near_kinks(p - y, _combine(r_p, y), loss.kinks)
    r_slope = rounding_of_result(lambda p, y: loss.derivative(p, y, **loss.parameters), [p, y], [r_p, y], jumps)
    return _rounding_of_dz(output, z, r, p, r_p, slope, r_slope)


def _rounding_of_dz(activation: Activation, z: Array, r: Array, a: Array, r_a: Array, da: Array, r_da: Array) -> Array:
    """The rounding error of ∂J/∂z; `r`, `r_a` and `r_da` are those of z, a and ∂J/∂a."""
    if activation.rowwise:  # aᵢ (∂J/∂aᵢ − Σⱼ aⱼ ∂J/∂aⱼ)
        difference, both = da - (a * da).sum(-1, keepdims=True), _combine(da, r_da)
        return _combine(a * both, a * _combine_along(a * both, r_a * da, axis=-1), r_a * difference)
    slope = activation.derivative(z, a, **activation.parameters)
    jumps = near_kinks(z, r, activation.kinks)
    r_slope = rounding_of_result(
        lambda z, a: activation.derivative(z, a, **activation.parameters), [z, a], [r, r_a], jumps
    )
    return _combine(slope * r_da, da * r_slope)


def _steeper_dz(activation: Activation, z: Array, r: Array, da: Array, dz: Array) -> Array:
    """∂J/∂z with the steeper slope where rounding decides the side of a kink.

    Another order of summation may give the other side.
    """
    close = near_kinks(z, r, activation.kinks)
    for moved in (z - 8 * NUDGE * r, z + 8 * NUDGE * r) if close.any() else ():
        a = activation.function(moved, **activation.parameters)
        other = da * activation.derivative(moved, a, **activation.parameters)
        dz = np.where(close & (np.abs(other) > np.abs(dz)), other, dz)
    return dz


def near_kinks(value: Array, rounding: Array, kinks: Sequence[float]) -> Array:
    """A mask of the values that a rounding error may move across a kink."""
    mask = np.zeros(np.shape(value), bool)
    for kink in kinks:
        mask |= np.abs(value - kink) <= 4 * NUDGE * rounding
    return mask


def _rounding_of_normalization(z: Array, r: Array, share: Array) -> tuple[Array, Array, Array]:
    mean = (share * z).sum(-2, keepdims=True)
    deviation = np.sqrt((share * (z - mean) ** 2).sum(-2, keepdims=True) + BATCH_NORM_EPSILON)
    return (z - mean) / deviation, _combine(r, z, mean, _combine_along(share * z, share * r)) / deviation, deviation


def _absolute_terms(added: Sequence[Array], rounded: Sequence[Array]) -> Array:
    total = sum(np.abs(term).sum(-2, keepdims=True) for term in added)
    return total + _ROUNDING_SHARE * _combine_along(*added, *rounded)


def _combine(*errors: Array) -> Array:
    return np.sqrt(sum(error * error for error in errors))


def _combine_along(*errors: Array, axis: int = -2) -> Array:
    return np.sqrt(sum((error * error).sum(axis, keepdims=True) for error in errors))


def _combine_product(A: Array, B: Array) -> Array:
    return np.sqrt((A * A) @ (B * B))
