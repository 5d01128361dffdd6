"""The two axes of a decision plane.

N rows · D columns · G points along each axis
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[Any]
MARGIN = 0.08
"""How far a plane reaches beyond the points, as a share of their range."""


@dataclass(frozen=True, eq=False)
class ViewAxes:
    """A plane in input space: `origin` + c₁ `directions`[0] + c₂ `directions`[1].

    origin [D]   directions [2, D]   names, of both axes   low, high [2], the range of the plane's coordinates
    """

    origin: Floats
    directions: Floats
    names: tuple[str, str]
    low: Floats
    high: Floats

    def coordinates(self, x: Floats) -> Floats:
        return np.asarray((x - self.origin) @ self.directions.T)

    def grid(self, points: int) -> Floats:
        """The inputs [G · G, D] at the points of a square grid over the plane."""
        first, second = (np.linspace(self.low[axis], self.high[axis], points) for axis in (0, 1))
        coordinates = np.stack([np.tile(first, points), np.repeat(second, points)], 1)
        return np.asarray(self.origin + coordinates @ self.directions)


def view_axes(x: Floats, features: Sequence[str], columns: Sequence[int] | None = None) -> ViewAxes:
    """Choose the axes of the plane to show for rows x.

    Chosen columns vary while the others are held at their medians. By default the axes are both columns of two, and the
    first two principal components of more; a single column is shown against a constant.
    """
    inputs = x.shape[1]
    if columns is None and inputs <= 2:
        columns = range(inputs)
    if columns is None:
        origin = x.mean(0)
        directions = principal_directions(x)
        names = ("component 1", "component 2")
    else:
        directions = np.zeros((2, inputs))
        directions[range(len(columns)), columns] = 1
        origin = np.where(directions.any(0), 0, np.median(x, axis=0))
        names = (features[columns[0]], features[columns[1]] if len(columns) > 1 else "")
    coordinates = (x - origin) @ directions.T
    low, high = coordinates.min(0), coordinates.max(0)
    margin = np.where(high > low, MARGIN * (high - low), 0.5)
    return ViewAxes(origin, directions, names, low - margin, high + margin)


def principal_directions(x: Floats) -> Floats:
    """The two directions [2, D] of largest variance of rows x [N, D], D > 2."""
    scaled = x / np.maximum(np.abs(x).max(), 1e-300)  # no square of it is infinite
    centered = scaled - scaled.mean(0)
    directions = np.linalg.eigh(centered.T @ centered)[1][:, :-3:-1].T
    largest = np.abs(directions).argmax(1)
    return np.asarray(directions * np.sign(directions[range(2), largest])[:, None])
