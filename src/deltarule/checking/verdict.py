"""Check the gradient of `Code` in five steps, for all public checks."""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np

from deltarule.checking.array_results import NOT_MEASURED, RIGHT, WRONG, ArrayResult, describe_location
from deltarule.checking.array_verdicts import (
    ArrayVerdict,
    MeasuredPoint,
    compare_arrays,
    compare_closely,
    comparison_notes,
    measure_point,
    move_off_kinks,
    scaled_errors,
    why_clipped,
)
from deltarule.checking.catalog import Correction, Mistake, join_names, make_mistake
from deltarule.checking.context import Context, one_thread
from deltarule.checking.mistakes.diagnose import diagnose_code
from deltarule.checking.mistakes.evidence import GradientEvidence, fit_ratio
from deltarule.checking.notes import UNEXPLAINED, Note, several, without_notes
from deltarule.checking.numerics import probes
from deltarule.checking.numerics.reference_gradient import loss_at, measure_gradient, with_array
from deltarule.checking.report import CodeReport, worst_entry
from deltarule.checking.user_code.callables import Code
from deltarule.errors import BadInput
from deltarule.proofs.differences import Floats
from deltarule.user_functions import quietly


def check_code(code: Code, what: str, context: Context) -> CodeReport:
    """Check the gradient of user code and restore all that was moved."""
    with one_thread():
        try:
            unmeasured = tuple(ArrayResult(name, NOT_MEASURED) for name in code.names)
            entries = sum(start.size for start in code.start)
            return _complete_report(code, CodeReport(what, entries=entries, arrays=unmeasured), context)
        finally:
            quietly(code.restore)


def _complete_report(code: Code, report: CodeReport, context: Context) -> CodeReport:
    """Measure the reference gradient, compare, and complete a report."""
    loss = _finite_loss(code)
    impure = _why_impure(code, loss, context)
    if impure:
        return replace(report, vacuous=impure)
    if code.is_repeatable:
        raw = probes.finite_gradient(code, code.start)
        mistake = probes.find_unrepeatable(code, raw)
        if mistake:
            return _report_unrepeatable(report, code, raw, mistake, context)
        point = measure_point(code, raw, loss)
        point = point if context.is_layer else move_off_kinks(point)
    else:  # the step comes last: a wrong one may leave arrays for which there is no loss
        reference = measure_gradient(code, probes.rough_size(code, loss))
        point = MeasuredPoint(code, probes.finite_gradient(code, code.start), reference, loss)
    return _report_comparison(report, point, context)


def _report_unrepeatable(
    report: CodeReport, code: Code, raw: list[Floats], mistake: Mistake, context: Context
) -> CodeReport:
    """The report of a gradient that differs between calls; it may add up by design."""
    once = replace(code, is_repeatable=False)
    reference = measure_gradient(code, raw)
    arrays = compare_closely(MeasuredPoint(once, raw, reference, 0.0)).arrays
    named = replace(report, diagnosis=(mistake,), arrays=tuple(array.result for array in arrays))
    if mistake.code == "accumulated":
        before, after = (probes.finite_gradient(code, code.start) for _ in range(2))
        added = [new - old if (new - old).any() else new for old, new in zip(before, after, strict=True)]
        if not any(array.is_wrong for array in compare_arrays(once, added, reference)):
            named = replace(named, vacuous=Note("added_up", names=join_names(mistake.where)))
    return _with_wrong_arrays(named, mistake, code, context)


