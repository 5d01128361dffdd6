"""Ways in which code takes its parameters and returns its loss."""

from typing import Any

import numpy as np
import pytest
from linear_code import PARAMS, X, Y, gradient, loss

from deltarule import Network, check_gradient


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
