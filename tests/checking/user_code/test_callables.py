"""Functions are called as they are meant: with all parameters in one, one by one, by name, or with none."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from deltarule import check_update
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
