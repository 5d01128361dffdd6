"""Evaluation programs agree with NumPy; a member has the same bits alone, among others and on any number of threads."""

from dataclasses import replace
from threading import current_thread

import numpy as np
import pytest

from deltarule.engines.base import outputs_of
from deltarule.engines.compiled.engine import CompiledEngine
from deltarule.engines.reference import ReferenceEngine
from deltarule.platforms import processor_count
from deltarule.problem.create import create_problem
from deltarule.problem.network import Network
from deltarule.problem.problem import Problem
from deltarule.problem.state import State, initial_state
from deltarule.stats.metrics import METRICS

ALL = {name: metric.value for name, metric in METRICS.items()}
RELATIVE = {"float64": 1e-12, "float32": 1e-5}
ROWS = 29


def members_of(
    network: Network, loss: str, members: int = 40, row_count: int = ROWS, **options
) -> tuple[Problem, State]:
    """Members with labels, whose parameters and running statistics are those of no initialization."""
    rng = np.random.default_rng(3)
    classes = rng.integers(0, max(network.outputs, 2), row_count)
    y = np.eye(max(network.outputs, 2))[classes][:, : network.outputs]
    x = rng.normal(size=(row_count, network.inputs))
    problem = create_problem(network, x, y, loss=loss, seeds=range(members), **options)
    state = initial_state(problem)
    theta, buffers = state.theta + 0.3 * rng.normal(size=state.theta.shape), rng.uniform(0.5, 2, state.buffers.shape)
    return problem, replace(state, theta=theta.astype(problem.dtype), buffers=buffers.astype(problem.dtype))


def assert_equal_evaluations(problem: Problem, state: State, rows=None) -> None:
    ours, expected = (each.evaluate(problem, state, rows, ALL) for each in (CompiledEngine(), ReferenceEngine()))
    assert ours.keys() == expected.keys() == {"objective", *ALL}
    for name, values in expected.items():
        tolerance = RELATIVE[problem.dtype.name]
        np.testing.assert_allclose(ours[name], values, tolerance, 10 * tolerance if name == "r_squared" else 0, name)


@pytest.mark.sampled(3)
@pytest.mark.parametrize(
    ("output", "loss", "dtype"),
    [
        ("softmax", "cross_entropy", "float64"),
        ("sigmoid", "binary_cross_entropy", "float64"),
        ("softmax", "squared_error", "float64"),
        ("identity", "squared_error", "float32"),
        ("softmax", "cross_entropy", "float32"),
    ],
)
def test_objective_and_metrics_are_those_of_numpy(output: str, loss: str, dtype: str) -> None:
    network = Network([5, 7, 6, 4, 3], ["tanh", "softmax", "tanh"], output)
    problem, state = members_of(network, loss, dtype=dtype, penalty="l1_per_sample", strength=np.linspace(0, 1, 40))
    assert_equal_evaluations(problem, state)
    assert_equal_evaluations(problem, state, (problem.x[:11], problem.y[:11]))


def test_own_rows_and_weights_of_members() -> None:
    rng = np.random.default_rng(0)
    weights = rng.uniform(size=(40, ROWS)) * (rng.uniform(size=(40, ROWS)) > 0.2)
    rows = [rng.permutation(ROWS)[: 20 + k % 3] for k in range(40)]
    network = Network([5, 7, 1], "relu", "sigmoid", bias=False)
    assert_equal_evaluations(*members_of(network, "binary_cross_entropy", weights=weights, rows=rows))
    folds = [np.arange(20), np.arange(9, ROWS)] * 20
    assert_equal_evaluations(*members_of(network, "binary_cross_entropy", weights=weights[0], rows=folds))


@pytest.mark.parametrize("options", [{}, {"batch_norm": True}, {"scaling_layer": True}])
def test_large_networks_on_many_rows(options: dict[str, bool]) -> None:
    network = Network([60, 40, 3], "relu", "softmax", **options)
    problem, state = members_of(network, "cross_entropy", members=2, row_count=50_000)
    assert_equal_evaluations(problem, state)


