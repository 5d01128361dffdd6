"""What the letters on the page about optimizers stand for: one update of one parameter, before it and after it."""

from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import numpy as np
from blackboard import Values

from deltarule.engines.reference import objective_and_gradient
from deltarule.engines.reference import update as update_of
from deltarule.maths.optimizers import OPTIMIZERS
from deltarule.problem.batches import batch
from deltarule.problem.create import create_problem
from deltarule.problem.network import Network
from deltarule.problem.state import initial_state

RATE, T = 0.05, 3.0
LETTERS = {
    "momentum": "β",
    "decay": "ρ",
    "beta1": "β_1",
    "beta2": "β_2",
    "epsilon": "ε",
    "initial": "s_0",
    "weight_decay": "λ",
}
MEANS = {"m": "β_1", "v": "β_2"}


def update(name: str) -> Iterator[Values]:
    """Updates of an optimizer from several places; ε is large, so that it is missed where it is forgotten."""
    optimizer = OPTIMIZERS[name]
    numbers = {**optimizer.parameters, "learning_rate": RATE}
    numbers |= {name: 0.01 for name in ("epsilon", "initial") if name in numbers}
    letters = {letter: numbers[key] for key, letter in LETTERS.items() if key in numbers} | {"α": RATE, "t": T}
    slots = {slot: 0.3 + 0.1 * place for place, slot in enumerate(optimizer.slots)}
    for theta, g in ((0.7, 0.4), (-1.3, -2.1)):
        given: dict[str, Any] = dict(numbers)
        if optimizer.norms:
            letters["G"] = np.array([g, 1.2])
            given["norm"] = np.hypot(g, 1.2)
        if optimizer.once_a_step:
            given = optimizer.once_a_step(T, **given)
        after = optimizer.update(theta, g, *slots.values(), **given)
        found = dict(zip(("θ", *slots), map(float, after), strict=True))
        # Means that fade, as Adam's, and their start at 0 is made up for.
        means = {slot: MEANS[slot] for slot in slots if name in ("adam", "adamw")}
        corrected = {f"hat {slot}": found[slot] / (1 - letters[beta] ** T) for slot, beta in means.items()}
        yield Values({"θ": theta, "g": g, **slots, **letters, **corrected}, after=found)


def biases() -> Iterator[Values]:
    """The velocities of a layer after an update with momentum, and its biases before and after it."""
    for inputs in (4, 1):
        generator = np.random.default_rng(inputs)
        W, b = generator.normal(size=(inputs, 3)), generator.normal(size=(1, 3))
        _, v_W = OPTIMIZERS["momentum"].update(W, generator.normal(size=W.shape), 0 * W, RATE, 0.9)
        after, v_b = OPTIMIZERS["momentum"].update(b, generator.normal(size=b.shape), 0 * b, RATE, 0.9)
        yield Values({"b": b, "v_b": v_b, "v_W": v_W}, after={"b": after})


def rprop() -> Iterator[Values]:
    """Updates of Rprop: the sign stays, turns, or was 0; the size is at its start, within its limits, and near them."""
    numbers = OPTIMIZERS["rprop"].parameters
    letters = dict(zip(("η", "κ", "Δ_0", "Δ_1"), numbers.values(), strict=True))
    for g in (0.4, -2.1, 0.0):
        for before in (0.3, -0.3, 0.0):
            for size in (0.0, 0.1, 45.0, 1.5e-6):
                after = OPTIMIZERS["rprop"].update(0.7, g, before, size, RATE, **numbers)
                found = dict(zip(("θ", "g", "Δ"), map(float, after), strict=True))
                yield Values({"θ": 0.7, "g": g, "g_0": before, "Δ": size or RATE, **letters}, after=found)


def with_factor() -> Iterator[Values]:
    """An update of a problem whose biases have a factor of their own."""
    for f in (0.1, 3.0):
        problem = create_problem(
            Network([2, 1]), [[1.0, -2.0]], [0.7], learning_rate=RATE, learning_rate_factors={"b": f}
        )
        state = initial_state(problem)
        after, _ = update_of(problem, state)
        g = objective_and_gradient(problem, state, batch(problem, state.members, 0)).gradient
        found = {"θ": float(after.theta[0, 2])}
        yield Values({"θ": float(state.theta[0, 2]), "g": float(g[0, 2]), "α": RATE, "f": f}, after=found)


def neural_tangent() -> Iterator[Values]:
    """Each weight W of a layer of D inputs: an update by gradient descent, and one by Adam."""
    for inputs in (3, 5):
        x = np.random.default_rng(inputs).normal(size=(1, inputs))
        given = {"learning_rate": RATE, "parametrization": "neural_tangent"}
        numbers = {"beta1": 0.9, "beta2": 0.999, "epsilon": 0.01}
        by_gradient, by_adam = (
            create_problem(Network([inputs, 1], bias=False), x, [0.7], optimizer=optimizer, **given)
            for optimizer in ("sgd", {"name": "adam", **numbers})
        )
        state = initial_state(by_gradient)
        W = state.theta[0]
        G = objective_and_gradient(by_gradient, state, batch(by_gradient, state.members, 0)).gradient[0]
        after = update_of(by_gradient, state)[0].theta[0]
        after_adam = update_of(by_adam, initial_state(by_adam))[0].theta[0]
        # After the first update Adam's corrected means are the gradient and its square.
        for w, g, by_descent, adapted in zip(W, G, after, after_adam, strict=True):
            weight = {"V": w * inputs**0.5, "W": w, "G": g, "g": g / inputs**0.5, "M": g, "S": g**2}
            weight |= {"W_1": by_descent, "W_2": adapted}
            yield Values({**weight, "D": inputs, "α": RATE, "λ": 0.3, "ε": 0.01})


VALUES: dict[str, Callable[[], Iterator[Values]]] = {
    **{name: partial(update, name) for name in OPTIMIZERS if name != "rprop"},
    "A mistake in a listing": biases,
    "rprop": rprop,
    "Learning-rate factors": with_factor,
    "Neural-tangent parametrization": neural_tangent,
}
