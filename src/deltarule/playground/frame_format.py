"""Encode and decode frames, the binary messages to the page.

    length of the header, uint32 · header, UTF-8, with spaces to a multiple of four bytes · arrays, one after another

All numbers are little-endian. The header names each array with its shape under "arrays", in their order.
"""

import json
import struct
from collections.abc import Mapping
from typing import Any

import numpy as np

from deltarule.json_files import to_jsonable
from deltarule.problem.problem import Floats


def encode(header: Mapping[str, Any], arrays: Mapping[str, Floats]) -> bytes:
    """Encode a header and arrays by name as the bytes of a frame.

    >>> decode(encode({"step": 3}, {"theta": np.array([1.0, 2.0])}))
    ({'step': 3}, {'theta': array([1., 2.], dtype=float32)})
    """
    table = {**header, "arrays": [[name, list(array.shape)] for name, array in arrays.items()]}
    text = json.dumps(to_jsonable(table), allow_nan=False).encode()
    text += b" " * (-len(text) % 4)
    parts = [struct.pack("<I", len(text)), text]
    return b"".join([*parts, *(np.ascontiguousarray(array, "<f4").tobytes() for array in arrays.values())])


def decode(frame: bytes) -> tuple[dict[str, Any], dict[str, Floats]]:
    """Decode a frame into its header and its arrays by name: the inverse of `encode`."""
    (length,) = struct.unpack_from("<I", frame)
    header = json.loads(frame[4 : 4 + length])
    start, arrays = 4 + length, {}
    for name, shape in header.pop("arrays"):
        size = int(np.prod(shape))
        arrays[name] = np.frombuffer(frame, "<f4", size, start).reshape(shape)
        start += 4 * size
    return header, arrays
