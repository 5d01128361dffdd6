"""Weight images of a sweep: the first layers of networks that began alike, before and after training."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from deltarule.data.pipeline import name_and_options
from deltarule.problem.problem import Floats
from deltarule.problem.recipe_sections import Configuration
from deltarule.stats.effects import format_value
from deltarule.studies.representative_run import in_image_order
from deltarule.sweeps.result import Sweep
from deltarule.sweeps.stored_network import StoredNetwork

IMAGE_SHAPES = {"digits": (8, 8), "mnist": (28, 28), "fashion-mnist": (28, 28), "cifar10": (32, 32, 3)}
"""Shapes of the images in published data sets: a sweep stores the name of its data, not the data."""
MAX_IMAGED = 8
"""Networks of a sweep whose weights are drawn: the best half and the last half."""


@dataclass(frozen=True, eq=False)
class WeightImages:
    """First layers of a sweep's networks that began with the same weights, as images.

    shape     of an image: (rows, columns), or (rows, columns, 3) of colors
    initial   [D, H], in the order of `shape`
    final     [D, H] of each network, by what its configuration sets otherwise than the others
    """

    shape: tuple[int, ...]
    initial: Floats
    final: dict[str, Floats]


def images_of_sweep(table: Sweep) -> list[WeightImages]:
    """The first layers of those networks of a sweep on images that were kept, before and after training.

    Of a configuration the first of its rows counts. Initial weights are drawn once more, from the row's seed.

    >>> from deltarule.studies.sweep_study import sweep
    >>> rates = {"optimizer.learning_rate": [0.001, 0.01], "stopping.max_epochs": [1]}
    >>> [found] = images_of_sweep(sweep("digits", rates, seeds=1, keep="all"))
    >>> found.shape, list(found.final)
    ((8, 8), ['learning rate 0.001', 'learning rate 0.01'])
    """
    rows = list({row["configuration"]: row for row in reversed(table.kept())}.values())[::-1]
    rows = _first_and_last(rows, f"{table.ranked}_{table.metric}")
    words = {key: [format_value(row[key]) for row in rows] for key in table.grid}
    differing = [key for key, told in words.items() if len(set(told)) > 1]
    found: list[WeightImages] = []
    for index, row in enumerate(rows):
        configuration, network = table.configuration_of(row["key"]), table.network(row["key"])
        weights = network.parameters()["W1"]
        shape = _named_shape(configuration, len(weights))
        if not shape:
            continue
        name = ", ".join(f"{_short(key)} {words[key][index]}" for key in differing) or "as it is"
        name += " (diverged)" if row["status"] == "diverged" else ""
        initial = in_image_order(_began(configuration, network, row["seed"]), shape)
        alike = next((one for one in found if np.array_equal(one.initial, initial)), None)
        if alike is None:
            alike = WeightImages(shape, initial, {})
            found.append(alike)
        alike.final[name] = in_image_order(weights, shape)
    return found


def _first_and_last(rows: list[dict[str, Any]], score: str) -> list[dict[str, Any]]:
    """Of many rows the best and the last, in the order that they had."""
    if len(rows) <= MAX_IMAGED:
        return rows
    ranked = sorted(rows, key=lambda row: -np.inf if row[score] is None else row[score], reverse=True)
    half = MAX_IMAGED // 2
    chosen = {row["key"] for row in ranked[:half] + ranked[-half:]}
    return [row for row in rows if row["key"] in chosen]


def _named_shape(configuration: Configuration, inputs: int) -> tuple[int, ...]:
    """The shape of the images that a configuration's data hold, or what stands in for them."""
    if configuration.data.file is not None or configuration.data.components is not None:
        return ()
    for source in (configuration.data.name, configuration.data.offline):
        shape = () if source is None else IMAGE_SHAPES.get(name_and_options(source)[0], ())
        if shape and np.prod(shape) == inputs:
            return shape
    return ()


def _began(configuration: Configuration, network: StoredNetwork, seed: int) -> Floats:
    """The first layer's weights before training, [D, H]."""
    of = network.network
    drawn = of.initializer.weights(np.array([seed], np.uint64), 1, of.inputs, of.sizes[1])[0]
    return (drawn * configuration.network.initial_scale).astype(network.theta.dtype)


def _short(key: str) -> str:
    return key.rpartition(".")[2].replace("_", " ")
