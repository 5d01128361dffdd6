"""What the gradient of somebody's loss should be, from the loss alone, and how surely that is known.

Every entry of an array is moved by itself where there are few; of more a sample that is spread evenly over the array,
and 8 directions drawn from the normal law that move all of an array's entries at once. An error e of its gradient
shows in a direction as a number from the normal law of deviation ‖e‖, which says how likely it is to be missed.
"""

import warnings
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial
from math import erf, frexp
from time import perf_counter
from typing import Any

import numpy as np
from numpy.typing import NDArray

from deltarule.checking.arrays import format_entry
from deltarule.checking.callables import Code, quietly
from deltarule.errors import BadInput
from deltarule.maths import random
from deltarule.problem.problem import Floats, Integers
from deltarule.proofs import differences

DIRECTIONS = 8
SMALL_ERROR = 5e-4
_SECONDS = 8.0
_CALLS = 8  # of the loss, for each line
_FEWEST = 60  # lines, however slow the loss is
_PRECISION = 1e-7
_WIDEST, _USUAL, _NARROWEST = 5, 17, 27
"""Steps of 2⁻⁵ to 2⁻¹⁷ of a unit are tried before anybody is accused; narrower ones, of more rounding error, where
parameters are so small that the kinks of their units are nearer than that."""
_SMALLEST = 6e-8
_BORNE_OUT = 1e-3
"""The share of a derivative to which differences have to know it, for the complex step to be believed the rest."""
_BESIDE = 50
_LEAST_UNIT = 1e-250


@dataclass(frozen=True, eq=False)
class Direction:
    """All entries of an array moved at once: by `vector`, the derivative along it, its doubt, and whether it is one."""

    array: int
    vector: Floats
    value: float
    doubt: float
    kink: bool


@dataclass(frozen=True, eq=False)
class Measured:
    """The right gradient, as far as it was measured, array by array.

    expected   in the parameters' shapes, NaN where it was not measured
    doubt      how far off that may be
    kink       where there is no derivative to be seen
    edge       where the loss is not finite as near as differences go
    exact      whether the complex step gave `expected`, after it was proved against differences
    coarse     whether the loss has the digits of float32 alone
    """

    expected: tuple[Floats, ...]
    doubt: tuple[Floats, ...]
    kink: tuple[NDArray[np.bool_], ...]
    edge: tuple[NDArray[np.bool_], ...]
    directions: tuple[Direction, ...]
    exact: bool
    why_not_exact: str
    coarse: bool


def loss_at(code: Code, values: Sequence[Floats]) -> float:
    """The loss of other values of the parameters, in the parameters' own dtype."""
    typed = [one.astype(start.dtype) for one, start in zip(values, code.start, strict=True)]
    return float(np.real(quietly(partial(code.loss, typed))))


def at_a_step(error: BadInput, moved: str) -> BadInput:
    """What to say of an error that there is not at the parameters themselves, but beside them."""
    return BadInput(f"{error}, when {moved} was moved a little; check at parameters around which all goes well")


def gradient_at(code: Code, values: Sequence[Floats]) -> list[Floats]:
    """The code's gradient at other values of the parameters; after its loss there, whose forward pass it may need."""
    found: list[Floats] = quietly(lambda: (code.complete or code.loss(values), code.gradient(values))[1])
    return found


def with_one(code: Code, place: int, value: Floats) -> list[Floats]:
    """The parameters with one array exchanged."""
    return [*code.start[:place], value, *code.start[place + 1 :]]


def measure_gradient(code: Code, gradient: list[Floats], most: int) -> Measured:
    """Measure the gradient of a loss; `gradient` says how large it may be, and so how exact is exact enough."""
    shapes = [value.shape for value in code.start]
    return _on_lines(_Lines(code, _entries(shapes, _quota(code, most)), DIRECTIONS), gradient)


def measured_along(code: Code, gradient: list[Floats]) -> tuple[Direction, ...]:
    """The derivative of a loss along a random direction for each array."""
    return _on_lines(_Lines(code, [np.zeros(0, np.int64)] * len(code.start), 1), gradient).directions


