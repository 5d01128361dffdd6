"""The encoder study: its predicates on records made by hand, its stored results, and the table of conventions."""

import csv
from pathlib import Path

import numpy as np
import pytest
from scripts import benchmark

from deltarule.engines.reference import ReferenceEngine, whole_objective
from deltarule.problem.state import initial_state
from deltarule.recipes import dataset_of, load_recipe, problem_of, with_settings
from deltarule.studies.claims import all_conditions, claims_of_study
from deltarule.studies.experiments import Experiments
from deltarule.studies.judges import encoder as claims
from deltarule.training.history import History
from deltarule.training.run import Run

RECIPE = load_recipe("encoder")
CLAIMS = {claim.id: claim for claim in claims_of_study(RECIPE)}
conventions = benchmark("encoder_conventions")
DATASET = dataset_of(RECIPE)
PAGE = Path(__file__).parents[2] / "docs" / "studies" / "encoder.md"

# --- records made by hand --------------------------------------------------------------------------------------------


def record(cost=(), right=(), steps=None):
    """A run with these series [T, K], as if it had been trained."""
    cost, right = np.array(cost, float), np.array(right, float)
    members = (cost if cost.size else right).shape[1]
    problem = problem_of(RECIPE, DATASET, seeds=members)
    looks = max(len(cost), len(right))
    history = History(list(range(0, 10 * looks, 10)) if steps is None else list(steps))
    for name, series in ((claims.PLOTTED, cost), ("thresholded", right)):
        if series.size:
            history.values[name] = list(series)
    state = initial_state(problem)
    return Run(
        problem=problem,
        engine=ReferenceEngine(),
        state=state,
        steps=np.full(members, history.steps[-1]),
        reasons=("max_steps",) * members,
        objective=whole_objective(problem, state),
        history=history,
        diverged=(),
        seconds=0.0,
    )


class Records:
    """Runs in the place of trainings, by the experiment's name."""

    dataset, seeds, seed_numbers = DATASET, 1, range(1)

    def __init__(self, usual=None, **others):
        self.runs = {None: usual, **{name.replace("_", "-"): run for name, run in others.items()}}

    def run(self, settings=None, *, experiment=None, **looks):
        return self.runs[experiment]


def holds(claim, records):
    return {name: all_conditions(claim.evidence(records, name)).tolist() for name in claim.readings}


def test_diverged_setting_is_not_lower():
    records = Records(record(cost=[[0.1], [0.000081]]))
    records.runs |= {name: record(cost=[[0.1], [np.nan]]) for name in claims.TRIED}
    assert set(map(tuple, holds(CLAIMS["encoder-14"], records).values())) == {(True,)}


@pytest.mark.slow
def test_encoder_1_finds_where_the_outputs_come_to_those_of_figure_5():
    one = Experiments(RECIPE, seeds=1, first_seed=5000)
    evidence = CLAIMS["encoder-1"].evidence(one, "squared error, as figure 5")
    since = int(evidence.figures["converged from iteration"][0])
    runs = [one.run({"stopping.max_steps": steps}) for steps in (since - 50, since)]
    before, then = (run.outputs(DATASET.train.x)[0] for run in runs)
    correct, others = np.eye(8) == 1, np.eye(8) == 0
    assert np.round(then[correct].min(), 2) >= 0.97 and np.round(then[others].max(), 2) <= 0.02
    assert np.round(before[correct].min(), 2) < 0.97 or np.round(before[others].max(), 2) > 0.02


def test_encoder_3():
    falling = np.linspace(0.1, 0.02, 50)
    jumping = np.concatenate([falling, np.tile([0.08, 0.05], 20)])
    settled = np.concatenate([falling, np.full(40, 0.02)])
    risen_only = np.concatenate([np.full(50, 0.1), np.tile([0.21, 0.1], 20)])
    cost = np.stack([jumping, jumping, settled, risen_only], axis=1)
    right = np.zeros(cost.shape)
    right[30:, [0, 2, 3]] = 1 / 8
    right[60:, 1] = 1 / 8  # the second has an object right only after the jump
    cost[60:, 1] = 0.08 + 0.01 * (np.arange(30) % 2)
    run = record(cost=cost, right=right, steps=range(len(cost)))
    doubled, by_a_fifth = list(holds(CLAIMS["encoder-3"], Records(run)).values())[:2]
    assert doubled == [True, False, False, False]
    assert by_a_fifth == [True, True, False, False]  # the second from 0.05 to 0.09, with an object right


def test_encoder_7_counts_in_two_ways():
    looks = np.arange(301)[:, None]
    usual = record(cost=np.repeat(1.0 - looks / 301, 2, axis=1), right=(looks >= [50, 50]) * 1.0)
    other = record(cost=np.where(looks >= [60, 20], 0.0, 1.0), right=(looks >= [40, 10]) * 1.0)
    figures = [
        CLAIMS["encoder-7"].evidence(Records(usual, cross_entropy=other), name).figures["times fewer"].tolist()
        for name in ("squared error, right", "squared error, same cost")
    ]
    assert figures == [[1.25, 5.0], [5.0, 15.0]]


def test_encoder_10_uses_separate_seeds():
    """Of one seed all laws take the same draws: a network would be compared with itself, scaled."""

    class Seen(Experiments):
        seeds_of = {}

        def run(self, settings=None, *, experiment=None, **looks):
            found = super().run(settings, experiment=experiment, **looks)
            self.seeds_of[experiment] = found.problem.seeds.tolist()
            return found

    experiments = Seen(with_settings(RECIPE, {"stopping.max_steps": 10}), seeds=3)
    for other in CLAIMS["encoder-10"].readings:
        CLAIMS["encoder-10"].evidence(experiments, other)
    assert set(experiments.seeds_of) == {None, *claims.OTHER_WEIGHTS}
    assert len({seed for seeds in experiments.seeds_of.values() for seed in seeds}) == 3 * 6


