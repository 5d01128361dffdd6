import struct

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from deltarule.data.idx import parse_idx, to_idx
from deltarule.errors import BadInput


@given(arrays(np.uint8, st.one_of(st.tuples(st.integers(1, 5)), st.tuples(*[st.integers(1, 4)] * 3))))
def test_what_is_written_is_read(array):
    read = parse_idx(to_idx(array), "file", array.ndim)
    assert np.array_equal(read, array) and read.shape == array.shape


def test_the_header_is_that_of_the_format():
    # As the authors of the format describe it: 0x00000803, then the sizes, the most significant byte first.
    content = struct.pack(">4I", 2051, 2, 1, 3) + bytes(range(6))
    assert parse_idx(content, "images", 3).tolist() == [[[0, 1, 2]], [[3, 4, 5]]]


@pytest.mark.parametrize(
    ("content", "dimensions", "told"),
    [
        (b"", 1, "images begins with nothing, not with 00 00 08 01: it is no IDX file of labels"),
        (struct.pack(">2I", 2051, 1), 1, "begins with 00 00 08 03, not with 00 00 08 01"),
        (struct.pack(">4I", 2049, 1, 1, 1) + b"1", 3, "it is no IDX file of images"),
        (struct.pack(">4I", 3331, 1, 1, 1) + b"1111", 3, "begins with 00 00 0d 03"),
        (struct.pack(">4I", 2051, 2, 2, 2) + b"1234567", 3, "says that it holds 2 × 2 × 2 bytes, and holds 7"),
        (struct.pack(">2I", 2049, 3) + b"1234", 1, "says that it holds 3 bytes, and holds 4"),
        (struct.pack(">4I", 2051, 0, 2**32 - 1, 2**32 - 1), 3, "says that it holds 0 × 4294967295 × 4294967295 bytes"),
    ],
)
def test_anything_else_is_reported(content, dimensions, told):
    with pytest.raises(BadInput) as error:
        parse_idx(content, "images", dimensions)
    assert told in str(error.value)
