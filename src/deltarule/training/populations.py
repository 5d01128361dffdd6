"""Group configurations into populations and create a population's problem.

A population trains as one problem, with a member for each seed of each configuration. Its members must share the
`configuration_key` or the `problem_key`.
K members · N rows
"""

import json
from collections.abc import Hashable, Iterable, Mapping, Sequence
from dataclasses import asdict, replace
from typing import Any, TypeVar

import numpy as np

from deltarule.data.dataset import Dataset
from deltarule.problem import registry
from deltarule.problem.configuration import create_network, problem_arguments, resolve_configuration
from deltarule.problem.create import create_problem
from deltarule.problem.network import Network
from deltarule.problem.problem import Integers, Problem
from deltarule.problem.recipe_sections import Configuration, Criterion
from deltarule.stats import metrics

NUMBERS = {
    "network": ("dropout", "initial_scale"),
    "loss": ("strength",),
    "optimizer": ("learning_rate", "momentum"),
    "run": ("seeds", "data_seed", "dropout_seed"),
}
"""The keys that may differ between the members of a population, beside the parameters of optimizer and schedule."""

LIMITS = ("max_steps", "max_epochs")

Key = TypeVar("Key", bound=Hashable)


def plan_populations(keys: Iterable[Key]) -> dict[Key, list[int]]:
    """Group items by their keys and return the indices of each group."""
    groups: dict[Key, list[int]] = {}
    for index, key in enumerate(keys):
        groups.setdefault(key, []).append(index)
    return groups


def problem_key(problem: Problem) -> Hashable:
    """Return what problems must share to form one population."""
    return (
        problem.network.sizes,
        tuple((*_formula_key(placed.formula), *placed.names.items()) for placed in problem.network.layers),
        _formula_key(problem.network.output),
        _formula_key(problem.loss),
        (problem.optimizer.name, *problem.numbers, *problem.factors.items()),
        (problem.schedule.name, problem.schedule.per, *problem.schedule_numbers),
        (problem.row_count(0), problem.batch_size, problem.dtype.name, problem.weights is None),
    )


def _formula_key(formula: Any) -> tuple[Any, ...]:
    return (formula.name, *sorted(formula.parameters.items()))


def configuration_key(configuration: Configuration, limits: bool = True) -> str:
    """Return what a population's configurations share, as JSON text."""
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
    seeds = configuration.run.seeds
    return tuple(range(seeds)) if isinstance(seeds, int) else seeds


def problem_of_seeds(configurations: Sequence[Configuration], dataset: Dataset) -> Problem:
    members = [(configuration, seed) for configuration in configurations for seed in seeds_of(configuration)]
    return problem_of_members([configuration for configuration, _ in members], dataset, [seed for _, seed in members])


def problem_of_members(
    configurations: Sequence[Configuration], dataset: Dataset, seeds: Sequence[int], rows: Sequence[Any] | None = None
) -> Problem:
    """Create the problem of K members, each with its configuration and seed.

    All `configurations` have the same `configuration_key`; `rows` are the indices of each member's training rows.
    """
    first = configurations[0]
    runs = [configuration.run for configuration in configurations]
    network = network_of(first, dataset)
    distinct = {id(configuration): configuration for configuration in configurations}
    positions = {key: index for index, key in enumerate(distinct)}
    indices = np.array([positions[id(configuration)] for configuration in configurations])
    numbers = [_numbers(configuration, len(network.dropouts)) for configuration in distinct.values()]
    problem = create_problem(
        network,
        dataset.train.x,
        dataset.encode(dataset.train, network.outputs),
        **problem_arguments(first) | _of_members(numbers, indices),
        rows=rows,
        seeds=list(seeds),
        data_seeds=[run.data_seed for run in runs],
        dropout_seeds=[
            seed if run.dropout_seed is None else run.dropout_seed for seed, run in zip(seeds, runs, strict=True)
        ],
    )
    return replace(problem, notes=(dataset.remark, *problem.notes)) if dataset.remark else problem


def training_of(configuration: Configuration, dataset: Dataset, problem: Problem) -> dict[str, Any]:
    """Return the keyword arguments of `train` that a configuration determines."""
    rows = dataset.validation
    return {
        **asdict(configuration.stopping),
        "history_every": configuration.run.history_every,
        "validation": None if rows is None else (rows.x, dataset.encode(rows, problem.network.outputs)),
    }


def metrics_of(dataset: Dataset, criterion: Criterion | None = None) -> tuple[str, ...]:
    """Return the names of the metrics for the history of a data set."""
    names = ("accuracy", "thresholded") if dataset.classes else ("r_squared", "mean_absolute_error")
    return names if criterion is None else tuple(dict.fromkeys([*names, metrics.find(criterion.name).name]))


def _numbers(configuration: Configuration, hidden_layers: int) -> dict[str, Any]:
    """Return the arguments of `create_problem` that may differ between members."""
    table = resolve_configuration(configuration)
    optimizer = table["optimizer"]
    return {
        "optimizer": optimizer["name"],
        "momentum": None,  # among the optimizer's parameters
        "schedule": optimizer["schedule"],
        "learning_rate": optimizer["learning_rate"],
        "strength": table["loss"]["strength"],
        "initial_scale": table["network"]["initial_scale"],
        "dropout": np.broadcast_to(configuration.network.dropout, hidden_layers).tolist() or 0.0,
    }


def _of_members(values: Sequence[Any], configuration_indices: Integers) -> Any:
    """Return the value that all configurations share, or one for each member."""
    first = values[0]
    if isinstance(first, Mapping):
        return {key: _of_members([value[key] for value in values], configuration_indices) for key in first}
    return first if all(value == first for value in values) else np.array(values)[configuration_indices]


def network_of(configuration: Configuration, dataset: Dataset) -> Network:
    output = registry.activation(configuration.network.output).name
    return network_between(configuration, dataset.inputs, dataset.default_outputs(output))


def network_between(configuration: Configuration, inputs: int, outputs: int) -> Network:
    """The network of a configuration for so many inputs and outputs.

    These numbers replace "auto".
    """
    first, *others, last = configuration.network.layers
    first, last = (size if item == "auto" else item for item, size in ((first, inputs), (last, outputs)))
    return create_network(configuration, [first, *others, last])
