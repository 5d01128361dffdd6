"""Parse the binary version of CIFAR-10 to records of bytes: a label, then 32 × 32 pixels, red, then green, then blue.

Source: Krizhevsky, Learning multiple layers of features from tiny images, 2009,
https://www.cs.toronto.edu/~kriz/cifar.html.

N images.    records [N, 1 + 3072]
"""

import numpy as np

from deltarule.errors import BadInput

RECORD = 1 + 3 * 32 * 32


def parse_cifar_records(content: bytes, where: str) -> np.ndarray:
    """Parse a file's bytes to CIFAR-10 records, uint8 [N, 3073], the label first; `where` is its name in errors.

    Parameters: `content`, decompressed; `where`, its name in error messages, usually the path.
    Returns: records, uint8 [N, 3073], the label first; not writable.
    Errors: `BadInput` for anything but one or more whole records.

    >>> records = parse_cifar_records(bytes([9]) + bytes(3072), "one.bin")
    >>> records.shape, int(records[0, 0])
    ((1, 3073), 9)
    """
    if not content or len(content) % RECORD:
        raise BadInput(
            f"{where} holds {len(content)} bytes, which is no whole number of records of {RECORD} bytes: "
            "it is cut off, or not CIFAR-10's binary version; get it again"
        )
    return np.frombuffer(content, np.uint8).reshape(-1, RECORD)
