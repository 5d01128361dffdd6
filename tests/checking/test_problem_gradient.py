from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from lanes import examples
from refusals import refuses
from unproved import unproved

from deltarule.checking import problem_gradient
from deltarule.checking.problem_gradient import CENTRAL, COMPLEX, PYTORCH, TOLERANCES, check_problem
from deltarule.checking.report import CodeReport
from deltarule.engines.reference import ReferenceEngine, objective_and_gradient
from deltarule.errors import RunFailed
from deltarule.maths.activations import TANH, Activation
from deltarule.maths.losses import LOSSES, Loss
from deltarule.maths.penalties import PENALTIES, Penalty
from deltarule.problem import registry
from deltarule.problem.batches import batch
from deltarule.problem.create import create_problem
from deltarule.problem.network import Network
from deltarule.problem.problem import Problem
from deltarule.problem.state import State, initial_state

pytestmark = pytest.mark.needs("torch")

XOR = ([[0, 0], [0, 1], [1, 0], [1, 1]], [0, 1, 1, 0])
ARRAYS = ["W1", "b1", "gamma1", "beta1", "W2", "b2", "gamma2", "beta2", "W3", "b3"]


def some_problem(seed: int = 0, **options: object) -> Problem:
    """A network with everything in it."""
    random = np.random.default_rng(seed)
    network = Network([3, 4, 3, 2], ["tanh", "silu"], "softmax", batch_norm=True)
    given: dict[str, object] = {
        "loss": "cross_entropy",
        "penalty": "l2",
        "strength": 0.05,
        "penalize_biases": True,
        "weights": random.uniform(0.2, 2, 6),
        "dropout": 0.2,
        "seeds": [seed],
    }
    y = random.uniform(size=(6, 2))
    return create_problem(network, random.normal(size=(6, 3)), y, **(given | options))  # type: ignore[arg-type]


def gradient(problem: Problem, state: State) -> np.ndarray:
    done = objective_and_gradient(problem, state, batch(problem, state.members, state.step))
    return np.array(done.gradient)


def worst_entries(report: CodeReport) -> set[tuple[str, int, str, tuple[int, ...]]]:
    return {(check.method, check.member, check.name, check.index) for check in report.checks}


# --- what is wrong is found


@pytest.mark.parametrize("array", ARRAYS)
@given(seed=st.integers(0, 10**6), row=st.integers(0, 10), column=st.integers(0, 10), sign=st.sampled_from([-1, 1]))
@settings(max_examples=examples(4))
def test_small_error_is_found(array: str, seed: int, row: int, column: int, sign: int) -> None:
    problem = some_problem(seed)
    state = replace(initial_state(problem), theta=np.random.default_rng(seed).normal(size=(1, 53)))
    entry = next(entry for entry in problem.network.entries if entry.name == array)
    row, column = row % entry.shape[0], column % entry.shape[1]
    place = entry.start + row * entry.shape[1] + column
    wrong = gradient(problem, state)
    if array in ("b1", "b2"):
        # Batch norm takes these biases out: only the penalty is left of their gradient, 2 λ b.
        state.theta[0, place] = 1.5
        wrong = gradient(problem, state)
    assert check_problem(problem, state, gradient=wrong).ok
    wrong[0, place] *= 1 + sign * 5e-4
    report = check_problem(problem, state, gradient=wrong)
    assert not report.ok
    assert not any(check.ok for check in report.checks)
    index = (row, column) if array.startswith("W") else (column,)
    assert worst_entries(report) == {(method, 0, array, index) for method in TOLERANCES}


def test_error_of_worst_member() -> None:
    problem = some_problem(seeds=[4, 5, 6])
    wrong = gradient(problem, initial_state(problem))
    wrong[2, 7] *= 1.0005
    report = check_problem(problem, gradient=wrong)
    assert {(check.member, check.where) for check in report.checks} == {(2, "W1[1, 3] of member 2")}
    assert check_problem(problem, members=[0, 1]).ok
    with refuses("W1[1, 3]", 2, error=RunFailed):
        report.raise_if_wrong()


def off(function: Callable[..., np.ndarray]) -> Callable[..., np.ndarray]:
    return lambda *arguments, **numbers: 1.0005 * function(*arguments, **numbers)


