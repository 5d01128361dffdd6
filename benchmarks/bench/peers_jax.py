"""JAX as a contender: all updates as one compiled `lax.scan`, and a population as a vmap of it."""

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from functools import cache, partial
from typing import Any

import numpy as np

from bench.contenders import Contender, LeftOut
from bench.workloads import batches, penalty_strength
from deltarule.maths.network import flatten, views
from deltarule.problem.problem import Floats, Problem
from deltarule.problem.state import initial_state


def scan(problem: Problem) -> Contender:
    """The JAX contender that trains one network, the first member, as one program."""
    return _contender(problem, "JAX scan", "jit of lax.scan, one by one", 1)


def vmap_population(problem: Problem, with_history: bool = False) -> Contender:
    """The JAX contender that trains a population as one program; raises `LeftOut` for a single network.

    with_history : whether it also returns the objective before each update, which is not computed otherwise.
    """
    if problem.members == 1:
        raise LeftOut("one network is no population")
    return _contender(problem, "JAX vmap", "jit of vmap of lax.scan", problem.members, with_history)


def _contender(problem: Problem, name: str, about: str, member_count: int, with_history: bool = False) -> Contender:
    """A JAX contender that trains the first `member_count` members of a problem, more than one by vmap."""
    jax = _jax()
    theta = initial_state(problem).theta[:member_count]
    start = views(theta if member_count > 1 else theta[0], problem.network.entries)
    in_axes = (0, None, None, None)

    @partial(jax.jit, static_argnames="n")
    def program(parameters: Any, x: Any, y: Any, row_indices: Any, n: int) -> Any:
        train = partial(_train, problem, n)
        mapped = jax.vmap(train, in_axes=in_axes) if member_count > 1 else train
        trained, objectives = mapped(parameters, x, y, row_indices)
        return trained, objectives if with_history else None

    ids = cache(lambda n: batches(problem, n))

    def advance(n: int) -> Floats:
        """The parameters θ [K, P] after n updates from the start."""
        with _precision(problem):
            parameters, _ = jax.block_until_ready(program(start, problem.x, problem.y, ids(n), n=n))
            arrays = {parameter: np.asarray(value) for parameter, value in parameters.items()}
        theta = flatten(arrays, problem.network.entries)
        return theta if member_count > 1 else theta[None]

    return Contender(name, about, member_count, advance)


def _jax() -> Any:
    """Import JAX; raise `LeftOut` if it is not installed."""
    try:
        import jax
    except ImportError:
        raise LeftOut("JAX is not installed") from None
    return jax


def _precision(problem: Problem) -> AbstractContextManager[None]:
    """A context in which JAX uses the problem's precision, which leaves the user's setting unchanged."""
    if problem.dtype == np.float32:
        return nullcontext()
    jax = _jax()
    enabled: AbstractContextManager[None] = jax.enable_x64(True)
    return enabled


def _train(problem: Problem, n: int, parameters: Any, x: Any, y: Any, row_indices: Any) -> Any:
    """Make n updates of one network; return its parameters, and the objective before each update.

    `row_indices` holds those of each batch [n, B], or is None for full batches.
    """
    jax = _jax()
    gradient = jax.value_and_grad(_objective(problem))
    update = _update(problem)
    slots = tuple(jax.tree.map(jax.numpy.zeros_like, parameters) for _ in problem.optimizer.slots)

    def step(carry: Any, ids: Any) -> Any:
        """Make one update from (parameters, slots, count) on rows `ids` (None: all); return them, and the objective."""
        parameters, slots, t = carry
        rows = (x, y) if ids is None else (x[ids], y[ids])
        J, g = gradient(parameters, *rows)
        parameters, slots = update(parameters, g, slots, t + 1)
        return (parameters, slots, t + 1), J

    (parameters, _, _), objectives = jax.lax.scan(step, (parameters, slots, 0), row_indices, length=n)
    return parameters, objectives


def _objective(problem: Problem) -> Callable[..., Any]:
    """The objective of one network in JAX, a function of the parameters and a batch."""
    jax = _jax()
    strength, activations = penalty_strength(problem), problem.network.activations

    def objective(parameters: Any, x: Any, y: Any) -> Any:
        """The mean loss of a batch plus the penalty, a number."""
        for n, activation in activations.items():
            x = x @ parameters[f"W{n}"] + parameters[f"b{n}"]
            if n != problem.network.depth:
                x = jax.nn.sigmoid(x) if activation.name == "sigmoid" else jax.nn.relu(x)
        if problem.loss.name == "cross_entropy":
            J = -(y * jax.nn.log_softmax(x)).sum(-1).mean()
        elif problem.loss.name == "binary_cross_entropy":
            J = (jax.nn.softplus(x) - y * x).sum(-1).mean()
        else:
            J = ((jax.nn.sigmoid(x) - y) ** 2).sum(-1).mean()
        if strength:
            J += strength / 2 * sum((parameters[f"W{n}"] ** 2).sum() for n in activations)
        return J

    return objective


def _update(problem: Problem) -> Callable[..., Any]:
    """The optimizer in JAX: a function (parameters, gradient, slots, t from 1) to the new parameters and slots."""
    jax = _jax()
    numbers = {name: float(value[0]) for name, value in problem.numbers.items()}
    rate = numbers["learning_rate"]

    def sgd(parameters: Any, g: Any, slots: Any, t: Any) -> Any:
        return jax.tree.map(lambda p, d: p - rate * d, parameters, g), slots

    def momentum(parameters: Any, g: Any, slots: Any, t: Any) -> Any:
        v = jax.tree.map(lambda v, d: numbers["momentum"] * v - rate * d, slots[0], g)
        return jax.tree.map(lambda p, v: p + v, parameters, v), (v,)

    def adam(parameters: Any, g: Any, slots: Any, t: Any) -> Any:
        """The parameters and slots (m, v) after update t of Adam with the gradient g."""
        one, two = numbers["beta1"], numbers["beta2"]
        m = jax.tree.map(lambda m, d: one * m + (1 - one) * d, slots[0], g)
        v = jax.tree.map(lambda v, d: two * v + (1 - two) * d * d, slots[1], g)

        def updated_parameter(p: Any, m: Any, v: Any) -> Any:
            return p - rate * (m / (1 - one**t)) / (jax.numpy.sqrt(v / (1 - two**t)) + numbers["epsilon"])

        return jax.tree.map(updated_parameter, parameters, m, v), (m, v)

    return {"sgd": sgd, "momentum": momentum, "adam": adam}[problem.optimizer.name]
