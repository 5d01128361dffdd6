"""Measure the correct gradient of a user's loss from the loss alone."""

import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from math import erf, frexp
from time import perf_counter
from typing import Any

import numpy as np
from numpy.typing import NDArray

from deltarule.checking import tolerances
from deltarule.checking.user_code.callables import Code
from deltarule.errors import BadInput
from deltarule.maths import random
from deltarule.problem.problem import Floats, Integers
from deltarule.proofs import differences
from deltarule.proofs.differences import DIRECTIONS, Slopes, share_entries
from deltarule.user_functions import quietly

Mask = NDArray[np.bool_] | np.bool_
MAX_ENTRIES = 2000
"""Entries that are compared one by one, with two calls of the loss each; larger arrays also along random directions."""


class ParameterLines:
    """Lines along single entries, and along directions of whole arrays.

    array [n]       index of the array that a line moves
    entry [n]       its entry, in the array's flat order; −1 − d for direction d
    size [n]        the absolute value of the entry, but at least 1

    entries   by index of an array, the entries that move alone      vectors   the directions of all of its entries
    """

    def __init__(self, code: Code, entries: Mapping[int, Integers], vectors: Mapping[int, Sequence[Floats]]) -> None:
        self.code = code
        self.middle = loss_at(code, code.start)
        self.lines: list[tuple[int, int]] = []
        self.vectors: dict[tuple[int, int], Floats] = {}
        for i, start in enumerate(code.start):
            self.lines += [(i, int(entry)) for entry in entries.get(i, ())]
            for d, vector in enumerate(vectors.get(i, ())):
                self.vectors[i, -1 - d] = vector.reshape(start.shape)
                self.lines.append((i, -1 - d))
        self.array, self.entry = np.array(self.lines, np.int64).reshape(-1, 2).T
        self.size = np.array([max(1.0, abs(float(code.start[i].flat[e]))) if e >= 0 else 1.0 for i, e in self.lines])

    def along(self, lines: Integers, t: Floats) -> Floats:
        """The losses on some lines at a real or imaginary distance t from the start."""
        if self.code.losses is not None:
            return self.code.losses(self._values_on_line(*pair) for pair in zip(lines, t, strict=True))
        return np.array(quietly(lambda: [self._loss_on_line(*pair) for pair in zip(lines, t, strict=True)]))

    def _values_on_line(self, line: int, t: Any) -> list[Floats]:
        i, e = self.lines[line]
        start = self.code.start[i]
        if e < 0:
            moved = move(start, t * self.vectors[i, e])
        else:
            moved = start.astype(np.result_type(t, start.dtype) if np.iscomplexobj(t) else start.dtype)
            moved.flat[e] += t
        return with_array(self.code.start, i, moved)

    def _loss_on_line(self, line: int, t: Any) -> Any:
        try:
            return self.code.loss(self._values_on_line(line, t))
        except BadInput as error:
            name = self.code.names[self.array[line]]
            hint = "check at parameters around which the loss is defined"
            raise BadInput(f"{error}, when {name} was moved a little; {hint}") from error

    def project(self, arrays: Sequence[Floats]) -> Floats:
        """The component of a gradient, given as arrays, along each line."""
        components = [arrays[i].flat[e] if e >= 0 else (arrays[i] * self.vectors[i, e]).sum() for i, e in self.lines]
        return np.array(components, float)


def loss_at(code: Code, values: Sequence[Floats]) -> float:
    """The loss at other values of the parameters, in the parameters' own dtype."""
    typed = [value.astype(start.dtype) for value, start in zip(values, code.start, strict=True)]
    return float(np.real(quietly(lambda: code.loss(typed))))


def gradient_at(code: Code, values: Sequence[Floats]) -> list[Floats]:
    if code.has_own_forward_pass:
        return list(quietly(lambda: code.gradient(values)))
    return list(quietly(lambda: (code.loss(values), code.gradient(values))[1]))


def with_array(values: Sequence[Floats], index: int, value: Floats) -> list[Floats]:
    return [*values[:index], value, *values[index + 1 :]]


def move(start: Floats, step: Any) -> Floats:
    """An array moved in its own dtype, or by an imaginary step."""
    return np.asarray(start + step if np.iscomplexobj(step) else (start + step).astype(start.dtype))


