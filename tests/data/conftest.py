"""Small data sets in the forms of the published ones, with digests of their own."""

import hashlib
import struct
from dataclasses import dataclass

import numpy as np
import pytest

from deltarule.data.published import CIFAR10, MNIST, Published


def to_idx(array):
    """The bytes of an IDX file: two zero bytes, the type of the numbers, the dimensions, then the sizes."""
    return bytes([0, 0, 8, array.ndim]) + struct.pack(f">{array.ndim}I", *array.shape) + array.tobytes()


@dataclass
class Made:
    """A published data set that is small: its record, and what its files hold."""

    published: Published
    contents: dict[str, bytes]


@pytest.fixture
def digits():
    """Three training and two test images, shaped as MNIST."""
    random = np.random.default_rng(0)
    contents = {}
    for part, count in (("train", 3), ("t10k", 2)):
        contents[f"{part}-images-idx3-ubyte"] = to_idx(random.integers(0, 256, (count, 28, 28), np.uint8))
        contents[f"{part}-labels-idx1-ubyte"] = to_idx(random.integers(0, 10, count, np.uint8))
    return made(MNIST, contents)


@pytest.fixture
def photos():
    """Two images in each file, shaped as CIFAR-10."""
    random = np.random.default_rng(0)
    names = list(CIFAR10.files)
    records = {name: random.integers(0, 256, (2, 3073), np.uint8) for name in names}
    for array in records.values():
        array[:, 0] %= 10
    return made(CIFAR10, {name: array.tobytes() for name, array in records.items()})


def made(like, contents):
    files = {name: (hashlib.sha256(content).hexdigest(),) for name, content in contents.items()}
    return Made(Published(**{**vars(like), "files": files}), contents)
