"""Expand a configuration's grid into populations, deterministically.

K members of a population · C configurations · F folds · S seeds

Rows that differ only in their limit (steps, epochs) are recorded by one training, on its way to the largest limit.
"""

import hashlib
import itertools
import json
import math
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, replace
from typing import Any

import numpy as np

from deltarule.data.dataset import Dataset
from deltarule.data.pipeline import check_parts
from deltarule.engines.selection import engine_for
from deltarule.errors import BadInput
from deltarule.problem import registry
from deltarule.problem.configuration import NUMERICS_VERSIONS, configuration_hash, own_formulas, with_changes
from deltarule.problem.problem import Problem
from deltarule.problem.recipe_sections import Configuration
from deltarule.stats import metrics
from deltarule.sweeps.plan import (
    Additions,
    Data,
    Group,
    PlannedNetwork,
    PlannedRow,
    Source,
    SweepPlan,
    Unit,
    data_of,
    is_fitted_to_rows,
)
from deltarule.training.options import StopRules
from deltarule.training.populations import configuration_key, network_of, problem_of_members, seeds_of

MAX_MEMBERS = 1_000
"""Members of a population at most: as many are lost when a worker dies, and committed to the store at once."""

PLANNED_AT_ONCE = 2_000
"""Configurations of a part of the plan: about a millisecond each, before the first of them trains."""

MAX_BYTES = 2**28
"""Memory that the members of a population may take, beside the data that they share. Larger populations would not train
faster, and would report their progress less often."""


def settings_to_json(settings: Any) -> dict[str, Any]:
    return {str(key): as_python(value) for key, value in dict(settings).items()}


def as_python(value: Any) -> Any:
    """Convert NumPy numbers, arrays and sequences to Python numbers and lists."""
    if hasattr(type(value), "tolist"):  # NumPy's, and arrays of pandas and PyTorch
        value = value.tolist()
    if isinstance(value, Mapping):
        return {key: as_python(item) for key, item in value.items()}
    if isinstance(value, Sequence) and not isinstance(value, str | bytes):
        return [as_python(item) for item in value]
    return value


def plan_sweep(
    configuration: Configuration,
    source: Source,
    settings: Sequence[Mapping[str, Any]] | None = None,
    workers: int = 1,
    rank_by: str | None = None,
    shard: tuple[int, int] = (1, 1),
    additions: Additions | None = None,
) -> Iterator[SweepPlan]:
    """Plan a sweep's rows, and which are trained together, a part at a time.

    `settings` are those of each configuration, instead of all combinations of the grid. Populations are small enough to
    keep all `workers` busy. `rank_by` None means the accuracy, or R² if the targets are numbers. The shard (3, 16) has
    every 16th configuration, from the third on. `additions` are checked against each kind of network.
    """
    if "run.seeds" in configuration.grid:
        raise BadInput(
            "run.seeds is in the grid, but each seed is a member of its own; give it under [run] or as --seeds"
        )
    seeds = seeds_of(configuration)
    # Without its grid, which would be copied into each of the configurations.
    base = replace(with_changes(configuration, {"run.seeds": 1}), grid={}, experiment=(), assumption=())
    rank_by = rank_by and metrics.find(rank_by).name
    left, chosen = _settings_of_shard(configuration.grid, settings, shard)
    known: set[str] = set()
    while part := list(itertools.islice(chosen, PLANNED_AT_ONCE)):
        left -= len(part)
        configurations: dict[str, Configuration] = {}
        settings_by_hash: dict[str, Mapping[str, Any]] = {}
        for setting in part:
            changed = with_changes(base, setting, is_of_grid=settings is None)
            digest = configuration_hash(changed)
            if digest not in known:
                configurations[digest], settings_by_hash[digest] = changed, setting
            known.add(digest)
        if configurations:
            planned = _plan_units(configurations, seeds, source, rank_by, workers, additions or Additions())
            own = {name: value for changed in configurations.values() for name, value in own_formulas(changed).items()}
            rows_left = left * len(seeds) * (source.folds or 1)
            yield SweepPlan(base, configurations, settings_by_hash, source, *planned, own, rows_left)


def _settings_of_shard(
    grid: Mapping[str, Sequence[Any]], settings: Sequence[Mapping[str, Any]] | None, shard: tuple[int, int]
) -> tuple[int, Iterator[Mapping[str, Any]]]:
    """How many settings a shard has, and these: of the grid, or of those given."""
    combinations = (dict(zip(grid, values, strict=True)) for values in itertools.product(*grid.values()))
    listed = combinations if settings is None else map(settings_to_json, settings)
    total = math.prod(map(len, grid.values())) if settings is None else len(settings)
    first, step = shard
    count = len(range(first - 1, total, step))
    if not count:
        of_shard = "" if step == 1 else f" in shard {first} of {step}, of {total}"
        raise BadInput(f"there is no configuration to sweep{of_shard}; give one at least")
    return count, itertools.islice(listed, first - 1, None, step)


