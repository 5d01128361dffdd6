import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from deltarule.sweeps.grid import as_python

PLAIN = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
)


@given(PLAIN)
def test_values_of_toml_are_unchanged(value):
    assert as_python(value) == value


@pytest.mark.parametrize("values", [np.array, pd.Series, tuple, pd.Index])
@given(numbers=st.lists(st.integers(-(2**31), 2**31), min_size=1))
def test_nested_arrays_become_lists(values, numbers):
    found = as_python({"a": [values(numbers), {"b": values(numbers)}]})
    assert found == {"a": [numbers, {"b": numbers}]} and {type(one) for one in found["a"][0]} == {int}
