"""Refuse files that decompress to an implausible size, before they fill the memory."""

import zipfile
from io import RawIOBase
from pathlib import Path
from typing import Any

from deltarule.errors import BadInput

MAX_UNPACKED_BYTES = 2**30
"""Bytes that any file, however small, may decompress to."""


def check_unpacked(path: Path, unpacked_bytes: int) -> None:
    """Refuse a file that declares a decompressed size above 1 GiB and above a hundred times its own.

    Parameters: `unpacked_bytes`, the size that the file declares for its decompressed content.
    Errors: `BadInput` for more than a gigabyte that is more than a hundred times the file.

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     file = Path(folder) / "small"
    ...     _ = file.write_bytes(b"x")
    ...     check_unpacked(file, 2**30)
    """
    # Beyond that a file may decompress to a hundred times its own size.
    if unpacked_bytes > max(MAX_UNPACKED_BYTES, 100 * path.stat().st_size):
        raise BadInput(
            f"{path} has {path.stat().st_size:,} bytes and says that it unpacks to {unpacked_bytes / 2**30:,.0f} GiB; "
            "save it again without compression"
        )


def check_zip(path: Path, archive: zipfile.ZipFile) -> None:
    """Refuse a zip or npz archive whose members declare too large a decompressed size in sum, as `check_unpacked`.

    `zipfile` reads no more of a member than its declared size.
    """
    check_unpacked(path, sum(member.file_size for member in archive.infolist()))


class BoundedStream(RawIOBase):
    """A seekable stream that raises an error beyond a maximum position, because a bomb decompresses without end.

    Parameters: `stream`, seekable; `max_bytes`, the maximum position; `name`, of the file, for an error.
    Errors: `BadInput` for reading or seeking beyond the maximum.

    >>> from io import BytesIO
    >>> BoundedStream(BytesIO(b"abc"), 3, "letters").read(3)
    b'abc'
    """

    def __init__(self, stream: Any, max_bytes: int, name: str) -> None:
        self.stream, self.max_bytes, self.name = stream, max_bytes, name

    def read(self, size: int = -1) -> bytes:
        """Read `size` bytes, or everything if it is negative; `BadInput` beyond the maximum."""
        self._check_size(self.stream.tell() + max(size, 0))
        content: bytes = self.stream.read(size if size >= 0 else self.max_bytes + 1 - self.stream.tell())
        self._check_size(self.stream.tell())
        return content

    def seek(self, offset: int, whence: int = 0) -> int:
        """Go to a position; `offset` is checked as if it were counted from the beginning."""
        self._check_size(offset)
        return int(self.stream.seek(offset, whence))

    def tell(self) -> int:
        """The current position."""
        return int(self.stream.tell())

    def seekable(self) -> bool:
        """Always true."""
        return True

    def _check_size(self, position: int) -> None:
        """Refuse a position beyond the maximum."""
        if position > self.max_bytes:
            raise BadInput(
                f"{self.name} holds more than the {self.max_bytes:,} bytes that make sense: it is damaged; get it again"
            )
