"""Lanes that are units give the bits of lanes that are members, whatever the tile, the threads and the processor."""

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from lanes import examples
from random_problems import problems

from deltarule import Network, create_problem
from deltarule.engines.compiled import engine, texts, unit_printer
from deltarule.engines.compiled.engine import CompiledEngine
from deltarule.engines.compiled.printed import NotPrintable, Tile
from deltarule.problem.problem import Problem
from deltarule.problem.state import initial_state

FORMS = st.fixed_dictionaries(
    {
        "lanes": st.sampled_from([2, 4, 8, 16]),
        "tile": st.sampled_from([None, Tile(1, 1), Tile(3, 2), Tile(8, 3)]),
        "threads": st.integers(1, 3),
    }
)


@pytest.fixture(autouse=True)
def threads_share_little_work(monkeypatch) -> None:
    monkeypatch.setattr(engine, "MIN_THREAD_WORK", 1)


def assert_same_bits(problem: Problem, updates: int, **form) -> None:
    state = initial_state(problem)
    own, trace = CompiledEngine(lanes_are="units", **form).advance(problem, state, updates)
    expected, expected_trace = CompiledEngine(lanes_are="members").advance(problem, state, updates)
    for name, array in {"θ": own.theta, "buffers": own.buffers, **own.slots}.items():
        theirs = {"θ": expected.theta, "buffers": expected.buffers, **expected.slots}[name]
        assert np.array_equal(array, theirs, equal_nan=True), name
    assert np.array_equal(trace.objective, expected_trace.objective, equal_nan=True)
    assert np.array_equal(trace.bad, expected_trace.bad)


@pytest.mark.slow
@settings(max_examples=examples(30), suppress_health_check=list(HealthCheck), deadline=None)
@given(problems(max_units=9), FORMS)
def test_random_problems_have_the_bits_of_populations(problem: Problem, form: dict) -> None:
    assert_same_bits(problem, 3, **form)


@pytest.mark.slow
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("features", [None, "+avx2,+fma", "+sse4.2"])
def test_wide_layers_have_the_bits_of_populations(dtype: str, features: str | None) -> None:
    rng = np.random.default_rng(3)
    network = Network([21, 40, 17, 3], "relu", "softmax", batch_norm=True)
    x, y = rng.normal(size=(30, 21)), np.eye(3)[rng.integers(0, 3, 30)]
    problem = create_problem(
        network, x, y, loss="cross_entropy", optimizer="adam", batch_size=12, dropout=0.3, clip_norm=1.0, dtype=dtype
    )
    assert_same_bits(problem, 110, threads=2, features=features)


def test_what_has_no_form_with_units_is_printed_with_members(monkeypatch) -> None:
    def refuse(*arguments: object) -> None:
        raise NotPrintable("it has no such form")

    monkeypatch.setattr(unit_printer, "print_units", refuse)
    monkeypatch.setattr(texts, "once", lambda file, make: make())
    rng = np.random.default_rng(4)
    problem = create_problem(Network([3, 2, 1]), rng.normal(size=(5, 3)), rng.random((5, 1)), batch_size=5)
    assert_same_bits(problem, 3)


@pytest.mark.parametrize("rows", [1, 2, 3])
def test_the_mask_of_a_single_unit_stays_in_its_place(rows: int) -> None:
    """Masks are drawn for whole vectors, which few rows of one unit do not fill."""
    rng = np.random.default_rng(0)
    network = Network([3, 1, 2], "tanh", batch_norm=True)
    x, y = rng.normal(size=(11, 3)), rng.normal(size=(11, 2))
    assert_same_bits(create_problem(network, x, y, dropout=0.3, batch_size=rows, seeds=range(8)), 12)


@pytest.mark.parametrize("registers", [16, 32])
@pytest.mark.parametrize("units", [3, 100])
def test_the_sums_of_a_tile_fit_into_the_registers(registers: int, units: int) -> None:
    problem = create_problem(Network([4, units, 2]), np.zeros((64, 4)), np.zeros((64, 2)))
    for rows in range(1, 65):
        tile = texts.tile_for(problem, rows, registers)
        assert 1 <= tile.rows <= rows and tile.rows * tile.units + tile.units < registers
