"""Check a problem's gradient by three independent methods.

θ, g [K, P]     n  lines along which gradients are compared: an entry of θ each, or a direction that moves all entries

An error is |gradient − expected| divided by the sum of the absolute terms (`error_scale.py`): 1e-12 means twelve digits
of the terms, however much they cancel. Central differences reach about 1e-7 in float64. An entry that is wrong by
0.05 % is far outside.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import NamedTuple

import numpy as np

from deltarule.blas_threads import one_blas_thread
from deltarule.engines.autograd import AutogradEngine
from deltarule.engines.reference import objective_and_gradient
from deltarule.errors import BadInput
from deltarule.maths.network import Entry
from deltarule.problem.batches import Batch, batch, groups
from deltarule.problem.problem import Floats, Integers, Problem
from deltarule.problem.state import State, initial_state
from deltarule.problem.validation import problem as checked_problem
from deltarule.proofs import differences, elementwise
from deltarule.proofs.directional_derivatives import Lines, lines_through, members_on_kinks
from deltarule.proofs.error_scale import absolute_terms
from deltarule.proofs.report import Check, GradientReport

CENTRAL, COMPLEX, PYTORCH = "central differences", "complex step", "PyTorch"
TOLERANCES = {CENTRAL: 1e-7, COMPLEX: 1e-12, PYTORCH: 1e-12}


def check_problem(
    problem: Problem,
    state: State | None = None,
    members: Sequence[int] | None = None,
    *,
    gradient: Floats | None = None,
    most: int = 2000,
) -> GradientReport:
    """Check the gradient of a problem's objective on one batch in training mode.

    Parameters
    ----------
    problem : network, objective and data; a float32 problem is checked as a copy in float64.
    state : the parameters, and the step, which determines batch and dropout masks; None for the initial state.
    members : indices of the members of the state to check; None for all.
    gradient : a gradient [K, P] of these members to check instead of the hand-derived one.
    most : maximum number of entries that central differences and the complex step compare one by one (fewer for large
        networks and batches). Of more entries they take a sample from all arrays, and 8 directions that move all
        entries at once. PyTorch always compares all.

    Raises `BadInput` if `problem` is not a `Problem`, and for a member that the state does not have.

    >>> from deltarule.problem.create import create_problem
    >>> from deltarule.problem.network import Network
    >>> problem = create_problem(Network([2, 3, 1], activation="tanh"), [[0, 1], [1, 1]], [0, 1])
    >>> report = check_problem(problem)
    >>> report.ok, [check.method for check in report.checks]
    (True, ['central differences', 'complex step', 'PyTorch'])
    """
    problem = checked_problem(problem)
    state = initial_state(problem) if state is None else state
    if members is not None:
        known = len(state.members)
        if not len(members) or not all(0 <= member < known for member in members):
            raise BadInput(f"the members to check are {list(members)}; give at least one, each from 0 to {known - 1}")
        state = state.take(np.asarray(members))
    problem, state, notes = _in_float64(problem, state)
    with one_blas_thread(), np.errstate(all="ignore"):
        base = _measure_base(problem, state)
        checked = base.gradient if gradient is None else np.asarray(gradient, np.float64)
        unusable = _describe_not_finite(problem, state, base.objective, checked)
        if unusable:
            return GradientReport(False, (), unusable, notes, checked.size)
        checks, why_not = _run_checks(problem, state, base, checked, most)
        digits = np.where(checked == 0, 0, np.abs(checked) / (TOLERANCES[COMPLEX] * base.scale))
    vacuous = _why_vacuous(checks, digits <= 1)
    notes = (
        *notes,
        *why_not,
        *_inexact_loss_notes(problem, checks),
        *_hidden_error_notes(problem.network.entries, digits),
    )
    return GradientReport(vacuous is None and all(check.ok for check in checks), checks, vacuous, notes, checked.size)


class _Base(NamedTuple):
    """Objective, gradient, error scale and members at kinks for given parameters."""

    objective: Floats
    gradient: Floats
    scale: Floats
    on_kink: Floats


class _Comparison(NamedTuple):
    """Gradient entries or directional derivatives to compare, with error scales."""

    member: Integers
    entry: Integers
    gradient: Floats
    scale: Floats


def _measure_base(problem: Problem, state: State) -> _Base:
    """Compute objective, gradient, error scale and members at kinks."""

    def base_of_group(part: State, rows: Batch) -> tuple[Floats, ...]:
        done = objective_and_gradient(problem, part, rows)
        scale = absolute_terms(problem, part, rows, done.tape)
        scale[~np.isfinite(scale)] = np.nan  # errors without a scale are not judged
        return done.objective, done.gradient, scale, members_on_kinks(problem, part, rows, done.tape)

    return _Base(*_by_group(problem, state, base_of_group))


def _by_group(
    problem: Problem, state: State, function: Callable[[State, Batch], tuple[Floats, ...]]
) -> tuple[Floats, ...]:
    order = groups(problem, state.members)
    parts = [function(part, batch(problem, part.members, part.step)) for part in map(state.take, order)]
    inverse = np.argsort(np.concatenate(order))
    return tuple(np.concatenate(results)[inverse] for results in zip(*parts, strict=True))


def _run_checks(
    problem: Problem, state: State, base: _Base, gradient: Floats, max_lines: int
) -> tuple[tuple[Check, ...], list[str]]:
    """Check a gradient by every available method."""
    lines = lines_through(problem, state, max_lines)
    compared = _Comparison(lines.member, lines.entry, lines.project(gradient), lines.project(base.scale, absolute=True))
    theta = np.abs(state.theta[lines.member, np.maximum(lines.entry, 0)])
    size = np.where(lines.entry < 0, 1, np.maximum(1, theta))
    unit = differences.unit_steps(size, np.abs(base.objective[lines.member]), compared.scale, min_share=2.0**-10)
    slopes = _central_slopes(lines, base.objective, unit, compared.scale)
    notes = []
    if len(lines.signs):
        notes.append(
            f"one by one, differences and the complex step moved {int((lines.entry >= 0).sum()):,} of "
            f"{gradient.size:,} entries, and {len(lines.signs)} times all of a member's together"
        )
    custom_curves = elementwise.curves_of_custom_formulas(problem)
    observed_kinks = slopes.kink & base.on_kink[lines.member]
    results = (
        _by_complex_step(problem, state, base, lines, compared, custom_curves),
        _by_pytorch(problem, state, base, lines, compared, gradient, observed_kinks if custom_curves else None),
    )
    exact = [result for result in results if not isinstance(result, str)]
    notes += [result for result in results if isinstance(result, str)]
    kinks, sure = slopes.kink, ~slopes.kink & (slopes.doubt <= TOLERANCES[CENTRAL] * compared.scale)
    if len(exact) == 2:
        # The gradient agrees with both exact methods: then the differences are wrong.
        errors = _scaled_error(compared, slopes.value)
        off = np.flatnonzero(sure & exact[0][1] & exact[1][1] & (errors > TOLERANCES[CENTRAL]))
        kinks[off] = _across_kinks(lines, off, unit[off])
        sure[off] = ~kinks[off] & (errors[off] > 10 * TOLERANCES[CENTRAL])  # the doubt is only an estimate
    central = _summarize(CENTRAL, state, problem, compared, slopes.value, sure, kinks)
    return (central, *(check for check, _ in exact)), notes


def _across_kinks(lines: Lines, chosen: Integers, unit: Floats) -> Floats:
    """Which lines [m] cross a kink within the steps of central differences.

    After batch norm a function may curve so sharply that differences find smooth slopes that differ from that at 0.
    """
    across = np.zeros(len(chosen), bool)
    for exponent in differences.EXPONENTS if len(chosen) else ():
        for t in (unit * 2.0**-exponent, -unit * 2.0**-exponent):
            across |= lines.crossing_kinks(chosen, t)
    return across


def _by_complex_step(
    problem: Problem,
    state: State,
    base: _Base,
    lines: Lines,
    compared: _Comparison,
    custom_curves: Mapping[str, elementwise.Curve],
) -> tuple[Check, Floats] | str:
    """Check derivatives along lines by the complex step."""
    losing = [name for name, curve in custom_curves.items() if elementwise.complex_slopes(curve) is None]
    if losing:
        return f"no complex step: {losing[0]} does not keep a complex number's imaginary part"
    # Exactly at a kink it gives one of the two slopes, and the gradient may rightly be the other one.
    excused = _leaving_kinks(lines, base)
    expected = differences.complex_step(lines.along, len(lines.entry))
    check = _judge_except(excused, COMPLEX, state, problem, compared, expected)
    return check, excused | (_scaled_error(compared, expected) <= TOLERANCES[COMPLEX])


def _by_pytorch(
    problem: Problem,
    state: State,
    base: _Base,
    lines: Lines,
    compared: _Comparison,
    gradient: Floats,
    kinks: Floats | None,
) -> tuple[Check, Floats] | str:
    """Check derivatives along lines by PyTorch.

    At a kink its formulas use the slope on the same side as ours, except where rounding decides the side. A custom
    formula may use either, on the lines where `kinks` [n] is True; None without custom formulas.
    """
    try:
        engine = AutogradEngine()
        (autograd,) = _by_group(
            problem,
            state,
            lambda part, rows: engine.objective_and_gradient(problem, part, rows, published_gradient=False)[1:],
        )
    except BadInput as error:
        return f"no check by PyTorch: {error}"
    excused = np.zeros(gradient.shape, bool)
    single = lines.entry >= 0
    along = _leaving_kinks(lines, base, ignore_exact=True) if kinks is None else kinks
    excused[lines.member[single], lines.entry[single]] = along[single]
    member, entry = np.indices(gradient.shape).reshape(2, -1)
    every = _Comparison(member, entry, gradient.ravel(), base.scale.ravel())
    check = _judge_except(excused.ravel(), PYTORCH, state, problem, every, autograd.ravel())
    return check, along | (_scaled_error(compared, lines.project(autograd)) <= TOLERANCES[PYTORCH])


def _leaving_kinks(lines: Lines, base: _Base, ignore_exact: bool = False) -> Floats:
    leaving = np.zeros(len(lines.entry), bool)
    suspects = np.flatnonzero(base.on_kink[lines.member])
    leaving[suspects] = lines.leaving_kinks(suspects, ignore_exact)
    return leaving


def _central_slopes(lines: Lines, objective: Floats, unit: Floats, scale: Floats) -> differences.Slopes:
    by_member = np.arange(len(scale)).reshape(len(objective), -1)
    sample = by_member[:, np.linspace(0, by_member.shape[1] - 1, 8).astype(int)]
    errors = differences.rounding_error(lines.along, sample.ravel(), unit[sample.ravel()]).reshape(sample.shape)
    noise = np.quantile(errors, 0.75, axis=1)[lines.member]
    return differences.central(lines.along, objective[lines.member], unit, TOLERANCES[CENTRAL] / 2 * scale, noise)


def _judge_except(
    excused: Floats, method: str, state: State, problem: Problem, compared: _Comparison, expected: Floats
) -> Check:
    kinks = excused & ~(_scaled_error(compared, expected) <= TOLERANCES[method])
    sure = ~kinks & np.isfinite(expected) & np.isfinite(compared.scale)
    return _summarize(method, state, problem, compared, expected, sure, kinks)


def _summarize(
    method: str, state: State, problem: Problem, compared: _Comparison, expected: Floats, sure: Floats, kinks: Floats
) -> Check:
    """Summarize the check by one method."""
    counts = {"compared": int(sure.sum()), "kinks": int(kinks.sum()), "faint": int((~sure & ~kinks).sum())}
    tolerance = TOLERANCES[method]
    if not sure.any():
        return Check(method, False, 0.0, tolerance, "nothing", (), 0, 0.0, 0.0, **counts)
    errors = np.where(sure, _scaled_error(compared, expected), -1)
    worst = int(errors.argmax())
    name, index = _entry_name(problem.network.entries, int(compared.entry[worst]))
    return Check(
        method,
        ok=bool(errors[worst] <= tolerance),
        error=float(errors[worst]),
        tolerance=tolerance,
        name=name,
        index=index,
        member=int(state.members[compared.member[worst]]),
        found=float(compared.gradient[worst]),
        expected=float(expected[worst]),
        **counts,
    )


def _scaled_error(compared: _Comparison, expected: Floats) -> Floats:
    """The relative error |gradient − expected| / scale."""
    difference = np.abs(compared.gradient - expected)
    difference[difference < differences.IMAGINARY] = 0  # for a gradient of 0 the complex step gives its own square
    scale = np.maximum(compared.scale, np.abs(expected))
    return np.divide(
        difference, np.where(scale > 0, scale, difference), out=np.zeros_like(scale), where=difference != 0
    )


def _entry_name(entries: Sequence[Entry], index: int) -> tuple[str, tuple[int, ...]]:
    if index < 0:
        return "direction", (-1 - index,)
    array = next(entry for entry in entries if index < entry.stop)
    row, column = divmod(index - array.start, array.shape[1])
    return array.name, (row, column) if array.name.startswith("W") else (column,)


def _in_float64(problem: Problem, state: State) -> tuple[Problem, State, tuple[str, ...]]:
    """A problem and a state in float64, with a note if they were copied."""
    if problem.dtype == np.float64:
        return problem, state, ()
    wide = replace(
        problem,
        x=problem.x.astype(np.float64),
        y=problem.y.astype(np.float64),
        weights=None if problem.weights is None else problem.weights.astype(np.float64),
        dtype=np.dtype(np.float64),
    )
    state = replace(state, theta=state.theta.astype(np.float64), buffers=state.buffers.astype(np.float64))
    return wide, state, (f"checked as a copy in float64: {problem.dtype} has too few digits for it",)


def _describe_not_finite(problem: Problem, state: State, objective: Floats, gradient: Floats) -> str | None:
    """Describe which objective or gradient entry is not finite."""
    if not np.isfinite(objective).all():
        member = state.members[np.flatnonzero(~np.isfinite(objective))[0]]
        return f"the objective of member {member} is not finite at these parameters"
    if not np.isfinite(gradient).all():
        member, entry = np.argwhere(~np.isfinite(gradient))[0]
        name, index = _entry_name(problem.network.entries, int(entry))
        return f"the gradient of {name} at {index} is {gradient[member, entry]}"
    return None


def _why_vacuous(checks: Sequence[Check], is_zero: Floats) -> str | None:
    """The reason why passed checks prove nothing, or None if they do."""
    if is_zero.all() and all(check.ok or not check.compared for check in checks):
        return "the gradient is 0 in every entry, as one that was never computed would be"
    for check in checks:
        if not check.compared:
            return f"{check.method} had nothing to compare: {check.kinks} entries at kinks, {check.faint} too faint"
    return None


def _hidden_error_notes(entries: Sequence[Entry], digits: Floats) -> list[str]:
    """Notes on errors that the checks cannot detect."""
    zero = [entry.name for entry in entries if (digits[:, entry.start : entry.stop] <= 1).all()]
    hiding = int(((digits > 1) & (differences.SMALL_ERROR * digits < 1)).sum())
    notes = [f"the gradient of {', '.join(zero)} is 0 in every entry"] if zero else []
    if hiding:
        notes.append(
            f"in {hiding:,} entries so much cancels that an error of {differences.SMALL_ERROR:.2%} would not show"
        )
    return notes


def _inexact_loss_notes(problem: Problem, checks: Sequence[Check]) -> list[str]:
    """A note if a loss's published gradient is not that of its value."""
    if problem.loss.exact:
        return []
    worst = max(check.error for check in checks)
    return [
        f"the published gradient of '{problem.loss.name}' is not that of its value: it is off by a scaled {worst:.1e}, "
        "and training follows it all the same"
    ]
