"""Parse and write IDX files, the format of MNIST: a magic number, the sizes, then the bytes.

Source: LeCun, Cortes & Burges, The MNIST database, http://yann.lecun.com/exdb/mnist.

N images of R × C pixels.    images [N, R, C]    labels [N]
"""

import math
import struct

import numpy as np

from deltarule.errors import BadInput

# Two zero bytes, then the type of the numbers (8: one unsigned byte each), then how many sizes follow.
UNSIGNED_BYTES = b"\x00\x00\x08"


def parse_idx(content: bytes, where: str, dimensions: int) -> np.ndarray:
    """Parse an IDX file's bytes to a uint8 array with this number of dimensions; `where` is its name in errors.

    Parameters: `content`, decompressed; `where`, its name in error messages, usually the path; `dimensions`, the number
    of array dimensions that it must have: 1 for labels, 3 for images.
    Returns: uint8 in the shape that the file states, not writable.
    Errors: `BadInput` for another magic number, other dimensions, a size of 0, and more or fewer bytes than the sizes
    ask for.

    >>> parse_idx(b"\\x00\\x00\\x08\\x01" + b"\\x00\\x00\\x00\\x03" + b"\\x07\\x02\\x01", "labels", 1)
    array([7, 2, 1], dtype=uint8)
    """
    header = 4 + 4 * dimensions
    if len(content) < header or content[:3] != UNSIGNED_BYTES or content[3] != dimensions:
        raise BadInput(
            f"{where} begins with {content[:4].hex(' ') or 'nothing'}, not with {UNSIGNED_BYTES.hex(' ')} "
            f"{dimensions:02x}: it is no IDX file of {'labels' if dimensions == 1 else 'images'}; get it again"
        )
    sizes = struct.unpack(f">{dimensions}I", content[4:header])
    text = " × ".join(str(size) for size in sizes)
    if 0 in sizes:
        raise BadInput(f"{where} says that it holds {text} bytes, which is nothing; get it again")
    if len(content) - header != math.prod(sizes):
        raise BadInput(
            f"{where} says that it holds {text} bytes, and holds {len(content) - header}: it is cut off or damaged; "
            "get it again"
        )
    return np.frombuffer(content, np.uint8, offset=header).reshape(sizes)


def to_idx(array: np.ndarray) -> bytes:
    """Convert a uint8 array to the bytes of an IDX file, the inverse of `parse_idx`.

    Parameters: `array`, uint8.

    >>> to_idx(np.array([7, 2], np.uint8)).hex(" ")
    '00 00 08 01 00 00 00 02 07 02'
    """
    return UNSIGNED_BYTES + bytes([array.ndim]) + struct.pack(f">{array.ndim}I", *array.shape) + array.tobytes()
