"""The ReLU encoder study: its predicates on records made by hand, figures known otherwise, and its stored results."""

import itertools
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import spearmanr

from deltarule.engines.reference import ReferenceEngine, whole_objective
from deltarule.problem.state import initial_state
from deltarule.recipes import dataset_of, load_recipe, problem_of, with_settings
from deltarule.studies.claims import all_conditions, claims_of_study
from deltarule.studies.experiments import Experiments
from deltarule.studies.judges import encoder_relu as claims
from deltarule.training.history import History
from deltarule.training.run import Run

RECIPE = load_recipe("encoder-relu")
CLAIMS = {claim.id: claim for claim in claims_of_study(RECIPE)}
DATASET = dataset_of(RECIPE)
BASE = "hidden 3, sum"


# --- records made by hand --------------------------------------------------------------------------------------------


def record(steps=None, **series):
    """A run with these series [T, K], as if it had been trained."""
    series = {name.replace("_of_", " "): np.array(one, float) for name, one in series.items()}
    first = next(iter(series.values()))
    members = first.shape[1]
    problem = problem_of(RECIPE, DATASET, seeds=members)
    state = initial_state(problem)
    steps = list(range(0, 125 * len(first), 125)) if steps is None else list(steps)
    return Run(
        problem=problem,
        engine=ReferenceEngine(),
        state=state,
        steps=np.full(members, steps[-1]),
        reasons=("max_steps",) * members,
        objective=whole_objective(problem, state),
        history=History(steps, {name: list(one) for name, one in series.items()}),
        diverged=(),
        seconds=0.0,
    )


class Records:
    """Runs in the place of trainings, by convention, rate and biases; all others are `usual`."""

    dataset, seeds = DATASET, 1

    def __init__(self, usual, variants=None, **by_experiment):
        self.usual, self.variants = usual, variants or {}
        self.by_experiment = by_experiment

    def settings_of(self, *experiments):
        return Experiments(RECIPE, seeds=1).settings_of(*experiments)

    def each(self, settings, **looks):
        known = [(claims.variant_settings(self, *variant), run) for variant, run in self.variants.items()]
        return [next((run for chosen, run in known if chosen == one), self.usual) for one in settings]

    def run(self, settings=None, *, experiment=None, **looks):
        return self.by_experiment["slowest"]


def holds(claim, records, convention=BASE):
    with np.errstate(invalid="ignore"):  # figures made by hand may be infinite
        return all_conditions(claim.evidence(records, convention)).tolist()


LOOKED_AT = [0, 1_000, 5_000, 20_000, 50_000]


def test_encoder_relu_1():
    risen = {  # at first, after 1,000, 5,000, 20,000 and 50,000 steps
        "as told": ([0, 2, 3, 6, 8], True),
        "two": ([0, 0, 2, 3, 3], True),
        "early": ([0, 4, 3, 6, 8], False),
        "one": ([0, 0, 1, 6, 8], False),
        "four": ([0, 2, 4, 6, 8], False),
        "no better": ([0, 2, 3, 3, 8], False),
        "lost again": ([0, 2, 3, 6, 3], False),
    }
    loss = np.array([[7.0] * 7, [6.0] * 7, [5.0] * 7, [4.0] * 5 + [5.0, 4.0], [3.0] * 6 + [5.0]])
    run = record(LOOKED_AT, objective=loss, correct_output=np.array([one for one, _ in risen.values()]).T / 8)
    assert holds(CLAIMS["encoder-relu-1"], Records(run)) == [expected for _, expected in risen.values()]


def test_encoder_relu_2_by_rate():
    rough = record(objective=[[10], [5], [9], [4]])
    records = Records(record(objective=[[10], [5], [4], [4]]), {(BASE, 0.01, True): rough})
    assert holds(CLAIMS["encoder-relu-2"], records, f"0.01 (caption), {BASE}") == [True]
    assert holds(CLAIMS["encoder-relu-2"], records, f"0.001 (text), {BASE}") == [False]


def test_encoder_relu_5():
    best = {
        (convention, 0.0001, True): record(objective=[[10] * 3, [4, 4, 4]]) for convention in (BASE, "hidden 3, mean")
    }
    others = record(objective=[[10] * 3, [5, 3, 5]])
    records = Records(others, best, slowest=record(objective=[[10] * 3, [5, 5, 3.5]]))
    assert holds(CLAIMS["encoder-relu-5"], records) == [True, False, False]
    assert holds(CLAIMS["encoder-relu-5"], records, "hidden 3, mean") == [True, False, True]


