"""Ways in which code takes its parameters and returns its loss."""

from typing import Any

import numpy as np
import pytest
from linear_code import PARAMS, X, Y, gradient, loss

from deltarule import Network, check_gradient


@pytest.mark.slow
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


@pytest.mark.slow
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


GENERATOR = np.random.RandomState(1337)
L1 = GENERATOR.uniform(-0.4, 0.4, (12, 16)).astype(np.float32)
L2 = GENERATOR.uniform(-0.4, 0.4, (16, 10)).astype(np.float32)
DIGITS, LABELS = GENERATOR.rand(8, 12).astype(np.float32), GENERATOR.randint(0, 10, 8)


def both_of_globals(k: float = 1.0) -> Any:
    h = np.maximum(DIGITS.dot(L1), 0)
    z = h.dot(L2)
    p = np.exp(z - z.max(1, keepdims=True))
    p /= p.sum(1, keepdims=True)
    d = p.copy()
    d[range(8), LABELS] -= 1
    d /= 8
    return -np.log(p[range(8), LABELS]).mean(), [DIGITS.T.dot((h > 0) * d.dot(L2.T)), k * h.T.dot(d)]


@pytest.mark.parametrize("k", [1.0, 1.001])
@pytest.mark.parametrize("ignores", [False, True])
def test_variables_in_float32_are_given_arrays_with_more_digits(k: float, ignores: bool) -> None:
    """In float32 the steps would be so wide that they meet the kinks of ReLU."""
    kept = L1, L2
    ways: list[Any] = [(lambda: both_of_globals()[0], lambda: both_of_globals(k)[1])]
    if ignores:
        ways = [(lambda a, b: both_of_globals()[0], lambda a, b: both_of_globals(k)[1])]
    report = check_gradient(*ways[0], [L1, L2])
    assert [array.verdict for array in report.arrays] == ["right", "right" if k == 1 else "wrong"]
    assert report.compared == L1.size + L2.size
    assert L1.dtype == np.float32 and L1 is kept[0] and L2 is kept[1]
