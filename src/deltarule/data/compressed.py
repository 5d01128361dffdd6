"""Read files that may be compressed by gzip or xz, recognized by their first bytes."""

import gzip
import lzma
import zlib
from pathlib import Path
from typing import IO

from deltarule.errors import BadInput

GZIP, XZ = b"\x1f\x8b", b"\xfd7zXZ\x00"


# What may be appended to a file's name: uncompressed, gzip, xz.
ENDINGS = ("", ".gz", ".xz")


def read_decompressed(path: Path, max_bytes: int) -> bytes:
    """Read at most `max_bytes` + 1 bytes of the content of a file, decompressed if necessary.

    Parameters: `max_bytes`, the size of the largest valid content.
    Errors: `BadInput` for a file that cannot be read or decompressed.

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     _ = (Path(folder) / "greeting").write_bytes(gzip.compress(b"hello"))
    ...     read_decompressed(Path(folder) / "greeting", max_bytes=100)
    b'hello'
    """
    try:
        with path.open("rb") as file:
            return decompressed_stream(file, str(path), max_bytes)
    except OSError as error:
        raise BadInput(f"{path} cannot be read: {error.strerror}; check that it is a file you may read") from error


def decompressed_stream(file: IO[bytes], where: str, max_bytes: int) -> bytes:
    """Read at most `max_bytes` + 1 bytes of an open file, decompressed if necessary; `where` is its name in errors."""
    begin = file.read(len(XZ))
    file.seek(0)
    try:
        if begin.startswith(GZIP):
            return gzip.GzipFile(fileobj=file).read(max_bytes + 1)
        return _decompress_xz(file.read(), max_bytes + 1) if begin.startswith(XZ) else file.read(max_bytes + 1)
    except (EOFError, gzip.BadGzipFile, zlib.error, lzma.LZMAError) as error:
        raise BadInput(
            f"{where} cannot be decompressed ({str(error).rstrip('.')}): it is cut off or damaged; get it again"
        ) from error


def _decompress_xz(content: bytes, max_bytes: int) -> bytes:
    """Decompress the first `max_bytes` bytes of xz data; raise `EOFError` if it is cut off."""
    # A file may ask for gigabytes of memory; the strongest setting of xz needs a quarter of this limit.
    decompressor = lzma.LZMADecompressor(lzma.FORMAT_XZ, memlimit=2**28)
    unpacked = decompressor.decompress(content, max_bytes)
    if not decompressor.eof and len(unpacked) < max_bytes:
        raise EOFError("it ends before its content does")
    return unpacked
