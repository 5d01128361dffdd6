"""How much a file may unpack to: what claims far more than it is, or never ends, is refused and fills no memory."""

import zipfile
from io import RawIOBase
from pathlib import Path
from typing import Any

from deltarule.errors import BadInput

ROOM = 2**30
"""Bytes that any file may unpack to."""


def check_unpacked(path: Path, unpacked: int) -> None:
    """Refuse a file that says it unpacks to far more than it is.

    Parameters: `unpacked`, the bytes that it says it unpacks to.
    Errors: `BadInput` for more than a gigabyte that is more than a hundred times the file.

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     file = Path(folder) / "small"
    ...     _ = file.write_bytes(b"x")
    ...     check_unpacked(file, 2**30)
    """
    # How many times its own size a file may unpack to beyond that.
    if unpacked > max(ROOM, 100 * path.stat().st_size):
        raise BadInput(
            f"{path} has {path.stat().st_size:,} bytes and says that it unpacks to {unpacked / 2**30:,.0f} GiB; "
            "save it again without compression"
        )


def check_zip(path: Path, archive: zipfile.ZipFile) -> None:
    """Refuse a zip archive, as an npz file is one, that says it unpacks to far more than it is; as `check_unpacked`.

    What lies in it is read no further than it says, so that it is what it unpacks to at most.
    """
    check_unpacked(path, sum(member.file_size for member in archive.infolist()))


class Bounded(RawIOBase):
    """A stream that is read up to a place and no further, for what a bomb unpacks to has no end.

    Parameters: `stream`, which can be gone back in; `most`, the bytes of it that make sense; `where`, what an error
    calls it.
    Errors: `BadInput`, where more is asked of it.

    >>> from io import BytesIO
    >>> Bounded(BytesIO(b"abc"), 3, "letters").read(3)
    b'abc'
    """

    def __init__(self, stream: Any, most: int, where: str) -> None:
        self.stream, self.most, self.where = stream, most, where

    def read(self, size: int = -1) -> bytes:
        """Read so many bytes, or all that there are."""
        self._check_size(self.stream.tell() + max(size, 0))
        content: bytes = self.stream.read(size if size >= 0 else self.most + 1 - self.stream.tell())
        self._check_size(self.stream.tell())
        return content

    def seek(self, offset: int, whence: int = 0) -> int:
        """Go to a place, counted from the beginning."""
        self._check_size(offset)
        return int(self.stream.seek(offset, whence))

    def tell(self) -> int:
        """Where in the stream it is."""
        return int(self.stream.tell())

    def seekable(self) -> bool:
        """Whether it can be gone back in: it can."""
        return True

    def _check_size(self, place: int) -> None:
        if place > self.most:
            raise BadInput(
                f"{self.where} holds more than the {self.most:,} bytes that make sense: it is damaged; get it again"
            )
