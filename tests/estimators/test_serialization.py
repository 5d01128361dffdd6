from typing import Any

import numpy as np
import pytest

from deltarule.estimators.serialization import to_json_value


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
    assert to_json_value(value) is None
    assert to_json_value({"one": value}) == {"pairs": [["one", None]]}
