"""Generated data sets: of the encoder and boundary studies, and in the plane.

Every data set is a function of its options: the same seed gives the same points.

N points    x [N, 2]    labels [N]    targets [N, 1]
"""

from typing import Any

import numpy as np

from deltarule.data.dataset import Dataset, Rows
from deltarule.problem.ranges import Range

OPTION_RANGES = {
    "samples": Range("a whole number from 1 to 1000000", 1, 10**6, is_whole=True),  # 16 MB: for typing errors
    "noise": Range("a number from 0 to 10", 0, 10),
    "seed": Range(f"a whole number from 0 to {2**64 - 1}", 0, 2**64 - 1, is_whole=True),
    "classes": Range("a whole number from 2 to 50", 2, 50, is_whole=True),  # the plane shows no more apart
    "squares": Range("a whole number from 2 to 20", 2, 20, is_whole=True),
    "size": Range("a whole number from 2 to 10000", 2, 10_000, is_whole=True),
}
"""The allowed values of the options of generated data sets."""


def one_hot(size: int = 8) -> Dataset:
    """The rows of the identity matrix, each its own class."""
    size = _option("size", size)
    names = tuple(str(number) for number in range(size))
    return Dataset(
        name="one_hot",
        train=Rows(x=np.eye(size), labels=np.arange(size)),
        features=names,
        classes=names,
        note=f"Made by the program: the {size} one-hot vectors of length {size}; each is its own class.",
    )


def linear(samples: int = 100, seed: int = 0) -> Dataset:
    """Uniform points of the unit square, labeled 1 below the diagonal, else 0.

    The boundary report says neither how its points were drawn nor how they were labeled; these are what its exercise
    usually has. Swapping the labels mirrors the problem and changes nothing else.
    """
    samples = _option("samples", samples)
    seed = _option("seed", seed)
    points = np.random.Generator(np.random.Philox(key=seed)).random((samples, 2))
    note = f"{samples} uniform points of the unit square (seed {seed}); class 1 where x0 > x1"
    return _make_dataset("linear", Rows(x=points, labels=points[:, 0] > points[:, 1]), 2, note)


def xor() -> Dataset:
    """The 21 points of the boundary report on the diagonals of the unit square.

    Class 0 on the rising diagonal, 1 on the falling one; in the order rising, falling, rising …, the centre once
    (class 0).
    """
    tenths = np.arange(11)
    both = np.stack([tenths, tenths, tenths, 10 - tenths], axis=1).reshape(-1, 2) / 10
    points, labels = (np.delete(array, 11, axis=0) for array in (both, np.arange(22) % 2))
    note = "21 points on the diagonals of the unit square; class 1 on the falling diagonal"
    return _make_dataset("xor", Rows(x=points, labels=labels), 2, note)


def spirals(samples: int = 300, noise: float = 0.03, seed: int = 0, classes: int = 2) -> Dataset:
    """Interleaved spirals, one for each class, around the center.

    The noise is the standard deviation added to both coordinates, which range from −1 to 1 without it.
    """
    random = _validated_generator(samples, noise, seed)
    labels = _alternate_labels(samples, classes)
    radius = np.sqrt(random.random(samples))  # points of equal density along the spiral's area
    angle = 2 * np.pi * (labels / classes + radius)  # one turn from the center to the rim
    points = np.stack([radius * np.cos(angle), radius * np.sin(angle)], 1)
    points += noise * random.standard_normal(points.shape)
    return _make_dataset("spirals", Rows(points, labels), classes, f"{samples} points of spirals (seed {seed})")


def circles(samples: int = 300, noise: float = 0.05, seed: int = 0, classes: int = 2) -> Dataset:
    """Concentric rings, one for each class, the first one a disk."""
    random = _validated_generator(samples, noise, seed)
    labels = _alternate_labels(samples, classes)
    width = 1 / (classes - 0.5)  # rings of equal width with gaps half as wide
    radius = labels * width + np.where(labels == 0, np.sqrt(random.random(samples)), random.random(samples)) * width / 2
    angle = 2 * np.pi * random.random(samples)
    points = np.stack([radius * np.cos(angle), radius * np.sin(angle)], 1)
    points += noise * random.standard_normal(points.shape)
    return _make_dataset("circles", Rows(points, labels), classes, f"{samples} points of circles (seed {seed})")


def clusters(samples: int = 300, noise: float = 0.15, seed: int = 0, classes: int = 3) -> Dataset:
    """Clouds of points, one for each class, with their centers on a circle.

    The noise is the standard deviation of a cloud.
    """
    random = _validated_generator(samples, noise, seed)
    labels = _alternate_labels(samples, classes)
    angle = 2 * np.pi * labels / classes
    points = 0.7 * np.stack([np.cos(angle), np.sin(angle)], 1) + noise * random.standard_normal((samples, 2))
    return _make_dataset("clusters", Rows(points, labels), classes, f"{samples} points of clusters (seed {seed})")


def checkerboard(samples: int = 300, noise: float = 0.0, seed: int = 0, squares: int = 2) -> Dataset:
    """Uniform points whose class is the color of their square on a checkerboard.

    There are `squares` along each side.
    """
    random = _validated_generator(samples, noise, seed)
    squares = _option("squares", squares)
    unit = random.random((samples, 2))
    labels = (unit * squares).astype(np.int64).sum(1) % 2
    points = 2 * unit - 1 + noise * random.standard_normal(unit.shape)
    return _make_dataset("checkerboard", Rows(points, labels), 2, f"{samples} points of a checkerboard (seed {seed})")


def hills(samples: int = 300, noise: float = 0.05, seed: int = 0) -> Dataset:
    """A smooth surface for regression, y = sin(π x₀) cos(π x₁).

    The noise is the standard deviation added to the target.
    """
    random = _validated_generator(samples, noise, seed)
    points = 2 * random.random((samples, 2)) - 1
    targets = np.sin(np.pi * points[:, 0]) * np.cos(np.pi * points[:, 1]) + noise * random.standard_normal(samples)
    note = f"{samples} points of y = sin(π x0) cos(π x1), noise {noise:g} (seed {seed})"
    return _make_dataset("hills", Rows(x=points, targets=targets[:, None]), 0, note)


def _make_dataset(name: str, rows: Rows, classes: int, note: str) -> Dataset:
    names = tuple(map(str, range(classes)))
    return Dataset(name, rows, features=("x0", "x1"), classes=names, note=f"Made by the program: {note}.")


def _validated_generator(samples: int, noise: float, seed: int) -> np.random.Generator:
    _option("samples", samples)
    _option("noise", noise)
    return np.random.Generator(np.random.Philox(key=_option("seed", seed)))


def _option(name: str, value: Any) -> Any:
    return OPTION_RANGES[name].check(name, value)


def _alternate_labels(samples: int, classes: int) -> np.ndarray:
    return np.arange(samples) % _option("classes", classes)
