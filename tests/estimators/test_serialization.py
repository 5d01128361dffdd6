from typing import Any

import numpy as np
import pytest

from deltarule.estimators.serialization import plain


class Strange:
    """As NumPy's long complex numbers are, in a form of which every system has one."""

    def tolist(self) -> Any:
        return Strange()


class Called(Strange):
    def __call__(self) -> None:
        raise AssertionError


@pytest.mark.parametrize(
    "value", [Strange(), Called(), np.clongdouble(1), np.float64, print], ids=lambda one: type(one).__name__
)
def test_what_has_no_form_stays_behind(value: Any) -> None:
    assert plain(value) is None
    assert plain({"one": value}) == {"pairs": [["one", None]]}
