import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays

from deltarule.playground.frame_format import decode, encode

NAMES = st.text(min_size=1, max_size=8)


@given(
    st.dictionaries(NAMES.filter(lambda name: name != "arrays"), st.integers() | st.text() | st.none(), max_size=4),
    st.dictionaries(NAMES, arrays(np.float32, array_shapes(max_dims=3, min_side=0)), max_size=4),
)
def test_a_frame_is_read_as_it_was_written(header, numbers):
    read_header, read_numbers = decode(encode(header, numbers))
    assert read_header == header
    assert list(read_numbers) == list(numbers)
    for name, array in numbers.items():
        np.testing.assert_array_equal(read_numbers[name], array)


def test_numbers_that_are_not_finite_are_null_in_a_header():
    header, _ = decode(encode({"values": {"objective": float("nan")}, "high": [float("inf")]}, {}))
    assert header == {"values": {"objective": None}, "high": [None]}
