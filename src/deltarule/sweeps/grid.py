"""From a configuration with a grid to populations: the units of work, the same ones each time the grid is the same.

K members of a population · C configurations · F folds · S seeds

Every combination of the grid's values, with every fold and seed, is a row of the sweep's table. Rows that differ in
nothing but their limit (steps, epochs) are points on the way of one training.
"""

import hashlib
import itertools
import json
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from deltarule.data.dataset import Dataset
from deltarule.data.pipeline import data_key
from deltarule.data.transforms import scale
from deltarule.engines.compiled.engine import CompiledEngine
from deltarule.engines.selection import choose
from deltarule.errors import BadInput
from deltarule.problem import registry
from deltarule.problem.configuration import parse, with_changes
from deltarule.problem.field_types import as_python
from deltarule.problem.problem import Integers, Problem
from deltarule.problem.recipe_sections import Configuration
from deltarule.problem.resolved_configuration import NUMERICS_VERSIONS, configuration_hash, own_formulas
from deltarule.stats import metrics
from deltarule.sweeps.fold_data import data_of, fold_of, load_folds
from deltarule.sweeps.plan import Data, Group, Member, Plan, Row, Source, Unit
from deltarule.sweeps.row_ranking import check_scored, common_ranking, score_metric
from deltarule.training.populations import LIMITS, configuration_key, network_of, problem_of_members, seeds_of

MAX_MEMBERS = 1_000
"""Members of a population at most: what is lost when a worker dies, and what a commit to the store holds."""

MAX_BYTES = 2**28
"""What the members of a population may take of memory, beside the data that they share. More would not train
faster, and would be longer without a word of progress."""


def with_grid(configuration: Configuration, grid: Mapping[str, Sequence[Any]]) -> Configuration:
    """The configuration with another grid: lists of values by dotted key.

    Errors: `BadInput` for a key that there is not, and a value that is not allowed.

    >>> table = {"data": {"name": "xor"}, "network": {"layers": [2, 1]}, "stopping": {"max_steps": 1}}
    >>> with_grid(parse(table), {"optimizer.learning_rate": np.array([0.1, 1.0])}).grid
    {'optimizer.learning_rate': (0.1, 1.0)}
    """
    return parse({**configuration.model_dump(), "grid": as_recipe(grid)}, "the grid")


def as_recipe(given: Any) -> dict[str, Any]:
    """What a grid or a configuration sets in Python, as a recipe has it: values that JSON holds, by dotted key.

    Parameters: `given`, a table, or what `dict` makes one of by its keys, as a row of a DataFrame.
    Errors: `BadInput` for anything else.

    >>> as_recipe({"network.layers": np.array([2, 1])})
    {'network.layers': [2, 1]}
    """
    if not hasattr(type(given), "keys"):
        raise BadInput(
            f"a configuration is {given!r}; give a table of what it sets, as {{'optimizer.learning_rate': 0.1}}"
        )
    values = {key: as_python(one) for key, one in dict(given).items()}
    for key, value in values.items():
        if not isinstance(key, str):
            raise BadInput(
                f"the key {key!r} of a grid or a configuration is no text; give one such as 'optimizer.learning_rate'"
            )
        try:
            json.dumps(value)
        except TypeError as error:
            raise BadInput(f"{key} is {value!r}; give numbers, texts, lists and tables of Python's ({error})") from None
    return values


def combinations(configuration: Configuration) -> list[dict[str, Any]]:
    """Every combination of the grid's values; without a grid one, which sets nothing.

    >>> from pathlib import Path
    >>> table = {"data": {"name": "xor"}, "network": {"layers": [2, 1]}, "stopping": {"max_steps": 1}}
    >>> grid = {"optimizer.learning_rate": [0.1, 1.0], "loss.reduction": ["sum"]}
    >>> combinations(parse({**table, "grid": grid}))[1]
    {'optimizer.learning_rate': 1.0, 'loss.reduction': 'sum'}
    """
    grid = configuration.grid
    return [dict(zip(grid, values, strict=True)) for values in itertools.product(*grid.values())]


