"""The outcome of a run: its numbers over the members, also where some of them diverged."""

import numpy as np
import pytest

from deltarule.json_files import to_jsonable
from deltarule.recipes import dataset_of, load_recipe, populations_of_settings, with_experiment, with_settings
from deltarule.studies.runner import outcome_of, population_of, train_population

OWN_TABLE = """
study.criterion = "thresholded"
data = { file = { name = "table.csv", task = "regress" }, target = "y" }
network = { layers = [2, 1], output = "sigmoid" }
loss.name = "binary_cross_entropy"
optimizer = { name = "adam", learning_rate = 0.1 }
stopping.max_steps = 200
"""


def outcome(rates):
    """Networks that differ in their rates alone; at a rate of 1e300 one diverges at once."""
    recipe = load_recipe("encoder")
    common = {"run.seeds": 1, "stopping.max_steps": 20, "network.activation": "relu", "network.output": "identity"}
    settings = [{**common, "optimizer.learning_rate": rate} for rate in rates]
    [population] = populations_of_settings(recipe, dataset_of(recipe), settings)
    run = train_population(population)
    return run, outcome_of(recipe, population.dataset, run)


def test_diverged_members_count_as_worst():
    run, told = outcome([0.01, 1e300, 0.02])
    assert [one.member for one in run.diverged] == [1] and not np.isfinite(run.objective[1])
    assert (told.objective.min, told.objective.median) == tuple(np.sort(run.objective[[0, 2]]))
    assert told.objective.max == np.inf
    assert to_jsonable(told)["objective"] == {"min": told.objective.min, "median": told.objective.median, "max": None}


def test_criterion_on_a_table_of_numbers_is_recorded(tmp_path):
    (tmp_path / "table.csv").write_text("a,b,y\n0,0,0\n0,1,1\n1,0,1\n1,1,1\n", encoding="utf-8")
    (tmp_path / "own.toml").write_text(OWN_TABLE, encoding="utf-8")
    recipe = load_recipe(tmp_path / "own.toml")
    population = population_of(recipe, dataset_of(recipe))
    solved = outcome_of(recipe, population.dataset, train_population(population)).solved
    assert solved is not None and solved.count == 1 and 0 < solved.steps_median < 200


@pytest.mark.parametrize(("experiment", "is_said"), [(None, True), ("rate-1", False)])
def test_a_report_is_compared_with_the_run_of_its_own_settings(experiment, is_said):
    recipe = load_recipe("encoder") if experiment is None else with_experiment(load_recipe("encoder"), experiment)
    few = with_settings(recipe, {"run.seeds": 1, "stopping.max_steps": 20})
    population = population_of(few, dataset_of(few))
    notes = outcome_of(few, population.dataset, train_population(population)).notes
    assert any("0.000081 (claim encoder-2)" in note for note in notes) == is_said


@pytest.mark.slow
def test_criterion_may_be_an_error(tmp_path):
    (tmp_path / "table.csv").write_text("a,b,y\n0,0,0\n0,1,1\n1,0,1\n1,1,1\n", encoding="utf-8")
    error = 'study.criterion = {name = "mean_absolute_error", at_most = 0.2}'
    text = OWN_TABLE.replace('study.criterion = "thresholded"', error)
    (tmp_path / "own.toml").write_text(text, encoding="utf-8")
    recipe = with_settings(load_recipe(tmp_path / "own.toml"), {"run.seeds": 2, "stopping.max_steps": 1000})
    population = population_of(recipe, dataset_of(recipe))
    solved = outcome_of(recipe, population.dataset, train_population(population)).solved
    assert solved.criterion == "mean_absolute_error of at most 0.2 on training rows"
    assert solved.count == 2 and 0 < solved.steps_median < 1000


@pytest.mark.slow
def test_digits_test_accuracy():
    recipe = with_settings(load_recipe("digits"), {"run.seeds": 10})
    dataset = dataset_of(recipe)
    told = outcome_of(recipe, dataset, train_population(population_of(recipe, dataset)))
    assert told.test_accuracy.median >= 0.97 and len(dataset.test) == round(0.2 * 1797)
