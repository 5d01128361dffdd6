"""The scale of a gradient's errors: the sum of the absolute terms of each of its entries.

Rounding makes errors in proportion to what is added up, not to the sum: an entry whose samples cancel to 1e-9 is no
wrong gradient because its last digits differ. So the way back is gone once more with every factor and every term of
every sum taken by its absolute value, as if nothing ever cancelled; what arrives at θ is what an error is divided by.

    the gradient      ∂J/∂W = xᵀ δ           δ = f'(z) · (δ' W'ᵀ)
    its scale               |x|ᵀ |δ|        |δ| = |f'(z)| · (|δ'| |W'|ᵀ)

A factor can be a difference in itself (1 − a², p − y) of numbers that were rounded on the way forward. So that way is
gone in absolute values too, which gives the size of every z and a: |z| = |x| |W| + |b|. A 64th counts of how
far a factor moves with the sizes of what it is made from: at 1e-12, that allows for 70 units in their last place.
"""

from collections.abc import Callable, Sequence

import numpy as np

from deltarule.engines.reference import dropout_masks
from deltarule.maths.activations import Activation
from deltarule.maths.elementary import Array
from deltarule.maths.layers import transpose
from deltarule.maths.losses import divisor
from deltarule.maths.network import BATCH_NORM_EPSILON, Taped, flatten, views
from deltarule.maths.objective import penalty_term
from deltarule.problem.batches import Batch
from deltarule.problem.problem import Floats, Problem
from deltarule.problem.state import State

_NUDGE = 2.0**-40
_COUNTS = 2.0**-6


def absolute_terms(problem: Problem, state: State, rows: Batch, tape: Sequence[Taped]) -> Floats:
    """For each entry of the gradient the sum of the absolute values of its terms.

    θ [K, P] in float64, and the tape of its forward pass  →  [K, P], nowhere less than the gradient's absolute value

    Two samples that pull with −3 and 3 leave a gradient of 0:

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
    (array([[0.]]), array([[6.]]))
    """
    network, total = problem.network, rows.w.sum(-2, keepdims=True)
    parameters = {name: np.abs(array) for name, array in views(state.theta, network.entries).items()}
    keep, rate = dropout_masks(problem, state, rows)
    gain = {n: mask / (1 - rate[n]) for n, mask in keep.items()} if keep and rate else {}
    values = [rows.x, *(taped.value for taped in tape)]
    sizes = _sizes(problem, parameters, rows, tape, gain)
    found = {}
    share = rows.w / divisor(problem.reduction, total, network.outputs)
    upstream = share * _at_logits(problem, values[-1], sizes[-1], rows.y)
    for i in reversed(range(len(tape))):
        letter, n = tape[i].name[0], int(tape[i].name[1:])
        if letter == "d":
            upstream = upstream * gain[n]
        elif letter == "a":
            activation = network.layers[n - 1].activation
            upstream = _through(activation, values[i], sizes[i], values[i + 1], sizes[i + 1], upstream)
        elif letter == "n":
            normalized, deviation = _normalized(values[i], sizes[i], rows.w / total)
            found[f"beta{n}"] = upstream.sum(-2, keepdims=True)
            found[f"gamma{n}"] = (upstream * normalized).sum(-2, keepdims=True)
            coupled = rows.w / total * (found[f"beta{n}"] + normalized * found[f"gamma{n}"])
            upstream = parameters[f"gamma{n}"] / deviation * (upstream + coupled)
        else:
            x = np.abs(values[i]) + _COUNTS * sizes[i]
            found[f"W{n}"], found[f"b{n}"] = transpose(x) @ upstream, upstream.sum(-2, keepdims=True)
            upstream = upstream @ transpose(parameters[f"W{n}"])
    return np.asarray(flatten(found, network.entries) + _penalty_terms(problem, state, total[..., 0]))


def terms(function: Callable[..., Array], inputs: Sequence[Array], sizes: Sequence[Array]) -> Floats:
    """The size of a factor, and what counts of how it moves with its inputs' sizes.

    >>> p, y = np.array([3.0]), np.array([3.0])
    >>> terms(lambda p, y: p - y, [p, y], [p, y]) * 64
    array([6.])
    """
    value = function(*inputs)
    return np.asarray(np.abs(value) + _COUNTS * _moves(function, inputs, sizes, value))


