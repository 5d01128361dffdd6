from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy.optimize import minimize

from deltarule.engines.reference import ReferenceEngine
from deltarule.errors import BadInput
from deltarule.maths.network import views
from deltarule.problem.create import create_problem
from deltarule.problem.network import Network
from deltarule.problem.problem import Problem
from deltarule.problem.state import initial_state
from deltarule.training.run import Divergence
from deltarule.training.train import train

X = np.linspace(-1, 1, 20)[:, None]
Y = np.sin(3 * X)


def sine(**given: Any) -> Problem:
    return create_problem(Network([1, 4, 1], "tanh"), X, Y, **{"optimizer": "lbfgs", "seeds": 3, **given})


def value_and_slopes(theta: np.ndarray) -> tuple[float, np.ndarray]:
    """The mean squared error of the network of `sine`, derived by hand.   theta [W1, b1, W2, b2]"""
    w1, b1, w2, b2 = theta[:4], theta[4:8], theta[8:12], theta[12]
    a = np.tanh(X * w1 + b1)
    missed = a @ w2 + b2 - Y[:, 0]
    back = 2 * missed[:, None] * w2 * (1 - a * a) / len(Y)
    slopes = np.concatenate([(X * back).sum(0), back.sum(0), 2 * missed @ a / len(Y), [2 * missed.mean()]])
    return (missed * missed).mean(), slopes


@pytest.mark.parametrize(("memory", "gradient_tolerance"), [(1, 1e-5), (20, 1e-5), (10, 1e-2)])
def test_it_is_that_of_scipy(memory: int, gradient_tolerance: float) -> None:
    numbers = {"memory": memory, "gradient_tolerance": gradient_tolerance, "objective_tolerance": 2.2e-9}
    problem = sine(optimizer={"name": "lbfgs", **numbers})
    start = views(initial_state(problem).theta, problem.network.entries)
    run = train(problem, max_steps=9)
    found = minimize(
        value_and_slopes,
        np.concatenate([start[name].ravel() for name in ("W1", "b1", "W2", "b2")]),
        jac=True,
        method="L-BFGS-B",
        options={"maxiter": 9, "maxcor": memory, "gtol": gradient_tolerance, "ftol": 2.2e-9},
    )
    assert run.steps[0] == found.nit
    np.testing.assert_allclose(run.objective[0], found.fun, rtol=1e-5)


@pytest.mark.parametrize(
    ("name", "values"),
    [("memory", (1, 20)), ("gradient_tolerance", (0.1, 1e-9)), ("objective_tolerance", (0.1, 1e-12))],
)
def test_each_member_has_its_own_numbers(name: str, values: tuple[float, float]) -> None:
    whole = sine(seeds=[3, 3])
    together = train(replace(whole, numbers={**whole.numbers, name: np.array(values, float)}), max_steps=60)
    for member, value in enumerate(values):
        alone = train(sine(optimizer={"name": "lbfgs", name: value}), max_steps=60)
        np.testing.assert_array_equal(together.state.theta[member], alone.state.theta[0])
        assert (together.steps[member], together.reasons[member]) == (alone.steps[0], alone.reasons[0])
    assert (together.state.theta[0] != together.state.theta[1]).any()
    assert together.state.step == together.steps.max()


def test_each_member_is_trained_on_its_own_rows() -> None:
    rows = [range(10), range(10, 20)]
    together = train(sine(seeds=[3, 3], rows=rows), max_steps=30)
    for member, own in enumerate(rows):
        alone = train(sine(rows=[own]), max_steps=30)
        np.testing.assert_array_equal(together.state.theta[member], alone.state.theta[0])


def test_where_looks_are_few_there_is_one_at_the_end() -> None:
    run = train(sine(), max_steps=20, history_every=7)
    assert run.history.steps == [0, 7, 14, 20] and run.history.objective[-1, 0] == run.objective[0]


@pytest.mark.parametrize(
    ("problem", "rules", "sentence"),
    [
        (sine(batch_size=5), {}, "needs the whole objective in each step; leave batch_size out"),
        (sine(rows=[range(4), range(20)], seeds=2, batch_size=5), {}, "leave batch_size out"),
        (sine(dropout=0.1), {}, "needs an objective that stays the same; leave dropout and batch norm out"),
        (
            create_problem(Network([1, 4, 1], "tanh", batch_norm=True), X, Y, optimizer="lbfgs"),
            {},
            "leave dropout and batch norm out",
        ),
        (sine(), {"threshold": 1e-3}, "stops by its own tolerances; leave threshold out"),
        (sine(), {"tolerance": 1e-3}, "leave tolerance out"),
        (sine(), {"patience": 3, "validation": (X, Y)}, "leave patience out"),
    ],
)
def test_what_changes_the_objective_or_ends_it_otherwise_is_refused(
    problem: Problem, rules: dict[str, Any], sentence: str
) -> None:
    with pytest.raises(BadInput, match=f"^L-BFGS .*{sentence}$"):
        train(problem, max_steps=5, **rules)


