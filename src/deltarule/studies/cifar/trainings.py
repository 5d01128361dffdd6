"""The trainings behind the claims of the CIFAR-10 report, and what is measured of them."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from deltarule.problem.problem import Floats, Problem
from deltarule.studies.experiments import Experiments
from deltarule.sweeps.result import Sweep
from deltarule.training.run import Run

SIDE, COLORS = 32, 3


BEST, SECOND, TENTH = (200, 3000, 256, 1e-3, 1e-3), (300, 4000, 512, 1e-3, 1e-3), (200, 3000, 256, 1e-3, 1e-2)
"""The first, the second and the last of the report's ten best: hidden units, iterations, batch, rate, λ."""


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
    """A combination of the grid as what it sets."""
    return {
        "network.layers": ["auto", hidden, "auto"],
        "stopping.max_steps": iterations,
        "optimizer.batch_size": batch,
        "optimizer.learning_rate": rate,
        "loss.strength": strength,
    }


def grid(experiments: Experiments) -> Sweep:
    """The 243 combinations, from one seed."""
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
    """The combinations of which claims speak, from all seeds."""
    chosen = dict.fromkeys((BEST, TENTH, *TEN_WORST, *SLICE, *NEIGHBORS))
    return experiments.sweep("networks", [settings_of(*one) for one in chosen])


def deep(experiments: Experiments) -> Sweep:
    """The 36 deeper networks, from all seeds; 3072-50-10 without batch norm is one of them."""
    return experiments.sweep("deep", [deep_settings(*one) for one in DEEP], experiment="framework")


def deep_settings(depth: int, norm: bool, activation: str) -> dict[str, Any]:
    """One of the 36, as what it sets otherwise than the framework's network."""
    return {
        "network.layers": ["auto", *HIDDEN[depth], "auto"],
        "network.batch_norm": norm,
        "network.activation": ACTIVATIONS[activation],
    }


def weights(experiments: Experiments) -> Sweep:
    """Networks of the best combination's shape whose weights are looked at: three rates, and two strengths."""
    changes: list[dict[str, Any]] = [
        {},
        *({"optimizer.learning_rate": rate} for rate in BAD_RATES.values()),
        {"loss.strength": 1e-2},
        NO_PENALTY,
    ]
    return experiments.sweep("weights", changes, keep="all")


BAD_RATES = {"too high": 1e-2, "too low": 1e-4}


LARGER = {"network.initializer": {"name": "normal", "std": 1e-3}}
"""Initial weights that are ten times as large."""


STRONGER = {"loss.strength": 1.0}


NO_PENALTY = {"loss.penalty": "none", "loss.strength": 0.0}


def other_weights(experiments: Experiments) -> Sweep:
    """The same shape for controls: larger initial weights at two rates, and a stronger penalty."""
    low = {"optimizer.learning_rate": BAD_RATES["too low"]}
    return experiments.sweep("other-weights", [LARGER, {**LARGER, **low}, STRONGER], keep="all")


def first_weights(experiments: Experiments, changes: dict[str, Any]) -> Floats:
    """The first layer of a network whose weights are looked at, [S, D, H]."""
    return first_layers(weights(experiments), changes)


def first_layers(table: Sweep, changes: dict[str, Any]) -> Floats:
    """The first layer of a configuration's networks, [S, D, H]."""
    return np.stack([table.network(row["key"]).parameters()["W1"] for row in table.rows_of(changes)])


def score(rows: Sequence[dict[str, Any]], part: str = "validation") -> Floats:
    """The accuracies of rows [S]; one that there is not counts as none right."""
    found = [row[f"{part}_accuracy"] for row in rows]
    return np.array([0.0 if one is None else one for one in found], np.float64)


def accuracies_of(experiments: Experiments, combination: tuple[Any, ...], part: str = "validation") -> Floats:
    """The accuracies of a combination over the seeds, [S]."""
    return score(networks(experiments).rows_of(settings_of(*combination)), part)


def on_both(experiments: Experiments, combination: tuple[Any, ...]) -> Floats:
    """The accuracies [S] on the validation and the test images together, where there are 1,000 of each."""
    return (accuracies_of(experiments, combination) + accuracies_of(experiments, combination, "test")) / 2


def of_deep(experiments: Experiments, depth: int, norm: bool, activation: str, part: str = "validation") -> Floats:
    """The accuracies of one of the 36 over the seeds, [S]."""
    return score(deep(experiments).rows_of(deep_settings(depth, norm, activation)), part)


def every_deep(experiments: Experiments, part: str = "validation") -> dict[tuple[int, bool, str], Floats]:
    """The accuracies [S] of all 36, by layers, batch norm and activation."""
    return {name: of_deep(experiments, *name, part) for name in DEEP}


def every_deep_on_both(experiments: Experiments) -> dict[tuple[int, bool, str], Floats]:
    """The same on the validation and the test images together, where there are 1,000 of each."""
    validation, test = every_deep(experiments), every_deep(experiments, "test")
    return {name: (one + test[name]) / 2 for name, one in validation.items()}


def roughness(images: Floats) -> Floats:
    """How far neighboring pixels of weight images differ, as a share of how far any two do: 1 for noise, 0 for a plain.

    images [S, D, H]  →  [S], the mean over the units

    >>> noise = np.random.default_rng(0).normal(size=(1, 3072, 2))
    >>> slope = np.broadcast_to(np.arange(32.0)[:, None, None], (32, 32, 3)).reshape(1, 3072, 1)
    >>> roughness(noise).round(1), roughness(slope).round(2)
    (array([1.]), array([0.]))
    """
    pixels = images.reshape(len(images), SIDE, SIDE, COLORS, -1)
    steps = (np.square(np.diff(pixels, axis=axis)).mean((1, 2, 3)) for axis in (1, 2))
    varied = 2 * pixels.var((1, 2, 3))
    return np.asarray((sum(steps) / 2 / np.maximum(varied, 1e-300)).mean(-1))


def lengths(weights: Floats) -> Floats:
    """The lengths of weights, [S].    weights [S, D, H]"""
    return np.asarray(np.sqrt(np.square(weights).sum((1, 2))))


def full_batch(experiments: Experiments) -> Run:
    """Plain descent on few images, from all seeds."""
    settings = experiments.settings_of("full-batch")
    return experiments.each([settings], prepare=few_rows, history_every=5000, gradients=True)[0]


def from_the_others(ends: Floats) -> Floats:
    """How far each seed's end is from the lowest of the others' ends, as a share of that, [S].

    >>> from_the_others(np.array([1.0, 1.0, 1.5]))
    array([0. , 0. , 0.5])
    """
    lowest = [np.delete(ends, seed).min(initial=np.inf) for seed in range(len(ends))]
    return np.asarray(np.abs(ends / lowest - 1))


def few_rows(problem: Problem) -> Problem:
    """The problem on its first training images alone."""
    # Training images in the full-batch descent: few enough to be followed to where it ends.
    return replace(problem, rows=tuple(np.arange(500) for _ in range(problem.members)))
