"""The optimizers against PyTorch's own, where they mean the same, on any sequence of gradients."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from lanes import examples

from deltarule.maths.optimizers import OPTIMIZERS

STEPS, PARAMETERS = 30, 6
# PyTorch's name of each optimizer, and what it calls our numbers there. Its velocity is −1/α of ours, so that the two
# agree while α stays the same.
SAME: dict[str, tuple[Callable[..., torch.optim.Optimizer], Callable[..., dict[str, Any]]]] = {
    "sgd": (torch.optim.SGD, dict),
    "momentum": (torch.optim.SGD, lambda momentum: {"momentum": momentum}),
    "nesterov": (torch.optim.SGD, lambda momentum: {"momentum": momentum, "nesterov": True}),
    "adagrad": (torch.optim.Adagrad, lambda initial, epsilon: {"initial_accumulator_value": initial, "eps": epsilon}),
    "rmsprop": (torch.optim.RMSprop, lambda decay, epsilon: {"alpha": decay, "eps": epsilon}),
    "adam": (torch.optim.Adam, lambda beta1, beta2, epsilon: {"betas": (beta1, beta2), "eps": epsilon}),
    "adamw": (
        torch.optim.AdamW,
        lambda weight_decay, beta1, beta2, epsilon: {
            "weight_decay": weight_decay,
            "betas": (beta1, beta2),
            "eps": epsilon,
        },
    ),
    "rprop": (
        torch.optim.Rprop,
        lambda increase, decrease, smallest, largest: {
            "etas": (decrease, increase),
            "step_sizes": (smallest, largest),
        },
    ),
}
NUMBERS = {
    "momentum": st.floats(0.1, 0.99),
    "decay": st.floats(0.5, 0.99),
    "beta1": st.floats(0, 0.95),
    "beta2": st.floats(0.5, 0.9999),
    "epsilon": st.floats(1e-10, 1e-3),
    "initial": st.sampled_from([0.0, 1e-8, 1.0]),
    "weight_decay": st.floats(0, 0.5),
    "increase": st.floats(1.05, 1.5),
    "decrease": st.floats(0.2, 0.9),
    "smallest": st.floats(1e-6, 1e-4),
    "largest": st.floats(0.2, 5.0),
}


def ours(name: str, theta: np.ndarray, gradients: np.ndarray, numbers: dict[str, float]) -> np.ndarray:
    """θ after each update."""
    optimizer = OPTIMIZERS[name]
    assert optimizer.update
    slots, path = [np.zeros_like(theta) for _ in optimizer.slots], []
    for t, g in enumerate(gradients, start=1):
        if optimizer.once_a_step:
            theta, *slots = optimizer.update(theta, g, *slots, **optimizer.once_a_step(float(t), **numbers))
        else:
            theta, *slots = optimizer.update(theta, g, *slots, **numbers)
        path.append(theta)
    return np.array(path)


def theirs(name: str, theta: np.ndarray, gradients: np.ndarray, numbers: dict[str, float]) -> np.ndarray:
    make, renamed = SAME[name]
    parameter = torch.nn.Parameter(torch.tensor(theta))
    others = {key: value for key, value in numbers.items() if key != "learning_rate"}
    optimizer = make([parameter], lr=numbers["learning_rate"], **renamed(**others))
    path = []
    for g in gradients:
        parameter.grad = torch.tensor(g)
        optimizer.step()
        path.append(parameter.detach().numpy().copy())
    return np.array(path)


def test_all_but_those_of_our_own_are_here() -> None:
    assert set(OPTIMIZERS) - set(SAME) == {"normalized_gradient"}


@pytest.mark.parametrize("name", SAME)
@given(
    data=st.data(), seed=st.integers(0, 10**6), learning_rate=st.floats(1e-4, 0.1), size=st.sampled_from([1e-6, 1, 1e3])
)
@settings(max_examples=examples(30))
def test_every_step_is_pytorchs(name: str, data: st.DataObject, seed: int, learning_rate: float, size: float) -> None:
    random = np.random.default_rng(seed)
    theta, gradients = random.normal(size=PARAMETERS), size * random.normal(size=(STEPS, PARAMETERS))
    gradients[random.uniform(size=gradients.shape) < 0.1] = 0  # a dead unit now and then
    numbers = {"learning_rate": learning_rate}
    numbers |= {key: data.draw(NUMBERS[key], key) for key in OPTIMIZERS[name].parameters}
    expected = theirs(name, theta, gradients, numbers)
    np.testing.assert_allclose(
        ours(name, theta, gradients, numbers), expected, rtol=1e-11, atol=1e-12 * np.abs(expected).max()
    )


@pytest.mark.parametrize("name", SAME)
def test_the_defaults_are_pytorchs_where_both_have_one(name: str) -> None:
    make, renamed = SAME[name]
    defaults = make([torch.zeros(1)], lr=0.1).defaults
    given_names = renamed(**OPTIMIZERS[name].parameters)
    known_apart = {
        "momentum": {"momentum"},  # 0 there, which is no momentum
        "nesterov": {"momentum", "nesterov"},
        "rmsprop": {"alpha"},  # 0.99 there; 0.9 in the lecture that it is from
    }
    for key, value in given_names.items():
        if key not in known_apart.get(name, set()):
            assert defaults[key] == pytest.approx(value), key
