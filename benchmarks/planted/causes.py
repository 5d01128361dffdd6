"""Causes why a network does not learn, each planted in a setting with which it learns."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from deltarule.maths.initializers import INITIALIZERS, Initializer
from planted.settings import MEMBERS, Random, Setting

Pair = tuple[Setting, Setting]
"""A healthy setting, and the same with a cause planted; the first is mostly the one that was drawn."""


def zero_weights(random: Random, drawn: Setting) -> Pair:
    """Plant initial weights of 0, or almost 0."""
    if random.random() < 0.5:
        return drawn, drawn.with_network(initializer="zeros")
    return drawn, drawn.with_problem(initial_scale=10 ** random.uniform(-12, -8, MEMBERS))


def symmetric_weights(random: Random, drawn: Setting) -> Pair:
    """Plant equal initial weights in each layer."""
    biases = str(random.choice(["zeros", "same"]))
    law = {"name": "constant", "value": float(random.uniform(0.05, 1)), "biases": biases}
    return drawn, drawn.with_network(initializer=law)


def saturated_units(random: Random, drawn: Setting) -> Pair:
    """Plant initial weights so large that units are saturated."""
    drawn = drawn.with_network(activation=str(random.choice(["tanh", "sigmoid"])), batch_norm=False)
    return drawn, drawn.with_problem(initial_scale=10 ** random.uniform(1, 2.3, MEMBERS))


@dataclass(frozen=True)
class LowBiases(Initializer):
    """An initializer with the weights of another one, and biases that switch most ReLU units off."""

    low: float = 0.0

    def bias(self, seed: Any, layer: int, fan_in: int, fan_out: int) -> Any:
        """Biases from 0.5 to 1.5 times `low`."""
        drawn = replace(INITIALIZERS["uniform"], biases="same").bias(seed, layer, fan_in, fan_out)  # −0.5 … 0.5
        return self.low * (1 + drawn)


def dead_units(random: Random, drawn: Setting) -> Pair:
    """Plant ReLU units that are 0 for every row at first: low biases, or negative inputs and positive weights."""
    drawn = drawn.with_network(activation="relu", batch_norm=False)
    if random.random() < 0.5:
        law = LowBiases("low_biases", "uniform", INITIALIZERS["glorot_uniform"].spread, low=-random.uniform(3, 12))
        return drawn, drawn.with_network(initializer=law)
    negative = replace(drawn, x=(drawn.x - drawn.x.max(0)) / 3)
    return negative, negative.with_network(
        initializer={"name": "positive_uniform", "range": float(random.uniform(0.3, 1))}
    )


def unscaled_inputs(random: Random, drawn: Setting) -> Pair:
    """Plant unscaled inputs: large, small, in different units, or far from 0."""
    drawn = drawn.with_network(batch_norm=False)
    columns, kind = drawn.x.shape[1], random.integers(4)
    if kind == 0:
        x = drawn.x * 10 ** random.uniform(1.5, 3.5)
    elif kind == 3:
        x = drawn.x / 10 ** random.uniform(2, 4)
    elif kind == 1:
        x = drawn.x * 10 ** random.uniform(-1, 4, columns)
    else:
        x = drawn.x + 10 ** random.uniform(1.3, 3) * random.choice([-1, 1], columns)
    return drawn, replace(drawn, x=x)


def _of_numbers(drawn: Setting) -> Setting:
    """The setting with its targets as standardized numbers, and outputs without a range."""
    drawn = drawn.with_network(output="identity", batch_norm=False).with_problem(loss="squared_error")
    return replace(drawn, y=(drawn.y - drawn.y.mean(0)) / drawn.y.std(0))


def unscaled_targets(random: Random, drawn: Setting) -> Pair:
    """Plant targets that are large, small, or far from 0."""
    drawn = _of_numbers(drawn)
    kind = random.integers(3)
    if kind == 2:
        return drawn, replace(drawn, y=drawn.y + 10 ** random.uniform(1.3, 3))
    return drawn, replace(drawn, y=drawn.y * 10 ** (random.uniform(1.5, 5) if kind else random.uniform(-6, -3)))


def missing_bias(random: Random, drawn: Setting) -> Pair:
    """Plant a network without biases, beside targets that are not centered."""
    drawn = _of_numbers(drawn)
    drawn = replace(drawn, y=drawn.y + random.uniform(2, 5) * random.choice([-1, 1]))
    return drawn, drawn.with_network(bias=False)


def rate_too_high(random: Random, drawn: Setting) -> Pair:
    """Plant a learning rate 5 to 1,000 times as large as a sensible one."""
    return drawn, drawn.with_problem(
        learning_rate=drawn.problem["learning_rate"] * 10 ** random.uniform(0.7, 3, MEMBERS)
    )


def rate_too_low(random: Random, drawn: Setting) -> Pair:
    """Plant a learning rate so small that the training ends long before it has converged."""
    return drawn, drawn.with_problem(
        learning_rate=drawn.problem["learning_rate"] / 10 ** random.uniform(1.5, 4, MEMBERS)
    )


def vanishing_gradient(random: Random, drawn: Setting) -> Pair:
    """Plant many layers that each reduce the gradient: sigmoids, or small weights."""
    sizes, hidden = drawn.network["sizes"], int(random.integers(5, 10))
    deep = drawn.with_network(sizes=[sizes[0], *[sizes[1]] * hidden, sizes[-1]], batch_norm=False)
    deep = deep.with_problem(dropout=0.0)
    if random.random() < 0.5:
        return deep.with_network(activation="tanh"), deep.with_network(activation="sigmoid")
    deep = deep.with_network(activation=str(random.choice(["tanh", "relu", "elu"])), initializer="he_normal")
    return deep, deep.with_problem(initial_scale=random.uniform(0.1, 0.5, MEMBERS))


def class_never_predicted(random: Random, drawn: Setting) -> Pair:
    """Plant a class with few rows, or with rows of tiny weights."""
    labels = (drawn.y[:, 0] > 0.5) if drawn.y.shape[1] == 1 else drawn.y.argmax(1)
    chosen = random.integers(labels.max() + 1)
    if random.random() < 0.5:
        weights = np.where(labels == chosen, 10 ** random.uniform(-3, -1.3), 1.0)
        return drawn, drawn.with_problem(weights=weights)
    few = max(2, round(0.03 * len(labels)))
    kept = np.sort(np.concatenate([np.flatnonzero(labels != chosen), np.flatnonzero(labels == chosen)[:few]]))
    return drawn, replace(drawn, x=drawn.x[kept], y=drawn.y[kept])


def targets_out_of_range(random: Random, drawn: Setting) -> Pair:
    """Plant an output whose range holds few of the targets."""
    drawn = _of_numbers(drawn)
    return drawn, drawn.with_network(output=str(random.choice(["sigmoid", "tanh"])))


def shuffled_labels(random: Random, drawn: Setting) -> Pair:
    """Plant targets in another order than the inputs."""
    return drawn, replace(drawn, y=random.permutation(drawn.y))


def dominating_penalty(random: Random, drawn: Setting) -> Pair:
    """Plant a penalty so strong that it dominates the loss."""
    penalty = str(random.choice(["l2", "weight_decay", "l1"]))
    strength = 10 ** random.uniform(-1.5, 0.5, MEMBERS)
    if drawn.problem["reduction"] == "sum":
        strength = strength * (drawn.problem["batch_size"] or len(drawn.x))
    return drawn, drawn.with_problem(penalty=penalty, strength=strength)


PLANTS: dict[str, Callable[[Random, Setting], Pair]] = {
    plant.__name__: plant
    for plant in (
        zero_weights,
        symmetric_weights,
        saturated_units,
        dead_units,
        unscaled_inputs,
        rate_too_high,
        rate_too_low,
        vanishing_gradient,
        class_never_predicted,
        targets_out_of_range,
        shuffled_labels,
        dominating_penalty,
        missing_bias,
        unscaled_targets,
    )
}
