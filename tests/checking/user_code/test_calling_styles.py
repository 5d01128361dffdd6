"""Ways in which code takes its parameters and returns its loss."""

from typing import Any

import numpy as np
import pytest
from linear_code import PARAMS, X, Y, gradient, loss

from deltarule import Network, check_gradient, check_vjp


def test_ambiguous_loss_is_noted() -> None:
    y = np.arange(8) % 2

    def backwards(w: Any, b: Any) -> Any:
        p = 1 / (1 + np.exp(-(X @ w + b)))
        return X.T @ (p - y), (p - y).sum(), -(y * np.log(p) + (1 - y) * np.log(1 - p)).sum()

    report = check_gradient(backwards, None, (np.ones(4), 0.1))
    assert report.verdict == "WRONG"
    assert any("returns 2 numbers, and the first" in note and "the loss first" in note for note in report.notes)
    forwards = check_gradient(lambda w, b: backwards(w, b)[::-1][:1] + backwards(w, b)[:2], None, (np.ones(4), 0.1))
    assert forwards.ok and not forwards.notes


@pytest.mark.parametrize("together", [True, False])
@pytest.mark.parametrize(("factor", "codes"), [(1, []), (-1, ["sign"])])
def test_loss_that_ignores_its_argument_is_moved_in_place(together: bool, factor: int, codes: list[str]) -> None:
    held = {name: one.copy() for name, one in PARAMS.items()}

    def both(_: Any) -> Any:
        return loss(held), {name: factor * one for name, one in gradient(held).items()}

    given = (both, None) if together else (lambda _: both(_)[0], lambda _: both(_)[1])
    report = check_gradient(*given, held, like=Network([4, 2]), x=X, y=Y)
    assert report.ok == (not codes) and [one.code for one in report.diagnosis] == codes
    assert report.methods == ("central differences",)
    assert all(np.array_equal(held[name], PARAMS[name]) for name in PARAMS)


class Foreign:
    """An array of another library, as those of JAX are: it turns into one of NumPy where it is asked to."""

    def __init__(self, values: Any) -> None:
        self.values = np.asarray(values)

    def __array__(self, dtype: Any = None, copy: Any = None) -> Any:
        return np.array(self.values, dtype)


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize(("factor", "codes"), [(1, []), (2, ["factor_two"])])
def test_arrays_of_another_library_are_read(dtype: Any, factor: int, codes: list[str]) -> None:
    def value_and_grad(w: Any) -> Any:
        w = np.asarray(w, dtype)
        return Foreign((X.astype(dtype) @ w * w.sum()).sum()), Foreign(factor * slope(w))

    def slope(w: Any) -> Any:
        x = X.astype(dtype)
        return x.sum(0) * w.sum() + (x @ w).sum()

    def forward(x: Any) -> Any:
        return Foreign(np.tanh(np.asarray(x, dtype)))

    def back(upstream: Any) -> Any:
        return (Foreign(factor * np.asarray(upstream, dtype) * (1 - np.tanh(X.astype(dtype)) ** 2)),)

    w = np.array([0.5, -1.0, 2.0, 0.3])
    pair = check_gradient(lambda w: value_and_grad(w)[0], lambda w: value_and_grad(w)[1], w)
    for report in (pair, check_gradient(value_and_grad, None, w), check_vjp(forward, back, X)):
        assert [mistake.code for mistake in report.diagnosis] == codes and report.ok == (not codes)


def test_rows_of_plain_numbers_are_one_array() -> None:
    def value(p: Any) -> Any:
        assert all(isinstance(p[name], list) for name in p)
        return loss({name: np.array(one) for name, one in p.items()})

    def slope(p: Any, columns: int = 2) -> Any:
        found = gradient({name: np.array(one) for name, one in p.items()})
        found["W"][:, columns:] = 0
        return {name: one.tolist() for name, one in found.items()}

    lists = {name: one.tolist() for name, one in PARAMS.items()}
    like: Any = {"like": Network([4, 2]), "x": X, "y": Y}
    assert check_gradient(value, slope, lists, **like).ok
    report = check_gradient(value, lambda p: slope(p, 1), lists)
    assert [mistake.code for mistake in report.diagnosis] == ["single_row"]
    assert report.diagnosis[0].sentence == "only the column W[:, 1] of the gradient is wrong"