def sample_lines(code: Code, max_entries: int) -> ParameterLines:
    """Lines of at most `max_entries` entries, and directions of larger arrays."""
    entries = {}
    vectors = {}
    counts = share_entries([start.size for start in code.start], max_entries)
    for i, (start, count) in enumerate(zip(code.start, counts, strict=True)):
        entries[i] = np.arange(start.size) if count == start.size else _sample_entries(i, start.shape, count)
        if len(entries[i]) < start.size:
            vectors[i] = [normal_direction(i, d, start.size) for d in range(DIRECTIONS)]
    return ParameterLines(code, entries, vectors)


def _sample_entries(i: int, shape: tuple[int, ...], quota: int) -> Integers:
    """Draw one flat index from each of `quota` parts of an array.

    In a square array their mirror images are included, which show a transposition.
    """
    size = int(np.prod(shape))
    is_square = len(shape) == 2 and shape[0] == shape[1]
    parts = max(1, quota // 2) if is_square else quota
    word, *_ = random.words(0, random.DIRECTIONS, np.arange(parts, dtype=np.uint32), np.uint32(i + 1), np.uint32(1))
    bounds = np.arange(parts + 1) * size // parts
    drawn = bounds[:-1] + (word.astype(np.int64) * (bounds[1:] - bounds[:-1]) >> 32)
    if is_square:
        row, column = np.divmod(drawn, shape[1])
        drawn = np.concatenate([drawn, column * shape[1] + row])
    return np.unique(drawn)


def normal_direction(i: int, d: int, size: int) -> Floats:
    """Reproducible standard normal direction of array i (Box & Muller 1958)."""
    words = random.words(0, random.DIRECTIONS, np.arange(size, dtype=np.uint32), np.uint32(i + 1), np.uint32(2 + d))
    radius, angle = random.fraction(words[0], words[1]), random.fraction(words[2], words[3])
    return np.asarray(np.sqrt(-2 * np.log(radius)) * np.cos(2 * np.pi * angle))


def chance_to_pass(tolerances: Sequence[float], error_norm: float) -> float:
    """The probability that an error stays within the tolerance along all lines.

    Along a direction it is a normal number of standard deviation ℓ, its norm: within ±a with probability erf(a / √2 ℓ).
    """
    if error_norm <= 0:
        return 1.0
    return float(np.prod([erf(min(tolerance, 1e300) / error_norm / 2**0.5) for tolerance in tolerances]))


@dataclass(frozen=True, eq=False)
class Direction:
    """A measured derivative along a vector that moves all entries of an array."""

    vector: Floats
    value: float
    uncertainty: float
    at_kink: bool

    def error(self, gradient: Floats) -> float:
        return float((gradient * self.vector).sum()) - self.value


@dataclass(frozen=True, eq=False)
class ReferenceArray:
    """The correct gradient of one array, in its shape; NaN where it was not measured.

    `at_edge` has entries a small step away from which the loss is not finite.
    """

    expected: Floats
    uncertainty: Floats
    at_kink: NDArray[np.bool_]
    at_edge: NDArray[np.bool_]
    directions: tuple[Direction, ...]


@dataclass(frozen=True, eq=False)
class ReferenceGradient:
    """The correct gradient, as measured.

    is_exact     the complex step gave the values, after differences confirmed it
    is_float32   the loss has no more digits than float32
    """

    arrays: tuple[ReferenceArray, ...]
    is_exact: bool
    is_float32: bool

    @cached_property
    def largest(self) -> float:
        """The absolute value of the largest entry."""
        return max(float(np.nanmax(np.abs(array.expected), initial=0)) for array in self.arrays)


@dataclass(frozen=True, eq=False)
class MeasuredLines:
    """Derivatives along lines; `exact` by the complex step, if differences confirm it.

    step          the widest step on each line
    noise         the rounding error of the loss
    is_float32    the loss has no more digits than float32
    """

    step: Floats
    differences: Slopes
    exact: Floats | None
    noise: Floats
    is_float32: bool


def measure_gradient(code: Code, gradient: Sequence[Floats], max_entries: int = MAX_ENTRIES) -> ReferenceGradient:
    """The correct gradient, to be compared with a gradient of user code."""
    return _reference_along(sample_lines(code, _affordable_entries(code, max_entries)), gradient)


def measure_slopes(code: Code, sizes: Sequence[Floats], max_entries: int) -> ReferenceGradient:
    """The correct gradient, from its rough size; where the loss is rough it is not measured again."""
    lines = sample_lines(code, _affordable_entries(code, max_entries))
    return _reference_along(lines, sizes, is_compared=False)


def measure_one_direction(code: Code, gradient: Sequence[Floats]) -> list[Direction]:
    vectors = {i: [normal_direction(i, 0, start.size)] for i, start in enumerate(code.start)}
    return [array.directions[0] for array in _reference_along(ParameterLines(code, {}, vectors), gradient).arrays]


def measure_lines(lines: ParameterLines, gradient: Sequence[Floats]) -> MeasuredLines:
    """Measure the derivatives along lines to the accuracy that a gradient needs."""
    code = lines.code
    loss = abs(lines.middle)
    along_gradient = lines.project(gradient)
    sizes = np.array([max(float(np.abs(array).max()), 1e-300) for array in gradient])[lines.array]
    # Where an input is large, even a small step moves far, so that steps may have to be narrow; but a loss with the 24
    # bits of float32 does not resolve these, even if it only sums in more bits.
    has_few_digits = frexp(loss)[0] * 2.0**24 % 1 == 0 or any(array.dtype != np.float64 for array in code.start)
    min_share = 2.0**-10 if has_few_digits else 2.0**-24
    step = differences.unit_steps(lines.size, np.full(len(lines.size), loss), np.abs(along_gradient), min_share)
    few = np.linspace(0, len(step) - 1, min(16, 4 * len(step))).astype(int)
    with np.errstate(over="ignore"):
        values = lines.along(few, step[few] / 3) if has_few_digits else np.zeros(1)
        is_float32 = len(np.unique(values)) > 1 and bool((values.astype(np.float32) == values).all())
    if is_float32 or (code.is_in_place and code.start[0].dtype != np.float64):
        step *= 64  # few digits: wide steps
    step[lines.entry < 0] *= 2.0**-6  # a direction that moves everything soon meets a kink
    rough = differences.rounding_error(lines.along, few, step[few])
    rough = rough[np.isfinite(rough)]  # NaN where the loss is not finite nearby
    noise = np.full(len(step), np.quantile(rough, 0.75) if len(rough) else 0.0)
    if is_float32:  # on one step of a staircase no noise is visible
        noise = np.maximum(noise, np.finfo(np.float32).eps / 4 * loss)
    allowed_error = 1e-7 * np.maximum(np.abs(along_gradient), 1e-3 * sizes)
    slopes = differences.central(lines.along, np.full(len(step), lines.middle), step, allowed_error, noise)
    exact = None if code.is_in_place else _complex_step(lines, slopes)
    return MeasuredLines(step, slopes, exact, noise, is_float32)


def measure_precisely(lines: ParameterLines, gradient: Sequence[Floats]) -> tuple[Slopes, Floats | None]:
    """Derivatives along lines by differences, and by the confirmed complex step."""
    measured = measure_lines(lines, gradient)
    slopes = _remeasure_differences(lines, measured.step, measured.differences, lines.project(gradient))
    return slopes, measured.exact


def _reference_along(lines: ParameterLines, gradient: Sequence[Floats], is_compared: bool = True) -> ReferenceGradient:
    """The correct gradient along lines, by the better of both methods."""
    measured = measure_lines(lines, gradient)
    slopes = measured.differences
    exact = measured.exact
    along_gradient = lines.project(gradient)
    is_confirmed: Mask = np.False_
    if exact is not None:
        # Confirmed by differences, the complex step is uncertain by the rounding error of the loss alone.
        larger = np.maximum(np.abs(slopes.value), np.abs(along_gradient))
        is_confirmed = slopes.doubt <= tolerances.REFERENCE.confirmed * larger
        noise = np.maximum(measured.noise, np.finfo(float).eps * abs(lines.middle))
        rounding = np.minimum(slopes.doubt, noise * 2.0**10 / measured.step)
        slopes = replace(slopes, value=exact, doubt=np.where(is_confirmed, rounding, slopes.doubt))
    if is_compared:
        slopes = _remeasure_differences(lines, measured.step, slopes, along_gradient, is_confirmed)
    is_exact = exact is not None
    return ReferenceGradient(_to_arrays(lines, slopes, is_exact), is_exact, measured.is_float32)


def _remeasure_differences(
    lines: ParameterLines, step: Floats, slopes: Slopes, along_gradient: Floats, is_confirmed: Mask = np.False_
) -> Slopes:
    """Measure derivatives that differ from the code's gradient again.

    A loss may be rougher than it seems: log(1 − p) is a staircase where p is nearly 1, and within one stair it looks
    smooth. A gradient among the derivatives by various steps is not wrong, nor is one that differs by rounding of the
    largest entries.
    """
    error = np.abs(along_gradient - slopes.value)
    is_off = error > 1e-6 * np.maximum(np.abs(along_gradient), np.abs(slopes.value)) + 2 * slopes.doubt
    again = np.flatnonzero(is_off & ~slopes.kink & ~is_confirmed)
    if not len(again):
        return slopes
    # Steps of 2⁻⁵ to 2⁻¹⁷ of a unit; narrower ones, to 2⁻²⁷, where parameters are so small that kinks are nearer.
    sizes = [np.abs(array).max() for array in lines.code.start if array.any()]
    narrowest = int(np.clip(6 - np.log2(min(sizes, default=1.0)), 17, 27))
    estimates = differences.slopes_of_steps(lines.along, again, step[again], range(5, narrowest + 1, 2))
    low, high = estimates.min(0), estimates.max(0)
    is_among = (along_gradient[again] >= 2 * low - high) & (along_gradient[again] <= 2 * high - low)
    is_faint = error[again] <= 6e-8 * np.abs(slopes.value[~slopes.kink]).max(initial=0)
    doubt = slopes.doubt.copy()
    doubt[again] = np.maximum(doubt[again], np.where(is_among | is_faint, error[again], 0))
    return replace(slopes, doubt=doubt)


def _affordable_entries(code: Code, max_entries: int) -> int:
    calls_per_entry = 8
    seconds = 8.0
    begin = perf_counter()
    code.loss(code.start)
    return max(60, min(max_entries, int(seconds / calls_per_entry / max(perf_counter() - begin, 1e-9))))


def _complex_step(lines: ParameterLines, slopes: Slopes) -> Floats | None:
    """The derivatives by the complex step, if differences confirm them."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", np.exceptions.ComplexWarning)
            exact = differences.complex_step(lines.along, len(lines.array))
    except (BadInput, np.exceptions.ComplexWarning):  # code that takes no complex numbers
        return None
    is_precise = ~slopes.kink & (slopes.doubt <= tolerances.REFERENCE.confirmed * np.abs(slopes.value))
    is_usable = np.isfinite(exact).all() and is_precise.any() and differences.keeps_imaginary_part(exact, slopes)
    return exact if is_usable else None


def _to_arrays(lines: ParameterLines, slopes: Slopes, is_exact: bool) -> tuple[ReferenceArray, ...]:
    """Arrange the derivatives along lines by array."""
    arrays = []
    for i, start in enumerate(lines.code.start):
        is_entry, is_direction = (lines.array == i) & (lines.entry >= 0), (lines.array == i) & (lines.entry < 0)
        entry, value, doubt = lines.entry[is_entry], slopes.value[is_entry], slopes.doubt[is_entry]
        edge = ~slopes.kink[is_entry] & ~np.isfinite(doubt) & (not is_exact)
        directions = tuple(
            Direction(lines.vectors[i, lines.entry[n]], slopes.value[n], slopes.doubt[n], slopes.kink[n])
            for n in np.flatnonzero(is_direction)
        )
        expected, uncertainty = np.full(start.shape, np.nan), np.full(start.shape, np.inf)
        at_kink, at_edge = np.zeros(start.shape, bool), np.zeros(start.shape, bool)
        expected.flat[entry] = np.where(edge, np.nan, value)
        uncertainty.flat[entry] = doubt
        at_kink.flat[entry] = slopes.kink[is_entry]
        at_edge.flat[entry] = edge
        arrays.append(ReferenceArray(expected, uncertainty, at_kink, at_edge, directions))
    return tuple(arrays)
