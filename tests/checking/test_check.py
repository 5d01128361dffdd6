"""Arguments of the checks: bad input, networks, labels and data of any type."""

import math
from typing import Any

import numpy as np
import pytest
from linear_code import LABELS, PARAMS, X, Y, gradient, loss

from deltarule import BadInput, Network, check_gradient, check_object, check_update, check_vjp


def _like(**given: Any) -> Any:
    """A check of a network with a hidden layer, of its data as they are given."""
    params = {"W1": np.ones((4, 3)), "b1": np.zeros(3), "W2": np.ones((3, 1)), "b2": np.zeros(1)}

    def value(p: dict[str, Any]) -> Any:
        return ((np.tanh(X @ p["W1"] + p["b1"]) @ p["W2"] + p["b2"]) ** 2).sum()

    data = {"like": Network([4, 3, 1], "tanh"), "x": X, "y": Y[:, 0]} | given
    return check_gradient(value, lambda p: p, params, **data)


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: check_gradient(loss, lambda p: {"W": p["W"]}, PARAMS), "lacks the gradient of b"),
        (lambda: check_gradient(loss, lambda p: {**gradient(p), "b": None}, PARAMS), "a NoneType as the gradient of b"),
        (lambda: check_gradient(loss, lambda p: gradient(p)["W"], PARAMS), "where params holds W, b"),
        (
            lambda: check_gradient(loss, gradient, {"W": np.ones((4, 2), bool), "b": PARAMS["b"]}),
            "W holds bool; give arrays of floating-point numbers",
        ),
        (lambda: check_gradient(loss, gradient, {}), "holds no arrays"),
        (lambda: check_gradient(loss, gradient, {**PARAMS, "b": np.array([1.0, np.nan])}), r"b\[1\] is nan"),
        (
            lambda: check_gradient(lambda p: len(3), gradient, PARAMS),
            r"loss raised TypeError.*test_check.py, line",
        ),
        (lambda: check_gradient(lambda p: X @ p["W"], gradient, PARAMS), r"shape \(8, 2\); a loss is one number"),
        (lambda: check_gradient(lambda p: np.log(-1.0), gradient, PARAMS), "the loss is nan at these parameters"),
        (lambda: check_gradient(loss, lambda p: {**p, "b": p["b"] / 0}, PARAMS), r"gradient of b\[0\] is inf"),
        (lambda: check_gradient(lambda a, b, c, d: 1.0, gradient, PARAMS), r"takes \(a, b, c, d\) and params holds"),
        (lambda: check_gradient(loss, None, PARAMS), "no gradient beside the loss"),
        (lambda: check_gradient(loss, loss, PARAMS), "no gradient beside the loss"),
        (lambda: check_gradient(loss, gradient(PARAMS), PARAMS), "gradient is dict, which cannot be called; give a"),
        (lambda: check_gradient(_stops, gradient, PARAMS, hint="all"), "hint is 'all'; give 0 the verdict, 1 which"),
        (lambda: check_vjp(_stops, _stops, X, hint="all"), "hint is 'all'"),
        (lambda: check_update(_stops, _stops, PARAMS, 0.1, hint="all"), "hint is 'all'"),
        (lambda: check_object(object(), params=[], grads=[], loss=lambda: _stops(0), hint=5), "hint is 5"),
        (lambda: check_gradient(loss, gradient, PARAMS, like=Network([4, 2])), "without its data; give x and y"),
        (lambda: check_gradient(loss, gradient, PARAMS, like=Network([4, 3]), x=X, y=Y), "do not fit the network"),
        (
            lambda: check_gradient(loss, gradient, PARAMS, like=Network([4, 2, 2]), x=X, y=Y),
            "but the network has",
        ),
        (lambda: _like(x=np.where(X == X[1, 2], np.nan, X)), r"x\[1, 2\] is nan; give finite numbers"),
        (lambda: check_update(lambda p: None, loss, PARAMS, 0.1), "the step changes no parameter"),
        (lambda: check_update(lambda p: None, loss, PARAMS, 0), "learning_rate is 0; give a number above 0"),
        (lambda: check_update(lambda p: None, loss, PARAMS, 0.1, momentum=1.0), "momentum is 1.0"),
        (lambda: check_object(object(), params=["W"], grads=["dW"], loss=lambda: 1.0), "there is no 'W' in the object"),
        (lambda: check_object(object(), params=["W"], grads=[], loss=lambda: 1.0), "a gradient for each parameter"),
        (lambda: check_vjp(np.tanh, None, X), "no backward function"),
        (lambda: check_vjp(lambda: X**2, lambda g: 2 * X * g, X), "forward takes no arguments; give a function of the"),
        (lambda: check_vjp(lambda x: np.log(x), lambda g: g, X), "forward gives a number that is not finite at"),
        (lambda: check_gradient(_later, gradient, PARAMS), "_later is an async function; give a plain one"),
        (lambda: check_gradient(lambda: 1.0, lambda: [1.0], (0.5,)), "is of type float, which cannot be moved"),
        (lambda: check_gradient(lambda: 1.0, lambda: [1.0], [np.array([1])]), "holds int64, in which nothing moves a"),
        (
            lambda: check_gradient(lambda w: (np.ones((3, 2)) @ w).sum(), gradient, np.ones((5, 4))),
            r"np\.ones\(\(3, 2\)\) @ w has the shapes \(3, 2\) and \(5, 4\): the first must have as many columns",
        ),
        (
            lambda: check_gradient(lambda w: math.log(w[0]), lambda w: 1 / w, np.array([1e-12])),
            r"loss raised ValueError: .*, when w was moved a little; check at parameters around which",
        ),
    ],
)
def test_bad_input_gets_one_sentence(call: Any, words: str) -> None:
    with np.errstate(all="ignore"), pytest.raises(BadInput, match=words) as raised:
        call()
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize("y", [LABELS > 0, (LABELS > 0).tolist()])
def test_labels_of_any_type_are_read(y: Any) -> None:
    def both(W: Any) -> Any:
        e = np.exp(X @ W)
        p = e / e.sum(1, keepdims=True)
        return -np.log(p[np.arange(len(X)), LABELS]).mean(), X.T @ (p - np.eye(2)[LABELS]) / len(X)

    network = Network([4, 2], output="softmax", bias=False)
    report = check_gradient(both, None, PARAMS["W"], like=network, x=X, y=y)
    assert report.ok and any(note.startswith("the loss was recognized") for note in report.notes)


async def _later(params: Any) -> Any:
    return loss(params)


def _stops(params: Any) -> float:
    raise AssertionError("a wrong hint is noticed before anything is called")


def test_hyperparameters_beside_parameters_are_left_alone() -> None:
    def value(p: dict[str, Any]) -> Any:
        return p["lr"] * loss(p)

    def slope(p: dict[str, Any]) -> dict[str, Any]:
        return {f"g{name}": p["lr"] * array for name, array in gradient(p).items()}

    report = check_gradient(value, slope, {**PARAMS, "lr": 0.1})
    assert report.ok and [array.name for array in report.arrays] == ["W", "b"]
