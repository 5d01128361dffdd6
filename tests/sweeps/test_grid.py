from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from refusals import refuses

from deltarule.data.pipeline import prepare_dataset
from deltarule.errors import BadInput, RunFailed
from deltarule.problem.configuration import parse
from deltarule.sweeps import grid
from deltarule.sweeps import plan as plans
from deltarule.sweeps.grid import limit_of, plan_sweep
from deltarule.sweeps.plan import PlannedRow, Source, data_of
from deltarule.sweeps.worker import train_unit

HERE = Source(Path())
TABLE = {
    "data": {"name": "xor"},
    "network": {"layers": [2, 3, 1], "output": "sigmoid"},
    "stopping": {"max_steps": 5},
    "run": {"seeds": 2},
}


def plan(values, source=HERE, workers=1, **sections):
    [made] = plan_sweep(parse({**TABLE, **sections, "grid": values}), source, workers=workers)
    return made


def shapes(made):
    """Members and rows of every population."""
    return [(len(unit.members), len(unit.keys)) for unit in made.units]


NUMBERS = {
    "optimizer.learning_rate": [0.1, 1.0],
    "loss.strength": [0.0, 0.1],
    "network.dropout": [0.0, 0.5],
    "network.initial_scale": [1, 2],
    "run.data_seed": [0, 1],
}
SHAPES = {
    "network.layers": [[2, 3, 1], [2, 4, 1]],
    "optimizer.batch_size": ["none", 4],
    "network.activation": ["relu", "tanh"],
    "optimizer.name": ["sgd", "adam"],
    "loss.reduction": ["sum", "mean_samples"],
}
PENALTY = {"loss": {"penalty": "l2"}}


@pytest.mark.parametrize("key", [*NUMBERS, *SHAPES])
def test_shapes_and_orders_split(key):
    made = plan({key: (NUMBERS | SHAPES)[key]}, **PENALTY)
    assert shapes(made) == ([(4, 4)] if key in NUMBERS else [(2, 2), (2, 2)])


@pytest.mark.slow
def test_limits_are_points_of_the_longest_training():
    # The report's grid: 3 numbers of iterations × 81 others; seeds are members.
    made = plan({"stopping.max_steps": [3000, 4000, 5000], "optimizer.learning_rate": list(np.linspace(0.1, 1, 81))})
    assert shapes(made) == [(162, 486)] and made.rows == 486
    assert all([row.max_steps for row in member.rows] == [3000, 4000, 5000] for member in made.units[0].members)


@pytest.mark.parametrize(
    "sections",
    [
        {"stopping": {"max_steps": 5, "patience": 2}, "data": {"name": "xor", "split": {"validation": 4}}},
        {"stopping": {"max_steps": 5, "threshold": 0.9, "metric": "accuracy"}},
    ],
    ids=["patience", "metric"],
)
def test_patience_needs_a_training_per_limit(sections):
    made = plan({"stopping.max_steps": [10, 20]}, **sections)
    assert shapes(made) == [(2, 2), (2, 2)] and not any(unit.at_once for unit in made.units)


def test_folds_are_members():
    made = plan({"optimizer.learning_rate": [0.1, 1.0]}, Source(Path(), folds=3))
    assert shapes(made) == [(12, 12)] and made.ranked == "validation"
    assert [member.fold for member in made.units[0].members] == [0] * 4 + [1] * 4 + [2] * 4


@pytest.mark.parametrize(
    ("values", "data", "told"),
    [
        ({}, {"name": "xor", "split": {"validation": 4}}, "sets 4 rows aside and the 3 folds do, too; leave one of"),
        ({}, {"name": "digits", "mirrored": True}, "data.mirrored puts copies of rows into the folds of others"),
        ({"run.seeds": [1, 2]}, {"name": "xor"}, "run.seeds is in the grid, but each seed is a member of its own"),
    ],
)
def test_refused_plans(values, data, told):
    with pytest.raises(BadInput, match=told):
        plan(values, Source(Path(), folds=3), data=data)


keys = st.lists(st.sampled_from([*NUMBERS, "stopping.max_steps"]), unique=True, max_size=3)


