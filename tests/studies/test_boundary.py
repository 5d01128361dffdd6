"""The boundary studies: recipes that say what the report says, and criteria proved on records made by hand.

In these records member 0 satisfies a criterion and member 1 does not.    K = 2 members · N points
"""

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from deltarule.data.synthetic import linear
from deltarule.engines.base import Trace
from deltarule.engines.reference import ReferenceEngine
from deltarule.problem.batches import all_rows
from deltarule.problem.problem import Problem
from deltarule.problem.state import State, initial_state
from deltarule.recipes import dataset_of, load_recipe, populations_of_settings, problem_of, with_experiment
from deltarule.studies.claims import all_conditions, claims_of_study
from deltarule.studies.experiments import Experiments
from deltarule.studies.judges import boundary_trainings as trainings
from deltarule.training.history import History
from deltarule.training.run import Run

STUDIES = ("boundary-linear", "boundary-xor")
CLAIMS = {(study, claim.id): claim for study in STUDIES for claim in claims_of_study(load_recipe(study))}


# --- the recipes -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("study", STUDIES)
def test_schedule_not_squared_at_0(study):
    recipe = with_experiment(load_recipe(study), "not-squared-at-0")
    problem = problem_of(recipe, dataset_of(recipe))
    every = int(problem.schedule_numbers["every"][0])
    rates = [problem.rates(np.array([0]), epoch)[0] for epoch in (0, every - 1, every)]
    assert rates == pytest.approx([0.8, 0.8, 0.64])


@pytest.mark.parametrize("study", STUDIES)
@pytest.mark.parametrize(
    ("experiment", "optimizer", "schedule"),
    [("rate-0.001", None, "constant"), ("rate-10", None, "constant"), ("hidden-1-1", "sgd", "squaring")],
)
def test_experiments_of_trials_run_the_printed_setting(study, experiment, optimizer, schedule):
    recipe = with_experiment(load_recipe(study), experiment)
    problem = problem_of(recipe, dataset_of(recipe))
    rates = {"rate-0.001": 0.001, "rate-10": 10.0, "hidden-1-1": 0.64}
    assert problem.schedule.name == schedule
    assert problem.rates(np.array([0]), 0)[0] == pytest.approx(rates[experiment])
    assert optimizer is None or problem.optimizer.name == optimizer


@pytest.mark.slow
def test_normal_weights_explain_the_printed_initial_losses():
    linear_study, xor_study = (Experiments(load_recipe(study), seeds=2000) for study in STUDIES)
    laws = ((), ("biases-zero",), ("weights-glorot",), ("weights-uniform",))
    high = [np.mean(trainings.train(linear_study, *law, epochs=0).objective >= 1.80744) for law in laws]
    low = [np.mean(trainings.train(xor_study, *law, epochs=0).objective <= 0.69831) for law in laws]
    assert high[0] > 0.01 > 5 * max(high[1:])
    assert low[0] > 0.1 > 20 * low[-1]


# --- training and reading records ------------------------------------------------------------------------------------


def test_seeds_have_own_points():
    both = trainings.train(Experiments(load_recipe("boundary-linear"), seeds=2), epochs=20)
    alone = trainings.train(Experiments(load_recipe("boundary-linear"), seeds=1, first_seed=1), epochs=20)
    rows = all_rows(both.problem, np.arange(2))
    for seed in (0, 1):
        assert np.array_equal(rows.x[seed], linear(100, seed).train.x)
        assert np.array_equal(rows.y[seed, :, 0], linear(100, seed).train.labels)
    assert np.array_equal(both.state.theta[1], alone.state.theta[0])


def test_train_without_stop_equals_train():
    few = Experiments(load_recipe("boundary-xor"), seeds=3, engine="reference")
    run, on = trainings.train(few, epochs=120), trainings.train_without_stop(few, epochs=120)
    assert "threshold" not in run.reasons
    assert np.array_equal(run.objective, on.final_loss)
    assert np.array_equal(trainings.final_accuracy(run), on.final_accuracy)
    assert np.array_equal(on.losses[[0, 100]], run.history.objective[[0, 1]])


