"""The numbers that a step meets: any of them may be the loss."""

from collections.abc import Callable
from types import FrameType
from typing import Any, TypeAlias

import numpy as np

from deltarule.checking.scripts.places import as_floats, as_number
from deltarule.checking.scripts.source import ScriptSource
from deltarule.checking.scripts.verdict import HELD
from deltarule.proofs.differences import Floats

Key: TypeAlias = tuple[str, str]
"""A number, by function and name."""

Sides: TypeAlias = dict[Key, list[tuple[Floats, Floats]]]
"""The two sides of differences, in the order of time."""

MADE = ("½", "cross", "binary", "−")
"""How the names of numbers begin that the script does not compute itself."""
_LOSS_WORDS = ("loss", "cost", "err", "mse", "nll", "entropy", "criterion", "objective")
_DERIVATIVE_WORDS = ("deriv", "prime", "grad", "delta", "back", "jac")
_ATTRIBUTES_OF_SCALARS = ("data", "value", "val")
_MAX_ENTRIES_HELD = 10_000
_MAX_ENTRIES_OF_A_DIFFERENCE = 200_000


def sounds_like_loss(name: str) -> bool:
    return any(word in name.lower() for word in _LOSS_WORDS)


def is_own_loss(key: Key) -> bool:
    """Whether the script computes a number, and calls it a loss: it, or the function that returns it."""
    function, name = key
    if name in ("return", "return[0]"):
        return sounds_like_loss(function) and not any(word in function.lower() for word in _DERIVATIVE_WORDS)
    return sounds_like_loss(name) and not name.startswith(MADE)