def test_a_minimum_is_reached_and_it_is_told_how() -> None:
    x = np.linspace(-1, 1, 20)[:, None]
    problem = create_problem(Network([1, 1]), x, 3 * x + 1, optimizer="lbfgs", seeds=range(2))
    run = train(problem, max_steps=100)
    assert run.reasons == ("converged", "converged") and (run.steps < 100).all()
    for member in range(2):
        assert np.allclose(run.parameters(member)["W1"], 3, atol=1e-4)
        assert np.allclose(run.parameters(member)["b1"], 1, atol=1e-4)
    with pytest.raises(BadInput, match="no single updates"):
        ReferenceEngine().advance(problem, initial_state(problem), 1)


@pytest.mark.needs("torch")
def test_its_progress_is_told_and_what_it_cannot_keep_is_refused(tmp_path: Path) -> None:
    x = np.linspace(-1, 1, 20)[:, None]
    problem, told = create_problem(Network([1, 1]), x, 3 * x + 1, optimizer="lbfgs", seeds=range(3)), []
    run = train(problem, max_steps=100, progress=told.append, engine="autograd")
    assert [(one.step, one.limit, one.training, one.stopped) for one in told] == [
        *((100, 300, 2, 1), (200, 300, 1, 2), (300, 300, 0, 3))
    ]
    assert told[-1].objective == run.objective[2]
    assert run.notes == ("the engine 'autograd' has no L-BFGS: the reference engine trains this",)
    assert train(problem, max_steps=1).notes == train(problem, max_steps=1, engine="reference").notes == ()
    with pytest.raises(BadInput, match="there is no engine 'autograde'"):
        train(problem, max_steps=1, engine="autograde")
    for refused in (
        {"checkpoint": tmp_path / "a.ckpt", "resume": True},
        {"observe": np.array([[1, 1, 1]]), "observer": lambda run, members: None},
    ):
        with pytest.raises(BadInput, match="L-BFGS does not support checkpoint or observe; leave them"):
            train(problem, max_steps=20, **refused)


@pytest.mark.parametrize("scale", [1e160, 1e200])
def test_an_objective_that_is_not_finite_is_told(scale: float) -> None:
    """By hand: the squares of errors of 1e160 are beyond all numbers of 64 bits."""
    x = np.linspace(-1, 1, 6)[:, None]
    problem, told = create_problem(Network([1, 3, 1], "tanh"), x, x * scale, optimizer="lbfgs", seeds=range(2)), []
    run = train(problem, max_steps=50, progress=told.append)
    assert run.reasons == ("diverged", "diverged") and run.steps.tolist() == [0, 0]
    assert [vars(one) for one in run.diverged] == [
        {"member": member, "step": 0, "layer": 2, "where": "loss"} for member in (0, 1)
    ]
    assert run.notes == () and np.array_equal(run.state.theta, initial_state(problem).theta)
    assert [(one.stopped, one.diverged) for one in told] == [(0, 1), (0, 2)] and np.isnan(told[0].objective)
    assert train(problem, max_steps=0).reasons == ("max_steps", "max_steps")  # as of any other optimizer
    gradient = create_problem(Network([1, 1, 1], "tanh"), x, x * 1e20, optimizer="lbfgs", dtype="float32")
    assert train(gradient, max_steps=50).diverged[0].where == "loss"


def test_a_gradient_that_is_not_finite_is_told() -> None:
    """By hand: an error of 1e15 has a square in float32, but not its product with an input of 1e30."""
    given = {"optimizer": "lbfgs", "dtype": "float32", "loss": "half_squared_error"}
    run = train(create_problem(Network([1, 1], initializer="zeros"), [[1e30]], [[1e15]], **given), max_steps=50)
    assert run.reasons == ("diverged",) and run.diverged == (Divergence(0, 0, 1, "gradient of W1"),)


def test_a_line_search_that_fails_where_there_is_no_minimum_is_told() -> None:
    rng = np.random.default_rng(0)
    x, y = rng.uniform(0, 1000, (50, 3)), rng.poisson(3, 50).astype(float)
    network = Network([3, 5, 1], "relu", output="exponential")
    run = train(create_problem(network, x, y, loss="poisson", optimizer="lbfgs"), max_steps=100)
    assert run.steps.tolist() == [0] and run.objective > 1e200  # the constant 1 already has one below 1e3
    (note,) = run.notes
    assert note.startswith("the line search of L-BFGS found no lower point where the gradient is still above its toler")
    assert "member 0 after 0 iterations (largest slope 1." in note and note.endswith("scale inputs or targets")
    assert train(create_problem(network, x / 1000, y, loss="poisson", optimizer="lbfgs"), max_steps=100).notes == ()
    several = create_problem(Network([3, 5, 1], "tanh"), x, y * 1e150, optimizer="lbfgs", seeds=[0] * 5)
    (note,) = train(several, max_steps=100).notes
    assert "member 2 after" in note and "member 3" not in note and ", 2 more; where that is no minimum" in note