def measured_too(before: Measured, code: Code, gradient: list[Floats], place: int, entry: int | None) -> Measured:
    """What was measured, and an entry at which an array's gradient is wrong, with its row and column.

    entry   one that is known already, or None: then one is looked for along a direction in which the gradient is wrong
    """
    nothing = np.zeros(0, np.int64)
    chosen = [nothing] * len(code.start)
    entry = _first_difference(before, code, gradient[place], place) if entry is None else entry
    chosen[place] = _around(entry, code.start[place].shape)
    more = _on_lines(_Lines(code, chosen, 0), gradient)
    new = [np.isnan(one) for one in before.expected]
    return replace(
        before,
        expected=tuple(np.where(n, b, a) for n, a, b in zip(new, before.expected, more.expected, strict=True)),
        doubt=tuple(np.where(n, b, a) for n, a, b in zip(new, before.doubt, more.doubt, strict=True)),
        kink=tuple(np.where(n, b, a) for n, a, b in zip(new, before.kink, more.kink, strict=True)),
        edge=tuple(one | other for one, other in zip(before.edge, more.edge, strict=True)),
    )


def right_outside(measurement: Measured, code: Code, gradient: Floats, place: int, wrong: NDArray[np.bool_]) -> bool:
    """Whether an array's gradient is right everywhere but in some entries, as far as a random direction shows."""
    vector = np.where(wrong, 0.0, _normal(place, DIRECTIONS, gradient.size).reshape(gradient.shape))
    gap, doubt = _gap(measurement, code, gradient, place, vector)
    return abs(gap) <= 1e-7 * float(np.sqrt(((gradient * vector) ** 2).sum())) + 2 * doubt


def _gap(measurement: Measured, code: Code, gradient: Floats, place: int, vector: Floats) -> tuple[float, float]:
    """The derivative along a direction, by the code's gradient less by the loss, and its doubt."""

    def along(lines: Integers, t: Floats) -> Floats:
        return np.array([quietly(partial(code.loss, with_one(code, place, _move(start, one * vector)))) for one in t])

    start, one = code.start[place], np.ones(1)
    if measurement.exact:
        slope, doubt = differences.complex_step(along, 1), np.zeros(1)
    else:
        middle = np.full(1, loss_at(code, code.start))
        slopes = differences.central(along, middle, 2.0**-6 * one, 1e-300 * one, 1e-16 * np.abs(middle))
        slope, doubt = slopes.value, slopes.doubt
    return float((gradient * vector).sum() - slope[0]), float(doubt[0])


