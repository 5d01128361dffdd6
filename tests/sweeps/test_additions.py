"""Own records and given first weights in a sweep: its rows are those of trainings that are given the same."""

import numpy as np
import pytest
from refusals import refuses

from deltarule import load_sweep, sweep
from deltarule.recipes import dataset_of, load_recipe, problem_of, training_of, with_settings
from deltarule.sweeps.store_connection import FILE
from deltarule.sweeps.sweep import merge_sweeps
from deltarule.training.train import train

GRID = {"optimizer.learning_rate": [1.0, 10.0], "stopping.max_steps": [20, 50]}


def size(moment):
    return np.abs(moment.parameters["W1"]).mean((1, 2))


def alone(row, **options):
    settings = {key: row[key] for key in GRID} | {"run.seeds": [row["seed"]]}
    recipe = with_settings(load_recipe("encoder"), settings)
    dataset = dataset_of(recipe)
    problem = problem_of(recipe, dataset)
    return train(problem, engine=row["engine"], **training_of(recipe, dataset, problem), **options)


@pytest.mark.slow
@pytest.mark.parametrize("workers", [None, 2])
def test_own_records_are_columns(workers):
    """Of rows on the way to a later limit too."""
    half = 0.5  # a function may read what is around it, in other processes too

    def smallest(moment):
        return half * np.abs(moment.parameters["W1"]).min((1, 2))

    functions = {"smallest": smallest, "sharpness": lambda moment: moment.sharpness()}
    table = sweep("encoder", GRID, seeds=2, record=functions, workers=workers)
    assert table.frame()[[*functions]].shape == (8, 2)
    for row in list(table.rows())[:3]:
        assert [row[name] for name in functions] == [function(alone(row).end)[0] for function in functions.values()]


def test_all_trainings_begin_with_the_given_arrays():
    kept = sweep("encoder", {"optimizer.learning_rate": [5.0], "stopping.max_steps": [30]}, seeds=1, keep=True)
    start = kept.network(next(kept.rows())["key"]).parameters
    table = sweep("encoder", GRID, seeds=2, start={"W1": start["W1"]}, keep=True)
    for row in list(table.rows())[:3]:
        assert np.array_equal(table.network(row["key"]).theta, alone(row, start={"W1": start["W1"]}).state.theta[0])


@pytest.mark.slow
def test_a_store_keeps_records_and_is_continued_with_the_same(tmp_path):
    given = {"seeds": 2, "out": tmp_path / "whole", "resume": True, "start": {"b1": np.ones((1, 3))}}
    first = {**GRID, "optimizer.learning_rate": [1.0]}
    sweep("encoder", first, record={"size": size}, **given).close()
    sweep("encoder", GRID, record={"size": size}, **given).close()
    table = load_sweep(tmp_path / "whole")
    assert [row["size"] is None for row in table.rows()] == [False] * 8
    assert table.best(1)[0]["size"] > 0
    table.close()
    for name, changed in (
        ("record", {"record": {}}),
        ("record", {"record": {"size": size, "again": size}}),
        ("size", {"record": {"size": lambda moment: 2 * size(moment)}}),
        ("start", {"record": {"size": size}, "start": {"b1": np.zeros((1, 3))}}),
    ):
        with refuses(name, tmp_path / "whole"):
            sweep("encoder", GRID, **given | changed)


@pytest.mark.slow
def test_stores_with_records_are_merged(tmp_path):
    for part in (1, 2):
        sweep("encoder", GRID, seeds=1, out=tmp_path / f"{part}", shard=(part, 2), record={"size": size}).close()
    merged = merge_sweeps([tmp_path / "1", tmp_path / "2"], tmp_path / "both")
    whole = {row["key"]: row["size"] for row in sweep("encoder", GRID, seeds=1, record={"size": size}).rows()}
    assert {row["key"]: row["size"] for row in merged.rows()} == whole
    merged.close()
    sweep("encoder", GRID, seeds=1, out=tmp_path / "other").close()
    with refuses("record"):
        merge_sweeps([tmp_path / "1", tmp_path / "other"], tmp_path / "three")


def test_what_is_not_finite_is_stored_as_missing():
    def infinite(moment):
        return np.full(len(moment.members), np.inf)

    assert {row["infinite"] for row in sweep("encoder", GRID, seeds=1, record={"infinite": infinite}).rows()} == {None}


@pytest.mark.parametrize(
    ("given", "named"),
    [
        ({"record": {"steps": size}}, ["steps"]),
        ({"record": {"train_accuracy": size}}, ["train_accuracy"]),
        ({"record": {"size": 1}}, ["size"]),
        ({"record": [size]}, ["record"]),
        ({"record": {"map": lambda moment: moment.parameters["W1"]}}, ["map"]),
        ({"record": {"nothing": lambda moment: None}}, ["nothing"]),
        ({"start": {"W7": np.ones((8, 3))}}, ["W7"]),
        ({"start": {"W1": np.ones((2, 3))}}, ["W1"]),
        ({"start": 3}, ["start", 3]),
    ],
)
def test_what_fits_no_row_is_refused(given, named, tmp_path):
    with refuses(*named):
        sweep("encoder", GRID, seeds=1, out=tmp_path / "out", **given)
    assert "start" not in given or not (tmp_path / "out" / FILE).exists()
