"""The scale of a gradient's errors: the sum of the absolute terms of each of its entries.

Rounding makes errors in proportion to what is added up, not to the sum: an entry whose samples cancel to 1e-9 is no
wrong gradient because its last digits differ. So the way back is gone once more with every factor and every term of
every sum taken by its absolute value, as if nothing ever cancelled; what arrives at θ is what an error is divided by.

    the gradient      ∂J/∂W = xᵀ δ           δ = f'(z) · (δ' W'ᵀ)
    its scale               |x|ᵀ |δ|        |δ| = |f'(z)| · (|δ'| |W'|ᵀ)

Where a derivative is a difference in itself (1 − a², p − y) its own terms count too: see `terms`.
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

_NUDGE = 2.0**-20


def absolute_terms(problem: Problem, state: State, rows: Batch, tape: Sequence[Taped]) -> Floats:
    """For each entry of the gradient the sum of the absolute values of its terms.

    θ [K, P] in float64, and the tape of its forward pass  →  [K, P], nowhere less than the gradient's absolute value

    Two samples that pull with −3 and 3 leave a gradient of 0; the terms of p − y are |p| and |y|:

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
    >>> done.gradient, absolute_terms(problem, state, rows, done.tape).round(3)
    (array([[0.]]), array([[6.]]))
    """
    network, total = problem.network, rows.w.sum(-2, keepdims=True)
    parameters, found = views(state.theta, network.entries), {}
    keep, rate = dropout_masks(problem, state, rows)
    upstream = rows.w / divisor(problem.reduction, total, network.outputs) * _at_logits(problem, tape[-1].value, rows.y)
    for i in reversed(range(len(tape))):
        before = tape[i - 1].value if i else rows.x
        letter, n = tape[i].name[0], int(tape[i].name[1:])
        if letter == "d":
            assert keep and rate
            upstream = upstream * keep[n] / (1 - rate[n])
        elif letter == "a":
            upstream = _through(network.layers[n - 1].activation, before, tape[i].value, upstream)
        elif letter == "n":
            found[f"gamma{n}"], found[f"beta{n}"], upstream = _through_batch_norm(
                before, parameters[f"gamma{n}"], rows.w / total, upstream
            )
        else:
            found[f"W{n}"], found[f"b{n}"] = transpose(np.abs(before)) @ upstream, upstream.sum(-2, keepdims=True)
            upstream = upstream @ transpose(np.abs(parameters[f"W{n}"]))
    return np.asarray(flatten(found, network.entries) + _penalty_terms(problem, state, total[..., 0]))


def terms(function: Callable[..., Array], *inputs: Array) -> Floats:
    """|f|, or Σ |input · ∂f/∂input| where that is larger: how f moves with the last digits of what it is made from.

    That is the size of the terms of an elementwise formula, found without reading it: p − y has |p| + |y|, 1 − a² has
    2 a² where a is near 1, and a formula in which nothing cancels has not much more than its own value.

    >>> terms(lambda p, y: p - y, np.array([3.0]), np.array([3.0])).round(3)
    array([6.])
    """
    value = function(*inputs)
    moves = 0.0
    for i, given in enumerate(inputs):
        moved = function(*inputs[:i], given * (1 + _NUDGE), *inputs[i + 1 :])
        moves = moves + np.abs(moved - value) / _NUDGE
    return np.asarray(np.maximum(np.abs(value), moves))


def _at_logits(problem: Problem, z: Array, y: Array) -> Array:
    """The terms of ∂ℓ/∂z of each output, of an unweighted sum."""
    loss, output = problem.loss, problem.network.output
    p, _ = output.forward(z)
    if output.name in loss.fused:  # predicted minus target, the prediction times Σ y behind a softmax
        return np.abs(p) * (y.sum(-1, keepdims=True) if output.rowwise else 1) + np.abs(y)
    return _through(output, z, p, terms(lambda p, y: loss.derivative(p, y, **loss.parameters), p, y))


def _through(activation: Activation, z: Array, a: Array, upstream: Array) -> Array:
    """The terms of ∂J/∂z, from those of ∂J/∂a."""
    if activation.rowwise:  # softmax: aᵢ (∂J/∂aᵢ − Σⱼ aⱼ ∂J/∂aⱼ)
        return np.abs(a) * (upstream + (np.abs(a) * upstream).sum(-1, keepdims=True))
    return terms(lambda z, a: activation.derivative(z, a, **activation.parameters), z, a) * upstream


def _through_batch_norm(z: Array, gamma: Array, share: Array, upstream: Array) -> tuple[Array, Array, Array]:
    """The terms of ∂J/∂γ, ∂J/∂β and ∂J/∂z; ẑ itself is a difference, with the terms |z| and |μ|."""
    mean = (share * z).sum(-2, keepdims=True)
    deviation = np.sqrt((share * (z - mean) ** 2).sum(-2, keepdims=True) + BATCH_NORM_EPSILON)
    normalized = (np.abs(z) + np.abs(mean)) / deviation
    dbeta, dgamma = upstream.sum(-2, keepdims=True), (upstream * normalized).sum(-2, keepdims=True)
    dz = np.abs(gamma) / deviation * (upstream + share * dbeta + share * normalized * dgamma)
    return dgamma, dbeta, dz


def _penalty_terms(problem: Problem, state: State, samples: Array) -> Array:
    if problem.penalty is None:
        return 0.0
    strength = problem.strength[state.members, None]
    _, slope = penalty_term(problem.penalty, strength, state.theta, problem.penalized, samples)
    return np.abs(slope)
