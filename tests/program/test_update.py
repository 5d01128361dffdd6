"""The recorded program of an update, computed in NumPy, has the bits of the reference engine."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from program_arguments import arguments_of, own_arrays
from random_problems import EVERY_FORMULA, problems

from deltarule import Network, create_problem, register_activation, unregister
from deltarule.engines import reference
from deltarule.engines.update_program import update_program
from deltarule.maths.elementary import Array
from deltarule.problem.batches import batch
from deltarule.problem.problem import Problem
from deltarule.problem.state import State, initial_state
from deltarule.program.interpreter import compute
from deltarule.program.program import MEMBERS, ROWS, Axis, Constant, NotTraceable, Operand, Program
from deltarule.program.update import symbol_of


def interpret(program: Program, arguments: Mapping[str, Array]) -> dict[str, Array]:
    """Return the results of a program by name."""
    values: dict[str, Array] = {}
    sizes: dict[Axis, int] = {}
    for argument in program.arguments:
        values[argument.name] = np.asarray(arguments[argument.name], argument.dtype)
        sizes.update(zip(argument.axes, values[argument.name].shape, strict=False))

    def value(operand: Operand) -> Array:
        return operand.dtype.type(operand.value) if isinstance(operand, Constant) else values[operand.name]

    with np.errstate(all="ignore"):
        for operation in program.operations:
            values[operation.result.name] = compute(operation, [*map(value, operation.operands)], sizes)
    return {name: value(result) for name, result in zip(program.names, program.results, strict=True)}


def assert_same_updates(problem: Problem, state: State, updates: int = 3) -> None:
    with np.errstate(all="ignore"):
        for _ in range(updates):
            rows = batch(problem, state.members, state.step)
            results = interpret(update_program(problem, own_arrays(problem, rows)), arguments_of(problem, state, rows))
            passed = reference.objective_and_gradient(problem, state, rows)
            after, objective = reference.update(problem, state)
            expected = {"J": objective, "θ′": after.theta} | {f"{name}′": slot for name, slot in after.slots.items()}
            expected |= {taped.name: taped.value for taped in passed.tape if taped.symbol != "d"}
            if problem.network.buffers:
                expected["buffers′"] = after.buffers
            for name, array in expected.items():
                assert results[name].dtype == array.dtype
                assert np.broadcast_to(results[name], array.shape).tobytes() == array.tobytes(), name
            for entry in problem.network.entries:
                gradient = passed.gradient[:, entry.start : entry.stop]
                assert results[f"∂J/∂{symbol_of(entry)}"].tobytes() == gradient.tobytes(), entry.name
            state = after


@pytest.mark.sampled(3)
@pytest.mark.parametrize(("kind", "formula"), EVERY_FORMULA)
@given(data=st.data())
def test_the_program_of_every_formula_has_the_bits_of_the_reference_engine(kind, formula, data) -> None:
    problem = data.draw(problems(**{kind: formula}))
    assert_same_updates(problem, initial_state(problem))


def population(**options) -> Problem:
    """Five members that differ in all numbers, with short last batches."""
    rng = np.random.default_rng(1)
    network = Network([3, 4, 4, 2], ["tanh", "relu"], "softmax", batch_norm=True)
    given = {
        "loss": "cross_entropy",
        "optimizer": "adamw",
        "learning_rate": np.linspace(0.01, 0.1, 5),
        "penalty": "l1",
        "strength": [0.0, 0.1, 0.2, 0.3, 0.4],
        "dropout": [[0.0, 0.2]] * 5,
        "batch_size": 4,
        "schedule": "cosine",
        "members": 5,
    }
    x, y = rng.normal(size=(10, 3)), np.eye(2)[rng.integers(0, 2, 10)]
    return create_problem(network, x, y, **(given | options))


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"dtype": "float32"},
        {"data_seeds": range(5)},
        {"weights": np.random.default_rng(2).random((5, 10)) + 0.1},
        {"clip_norm": [0.01, 0.1, 1, 10, 100]},
        {"learning_rate_factors": {"W": 0.5, "b2": 0.0}},
        {"optimizer": "normalized_gradient", "parametrization": "neural_tangent"},
        {"rows": [np.arange(start, start + 5) for start in range(5)]},
    ],
)
def test_the_program_of_a_population_has_the_bits_of_the_reference_engine(options) -> None:
    problem = population(**options)
    assert_same_updates(problem, initial_state(problem))


def test_factors_of_single_entries_keep_the_others_bit_for_bit() -> None:
    problem = population()
    problem = replace(problem, entry_factors=np.resize([0.0, 1.0, 0.5], problem.network.parameters))
    assert_same_updates(problem, initial_state(problem))


def test_a_program_names_arrays_and_axes_and_prints_itself() -> None:
    problem = create_problem(Network([2, 8, 1], "tanh", "sigmoid"), np.zeros((8, 2)), np.zeros(8), members=2)
    program = update_program(problem)
    z1 = next(operation.result for operation in program.operations if operation.result.name == "z1")
    assert z1.axes == (MEMBERS, ROWS, *z1.axes[2:]) and repr(z1.axes[2]) == "units1 8"
    lines = str(program).splitlines()
    assert lines[0] == "given θ : float64 [members, parameters 33]"
    assert "given x : float64 [rows, units0 2]" in lines
    assert "a1 = tanh(z1) : float64 [members, rows, units1 8]" in lines
    assert {"J", "z1", "a1", "z2", "δ1", "δ2", "∂J/∂W1", "∂J/∂b2", "θ′"} <= set(program.names)
    assert update_program(problem) is program


def test_a_program_cut_at_the_logits_needs_no_targets() -> None:
    problem = create_problem(Network([2, 8, 1], "tanh", "sigmoid"), np.zeros((8, 2)), np.zeros(8), members=2)
    logits = update_program(problem).cut(["z2"])
    assert {argument.name for argument in logits.arguments} == {"θ", "x"}
    assert [operation.result.name for operation in logits.operations][-1] == "z2"


def test_a_formula_that_cannot_be_recorded_is_named() -> None:
    problem = population()
    broken = replace(problem.optimizer, update=lambda theta, g, *slots, **numbers: (theta if g > 0 else g, *slots))
    with pytest.raises(NotTraceable, match="branches on an argument"):
        update_program(replace(problem, optimizer=broken))


def test_a_row_wise_activation_may_call_numpy_s_sum_and_maximum() -> None:
    """np.max(z, -1) is recorded as z.max(-1) is: here of a softmax, written out."""

    def softmax(z: Any) -> Any:
        exponentials = np.exp(z - np.max(z, -1, keepdims=True))
        return exponentials / np.sum(exponentials, axis=-1, keepdims=True)

    def back(z: Any, a: Any, da: Any) -> Any:
        return a * (da - np.sum(a * da, -1, keepdims=True))

    x = np.random.default_rng(0).normal(size=(6, 2))
    register_activation("own_softmax", softmax, back, range="simplex", rowwise=True)
    try:
        problem = create_problem(Network([2, 3, 1], "own_softmax"), x, x[:, :1], members=2)
        assert_same_updates(problem, initial_state(problem))
    finally:
        unregister("activation", "own_softmax")
