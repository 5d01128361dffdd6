"""Check the gradient of `Code` in five steps, for all public checks."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np

from deltarule.blas_threads import one_blas_thread
from deltarule.checking.array_results import NOT_MEASURED, RIGHT, WRONG, ArrayResult, describe_location
from deltarule.checking.array_verdicts import ArrayVerdict, compare_arrays, comparison_notes, scaled_errors, why_clipped
from deltarule.checking.catalog import Mistake, join_names
from deltarule.checking.mistakes.diagnose import diagnose_code
from deltarule.checking.mistakes.evidence import Evidence, Hypothesis
from deltarule.checking.mistakes.network_matching import Like
from deltarule.checking.numerics import probes
from deltarule.checking.numerics.parameter_lines import loss_at, with_array
from deltarule.checking.numerics.reference_gradient import ReferenceGradient, measure_around, measure_gradient
from deltarule.checking.report import UNEXPLAINED, CodeReport, Note, several, without_notes, worst_entry
from deltarule.checking.user_code.callables import Code
from deltarule.errors import BadInput
from deltarule.problem.problem import Floats
from deltarule.user_functions import quietly

_ADDED_UP = (
    "the gradient of {names} adds up over calls, and what each call adds is right: if that is meant, set it to 0 in "
    "the function that is checked"
)


@dataclass(frozen=True, eq=False)
class Context:
    """What is known about the code: network, samples and hyperparameters.

    like             the network that the code implements, with its data
    samples          the possible numbers of samples
    own_hypotheses   hypotheses for this kind of code alone
    is_layer         the code is a layer, and its loss an output times an upstream gradient
    """

    like: Like | None = None
    samples: tuple[int, ...] = ()
    learning_rate: float | None = None
    momentum: float = 0.0
    own_hypotheses: Callable[[Evidence], Iterator[Hypothesis]] = lambda evidence: iter(())
    is_layer: bool = False

    @property
    def subject(self) -> str:
        return "the output of forward" if self.is_layer else "the loss"

    @property
    def constant_note(self) -> Note:
        return Note("constant", subject=self.subject, moved="input is" if self.is_layer else "parameters are")


@contextmanager
def one_thread() -> Iterator[None]:
    """Limit BLAS and PyTorch to one thread, which is faster for small operations."""
    from threadpoolctl import threadpool_limits

    with one_blas_thread(), threadpool_limits(1, user_api="openmp"):
        yield


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
            unrepeatable, reference = replace(code, is_repeatable=False), measure_gradient(code, raw)
            _, _, arrays = _compare_closely(unrepeatable, raw, reference)
            named = replace(report, diagnosis=(mistake,), arrays=tuple(array.result for array in arrays))
            if mistake.code == "accumulated":
                before, after = (probes.finite_gradient(code, code.start) for _ in range(2))
                added = [new - old if (new - old).any() else new for old, new in zip(before, after, strict=True)]
                if not any(array.is_wrong for array in compare_arrays(unrepeatable, added, reference)):
                    named = replace(named, vacuous=_ADDED_UP.format(names=join_names(mistake.where)))
            return _with_wrong_arrays(named, mistake, code, context)
        point = _measure_point(code, raw, loss)
        if not context.is_layer:
            point = _move_off_kinks(point)
    else:  # the step comes last: a wrong one may leave arrays for which there is no loss
        reference = measure_gradient(code, probes.rough_size(code, loss))
        point = _Point(code, probes.finite_gradient(code, code.start), reference, loss)
    code, raw, loss = point.code, point.raw, point.loss
    judged_code, reference, arrays = _compare_closely(code, raw, point.reference)
    evidence = Evidence(
        tuple(arrays), context.samples, None, context.learning_rate, context.momentum, is_layer=context.is_layer
    )
    own_hypotheses = list(context.own_hypotheses(evidence)) if evidence.wrong else []
    mistakes, notes_on_mistakes = diagnose_code(judged_code, evidence, loss, own_hypotheses, context.like)
    if _is_right_but_for_epsilon(mistakes, code, context):
        notes_on_mistakes = (*notes_on_mistakes, Note("but_for_epsilon", sentence=mistakes[0].sentence))
        mistakes, arrays = (), [replace(array, is_wrong=False) for array in arrays]
    clipped = why_clipped(code, arrays) if {mistake.code for mistake in mistakes} <= {"factor", "factor_two"} else ""
    if clipped:
        return replace(report, vacuous=clipped, notes=without_notes(notes_on_mistakes, UNEXPLAINED))
    judged = _report_comparison(report, reference, arrays, mistakes)
    judged = _with_arrays(judged, [array.result for array in arrays], code, context)
    notes = [point.note] if point.note else []
    notes += [*comparison_notes(reference, arrays, judged.false_pass, context.subject), *notes_on_mistakes]
    if any(array.is_wrong for array in arrays) or mistakes:
        unused = [
            array.name
            for i, array in enumerate(arrays)
            if array.is_wrong
            and not np.nan_to_num(array.reference.expected).any()
            and not probes.depends_on(judged_code, i)
        ]
        if unused and len(unused) < len(arrays):
            notes.append(Note("unused", subject=context.subject, names=join_names(unused)))
        if not context.is_layer and not any(np.nan_to_num(array.reference.expected).any() for array in arrays):
            notes += _constant_loss_notes(judged_code, loss, context)
    else:
        judged, further = _confirm(judged, judged_code, arrays, context)
        notes += further
    if judged_code is not code:
        notes += _rounding_notes(judged_code, raw)
    is_all_judged = all(array.verdict in (RIGHT, WRONG) for array in judged.arrays)
    return replace(judged, notes=without_notes(notes, ["no_complex_step"] if is_all_judged else []))


@dataclass(frozen=True, eq=False)
class _Point:
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


def _measure_point(code: Code, raw: list[Floats], loss: float) -> _Point:
    sizes = [probes.reference_size(*one) for one in zip(raw, code.start, probes.rough_size(code, loss), strict=True)]
    return _Point(code, raw, measure_gradient(code, sizes), loss)


def _move_off_kinks(point: _Point) -> _Point:
    """Move the parameters off kinks and zero gradients, if more can be compared there.

    A gradient that is right here and wrong there may be no function of the parameters, such as an array computed once
    or one that uses values of an earlier call.
    """
    kinks, zeros = probes.count_kinks(point.reference), point.zeros
    step = probes.step_off_kinks(point.code) if kinks and point.verdicts != {RIGHT} else None
    if step is not None:
        code, note = step[0], Note("moved", names=step[1])
    elif zeros and WRONG not in point.verdicts:
        code, note = point.code.nearby, Note("symmetric", names=join_names(zeros))
    else:
        return point
    try:
        raw, loss = probes.finite_gradient(code, code.start), loss_at(code, code.start)
        if all(map(np.array_equal, point.raw, raw)) or not np.isfinite(loss):  # a constant is no function
            return point
        moved = replace(_measure_point(code, raw, loss), note=note)
        is_function = not probes.depends_on_earlier_calls(code, point.code)
    except BadInput:  # code that fails there
        return point
    is_less_hidden = len(moved.zeros) < len(zeros) if step is None else probes.count_kinks(moved.reference) < kinks
    is_safe = is_function or WRONG in point.verdicts or WRONG not in moved.verdicts
    return moved if is_less_hidden and is_safe else point


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
        return f"{changed} when it is called; give a function that changes nothing, or a copy"
    losses = [loss, *(_finite_loss(code) for _ in range(4))]
    if max(losses) - min(losses) <= probes.relative_noise(code) * abs(loss):
        return None
    same = "input" if context.is_layer else "parameters"
    return (
        f"{context.subject} changes between calls with the same {same}: it draws numbers or keeps state; set the seed "
        "inside, or what it keeps, so that each call gives the same"
    )


def _compare_closely(
    code: Code, raw: Sequence[Floats], reference: ReferenceGradient
) -> tuple[Code, ReferenceGradient, list[ArrayVerdict]]:
    """Compare a gradient with its reference, measuring more if it seems wrong."""
    arrays = compare_arrays(code, raw, reference)
    if code.is_repeatable and any(array.is_wrong_along or array.wrong.any() for array in arrays):
        code = replace(code, rounding=probes.estimate_rounding(code, raw))
        arrays = compare_arrays(code, raw, reference)
    for index, array in enumerate(arrays):
        wrong = np.flatnonzero(array.wrong)
        if array.reference.directions and (0 < len(wrong) < 4 or (array.is_wrong_along and not len(wrong))):
            gradient = [array.found for array in arrays]
            entry = int(wrong[0]) if len(wrong) else None
            reference = measure_around(reference, code, gradient, index, entry)
    return code, reference, compare_arrays(code, raw, reference)


def _with_arrays(report: CodeReport, arrays: Sequence[ArrayResult], code: Code, context: Context) -> CodeReport:
    subject = "the gradient of" if context.learning_rate is None else "the update of"
    shapes = [] if context.is_layer else [start.shape for start in code.start]  # one layer's inputs have no order
    location = describe_location(arrays, subject, shapes)
    return replace(report, arrays=tuple(arrays), location=location)


def _with_wrong_arrays(report: CodeReport, mistake: Mistake, code: Code, context: Context) -> CodeReport:
    arrays = [ArrayResult(one.name, WRONG) if one.name in mistake.where else one for one in report.arrays]
    return _with_arrays(report, arrays, code, context)


def _report_comparison(
    report: CodeReport, reference: ReferenceGradient, arrays: Sequence[ArrayVerdict], mistakes: tuple[Mistake, ...]
) -> CodeReport:
    """Add the comparison, the worst entry and the mistakes to a report."""
    has_wrong_entry = any(array.wrong.any() for array in arrays)
    # The mistake may be in a shape, or in the loss: then the worst entry, which is right, would mislead.
    is_elsewhere = (any(array.is_wrong for array in arrays) or bool(mistakes)) and not has_wrong_entry
    return replace(
        report,
        compared=sum(int(array.judged.sum()) for array in arrays),
        kinks=sum(int(array.reference.at_kink.sum()) for array in arrays),
        faint=sum(array.faint for array in arrays),
        methods=("central differences", "the complex step") if reference.is_exact else ("central differences",),
        false_pass=max((array.chance_to_pass for array in arrays), default=0.0),
        worst=None if is_elsewhere else worst_entry(scaled_errors(arrays)),
        diagnosis=mistakes,
    )


def _confirm(
    report: CodeReport, code: Code, arrays: Sequence[ArrayVerdict], context: Context
) -> tuple[CodeReport, list[Note]]:
    """Finish the report of a gradient without mistakes."""
    unused = [array.name for i, array in enumerate(arrays) if array.is_zero and not probes.depends_on(code, i)]
    vacuous = _why_vacuous(report, arrays, unused, context)
    notes = [Note("unused", subject=context.subject, names=join_names(unused))] if unused else []
    # A layer's backward pass may read its input from outside, where it stays: it is called for no other input.
    stale = probes.find_stale(code) if vacuous is None and code.is_repeatable and not context.is_layer else None
    named = _diagnose_nearby(code, context, context.like) if stale else ()
    if stale and not _is_epsilon_of_loss(named):
        may_be_hidden = report.kinks or any(np.ptp(start) == 0 for start in code.start if start.size > 1)
        named = named or (() if may_be_hidden and not probes.depends_on_earlier_calls(code.nearby, code) else (stale,))
        report = _with_wrong_arrays(replace(report, worst=None, diagnosis=named), stale, code, context)
        notes += [Note("only_nearby")] if stale not in named else []
        return report, notes if named else [*notes, Note("unexplained", rest=several(code.names))]
    return replace(report, ok=vacuous is None, vacuous=vacuous), notes


def _diagnose_nearby(code: Code, context: Context, like: Like | None = None) -> tuple[Mistake, ...]:
    """The mistakes, at parameters nearby, of a gradient right only by chance."""
    nearby = code.nearby
    try:
        raw, loss = probes.finite_gradient(nearby, nearby.start), loss_at(nearby, nearby.start)
        judged, _, arrays = _compare_closely(nearby, raw, _measure_point(nearby, raw, loss).reference)
        return diagnose_code(judged, Evidence(tuple(arrays), context.samples), loss, [], like)[0]
    except BadInput:  # code that fails there
        return ()


def _is_epsilon_of_loss(mistakes: Sequence[Mistake]) -> bool:
    """Whether all that is wrong is an ε in the loss's logarithm, often left out."""
    return [(mistake.code, mistake.where) for mistake in mistakes] == [("epsilon", ("loss",))]


