"""Layers as researchers write them are compiled: with NumPy's values, and the same bits alone and among others."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import pytest
from layers_of_any_form import LAYERS

from deltarule import Network, create_problem, register_layer, unregister
from deltarule.engines.compiled.engine import CompiledEngine
from deltarule.engines.compiled.printed import Tile
from deltarule.engines.reference import ReferenceEngine
from deltarule.problem.problem import Problem
from deltarule.problem.state import State, initial_state

UPDATES = 20


@contextmanager
def network_with(name: str) -> Iterator[Network]:
    """A network whose first and third layers are such a layer."""
    function, options, place = LAYERS[name]
    register_layer("of_any_form", function, **options)
    try:
        layer = {"name": "of_any_form", **place}
        yield Network([8, layer, "tanh", 8, layer, 3])
    finally:
        unregister("layer", "of_any_form")


def problem_of(network: Network, seeds: Any) -> Problem:
    x = np.random.default_rng(0).normal(size=(23, 8))
    return create_problem(network, x, x[:, :3], batch_size=10, seeds=seeds, learning_rate=0.003)


def advanced(problem: Problem, engine: Any) -> State:
    return engine.advance(problem, initial_state(problem), UPDATES)[0]


@pytest.mark.sampled(4)
@pytest.mark.parametrize("name", LAYERS)
def test_a_layer_is_compiled_with_the_values_of_numpy_and_the_same_bits_alone(name: str) -> None:
    with network_with(name) as network:
        problem = problem_of(network, range(17))
        assert not CompiledEngine().notes(problem)
        together = advanced(problem, CompiledEngine(threads=1))
        expected = advanced(problem, ReferenceEngine()).theta
        assert abs(together.theta - expected).max() < 1e-12
        alone = advanced(problem_of(network, [9]), CompiledEngine(threads=1)).theta
        assert (alone[0] == together.theta[9]).all()
        tiled = advanced(problem, CompiledEngine(threads=2, lanes=2, tile=Tile(3, 2))).theta
        assert (tiled == together.theta).all()


MIXING = np.random.default_rng(1).normal(size=(8, 8)) / 3

CONSTANTS: dict[str, tuple[Any, dict[str, str], dict[str, int]]] = {
    "made": (lambda x, W: x @ W @ np.eye(W.shape[-1], dtype=W.dtype)[::-1], {"W": "D H"}, {"units": 6}),
    "read": (lambda x, W: np.cos(x @ W) @ MIXING.astype(x.dtype), {"W": "D D"}, {}),
    "truths": (lambda x, W: np.where(np.arange(W.shape[-1]) % 2 == 0, x @ W, 0.5), {"W": "D H"}, {"units": 6}),
    "times an array": (lambda x, W: x @ (W * np.tril(np.ones(W.shape[-2:], W.dtype))), {"W": "D D"}, {}),
}


@contextmanager
def problem_with(name: str, dtype: str) -> Iterator[Problem]:
    function, arrays, place = CONSTANTS[name]
    register_layer("of_any_form", function, arrays=arrays)
    try:
        x = np.random.default_rng(0).normal(size=(23, 8))
        network = Network([8, {"name": "of_any_form", **place}, 3])
        yield create_problem(network, x, x[:, :3], batch_size=10, members=9, dtype=dtype)
    finally:
        unregister("layer", "of_any_form")


@pytest.mark.sampled(2)
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("name", CONSTANTS)
def test_arrays_that_a_layer_makes_or_reads_are_part_of_its_program(name: str, dtype: str) -> None:
    with problem_with(name, dtype) as problem:
        expected = advanced(problem, ReferenceEngine()).theta
        for lanes_are in ("members", "units"):
            engine = CompiledEngine(lanes_are=lanes_are)
            assert not engine.notes(problem)
            assert abs(advanced(problem, engine).theta - expected).max() < {"float32": 1e-5, "float64": 1e-12}[dtype]


def test_an_array_that_a_layer_reads_may_change_in_place(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(globals(), "MIXING", MIXING.copy())
    with problem_with("read", "float64") as problem:
        before = advanced(problem, CompiledEngine()).theta
        MIXING[:] = MIXING[::-1].copy()
        after = advanced(problem, CompiledEngine()).theta
        assert abs(before - after).max() > 1e-3
        assert abs(advanced(problem, ReferenceEngine()).theta - after).max() < 1e-12