@given(st.lists(st.tuples(st.integers(0, 5), st.integers(0, 5)), min_size=3, max_size=20))
def test_rank_correlations_are_spearmans(pairs):
    first, second = np.array(pairs, float).T
    [found] = claims.rank_correlations(first[None], second[None])
    if len(set(first)) > 1 and len(set(second)) > 1:
        assert found == pytest.approx(spearmanr(first, second).statistic, abs=1e-12)
    else:
        assert np.isnan(found)


def test_gradient_of_one_vector():
    """The output is linear, and the loss a sum of squares: the gradient of b2 is twice the error."""
    run = Experiments(RECIPE, seeds=2).run({"stopping.max_steps": 20})
    found = [claims.gradient_lengths(run, vector)["b2"] for vector in range(8)]
    error = run.outputs(np.eye(8)) - np.eye(8)
    np.testing.assert_allclose(np.transpose(found), 2 * np.sqrt((error**2).sum(-1)))


# --- figures known otherwise -----------------------------------------------------------------------------------------


def test_error_floor_of_3_hidden_units():
    """The outputs less their mean have rank 3, and so keep at most 3 of the 7 directions in which the targets vary."""
    centered = np.eye(8) - 1 / 8
    floor = (np.linalg.svd(centered)[1][3:] ** 2).sum()
    assert floor == pytest.approx(4)
    quick = {"optimizer.batch_size": "none", "optimizer.learning_rate": 0.03, "stopping.max_steps": 2_000}
    layers = [{**quick, "network.layers": [8, size, 8]} for size in (3, 8)]
    three, eight = Experiments(RECIPE, seeds=6).each(layers, history_every=2_000)
    assert floor - 1e-9 < three.objective.min() < floor + 1e-3
    assert eight.objective.min() < 1e-3


@pytest.mark.parametrize(("batch", "factor"), [(1, 8), ("none", 64)])
def test_mean_equals_sum_with_shorter_steps(batch, factor):
    """8 outputs, or 64 elements: powers of two, so that every bit is the same."""
    few = Experiments(RECIPE, seeds=2)
    settings = {"optimizer.batch_size": batch, "stopping.max_steps": 300}
    one = few.run({**settings, "optimizer.learning_rate": 0.064}, experiment="mean")
    other = few.run({**settings, "optimizer.learning_rate": 0.064 / factor})
    assert np.array_equal(one.state.theta, other.state.theta)


# --- recipe and results ----------------------------------------------------------------------------------------------


def test_variant_settings():
    experiments = Experiments(RECIPE, seeds=1)
    for convention, rate, biases in itertools.product(claims.CONVENTIONS, claims.RATES, (True, False)):
        settings = claims.variant_settings(experiments, convention, rate, biases)
        configuration = with_settings(RECIPE, settings).configuration
        assert configuration.optimizer.learning_rate == rate
        assert configuration.network.bias == biases
        assert configuration.network.layers[1] == (8 if "hidden 8" in convention else 3)
        assert configuration.loss.reduction == ("mean_elements" if "mean" in convention else "sum")
        assert configuration.optimizer.batch_size == (None if "all 8 at once" in convention else 1)


def small_study():
    """The study with 250 steps everywhere, and two seeds."""
    configuration = RECIPE.configuration
    shorter = tuple(
        replace(one, set={key: value for key, value in one.set.items() if "optimizer" in key})
        if "rate-0.000001" in one.name
        else one
        for one in configuration.experiment
    )
    recipe = replace(RECIPE, configuration=replace(configuration, experiment=shorter))
    return Experiments(with_settings(recipe, {"stopping.max_steps": 250}), seeds=2)


@pytest.mark.slow
def test_all_relu_claims_and_controls():
    experiments = small_study()
    for claim in CLAIMS.values():
        for control in [None, *claim.controls]:
            for reading in [control.of or next(iter(claim.readings))] if control else claim.readings:
                evidence = claim.evidence(experiments, reading, control)
                assert evidence.figures and all_conditions(evidence).shape == (2,)


def test_rise_is_a_share_of_the_height():
    curves = np.array([[8.0, 8.0, 8.0], [4.0, 9.0, 4.0], [4.5, np.inf, 2.0], [3.0, np.inf, 1.0]])
    assert claims.largest_rise(curves).tolist() == [0.1, np.inf, 0.0]