def test_train_without_stop_survives_nan():
    few = Experiments(load_recipe("boundary-xor"), seeds=3)
    assert trainings.train(few, "no-activations", epochs=60).reasons == ("diverged",) * 3
    assert len(trainings.train_without_stop(few, "no-activations", epochs=60).losses) == 60


@given(st.lists(st.floats(0, 1), min_size=1, max_size=20), st.floats(0.01, 0.5))
def test_zigzag_alternates(values, least):
    moves = trainings.zigzag(np.array(values), least)
    assert "++" not in moves and "--" not in moves
    assert trainings.zigzag(-np.array(values), least) == moves.translate(str.maketrans("+-", "-+"))
    assert bool(moves) == (max(values) - min(values) >= least - 1e-9)


# --- the report's program, in plain NumPy ----------------------------------------------------------------------------


def program(weights, x, y, update, step, threshold):
    """The report's listings: the updates before the early stop."""
    rate, under, batch = 0.8, 0, len(x)
    velocity = {name: np.zeros_like(array) for name, array in weights.items()}
    for epoch in range(1000):
        if epoch % step == 0:
            rate *= rate
        activations = [x]
        for layer in (1, 2, 3):
            z = activations[-1] @ weights[f"W{layer}"] + weights[f"b{layer}"]
            activations.append(1 / (1 + np.exp(-z)))
        p = activations[-1]
        loss = -(y * np.log(p) + (1 - y) * np.log(1 - p)).mean()
        under += loss < threshold
        upstream = -(y / (p + 1e-8) - (1 - y) / (1 - p + 1e-8))
        for layer in (3, 2, 1):
            delta = upstream * activations[layer] * (1 - activations[layer])
            upstream = delta @ weights[f"W{layer}"].T
            gradients = {f"W{layer}": activations[layer - 1].T @ delta / batch, f"b{layer}": delta.sum(0) / batch}
            for name, gradient in gradients.items():
                if update == "momentum":
                    velocity[name] = 0.9 * velocity[name] - rate * gradient
                else:
                    velocity[name] = -rate * gradient / np.sqrt((gradient**2).sum() + 1e-8)
                weights[name] = weights[name] + velocity[name]
        if under == 3:
            return epoch
    return 1000


@pytest.mark.slow
@pytest.mark.parametrize(
    ("study", "update", "step", "threshold"),
    [("boundary-linear", "momentum", 500, 0.015), ("boundary-xor", "adaptive", 1000, 0.001)],
)
def test_the_final_program_is_that_of_the_listings(study, update, step, threshold):
    """But where a change of the last digit of the first weights changes the epoch: there no two programs agree."""
    experiments = Experiments(load_recipe(study), seeds=8)
    run, start = trainings.train(experiments), trainings.train(experiments, epochs=0)
    rows, decided = all_rows(run.problem, np.arange(8)), 0
    for seed in range(8):
        x, y = (array if array.ndim == 2 else array[seed] for array in (rows.x, rows.y))
        epochs = [
            program(
                {name: array[seed] * factor for name, array in start.parameters.items()}, x, y, update, step, threshold
            )
            for factor in (1, 1 + 1e-15, 1 - 1e-15)
        ]
        if len(set(epochs)) == 1:
            assert epochs[0] == run.steps[seed]
            decided += 1
    assert decided >= 4


# --- the claims, in full but for their epochs ------------------------------------------------------------------------


class StandsStill(ReferenceEngine):
    """Makes three updates of a network, and no more."""

    def advance(self, problem: Problem, state: State, n: int) -> tuple[State, Trace]:
        if state.step < 3:
            return super().advance(problem, state, n) if state.step + n <= 3 else self.both(problem, state, n)
        _, seen = super().advance(problem, state, 1)
        bad = np.where(np.isfinite(seen.objective[0]), -1, state.step)
        return replace(state, step=state.step + n), Trace(np.repeat(seen.objective, n, axis=0), bad)

    def both(self, problem: Problem, state: State, n: int) -> tuple[State, Trace]:
        moved, first = self.advance(problem, state, 3 - state.step)
        end, rest = self.advance(problem, moved, state.step + n - 3)
        bad = np.where(first.bad >= 0, first.bad, rest.bad)
        return end, Trace(np.concatenate([first.objective, rest.objective]), bad)