def _report_comparison(report: CodeReport, point: MeasuredPoint, context: Context) -> CodeReport:
    """Compare, diagnose, and complete a report."""
    judged = compare_closely(point)
    arrays = judged.arrays
    mistakes, notes_on_mistakes = _diagnose(judged, context)
    if _is_right_but_for_epsilon(mistakes, point.code, context):
        notes_on_mistakes = (*notes_on_mistakes, Note("but_for_epsilon", sentence=mistakes[0].sentence))
        right = [replace(array.evidence, is_wrong=False) for array in arrays]
        mistakes = ()
        arrays = [replace(array, evidence=of) for array, of in zip(arrays, right, strict=True)]
    may_be_clipped = {mistake.code for mistake in mistakes} <= {"factor", "factor_two"}
    clipped = why_clipped(point.code, [array.evidence for array in arrays]) if may_be_clipped else ""
    if clipped:
        return replace(report, vacuous=clipped, notes=without_notes(notes_on_mistakes, UNEXPLAINED))
    if any(array.is_wrong for array in arrays) and point.code.draws_other_numbers:
        return replace(report, vacuous=Note("other_draws"))
    is_any_wrong = any(array.is_wrong for array in arrays)
    report = _with_figures(replace(report, diagnosis=mistakes), arrays, judged.reference.is_exact)
    report = _with_array_results(report, [array.result for array in arrays], point.code, context)
    notes = [point.note] if point.note else []
    notes += [*comparison_notes(judged.reference, arrays, report.false_pass, context.subject), *notes_on_mistakes]
    if is_any_wrong or mistakes:
        notes += _notes_on_zeros(judged, arrays, context)
        report = replace(report, notes=tuple(notes))
        report = _corrected(report, judged, context) if is_any_wrong else report
        notes = list(report.notes)
    else:
        report, further = _confirm_right(report, judged.code, arrays, context)
        notes += further
    if judged.code.rounding and judged.code is not point.code:
        pairs = zip(judged.code.rounding, point.raw, strict=True)
        share = max(doubt.max(initial=0) / np.abs(array).max(initial=1e-300) for doubt, array in pairs)
        notes += [Note("rounded", share=share)] if share else []
    is_all_judged = all(array.verdict in (RIGHT, WRONG) for array in report.arrays)
    return replace(report, notes=without_notes(notes, ["no_complex_step"] if is_all_judged else []))


def _with_figures(report: CodeReport, arrays: Sequence[ArrayVerdict], is_exact: bool) -> CodeReport:
    """How much was compared, how surely, and the worst entry.

    A mistake may be in a shape, or in the loss: then the worst entry, which is right, would mislead.
    """
    is_wrong = any(array.is_wrong for array in arrays) or bool(report.diagnosis)
    has_worst = not is_wrong or any(array.has_wrong_entry for array in arrays)
    return replace(
        report,
        compared=sum(int(array.judged.sum()) for array in arrays),
        kinks=sum(int(array.reference.at_kink.sum()) for array in arrays),
        faint=sum(array.faint for array in arrays),
        methods=("central differences", "the complex step")[: 1 + is_exact],
        false_pass=max((array.chance_to_pass for array in arrays), default=0.0),
        worst=worst_entry(scaled_errors(arrays)) if has_worst else None,
    )


def _corrected(report: CodeReport, point: MeasuredPoint, context: Context) -> CodeReport:
    truth = [np.where(array.at_kink, np.nan, array.expected) for array in point.reference.arrays]
    return with_correction(report, point.code, truth, context) if point.code.is_repeatable else report


def with_correction(report: CodeReport, code: Code, truth: Sequence[Floats], context: Context) -> CodeReport:
    """A report with a correction that was tried and makes the gradient right, or at least the line to change."""
    from deltarule.checking.repair.correct import find_correction  # a right gradient does without

    try:
        correction = find_correction(code, truth, context.others, context.shorter, seconds=context.seconds)
    except Exception as error:  # values of users' own classes may raise anything; the verdict stands
        note = Note("no_correction", why=f"{type(error).__name__}: {error}".rstrip(": "))
        return replace(report, notes=(*report.notes, note))
    named = report.diagnosis
    notes = report.notes
    if correction is not None and correction.changes and "factor" in {mistake.code for mistake in named}:
        named = tuple(mistake for mistake in named if mistake.code == "factor")  # which count it is, was a guess
    if all(mistake.kind.describes_numbers for mistake in named):  # they do not say what to change
        named = (*_named_by(correction, report), *named)[:2]
    if not report.diagnosis and (named or (correction is not None and correction.changes)):
        notes = without_notes(notes, UNEXPLAINED)
    return replace(report, correction=correction, diagnosis=named, notes=notes)


