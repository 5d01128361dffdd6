"""The trainings and sweeps behind the claims of the CIFAR-10 report.

S seeds · D = 3,072 inputs · H hidden units
"""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from deltarule.problem.problem import Floats, Problem
from deltarule.studies.experiments import Experiments
from deltarule.sweeps.result import Sweep
from deltarule.training.run import Run

SIDE, COLORS = 32, 3


Combination = tuple[int, int, int, float, float]
"""Hidden units, iterations, batch, rate, λ of a network of the grid."""

BEST, SECOND, TENTH = (200, 3000, 256, 1e-3, 1e-3), (300, 4000, 512, 1e-3, 1e-3), (200, 3000, 256, 1e-3, 1e-2)
"""The first, the second and the last of the report's ten best."""

LONGER = (200, 4000, 256, 1e-3, 1e-3)
"""The best of them with a third more iterations."""

TEN_WORST = (
    *((100, 4000, batch, 1e-2, strength) for batch in (128, 256, 512) for strength in (1e-2, 1e-3, 1e-4)),
    (200, 4000, 128, 1e-2, 1e-2),
)

HIDDEN = {
    2: (50,),
    3: (50, 25),
    4: (100, 50, 25),
    5: (250, 100, 50, 25),
    6: (300, 250, 100, 50, 25),
    7: (500, 300, 250, 100, 50, 25),
}
"""The hidden layers of the deeper networks, by the number of layers with the output layer."""

ACTIVATIONS = {"relu": "relu", "leaky": {"name": "leaky_relu", "slope": 0.01}, "sigmoid": "sigmoid"}

DEEP = tuple((depth, norm, kind) for depth in HIDDEN for norm in (True, False) for kind in ACTIVATIONS)
"""The 36 deeper networks: layers, batch norm, activation."""


def settings_of(hidden: int, iterations: int, batch: int, rate: float, strength: float) -> dict[str, Any]:
    """The settings of a combination of the grid, by dotted key."""
    return {
        "network.layers": ["auto", hidden, "auto"],
        "stopping.max_steps": iterations,
        "optimizer.batch_size": batch,
        "optimizer.learning_rate": rate,
        "loss.strength": strength,
    }


def grid(experiments: Experiments) -> Sweep:
    """Sweep the report's 243 combinations, from one seed."""
    return experiments.sweep("grid", seeds=1)


SLICE = (
    *((hidden, iterations, 256, 1e-3, 1e-3) for hidden in (100, 200, 300) for iterations in (3000, 4000, 5000)),
    *((200, iterations, 256, rate, 1e-3) for rate in (1e-2, 1e-4) for iterations in (3000, 4000, 5000)),
)

NEIGHBORS = (
    (200, 3000, 128, 1e-3, 1e-3),
    (200, 3000, 512, 1e-3, 1e-3),
    *((*SECOND[:3], rate, SECOND[4]) for rate in (1e-2, 1e-3, 1e-4)),
)


def networks(experiments: Experiments) -> Sweep:
    """Sweep the combinations of the grid that claims need, over all seeds."""
    chosen = dict.fromkeys((BEST, TENTH, *TEN_WORST, *SLICE, *NEIGHBORS))
    return experiments.sweep("networks", [settings_of(*combination) for combination in chosen])


PYTORCH = {"name": "torch_uniform", "biases": "same"}
WEIGHTS: dict[str, Any] = {"PyTorch's weights": PYTORCH, "small weights": {"name": "normal", "std": 1e-3}}
"""The initial weights of the framework's networks, by reading."""


def deep_networks(experiments: Experiments, weights: str) -> Sweep:
    """Sweep the 36 deeper networks over all seeds."""
    name = "deep-small" if weights == "small weights" else "deep-pytorch"
    chosen = {"network.initializer": WEIGHTS[weights]}
    settings = [deep_settings(*one) for one in DEEP]
    return experiments.sweep(name, settings, experiment="framework", set=chosen)


def deep_settings(depth: int, norm: bool, activation: str) -> dict[str, Any]:
    """The settings of a network of `depth` layers, by dotted key."""
    return {
        "network.layers": ["auto", *HIDDEN[depth], "auto"],
        "network.batch_norm": norm,
        "network.activation": ACTIVATIONS[activation],
    }


def weight_sweep(experiments: Experiments) -> Sweep:
    """Sweep the best combination and four variants, and store all weights."""
    changes: list[dict[str, Any]] = [
        {},
        *({"optimizer.learning_rate": rate} for rate in BAD_RATES.values()),
        {"loss.strength": 1e-2},
        NO_PENALTY,
    ]
    return experiments.sweep("weights", changes, keep=True)


