"""The program for a GPU has the compiled engine's bits. Here the processor runs it, for one member after another."""

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from lanes import examples
from random_problems import problems
from refusals import refuses

from deltarule import Network, create_problem, train
from deltarule.engines.compiled import texts
from deltarule.engines.compiled.engine import CompiledEngine
from deltarule.engines.compiled.machine_code import compiled
from deltarule.engines.cuda import engine as cuda
from deltarule.engines.cuda.printer import KERNEL, kernel, ptx
from deltarule.errors import BadInput
from deltarule.problem.problem import Problem
from deltarule.problem.state import initial_state


class MembersInTurn(cuda.CudaEngine):
    """Calls the function of a kernel as the threads of a GPU do."""

    def _advancing(self, *given):
        (task,) = super()._advancing(*given)
        advance_members, (_, *others) = task.func, task.args
        return [lambda: advance_members(_call_for_each_member, *others)]


def _call_for_each_member(printed, numbers, arrays, shared) -> None:
    names = *printed.arguments, "scratch", "kept"
    addresses = [(arrays[name] if name in arrays else shared[name]).ctypes.data for name in names]
    call = compiled(printed.text, printed.name, len(printed.numbers) + len(names)).call
    for member in range(printed.lanes):
        call(*numbers, printed.lanes, member, *addresses)


def assert_has_the_bits(problem: Problem, updates: int) -> None:
    state = initial_state(problem)
    own, trace = MembersInTurn().advance(problem, state, updates)
    expected, expected_trace = CompiledEngine(lanes_are="members").advance(problem, state, updates)
    np.testing.assert_array_equal(own.theta, expected.theta)
    np.testing.assert_array_equal(own.buffers, expected.buffers)
    np.testing.assert_array_equal(trace.objective, expected_trace.objective)
    np.testing.assert_array_equal(trace.bad, expected_trace.bad)
    assert not np.array_equal(own.theta, state.theta)


@settings(max_examples=examples(10), deadline=None, suppress_health_check=list(HealthCheck))
@given(problems(max_units=6, is_finite=True))
def test_random_problems_have_the_bits_of_the_compiled_engine(problem: Problem) -> None:
    own, _ = MembersInTurn().advance(problem, initial_state(problem), 3)
    expected, _ = CompiledEngine(lanes_are="members").advance(problem, initial_state(problem), 3)
    np.testing.assert_array_equal(own.theta, expected.theta)


@pytest.mark.sampled(3)
@pytest.mark.parametrize(
    "options",
    [
        {"optimizer": "adam", "dropout": 0.2, "clip_norm": 1.0},
        {"data_seeds": range(7), "weights": np.random.default_rng(2).random((7, 17)) + 0.1},
        {"rows": [np.arange(3 + start) for start in range(7)], "dtype": "float32"},
    ],
    ids=["dropout", "own order and weights", "own rows"],
)
def test_members_have_the_bits_of_the_compiled_engine(options) -> None:
    rng = np.random.default_rng(1)
    x, y = rng.normal(size=(17, 3)), np.eye(3)[rng.integers(0, 3, 17)]
    network = Network([3, 5, 4, 3], ["tanh", "relu"], "softmax", batch_norm=True)
    options = {"loss": "cross_entropy", "learning_rate": 0.05, "batch_size": 5, "members": 7} | options
    assert_has_the_bits(create_problem(network, x, y, **options), 9)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_the_kernel_is_ptx_of_exact_arithmetic(dtype) -> None:
    problem = create_problem(Network([8, 3, 8], "sigmoid", "sigmoid"), np.eye(8), np.eye(8), members=3, dtype=dtype)
    text = ptx(kernel(cuda.member_program(problem, False, 8)))
    bits = dtype.removeprefix("float")
    assert f".visible .entry {KERNEL}(" in text and "%ctaid.x" in text
    assert f"fma.rn.f{bits}" in text and f"div.rn.f{bits}" in text
    assert not any(word in text for word in (".approx", ".ftz", "ex2", "lg2")), "each processor has the same bits"


def test_the_kernel_is_the_same_beside_every_processor(monkeypatch) -> None:
    printed = []
    for registers in ((64, 32), (32, 16)):
        monkeypatch.setattr(texts, "vector_registers", lambda registers=registers: registers)
        problem = create_problem(Network([8, 40, 8], "sigmoid", "sigmoid"), np.eye(8), np.eye(8), members=3)
        printed.append(cuda.member_program(problem, False, 8).text)
    assert printed[0] == printed[1]


def test_without_a_gpu_the_engine_is_refused_in_a_sentence() -> None:
    problem = create_problem(Network([2, 2, 1]), np.eye(2), np.ones((2, 1)))
    try:
        cuda.driver()
    except BadInput:
        with refuses("cuda", "compiled"):
            train(problem, engine="cuda", max_steps=1)
    else:
        trained = [train(problem, engine=name, max_steps=5).state.theta for name in ("cuda", "compiled")]
        np.testing.assert_array_equal(*trained)
