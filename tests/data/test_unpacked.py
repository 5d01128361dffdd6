from io import BytesIO

import pytest

from deltarule.data.unpacked import Bounded
from deltarule.errors import BadInput


class Counted(BytesIO):
    """A stream that knows how much was read of it at once."""

    most = 0

    def read(self, size: int | None = -1) -> bytes:
        content = super().read(size)
        self.most = max(self.most, len(content))
        return content


def test_of_what_is_too_large_no_more_is_unpacked_than_tells_that_it_is() -> None:
    stream = Counted(bytes(10_000))
    with pytest.raises(BadInput, match="more than the 100 bytes"):
        Bounded(stream, 100, "x").read()
    assert stream.most == 101


def test_what_just_fits_is_read_whole() -> None:
    assert Bounded(BytesIO(b"ab"), 2, "x").read() == b"ab"