def plan_sweep(
    configuration: Configuration, source: Source, settings: Iterable[Mapping[str, Any]] | None = None, workers: int = 1
) -> Plan:
    """Plan a sweep: which rows there are, and which of them are trained together.

    Parameters: `settings`, the configurations as what each sets; None for all combinations of the grid; `workers`, how
    many there are to be busy: a population is no larger than leaves some for each.
    Errors: `BadInput` for settings that do not fit each other or the data, and rows that do not rank together.

    >>> from pathlib import Path
    >>> table = {"data": {"name": "xor"}, "network": {"layers": [2, 1]}, "stopping": {"max_steps": 1}}
    >>> grid = {"optimizer.learning_rate": [0.1, 1.0], "stopping.max_steps": [10, 20]}
    >>> grid |= {"network.layers": [[2, 1], [2, 2, 1]]}
    >>> plan = plan_sweep(parse({**table, "grid": grid, "run": {"seeds": 3}}), Source(Path()))
    >>> plan.rows, [len(unit.members) for unit in plan.units]
    (24, [6, 6])
    """
    if "run.seeds" in configuration.grid:
        raise BadInput(
            "run.seeds is in the grid, but each seed is a member of its own; give it under [run] or as --seeds"
        )
    seeds = seeds_of(configuration)
    # Without its grid, which each of the configurations would have to copy.
    base = with_changes(configuration, {"run.seeds": 1}).model_copy(
        update={"grid": {}, "experiment": (), "assumption": ()}
    )
    known = _by_hash(base, combinations(configuration) if settings is None else map(as_recipe, settings))
    asked = _SweepRequest(tuple(one for one, _ in known.values()), tuple(known), seeds, source)
    units, notes, scored = _populations(asked, workers)
    return Plan(
        base,
        tuple(given for _, given in known.values()),
        asked.hashes,
        units,
        source,
        notes,
        *scored,
        {name: formula for one in asked.every for name, formula in own_formulas(one).items()},
    )


@dataclass(frozen=True, eq=False)
class _SweepRequest:
    """What a sweep is asked for: `every` configuration [C], their `hashes` [C], the `seeds` [S] of each, and where the
    rows come from."""

    every: tuple[Configuration, ...]
    hashes: tuple[str, ...]
    seeds: tuple[int, ...]
    source: Source


def _by_hash(
    base: Configuration, settings: Iterable[Mapping[str, Any]]
) -> dict[str, tuple[Configuration, Mapping[str, Any]]]:
    """Each configuration with what it sets, by its hash: what is asked for twice is one, however it is written."""
    known: dict[str, tuple[Configuration, Mapping[str, Any]]] = {}
    for given in settings:
        one = with_changes(base, given)
        known.setdefault(configuration_hash(one), (one, given))
    if not known:
        raise BadInput("there is no configuration to sweep; give one at least")
    return known


