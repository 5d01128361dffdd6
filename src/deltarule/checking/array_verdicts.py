"""Compare a gradient with the reference gradient, array by array, at the user's parameters or near them.

An entry is wrong where the two differ by more than a share of the larger one, plus the uncertainty of the reference,
plus a rounding error of the array's size. `tolerances.py` holds the shares.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from deltarule.checking import tolerances
from deltarule.checking.array_results import AT_KINK, NOT_MEASURED, RIGHT, WRONG, ArrayResult
from deltarule.checking.catalog import join_names
from deltarule.checking.mistakes.evidence import ParameterEvidence
from deltarule.checking.notes import Note
from deltarule.checking.numerics import probes
from deltarule.checking.numerics.reference_gradient import (
    ReferenceArray,
    ReferenceGradient,
    chance_to_pass,
    gradient_at,
    loss_at,
    measure_gradient,
)
from deltarule.checking.user_code.arrays import OTHER_SHAPE, match_shape
from deltarule.checking.user_code.callables import Code
from deltarule.errors import BadInput
from deltarule.proofs.differences import SMALL_ERROR, Floats
from deltarule.tracing.expression_text import format_index

Mask = NDArray[np.bool_]


@dataclass(frozen=True, eq=False)
class ArrayVerdict:
    """The comparison of one array with its reference.

    evidence             what a diagnosis needs to know
    reference            the correct gradient, as measured
    judged               entries that were compared
    not_judged           entries that are not small, have no kink, and could not be compared
    is_largest_judged    the largest entry is none of these
    is_zero              the reference is 0 in every entry, and so is the code's gradient
    tolerances_along     of each direction, the error allowed in the derivative
    """

    evidence: ParameterEvidence
    reference: ReferenceArray
    judged: Mask
    not_judged: Mask
    is_largest_judged: bool
    is_zero: bool
    tolerances_along: tuple[float, ...]

    @property
    def name(self) -> str:
        return self.evidence.name

    @property
    def is_wrong(self) -> bool:
        return self.evidence.is_wrong

    @property
    def has_wrong_entry(self) -> bool:
        return self.evidence.shape_mistake != OTHER_SHAPE and bool(self.evidence.wrong.any())

    @property
    def has_smooth_direction(self) -> bool:
        return any(not direction.at_kink for direction in self.reference.directions)

    @cached_property
    def result(self) -> ArrayResult:
        if self.evidence.shape_mistake == OTHER_SHAPE:
            return ArrayResult(self.name, WRONG)
        known = np.isfinite(self.evidence.expected)
        own, expected = self.evidence.gradient[known], self.evidence.expected[known]
        largest = max(_max_absolute(own), _max_absolute(expected)) or 1.0
        own, expected = own / largest, expected / largest
        error = _norm(own - expected) / (max(_norm(own), _norm(expected)) or 1.0)
        is_measured = self.judged.any() or self.is_zero or self.has_smooth_direction
        if self.is_wrong:
            verdict = WRONG
        elif is_measured and (self.is_largest_judged or self.has_smooth_direction):
            verdict = RIGHT
        else:
            verdict = AT_KINK if np.any(self.reference.at_kink) else NOT_MEASURED
        has_error = known.any() and not (self.is_zero and verdict == RIGHT)
        return ArrayResult(self.name, verdict, error if has_error else None)

    @property
    def faint(self) -> int:
        """The number of entries that were too small to be compared."""
        return int((np.isfinite(self.evidence.expected) & ~self.judged & ~self.not_judged).sum())

    @property
    def chance_to_pass(self) -> float:
        if not self.reference.directions:
            return 0.0
        directions = zip(self.tolerances_along, self.reference.directions, strict=True)
        allowed = [tolerance for tolerance, direction in directions if not direction.at_kink]
        return chance_to_pass(allowed, SMALL_ERROR * _norm(self.evidence.gradient))


def compare_arrays(code: Code, gradient: Sequence[Floats], reference: ReferenceGradient) -> list[ArrayVerdict]:
    return [_compare(code, i, raw, reference) for i, raw in enumerate(gradient)]


@np.errstate(over="ignore", invalid="ignore")
def _compare(code: Code, i: int, raw: Floats, whole: ReferenceGradient) -> ArrayVerdict:
    """Compare the entries of one array, and slopes along directions, with the reference."""
    parameter = code.start[i]
    reference = whole.arrays[i]
    is_float64 = raw.dtype == parameter.dtype == np.float64 and not whole.is_float32
    share = tolerances.FLOAT64 if is_float64 else tolerances.FLOAT32
    in_shape, shape_mistake = match_shape(raw, parameter)
    own, expected = np.asarray(in_shape, float), reference.expected
    size = np.fmax(np.abs(own), np.abs(expected))
    largest_here = _max_absolute(expected)
    uncertainty = 2 * reference.uncertainty + share.array * largest_here + share.gradient * whole.largest
    tolerance = share.relative * size + uncertainty + (code.rounding[i] if code.rounding else 0.0)
    known = np.isfinite(expected) & ~reference.at_kink
    evidence = ParameterEvidence(
        name=code.names[i],
        value=parameter,
        raw=raw,
        gradient=own,
        expected=np.where(reference.at_kink, np.nan, expected),
        tolerance=np.where(known, tolerance, np.inf),
        uncertainty=uncertainty,
        is_wrong=False,
        shape_mistake=shape_mistake,
        at_kink=reference.at_kink,
    )
    tolerance = evidence.tolerance
    wrong = evidence.wrong
    exact = tolerances.REFERENCE.exact if is_float64 else share.relative
    agrees_exactly = whole.is_exact & (np.abs(own - expected) <= exact * size)
    is_visible = tolerance <= share.visible * np.maximum(size, max(1e-3 * largest_here, 1e-6 * whole.largest))
    judged = known & (is_visible | agrees_exactly | wrong)
    smooth = known | reference.at_edge
    not_judged = smooth & ~judged & (size > max(share.large * largest_here, 1e-6 * whole.largest))
    is_largest_judged = not (size[not_judged] > tolerances.REFERENCE.tied * size[smooth].max(initial=0)).any()
    invisible = 1e-13 * whole.largest + (0 if whole.is_exact else 2 * reference.uncertainty[known])
    is_found_zero = (np.abs(own) <= share.zero * whole.largest).all()
    is_zero = bool(known.any() and (size[known] <= invisible).all() and is_found_zero)
    allowed = tolerances.REFERENCE.along * _norm(own) + (_norm(code.rounding[i]) if code.rounding else 0.0)
    along = tuple(allowed + 2 * direction.uncertainty for direction in reference.directions)
    pairs = zip(reference.directions, along, strict=True)
    is_wrong_along = any(not pair.at_kink and not abs(pair.error(own)) <= tolerance for pair, tolerance in pairs)
    evidence = replace(evidence, is_wrong=bool(wrong.any() or shape_mistake or is_wrong_along))
    return ArrayVerdict(evidence, reference, judged, not_judged, bool(is_largest_judged), is_zero, along)


def scaled_errors(arrays: Sequence[ArrayVerdict]) -> Iterator[tuple[str, Floats, Floats, Floats, Floats]]:
    """Yield the values, scaled errors and ranks of each compared array.

    Wrong entries rank by their share of the array's norm, right ones by the scaled error; −1 if not compared.
    """
    has_wrong = any(array.has_wrong_entry for array in arrays)
    for array in arrays:
        evidence, wrong = array.evidence, array.evidence.wrong
        if not array.judged.any() or evidence.shape_mistake == OTHER_SHAPE:
            continue
        own, expected = evidence.gradient, array.reference.expected
        scale = np.fmax(np.abs(own), np.abs(expected)) + evidence.tolerance * ~wrong
        difference = np.abs(own - expected)
        error = np.where(array.judged, difference / np.where(scale > 0, scale, 1), -1)
        norm = np.nansum(np.abs(expected)) or 1.0
        rank = np.where(wrong, difference / norm, -1) if has_wrong else error
        yield array.name, own, expected, error, rank


def comparison_notes(
    reference: ReferenceGradient, arrays: Sequence[ArrayVerdict], false_pass_probability: float, subject: str
) -> Iterator[Note]:
    """Yield notes on what could not be compared, or only roughly, and on wrong shapes."""
    dtypes = [dtype for array in arrays for dtype in (array.evidence.value.dtype, array.evidence.raw.dtype)]
    dtypes.append(np.dtype(np.float32 if reference.is_float32 else np.float64))
    narrowest = min(dtypes, key=lambda dtype: dtype.itemsize)
    if narrowest.itemsize < 8:
        yield Note("few_digits", dtype=narrowest, share=10 * SMALL_ERROR)
    if not reference.is_exact:
        yield Note("no_complex_step")
    yield from _note_on_entries("at_edge", [(array.name, array.reference.at_edge) for array in arrays], subject)
    rough = [(array.name, array.not_judged & ~array.reference.at_edge) for array in arrays]
    yield from _note_on_entries("rough", rough, subject)
    sampled = [array for array in arrays if array.reference.directions]
    if sampled:
        lines = len(sampled[0].reference.directions)
        yield Note("sampled", directions=lines, share=SMALL_ERROR, probability=false_pass_probability)
    for parameter in (array.evidence for array in arrays):
        if _has_other_shape(parameter):
            yield Note("other_shape", name=parameter.name, found=parameter.raw.shape, expected=parameter.value.shape)


def _has_other_shape(parameter: ParameterEvidence) -> bool:
    return bool(parameter.shape_mistake) or (parameter.is_wrong and parameter.raw.size < parameter.value.size)


def _note_on_entries(code: str, masks: Sequence[tuple[str, NDArray[np.bool_]]], subject: str) -> Iterator[Note]:
    """A note on the entries that are True, with their number and the first of them, if there are any."""
    entries = [format_index(name, tuple(np.argwhere(mask)[0])) for name, mask in masks if mask.any()]
    if entries:
        yield Note(code, count=sum(int(mask.sum()) for _, mask in masks), entry=entries[0], subject=subject)


@np.errstate(over="ignore", invalid="ignore")
def why_clipped(code: Code, arrays: Sequence[ParameterEvidence]) -> str:
    """The sentence on a right gradient with a limit on entries or norm; "" for others."""
    if not code.is_repeatable or sum(int(array.wrong.sum()) for array in arrays) < 2:
        return ""
    limit = max(float(np.abs(array.gradient).max()) for array in arrays)
    if limit <= max(float(np.nanmax(array.tolerance[array.wrong], initial=0)) for array in arrays):
        return ""
    if all(_is_cut_at(limit, array) for array in arrays):
        return Note("cut_off", limit=limit)
    try:
        nearby = gradient_at(code, code.nearby.start)
    except BadInput:  # code that fails there
        return ""
    raw = [array.raw for array in arrays]
    here, there = _joint_norm(raw), _joint_norm(nearby)
    if not abs(here - there) <= 1e-9 * here or all(map(np.array_equal, raw, nearby)):
        return ""
    return Note("same_norm", norm=here)


def _joint_norm(arrays: Sequence[Floats]) -> Any:
    return np.sqrt(sum((array**2).sum() for array in arrays))


def _is_cut_at(limit: float, array: ParameterEvidence) -> bool:
    is_cut = np.abs(np.clip(array.expected, -limit, limit) - array.gradient) <= array.tolerance
    return bool((is_cut | ~np.isfinite(array.expected)).all())


def _max_absolute(array: Floats) -> float:
    return float(np.nanmax(np.abs(array), initial=0))


def _norm(array: Floats) -> float:
    return float(np.sqrt((array**2).sum()))


@dataclass(frozen=True, eq=False)
class MeasuredPoint:
    """The user's gradient and the reference at some parameters."""

    code: Code
    raw: list[Floats]
    reference: ReferenceGradient
    loss: float
    note: Note | None = None

    @cached_property
    def verdicts(self) -> set[str]:
        return {array.result.verdict for array in self.arrays}

    @cached_property
    def arrays(self) -> list[ArrayVerdict]:
        return compare_arrays(self.code, self.raw, self.reference)

    @property
    def zeros(self) -> list[str]:
        return [array.name for array in self.arrays if array.is_zero]