@pytest.mark.slow
@pytest.mark.parametrize("study", STUDIES)
def test_all_boundary_claims_and_controls(study):
    few = Experiments(load_recipe(study), seeds=2, engine=StandsStill())
    for claim in claims_of_study(few.recipe):
        for control in [None, *claim.controls]:
            for reading in [control.of or next(iter(claim.readings))] if control else claim.readings:
                evidence = claim.evidence(few, reading, control)
                assert evidence.figures
                assert isinstance(evidence.holds, bool) or all_conditions(evidence).shape == (2,)


# --- the criteria ----------------------------------------------------------------------------------------------------


class Scripted(ReferenceEngine):
    """Answers so that members get a given accuracy."""

    name = "scripted"

    def __init__(self, accuracy: Any) -> None:
        self.accuracy = np.array(accuracy)

    def outputs(self, problem: Problem, state: State, x: Any) -> tuple[Any, Any]:
        y = np.broadcast_to(all_rows(problem, state.members).y, (len(self.accuracy), x.shape[-2], 1))
        right = np.arange(x.shape[-2]) < np.round(self.accuracy * x.shape[-2])[:, None]
        answers = np.where(right[..., None], y, 1 - y)
        return answers, answers


class HandMade(Experiments):
    """Records made by hand: `tell` gives for the settings of a run what became of it.

    It tells some of steps [K] (those of the early stop; 0 for no stop) and accuracy [K].
    """

    def __init__(self, study: str, tell: Callable[[Mapping[str, Any]], Mapping[str, Any]], seeds: int = 2) -> None:
        super().__init__(load_recipe(study), seeds=seeds)
        self.tell = tell

    def each(self, settings: Any, **looks: Any) -> list[Run]:
        return [self.record(one) for one in settings]

    def record(self, settings: Mapping[str, Any]) -> Run:
        told = {"steps": [0] * self.seeds, "accuracy": [1.0] * self.seeds, **self.tell(settings)}
        [population] = populations_of_settings(self.recipe, self.dataset, [{"run.seeds": self.seeds, **settings}])
        problem = population.problem
        if self.dataset.name == "linear":
            problem = trainings.own_points(problem)
        stops, epochs = np.array(told["steps"]), list(range(0, 10_001, 100))
        loss = np.full(self.seeds, 0.1 * (len(self.dataset.train) if problem.reduction == "sum" else 1))
        ends = np.where(stops > 0, stops, 10_000)
        accuracies = [np.where(epoch < ends, 0.5, told["accuracy"]) for epoch in epochs]
        return Run(
            problem=problem,
            engine=Scripted(told["accuracy"]),
            state=initial_state(problem),
            steps=ends,
            reasons=tuple("threshold" if stop else "max_steps" for stop in stops),
            objective=loss,
            history=History(epochs, {"objective": [loss] * len(epochs), "accuracy": accuracies}),
            diverged=(),
            seconds=0.0,
        )


def holds(study: str, id: str, tell: Any) -> list[list[bool]]:
    claim, made = CLAIMS[study, id], HandMade(study, tell)
    return [all_conditions(claim.evidence(made, reading)).tolist() for reading in claim.readings]


def is_plain(settings: Mapping[str, Any]) -> bool:
    return settings.get("optimizer.name") == "sgd"


def is_momentum(settings: Mapping[str, Any]) -> bool:
    optimizer = settings.get("optimizer.name")
    return optimizer == "momentum" or (isinstance(optimizer, Mapping) and optimizer.get("name") == "momentum")


def all_alike(found: list[list[bool]], expected: list[bool]) -> bool:
    """Whether every convention says the same of the two members."""
    return bool(found) and all(one == expected for one in found)