def _populations(asked: _SweepRequest, workers: int) -> tuple[tuple[Unit, ...], tuple[str, ...], tuple[str, str]]:
    """The units of all that is asked for, what must be told of their data, and by what all rows rank."""
    every, source = asked.every, asked.source
    groups = _groups(every, source)
    units: list[Unit] = []
    notes: list[str] = []
    scored: list[tuple[str, str]] = []
    alike = Counter(name[1:] for name in groups)
    shapes = Counter(_sizes_apart(shape) for shape in {name[1] for name in groups})
    engines: dict[tuple[str, int], tuple[str, bool]] = {}
    # Fold by fold, where each has rows of its own: so these are prepared once.
    for name, group in sorted(groups.items(), key=lambda item: item[0][0]):
        own, shape_and_fold = None if name[0] < 0 else name[0], name[1:]
        first = every[next(iter(group.values()))[0]]
        data = data_of(first, source, own)
        scored.append(score_metric(data, source))
        check_scored(data, source, *scored[-1])
        _check_group(every, group, data.dataset)
        notes += filter(None, [data.dataset.remark])
        members = _members(asked, group, data)
        most = members_at_once(first, data.dataset)
        if shape_and_fold not in engines:
            counts = alike[shape_and_fold], shapes[_sizes_apart(shape_and_fold[0])]
            engines[shape_and_fold] = _engine(members, most, data, *counts)
        size = min(most, -(-len(members) // workers))
        rest = data.dataset.digest, own, not _looks_decide(first), *engines[shape_and_fold]
        units += [Unit(tuple(members[start : start + size]), *rest) for start in range(0, len(members), size)]
    return tuple(units), tuple(dict.fromkeys(notes)), common_ranking(scored)


def _members(asked: _SweepRequest, group: Group, data: Data) -> list[Member]:
    """The trainings of a group: one for each of its ways and each seed."""
    return [
        Member(asked.every[places[0]], fold, seed, tuple(_row(asked, place, data, fold, seed) for place in places))
        for (fold, _), places in sorted(group.items(), key=lambda item: (item[0][0], item[1]))
        for seed in asked.seeds
    ]


def _groups(every: Sequence[Configuration], source: Source) -> dict[tuple[int, str, int], Group]:
    """Which configurations are trained together, as places: by their rows, their shape and, where looks decide, their
    fold; and of each group which are points on one way, by the fold and the way. A fold of −1 is all of them."""
    groups: dict[tuple[int, str, int], Group] = {}
    known: dict[str, bool] = {}
    for index, one in enumerate(every):
        alone, apart = _looks_decide(one), _folds_apart(one, source, known)
        shape, way = configuration_key(one, limits=alone), _way(one, alone)
        for fold in range(source.folds) if source.folds else (-1,):
            # Where a look decides when a member ends, it may be one at the rows that its fold sets aside.
            name = fold if apart else -1, shape, fold if alone else -1
            groups.setdefault(name, {}).setdefault((fold, way), []).append(index)
    return groups


def _folds_apart(configuration: Configuration, source: Source, known: dict[str, bool]) -> bool:
    """Whether what is measured on the training rows differs from fold to fold: then each has rows of its own.

    Images that are divided by 255 are the same in all of them.    known   what was found before, by the data
    """
    section = configuration.data
    if not source.folds or (section.scale == "none" and section.components is None):
        return False
    key = data_key(configuration)
    if key not in known:
        dataset, folds = load_folds(configuration, source)
        whole = scale(dataset, section.scale)[1]
        each = (scale(fold_of(dataset, *rows), section.scale)[1] for rows in folds)
        known[key] = section.components is not None or any(
            not (np.array_equal(one.shift, whole.shift) and np.array_equal(one.factor, whole.factor)) for one in each
        )
    return known[key]


def _sizes_apart(shape: str) -> str:
    """What shapes share that differ in the sizes of their layers alone."""
    table = json.loads(shape)
    table["network"]["layers"] = len(table["network"]["layers"])
    return json.dumps(table, sort_keys=True)


def _engine(members: Sequence[Member], most: int, data: Data, alike: int, shapes: int) -> tuple[str, bool]:
    """The engine for all members of a shape, and whether it has a program for this shape alone: whoever trains how many
    of them, and whatever is done already.

    Parameters: `most`, how many of them memory allows at once; `alike`, in how many folds there are such members;
    `shapes`, how many shapes of the sweep differ from this one in their sizes alone, itself among them.
    """
    given = members[0].configuration.run.engine
    if given != "auto":
        return given, True
    problem = problem_of(members[:most], data)
    epoch = max(map(problem.steps_per_epoch, range(problem.members)))
    longest = max(limit_of(row, epoch) for member in members for row in member.rows)
    chosen = choose(given, problem, alike * -(-len(members) // most) * longest, shapes=shapes).engine
    return chosen.name, not isinstance(chosen, CompiledEngine) or chosen.own_shape


def problem_of(members: Sequence[Member], data: Data) -> Problem:
    """The problem of members that are trained together, on their rows."""
    by_id = {id(member.configuration): member.configuration for member in members}
    places = {one: index for index, one in enumerate(by_id)}
    return problem_of_members(
        list(by_id.values()),
        data.dataset,
        np.array([places[id(member.configuration)] for member in members]),
        [member.seed for member in members],
        [data.folds[member.fold][0] for member in members] if data.folds else None,
    )


def limit_of(row: Row, epoch: int) -> int:
    """The last step of a row, the smaller limit where both are given.    epoch   its steps"""
    limits = [row.max_steps, None if row.max_epochs is None else row.max_epochs * epoch]
    return min(limit for limit in limits if limit is not None)


def _check_group(every: Sequence[Configuration], group: Group, dataset: Dataset) -> None:
    """Make the problem of a group's configurations on a single row: what does not fit is told before work begins."""
    places = sorted({point for points in group.values() for point in points})
    rules = [every[place].stopping for place in places]
    for name in {name for rule in rules for name in (rule.metric, rule.score)} - {"objective"}:
        metrics.find(name)  # also where no rule looks at it
    row = replace(dataset, train=dataset.train.take(np.array([0])), validation=None, test=None)
    problem_of_members([every[place] for place in places], row, np.arange(len(places)), [0] * len(places))


def _row(asked: _SweepRequest, place: int, data: Data, fold: int, seed: int) -> Row:
    stopping, run = asked.every[place].stopping, asked.every[place].run
    of_fold = asked.source.fold(fold) or "all"
    identity = [asked.hashes[place], data.dataset.digest, of_fold, seed, run.dtype, NUMERICS_VERSIONS[run.dtype]]
    key = hashlib.sha256(json.dumps(identity).encode("ascii")).hexdigest()
    return Row(place, stopping.max_steps, stopping.max_epochs, key)


def _looks_decide(configuration: Configuration) -> bool:
    """Whether a member's end depends on when it is looked at, and that on its limit; or L-BFGS minimizes it."""
    stopping = configuration.stopping
    by_metric = stopping.threshold is not None and stopping.metric != "objective"
    lbfgs = registry.optimizer(configuration.optimizer.name).name == "lbfgs"
    return stopping.patience is not None or by_metric or lbfgs


def _way(configuration: Configuration, alone: bool) -> str:
    """A text that is equal for configurations that are points on the way of one training."""
    if alone:
        return configuration_hash(configuration)
    longest = configuration.stopping.model_copy(update=dict.fromkeys(LIMITS))
    return configuration_hash(configuration.model_copy(update={"stopping": longest}))


def members_at_once(configuration: Configuration, dataset: Dataset) -> int:
    """How many members a population of this configuration may have, for the memory that each needs beside the data.

    >>> table = {"data": {"name": "xor"}, "network": {"layers": [2, 1]}, "stopping": {"max_steps": 1}}
    >>> from deltarule.data.synthetic import xor
    >>> members_at_once(parse(table), xor()) == MAX_MEMBERS
    True
    """
    network = network_of(configuration, dataset)
    rows = len(dataset.train)
    batch = min(configuration.optimizer.batch_size or rows, rows)
    units = sum(layer.units for layer in network.layers)
    slots = len(registry.optimizer(configuration.optimizer.name).slots)
    # Parameters, gradient and slots, before and after an update; each unit's z, a and δ; outputs of all rows.
    numbers = network.parameters * (4 + 2 * slots) + 6 * batch * units + 2 * rows * network.outputs
    size = int(MAX_BYTES // (numbers * np.dtype(configuration.run.dtype).itemsize))
    return max(1, min(size, MAX_MEMBERS))


def chunks(units: Sequence[Unit], done: "set[str] | frozenset[str]") -> Iterator[tuple[Unit, Integers]]:
    """The units that still have something to do, each with those of its members that must be trained."""
    for unit in units:
        places = unit.missing_members(done)
        if len(places):
            yield unit, places