class NumbersMet:
    """Numbers by key, each as its first and last value and its sum, with the line that made it last.

    `sides` has the two sides of each difference, time after time. With `held`, those of a run in which nothing was
    moved, there are also numbers in which one side is held as a constant: a target that is not to be differentiated.
    """

    def __init__(self, held: Sides | None = None) -> None:
        self.values: dict[Key, tuple[float, float, float]] = {}
        self.lines: dict[Key, int] = {}
        self._counts: dict[Key, int] = {}
        self._set_to_zero: set[Key] = set()
        self.sides: Sides = {}
        self.mixed: dict[int, tuple[str, str]] = {}
        """By line a difference of n numbers in a column and n in a row, which is n × n: the column, and the row."""
        self.held = held or {}

    def collect(
        self,
        frame: FrameType,
        event: str,
        returned: Any,
        before: int | None,
        source: ScriptSource,
        value: Callable[[str, FrameType], Any],
    ) -> None:
        """Note what the last line of a frame made, and what the next one takes differences of."""
        function = frame.f_code.co_name
        if event == "return":
            self._note_returned(function, returned, frame.f_lineno)
        if before:
            grows = before in source.increments
            for name in sorted(source.stores.get(before, ())):
                held = frame.f_locals.get(name, frame.f_globals.get(name))
                self.note((function, _labelled(name, source)), held, before, grows)
            for text in sorted(source.attributes.get(before, ())):  # one number, whichever function assigns it
                self.note(("", _labelled(text, source)), value(text, frame), before, grows)
            for text in source.results.get(before, ()):
                self._add_square(function, text, value(text, frame), before)
        if event != "line":
            return
        line = frame.f_lineno
        for left, right in source.differences.get(line, ()):
            self._note_difference(function, (left, value(left, frame)), (right, value(right, frame)), line)
        for label, text in source.prints.get(line, ()):
            if sounds_like_loss(label):
                self.note((function, f'"{label}"'), value(text, frame), line)
        for text in source.one_hot.get(line, ()):
            array = as_floats(value(text, frame))
            if array is not None and np.min(array) > 0:
                self._add((function, f"−Σ log {text}"), float(-np.log(array).sum()), line)

    def _note_returned(self, function: str, returned: Any, line: int) -> None:
        if not isinstance(returned, tuple):
            self.note((function, "return"), returned, line)
            return
        for index, part in enumerate(returned):
            self.note((function, f"return[{index}]"), part, line)

    def _note_difference(self, function: str, left: tuple[str, Any], right: tuple[str, Any], line: int) -> None:
        """Note the losses whose gradient a difference is: half a square, and two cross-entropies."""
        try:
            a, y = np.asarray(left[1], float), np.asarray(right[1], float)
            difference = a - y
        except Exception:  # no arrays, or of shapes that do not fit
            return
        if difference.size > _MAX_ENTRIES_OF_A_DIFFERENCE or np.isnan(difference).any():
            return
        if a.size == y.size > 1 and difference.size == a.size**2:
            column, row = (left, right) if np.ndim(a) > 1 and a.shape[-1] == 1 else (right, left)
            self.mixed.setdefault(line, (column[0], row[0]))
        name = f"{left[0]} − {right[0]}"
        self._add_square(function, name, difference, line)
        if difference.size <= _MAX_ENTRIES_HELD:
            times = self.sides.setdefault((function, name), [])
            held = self.held.get((function, name), [])[len(times) : len(times) + 1]
            times.append((np.array(a), np.array(y)))
            for a0, y0 in held:
                if a0.shape == a.shape and y0.shape == y.shape:
                    self._add((function, f"½Σ({name})²{HELD}{right[0]}"), float(((a - y0) ** 2).sum() / 2), line)
                    self._add((function, f"½Σ({name})²{HELD}{left[0]}"), float(((a0 - y) ** 2).sum() / 2), line)
        if not a.size or a.shape != y.shape or not _are_shares(a) or not _are_shares(y):
            return
        for p, q, names in ((a, y, f"{right[0]}, {left[0]}"), (y, a, f"{left[0]}, {right[0]}")):
            if ((p <= 0) & (q > 0)).any():
                continue  # the labels, not the probabilities
            if ((p <= 0) & (q > 0)).any():
                continue  # no probabilities
            log, log_of_rest = np.log(np.clip(p, 1e-300, None)), np.log(np.clip(1 - p, 1e-300, None))
            self._add((function, f"cross-entropy({names})"), float(-(q * log).sum()), line)
            if not ((p >= 1) & (q < 1)).any():
                both = -(q * log + (1 - q) * log_of_rest).sum()
                self._add((function, f"binary cross-entropy({names})"), float(both), line)

    def _add_square(self, function: str, text: str, difference: Any, line: int) -> None:
        array = as_floats(difference)
        if array is not None:
            self._add((function, f"½Σ({text})²"), float((array**2).sum() / 2), line)

    def note(self, key: Key, value: Any, line: int, grows: bool = False) -> None:
        """Note what a line made, if it is a number and another one than the last."""
        if type(value) is int and value == 0 and not grows:
            self._set_to_zero.add(key)
        number = as_number(value)
        if number is None:  # of an object of the script's own, as in a scalar engine
            key, number = _number_inside(key, value)
        if number is not None and (key not in self.values or self.values[key][1] != number):
            self._add(key, number, line, grows)

    def _add(self, key: Key, number: float, line: int, grows: bool = False) -> None:
        """Note a value of a number; what `+=` makes is no new value, but the last one with more in it."""
        first, last, total = self.values.get(key, (number, 0.0, 0.0))
        is_new = not grows or key not in self.values or key in self._set_to_zero
        self._set_to_zero.discard(key)
        self._counts[key] = self._counts.get(key, 0) + is_new
        self.values[key] = number if self._counts[key] == 1 else first, number, total + number - last * (not is_new)
        self.lines[key] = line


def _labelled(name: str, source: ScriptSource) -> str:
    """A variable's name, with the label that says that it is the loss where the name does not."""
    label = source.labels.get(name, "")
    return f'{name} ("{label}")' if sounds_like_loss(label) and not sounds_like_loss(name) else name


def is_called(key: Key, name: str) -> bool:
    """Whether a number has the name that a user gives it."""
    return name in (key[1], key[1].partition(' ("')[0])


def _number_inside(key: Key, value: Any) -> tuple[Key, float | None]:
    """The number that an object holds as its data, under the name of that attribute."""
    for attribute in _ATTRIBUTES_OF_SCALARS:
        number = as_number(getattr(value, "__dict__", {}).get(attribute))
        if number is not None:
            return (key[0], f"{key[1]}.{attribute}"), number
    return key, None


def _are_shares(array: Floats) -> bool:
    return bool(((array >= 0) & (array <= 1)).all())
