"""The sweeps of the CIFAR-10 study, and what is read from their tables.

Of the grid of 243 what claims need is trained from all seeds. The report names no initial weights of its framework's
networks: PyTorch's and small normal ones are readings.
S seeds · D = 3,072 inputs · H hidden units
"""

from collections.abc import Collection, Iterable, Mapping
from typing import Any

import numpy as np

from deltarule.problem.problem import Floats
from deltarule.studies.experiments import Experiments

SIDE = 32
COLORS = 3

Combination = tuple[int, int, int, float, float]
"""Hidden units, iterations, batch, rate, λ of a network of the grid."""

BEST, SECOND, TENTH = (200, 3000, 256, 1e-3, 1e-3), (300, 4000, 512, 1e-3, 1e-3), (200, 3000, 256, 1e-3, 1e-2)
"""The first, the second and the last of the report's ten best."""

OF_BATCH = {128: (100, 4000, 128, 1e-3, 1e-2), 256: BEST, 512: SECOND}
"""The best of the report's networks with each batch size."""

ROWS: dict[Combination, tuple[float, float]] = {
    (100, 4000, 128, 1e-3, 1e-2): (0.615327, 0.544),
    TENTH: (0.637571, 0.542),
    (200, 4000, 256, 1e-3, 1e-4): (0.665939, 0.544),
    (300, 4000, 256, 1e-3, 1e-2): (0.679082, 0.547),
    (300, 3000, 512, 1e-3, 1e-2): (0.621551, 0.543),
    (300, 3000, 512, 1e-3, 1e-3): (0.623551, 0.543),
    SECOND: (0.673837, 0.551),
    (300, 4000, 512, 1e-3, 1e-2): (0.642102, 0.548),
    (300, 4000, 512, 1e-3, 1e-4): (0.644429, 0.546),
}
"""Rows 2 to 10 of the report's ten best by price, with the accuracies on the training and the validation images."""

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

Deep = tuple[int, bool, str]
DEEP: tuple[Deep, ...] = tuple(
    (depth, norm, kind) for depth in HIDDEN for norm in (True, False) for kind in ACTIVATIONS
)
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


AT_RATES = {rate: (*SECOND[:3], rate, SECOND[4]) for rate in (1e-2, 1e-3, 1e-4)}
"""The second of the ten best, with each rate of the grid."""


def rows_of(
    experiments: Experiments, combinations: Collection[Combination], changes: Mapping[str, Any] | None = None
) -> dict[Combination, list[dict[str, Any]]]:
    """Sweep combinations of the grid over the seeds; some keep their weights."""
    rows: dict[Combination, list[dict[str, Any]]] = {}
    for keep in (True, False):
        chosen = {
            combination: {**settings_of(*combination), **(changes or {})}
            for combination in combinations
            if (combination[:3] == BEST[:3]) == keep
        }
        if chosen:
            table = experiments.sweep("weights" if keep else "networks", [*chosen.values()], keep=keep)
            rows |= {combination: experiments.rows_of(table, settings) for combination, settings in chosen.items()}
    return rows


PYTORCH = {"name": "torch_uniform", "biases": "same"}
WEIGHTS: dict[str, Any] = {"pytorch": PYTORCH, "small": {"name": "normal", "std": 1e-3}}
"""The initial weights of the framework's networks, by reading."""


def deep_settings(depth: int, norm: bool, activation: str) -> dict[str, Any]:
    """The settings of a network of `depth` layers, by dotted key."""
    return {
        "network.layers": ["auto", *HIDDEN[depth], "auto"],
        "network.batch_norm": norm,
        "network.activation": ACTIVATIONS[activation],
    }


BAD_RATES = {"too high": 1e-2, "too low": 1e-4}
"""The two rates beside 0.001, the best one."""

NO_PENALTY = {"loss.penalty": "none", "loss.strength": 0.0}


def weights_of(experiments: Experiments, changes: Mapping[str, Any], name: str = "W1") -> Floats:
    """A layer's weights, of W1 [S, D, H], of the best combination with changes."""
    table = experiments.sweep("weights", [changes], keep=True)
    return np.stack([table.network(row["key"]).parameters[name] for row in experiments.rows_of(table, changes)])


def accuracies_of_rows(rows: Iterable[dict[str, Any]], part: str) -> Floats:
    """The accuracy [S] of each row on a part of the data; 0 where a training has none."""
    values = [row[f"{part}_accuracy"] for row in rows]
    return np.array([0.0 if value is None else value for value in values], np.float64)


def accuracies_of(experiments: Experiments, combinations: Collection[Combination]) -> list[Floats]:
    """The validation accuracies [S] of each of some combinations."""
    rows = rows_of(experiments, combinations)
    return [accuracies_of_rows(rows[combination], "validation") for combination in combinations]


def deep_accuracies(
    experiments: Experiments, weights: str, part: str = "validation", names: Iterable[Deep] = DEEP
) -> dict[Any, Floats]:
    """The accuracies [S] of deeper networks, by layers, batch norm and activation."""
    settings = {name: deep_settings(*name) for name in names}
    chosen = {"network.initializer": WEIGHTS[weights]}
    table = experiments.sweep(f"deep-{weights}", list(settings.values()), experiment="framework", set=chosen)
    return {name: accuracies_of_rows(experiments.rows_of(table, deep), part) for name, deep in settings.items()}


def roughness(weights: Floats) -> Floats:
    """The mean roughness [S] of the weight images [S, D, H] of each network.

    It is the mean squared difference of neighboring pixels relative to that of any two. CIFAR-10's rows hold one color
    after the other, and of each color the image row by row.
    """
    pixels = weights.reshape(len(weights), COLORS, SIDE, SIDE, -1)
    steps = (np.square(np.diff(pixels, axis=axis)).mean((1, 2, 3)) for axis in (2, 3))
    of_any_two = 2 * pixels.var((1, 2, 3))
    return np.asarray((sum(steps) / 2 / np.maximum(of_any_two, 1e-300)).mean(-1))
