"""Run a script up to one step, and through it: what it met there, and how far each array moved."""

import ast
from collections import defaultdict
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from types import FrameType
from typing import Any, Protocol, TypeAlias

import numpy as np

from deltarule.checking.scripts.numbers_met import Key, NumbersMet, sounds_like_loss
from deltarule.checking.scripts.places import MovedArray, Storage, as_number, float_leaves, is_changeable
from deltarule.checking.scripts.source import Loop, Read, ScriptSource
from deltarule.checking.scripts.step_arrays import (
    Updated,
    are_float32,
    carried_places,
    drop_stale_places,
    find_arrays,
    is_variable,
    lengths_of_moves,
)
from deltarule.checking.scripts.step_record import FollowedTurn, ReadArray, StepRecord
from deltarule.checking.scripts.tracing import Pending, Sources, StopRun, TracedRun
from deltarule.proofs.differences import Floats

DIRECTIONS = 3
"""Random directions along which each array is moved."""
_MAX_PARAMETERS = 40
_MAX_READ = 40
_MAX_UPDATED = 40
MAX_ENTRIES = 300
_TURNS_BEFORE = 30
"""Turns before the step in which updates are followed, to learn where arrays live."""

Shift: TypeAlias = tuple[int | None, int, float]
"""A move: the array (None for all), the direction, and how many times it is added."""


class AtStep(Protocol):
    """What is done at the start of the step, with everything still as the script has it."""

    def __call__(self, run: "StepRun") -> None: ...


