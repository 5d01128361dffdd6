"""The matrix of layers and forms: proved, trained on all engines, explained, written as a script and exported."""

import contextlib
import io
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from explained_numbers import assert_formulas_give_the_numbers
from layer_chains import CHAINS, problem_with_layers
from refusals import refuses

from deltarule import register_layer, to_onnx, to_torch, train, unregister
from deltarule.checking.problem_gradient import check_problem
from deltarule.engines.autograd import AutogradEngine
from deltarule.engines.reference import ReferenceEngine, objective_and_gradient
from deltarule.export.training_script import training_script
from deltarule.maths.layers import LAYERS
from deltarule.maths.network import views
from deltarule.problem.batches import batch
from deltarule.problem.problem import Problem
from deltarule.problem.state import initial_state
from deltarule.tracing.explain import explain_update


def test_every_layer_has_a_chain() -> None:
    assert set(CHAINS) == {*LAYERS, "all"}


def is_proved(problem: Problem, folder: Path) -> None:
    report = check_problem(problem)
    assert report.ok and len(report.checks) == 3, report


def is_trained_alike_alone_and_compiled(problem: Problem, folder: Path) -> None:
    reference = train(problem, max_steps=30, engine="reference")
    compiled = train(problem, max_steps=30, engine="compiled")
    assert not compiled.notes
    assert compiled.state.theta == pytest.approx(reference.state.theta, rel=1e-10, abs=1e-12)
    alone = train(problem.take(np.array([3])), max_steps=30, engine="reference")
    assert np.array_equal(alone.state.theta[0], reference.state.theta[3])
    x = problem.x[:4]
    assert compiled.outputs(x) == pytest.approx(reference.outputs(x), rel=1e-10, abs=1e-12)


def is_explained(problem: Problem, folder: Path) -> None:
    problem = problem.take(np.arange(1))
    explained = explain_update(problem, initial_state(problem))
    assert_formulas_give_the_numbers(explained)
    done = objective_and_gradient(problem, initial_state(problem), batch(problem, np.arange(1), 0))
    for name, gradient in views(done.gradient[0], problem.network.entries).items():
        assert explained[f"∂J/∂{name}"].ravel() == pytest.approx(gradient.ravel(), rel=1e-12)


def is_written_as_a_script(problem: Problem, folder: Path) -> None:
    run = train(problem, max_steps=12, history_every=4)
    losses = dict(zip(run.history.steps, run.history.objective[:, 1].tolist(), strict=True))
    script = training_script(problem, member=1, steps=12, losses=losses)
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed):
        exec(compile(script, "script.py", "exec"), {"__name__": "__main__", "__file__": ""})
    assert [line.split()[-1] for line in printed.getvalue().splitlines()] == ["same"] * len(losses)


def predicts_in_onnx(problem: Problem, folder: Path) -> None:
    import onnxruntime

    run = train(problem, max_steps=9)
    to_onnx(run, folder / "run.onnx", member=1)
    [outputs] = onnxruntime.InferenceSession(folder / "run.onnx").run(["outputs"], {"X": problem.x[:5]})
    np.testing.assert_allclose(outputs, run.outputs(problem.x[:5])[1], rtol=1e-12, atol=1e-14)


def predicts_in_torch(problem: Problem, folder: Path) -> None:
    import torch

    run = train(problem, max_steps=9)
    with torch.no_grad():
        outputs = to_torch(run, 1)(torch.tensor(problem.x[:5])).numpy()
    np.testing.assert_allclose(outputs, run.outputs(problem.x[:5])[1], rtol=1e-12, atol=1e-12)


FORMS = [
    pytest.param(is_proved, marks=pytest.mark.needs("torch")),
    is_trained_alike_alone_and_compiled,
    is_explained,
    is_written_as_a_script,
    pytest.param(predicts_in_onnx, marks=pytest.mark.needs("onnxruntime")),
    pytest.param(predicts_in_torch, marks=pytest.mark.needs("torch")),
]


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("chain", CHAINS.values(), ids=CHAINS)
def test_every_layer_has_every_form(chain: list[Any], form: Callable[[Problem, Path], None], tmp_path: Path) -> None:
    form(problem_with_layers(chain, members=5), tmp_path)


def rms_norm(x: Any, g: Any, epsilon: float) -> Any:
    return g * x / np.sqrt((x * x).mean(-1, keepdims=True) + epsilon)


def maxout(x: Any, W: Any, b: Any, V: Any, c: Any) -> Any:
    u, v = x @ W + b, x @ V + c
    first = u > v

    def backward(dz: Any) -> Any:
        du, dv, xt = np.where(first, dz, 0 * dz), np.where(first, 0 * dz, dz), np.swapaxes(x, -1, -2)
        dx = du @ np.swapaxes(W, -1, -2) + dv @ np.swapaxes(V, -1, -2)
        return dx, xt @ du, du.sum(-2, keepdims=True), xt @ dv, dv.sum(-2, keepdims=True)

    return np.where(first, u, v), backward


def highway(x: Any, W: Any, b: Any, V: Any, c: Any) -> Any:
    h, t = np.tanh(x @ W + b), 1 / (1 + np.exp(-(x @ V + c)))
    return t * h + (1 - t) * x


OWN: list[tuple[Any, dict[str, Any], dict[str, Any]]] = [
    (rms_norm, {"arrays": {"g": ("1 D", 1.0)}, "parameters": {"epsilon": 1e-6}}, {}),
    (maxout, {"arrays": {"W": "D H", "b": "1 H", "V": "D H", "c": "1 H"}}, {"units": 4}),
    (highway, {"arrays": {"W": "D D", "b": "1 D", "V": "D D", "c": ("1 D", -1.0)}}, {}),
]


@pytest.mark.slow
@pytest.mark.needs("onnxruntime")
@pytest.mark.parametrize(("function", "options", "place"), OWN)
def test_layers_of_ones_own_have_every_form(function: Any, options: Any, place: Any, tmp_path: Path) -> None:
    register_layer("own_layer", function, **options)
    try:
        problem = problem_with_layers([4, 5, "tanh", {"name": "own_layer", **place}, 3], members=5)
        assert check_problem(problem.take(np.arange(1))).ok
        for form in (is_trained_alike_alone_and_compiled, is_explained, is_written_as_a_script, predicts_in_onnx):
            form(problem, tmp_path)
        problem = problem.take(np.arange(1))
        text = explain_update(problem, initial_state(problem)).text()
        assert "own_layer of a1" in text
    finally:
        unregister("layer", "own_layer")


def test_a_layer_that_cannot_be_recorded_has_no_script() -> None:
    register_layer("own_layer", lambda x: (np.sort(x, -1) * 0 + x, lambda upstream: upstream))
    try:
        with refuses("own_layer"):
            training_script(problem_with_layers([4, "own_layer", 3]), steps=1, losses={})
    finally:
        unregister("layer", "own_layer")


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
