"""Populations: what differs in nothing but numbers trains as one problem, with a member for each seed.

`plan_populations` groups by what the members of a population must share: `configuration_key` and `problem_key`.
K members · N rows
"""

import json
from collections.abc import Hashable, Iterable, Sequence
from dataclasses import replace
from typing import Any, TypeVar

import numpy as np

from deltarule.data.dataset import Dataset
from deltarule.problem import registry
from deltarule.problem.create import create_problem
from deltarule.problem.network import Network
from deltarule.problem.problem import Integers, Problem
from deltarule.problem.recipe_sections import Configuration
from deltarule.problem.resolved_configuration import resolve_configuration

NUMBERS = {
    "network": ("dropout", "initial_scale"),
    "loss": ("strength",),
    "optimizer": ("learning_rate", "momentum"),
    "run": ("seeds", "data_seed", "dropout_seed"),
}
"""The keys of which each member of a population may have its own; parameters of optimizer and schedule are others."""

LIMITS = ("max_steps", "max_epochs")

Key = TypeVar("Key", bound=Hashable)


def plan_populations(keys: Iterable[Key]) -> dict[Key, list[int]]:
    """Group what has equal keys; returns the indices of each group, in the order in which the keys first occur.

    >>> plan_populations(["tanh", "relu", "tanh"])
    {'tanh': [0, 2], 'relu': [1]}
    """
    groups: dict[Key, list[int]] = {}
    for index, key in enumerate(keys):
        groups.setdefault(key, []).append(index)
    return groups


def problem_key(problem: Problem) -> Hashable:
    """What problems must share to be one population: everything but numbers, seeds and the values of their rows."""
    return (
        problem.network.sizes,
        tuple(_formula_key(layer.activation) for layer in problem.network.layers),
        (problem.network.layers[0].batch_norm, problem.network.layers[0].scaling),
        _formula_key(problem.loss),
        (problem.optimizer.name, *problem.numbers, *problem.factors.items()),
        (problem.schedule.name, problem.schedule.per, *problem.schedule_numbers),
        (problem.row_count(0), problem.batch_size, problem.dtype.name, problem.weights is None),
    )


def _formula_key(formula: Any) -> tuple[Any, ...]:
    return (formula.name, *sorted(formula.parameters.items()))


def configuration_key(configuration: Configuration, limits: bool = True) -> str:
    """What configurations must share to be one population, as text: everything but numbers and seeds.

    Parameters
    ----------
    limits : whether they must have the same numbers of steps and epochs.

    >>> from deltarule.problem.configuration import parse, with_changes
    >>> table = {"data": {"name": "xor"}, "network": {"layers": [2, 1]}, "stopping": {"max_steps": 1}}
    >>> base = parse(table)
    >>> keys = [configuration_key(with_changes(base, {key: 3})) for key in ("optimizer.learning_rate", "run.data_seed")]
    >>> keys[0] == keys[1] == configuration_key(base)
    True
    >>> configuration_key(base) == configuration_key(with_changes(base, {"stopping.max_steps": 3}))
    False
    """
    table = resolve_configuration(configuration)
    for section, keys in NUMBERS.items():
        for key in keys:
            del table[section][key]
    table["optimizer"]["name"] = registry.optimizer(configuration.optimizer.name).name
    schedule = registry.schedule(configuration.optimizer.schedule)
    table["optimizer"]["schedule"] = (schedule.name, schedule.per)
    if not limits:
        for key in LIMITS:
            del table["stopping"][key]
    return json.dumps(table, sort_keys=True)


def seeds_of(configuration: Configuration) -> tuple[int, ...]:
    """The seeds of a configuration's members.

    >>> from deltarule.problem.configuration import parse
    >>> table = {"data": {"name": "xor"}, "network": {"layers": [2, 1]}, "stopping": {"max_steps": 1}}
    >>> seeds_of(parse({**table, "run": {"seeds": 3}}))
    (0, 1, 2)
    """
    seeds = configuration.run.seeds
    return tuple(range(seeds)) if isinstance(seeds, int) else seeds


def problem_of_seeds(configurations: Sequence[Configuration], dataset: Dataset) -> Problem:
    """The problem of configurations of one shape: a member for each seed of each of them."""
    seeds = [seed for configuration in configurations for seed in seeds_of(configuration)]
    counts = [len(seeds_of(configuration)) for configuration in configurations]
    return problem_of_members(configurations, dataset, np.repeat(np.arange(len(counts)), counts), seeds)