def _named_by(correction: Correction | None, report: CodeReport) -> tuple[Mistake, ...]:
    """The mistake that a correction shows, where numbers alone do not explain it."""
    if correction is None or not correction.kind:
        return ()
    wrong = [array.name for array in report.arrays if array.verdict == WRONG]
    where = f"line {correction.line} of {Path(correction.file).name}"
    return (make_mistake(correction.kind, wrong, f"{where} should be {correction.changes[0].new}"),)


def _notes_on_zeros(point: MeasuredPoint, arrays: Sequence[ArrayVerdict], context: Context) -> Iterator[Note]:
    """Notes on arrays, perhaps all, that the loss does not depend on."""
    zero = [not np.nan_to_num(array.reference.expected).any() for array in arrays]
    unused = [
        array.name
        for i, array in enumerate(arrays)
        if array.is_wrong and zero[i] and not probes.depends_on(point.code, i)
    ]
    if unused and len(unused) < len(arrays):
        yield Note("unused", subject=context.subject, names=join_names(unused))
    if context.is_layer or not all(zero):
        return
    code = point.code
    indices = range(len(arrays))
    near = [loss_at(code, with_array(code.start, i, code.start[i] + 2.0**-10)) for i in indices]
    if not any(probes.depends_on(code, i) for i in indices):
        yield context.constant_note
    elif max(abs(loss - point.loss) for loss in near) <= probes.relative_noise(code) * abs(point.loss):
        yield Note("flat")


def _finite_loss(code: Code) -> float:
    loss = loss_at(code, code.start)
    if not np.isfinite(loss):
        raise BadInput(f"the loss is {loss} at these parameters; give some at which it is finite")
    return loss


def _why_impure(code: Code, loss: float, context: Context) -> str | None:
    """The reason why the code cannot be checked, or None."""
    changes = probes.find_changes(code)
    if changes:
        changed = join_names([f"{name} changes {join_names(arrays)}" for name, arrays in changes.items()])
        return Note("changes", changed=changed)
    losses = [loss, *(_finite_loss(code) for _ in range(4))]
    if max(losses) - min(losses) <= probes.relative_noise(code) * abs(loss):
        return None
    return Note("impure", subject=context.subject, same="input" if context.is_layer else "parameters")


def _diagnose(point: MeasuredPoint, context: Context) -> tuple[tuple[Mistake, ...], tuple[Note, ...]]:
    arrays = tuple(array.evidence for array in point.arrays)
    rate, momentum = context.learning_rate, context.momentum
    evidence = GradientEvidence(arrays, context.samples, None, rate, momentum, is_layer=context.is_layer)
    if point.code.is_repeatable:
        evidence = replace(evidence, ratios_nearby=partial(_ratios_nearby, point.code))
    own_hypotheses = list(context.own_hypotheses(evidence)) if evidence.wrong else []
    return diagnose_code(point.code, evidence, point.loss, own_hypotheses, context.like)


def _ratios_nearby(code: Code) -> dict[str, float]:
    """By array, the ratio of the user's gradient and the reference at parameters nearby."""
    try:
        raw = probes.finite_gradient(code.nearby, code.nearby.start)
        arrays = compare_arrays(code.nearby, raw, measure_gradient(code.nearby, raw))
    except BadInput:  # code that fails there
        return {}
    of_arrays = [array.evidence for array in arrays]
    return {array.name: fit_ratio(array.gradient, array.expected, array.expected) for array in of_arrays}