@pytest.mark.slow
@given(keys, st.integers(1, 3), st.sampled_from([None, 2]), st.integers(1, 4))
def test_every_row_is_planned_once(chosen, seeds, folds, workers):
    values = {key: NUMBERS.get(key, [5, 7]) for key in chosen}
    source = Source(Path(), folds=folds)
    made = plan(values, source, workers, run={"seeds": seeds}, **PENALTY)
    found = [key for unit in made.units for key in unit.keys]
    assert len(found) == len(set(found)) == 2 ** len(chosen) * seeds * (folds or 1) == made.rows
    alone = plan(values, source, 1, run={"seeds": seeds}, **PENALTY)
    assert set(found) == {key for unit in alone.units for key in unit.keys}
    assert max(len(unit.members) for unit in made.units) <= -(-len(alone.units[0].members) // workers)


LONG = {
    "data": {"name": "iris", "scale": "standardize"},
    "network": {"layers": ["auto", 8, "auto"], "activation": "tanh", "output": "softmax"},
    "loss": {"name": "cross_entropy"},
    "optimizer": {"name": "momentum", "batch_size": 16},
    "stopping": {"max_epochs": 600},
    "run": {"seeds": 5},
}


@pytest.mark.parametrize("folds", [None, 2])
@pytest.mark.parametrize("limits", [[600], [10, 100, 100_000]])
def test_engine_does_not_depend_on_workers(limits, folds):
    values = {"optimizer.learning_rate": [0.1, 0.01, 0.2, 0.3], "stopping.max_epochs": limits}
    found = [plan(values, Source(Path(), folds=folds), workers, **LONG) for workers in (1, 2, 4, 20)]
    assert [len(made.units) for made in found] == [count * (folds or 1) for count in (1, 2, 4, 20)]
    assert len({unit.engine for made in found for unit in made.units}) == 1


def digests(made):
    return {unit.data for unit in made.units}


@pytest.mark.parametrize(
    ("data", "together"),
    [
        ({"name": "digits"}, True),
        ({"name": "iris", "scale": "center"}, False),
        ({"name": "digits", "components": 3}, False),
    ],
)
def test_folds_with_own_scale_are_apart(data, together):
    network = {"network": {"layers": ["auto", "auto"]}}
    made = plan({"optimizer.learning_rate": [0.1, 1.0]}, Source(Path(), folds=3), data=data, **network)
    whole = prepare_dataset(parse({**TABLE, "data": data, **network}), Path()).digest
    if together:
        assert shapes(made) == [(12, 12)] and digests(made) == {whole}
    else:
        assert shapes(made) == [(4, 4)] * 3 and len(digests(made)) == 3 and whole not in digests(made)
        assert [{member.fold for member in unit.members} for unit in made.units] == [{0}, {1}, {2}]


@pytest.mark.parametrize(
    "sections",
    [
        {"data": {"name": "xor", "split": {"test": 3}}},
        {"run": {"seeds": [0, 2]}},
        {"run": {"seeds": 2, "dtype": "float32"}},
        {"loss": {"reduction": "sum"}},
    ],
)
def test_key_depends_on_all_that_decides_a_row(sections, monkeypatch):
    before = set(plan({}).units[0].keys)
    assert before != set(plan({}, **sections).units[0].keys)
    assert before.isdisjoint(plan({}, Source(Path(), folds=2)).units[0].keys)
    monkeypatch.setitem(grid.NUMERICS_VERSIONS, "float64", 99)
    assert before.isdisjoint(plan({}).units[0].keys)


def test_changed_file_is_read_again(tmp_path):
    table = {**TABLE, "data": {"file": "t.csv", "target": "y"}, "network": {"layers": [1, 1]}}
    found = []
    for first in (1, 101):
        (tmp_path / "t.csv").write_text(f"x,y\n{first},1.5\n2,2.5\n3,3.25\n4,5\n", encoding="utf-8")
        plans.forget_data()
        found.append(data_of(parse(table), Source(tmp_path, folds=2)).dataset.digest)
    assert found[0] != found[1]


def test_smaller_limit_ends_a_row():
    assert limit_of(PlannedRow(0, 10, 2, ""), 3) == 6 and limit_of(PlannedRow(0, 5, 2, ""), 3) == 5


def test_memory_bounds_a_population(monkeypatch):
    monkeypatch.setattr(grid, "MAX_BYTES", 100_000)
    made = plan({"optimizer.learning_rate": list(np.linspace(0.1, 1, 50))})
    assert len(made.units) > 1 and sum(len(unit.members) for unit in made.units) == 100


def test_changed_data_are_refused():
    [unit] = plan({}).units
    with refuses("rows", "xor", error=RunFailed):
        train_unit(replace(unit, data="0" * 64), HERE)
