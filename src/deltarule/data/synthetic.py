"""The generated data sets of the encoder and boundary studies."""

import numpy as np

from deltarule.data.dataset import Dataset, Rows
from deltarule.errors import BadInput


def one_hot(size: int = 8) -> Dataset:
    """The rows of the identity matrix, each its own class.

    Parameters
    ----------
    size : the number of rows, inputs and classes: 2 to 10,000.

    Raises
    ------
    BadInput
        For another size.

    Examples
    --------
    >>> one_hot(3).train.x.tolist()
    [[1.0, 0.0, 0.0], [0.0, 1.0, 0.0], [0.0, 0.0, 1.0]]
    """
    size = whole_number("size", size, range(2, 10_001))
    names = tuple(str(number) for number in range(size))
    return Dataset(
        name="one_hot",
        train=Rows(x=np.eye(size), labels=np.arange(size)),
        features=names,
        classes=names,
        note=f"The {size} one-hot vectors of length {size}, made by the program; each is its own class.",
    )


def linear(samples: int = 100, seed: int = 0) -> Dataset:
    """Uniform points of the unit square, labeled 1 below the diagonal, else 0.

    The boundary report says "by side of the diagonal" and leaves open which side is 1; swapping the labels mirrors
    the problem and changes nothing else.

    Parameters
    ----------
    samples : the number of points, 1 to 10 million.
    seed : 0 to 2**64 − 1 (the key of a Philox generator, so that the points are the same on every machine).

    Raises
    ------
    BadInput
        For other numbers.

    Examples
    --------
    >>> linear(samples=4).train.labels.shape
    (4,)
    """
    samples = whole_number("samples", samples, range(1, 10_000_001))
    seed = whole_number("seed", seed, range(2**64))
    points = np.random.Generator(np.random.Philox(key=seed)).random((samples, 2))
    return Dataset(
        name="linear",
        train=Rows(x=points, labels=points[:, 0] > points[:, 1]),
        features=("x0", "x1"),
        classes=("0", "1"),
        note=f"{samples} uniform points of the unit square (seed {seed}), made by the program; class 1 where x0 > x1.",
    )


def xor() -> Dataset:
    """The 21 points of the boundary report on the diagonals of the unit square.

    Class 0 on the rising diagonal, 1 on the falling one; in the order rising, falling, rising …, the centre once
    (class 0).

    >>> xor().train.x[:3].tolist(), xor().train.labels[:3].tolist()
    ([[0.0, 0.0], [0.0, 1.0], [0.1, 0.1]], [0, 1, 0])
    """
    points, labels = [], []
    for tenth in range(11):
        points.append((tenth / 10, tenth / 10))
        labels.append(0)
        if tenth != 5:
            points.append((tenth / 10, (10 - tenth) / 10))
            labels.append(1)
    return Dataset(
        name="xor",
        train=Rows(x=np.array(points), labels=np.array(labels)),
        features=("x0", "x1"),
        classes=("0", "1"),
        note="21 points on the diagonals of the unit square, made by the program; class 1 on the falling diagonal.",
    )


def whole_number(name: str, value: int, allowed: range) -> int:
    """Validate an option that must be a whole number in the allowed range."""
    if isinstance(value, bool) or not isinstance(value, int | np.integer) or int(value) not in allowed:
        raise BadInput(f"{name} is {value!r}; give a whole number from {allowed.start} to {allowed.stop - 1}")
    return int(value)