def _with_array_results(report: CodeReport, arrays: Sequence[ArrayResult], code: Code, context: Context) -> CodeReport:
    subject = "the gradient of" if context.learning_rate is None else "the update of"
    shapes = [] if context.is_layer else [start.shape for start in code.start]  # one layer's inputs have no order
    location = describe_location(arrays, subject, shapes)
    return replace(report, arrays=tuple(arrays), location=location)


def _with_wrong_arrays(report: CodeReport, mistake: Mistake, code: Code, context: Context) -> CodeReport:
    arrays = [ArrayResult(array.name, WRONG) if array.name in mistake.where else array for array in report.arrays]
    return _with_array_results(report, arrays, code, context)


def _confirm_right(
    report: CodeReport, code: Code, arrays: Sequence[ArrayVerdict], context: Context
) -> tuple[CodeReport, list[Note]]:
    """Finish the report of a gradient without mistakes."""
    unused = [array.name for i, array in enumerate(arrays) if array.is_zero and not probes.depends_on(code, i)]
    vacuous = _why_vacuous(report, arrays, unused, context)
    notes = [Note("unused", subject=context.subject, names=join_names(unused))] if unused else []
    # A layer's backward pass may read its input from outside, where it stays: it is called for no other input.
    stale = probes.find_stale(code) if vacuous is None and code.is_repeatable and not context.is_layer else None
    near = _measure_nearby(code) if stale else None
    named = _diagnose(near, context)[0] if near else ()
    if stale and not _is_epsilon_of_loss(named):
        may_be_hidden = report.kinks or any(np.ptp(start) == 0 for start in code.start if start.size > 1)
        named = named or (() if may_be_hidden and not probes.depends_on_earlier_calls(code.nearby, code) else (stale,))
        notes += [Note("only_nearby")] if stale not in named else []
        notes += [] if named else [Note("unexplained", rest=several(code.names))]
        report = replace(report, worst=None, diagnosis=named, notes=tuple(notes))
        report = _with_wrong_arrays(report, stale, code, context)
        report = _corrected(report, near, context) if near else report
        return report, list(report.notes)
    return replace(report, ok=vacuous is None, vacuous=vacuous), notes


def _measure_nearby(code: Code) -> MeasuredPoint | None:
    """A gradient that is right only by chance, at parameters nearby; None where the code fails there."""
    nearby = code.nearby
    try:
        raw = probes.finite_gradient(nearby, nearby.start)
        loss = loss_at(nearby, nearby.start)
        return compare_closely(measure_point(nearby, raw, loss))
    except BadInput:
        return None


def _is_epsilon_of_loss(mistakes: Sequence[Mistake]) -> bool:
    """Whether all that is wrong is an ε in the loss's logarithm, often left out."""
    return [(mistake.code, mistake.where) for mistake in mistakes] == [("epsilon", ("loss",))]


def _is_right_but_for_epsilon(mistakes: Sequence[Mistake], code: Code, context: Context) -> bool:
    if not _is_epsilon_of_loss(mistakes) or not code.is_repeatable:
        return _is_epsilon_of_loss(mistakes)
    # One that is stale is clearly wrong nearby, and not by an ε.
    near = _measure_nearby(code) if probes.find_stale(code) else None
    return probes.find_stale(code) is None or bool(near and _is_epsilon_of_loss(_diagnose(near, context)[0]))


def _why_vacuous(
    report: CodeReport, arrays: Sequence[ArrayVerdict], unused: Sequence[str], context: Context
) -> str | None:
    """Why a comparison without errors proves nothing; None if it proves something."""
    if len(unused) == len(arrays):
        return context.constant_note
    zero = [array.name for array in arrays if array.is_zero]
    if len(zero) == len(arrays):
        return Note("zero_everywhere")
    dead = [name for name in zero if name not in unused]
    if dead:
        return Note("dead", names=join_names(dead))
    if not report.compared:
        return Note("nothing_compared", kinks=report.kinks, faint=report.faint)
    unproved = [array.name for array in arrays if not array.is_zero and array.result.verdict != RIGHT]
    return Note("unproved", names=join_names(unproved)) if unproved else None