def test_encoder_14_begins_other_settings_from_weights_of_their_own():
    experiments = Experiments(with_settings(RECIPE, {"stopping.max_steps": 10}), seeds=3)
    seeds = [claims.seeds_of_their_own(experiments, index) for index in range(len(claims.TRIED))]
    assert len({seed for some in [experiments.seed_numbers, *seeds] for seed in some}) == 3 * (1 + len(claims.TRIED))


@pytest.mark.parametrize(
    ("since", "expected"), [((None, None, 90, 30), True), ((None, 90, 90, 30), False), ((None, 90, 60, None), False)]
)
def test_encoder_16_wants_each_larger_rate_to_be_faster(since, expected):
    """For the rates 0.01, 0.1, 1 and 10 the iteration from which all objects are right, or None."""

    class Rates(Records):
        def run(self, settings=None, *, experiment=None, **looks):
            found = since[claims.RATES.index(settings["optimizer.learning_rate"])]
            return record(right=(np.arange(0, 100, 10) >= (1000 if found is None else found))[:, None] * 1.0)

    assert CLAIMS["encoder-16"].evidence(Rates(), "squared error, up to 10").holds.tolist() == [expected]


def test_correlations_are_those_of_numpy():
    first, second = np.random.default_rng(0).normal(size=(2, 5, 8))
    expected = [np.corrcoef(a, b)[0, 1] for a, b in zip(first, second, strict=True)]
    np.testing.assert_allclose(claims.correlations(first, second), expected)


# --- recipe and results ----------------------------------------------------------------------------------------------


def test_the_convention_is_judged_on_seeds_that_did_not_choose_it():
    assert min(Experiments(RECIPE, seeds=2).seed_numbers) >= conventions.SEEDS == conventions.FIRST_JUDGED


def test_biases_follow_weight_columns():
    """Without a penalty b1 changes by exactly what the columns of W1 sum to: the cause named for encoder-12."""
    run = Experiments(RECIPE, seeds=3, first_seed=0).run({"loss.strength": 0.0, "stopping.max_steps": 200})
    start = record(right=[[1] * 3])
    before, after = claims.final_parameters(start), claims.final_parameters(run)
    np.testing.assert_allclose(after["b1"][:, 0], (after["W1"] - before["W1"]).sum(-2), atol=1e-12)


def test_the_printed_network_has_biases_that_give_what_is_printed():
    printed, bounds = claims.printed_network(Experiments(RECIPE, seeds=1))
    b1, b2 = ((low + high) / 2 for low, high in bounds)
    assert all((low < high).all() for low, high in bounds)
    hidden = 1 / (1 + np.exp(-(printed["W1"] + b1)))
    outputs = 1 / (1 + np.exp(-(hidden @ printed["W2"] + b2)))
    assert np.abs(hidden - printed["a1"]).max() < 0.02 and np.abs(outputs - printed["a2"]).max() < 0.02
    assert len(np.unique(printed["a1"] > 0.5, axis=0)) == 8, "its own eight codes"


# --- conventions -----------------------------------------------------------------------------------------------------


def test_the_table_of_conventions():
    rows = conventions.read_conventions()
    listed = [(row.loss, row.reduction, row.gradient, row.weights, row.iterations) for row in rows]
    assert listed[:72] == conventions.all_conventions() and len(rows) == 80
    best, configuration = conventions.best_of(rows[:72]), RECIPE.configuration
    assert (configuration.loss.name, configuration.loss.reduction) == (best.loss, best.reduction)
    assert conventions.PENALTIES[configuration.loss.penalty] == best.gradient
    assert configuration.network.initializer == best.weights
    assert best.plotted == "half_squared_error mean_elements"
    page = PAGE.read_text(encoding="utf-8")
    assert conventions.convention_table([best, *rows[72:]]) in page


def test_claims_are_judged_under_every_convention():
    with conventions.JUDGED.open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    listed = [tuple(row[name] for name in ("loss", "reduction", "gradient", "weights")) for row in rows]
    assert listed == [convention[:4] for convention in conventions.all_conventions()]
    for claim in CLAIMS.values():
        counted = conventions.support(claim.id)
        assert (counted is None) == (claim.id not in conventions.SECONDS)
        assert counted is None or counted[1] == 72


def test_plotted_costs_are_objectives():
    """Each is the objective of the problem that has this loss and reduction, and the penalty where it is shown."""
    run = Experiments(RECIPE, seeds=3, first_seed=0).run({"stopping.max_steps": 100, "loss.strength": 0.01})
    for name, cost in conventions.plotted_costs(run, np.eye(8)).items():
        loss, reduction, *penalty = name.split(" ")
        settings = {"loss.name": loss, "loss.reduction": reduction, "loss.strength": 0.01 if penalty else 0.0}
        problem = problem_of(with_settings(RECIPE, settings), DATASET, seeds=3)
        np.testing.assert_allclose(cost, whole_objective(problem, run.state), rtol=1e-12)


@pytest.mark.slow
def test_the_fit_of_a_convention():
    convention = ("squared_error", "mean_samples", "λW/N", "glorot_uniform", 400)
    fit = conventions.fit(convention, seeds=4)
    assert fit.shares[0] == 1 and fit.shares[3] == 0 and fit.right_since <= 400 and not fit.fits


def test_small_changes_are_no_turns():
    series = np.array([[1.0, 1.0], [0.5, 0.9], [0.8, 0.8], [0.8001, 0.7], [0.2, 0.6]])
    assert claims.count_turns(series, 0.01).tolist() == [2, 0]