def _first_difference(before: Measured, code: Code, gradient: Floats, place: int) -> int:
    """An entry at which a gradient and the loss part ways.

    Of a direction along which the two differ, that half of the entries is kept along which they differ more, and half
    of these, until one is left.
    """
    clearest = max(
        (one for one in before.directions if one.array == place),
        key=lambda one: 0 if one.kink else abs(float((gradient * one.vector).sum()) - one.value),
    )
    entries, whole = np.arange(gradient.size), float((gradient * clearest.vector).sum()) - clearest.value
    while len(entries) > 1:
        half = entries[: len(entries) // 2]
        vector = np.zeros(gradient.shape)
        vector.flat[half] = clearest.vector.flat[half]
        gap, _ = _gap(before, code, gradient, place, vector)
        first = abs(gap) >= abs(whole - gap)
        entries, whole = (half, gap) if first else (entries[len(half) :], whole - gap)
    return int(entries[0])


def _around(entry: int, shape: tuple[int, ...]) -> Integers:
    """An entry, and some of its row and its column."""
    if len(shape) != 2:
        return np.array([entry])
    row, column = divmod(entry, shape[1])
    across = np.unique(np.linspace(0, shape[1] - 1, _BESIDE).astype(int))
    down = np.unique(np.linspace(0, shape[0] - 1, _BESIDE).astype(int))
    return np.unique(np.concatenate([[entry], row * shape[1] + across, down * shape[1] + column]))


def _move(start: Floats, by: Any) -> Floats:
    """An array moved in its own dtype, or a complex one."""
    return np.asarray(start + by if np.iscomplexobj(by) else (start + by).astype(start.dtype))


def _on_lines(lines: "_Lines", gradient: list[Floats]) -> Measured:
    code = lines.code
    scale = lines.project(gradient)
    sizes = np.array([max(float(np.abs(one).max()), 1e-300) for one in gradient])[lines.array]
    J = abs(lines.middle)
    natural = np.divide(J, np.abs(scale), out=np.ones_like(scale), where=scale != 0)
    # Where an input is large a small step is a long way; but a loss of the 24 bits of float32 does not see it, nor does
    # one that only sums in more of them.
    coarse = frexp(J)[0] * 2.0**24 % 1 == 0 or any(one.dtype != np.float64 for one in code.start)
    least = 2.0**-10 if coarse else 2.0**-24
    start = 2.0 ** np.floor(np.log2(lines.size * np.clip(natural, least, 1)))
    few = np.linspace(0, len(scale) - 1, 16).astype(int)
    single = coarse and _is_float32(lines.along(few, start[few] / 3))
    if single or (code.held and code.start[0].dtype != np.float64):
        start *= 64  # few digits: wide steps
    start[lines.entry < 0] *= 2.0**-6  # what moves everything soon meets a kink somewhere
    # What turns sharply near 0 would look rough on steps as wide as that.
    near = (lines.away > 0) & (lines.away < start * 2.0**-10) & (not coarse)
    rough = differences.rounding_error(lines.along, few, np.where(near, lines.away, start)[few])
    rough = rough[np.isfinite(rough)]  # near the edge of where the loss is finite there is nothing to be seen
    noise = np.full(len(scale), np.quantile(rough, 0.75) if len(rough) else 0.0)
    if single:  # on one step of a staircase there is none to be seen
        noise = np.maximum(noise, np.finfo(np.float32).eps / 4 * J)
    wanted = _PRECISION * np.maximum(np.abs(scale), 1e-3 * sizes)
    slopes = differences.central(lines.along, np.full(len(scale), lines.middle), start, wanted, noise)
    if not coarse:
        slopes = _nearer(lines, start, slopes, scale, noise, wanted)
    value, sure = slopes.value, np.zeros(len(scale), bool)
    exact, why_not = None, "the parameters are moved where they stand, and have no room for complex numbers"
    if not code.held:
        exact, why_not = _complex(lines, slopes)
    if exact is not None:
        # Where differences bear it out, their doubt is none of the complex step, but for the rounding of the loss.
        value, sure = exact, _is_sure(slopes, scale)
        rounded = np.maximum(noise, np.finfo(float).eps * J) * 2.0**10 / start
        slopes = replace(slopes, doubt=np.where(sure, np.minimum(slopes.doubt, rounded), slopes.doubt))
    slopes = _remeasure(lines, start, replace(slopes, value=value), scale, sure)
    return lines.to_arrays(slopes, exact is not None, why_not, single)


@np.errstate(over="ignore")
def _is_float32(values: Floats) -> bool:
    """Whether numbers have no more digits than float32 has, which one number alone, of a loss that stays, says not."""
    return len(np.unique(values)) > 1 and bool((values.astype(np.float32) == values).all())


def _is_sure(slopes: differences.Slopes, scale: Floats) -> NDArray[np.bool_]:
    """Where differences know a derivative to a small share of it, or of what the code says."""
    return slopes.doubt <= _BORNE_OUT * np.maximum(np.abs(slopes.value), np.abs(scale))


def _nearer(
    lines: "_Lines", start: Floats, slopes: differences.Slopes, scale: Floats, noise: Floats, wanted: Floats
) -> differences.Slopes:
    """Measure entries of which nothing sure is known again, in steps of their own size: at 1e-12 log w turns sharply,
    and has its edge that near.
    """
    again = np.flatnonzero((slopes.kink | ~_is_sure(slopes, scale)) & (lines.away > 0) & (lines.away < start))
    if not len(again):
        return slopes
    middle, unit = np.full(len(again), lines.middle), 2.0 ** np.floor(np.log2(lines.away[again]))
    near = differences.central(lambda line, t: lines.along(again[line], t), middle, unit, wanted[again], noise[again])
    better = ~near.kink & _is_sure(near, scale[again])
    value, doubt, kink = slopes.value.copy(), slopes.doubt.copy(), slopes.kink.copy()
    value[again[better]], doubt[again[better]], kink[again[better]] = near.value[better], near.doubt[better], False
    return differences.Slopes(value, doubt, kink)


def _remeasure(
    lines: "_Lines", start: Floats, slopes: differences.Slopes, found: Floats, sure: NDArray[np.bool_]
) -> differences.Slopes:
    """Measure again, with many steps, where the code's gradient is another one: before anybody is accused of that.

    A loss may be rougher than it seems: log(1 − p) is a staircase where p is nearly 1, and on one step of it nothing
    is seen of its roughness. A gradient that lies among what differences of various steps give is not wrong by them,
    nor is one that differs only far below the largest entries.
    """
    off = np.abs(found - slopes.value) > 1e-6 * np.maximum(np.abs(found), np.abs(slopes.value)) + 2 * slopes.doubt
    again = np.flatnonzero(off & ~slopes.kink & ~sure)
    if not len(again):
        return slopes
    estimates = _with_steps(lines, again, start[again])
    low, high = estimates.min(0), estimates.max(0)
    among = (found[again] >= 2 * low - high) & (found[again] <= 2 * high - low)
    doubt, away = slopes.doubt.copy(), np.abs(found - slopes.value)[again]
    faint = away <= _SMALLEST * np.abs(slopes.value[~slopes.kink]).max(initial=0)
    doubt[again] = np.maximum(doubt[again], np.where(among | faint, away, 0))
    return replace(slopes, doubt=doubt)


def _with_steps(lines: "_Lines", chosen: Integers, start: Floats) -> Floats:
    """The derivatives that differences of each of several steps give, [steps, lines], rid of the error in h²."""
    found, sizes = [], [np.abs(one).max() for one in lines.code.start if one.any()]
    narrowest = int(np.clip(6 - np.log2(min(sizes, default=1.0)), _USUAL, _NARROWEST))
    for exponent in range(_WIDEST, narrowest + 1, 2):
        h = start * 2.0**-exponent
        ends = lines.along(np.tile(chosen, 4), np.concatenate([h, -h, h / 2, -h / 2])).reshape(4, -1)
        wide, half = (ends[0] - ends[1]) / (2 * h), (ends[2] - ends[3]) / h
        found.append((4 * half - wide) / 3)
    return np.stack(found)


def _quota(code: Code, most: int) -> int:
    """How many lines may be gone along: all that are asked for, or what takes some seconds."""
    begun = perf_counter()
    code.loss(code.start)
    return max(_FEWEST, min(most, int(_SECONDS / _CALLS / max(perf_counter() - begun, 1e-9))))


def _complex(lines: "_Lines", slopes: differences.Slopes) -> tuple[Floats | None, str]:
    """The complex step along the lines, if the loss proves that it keeps imaginary parts; or why it was not used."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", np.exceptions.ComplexWarning)
            found = differences.complex_step(lines.along, len(lines.array))
    except (BadInput, np.exceptions.ComplexWarning):
        return None, "the code does not take complex numbers"
    known = ~slopes.kink & np.isfinite(slopes.doubt) & np.isfinite(found)
    near = np.abs(found - slopes.value) <= 1e-5 * np.abs(found) + 2 * slopes.doubt
    proved = known & (slopes.doubt <= _BORNE_OUT * np.abs(slopes.value))
    if not np.isfinite(found).all() or not proved.any() or not near[known].all():
        return None, "the code does not keep a complex number's imaginary part"
    return found, ""


class _Lines:
    """Lines through the parameters: along single entries, and along directions of a whole array.

    array [n]   which array a line moves      entry [n]  its entry, in the array's flat order; −1 − d for direction d
    away [n]    how far an entry is from 0; 0 for a direction, and for what is too small to be a unit of steps
    """

    def __init__(self, code: Code, chosen: list[Integers], most_directions: int) -> None:
        self.code, self.middle = code, loss_at(code, code.start)
        array, entry = [], []
        self.vectors: dict[tuple[int, int], Floats] = {}
        for i, (value, entries) in enumerate(zip(code.start, chosen, strict=True)):
            directions = range(most_directions if len(entries) < value.size else 0)
            for d in directions:
                self.vectors[i, -1 - d] = _normal(i, d, value.size).reshape(value.shape)
            array += [i] * (len(entries) + len(directions))
            entry += [*entries.tolist(), *(-1 - d for d in directions)]
        self.array, self.entry = np.array(array), np.array(entry)
        self.away = np.array(
            [abs(float(code.start[i].flat[e])) if e >= 0 else 0.0 for i, e in zip(array, entry, strict=True)]
        )
        self.size = np.maximum(1.0, self.away)
        self.away[self.away < _LEAST_UNIT] = 0

    def along(self, lines: Integers, t: Floats) -> Floats:
        """The loss on each line at the distance t."""
        return np.array(quietly(lambda: [self._value_at(i, one) for i, one in zip(lines, t, strict=True)]))

    def _value_at(self, line: int, t: Any) -> Any:
        i, e = int(self.array[line]), int(self.entry[line])
        start = self.code.start[i]
        if e < 0:
            moved = _move(start, t * self.vectors[i, e])
        else:
            moved = start.astype(np.result_type(t, start.dtype) if np.iscomplexobj(t) else start.dtype)
            moved.flat[e] += t
        try:
            return self.code.loss(with_one(self.code, i, moved))
        except BadInput as error:
            entry = () if e < 0 else tuple(int(n) for n in np.unravel_index(e, start.shape))
            raise at_a_step(error, format_entry(self.code.names[i], entry)) from error

    def project(self, arrays: list[Floats]) -> Floats:
        """What arrays of all entries come to along each line."""
        return np.array(
            [
                arrays[i].flat[e] if e >= 0 else (arrays[i] * self.vectors[i, e]).sum()
                for i, e in zip(self.array, self.entry, strict=True)
            ],
            float,
        )

    def to_arrays(self, slopes: differences.Slopes, exact: bool, why_not: str, coarse: bool) -> Measured:
        """What was found on the lines, back in the arrays' shapes."""
        expected = [np.full(one.shape, np.nan) for one in self.code.start]
        doubt = [np.full(one.shape, np.inf) for one in expected]
        kink, edge = ([np.zeros(one.shape, bool) for one in expected] for _ in range(2))
        directions = []
        for n, (i, e) in enumerate(zip(self.array.tolist(), self.entry.tolist(), strict=True)):
            if e < 0:
                vector = self.vectors[i, e]
                directions.append(
                    Direction(i, vector, float(slopes.value[n]), float(slopes.doubt[n]), bool(slopes.kink[n]))
                )
            else:
                edge[i].flat[e] = not exact and not slopes.kink[n] and not np.isfinite(slopes.doubt[n])
                expected[i].flat[e] = np.nan if edge[i].flat[e] else slopes.value[n]
                doubt[i].flat[e], kink[i].flat[e] = slopes.doubt[n], slopes.kink[n]
        arrays = tuple(expected), tuple(doubt), tuple(kink), tuple(edge)
        return Measured(*arrays, tuple(directions), exact, why_not, coarse)


def _entries(shapes: list[tuple[int, ...]], most: int) -> list[Integers]:
    """Which entries of each array are moved by themselves: small arrays whole, the rest shared among the larger ones.

    One entry of each of equal parts of an array; of a square one their mirror images too, so that a transposed
    gradient can be told.

    >>> [len(entries) for entries in _entries([(30, 20), (20,)], 120)]
    [100, 20]
    """
    chosen: list[Integers] = [np.zeros(0, np.int64)] * len(shapes)
    left = most
    order = sorted(range(len(shapes)), key=lambda i: np.prod(shapes[i]))
    for place, i in enumerate(order):
        size = int(np.prod(shapes[i]))
        quota = min(size, max(1, left // (len(shapes) - place)))
        chosen[i] = np.arange(size) if quota == size else _sample_indices(i, shapes[i], quota)
        left -= quota
    return chosen


def _sample_indices(i: int, shape: tuple[int, ...], quota: int) -> Integers:
    size = int(np.prod(shape))
    mirrored = len(shape) == 2 and shape[0] == shape[1]
    parts = max(1, quota // 2) if mirrored else quota
    word, *_ = random.words(0, random.DIRECTIONS, np.arange(parts, dtype=np.uint32), np.uint32(i + 1), np.uint32(1))
    bounds = np.arange(parts + 1) * size // parts
    drawn = bounds[:-1] + (word.astype(np.int64) * (bounds[1:] - bounds[:-1]) >> 32)
    if mirrored:
        row, column = np.divmod(drawn, shape[1])
        drawn = np.concatenate([drawn, column * shape[1] + row])
    return np.unique(drawn)


def _normal(i: int, d: int, size: int) -> Floats:
    """A direction: numbers from the normal law, by the method of Box & Muller 1958."""
    words = random.words(0, random.DIRECTIONS, np.arange(size, dtype=np.uint32), np.uint32(i + 1), np.uint32(2 + d))
    radius, angle = random.fraction(words[0], words[1]), random.fraction(words[2], words[3])
    return np.asarray(np.sqrt(-2 * np.log(radius)) * np.cos(2 * np.pi * angle))


def chance_to_pass(allowed: list[float], length: float) -> float:
    """The probability that an error of a given length stays within what is allowed in every direction.

    In a direction it shows as a number from the normal law of deviation `length`: within ±a with erf(a / √2 length).

    >>> chance_to_pass([1e-3, 1e-3], 1.0) < 1e-6
    True
    """
    if length <= 0:
        return 1.0
    return float(np.prod([erf(min(one, 1e300) / length / 2**0.5) for one in allowed]))
