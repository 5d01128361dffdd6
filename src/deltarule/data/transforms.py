"""Scales of the inputs, fitted on the training rows alone and applied to all rows.

N rows · D inputs.    x [N, D]    shift [D]    factor [D]    →    (x − shift) · factor
"""

from dataclasses import dataclass

import numpy as np

from deltarule.data.dataset import Dataset, Rows, with_parts
from deltarule.errors import BadInput

SCALES = ("none", "unit", "standardize", "center")

# So many columns at a time are worked on in float64, so that images stay small in memory.
COLUMNS = 256


@dataclass(frozen=True, eq=False)
class Transform:
    """A scale as numbers, by which new data are treated as the training rows were.

    Parameters: `how`, its name, one of `SCALES`; `shift` [D] and `factor` [D], float64.

    >>> Transform("unit", shift=np.zeros(2), factor=np.full(2, 0.5)).apply(np.array([[2.0, 4.0]]))
    array([[1., 2.]])
    """

    how: str
    shift: np.ndarray
    factor: np.ndarray

    def apply(self, x: np.ndarray) -> np.ndarray:
        """(x − shift) · factor, in float64 for float64 and in float32 for float32 and uint8.

        Parameters: `x` [N, D].
        Returns: a new array [N, D], not writable.
        Errors: `BadInput` when the number of columns is another.

        >>> Transform("center", shift=np.array([1.0]), factor=np.ones(1)).apply(np.array([[3.0]]))
        array([[2.]])
        """
        if x.ndim != 2 or x.shape[1] != len(self.shift):
            raise BadInput(
                f"x has the shape {x.shape}; the scale was fitted on {len(self.shift)} columns, so give as many"
            )
        scaled: np.ndarray = x.astype(np.float32 if x.dtype.name in ("uint8", "float32") else np.float64)
        scaled -= self.shift.astype(scaled.dtype)
        scaled *= self.factor.astype(scaled.dtype)
        scaled.setflags(write=False)  # so that every problem of these rows can share them
        return scaled


def scale(dataset: Dataset, how: str) -> tuple[Dataset, Transform]:
    """Scale the inputs of all parts by what the training rows say.

    Parameters: `how`: "none"; "unit", divide everything by the largest absolute number in the training rows (images:
    255, digits: 16); "standardize", zero mean and unit variance in each column (a column that never varies becomes
    0); "center", subtract the mean training row.
    Returns: the scaled data set, and the scale as a `Transform`.
    Errors: `BadInput` for another name, and for numbers so large or small that scaling them overflows.

    >>> from deltarule.data.bundled import digits
    >>> scaled, transform = scale(digits(), "unit")
    >>> float(scaled.train.x.max()), float(transform.factor[0])
    (1.0, 0.0625)
    """
    if how not in SCALES:
        raise BadInput(f"the scale {how!r} is unknown; choose one of {', '.join(SCALES)}")
    if how == "none":
        return dataset, Transform(how, np.zeros(dataset.inputs), np.ones(dataset.inputs))
    with np.errstate(all="ignore"):  # what overflows is refused in the next lines, with the column's name
        transform = _fit(dataset.train.x, how)
        _check(dataset, transform)
        parts = {name: _scaled(rows, transform) for name, rows in dataset.parts.items()}
    return with_parts(dataset, parts), transform


def _fit(x: np.ndarray, how: str) -> Transform:
    shift, factor = np.zeros(x.shape[1]), np.ones(x.shape[1])
    if how == "unit":
        largest = float(max(x.max(), -float(x.min())))
        return Transform(how, shift, factor / largest if largest else factor)
    for start in range(0, x.shape[1], COLUMNS):
        block = slice(start, start + COLUMNS)
        mean, deviation = _moments(x[:, block].astype(np.float64))
        shift[block] = mean
        if how == "standardize":
            factor[block] = np.where(deviation == 0, 0.0, 1 / deviation)
    return Transform(how, shift, factor)


def _moments(x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Mean and standard deviation of each column; exact for a column that never varies."""
    mean = np.where(x.min(0) == x.max(0), x[0], x.mean(0))  # the rounded mean of equal numbers may be another number
    centered = x - mean
    largest = np.abs(centered).max(0)
    # Squares of very small numbers would all be 0, so divide first.
    relative = centered / np.where(largest > 0, largest, 1.0)
    return mean, largest * np.sqrt((relative**2).mean(0))


def _check(dataset: Dataset, transform: Transform) -> None:
    bad = ~(np.isfinite(transform.shift) & np.isfinite(transform.factor))
    if bad.any():
        raise BadInput(
            f"column {dataset.features[int(np.argmax(bad))]!r} of {dataset.name} holds numbers too large or too small "
            f"for the scale {transform.how!r}; express it in another unit"
        )


def _scaled(rows: Rows, transform: Transform) -> Rows:
    return Rows(transform.apply(rows.x), labels=rows.labels, targets=rows.targets)
