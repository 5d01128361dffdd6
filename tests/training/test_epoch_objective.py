"""The default history of mini-batches: the mean objective of each epoch's own batches."""

import re

import numpy as np
import pytest
from refusals import refuses

import deltarule
from deltarule.engines.base import Metrics
from deltarule.engines.reference import ReferenceEngine
from deltarule.engines.selection import engine
from deltarule.problem.create import create_problem
from deltarule.problem.network import Network
from deltarule.problem.problem import Floats, Problem
from deltarule.problem.state import State, initial_state
from deltarule.reports.figures import objective_curves
from deltarule.training.train import train

RNG = np.random.default_rng(7)
X, Y = RNG.random((50, 3)), RNG.random((50, 2))
SIZES = np.array([20, 20, 10])
"""The batches of an epoch."""


class CountingEngine(ReferenceEngine):
    """The reference engine, which counts evaluations of training rows and of others."""

    def __init__(self) -> None:
        super().__init__()
        self.of_training_rows = self.of_other_rows = 0

    def evaluate(self, problem: Problem, state: State, rows: object, metrics: Metrics) -> dict[str, Floats]:
        self.of_training_rows += rows is None
        self.of_other_rows += rows is not None
        return super().evaluate(problem, state, rows, metrics)


def problem_of(**options: object) -> Problem:
    network = options.pop("network", Network([3, 4, 2], "tanh"))
    return create_problem(network, X, Y, **{"batch_size": 20, "learning_rate": 0.1, "members": 2} | options)


@pytest.mark.parametrize("name", ["reference", "compiled", "autograd"])
def test_a_point_is_the_mean_over_the_batches_of_its_epoch_by_their_rows(name):
    if name == "autograd":
        pytest.importorskip("torch")
    problem = problem_of()
    run = train(problem, max_epochs=4, engine=name)
    _, trace = engine(name).advance(problem, initial_state(problem), 12)
    expected = (trace.objective.reshape(4, 3, 2) * SIZES[:, None]).sum(1) / 50
    assert (run.history.names, run.history.steps) == (("epoch objective",), [3, 6, 9, 12])
    np.testing.assert_allclose(run.history.objective, expected, rtol=1e-13)


def test_sums_are_added_over_the_epoch():
    mean, total = (
        train(problem_of(reduction=name, learning_rate=0.0), max_epochs=1) for name in ("mean_samples", "sum")
    )
    np.testing.assert_allclose(total.history.objective, 50 * mean.history.objective, rtol=1e-12)


def test_with_dropout_it_is_another_number_than_the_objective_without():
    problem = problem_of(dropout=0.5, learning_rate=0.0)
    default, exact = train(problem, max_epochs=1), train(problem, max_epochs=1, history_every="epoch")
    assert (np.abs(default.history.objective[-1] - exact.history.objective[-1]) > 1e-3).all()
    assert np.array_equal(default.objective, exact.history.objective[-1])


def test_it_costs_one_evaluation_at_the_end_and_changes_no_weight():
    counting = CountingEngine()
    run = train(problem_of(), max_epochs=5, engine=counting)
    exact = train(problem_of(), max_epochs=5, engine="reference", history_every="epoch")
    assert counting.of_training_rows == 1
    assert exact.history.names == ("objective",)
    assert np.array_equal(run.state.theta, exact.state.theta)
    assert np.array_equal(run.objective, exact.history.objective[-1])


def test_validation_rows_are_evaluated_at_each_epoch():
    counting = CountingEngine()
    rows = X[:9], Y[:9]
    run = train(problem_of(), max_epochs=5, engine=counting, validation=rows)
    exact = train(problem_of(), max_epochs=5, engine="reference", validation=rows, history_every="epoch")
    assert (counting.of_training_rows, counting.of_other_rows) == (1, 6)
    name = "validation objective"
    assert np.array_equal(run.history.series(name), exact.history.series(name))


@pytest.mark.parametrize(
    "options",
    [
        {"record": ["r_squared"]},
        {"patience": 3, "validation": (X, Y)},
        {"metric": "r_squared", "threshold": 2.0},
        {"history_every": 3},
        {"record": {"step": lambda moment: moment.members}, "every": [3, 6]},
    ],
)
def test_what_is_asked_for_is_evaluated_over_all_rows(options):
    names = train(problem_of(), max_epochs=2, **options).history.names
    assert "objective" in names
    assert "epoch objective" not in names


def test_a_population_with_a_full_batch_is_evaluated():
    problem = problem_of(rows=[range(50), range(15)])
    assert train(problem, max_steps=6).history.names == ("objective",)


def test_members_with_epochs_of_unequal_lengths_have_points_of_their_own():
    history = train(problem_of(rows=[range(50), range(40)]), max_steps=6).history
    assert history.steps == [2, 3, 4, 6]
    assert np.isnan(history.objective).tolist() == [[True, False], [False, True], [True, False], [False, False]]


def test_a_run_goes_on_within_an_epoch_and_a_moment_begins_with_the_next_one(tmp_path):
    problem, file = problem_of(), tmp_path / "checkpoint"
    whole = train(problem, max_steps=15)
    half = train(problem, max_steps=7, checkpoint=file)
    for options in ({"start": half}, {"checkpoint": file, "resume": True}):
        further = train(problem, max_steps=15, **options)
        assert further.history.steps == whole.history.steps
        assert np.array_equal(further.history.objective, whole.history.objective)
    of_moment = train(problem, start=half.end, max_steps=15).history
    assert of_moment.steps == [12, 15]
    assert np.array_equal(of_moment.objective, whole.history.objective[-2:])


def test_a_member_that_diverges_has_the_epochs_before():
    problem = problem_of(learning_rate=[0.1, 3.0], network=Network([3, 2]))
    run = train(problem, max_epochs=400)
    last = run.steps[1] // 3
    assert run.reasons[1] == "diverged"
    assert np.isfinite(run.history.objective[:last, 1]).all()
    assert np.isnan(run.history.objective[last:, 1]).all()


def test_a_training_shorter_than_an_epoch_has_its_end():
    run = train(problem_of(), max_steps=2)
    assert (run.history.names, run.history.steps) == (("objective",), [2])
    assert np.array_equal(run.history.objective[0], run.objective)


def test_a_series_that_was_not_recorded_is_named():
    with refuses("has no series 'objective'; it has: epoch objective"):
        train(problem_of(), max_epochs=2).history.series("objective")


def test_what_is_drawn_says_which_number_it_is():
    run = train(problem_of(), max_epochs=5, validation=(X[:9], Y[:9]))
    chart = objective_curves(run)
    assert (chart.title, chart.panels[0].y.label) == ("Epoch objective", "epoch objective")
    assert {line.name.split(", ")[-1] for line in chart.panels[0].marks} == {"training", "validation"}
    assert f"over all rows: median {np.median(run.objective):.3g}" in " ".join(chart.notes)
    assert "epoch objective" in run.frame()


def test_the_diagnosis_knows_the_objective_before_the_first_update():
    problem = problem_of(members=1, learning_rate=1e-7)
    default, exact = (
        deltarule.why_not_learning(train(problem, max_epochs=20, history_every=each)).text(1000)
        for each in (None, "epoch")
    )
    fall = re.search("fell from [0-9.]+ to [0-9.]+", exact)
    assert fall
    assert fall[0] in default