@pytest.mark.parametrize(
    "options",
    [
        {"activation": replace(TANH, derivative=off(TANH.derivative))},
        {"output": replace(TANH, derivative=off(TANH.derivative))},
        {
            "activation": unproved(
                Activation("softmax", lambda z: np.exp(z) / np.exp(z).sum(-1, keepdims=True), TANH.derivative)
            )
        },
        {"loss": replace(LOSSES["huber"], derivative=off(LOSSES["huber"].derivative))},
        {"loss": replace(LOSSES["squared_error"], derivative=lambda p, y: p - y)},
        {"penalty": replace(PENALTIES["l2"], derivative=lambda w: w)},
    ],
    ids=["hidden", "output", "softmax as elementwise", "loss", "factor 2", "penalty"],
)
def test_wrong_formula_is_found(
    options: dict[str, Activation | Loss | Penalty], monkeypatch: pytest.MonkeyPatch
) -> None:
    for key, wrong in options.items():  # in place of the built-in formula, which PyTorch knows
        for tables in (registry._BUILT_IN, registry._TABLES):
            monkeypatch.setitem(tables["activation" if key == "output" else key], wrong.name, wrong)
    random = np.random.default_rng(3)
    given = {"activation": "tanh", "output": "tanh", "loss": "huber", "penalty": "l2"} | options
    network = Network([3, 4, 2], given["activation"], given["output"])  # type: ignore[arg-type]
    problem = create_problem(
        network,
        random.normal(size=(5, 3)),
        random.normal(size=(5, 2)),
        loss=given["loss"],  # type: ignore[arg-type]
        penalty=given["penalty"],  # type: ignore[arg-type]
        strength=0.3,
    )
    report = check_problem(problem)
    assert [check.ok for check in report.checks] == [False] * 3


@pytest.mark.slow
def test_unsampled_entry_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(problem_gradient, "MAX_ENTRIES", 50)
    random = np.random.default_rng(0)
    problem = create_problem(Network([30, 20, 2], "tanh"), random.normal(size=(4, 30)), random.normal(size=(4, 2)))
    right = gradient(problem, initial_state(problem))
    assert check_problem(problem).ok
    found = 0
    for place in np.argsort(-np.abs(right[0, :600]))[:20]:
        wrong = right.copy()
        wrong[0, place] *= 1.0005
        checks = {check.method: check for check in check_problem(problem, gradient=wrong).checks}
        assert not checks[PYTORCH].ok and not checks[COMPLEX].ok
        found += checks[COMPLEX].name == "a direction of W1"
        assert checks[PYTORCH].compared == 662 and checks[COMPLEX].compared == 74
    assert found >= 15


# --- what is right passes


@pytest.mark.slow
@given(
    scale=st.sampled_from([1e-3, 1.0, 30.0, 255.0]),
    hidden=st.sampled_from(["sigmoid", "tanh", "relu", "elu", "softplus", "silu"]),
    output=st.sampled_from([("identity", "squared_error"), ("sigmoid", "binary_cross_entropy"), ("tanh", "huber")]),
    steps=st.sampled_from([0, 1, 200]),
    seed=st.integers(0, 10**6),
)
@settings(max_examples=examples(40))
def test_trained_saturated_and_unscaled_networks_are_judged_rightly(
    scale: float, hidden: str, output: tuple[str, str], steps: int, seed: int
) -> None:
    random = np.random.default_rng(seed)
    problem = create_problem(
        Network([3, 5, 1], hidden, output[0]),
        scale * random.normal(size=(6, 3)),
        random.integers(0, 2, 6),
        loss=output[1],
        optimizer="adam",
        learning_rate=0.1,
        seeds=[seed],
    )
    state, _ = ReferenceEngine().advance(problem, initial_state(problem), steps)
    report = check_problem(problem, state)
    assert report.wrong == ()
    if report.ok:
        wrong = gradient(problem, state)
        wrong[0, np.abs(wrong[0]).argmax()] *= 1.0005
        assert check_problem(problem, state, gradient=wrong).wrong


def test_float32_is_checked_as_a_copy_in_float64() -> None:
    report = check_problem(some_problem(dtype="float32"))
    assert report.ok
    assert "checked as a copy in float64: float32 has too few digits for it" in report.notes


# --- kinks


