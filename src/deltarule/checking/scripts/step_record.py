"""What a run met in its step, as a record that a child process reports."""

import json
from dataclasses import dataclass, field
from typing import Self, TypeAlias

import numpy as np

from deltarule.checking.scripts.numbers_met import Key, Sides
from deltarule.proofs.differences import Floats

Reads: TypeAlias = list[tuple[str, int, list[float]]]
"""What updates read: the text, an array of the same size, and the values along the directions of that array."""

FollowedTurn: TypeAlias = tuple[list[list[float]], Reads]
"""The moves of a turn, by array and direction, and what its updates read."""


@dataclass(frozen=True)
class StepRecord:
    """What a run met in its step: the numbers, and by array and direction how far the arrays moved.

    `entries` has the first entries of these moves, and `read` of what updates read, where they are wanted. So have
    `reads` the arrays that updates read, as (text, array of the same size, along its directions), and `sides` the sides
    of differences. `turns` has the moves and these reads of the step and of the turns after it that were followed.
    """

    numbers: dict[Key, tuple[float, float, float]]
    moves: list[list[float]]
    entries: list[list[float]] = field(default_factory=list)
    read: list[list[float]] = field(default_factory=list)
    reads: Reads = field(default_factory=list)
    sides: Sides = field(default_factory=dict)
    turns: list[FollowedTurn] = field(default_factory=list)

    def as_json(self) -> str:
        numbers = [(*key, values) for key, values in self.numbers.items()]
        sides = [(*key, [(a.tolist(), y.tolist()) for a, y in pairs]) for key, pairs in self.sides.items()]
        return json.dumps({**vars(self), "numbers": numbers, "sides": sides})

    @classmethod
    def from_json(cls, data: bytes) -> Self:
        found = json.loads(data)
        numbers = {(function, name): tuple(values) for function, name, values in found.pop("numbers")}
        sides = {
            (function, name): [(np.array(a), np.array(y)) for a, y in pairs]
            for function, name, pairs in found.pop("sides")
        }
        return cls(numbers, sides=sides, **found)


@dataclass(frozen=True)
class ReadArray:
    """An array that an update reads: perhaps the gradient that an optimizer takes."""

    text: str
    values: Floats
    targets: frozenset[str]
