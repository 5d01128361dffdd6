"""A gradient and its reference at some parameters: those of the user, or others where more can be compared."""

from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np

from deltarule.checking.array_results import RIGHT, WRONG
from deltarule.checking.array_verdicts import ArrayVerdict, compare_arrays
from deltarule.checking.catalog import join_names
from deltarule.checking.numerics import probes
from deltarule.checking.numerics.parameter_lines import loss_at
from deltarule.checking.numerics.reference_gradient import ReferenceGradient, measure_gradient
from deltarule.checking.report import Note
from deltarule.checking.user_code.callables import Code
from deltarule.errors import BadInput
from deltarule.problem.problem import Floats


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
    sizes = [probes.reference_size(*one) for one in zip(raw, code.start, probes.rough_size(code, loss), strict=True)]
    return MeasuredPoint(code, raw, measure_gradient(code, sizes), loss)


def move_off_kinks(point: MeasuredPoint) -> MeasuredPoint:
    """Move the parameters off kinks and zero gradients, if more can be compared there.

    A gradient that is right here and wrong there may be no function of the parameters, such as an array computed once
    or one that uses values of an earlier call.
    """
    kinks, zeros = probes.count_kinks(point.reference), point.zeros
    is_at_kink = bool(kinks) and point.verdicts != {RIGHT}
    if not is_at_kink and (not zeros or WRONG in point.verdicts):
        return point
    code, note = point.code.nearby, Note("moved") if is_at_kink else Note("symmetric", names=join_names(zeros))
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