def test_kinks_are_reported() -> None:
    # Biases are 0 and the first input is (0, 0): every unit of layer 1 stands on its kink for that row.
    report = check_problem(create_problem(Network([2, 3, 1], "relu", "sigmoid"), *XOR, loss="binary_cross_entropy"))
    counts = {check.method: (check.ok, check.compared, check.kinks) for check in report.checks}
    assert counts == {CENTRAL: (True, 10, 3), COMPLEX: (True, 10, 3), PYTORCH: (True, 13, 0)}
    assert report.ok


def test_error_at_kink_is_seen_by_pytorch() -> None:
    problem = create_problem(Network([2, 3, 1], "leaky_relu", "sigmoid"), *XOR, loss="binary_cross_entropy")
    wrong = gradient(problem, initial_state(problem))
    b1 = next(entry for entry in problem.network.entries if entry.name == "b1")
    wrong[0, b1.start + 1] *= 1.0005
    checks = {check.method: check for check in check_problem(problem, gradient=wrong).checks}
    assert checks[CENTRAL].ok and checks[COMPLEX].ok
    assert not checks[PYTORCH].ok and checks[PYTORCH].where == "b1[1]"


def test_nothing_is_proved_without_compared_entries() -> None:
    problem = create_problem(Network([1, 1], output="leaky_relu", initializer="zeros"), [[1.0]], [2.0])
    report = check_problem(problem)
    assert not report.ok
    assert report.vacuous == "central differences had nothing to compare: 2 entries at kinks, 0 too faint"
    with refuses(report.vacuous, error=RunFailed):
        report.raise_if_wrong()


# --- checks that would prove nothing


@pytest.mark.parametrize(
    "problem",
    [
        create_problem(Network([1, 1], output="relu", initializer={"name": "constant", "value": -1.0}), [[2]], [1]),
        create_problem(Network([2, 3, 1], "tanh", bias=False), np.zeros((4, 2)), XOR[1]),
        create_problem(Network([2, 1], initializer="zeros"), XOR[0], np.zeros(4)),
    ],
    ids=["a dead unit", "inputs of 0", "a perfect fit"],
)
def test_a_gradient_of_0_proves_nothing(problem: Problem) -> None:
    report = check_problem(problem)
    assert not report.ok and report.wrong == ()
    assert report.vacuous == "the gradient is 0 in every entry, as one that was never computed would be"
    assert "not proved" in str(report)


def test_numbers_that_are_not_finite_are_refused() -> None:
    problem = create_problem(Network([1, 1], output="exponential"), [[1.0]], [1.0], loss="poisson", seeds=[1, 2])
    state = initial_state(problem)
    state.theta[1] = 1000
    with refuses("inf"):
        check_problem(problem, state)
    wrong = gradient(problem, initial_state(problem))
    wrong[0, 0] = np.nan
    with refuses("W1[0, 0]", "nan"):
        check_problem(problem, gradient=wrong)


@pytest.mark.parametrize("shape", [(3,), (1, 3), (2, 4)])
def test_gradients_of_another_shape_are_refused(shape: tuple[int, ...]) -> None:
    problem = create_problem(Network([2, 1]), np.eye(2), np.zeros((2, 1)), members=2)
    with refuses("shape", "(2, 3)"):
        check_problem(problem, gradient=np.zeros(shape))


def test_the_naive_loss_is_reported() -> None:
    network = Network([2, 3, 1], "sigmoid", "sigmoid")
    report = check_problem(create_problem(network, *XOR, loss="naive_binary_cross_entropy"))
    assert not report.ok
    # y / (p + ε) is y / p (1 − ε / p): the part ε / p, about 2e-8, is missing.
    assert all(1e-9 < check.error < 1e-7 for check in report.checks)
    assert {method for method in (COMPLEX, PYTORCH) if any(f"by {method} it is" in line for line in report.wrong)} == {
        COMPLEX,
        PYTORCH,
    }
    (note,) = report.notes
    assert note.startswith(
        "the published gradient of 'naive_binary_cross_entropy' is not that of its value: it is off by"
    )


# --- formulas of one's own, and what is missing


def test_formula_without_pytorch() -> None:
    sine = unproved(Activation("sine", lambda z: np.sin(np.array(z)), lambda z, a: np.cos(z)))
    report = check_problem(create_problem(Network([2, 3, 1], sine), *XOR))
    assert report.ok
    assert [check.method for check in report.checks] == [CENTRAL, COMPLEX]
    assert report.notes[0].startswith(
        "no check by PyTorch: PyTorch cannot compute or differentiate your own activation 'sine'"
    )
