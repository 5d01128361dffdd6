"""Functions are called as they are meant: with all parameters in one, one by one, by name, or with none."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from deltarule import check_gradient, check_update
from deltarule.checking.user_code.arrays import flatten
from deltarule.checking.user_code.callables import find_caller

X = np.random.default_rng(0).normal(size=(6, 3))
W, B, SQUARE = np.ones((3, 2)), np.array([0.5, -1.0]), np.eye(3)


def whole(params: Any, scale: float = 1.0) -> Any:
    return scale * ((X @ params[0] + params[1]) ** 2).sum()


def whole_by_another_name(everything: Any, scale: float = 1.0) -> Any:
    W, b = everything
    return scale * ((X @ W + b) ** 2).sum()


def one_by_one(W: Any, b: Any = 0.0) -> Any:
    return ((X @ W + b) ** 2).sum()


def one_alone(W: Any, strength: float = 0.1) -> Any:
    return ((X @ W) ** 2).sum() + strength * (W**2).sum()


def one_in_a_list(w: Any) -> Any:
    return ((X @ w[0]) ** 2).sum()


def over_all(nets: Any, k: float = 1.0) -> Any:
    return sum((k * w**2).sum() for w in nets)


def two_in_one(ab: Any, strength: float = 0.0) -> Any:
    a, b = ab
    return a @ b + strength


def in_a_dictionary(network: Any, scale: float = 1.0) -> Any:
    return scale * ((X @ network["u"] + network["c"]) ** 2).sum()


@pytest.mark.parametrize(
    ("function", "params", "value"),
    [
        (whole, [W, B], ((X @ W + B) ** 2).sum()),
        (whole, (SQUARE, SQUARE[0]), ((X + SQUARE[0]) ** 2).sum()),
        (whole_by_another_name, [W, B], ((X @ W + B) ** 2).sum()),
        (one_by_one, (W, B), ((X @ W + B) ** 2).sum()),
        (one_by_one, (SQUARE, SQUARE[:1]), ((X + SQUARE[0]) ** 2).sum()),
        (one_by_one, [W], ((X @ W) ** 2).sum()),
        (one_alone, [W], ((X @ W) ** 2).sum() + 0.1 * (W**2).sum()),
        (one_alone, {"weights": W}, ((X @ W) ** 2).sum() + 0.1 * (W**2).sum()),
        (over_all, [np.ones(2), 0.5 * np.ones(2)], 2.5),
        (two_in_one, [np.array([1.0, 2.0]), np.array([3.0, 4.0])], 11.0),
        (one_in_a_list, [W], ((X @ W) ** 2).sum()),
        (in_a_dictionary, {"u": W, "c": B}, ((X @ W + B) ** 2).sum()),
    ],
)
def test_parameters_are_passed_by_signature(function: Callable[..., Any], params: Any, value: Any) -> None:
    given = flatten(params)
    assert find_caller(function, given, "loss")(given.values) == pytest.approx(value)


def test_optional_parameter_of_gradient() -> None:
    def gradient(W: Any, b: Any = 0.0) -> Any:
        error = 2 * (X @ W + b)
        return X.T @ error, error.sum(0)

    assert check_gradient(one_by_one, gradient, (W, B)).ok
    assert check_gradient(one_alone, lambda W, strength=0.1: [2 * X.T @ X @ W + 2 * strength * W], [W]).ok


def test_step_is_not_tried() -> None:
    """A step may keep velocities, which a call more would have changed."""
    calls = []

    def step(w: Any) -> Any:
        calls.append(1)
        return [w[0] - 0.1 * 2 * w[0]]

    assert check_update(step, lambda w: (w[0] ** 2).sum(), [B], 0.1).ok and len(calls) == 1


GRADIENTS: list[Callable[..., Any]] = [
    lambda W: 2 * W,
    lambda W: W * 2,
    lambda W: W + W,
    lambda W: [2 * W],
    lambda W: np.multiply(2, W),
]


def squares(W: Any) -> Any:
    return (W**2).sum()


def squares_of_anything(W: Any) -> Any:
    return np.square(W).sum()


@pytest.mark.parametrize("params", [W, [W], (W,), {"W": W}])
@pytest.mark.parametrize("loss", [squares, squares_of_anything])
@pytest.mark.parametrize("gradient", GRADIENTS)
def test_list_of_one_array(loss: Any, gradient: Any, params: Any) -> None:
    """Of the list [W], 2 * W is [W, W]; the sum of squares has the gradient 2 W."""
    assert check_gradient(loss, gradient, params).ok
    report = check_gradient(loss, lambda W: 3 * W, params)
    assert not report.ok and "1.5 times" in report.diagnosis[0].sentence


def test_loss_is_called_like_gradient() -> None:
    """The length of [W] is 1, that of W is 3."""

    def loss(W: Any) -> Any:
        return np.square(W).sum() / len(W)

    assert check_gradient(loss, lambda W: 2 * W / len(W), [W]).ok
    assert check_gradient(lambda W: (squares_of_anything(W), 2 * W), None, [W]).ok


def test_step_is_called_like_loss() -> None:
    assert check_update(lambda W: W - 0.1 * 2 * W, squares, [W], 0.1).ok
