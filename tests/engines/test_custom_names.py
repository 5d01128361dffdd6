"""Custom formulas with the name of a built-in one: all engines train them, and no export takes the built-in one."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from refusals import refuses
from unproved import unproved

from deltarule.checking.problem_gradient import check_problem
from deltarule.engines.selection import engine
from deltarule.estimators.mlp.regressor import MLPRegressor
from deltarule.export.model_scripts import numpy_script
from deltarule.export.torch_modules import to_torch
from deltarule.export.training_script import training_script
from deltarule.maths.activations import Activation
from deltarule.maths.losses import Loss
from deltarule.problem import registry
from deltarule.problem.create import create_problem
from deltarule.problem.network import Network
from deltarule.problem.problem import Problem
from deltarule.training.train import train

X, Y = [[0.0, 0.0], [0.0, 1.0], [1.0, 0.0], [1.0, 1.0]], [0.0, 1.0, 1.0, 0.0]


def square(z: Any) -> Any:
    return z * z


def square_derivative(z: Any, a: Any) -> Any:
    return 2 * z


def fourth_power(p: Any, y: Any) -> Any:
    return (p - y) ** 4


def fourth_power_derivative(p: Any, y: Any) -> Any:
    return 4 * (p - y) ** 3


RELU = unproved(Activation("relu", square, square_derivative))


def problem(name: str = "relu", **options: Any) -> Problem:
    activation = unproved(Activation(name, square, square_derivative))
    return create_problem(Network([2, 3, 1], activation, "sigmoid"), X, Y, learning_rate=0.1, **options)


@pytest.mark.parametrize("name", ["reference", "compiled", "autograd"])
@pytest.mark.parametrize("loss", ["squared_error", "binary_cross_entropy"])
@pytest.mark.needs("torch")
def test_engines_train_a_custom_relu(name: str, loss: str) -> None:
    custom = unproved(Loss(loss, fourth_power, fourth_power_derivative))
    expected = train(problem("square", loss=unproved(Loss("own", fourth_power, fourth_power_derivative))), max_steps=9)
    run = train(problem(loss=custom), engine=engine(name), max_steps=9)
    np.testing.assert_allclose(run.state.theta, expected.state.theta, rtol=1e-12)


@pytest.mark.parametrize("name", ["reference", "compiled"])
def test_a_custom_sigmoid_is_not_fused_with_its_loss(name: str) -> None:
    def bounded(z: Any) -> Any:
        return 0.5 + 0.25 * np.tanh(z)

    def bounded_derivative(z: Any, a: Any) -> Any:
        return 0.25 - (2 * a - 1) ** 2

    problems = [
        create_problem(
            Network([2, 1], output=unproved(Activation(title, bounded, bounded_derivative, "unit"))),
            X,
            Y,
            loss="binary_cross_entropy",
        )
        for title in ("sigmoid", "own")
    ]
    states = [train(one, engine=name, max_steps=5).state for one in problems]
    np.testing.assert_array_equal(states[0].theta, states[1].theta)


def test_check_problem_proves_a_custom_relu() -> None:
    assert check_problem(problem()).ok


@pytest.mark.needs("torch")
def test_pytorch_computes_a_custom_relu() -> None:
    import torch

    run = train(problem(), max_steps=2)
    given = torch.tensor(X, dtype=torch.float64)
    np.testing.assert_allclose(to_torch(run)(given).detach().numpy(), run.outputs(X)[0], rtol=1e-12)


@pytest.mark.needs("torch")
def test_scripts_refuse_a_custom_relu(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with refuses("relu"):
        training_script(problem(), steps=2, losses={})
    monkeypatch.setitem(registry._TABLES["activation"], "relu", RELU)
    model = MLPRegressor(hidden_layer_sizes=(3,), solver="lbfgs", random_state=0).fit(X, Y)
    with refuses("relu"):
        numpy_script(model)
