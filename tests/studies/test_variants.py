import numpy as np
import pytest

from deltarule.recipes import dataset_of, load_recipe, problem_of, training_of, with_experiment, with_settings
from deltarule.studies.claim_results import judge_study
from deltarule.studies.claims import Evidence, claim
from deltarule.studies.experiments import Experiments
from deltarule.studies.runner import holding_since
from deltarule.studies.variants import FILE, comparisons, read_variants, variant_of, write_variants
from deltarule.training.train import train

SHORT = {"stopping.max_steps": 300, "run.seeds": 3}
METRICS = ("accuracy", "thresholded")


def trained(study="encoder", experiment=None, **settings):
    recipe = load_recipe(study)
    recipe = with_settings(recipe if experiment is None else with_experiment(recipe, experiment), SHORT | settings)
    dataset = dataset_of(recipe)
    problem = problem_of(recipe, dataset)
    return recipe, train(problem, **{**training_of(recipe, dataset, problem), "record": METRICS})


@pytest.fixture(scope="module")
def variants():
    given = [("encoder", None), ("encoder", "rate-1"), ("encoder", "rate-0.1"), ("encoder", "weights-normal")]
    return [variant_of(*trained(*one)) for one in given]


def test_variant_of_run():
    recipe, run = trained()
    found = variant_of(recipe, run)
    assert found.steps.tolist() == run.steps.tolist() and found.objective.tolist() == run.objective.tolist()
    right = run.history.series("thresholded") >= 1
    np.testing.assert_array_equal(found.converged, np.where(right[-1], holding_since(run, right), np.nan))
    assert found.accuracy.tolist() == run.history.series("accuracy")[-1].tolist()
    at = [run.history.steps.index(int(look)) for look in found.looks]
    assert at[0] == 0 and at[-1] == len(run.history.steps) - 1
    assert found.curve.tolist() == np.median(run.history.objective[at], 1).tolist()


@pytest.mark.parametrize("rate", [0.8, 10.0])
def test_curve_counts_stopped_and_diverged_networks(rate):
    """Where successes stop early, what goes on are the failures: their median alone is another."""
    settings = {"stopping.max_epochs": 450, "stopping.max_steps": "none", "optimizer.learning_rate": rate}
    recipe, run = trained("boundary-xor", **settings, **{"run.seeds": 9})
    found = variant_of(recipe, run)
    assert len(set(run.reasons)) > 1 and (run.steps < run.steps.max()).any()
    for look, median in zip(found.looks.astype(int).tolist(), found.curve.tolist(), strict=True):
        values = run.history.objective[run.history.steps.index(look)]
        last = np.where(run.steps < look, run.objective, values)
        assert median == np.median(np.where(np.isfinite(last), last, np.inf))
    assert found.curve[-1] == np.median(np.where(np.isfinite(run.objective), run.objective, np.inf))


@pytest.mark.slow
def test_converged_at_early_stop():
    recipe, run = trained("boundary-xor", **{"stopping.max_epochs": 1000, "stopping.max_steps": "none"})
    stopped = np.array([reason == "threshold" for reason in run.reasons])
    expected = np.where(stopped, run.steps, np.nan)
    np.testing.assert_array_equal(variant_of(recipe, run).converged, expected)


@pytest.mark.slow
def test_comparisons_by_key(variants):
    compared = comparisons(variants)
    assert list(compared) == ["network.initializer", "optimizer.learning_rate"]
    assert list(compared["optimizer.learning_rate"]) == ["0.1", "1", "10"] and len(compared["network.initializer"]) == 2
    assert compared["optimizer.learning_rate"]["0.1"] is variants[2]


def test_what_is_written_is_read_again(variants, tmp_path):
    write_variants(tmp_path / FILE, "encoder", variants)
    study, found = read_variants(tmp_path / FILE)
    assert study == "encoder"
    for one, other in zip(variants, found, strict=True):
        for name, value in vars(one).items():
            np.testing.assert_array_equal(value, getattr(other, name))


@claim("mine-1", says="it learns", report="", criterion="none", needed=0.5)
def learns(experiments):
    runs = experiments.each([{"optimizer.learning_rate": rate} for rate in (1.0, 10.0)])
    return Evidence(runs[0].objective > runs[1].objective)


@pytest.mark.slow
def test_claims_write_variants(tmp_path):
    recipe = with_settings(load_recipe("encoder"), SHORT)
    judge_study(Experiments(recipe, seeds=2, folder=tmp_path), (learns,))
    study, found = read_variants(tmp_path / FILE)
    assert study == "encoder" and [one.numbers["optimizer.learning_rate"] for one in found] == [1.0, 10.0]
    assert all(len(one.steps) == 2 for one in found)
    more = Experiments(recipe, seeds=2, folder=tmp_path)
    more.run({"optimizer.learning_rate": 0.5})
    more.write_variants()
    assert len(read_variants(tmp_path / FILE)[1]) == 3
    judge_study(Experiments(recipe, seeds=2, folder=tmp_path), (learns,), resume=True)
    assert len(read_variants(tmp_path / FILE)[1]) == 3


def test_trainings_without_a_history_have_nothing_to_show():
    experiments = Experiments(with_settings(load_recipe("encoder"), SHORT), seeds=2)
    [run] = experiments.each([{"optimizer.learning_rate": 1.0}], record=[], history_every=0)
    assert run.steps.tolist() == [300, 300] and experiments.variants == []
