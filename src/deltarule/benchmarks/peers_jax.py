"""JAX as a contender: all updates as one compiled `lax.scan`, and a population as its vmap."""

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from functools import cache, partial
from typing import Any

import numpy as np

from deltarule.benchmarks.contenders import Contender, LeftOut
from deltarule.benchmarks.workloads import batches, penalty_strength
from deltarule.maths.network import flatten, views
from deltarule.problem.problem import Floats, Problem
from deltarule.problem.state import initial_state


def scan(problem: Problem) -> Contender:
    """One network as one program; of several members the first."""
    return _contender(problem, "JAX scan", "jit of lax.scan, one by one", 1)


def vmap_population(problem: Problem) -> Contender:
    """A population as one program."""
    if problem.members == 1:
        raise LeftOut("one network is no population")
    return _contender(problem, "JAX vmap", "jit of vmap of lax.scan", problem.members)


def _contender(problem: Problem, name: str, about: str, members: int) -> Contender:
    jax = _jax()
    theta = initial_state(problem).theta[:members]
    start = views(theta if members > 1 else theta[0], problem.network.entries)
    in_axes = (0, None, None, None)

    @partial(jax.jit, static_argnames="n")
    def program(parameters: Any, x: Any, y: Any, chosen: Any, n: int) -> Any:
        train = partial(_train, problem, n)
        return (jax.vmap(train, in_axes=in_axes) if members > 1 else train)(parameters, x, y, chosen)

    ids = cache(lambda n: batches(problem, n))

    def advance(n: int) -> Floats:
        with _precision(problem):
            parameters, _ = jax.block_until_ready(program(start, problem.x, problem.y, ids(n), n=n))
            arrays = {one: np.asarray(value) for one, value in parameters.items()}
        found = flatten(arrays, problem.network.entries)
        return found if members > 1 else found[None]

    return Contender(name, about, members, advance)


def _jax() -> Any:
    try:
        import jax
    except ImportError:
        raise LeftOut("JAX is not installed") from None
    return jax


def _precision(problem: Problem) -> AbstractContextManager[None]:
    """Enable 64-bit numbers only inside, without changing the user's setting."""
    if problem.dtype == np.float32:
        return nullcontext()
    jax = _jax()
    enabled: AbstractContextManager[None] = jax.enable_x64(True)
    return enabled


def _train(problem: Problem, n: int, parameters: Any, x: Any, y: Any, chosen: Any) -> Any:
    """n updates of one network: the parameters after them, and the objective before each."""
    jax = _jax()
    gradient = jax.value_and_grad(_objective(problem))
    update = _update(problem)
    slots = tuple(jax.tree.map(jax.numpy.zeros_like, parameters) for _ in problem.optimizer.slots)

    def step(carry: Any, ids: Any) -> Any:
        parameters, slots, t = carry
        rows = (x, y) if ids is None else (x[ids], y[ids])
        J, g = gradient(parameters, *rows)
        parameters, slots = update(parameters, g, slots, t + 1)
        return (parameters, slots, t + 1), J

    (parameters, _, _), seen = jax.lax.scan(step, (parameters, slots, 0), chosen, length=n)
    return parameters, seen


def _objective(problem: Problem) -> Callable[..., Any]:
    jax = _jax()
    strength, layers = penalty_strength(problem), problem.network.layers

    def objective(parameters: Any, x: Any, y: Any) -> Any:
        for layer in layers:
            x = x @ parameters[f"W{layer.number}"] + parameters[f"b{layer.number}"]
            if layer is not layers[-1]:
                x = jax.nn.sigmoid(x) if layer.activation.name == "sigmoid" else jax.nn.relu(x)
        if problem.loss.name == "cross_entropy":
            J = -(y * jax.nn.log_softmax(x)).sum(-1).mean()
        elif problem.loss.name == "binary_cross_entropy":
            J = (jax.nn.softplus(x) - y * x).sum(-1).mean()
        else:
            J = ((jax.nn.sigmoid(x) - y) ** 2).sum(-1).mean()
        if strength:
            J += strength / 2 * sum((parameters[f"W{layer.number}"] ** 2).sum() for layer in layers)
        return J

    return objective


def _update(problem: Problem) -> Callable[..., Any]:
    """The optimizer's update of all parameters and slots, at update t, counted from 1."""
    jax = _jax()
    numbers = {name: float(value[0]) for name, value in problem.numbers.items()}
    rate = numbers["learning_rate"]

    def sgd(parameters: Any, g: Any, slots: Any, t: Any) -> Any:
        return jax.tree.map(lambda p, d: p - rate * d, parameters, g), slots

    def momentum(parameters: Any, g: Any, slots: Any, t: Any) -> Any:
        v = jax.tree.map(lambda v, d: numbers["momentum"] * v - rate * d, slots[0], g)
        return jax.tree.map(lambda p, v: p + v, parameters, v), (v,)

    def adam(parameters: Any, g: Any, slots: Any, t: Any) -> Any:
        one, two = numbers["beta1"], numbers["beta2"]
        m = jax.tree.map(lambda m, d: one * m + (1 - one) * d, slots[0], g)
        v = jax.tree.map(lambda v, d: two * v + (1 - two) * d * d, slots[1], g)

        def updated_parameter(p: Any, m: Any, v: Any) -> Any:
            return p - rate * (m / (1 - one**t)) / (jax.numpy.sqrt(v / (1 - two**t)) + numbers["epsilon"])

        return jax.tree.map(updated_parameter, parameters, m, v), (m, v)

    return {"sgd": sgd, "momentum": momentum, "adam": adam}[problem.optimizer.name]