@pytest.mark.sampled(2)
@pytest.mark.parametrize("dtype", RELATIVE)
def test_outputs_are_those_of_numpy_for_shared_and_own_inputs(dtype: str) -> None:
    problem, state = members_of(Network([5, 7, 3], "tanh", "softmax"), "cross_entropy", dtype=dtype)
    for x in (problem.x, np.random.default_rng(1).normal(size=(40, 6, 5)).astype(dtype)):
        pairs = zip(
            CompiledEngine().outputs(problem, state, x), ReferenceEngine().outputs(problem, state, x), strict=True
        )
        for ours, expected in pairs:
            np.testing.assert_allclose(ours, expected, RELATIVE[dtype], RELATIVE[dtype])


@pytest.mark.sampled(2)
@pytest.mark.parametrize("dtype", RELATIVE)
def test_bits_of_a_member_depend_on_no_other_member_and_no_thread(dtype: str) -> None:
    problem, state = members_of(
        Network([8, 5, 3], "tanh", "softmax"), "cross_entropy", members=300, row_count=500, dtype=dtype, penalty="l2"
    )
    together = CompiledEngine(threads=2).evaluate(problem, state, None, ALL)
    outputs = CompiledEngine(threads=2).outputs(problem, state, problem.x)[1]
    for chosen in ([7], [7, 8, 9, 250], list(range(100))):
        alone = CompiledEngine(threads=1)
        part = alone.evaluate(problem, state.take(np.array(chosen)), None, ALL)
        assert all(np.array_equal(part[name], together[name][chosen]) for name in part)
        assert np.array_equal(alone.outputs(problem, state.take(np.array(chosen)), problem.x)[1], outputs[chosen])


def test_threads_divide_the_rows_of_a_single_network_and_change_no_bit(monkeypatch: pytest.MonkeyPatch) -> None:
    problem, state = members_of(Network([60, 40, 3], "relu", "softmax"), "cross_entropy", members=1, row_count=10_000)
    used: set[str] = set()

    class Watched(ReferenceEngine):
        def outputs(self, problem: Problem, state: State, x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
            used.add(current_thread().name.partition("_")[0])
            return super().outputs(problem, state, x)

    values, outputs = [], []
    for threads in ("1", "2"):
        monkeypatch.setenv("OMP_NUM_THREADS", threads)
        values.append(Watched().evaluate(problem, state, None, ALL))
        outputs.append(outputs_of(problem, Watched(), state, problem.x)[1])
        assert used == ({"MainThread"} if threads == "1" or processor_count() == 1 else {"deltarule-rows"})
        used.clear()
    assert all(np.array_equal(values[0][name], values[1][name]) for name in values[0])
    assert np.array_equal(*outputs)


def test_nonfinite_members_are_nan_and_never_right() -> None:
    problem, state = members_of(Network([5, 7, 3], "relu", "softmax"), "cross_entropy")
    theta = state.theta.copy()
    theta[1, 0], theta[2, -1] = np.nan, np.inf
    values = CompiledEngine().evaluate(problem, replace(state, theta=theta), None, ALL)
    assert np.isnan(values["objective"][[1, 2]]).all()
    assert (values["accuracy"][[1, 2]] == 0).all()
    assert np.isfinite(values["objective"][[0, 3]]).all()


def test_an_evaluation_of_other_rows_leaves_those_of_the_training() -> None:
    problem, state = members_of(Network([5, 7, 3], "tanh", "softmax"), "cross_entropy")
    engine = CompiledEngine()
    expected, _ = engine.advance(problem, state, 2)
    engine.evaluate(problem, state, (problem.x[:3] + 1, problem.y[:3]), ALL)
    assert np.array_equal(engine.advance(problem, state, 2)[0].theta, expected.theta)