@dataclass
class StepRun(TracedRun):
    """A run up to the `turn`-th turn of a loop, and through that turn.

    `at_step` is called at its start; it may move arrays by `shift_by`. Afterwards `record` has what was met, if the
    step was finished.
    """

    sources: Sources
    deadline: float
    loop: Loop
    turn: int
    at_step: AtStep
    parameters: list[MovedArray] = field(default_factory=list)
    read: dict[tuple[str, int, str], list[ReadArray]] = field(default_factory=dict)
    numbers_beside_updates: dict[tuple[str, int, str], list[float]] = field(default_factory=dict)
    rates_read: dict[float, int] = field(default_factory=dict)
    """The numbers that the updates of the step read or compute, with the first line of each."""
    record: StepRecord | None = None
    are_entries_wanted: bool = False
    are_reads_wanted: bool = False
    is_simultaneous: bool = False
    """Each update is taken back at once, and made at the end: then none of them is used by another."""

    def __post_init__(self) -> None:
        super().__init__(self.sources, self.deadline)
        self.met = NumbersMet()
        self.is_in_step = False
        self.span = 1
        """How many turns the step has."""
        self.more_turns = 0
        """How many turns after the step are followed too."""
        self.at_next: Callable[[StepRun], None] | None = None
        """Called where the turn after the step begins."""
        self._past: list[FollowedTurn] = []
        self.is_again = False
        """The step is gone through once more: where updates read and write is known."""
        self._met_before_update = 0
        self.lines_run: dict[str, set[int]] = defaultdict(set)
        """By file the lines that run in the step."""
        self.shift: Shift | None = None
        self._places: dict[tuple[str, int, Any], Storage] = {}
        self.changes: list[tuple[str, Floats, Floats]] = []
        """What the updates of the step have changed: (text, entries before, change)."""
        self._updated: list[Updated] = []
        """What the turn before the step updated: (text, value, its entries before, line)."""
        self._turns = 0
        self.in_body: Callable[[StepRun, FrameType], None] | None = None
        """Called where the step, and each turn after it, enters the body of the loop, with its variables assigned."""
        self.turns_left = 0
        """How many turns after the step the run goes on, only to enter their bodies."""
        self._is_in_header = self.is_header_own = False
        """Whether the header of the loop runs code of the script, as a generator does."""
        self.order: list[int] = []
        """The arrays in the order in which the step updates them."""
        self._taken_back: dict[int, Floats | float] = {}
        self._frame: FrameType | None = None

    def shift_by(self, shift: Shift) -> None:
        """Move one array, or all, along one of its directions."""
        index, direction, times = shift
        for i, parameter in enumerate(self.parameters):
            if index is None or i == index:
                parameter.move(times * self.steps[i] * self.directions[i][direction])
        self.shift = shift

    @property
    def after_updates(self) -> set[Key]:
        """The numbers that the step met only after its last update: they belong to the next step."""
        return set() if self.is_simultaneous else set(list(self.met.values)[self._met_before_update :])

    @property
    def is_far(self) -> bool:
        """Whether the step is so far that it is no use yet to note where arrays live."""
        return self._turns < self.turn - _TURNS_BEFORE

    def updates_at(self, frame: FrameType, source: ScriptSource, line: int) -> Iterator[Pending]:
        if self.record is None and (self.is_simultaneous or not self.is_again):
            yield from super().updates_at(frame, source, line)

    def before_update(self, frame: FrameType, line: int, source: ScriptSource) -> None:
        if (
            self.is_far
            or self.record is not None
            or (self.is_again and not (self.are_entries_wanted or self.are_reads_wanted))
        ):
            return
        targets = frozenset(ast.unparse(target) for target in source.updates[line])
        for text in sorted(source.reads[line]) + sorted(source.products[line]):
            value = self.value(text, frame)
            number = as_number(value)
            if number is not None and text in source.reads[line]:
                self.numbers_beside_updates.setdefault((source.path, line, text), []).append(abs(number))
            if not self.is_in_step:
                continue
            if number is not None:
                self.rates_read.setdefault(abs(number), line)
            kept = self.read.setdefault((source.path, line, text), [])
            for path, array in float_leaves(value):
                if len(kept) < _MAX_READ:
                    kept.append(ReadArray(text + "".join(f"[{key!r}]" for key in path), array.copy(), targets))

    def after_update(self, frame: FrameType, line: int, pending: Pending) -> None:
        if self.is_far:
            return
        value = self.value(pending.text, frame)
        target = pending.target
        if not float_leaves(value):
            return
        if self._turns == self.turn - 1 and len(self._updated) < _MAX_UPDATED:
            self._updated += [(pending.text, pending.value, array, line) for path, array in pending.leaves if not path]
        if self.is_in_step:
            self._met_before_update = len(self.met.values)
            self._note_change(pending, value)
        if value is pending.value and is_changeable(value):
            place = Storage(pending.text, "in place", value)
        elif isinstance(target, ast.Attribute):
            place = Storage(pending.text, "attribute", self.value(ast.unparse(target.value), frame), target.attr)
        elif isinstance(target, ast.Call):  # of getattr
            owner, name = (self.value(ast.unparse(argument), frame) for argument in target.args)
            place = Storage(f"{ast.unparse(target.args[0])}.{name}", "attribute", owner, name)
        elif isinstance(target, ast.Subscript):
            key = self.value(ast.unparse(target.slice), frame)
            place = Storage(pending.text, "item", self.value(ast.unparse(target.value), frame), key)
        else:
            place = self.place_of_variable(frame, pending.text)
        place = self._places.setdefault((place.kind, id(place.owner), place.key), place)
        source = self.sources.get(frame.f_code.co_filename)
        place.line = line
        if self.is_in_step:
            place.updates += 1
            self._note_order(place)
        place.is_increment |= source is not None and line in source.increments

    def place_of_variable(self, frame: FrameType, name: str) -> Storage:
        return Storage(name, "variable", frame, name)

    def _note_change(self, pending: Pending, value: Any) -> None:
        new = dict(float_leaves(value))
        for path, before in pending.leaves:
            if path in new and new[path].shape == before.shape and len(self.changes) < _MAX_UPDATED:
                self.changes.append((pending.text, before, new[path] - before))

    def _note_order(self, place: Storage) -> None:
        """Note which arrays at a place have just moved: of those in one list only some."""
        for index, parameter in enumerate(self.parameters):
            if not any(own is place for own, _ in parameter.parts):
                continue
            moved = self._moved_values(index) - self._taken_back.get(index, 0.0)
            if not np.any(moved):
                continue
            if index not in self.order:
                self.order.append(index)
            if self.is_simultaneous and not sounds_like_loss(parameter.name):
                self._taken_back[index] = self._taken_back.get(index, 0.0) + moved
                parameter.move(-moved)

    def line_passed(self, frame: FrameType, event: str, argument: Any, before: int | None) -> None:
        if self._is_in_header and (event == "line" or frame is not self._frame):
            self._enter_body(frame)
        if self.is_in_step:
            source = self.sources.get(frame.f_code.co_filename)
            assert source is not None
            self.lines_run[source.path].add(frame.f_lineno)
            self.met.collect(frame, event, argument, before, source, self.value)

    def _enter_body(self, frame: FrameType) -> None:
        if frame is not self._frame:
            self.is_header_own = True
            return
        self._is_in_header = False
        source = self.sources.get(self.loop[0])
        is_in_body = source is not None and self.loop[2] in source.loops.get(frame.f_lineno, ())
        if is_in_body and self.in_body is not None:
            self.in_body(self, frame)
        elif self.record is not None:
            raise StopRun

    def loop_turned(self, frame: FrameType, loop: Loop) -> None:
        if loop != self.loop:
            return
        if self._turns >= self.turn and frame is self._frame:
            self._is_in_header = True
            self.turn_over()
            return
        self._turns += 1
        if self._turns == max(1, self.turn - _TURNS_BEFORE) and self.turn > 1:
            self._places.clear()  # what was updated before the loop
        drop_stale_places(self._places, frame)
        if self._turns >= self.turn:
            self._is_in_header = True
            self._begin(frame)

    def turn_over(self) -> None:
        """Finish the step, or go on with what follows it."""
        self._turns += 1
        if self.record is not None:
            self.turns_left -= 1
            if self.turns_left < 0:
                raise StopRun
        elif self._turns >= self.turn + self.span:
            self._finish()
            if self.record is None:
                self._begin_next()

    def returned(self, frame: FrameType) -> None:
        if self.is_in_step and frame is self._frame:
            self.more_turns = self.turns_left = 0
            self._finish()
        if self.record is not None and frame is self._frame:
            raise StopRun

    def _begin(self, frame: FrameType) -> None:
        self.parameters = self.find_parameters(frame)
        self.choose_directions()
        self._frame = frame
        self.is_in_step = True
        self.at_step(self)

    def find_parameters(self, frame: FrameType) -> list[MovedArray]:
        """The arrays at the places that were updated, or are handed on from turn to turn."""
        source = self.sources.get(frame.f_code.co_filename)
        assert source is not None
        passing = self.sources.script.loop_variables
        places = sorted(self._places.values(), key=is_variable)
        places += [p for p in carried_places(frame, source, self.loop[2], self.value) if p.text not in passing]
        return find_arrays(frame, places, self._updated, passing, self.value)[:_MAX_PARAMETERS]

    def choose_directions(self) -> None:
        """Choose along what, and how far, the arrays are moved."""
        generator = np.random.default_rng(0)
        self.directions = [generator.normal(size=(DIRECTIONS, *parameter.start.shape)) for parameter in self.parameters]
        self.are_float32 = are_float32(self.parameters)
        self.is_float32 = bool(self.are_float32) and all(self.are_float32)
        self.steps = lengths_of_moves(self.parameters, self.are_float32)

    def go_on_from(self, other: "StepRun", parameters: list[MovedArray]) -> None:
        """Be in the step of another run, with its arrays where they are now."""
        self.parameters = parameters
        self.directions, self.steps, self.span = other.directions, other.steps, other.span
        self.are_float32, self.is_float32 = other.are_float32, other.is_float32
        places = [place for parameter in parameters for place, _ in parameter.parts]
        self._places = {(place.kind, id(place.owner), place.key): place for place in places}
        self._turns = self.turn
        self.is_again = self.is_in_step = True

    def moves(self) -> list[list[float]]:
        """How far each array has moved by itself, along its directions."""
        return [self.along(i, self._moved_values(i)) for i in range(len(self.parameters))]

    def along(self, array: int, values: Floats) -> list[float]:
        """The components of values of an array's shape along its directions."""
        directions = self.directions[array].reshape(DIRECTIONS, -1)
        return [float(direction @ values.reshape(-1)) for direction in directions]

    def _moved_values(self, i: int) -> Floats:
        moved = self.parameters[i].moved()
        if self.shift is not None and self.shift[0] in (None, i):
            moved = moved - self.shift[2] * self.steps[i] * self.directions[i][self.shift[1]]
        return moved + self._taken_back.get(i, 0.0)

    def _begin_next(self) -> None:
        if len(self._past) == 1 and self.at_next is not None:
            self.at_next(self)
        for parameter in self.parameters:
            parameter.start = parameter.current()
        self.met, self.read, self.shift = NumbersMet(), {}, None

    def _finish(self) -> None:
        if self.more_turns or self._past:
            self._past.append((self.moves(), self.reads_along()))
            if len(self._past) <= self.more_turns:
                return
        self.record = StepRecord(self.met.values, self.moves(), turns=self._past)
        if self.are_entries_wanted:
            entries = [self._moved_values(i).reshape(-1)[:MAX_ENTRIES].tolist() for i in range(len(self.parameters))]
            read = [array.values.reshape(-1)[:MAX_ENTRIES].tolist() for array in self.read_in_order()]
            self.record = replace(self.record, entries=entries, read=read)
        if self.are_reads_wanted:
            self.record = replace(self.record, reads=self.reads_along(), sides=self.met.sides)
        for parameter in self.parameters:
            parameter.end = parameter.current()
        self.is_in_step = False
        if self.turns_left <= 0:
            raise StopRun

    def reads_along(self) -> list[tuple[str, int, list[float]]]:
        """The arrays that updates read, each along the directions of those of its size that it does not update."""
        reads = []
        arrays = self.read_in_order()
        for i, parameter in enumerate(self.parameters):
            alike = [a for a in arrays if a.values.size == parameter.start.size and parameter.text not in a.targets]
            rows = np.array([array.values.reshape(-1) for array in alike]).reshape(len(alike), parameter.start.size)
            along = rows @ self.directions[i].reshape(DIRECTIONS, -1).T
            reads += [(array.text, i, values.tolist()) for array, values in zip(alike, along, strict=True)]
        return reads

    def read_in_order(self) -> list[ReadArray]:
        return [array for key in sorted(self.read) for array in self.read[key]]

    def places_of_reads(self) -> list[Read]:
        """Where updates read each of these arrays."""
        return [(*key, index) for key in sorted(self.read) for index in range(len(self.read[key]))]