@pytest.mark.parametrize(
    ("study", "id"), [("boundary-linear", "boundary-linear-1"), ("boundary-xor", "boundary-xor-2")]
)
def test_a_stop_counts_where_every_point_is_right(study, id):
    claim = CLAIMS[study, id]
    low, high = claim.settings["between"]

    def stops(**told):
        return [int(sum(found)) for found in holds(study, id, lambda _: told)]

    assert set(stops(steps=[low - 50, high + 50])) == {1}, "one is as early, one as late"
    assert set(stops(steps=[low, high])) == {2}
    assert set(stops(steps=[low - 50, low - 1])) == {0}, "both are earlier"
    assert set(stops(steps=[low - 50, low], accuracy=[1.0, 0.96])) == {1}, "a wrong point is no stop: later than all"


def test_comparisons_are_of_means_of_five():
    """One slow run of five outweighs four that are a little faster; the eleventh seed is left out."""
    usual, adaptive = [1000] * 11, [*[900] * 4, 1300, *[900] * 4, 1500, 100]
    made = HandMade("boundary-xor", lambda one: {"steps": usual if is_momentum(one) else adaptive}, seeds=11)
    evidence = CLAIMS["boundary-xor", "boundary-xor-13"].evidence(made, "as coded, schedule-off")
    assert evidence.runs == 5 and evidence.holds.tolist() == [True, False]


def test_a_tenth_is_looked_for_among_ratios_of_means_of_five():
    """Of three means of five two are above a tenth of the other's, and one is below."""
    adaptive = [*[200] * 5, *[150] * 5, *[90] * 5]
    made = HandMade("boundary-xor", lambda one: {"steps": [1000] * 15 if is_plain(one) else adaptive}, seeds=15)
    evidence = CLAIMS["boundary-xor", "boundary-xor-12"].evidence(made, "as coded, schedule-off")
    assert evidence.holds.tolist() == [False, False, True]


@pytest.mark.parametrize(("study", "cost"), [("boundary-linear", 0.014879), ("boundary-xor", 0.004850)])
def test_printed_predictions_are_not_of_the_printed_loss(study, cost):
    evidence = CLAIMS[study, f"{study}-18"].evidence(Experiments(load_recipe(study), seeds=2))
    assert evidence.holds is False and evidence.figures["cross-entropy"][0] == pytest.approx(cost, abs=1e-6)


@pytest.mark.parametrize(("study", "fast"), [("boundary-linear", [499, 500]), ("boundary-xor", [999, 1000])])
def test_momentum_needs_fewer_epochs(study, fast):
    def tell(settings: Any) -> Any:
        return {"steps": [1000, 1000] if is_plain(settings) else fast}

    assert all_alike(holds(study, f"{study}-11", tell), [True, False])
    no_stop = {True: [0, 0], False: [4999, 0]}
    assert all_alike(holds(study, f"{study}-11", lambda one: {"steps": no_stop[is_plain(one)]}), [True, False])
    wrong = {"steps": [fast[0], fast[0]], "accuracy": [1.0, 0.99 if study == "boundary-linear" else 0.95]}
    found = holds(study, f"{study}-11", lambda one: {"steps": [1000, 1000]} if is_plain(one) else wrong)
    assert found == [[True, True], [True, False]] * 3  # by the early stop, and until all are right


@pytest.mark.slow
def test_seeds_that_converge_before_the_rates_part_tell_nothing():
    claim = CLAIMS["boundary-xor", "boundary-xor-16"]
    parting = [name for name in claim.readings if "not-squared-at-0" in name]

    def tell(fixed, scheduled):
        return lambda one: {"steps": fixed if one.get("optimizer.schedule") == "constant" else scheduled}

    for reading in claim.readings:
        evidence = claim.evidence(HandMade("boundary-xor", tell([900, 900], [900, 900])), reading)
        assert (evidence.holds is None) == (reading in parting)
        evidence = claim.evidence(HandMade("boundary-xor", tell([1200, 1500], [1100, 1600])), reading)
        assert all_conditions(evidence).tolist() == [True, False]
