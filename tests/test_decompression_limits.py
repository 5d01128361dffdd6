from io import BytesIO
from pathlib import Path

import pytest

from deltarule.decompression_limits import BoundedStream, check_unpacked
from deltarule.errors import BadInput


class Counted(BytesIO):
    """A stream that knows how much was read of it at once."""

    most = 0

    def read(self, size: int | None = -1) -> bytes:
        content = super().read(size)
        self.most = max(self.most, len(content))
        return content


def test_of_what_is_too_large_no_more_is_unpacked_than_reports_that_it_is() -> None:
    stream = Counted(bytes(10_000))
    with pytest.raises(BadInput, match="more than the 100 bytes"):
        BoundedStream(stream, 100, "x").read()
    assert stream.most == 101


def test_what_just_fits_is_read_whole() -> None:
    assert BoundedStream(BytesIO(b"ab"), 2, "x").read() == b"ab"


def test_a_large_file_may_unpack_to_a_hundred_times_its_size_and_a_small_one_to_a_gigabyte(tmp_path: Path) -> None:
    size = 2**26  # of which no disk has to keep anything
    for name, length, most in (("large", size, 100 * size), ("small", 1, 2**30)):
        with (tmp_path / name).open("wb") as file:
            file.truncate(length)
        check_unpacked(tmp_path / name, most)
        with pytest.raises(BadInput, match=f"{name} has {length:,} bytes and says that it unpacks to"):
            check_unpacked(tmp_path / name, most + 1)
