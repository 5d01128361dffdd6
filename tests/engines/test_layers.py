"""Every layer trains: one by one in a network, on all engines, alone and in populations, with a proved gradient."""

from typing import Any

import numpy as np
import pytest
from layer_chains import CHAINS, problem_with_layers

from deltarule import train
from deltarule.checking.problem_gradient import check_problem
from deltarule.engines.autograd import AutogradEngine
from deltarule.engines.reference import ReferenceEngine
from deltarule.maths.layers import LAYERS


def test_every_layer_has_a_chain() -> None:
    assert set(CHAINS) == {*LAYERS, "all"}


@pytest.mark.needs("torch")
@pytest.mark.parametrize("chain", CHAINS.values(), ids=CHAINS)
def test_the_gradient_is_proved_three_ways(chain: list[Any]) -> None:
    report = check_problem(problem_with_layers(chain))
    assert report.ok and len(report.checks) == 3, report


@pytest.mark.parametrize("chain", CHAINS.values(), ids=CHAINS)
def test_populations_are_compiled_and_agree(chain: list[Any]) -> None:
    problem = problem_with_layers(chain, members=5)
    reference = train(problem, max_steps=30, engine="reference")
    compiled = train(problem, max_steps=30, engine="compiled")
    assert not compiled.notes
    assert compiled.state.theta == pytest.approx(reference.state.theta, rel=1e-10, abs=1e-12)
    alone = train(problem.take(np.array([3])), max_steps=30, engine="reference")
    assert np.array_equal(alone.state.theta[0], reference.state.theta[3])
    x = problem.x[:4]
    assert compiled.outputs(x) == pytest.approx(reference.outputs(x), rel=1e-10, abs=1e-12)


@pytest.mark.needs("torch")
def test_pytorch_trains_all_layers_together() -> None:
    problem = problem_with_layers(CHAINS["all"], members=2)
    ours, theirs = (train(problem, max_steps=20, engine=name).state for name in ("reference", "autograd"))
    assert theirs.theta == pytest.approx(ours.theta, rel=1e-9, abs=1e-11)
    assert theirs.buffers == pytest.approx(ours.buffers, rel=1e-9, abs=1e-11)
    outputs = [engine.outputs(problem, ours, problem.x)[0] for engine in (ReferenceEngine(), AutogradEngine())]
    assert outputs[1] == pytest.approx(outputs[0], rel=1e-9)


def test_float32_stays_float32() -> None:
    problem = problem_with_layers(CHAINS["all"], members=2, dtype="float32")
    ours, compiled = (train(problem, max_steps=20, engine=name).state.theta for name in ("reference", "compiled"))
    assert ours.dtype == np.float32 and compiled == pytest.approx(ours, rel=1e-3, abs=1e-4)


def test_arrays_of_one_layer_start_differently() -> None:
    arrays = train(problem_with_layers(CHAINS["glu"]), max_steps=0).parameters
    assert not np.isclose(arrays["W1"], arrays["V1"]).any() and not np.isclose(arrays["b1"], arrays["c1"]).any()
