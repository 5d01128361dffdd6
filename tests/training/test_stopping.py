import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from deltarule.training.stopping import summed_after

NUMBERS = st.floats(-1e6, 1e6)


@given(st.lists(NUMBERS, max_size=30), st.lists(st.integers(0, 30), max_size=5))
def test_a_sum_does_not_know_where_it_was_divided(values, cuts):
    values, total = np.array(values), 0.0
    for part in np.split(values, sorted(min(cut, len(values)) for cut in cuts)):
        total = summed_after(total, part)
    expected = 0.0
    for value in values.tolist():
        expected += value
    assert total == expected