def _is_right_but_for_epsilon(mistakes: Sequence[Mistake], code: Code, context: Context) -> bool:
    if not _is_epsilon_of_loss(mistakes) or not code.is_repeatable:
        return _is_epsilon_of_loss(mistakes)
    # One that is stale is clearly wrong nearby, and not by an ε.
    return probes.find_stale(code) is None or _is_epsilon_of_loss(_diagnose_nearby(code, context, context.like))


def _why_vacuous(
    report: CodeReport, arrays: Sequence[ArrayVerdict], unused: Sequence[str], context: Context
) -> str | None:
    """Why a comparison without errors proves nothing; None if it proves something."""
    if len(unused) == len(arrays):
        return context.constant_note
    zero = [array.name for array in arrays if array.is_zero]
    if len(zero) == len(arrays):
        return "the gradient is 0 in every entry, as one that was never computed would be; check it at other parameters"
    dead = [name for name in zero if name not in unused]
    if dead:
        return (
            f"the gradient of {join_names(dead)} is 0 in every entry: a dead layer, whose units are off or whose "
            "weights lead to zeros; check it at other parameters"
        )
    if not report.compared:
        return f"there was nothing to compare: {report.kinks} entries at kinks, {report.faint} too faint"
    unproved = [array.name for array in arrays if not array.is_zero and array.result.verdict != RIGHT]
    if not unproved:
        return None
    return (
        f"the largest entry of {join_names(unproved)} could not be measured: it is at a kink, too faint beside "
        "rounding errors, or next to infinity; check it at other parameters"
    )


def _constant_loss_notes(code: Code, loss: float, context: Context) -> Iterator[Note]:
    indices = range(len(code.names))
    near = [loss_at(code, with_array(code.start, i, code.start[i] + 2.0**-10)) for i in indices]
    if not any(probes.depends_on(code, i) for i in indices):
        yield context.constant_note
    elif max(abs(one - loss) for one in near) <= probes.relative_noise(code) * abs(loss):
        yield Note("flat")


def _rounding_notes(code: Code, raw: Sequence[Floats]) -> Iterator[Note]:
    assert code.rounding is not None
    shares = [
        float(rounding.max(initial=0)) / np.abs(array).max(initial=1e-300)
        for rounding, array in zip(code.rounding, raw, strict=True)
    ]
    if max(shares):
        yield Note("rounded", share=max(shares))