def measure_point(code: Code, raw: list[Floats], loss: float) -> MeasuredPoint:
    """The user's gradient `raw` with the reference."""
    sizes = [probes.reference_size(*pair) for pair in zip(raw, code.start, probes.rough_size(code, loss), strict=True)]
    return MeasuredPoint(code, raw, measure_gradient(code, sizes), loss)


def move_off_kinks(point: MeasuredPoint) -> MeasuredPoint:
    """Move the parameters off kinks and zero gradients, if more can be compared there.

    A gradient that is right here and wrong there may be no function of the parameters, such as an array computed once
    or one that uses values of an earlier call.
    """
    kinks = probes.count_kinks(point.reference)
    zeros = point.zeros
    is_at_kink = bool(kinks) and point.verdicts != {RIGHT}
    if not is_at_kink and (not zeros or WRONG in point.verdicts):
        return point
    code = point.code.nearby
    note = Note("moved") if is_at_kink else Note("symmetric", names=join_names(zeros))
    try:
        raw, loss = probes.finite_gradient(code, code.start), loss_at(code, code.start)
        if all(map(np.array_equal, point.raw, raw)) or not np.isfinite(loss):  # a constant is no function
            return point
        moved = replace(measure_point(code, raw, loss), note=note)
        is_function = not probes.depends_on_earlier_calls(code, point.code)
    except BadInput:  # code that fails there
        return point
    is_less_hidden = probes.count_kinks(moved.reference) < kinks if is_at_kink else len(moved.zeros) < len(zeros)
    is_safe = is_function or WRONG in point.verdicts or WRONG not in moved.verdicts
    return moved if is_less_hidden and is_safe else point


def compare_closely(point: MeasuredPoint) -> MeasuredPoint:
    """Compare a gradient with its reference, and measure its rounding errors if it seems wrong."""
    if point.code.is_repeatable and any(array.is_wrong for array in point.arrays):
        point = replace(point, code=replace(point.code, rounding=probes.estimate_rounding(point.code, point.raw)))
    return point