def _plan_units(
    configurations: Mapping[str, Configuration],
    seeds: Sequence[int],
    source: Source,
    rank_by: str | None,
    workers: int,
    additions: Additions,
) -> tuple[tuple[Unit, ...], tuple[str, ...], str, str]:
    """The populations of a sweep, notes on their data, metric, and ranked part."""
    groups = _group_configurations(configurations, source)
    units: list[Unit] = []
    notes: list[str] = []
    rankings: dict[tuple[str, str], None] = {}
    group_counts = Counter(name[1:] for name in groups)
    engines: dict[tuple[str, int], str] = {}
    # Fold by fold if each has data of its own, so that these are prepared once.
    for name, group in sorted(groups.items(), key=lambda item: item[0][0]):
        fold = None if name[0] < 0 else name[0]
        shape_and_fold = name[1:]
        first = configurations[next(iter(group.values()))[0]]
        data = data_of(first, source, fold)
        if not source.folds:
            check_parts(first, data.dataset)
        metric = rank_by or ("accuracy" if data.dataset.classes else "r_squared")
        rankings[metric, "validation" if source.folds or data.dataset.validation is not None else "train"] = None
        StopRules(**asdict(first.stopping)).check_metric()  # raises for an unknown metric
        row = replace(data.dataset, train=data.dataset.train.take(np.array([0])), validation=None, test=None)
        additions.check(problem_of_members([first], row, [0]))  # raises if the network does not fit the data
        notes += filter(None, [data.dataset.remark])
        members = list(_members(configurations, seeds, source, group, data))
        max_members = max_population_size(first, data.dataset)
        if shape_and_fold not in engines:
            engines[shape_and_fold] = _choose_engine(members, max_members, data, group_counts[shape_and_fold])
        size = min(max_members, -(-len(members) // workers))
        rest = data.dataset.digest, fold, not _needs_training_per_limit(first), engines[shape_and_fold], metric
        units += [Unit(tuple(members[start : start + size]), *rest) for start in range(0, len(members), size)]
    if len(rankings) > 1:
        described = " and others by the ".join(f"{metric} on the {part} rows" for metric, part in rankings)
        raise BadInput(
            f"some configurations rank by the {described}; sweep them apart, each kind into a folder of its own"
        )
    return tuple(units), tuple(dict.fromkeys(notes)), *next(iter(rankings))


def _members(
    configurations: Mapping[str, Configuration], seeds: Sequence[int], source: Source, group: Group, data: Data
) -> Iterator[PlannedNetwork]:
    """The members of a group, by folds, then in the order of the grid."""
    for (fold, _), hashes in sorted(group.items(), key=lambda item: item[0][0]):
        for seed in seeds:
            rows = []
            for digest in hashes:
                stopping = configurations[digest].stopping
                dtype = configurations[digest].run.dtype
                scope = [data.dataset.digest, source.fold_name(fold) or "all", seed, dtype]
                identity = json.dumps([digest, *scope, NUMERICS_VERSIONS[dtype]])
                key = hashlib.sha256(identity.encode("ascii")).hexdigest()
                rows.append(PlannedRow(digest, stopping.max_steps, stopping.max_epochs, key))
            yield PlannedNetwork(configurations[hashes[0]], fold, seed, tuple(rows))


def _group_configurations(
    configurations: Mapping[str, Configuration], source: Source
) -> dict[tuple[int, str, int], Group]:
    """Group configurations that can be trained together.

    In the name of a group the first fold is −1 if all folds have the same data, the second one if members of all folds
    can be trained together.
    """
    groups: dict[tuple[int, str, int], Group] = {}
    for digest, configuration in configurations.items():
        per_limit = _needs_training_per_limit(configuration)
        per_fold = source.folds and is_fitted_to_rows(configuration)
        shape = configuration_key(configuration, limits=per_limit)
        training = digest
        if not per_limit:
            unlimited = replace(configuration.stopping, max_steps=None, max_epochs=None)
            training = configuration_hash(replace(configuration, stopping=unlimited))
        for fold in range(source.folds) if source.folds else (-1,):
            # If evaluations decide when a member stops, they may be on the held-out rows of its fold.
            name = fold if per_fold else -1, shape, fold if per_limit else -1
            groups.setdefault(name, {}).setdefault((fold, training), []).append(digest)
    return groups


def _choose_engine(members: Sequence[PlannedNetwork], max_members: int, data: Data, group_count: int) -> str:
    """Choose the engine for one shape, independent of workers and of what is done."""
    name = members[0].configuration.run.engine
    if name != "auto":
        return name
    problem = population_problem(members[:max_members], data)
    epoch = max(map(problem.steps_per_epoch, range(problem.members)))
    longest = max(limit_of(row, epoch) for member in members for row in member.rows)
    steps = group_count * -(-len(members) // max_members) * longest
    return engine_for(name, problem, steps).name


def population_problem(members: Sequence[PlannedNetwork], data: Data) -> Problem:
    return problem_of_members(
        [member.configuration for member in members],
        data.dataset,
        [member.seed for member in members],
        [data.folds[member.fold][0] for member in members] if data.folds else None,
    )


def limit_of(row: PlannedRow, steps_per_epoch: int) -> int:
    limits = [row.max_steps, None if row.max_epochs is None else row.max_epochs * steps_per_epoch]
    return min(limit for limit in limits if limit is not None)


def _needs_training_per_limit(configuration: Configuration) -> bool:
    stopping = configuration.stopping
    by_metric = stopping.threshold is not None and stopping.metric != "objective"
    return stopping.patience is not None or by_metric


def max_population_size(configuration: Configuration, dataset: Dataset) -> int:
    """The largest population of this configuration that fits into memory."""
    network = network_of(configuration, dataset)
    rows = len(dataset.train)
    batch = min(configuration.optimizer.batch_size or rows, rows)
    units = sum(network.sizes[1:])
    slots = len(registry.optimizer(configuration.optimizer.name).slots)
    # Parameters, gradient and slots, before and after an update; each unit's z, a and δ; outputs of all rows.
    numbers = network.parameters * (4 + 2 * slots) + 6 * batch * units + 2 * rows * network.outputs
    size = int(MAX_BYTES // (numbers * np.dtype(configuration.run.dtype).itemsize))
    return max(1, min(size, MAX_MEMBERS))
