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
