"""Learning-rate factors and the neural-tangent parametrization in every engine, and against explicit networks."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from lanes import examples

from deltarule.engines.autograd import AutogradEngine
from deltarule.engines.base import Engine
from deltarule.engines.compiled.engine import CompiledEngine
from deltarule.engines.reference import ReferenceEngine
from deltarule.maths.network import views
from deltarule.maths.optimizers import OPTIMIZERS
from deltarule.problem.create import create_problem
from deltarule.problem.network import Network
from deltarule.problem.problem import Problem
from deltarule.problem.state import initial_state

SMALL, LARGE = (5, 4, 3, 2), (5, 40, 30, 2)
UPDATED = [name for name, optimizer in OPTIMIZERS.items() if optimizer.update]
FACTORS = {"b": 0.1, "W2": 3.0, "b3": 0.0}


def population(sizes: tuple[int, ...] = SMALL, **changed: Any) -> Problem:
    rng = np.random.default_rng(0)
    given: dict[str, Any] = {
        "learning_rate": [0.02, 0.01, 0.03],
        "batch_size": 7,
        "schedule": "cosine",
        "seeds": range(3),
        "learning_rate_factors": FACTORS,
        "parametrization": "neural_tangent",
        **changed,
    }
    x, y = rng.normal(size=(23, sizes[0])), rng.normal(size=(23, sizes[-1]))
    return create_problem(Network(sizes, "tanh"), x, y, **given)


def apart(problem: Problem, engine: Engine, steps: int = 6) -> float:
    start = initial_state(problem)
    (ours, seen), (expected, objective) = (one.advance(problem, start, steps) for one in (engine, ReferenceEngine()))
    assert np.allclose(seen.objective, objective.objective, rtol=1e-5)
    return float(np.abs(ours.theta - expected.theta).max())


@pytest.mark.parametrize("optimizer", UPDATED)
def test_autograd_makes_the_reference_step(optimizer: str) -> None:
    assert apart(population(optimizer=optimizer, penalty="l2", strength=0.01), AutogradEngine()) <= 1e-12


CASES = [
    ("sgd", SMALL, "float64"),
    ("adamw", SMALL, "float64"),
    ("adam", LARGE, "float64"),
    ("adamw", LARGE, "float32"),
]
CASES += [("normalized_gradient", SMALL, "float64"), ("rmsprop", SMALL, "float32"), ("momentum", LARGE, "float32")]


@pytest.mark.sampled(3)
@pytest.mark.parametrize(("optimizer", "sizes", "dtype"), CASES, ids=str)
def test_a_compiled_program_makes_the_reference_step(optimizer: str, sizes: tuple[int, ...], dtype: str) -> None:
    problem = population(sizes, optimizer=optimizer, dtype=dtype, penalty="l2", strength=0.01)
    assert CompiledEngine().notes(problem) == ()
    assert apart(problem, CompiledEngine()) <= (1e-12 if dtype == "float64" else 1e-6)


@pytest.mark.slow
@pytest.mark.parametrize("sizes", [SMALL, LARGE])
def test_a_member_alone_is_the_member_in_a_population(sizes: tuple[int, ...]) -> None:
    problem = population(sizes, optimizer="adamw", seeds=range(9), learning_rate=np.linspace(0.01, 0.05, 9))
    for engine in (ReferenceEngine(), CompiledEngine()):
        together, _ = engine.advance(problem, initial_state(problem), 5)
        alone = problem.take(np.array([7]))
        only, _ = engine.advance(alone, initial_state(alone), 5)
        assert np.array_equal(only.theta[0], together.theta[7])


@pytest.mark.parametrize("sizes", [SMALL, LARGE])
@pytest.mark.parametrize("engine", [ReferenceEngine, AutogradEngine, CompiledEngine])
def test_an_array_of_factor_0_stays_as_it_begins(engine: Callable[[], Engine], sizes: tuple[int, ...]) -> None:
    problem = population(sizes, optimizer="adam", learning_rate_factors={"W": 0, "b2": 0})
    start = initial_state(problem)
    after, _ = engine().advance(problem, start, 4)
    for entry in problem.network.entries:
        part = slice(entry.start, entry.stop)
        stays = np.array_equal(after.theta[:, part], start.theta[:, part])
        assert stays == (entry.symbol == "W" or entry.name == "b2")


@pytest.mark.parametrize("optimizer", UPDATED)
@settings(max_examples=examples(10))
@given(factor=st.floats(0.01, 100))
def test_one_factor_of_all_arrays_is_another_learning_rate(optimizer: str, factor: float) -> None:
    plain: dict[str, Any] = {"optimizer": optimizer, "parametrization": "standard"}
    factors = {"W": factor, "b": factor}
    with_factors = population(**plain, learning_rate=0.01, learning_rate_factors=factors)
    other_rate = population(**plain, learning_rate=0.01 * factor, learning_rate_factors={})
    one, other = (ReferenceEngine().advance(each, initial_state(each), 5)[0] for each in (with_factors, other_rate))
    assert np.allclose(one.theta, other.theta, rtol=1e-9, atol=1e-12)


class NeuralTangentLayer(torch.nn.Module):
    """x V / √D + b, written out."""

    def __init__(self, W: np.ndarray, b: np.ndarray) -> None:
        super().__init__()
        self.V = torch.nn.Parameter(torch.tensor(W * len(W) ** 0.5))
        self.b = torch.nn.Parameter(torch.tensor(b[0].copy()))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x @ self.V / len(self.V) ** 0.5 + self.b


THEIRS: dict[str, Callable[..., torch.optim.Optimizer]] = {
    "sgd": torch.optim.SGD,
    "momentum": lambda groups, lr: torch.optim.SGD(groups, lr, momentum=0.9),
    "nesterov": lambda groups, lr: torch.optim.SGD(groups, lr, momentum=0.9, nesterov=True),
    "adagrad": lambda groups, lr: torch.optim.Adagrad(groups, lr, eps=1e-3),
    "rmsprop": lambda groups, lr: torch.optim.RMSprop(groups, lr, alpha=0.9, eps=1e-3),
    "adam": lambda groups, lr: torch.optim.Adam(groups, lr, eps=1e-3),
    "adamw": lambda groups, lr: torch.optim.AdamW(groups, lr, eps=1e-3, weight_decay=0.3),
}


@pytest.mark.parametrize("optimizer", THEIRS)
@settings(max_examples=examples(5))
@given(seed=st.integers(0, 999), factor=st.sampled_from([1.0, 0.1]))
def test_training_is_that_of_an_explicit_network_in_pytorch(optimizer: str, seed: int, factor: float) -> None:
    """With a large ε and decay, which would show if their factors were wrong."""
    rng = np.random.default_rng(seed)
    x, y = rng.normal(size=(11, 6)), rng.normal(size=(11, 2))
    numbers = {"epsilon": 1e-3, "weight_decay": 0.3}
    own = {key: value for key, value in numbers.items() if key in OPTIMIZERS[optimizer].parameters}
    problem = create_problem(
        Network([6, 5, 2], "tanh", initializer="lecun_normal"),
        x,
        y,
        reduction="sum",
        optimizer={"name": optimizer, **own},
        learning_rate=0.01,
        learning_rate_factors={"b": factor},
        parametrization="neural_tangent",
        seeds=[seed],
    )
    state = initial_state(problem)
    arrays = views(state.theta[0], problem.network.entries)
    layers = [NeuralTangentLayer(arrays[f"W{n}"], arrays[f"b{n}"]) for n in (1, 2)]
    model = torch.nn.Sequential(layers[0], torch.nn.Tanh(), layers[1])
    groups = [
        {"params": [layer.V for layer in layers], "lr": 0.01},
        {"params": [layer.b for layer in layers], "lr": 0.01 * factor, "weight_decay": 0.0},
    ]
    theirs = THEIRS[optimizer](groups, 0.01)
    for _ in range(15):
        theirs.zero_grad()
        ((model(torch.tensor(x)) - torch.tensor(y)) ** 2).sum().backward()
        theirs.step()
    after, _ = ReferenceEngine().advance(problem, state, 15)
    found = views(after.theta[0], problem.network.entries)
    for n, layer in enumerate(layers, 1):
        expected = layer.V.detach().numpy() / len(layer.V) ** 0.5
        np.testing.assert_allclose(found[f"W{n}"], expected, rtol=1e-9, atol=1e-11)
        np.testing.assert_allclose(found[f"b{n}"][0], layer.b.detach().numpy(), rtol=1e-9, atol=1e-11)
