"""Judge an update by its first steps.

As gradient descent or momentum, and if it is wrong, as another optimizer or with other numbers.

α  the learning rate      g  the gradient      v, β  the velocity and its factor, momentum
"""

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace

import numpy as np

from deltarule.checking.array_results import NOT_MEASURED, WRONG, ArrayResult
from deltarule.checking.catalog import join_names, make_mistake
from deltarule.checking.context import Context, one_thread
from deltarule.checking.notes import Note
from deltarule.checking.optimizers import (
    find_other_numbers,
    find_rates_by_array,
    follow_steps,
    recognize,
    recognize_shared,
    why_rescaled,
)
from deltarule.checking.repair.trials import measured
from deltarule.checking.report import CodeReport
from deltarule.checking.updates import Update
from deltarule.checking.verdict import check_code, with_correction
from deltarule.errors import BadInput

_DIVIDES_BY_ZERO = "the first update gives infinity or NaN: it divides by 0, as Adam does by 1 − βᵗ with t = 0"
_MISTAKES_OF_ALL = {"mean_twice", "running_mean"}
_MISTAKES_LIKE_RATES = {"factor", "factor_two", "penalty_not_in_loss", *_MISTAKES_OF_ALL}
"""Mistakes that another rate, or decay of weights, than the given one shows too; the first of them in all arrays."""
_FACTORS = {"factor", "factor_two", "mean_missing", "mean_twice"}
"""Mistakes that different rates for different arrays show too, if the number of samples is not known."""


def judge_update(update: Update, context: Context) -> CodeReport:
    """The report of a user's update, by one step or, with momentum, by two."""
    names = update.code.names
    try:
        report = check_code(update.code, "update", context)
    except BadInput:
        if not update.divides_by_zero:
            raise
        mistake = make_mistake("bias_correction", names, _DIVIDES_BY_ZERO)
        return CodeReport("update", diagnosis=(mistake,), arrays=tuple(ArrayResult(name, WRONG) for name in names))
    if context.momentum and not report.vacuous:
        report = _judge_second_step(report, update, context)
    if report.verdict != "WRONG":
        return report
    with one_thread():
        try:
            report = _explain(report, update, context)
            update.restore()
            unchanged = _unchanged_arrays(update)
            if unchanged and update.is_fixed:
                report = replace(report, notes=(*report.notes, Note("unchanged", names=join_names(unchanged))))
            if report.verdict == "WRONG" and context.seconds:
                code = update.with_velocity(context.momentum) if context.momentum else update.repeatable_code()
                report = with_correction(report, code, measured(code).truth, context) if code else report
            return report
        finally:
            update.restore()


def _unchanged_arrays(update: Update) -> list[str]:
    steps = zip(update.code.names, *update.steps[0], strict=True)
    return [name for name, begin, end in steps if np.array_equal(begin, end)]


def _judge_second_step(first_report: CodeReport, update: Update, context: Context) -> CodeReport:
    """Check the second of two updates.

    Only the first depends on velocities left from before, which look the same as a wrong first update.
    """

    def check_next() -> CodeReport:
        code, velocity_hypotheses = update.next_step(context.momentum)
        return check_code(code, "update with momentum", replace(context, own_hypotheses=velocity_hypotheses))

    try:
        second = check_next()
    except BadInput:
        if first_report.ok:
            raise
        return first_report  # after a wrong update the code may fail
    if any(mistake.code.startswith("penalty") for mistake in second.diagnosis):
        # A parameter that began at 0 is a multiple of its velocity now, so that a wrong velocity looks like a penalty.
        with suppress(BadInput):
            third = check_next()
            second = third if third.verdict == "WRONG" else second
    first_codes = {mistake.code for mistake in first_report.diagnosis}
    if second.ok and not first_report.ok and first_codes <= {"factor", "factor_two", "nesterov"}:
        return replace(second, ok=False, vacuous=Note("old_velocities"), worst=None)
    return second if first_report.ok or not first_report.diagnosis else first_report


def _explain(report: CodeReport, update: Update, context: Context) -> CodeReport:
    """Explain a wrong update: by another optimizer, other numbers, or chance."""
    names = update.code.names
    momentum = context.momentum
    codes = {mistake.code for mistake in report.diagnosis}
    if codes == {"nesterov"} and {*report.diagnosis[0].where} == {*names}:
        what = "update of Nesterov's momentum"
        return replace(report, what=what, ok=True, worst=None, diagnosis=(), location="", arrays=())
    assert context.learning_rate is not None
    followed = list(follow_steps(update, context.learning_rate))
    for steps in followed:
        if steps.is_adaptive or not codes or (not momentum and codes == {"factor"}):
            recognized = recognize(steps, momentum, report) or recognize_shared(steps, momentum, report)
            if recognized is not None:
                return recognized
    first = followed[0] if followed else None
    if first is not None and codes <= _FACTORS and not context.samples:
        rates = find_rates_by_array(first, names, momentum)
        if rates:
            return replace(report, vacuous=rates)
    why = None
    if first is not None and _may_be_other_numbers(codes, report, names):
        why = None if momentum else why_rescaled(first)
        if codes and not why:
            return replace(report, vacuous=find_other_numbers(first, names, momentum))
    is_adaptive = first is not None and first.is_adaptive
    if why or is_adaptive or (not codes and update.has_other_state()):
        why = why or Note("like_adam" if is_adaptive else "other_state")
        unmeasured = tuple(ArrayResult(name, NOT_MEASURED) for name in names)
        return CodeReport(report.what, entries=report.entries, arrays=unmeasured, vacuous=why)
    return report


def _may_be_other_numbers(codes: set[str], report: CodeReport, names: Sequence[str]) -> bool:
    """Whether another rate, or decay of weights, than the given one may look like these mistakes."""
    named = codes - ({"penalty_factor"} if "penalty_not_in_loss" in codes else set())
    wrong = {name for mistake in report.diagnosis for name in mistake.where}
    return named <= _MISTAKES_LIKE_RATES and (wrong == set(names) or not named & _MISTAKES_OF_ALL)
