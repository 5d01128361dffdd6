"""Every layer trains: one by one in a network, on all engines, alone and in populations, with a proved gradient."""

from typing import Any

import numpy as np
import pytest

from deltarule import Network, create_problem, train
from deltarule.checking.problem_gradient import check_problem
from deltarule.engines.autograd import AutogradEngine
from deltarule.engines.reference import ReferenceEngine
from deltarule.maths.layers import LAYERS
from deltarule.problem.problem import Problem

CHAINS: dict[str, list[Any]] = {
    "dense": [4, 5, "tanh", 3],
    "scaling": [4, "scaling", 5, "tanh", "scaling", 3],
    "dropout": [4, 5, "tanh", "dropout", 6, "dropout", 3],
    "batch_norm": [4, 5, "batch_norm", "tanh", 3],
    "layer_norm": [4, "layer_norm", 5, "layer_norm", "tanh", 3],
    "glu": [4, {"name": "glu", "units": 5}, {"name": "glu", "units": 3}],
    "tied": [4, 3, "sigmoid", {"name": "tied", "W": "W1"}, "tanh", 3],
    "residual": [4, 5, "tanh", 5, {"name": "residual", "skip": "a1"}, {"name": "residual", "skip": "a1"}, "relu", 3],
    "all": [
        *(4, "scaling", 6, "batch_norm", "tanh", "dropout", "layer_norm"),
        *({"name": "glu", "units": 6}, {"name": "residual", "skip": "n1"}, {"name": "residual", "skip": "d1"}),
        *("layer_norm", {"name": "tied", "W": "W1"}, {"name": "residual", "skip": "s1"}, "tanh", 3),
    ],
}


def problem_of(chain: list[Any], **options: Any) -> Problem:
    random = np.random.default_rng(0)
    options = {"dropout": 0.2 if "dropout" in chain else 0.0, "optimizer": "momentum", "learning_rate": 0.01} | options
    return create_problem(
        Network(chain, initializer={"name": "normal", "std": 0.6, "biases": "same"}),
        random.normal(size=(23, chain[0])),
        random.normal(size=(23, 3)),
        batch_size=7,
        penalty="weight_decay",
        strength=0.01,
        **options,
    )


def test_every_layer_has_a_chain() -> None:
    assert set(CHAINS) == {*LAYERS, "all"}


@pytest.mark.parametrize("chain", CHAINS.values(), ids=CHAINS)
def test_the_gradient_is_proved_three_ways(chain: list[Any]) -> None:
    report = check_problem(problem_of(chain))
    assert report.ok and len(report.checks) == 3, report


@pytest.mark.parametrize("chain", CHAINS.values(), ids=CHAINS)
def test_populations_are_compiled_and_agree(chain: list[Any]) -> None:
    problem = problem_of(chain, members=5)
    reference = train(problem, max_steps=30, engine="reference")
    compiled = train(problem, max_steps=30, engine="compiled")
    assert not compiled.notes
    assert compiled.state.theta == pytest.approx(reference.state.theta, rel=1e-10, abs=1e-12)
    alone = train(problem.take(np.array([3])), max_steps=30, engine="reference")
    assert np.array_equal(alone.state.theta[0], reference.state.theta[3])
    x = problem.x[:4]
    assert compiled.outputs(x) == pytest.approx(reference.outputs(x), rel=1e-10, abs=1e-12)


def test_pytorch_trains_all_layers_together() -> None:
    problem = problem_of(CHAINS["all"], members=2)
    ours, theirs = (train(problem, max_steps=20, engine=name).state for name in ("reference", "autograd"))
    assert theirs.theta == pytest.approx(ours.theta, rel=1e-9, abs=1e-11)
    assert theirs.buffers == pytest.approx(ours.buffers, rel=1e-9, abs=1e-11)
    outputs = [engine.outputs(problem, ours, problem.x)[0] for engine in (ReferenceEngine(), AutogradEngine())]
    assert outputs[1] == pytest.approx(outputs[0], rel=1e-9)


def test_float32_stays_float32() -> None:
    problem = problem_of(CHAINS["all"], members=2, dtype="float32")
    ours, compiled = (train(problem, max_steps=20, engine=name).state.theta for name in ("reference", "compiled"))
    assert ours.dtype == np.float32 and compiled == pytest.approx(ours, rel=1e-3, abs=1e-4)


def test_arrays_of_one_layer_start_differently() -> None:
    arrays = train(problem_of(CHAINS["glu"]), max_steps=0).parameters
    assert not np.isclose(arrays["W1"], arrays["V1"]).any() and not np.isclose(arrays["b1"], arrays["c1"]).any()
