"""Weight images of a sweep: first layers before and after training."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from deltarule.data.pipeline import name_and_options
from deltarule.problem.problem import Floats
from deltarule.problem.recipe_sections import Configuration
from deltarule.reports.sweep_figures import last_key
from deltarule.stats.effects import format_value
from deltarule.studies.representative_run import in_image_order
from deltarule.sweeps.result import Sweep
from deltarule.sweeps.stored_network import StoredNetwork

IMAGE_SHAPES = {"digits": (8, 8), "mnist": (28, 28), "fashion-mnist": (28, 28), "cifar10": (32, 32, 3)}
"""Shapes of the images in published data sets: a sweep stores the name of its data, not the data."""
MAX_IMAGED = 8
"""The largest number of a sweep's networks whose weights are drawn: one half the best, one half the worst."""


@dataclass(frozen=True, eq=False)
class WeightImages:
    """First layers, as images, of a sweep's networks with the same initial weights.

    shape     of an image: (rows, columns), or (rows, columns, 3) of colors
    initial   [D, H], in the order of `shape`
    final     [D, H] of each network, by the settings in which its configuration differs from others
    """

    shape: tuple[int, ...]
    initial: Floats
    final: dict[str, Floats]


def images_of_sweep(table: Sweep) -> list[WeightImages]:
    """Collect the stored first layers of a sweep, before and after training.

    Only the first row of each configuration is used. Initial weights are drawn again, from the row's seed.

    >>> from deltarule.studies.sweep_study import sweep
    >>> rates = {"optimizer.learning_rate": [0.001, 0.01], "stopping.max_epochs": [1]}
    >>> [found] = images_of_sweep(sweep("digits", rates, seeds=1, keep=True))
    >>> found.shape, list(found.final)
    ((8, 8), ['learning rate 0.001', 'learning rate 0.01'])
    """
    rows = list({row["configuration"]: row for row in reversed(table.kept())}.values())[::-1]
    rows = _best_and_worst(rows, f"{table.ranked}_{table.metric}")
    texts = {key: [format_value(row[key]) for row in rows] for key in table.grid}
    differing = [key for key, values in texts.items() if len(set(values)) > 1]
    images: list[WeightImages] = []
    for index, row in enumerate(rows):
        configuration, network = table.configuration_of(row["key"]), table.network(row["key"])
        weights = network.parameters()["W1"]
        shape = _image_shape_of_data(configuration, len(weights))
        if not shape:
            continue
        name = ", ".join(f"{last_key(key)} {texts[key][index]}" for key in differing) or "as it is"
        name += " (diverged)" if row["status"] == "diverged" else ""
        initial = in_image_order(_initial_weights(configuration, network, row["seed"]), shape)
        group = next((one for one in images if np.array_equal(one.initial, initial)), None)
        if group is None:
            group = WeightImages(shape, initial, {})
            images.append(group)
        group.final[name] = in_image_order(weights, shape)
    return images


def _best_and_worst(rows: list[dict[str, Any]], score: str) -> list[dict[str, Any]]:
    """Choose at most `MAX_IMAGED` rows, the best and the worst by `score`."""
    if len(rows) <= MAX_IMAGED:
        return rows
    ranked = sorted(rows, key=lambda row: -np.inf if row[score] is None else row[score], reverse=True)
    half = MAX_IMAGED // 2
    chosen = {row["key"] for row in ranked[:half] + ranked[-half:]}
    return [row for row in rows if row["key"] in chosen]


def _image_shape_of_data(configuration: Configuration, inputs: int) -> tuple[int, ...]:
    """The shape of the images in a configuration's data set."""
    if configuration.data.file is not None or configuration.data.components is not None:
        return ()
    for source in (configuration.data.name, configuration.data.offline):
        shape = () if source is None else IMAGE_SHAPES.get(name_and_options(source)[0], ())
        if shape and np.prod(shape) == inputs:
            return shape
    return ()


def _initial_weights(configuration: Configuration, stored: StoredNetwork, seed: int) -> Floats:
    network = stored.network
    drawn = network.initializer.weights(np.array([seed], np.uint64), 1, network.inputs, network.sizes[1])[0]
    return (drawn * configuration.network.initial_scale).astype(stored.theta.dtype)