def _moves(function: Callable[..., Array], inputs: Sequence[Array], sizes: Sequence[Array], value: Array) -> Array:
    """Σ |size of the input · ∂f/∂input|, as if nothing cancelled; where f jumps there is nothing to measure."""
    moves: Array = 0.0
    for i, size in enumerate(sizes):
        far, near = (
            np.abs(function(*inputs[:i], inputs[i] + nudge * np.abs(size), *inputs[i + 1 :]) - value)
            for nudge in (_NUDGE, _NUDGE / 16)
        )
        moves = moves + np.where(near > far / 2, 0, far / _NUDGE)
    return moves


def _sizes(
    problem: Problem, absolute: dict[str, Array], rows: Batch, tape: Sequence[Taped], gain: dict[int, Array]
) -> list[Array]:
    """The sizes of x and of everything on the tape: the sums of their absolute terms."""
    sizes, before = [np.abs(rows.x)], rows.x
    for taped in tape:
        letter, n = taped.name[0], int(taped.name[1:])
        if letter == "d":
            size = sizes[-1] * gain[n]
        elif letter == "a":
            size = _size_after(problem.network.layers[n - 1].activation, before, sizes[-1], taped.value)
        elif letter == "n":
            normalized, deviation = _normalized(before, sizes[-1], rows.w / rows.w.sum(-2, keepdims=True))
            size = absolute[f"gamma{n}"] * (normalized + sizes[-1] / deviation) + absolute[f"beta{n}"]
        else:
            size = sizes[-1] @ absolute[f"W{n}"] + absolute.get(f"b{n}", 0.0)
        sizes.append(size)
        before = taped.value
    return sizes


def _size_after(activation: Activation, z: Array, size: Array, a: Array) -> Array:
    """The size of a = f(z): its own, and what the size of z makes of it."""
    if activation.rowwise:
        return np.abs(a) + _softmax_terms(a, size)
    return np.abs(a) + _moves(lambda z: activation.function(z, **activation.parameters), [z], [size], a)


def _at_logits(problem: Problem, z: Array, size: Array, y: Array) -> Array:
    """The terms of ∂ℓ/∂z of each output."""
    loss, output = problem.loss, problem.network.output
    p, _ = output.forward(z)
    size_p = _size_after(output, z, size, p)
    if output.name in loss.fused:  # predicted minus target, the prediction times Σ y behind a softmax
        total = y.sum(-1, keepdims=True) if output.rowwise else 1
        return np.abs(p * total - y) + _COUNTS * (size_p * total + np.abs(y))
    at_p = terms(lambda p, y: loss.derivative(p, y, **loss.parameters), [p, y], [size_p, y])
    return _through(output, z, size, p, size_p, at_p)


def _through(activation: Activation, z: Array, size: Array, a: Array, size_a: Array, upstream: Array) -> Array:
    """The terms of ∂J/∂z, from those of ∂J/∂a."""
    if activation.rowwise:
        return _softmax_terms(np.abs(a) + _COUNTS * size_a, upstream)
    return terms(lambda z, a: activation.derivative(z, a, **activation.parameters), [z, a], [size, size_a]) * upstream


def _softmax_terms(a: Array, upstream: Array) -> Array:
    """The terms of aᵢ (∂J/∂aᵢ − Σⱼ aⱼ ∂J/∂aⱼ), and of softmax's move with z, which has the same Jacobian."""
    return np.abs(a) * (upstream + (np.abs(a) * upstream).sum(-1, keepdims=True))


def _normalized(z: Array, size: Array, share: Array) -> tuple[Array, Array]:
    """The terms of batch norm's ẑ, itself a difference of z and its mean, and the deviation."""
    mean = (share * z).sum(-2, keepdims=True)
    deviation = np.sqrt((share * (z - mean) ** 2).sum(-2, keepdims=True) + BATCH_NORM_EPSILON)
    return (np.abs(z - mean) + _COUNTS * (size + (share * size).sum(-2, keepdims=True))) / deviation, deviation


def _penalty_terms(problem: Problem, state: State, samples: Array) -> Array:
    if problem.penalty is None:
        return 0.0
    strength = problem.strength[state.members, None]
    _, slope = penalty_term(problem.penalty, strength, state.theta, problem.penalized, samples)
    return np.abs(slope)