BAD_RATES = {"too high": 1e-2, "too low": 1e-4}
"""The two rates beside 0.001, the best one."""

LARGER = {"network.initializer": {"name": "normal", "std": 1e-3}}
"""Settings of initial weights that are ten times as large."""

STRONG = 1.0
"""A penalty that a control run takes in place of 0.01."""

NO_PENALTY = {"loss.penalty": "none", "loss.strength": 0.0}


def control_weight_sweep(experiments: Experiments) -> Sweep:
    """Sweep three variants for controls, and store all weights."""
    low = {"optimizer.learning_rate": BAD_RATES["too low"]}
    return experiments.sweep("other-weights", [LARGER, {**LARGER, **low}, {"loss.strength": STRONG}], keep=True)


def first_weights(experiments: Experiments, changes: dict[str, Any]) -> Floats:
    """The first layer's weights [S, D, H] of a network in a sweep of weights."""
    is_control = "network.initializer" in changes or changes.get("loss.strength") == STRONG
    table = control_weight_sweep(experiments) if is_control else weight_sweep(experiments)
    return np.stack([table.network(row["key"]).parameters()["W1"] for row in table.rows_of(changes)])


def _accuracies(rows: Sequence[dict[str, Any]], part: str) -> Floats:
    accuracies = [row[f"{part}_accuracy"] for row in rows]
    return np.array([0.0 if accuracy is None else accuracy for accuracy in accuracies], np.float64)


def accuracies_of(experiments: Experiments, combination: Combination, part: str = "validation") -> Floats:
    """The accuracies [S] of a combination on a part of the data."""
    return _accuracies(networks(experiments).rows_of(settings_of(*combination)), part)


def deep_accuracies(experiments: Experiments, weights: str, part: str = "validation") -> dict[Any, Floats]:
    """The accuracies [S] of all 36 deeper networks on a part of the data."""
    table = deep_networks(experiments, weights)
    return {name: _accuracies(table.rows_of(deep_settings(*name)), part) for name in DEEP}


def roughness(weights: Floats) -> Floats:
    """The mean roughness [S] of the weight images [S, D, H] of each network.

    It is the mean squared difference of neighboring pixels relative to that of any two. CIFAR-10's rows hold one color
    after the other, and of each color the image row by row.

    >>> noise = np.random.default_rng(0).normal(size=(1, 3072, 2))
    >>> slope = np.tile(np.arange(32.0), (1, 3 * 32))[..., None]  # from left to right, the same in every color
    >>> roughness(noise).round(1), roughness(slope).round(2)
    (array([1.]), array([0.]))
    >>> color_last = slope.reshape(1, 3, 32, 32, 1).transpose(0, 2, 3, 1, 4).reshape(1, 3072, 1)
    >>> roughness(color_last).round(1) > 0.1
    array([ True])
    """
    pixels = weights.reshape(len(weights), COLORS, SIDE, SIDE, -1)
    steps = (np.square(np.diff(pixels, axis=axis)).mean((1, 2, 3)) for axis in (2, 3))
    of_any_two = 2 * pixels.var((1, 2, 3))
    return np.asarray((sum(steps) / 2 / np.maximum(of_any_two, 1e-300)).mean(-1))


def lengths(weights: Floats) -> Floats:
    """The Euclidean norm [S] of each seed's weights [S, D, H]."""
    return np.asarray(np.sqrt(np.square(weights).sum((1, 2))))


def full_batch(experiments: Experiments) -> Run:
    """Train by full-batch gradient descent on 500 images, from all seeds."""
    settings = experiments.settings_of("full-batch")
    return experiments.each([settings], prepare=few_rows, history_every=5000, gradients=True)[0]


def distance_from_best_other(objectives: Floats) -> Floats:
    """Each seed's relative distance [S] from the best objective of the others.

    >>> distance_from_best_other(np.array([1.0, 1.0, 1.5]))
    array([0. , 0. , 0.5])
    """
    lowest = [np.delete(objectives, seed).min(initial=np.inf) for seed in range(len(objectives))]
    return np.asarray(np.abs(objectives / lowest - 1))


def few_rows(problem: Problem) -> Problem:
    """Restrict a problem to its first 500 training images."""
    return replace(problem, rows=tuple(np.arange(500) for _ in range(problem.members)))