def problem_of_members(
    configurations: Sequence[Configuration],
    dataset: Dataset,
    which: Integers,
    seeds: Sequence[int],
    rows: Sequence[Any] | None = None,
) -> Problem:
    """The problem of members that each have a configuration of one shape, a seed, and perhaps rows of their own.

    Parameters: `which` [K], the place of each member's configuration; `seeds`, K of them; `rows`, for each member the
    indices of the training rows that are its own, None for all.
    """
    first = configurations[0]
    network = network_of(first, dataset)
    optimizer, schedule = registry.optimizer(first.optimizer.name), registry.schedule(first.optimizer.schedule)
    numbers = [_member_numbers(configuration, len(network.layers) - 1) for configuration in configurations]
    # One number a member.    {name: [K]}, dropout [K, hidden layers]
    spread = {key: np.array([number[key] for number in numbers])[which] for key in numbers[0]}
    runs = [configurations[place].run for place in which.tolist()]
    problem = create_problem(
        network,
        dataset.train.x,
        dataset.encode(dataset.train, network.outputs),
        loss=first.loss.name,
        reduction=first.loss.reduction,
        penalty=first.loss.penalty,
        penalize_biases=first.loss.penalize_biases,
        label_smoothing=first.loss.label_smoothing,
        learning_rate_factors=first.optimizer.learning_rate_factors,
        parametrization=first.optimizer.parametrization,
        optimizer={"name": optimizer.name, **{key: spread[f"optimizer {key}"] for key in optimizer.parameters}},
        schedule={
            "name": schedule.name,
            "per": schedule.per,
            **{key: spread[f"schedule {key}"] for key in schedule.parameters},
        },
        batch_size=first.optimizer.batch_size,
        learning_rate=spread["learning_rate"],
        strength=spread["strength"],
        initial_scale=spread["initial_scale"],
        dropout=spread["dropout"],
        rows=rows,
        seeds=list(seeds),
        data_seeds=[run.data_seed for run in runs],
        dropout_seeds=[
            seed if run.dropout_seed is None else run.dropout_seed for seed, run in zip(seeds, runs, strict=True)
        ],
        dtype=first.run.dtype,
    )
    return replace(problem, notes=(dataset.remark, *problem.notes)) if dataset.remark else problem


def training_of(configuration: Configuration, dataset: Dataset, problem: Problem) -> dict[str, Any]:
    """The arguments of `training.train.train` that a configuration decides: stop rules, history, validation rows."""
    aside = dataset.validation
    return {
        **configuration.stopping.model_dump(),
        "history_every": configuration.run.history_every,
        "validation": None if aside is None else (aside.x, dataset.encode(aside, problem.network.outputs)),
    }


def metrics_of(dataset: Dataset) -> tuple[str, ...]:
    """The metrics that a history holds of a data set: of classes, or of numbers.

    >>> from deltarule.data.load import load
    >>> metrics_of(load("digits")), metrics_of(load("diabetes"))
    (('accuracy', 'thresholded'), ('r_squared', 'mean_absolute_error'))
    """
    return ("accuracy", "thresholded") if dataset.classes else ("r_squared", "mean_absolute_error")


def _member_numbers(configuration: Configuration, hidden: int) -> dict[str, Any]:
    """What a configuration gives each of its members."""
    given = configuration.optimizer
    optimizer, schedule = dict(registry.optimizer(given.name).parameters), registry.schedule(given.schedule).parameters
    if given.momentum is not None:
        optimizer["momentum"] = given.momentum
    return {
        "learning_rate": given.learning_rate,
        "strength": configuration.loss.strength,
        "initial_scale": configuration.network.initial_scale,
        "dropout": np.broadcast_to(configuration.network.dropout, hidden),
        **{f"optimizer {key}": float(value) for key, value in optimizer.items()},
        **{f"schedule {key}": float(value) for key, value in schedule.items()},
    }


def network_of(configuration: Configuration, dataset: Dataset) -> Network:
    """The shape of a configuration's network for these data: sizes that are "auto" are filled in."""
    given = configuration.network
    sizes: list[Any] = list(given.layers)
    if sizes[0] == "auto":
        sizes[0] = dataset.inputs
    if sizes[-1] == "auto":
        sizes[-1] = dataset.default_outputs(registry.activation(given.output).name)
    return network_of_sizes(configuration, sizes)


def network_of_sizes(configuration: Configuration, sizes: Sequence[int]) -> Network:
    """The network of a configuration with these sizes, which are its own where it gives any."""
    given = configuration.network
    return Network(
        sizes,
        given.activation,
        given.output,
        bias=given.bias,
        batch_norm=given.batch_norm,
        scaling_layer=given.scaling_layer,
        initializer=given.initializer,
    )
