"""Read files that may be compressed by gzip or xz, recognized by their first bytes."""

import gzip
import lzma
import zlib
from pathlib import Path
from typing import IO

from deltarule.errors import BadInput

GZIP, XZ = b"\x1f\x8b", b"\xfd7zXZ\x00"


# Where a file lies that has this name, plain or compressed.
ENDINGS = ("", ".gz", ".xz")


def read_decompressed(path: Path, most: int) -> bytes:
    """The content of a file, decompressed if necessary.

    Parameters: `most`, the largest content that makes sense: a few bytes beyond it are read, and nothing after that.
    Errors: `BadInput` for a file that cannot be read or decompressed.

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     _ = (Path(folder) / "greeting").write_bytes(gzip.compress(b"hello"))
    ...     read_decompressed(Path(folder) / "greeting", most=100)
    b'hello'
    """
    try:
        with path.open("rb") as file:
            return decompressed_stream(file, str(path), most)
    except OSError as error:
        raise BadInput(f"{path} cannot be read: {error.strerror}; check that it is a file you may read") from error


def decompressed_stream(file: IO[bytes], where: str, most: int) -> bytes:
    """The decompressed content of an open file, as `read_decompressed`."""
    begin = file.read(len(XZ))
    file.seek(0)
    try:
        if begin.startswith(GZIP):
            return gzip.GzipFile(fileobj=file).read(most + 1)
        return _from_xz(file.read(), most + 1) if begin.startswith(XZ) else file.read(most + 1)
    except (EOFError, gzip.BadGzipFile, zlib.error, lzma.LZMAError) as error:
        raise BadInput(
            f"{where} cannot be decompressed ({str(error).rstrip('.')}): it is cut off or damaged; get it again"
        ) from error


def _from_xz(content: bytes, most: int) -> bytes:
    # Bytes that decompressing xz may take: its strongest setting takes a quarter of it, a file may ask for gigabytes.
    decompressor = lzma.LZMADecompressor(lzma.FORMAT_XZ, memlimit=2**28)
    unpacked = decompressor.decompress(content, most)
    if not decompressor.eof and len(unpacked) < most:
        raise EOFError("it ends before its content does")
    return unpacked
