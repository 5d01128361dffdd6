"""How the numbers of a step, and the moves of its arrays, change with each array."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import TypeAlias

import numpy as np

from deltarule.checking.scripts.measurement import LoopTurn, Measurement
from deltarule.checking.scripts.numbers_met import Key
from deltarule.checking.scripts.step_record import StepRecord
from deltarule.checking.scripts.step_run import DIRECTIONS, StepRun
from deltarule.proofs.differences import Floats

Number: TypeAlias = tuple[Key, int]
"""A number that the step met, and which of it: 0 the first value, 1 the last, 2 the sum."""

_ROUNDING, _ROUNDING_IN_FLOAT32 = 3e-16, 2e-7
_TOLERANCE, _TOLERANCE_IN_FLOAT32 = 3e-3, 2e-2
"""Allowed error beside an array's largest slope; fitted on 56 public scripts."""


@dataclass(frozen=True)
class NumberSlopes:
    """The derivative of one number along each direction of each array, and how far it may be off."""

    values: Floats
    errors: Floats

    def is_live(self, array: int) -> bool:
        """Whether the number depends on an array, visibly along each direction."""
        return bool((np.abs(self.values[array]) > 4 * self.errors[array] + 1e-12).all())


@dataclass
class StepSlopes:
    """What a measured step says, by array i and direction j.

    descent    [i, j] how far the step moved array i against its direction j
    own        [i, j] the array itself, where it moved, along the direction: for weight decay
    numbers    for each number that the step met its slopes
    jacobian   [i, j, k, l] the derivative of descent[k, l] along direction j of array i
    noise      [i, j, k] the rounding error of it
    measured   the arrays and directions that were moved, (i, j)
    read       for each array what updates read of its size, along its directions, with its text
    """

    turn: LoopTurn
    run: StepRun
    names: list[str]
    texts: list[str]
    sizes: list[int]
    descent: Floats
    own: Floats
    jacobian: Floats
    noise: Floats
    numbers: dict[Number, NumberSlopes] = field(default_factory=dict)
    measured: set[tuple[int, int]] = field(default_factory=set)
    tolerance: float | None = None
    read: list[list[tuple[str, Floats]]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.count = len(self.names)
        self.points: list[StepSlopes] = []
        """The step at points that were not seen when something was made of it."""
        beside = self.run.numbers_beside_updates.values()
        self.constant_rates = {rates[0] for rates in beside if len(rates) > 1 and len(set(rates)) == 1} | {1.0}
        """Numbers beside updates that stay the same, and 1."""

    @classmethod
    def of(cls, measurement: Measurement) -> "StepSlopes":
        """The slopes along the directions of single arrays."""
        run, records = measurement.run, measurement.records
        assert run.record is not None
        starts = [parameter.start for parameter in run.parameters]
        n = len(run.parameters)
        descent = -np.array(run.record.moves).reshape(n, DIRECTIONS)
        parameters = enumerate(run.parameters)
        touched = [run.along(i, p.start * ((p.moved() != 0) | run.is_simultaneous)) for i, p in parameters]
        own = np.array(touched).reshape(n, DIRECTIONS)
        jacobian = np.zeros((n, DIRECTIONS, n, DIRECTIONS))
        noise = np.zeros((n, DIRECTIONS, n))
        names, texts = [p.name for p in run.parameters], [p.text for p in run.parameters]
        step = cls(measurement.turn, run, names, texts, [start.size for start in starts], descent, own, jacobian, noise)
        step.read = [[] for _ in starts]
        for text, i, along in run.reads_along():
            step.read[i].append((text, np.array(along)))
        rounding = np.array(
            [
                _rounding(is_float32) * np.sqrt(start.size) * (np.abs(start).max() + np.abs(moved).max())
                for start, moved, is_float32 in zip(starts, descent, run.are_float32, strict=True)
            ]
        )
        for i in range(n):
            for j in range(DIRECTIONS):
                up, down, h = records.get((i, j, 1.0)), records.get((i, j, -1.0)), run.steps[i]
                if up is not None and down is not None:
                    jacobian[i, j] = -(np.array(up.moves) - np.array(down.moves)) / (2 * h)
                    noise[i, j] = 3 * rounding / h
                    step.note_slopes(i, j, up, down, run.record, h)
                    step.measured.add((i, j))
        return step

    def note_slopes(self, i: int, j: int, up: StepRecord, down: StepRecord, unmoved: StepRecord, h: float) -> None:
        """Note how numbers change along a direction of an array."""
        for key in [key for key in unmoved.numbers if key in up.numbers and key in down.numbers]:
            triples = zip(up.numbers[key], down.numbers[key], unmoved.numbers[key], strict=True)
            for which, (a, b, middle) in enumerate(triples):
                if (key, which) not in self.numbers:
                    self.numbers[key, which] = NumberSlopes(*np.zeros((2, self.count, DIRECTIONS)))
                slopes = self.numbers[key, which]
                slopes.values[i, j] = (a - b) / (2 * h)
                rounding = _rounding(self.run.is_float32) * abs(middle)
                slopes.errors[i, j] = abs(a + b - 2 * middle) / (2 * h) + rounding / h

    def weight(self, arrays: Iterable[int]) -> int:
        """How much some arrays say: two for an array, one for a single number."""
        return sum(2 if self.sizes[i] > 1 else 1 for i in arrays)

    def moves(self, array: int) -> bool:
        return bool(np.abs(self.descent[array]).any())

    def tolerance_of(self, array: int) -> float:
        """The allowed error beside an array's largest slope."""
        is_float32 = self.run.are_float32[array]
        return self.tolerance or (_TOLERANCE_IN_FLOAT32 if is_float32 else _TOLERANCE)

    def fits(self, vector: Floats, slopes: NumberSlopes, array: int, factor: float) -> bool:
        """Whether a vector is the slopes times a factor."""
        allowed = self.tolerance_of(array) * np.abs(vector).max() + 2 * abs(factor) * slopes.errors[array]
        return bool((np.abs(vector - factor * slopes.values[array]) <= allowed).all())

    def depends(self, k: int, i: int) -> bool:
        """Whether the move of array k depends on array i."""
        change = np.abs(self.jacobian[i, :, k])
        return bool(np.any(change > 30 * self.noise[i, :, [k]].T + 1e-9 * np.abs(self.descent[k]).max()))

    def parameters(self) -> set[int]:
        """The arrays whose move depends on them as a parameter's does: not counters, sums, or states made anew."""
        movers = set()
        for i in range(self.count):
            changes_others = any(self.depends(k, i) for k in range(self.count) if k != i)
            changes_itself = np.any(np.abs(self.jacobian[i, :, i]) > 30 * self.noise[i, :, [i]].T)
            if changes_others or changes_itself and not bool((np.abs(self._lost_share(i)) > 0.099).all()):
                movers.add(i)
        return movers - self.states()

    def states(self) -> set[int]:
        """The arrays that the step makes anew, as the hidden state of a recurrent network."""
        anew = {i for i, parameter in enumerate(self.run.parameters) if not parameter.is_increment}
        return {i for i in anew if (np.abs(self._lost_share(i) - 1) < 0.5).all()}

    def _lost_share(self, array: int) -> Floats:
        """By direction how much of a move the step takes back: 1 where an array's end does not depend on its start."""
        directions = self.run.directions[array]
        squares = np.array([float((direction * direction).sum()) for direction in directions])
        return (np.diag(self.jacobian[array, :, array]) / squares)[self._directions_of(array)]

    def _directions_of(self, array: int) -> list[int]:
        """The directions along which an array was moved."""
        return [j for j in range(DIRECTIONS) if (array, j) in self.measured] or [0]

    def is_trivial(self, array: int) -> bool:
        """Whether an array's move changes with it by one factor, as that of a velocity: this is always symmetric."""
        rows = self._directions_of(array)
        directions = self.run.directions[array]
        block = self.jacobian[array, rows, array]
        products = np.array([self.run.along(array, directions[j]) for j in rows])
        factor = float((block * products).sum() / (products * products).sum())
        noise = 30 * self.noise[array, rows, array][:, np.newaxis]
        return bool((np.abs(block - factor * products) <= 1e-3 * np.abs(block).max() + noise).all())

    def is_symmetric(self, i: int, k: int) -> bool | None:
        """Whether the moves of two arrays may belong to one gradient; None if nothing can be seen."""
        if not {(i, 0), (k, 0)} <= self.measured:
            return None
        rows, columns = self._directions_of(i), self._directions_of(k)
        one, other = self.jacobian[i, rows, k][:, columns], self.jacobian[k, columns, i][:, rows].T
        noise = 30 * (self.noise[i, rows, k][:, np.newaxis] + self.noise[k, columns, i])
        largest = max(np.abs(one).max(), np.abs(other).max())
        if largest < 10 * noise.max():
            return None
        return bool((np.abs(one - other) <= 1e-2 * largest + noise).all())


def _rounding(is_float32: bool) -> float:
    return _ROUNDING_IN_FLOAT32 if is_float32 else _ROUNDING
