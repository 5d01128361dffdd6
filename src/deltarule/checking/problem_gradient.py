"""Check the gradient of a problem of deltarule by three independent methods.

An error of the complex step or PyTorch is divided by the largest entry that the gradient has here, for other targets,
or for smaller parameters; one of central differences by the entry itself, or by a thousandth of its array's largest.
"""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import islice
from typing import Any, NamedTuple

import numpy as np

from deltarule.blas_threads import one_blas_thread
from deltarule.checking.notes import Note
from deltarule.checking.numerics.reference_gradient import MAX_ENTRIES, measure_precisely, sample_lines
from deltarule.checking.report import Check, CodeReport
from deltarule.checking.user_code.arrays import check_finite
from deltarule.checking.user_code.callables import Code, Values
from deltarule.engines.autograd import AutogradEngine
from deltarule.engines.reference import forward_pass, objective_and_gradient
from deltarule.errors import BadInput
from deltarule.problem.batches import Batch, batch
from deltarule.problem.network import Network
from deltarule.problem.problem import Floats, Integers, Problem
from deltarule.problem.registry import is_built_in
from deltarule.problem.state import State, initial_state
from deltarule.problem.validation import problem as checked_problem
from deltarule.proofs.differences import DIRECTIONS, IMAGINARY, SMALL_ERROR

CENTRAL, COMPLEX, PYTORCH = "central differences", "complex step", "PyTorch"
TOLERANCES = {CENTRAL: 1e-7, COMPLEX: 1e-12, PYTORCH: 1e-12}
_WEIGHTS_TIMES_ROWS = 4e9
"""Maximum number of multiplications of a proof: a few seconds."""
_NUMBERS_AT_ONCE = 1_000_000


def check_problem(
    problem: Problem,
    state: State | None = None,
    members: Sequence[int] | None = None,
    *,
    gradient: Floats | None = None,
) -> CodeReport:
    """Check the gradient of a problem's objective on one batch in training mode.

    Central differences and the complex step compare up to 2,000 entries one by one (fewer for large networks and
    batches). Of more they take a sample from all arrays, and 8 random directions of each sampled array. PyTorch
    compares all.

    Parameters
    ----------
    problem : Problem
        Network, objective and data; a float32 problem is checked as a copy in float64.
    state : State, optional
        The parameters, and the step, which determines batch and dropout masks; None for the initial state.
    members : sequence of int, optional
        Indices of the members of the state to check; None for all.
    gradient : ndarray of shape (K, P), optional
        The gradient to check, instead of the hand-derived one.

    Returns
    -------
    CodeReport

    Raises
    ------
    BadInput
        If `problem` is not a `Problem`, for a gradient of another shape, and where it or the objective is not finite.

    Examples
    --------
    >>> from deltarule import Network, check_problem, create_problem
    >>> problem = create_problem(Network([2, 3, 1], activation="tanh"), [[0, 1], [1, 1]], [0, 1])
    >>> report = check_problem(problem)
    >>> report.ok, [check.method for check in report.checks][:2]  # with PyTorch as the third where it is installed
    (True, ['central differences', 'complex step'])
    """
    problem = checked_problem(problem)
    state = initial_state(problem) if state is None else state
    if members is not None:
        state = state.take(np.asarray(members))
    notes = []
    if problem.dtype != np.float64:
        notes.append(f"checked as a copy in float64: {problem.dtype} has too few digits for it")
        arrays = {"x": problem.x, "y": problem.y, "weights": problem.weights}
        wide: dict[str, Any] = {name: None if array is None else array.astype(float) for name, array in arrays.items()}
        problem = replace(problem, **wide, dtype=np.dtype(np.float64))
        state = replace(state, theta=state.theta.astype(float), buffers=state.buffers.astype(float))
    if gradient is not None and np.shape(gradient) != state.theta.shape:
        raise BadInput(f"the gradient has the shape {np.shape(gradient)}; give {state.theta.shape}, a row a member")
    count = len(state.members)
    given: list[Floats | None] = [None] * count if gradient is None else list(np.asarray(gradient, np.float64))
    with one_blas_thread(), np.errstate(all="ignore"):
        alone = [state.take(np.array([k])) for k in range(count)]
        parts = [_check_member(problem, *pair, MAX_ENTRIES // count) for pair in zip(alone, given, strict=True)]
    checks = _merge([check for checks_of_member, _, _ in parts for check in checks_of_member])
    notes += dict.fromkeys(note for _, notes_of_member, _ in parts for note in notes_of_member)
    zero = [name for name in parts[0][2] if all(name in zeros for _, _, zeros in parts)]
    vacuous = _why_vacuous(checks, is_zero=len(zero) == len(problem.network.entries))
    if zero and not vacuous:
        notes.append(f"the gradient of {', '.join(zero)} is 0 in every entry")
    if not problem.loss.exact:
        worst = max(check.error for check in checks)
        notes.append(
            f"the published gradient of '{problem.loss.name}' is not that of its value: it is off by a scaled "
            f"{worst:.1e}, and training follows it all the same"
        )
    entries = count * problem.network.parameters
    return CodeReport(
        f"gradient of {entries:,} entries",
        ok=vacuous is None and all(check.ok for check in checks),
        vacuous=vacuous,
        entries=entries,
        methods=tuple(check.method for check in checks),
        notes=tuple(Note("code", text=note) for note in notes),
        checks=checks,
    )


def code_of_problem(problem: Problem, state: State) -> Code:
    """The objective of one member and its hand-derived gradient as code to check."""
    network = problem.network
    start = _split(network, state.theta[0])
    units = sum(network.sizes[:-1]) + sum(network.sizes[1:])
    numbers = network.parameters + problem.batch_rows(int(state.members[0])) * units

    def moved(points: Sequence[Values]) -> tuple[State, Batch]:
        theta = np.stack([np.concatenate([array.ravel() for array in values]) for values in points])
        members = replace(state.take(np.zeros(len(points), int)), theta=theta)
        return members, batch(problem, members.members, members.step)

    def losses(points: Iterator[Values]) -> Floats:
        objectives = [np.zeros(0)]
        while chunk := list(islice(points, max(1, _NUMBERS_AT_ONCE // numbers))):
            objectives.append(forward_pass(problem, *moved(chunk))[0])
        return np.concatenate(objectives)

    return Code(
        names=tuple(entry.name for entry in network.entries),
        start=tuple(start),
        loss=lambda values: losses(iter([values]))[0],
        gradient=lambda values: _split(network, objective_and_gradient(problem, *moved([values])).gradient[0]),
        has_own_forward_pass=True,
        losses=losses,
    )


def _check_member(
    problem: Problem, state: State, given: Floats | None, max_entries: int
) -> tuple[list[Check], list[str], list[str]]:
    """The checks of one member, notes, and the names of arrays with a gradient of 0."""
    network = problem.network
    code = code_of_problem(problem, state)
    check_finite("the objective", np.asarray(code.loss(code.start)))
    own = code.gradient(code.start)
    checked = own if given is None else _split(network, given)
    for name, array in zip(code.names, checked, strict=True):
        check_finite(f"the gradient of {name}", array)
    magnitude = max(_magnitude_without_cancellation(problem, state), *(np.abs(array).max() for array in own))
    rounded = magnitude * (10 if network.buffers else 1)  # statistics subtract terms that are nearly equal
    rows = problem.batch_rows(int(state.members[0]))
    affordable = max(100, int(_WEIGHTS_TIMES_ROWS / (network.parameters * rows)))
    lines = sample_lines(code, max(1, min(max_entries, affordable)))
    slopes, exact = measure_precisely(lines, own)
    # Along a direction that moves n entries errors add up to √n times as much.
    spread = np.sqrt(np.where(lines.entry < 0, np.array([array.size for array in own])[lines.array], 1))
    largest = np.array([np.abs(array).max() for array in own])[lines.array]
    scale = np.maximum(np.abs(lines.project(own)), 1e-3 * largest * spread) + 1e-5 * magnitude * spread
    along = _Derivatives(code, int(state.members[0]), lines.array, lines.entry, lines.project(checked))
    checks = [along.compare(CENTRAL, slopes.value, scale, slopes.kink, slopes.doubt)]
    notes = []
    count = int((lines.entry >= 0).sum())
    if count < network.parameters:
        notes.append(
            f"differences and the complex step moved {count:,} of {network.parameters:,} entries one by one, and all "
            f"of an array's together along {DIRECTIONS} directions"
        )
    if exact is None:
        notes.append("no complex step: the objective does not keep a complex number's imaginary part")
    else:
        checks.append(along.compare(COMPLEX, exact, rounded * spread, slopes.kink))
    kinks = {(int(lines.array[n]), int(lines.entry[n])) for n in np.flatnonzero(slopes.kink)}
    by_pytorch = _check_by_pytorch(problem, state, code, checked, rounded, kinks)
    if isinstance(by_pytorch, Check):
        checks.append(by_pytorch)
    else:
        notes.append(by_pytorch)
    zero = [name for name, array in zip(code.names, checked, strict=True) if np.abs(array).max() <= 1e-12 * magnitude]
    return checks, notes, zero


def _check_by_pytorch(
    problem: Problem, state: State, code: Code, checked: Sequence[Floats], magnitude: float, kinks: set[tuple[int, int]]
) -> Check | str:
    """Compare every entry with PyTorch's; or why it cannot be."""
    try:
        rows = batch(problem, state.members, state.step)
        _, expected = AutogradEngine().objective_and_gradient(problem, state, rows, published_gradient=False)
    except BadInput as error:
        return f"no check by PyTorch: {error}"
    array = np.repeat(np.arange(len(checked)), [array.size for array in checked])
    entry = np.concatenate([np.arange(array.size) for array in checked])
    own = np.concatenate([array.ravel() for array in checked])
    is_excused = np.zeros(len(own), bool)
    # At a kink PyTorch takes the slope on the same side, unless rounding or a user's formula decides the side.
    formulas = [
        problem.loss,
        problem.penalty,
        *(placed.formula for placed in problem.network.layers),
        problem.network.output,
    ]
    if problem.network.buffers or not all(formula is None or is_built_in(formula) for formula in formulas):
        is_at_kink = np.array([place in kinks for place in zip(array.tolist(), entry.tolist(), strict=True)])
        is_excused = is_at_kink & (np.abs(own - expected[0]) > TOLERANCES[PYTORCH] * magnitude)
    every = _Derivatives(code, int(state.members[0]), array, entry, own)
    return every.compare(PYTORCH, expected[0], np.full(len(own), magnitude), is_excused)


def _magnitude_without_cancellation(problem: Problem, state: State) -> float:
    """The largest entry of the gradient for other targets, or for smaller parameters.

    Near the targets, or with saturated units, large terms cancel here, and their rounding errors remain.
    """
    other = replace(problem, y=-np.roll(problem.y, 1, axis=-1))
    largest = 0.0
    rows = batch(other, state.members, state.step)
    for factor in (1.0, 2.0**-6):
        there = replace(state, theta=factor * state.theta)
        sizes = np.abs(objective_and_gradient(other, there, rows).gradient)
        largest = max(largest, float(sizes[np.isfinite(sizes)].max(initial=0)))
    return largest


class _Derivatives(NamedTuple):
    """Derivatives of a member by entry, or along a direction for entries below 0."""

    code: Code
    member: int
    array: Integers
    entry: Integers
    gradient: Floats

    def compare(self, method: str, expected: Floats, scale: Floats, kinks: Floats, doubt: Any = 0.0) -> Check:
        """Compare with the derivatives [n] by one method, off kinks and without doubt."""
        tolerance = TOLERANCES[method]
        difference = np.abs(self.gradient - expected)
        difference[difference < IMAGINARY] = 0  # for a gradient of 0 the complex step gives its own square
        size = np.maximum(np.abs(self.gradient), np.abs(expected))
        errors = np.divide(difference, np.maximum(scale, size), out=np.zeros_like(scale), where=difference != 0)
        is_visible = (size == 0) | (SMALL_ERROR * size >= tolerance * scale) | (errors > tolerance)
        known = ~kinks & (doubt <= tolerance * scale) & is_visible & np.isfinite(errors)
        counts = {"compared": int(known.sum()), "kinks": int(kinks.sum()), "faint": int((~known & ~kinks).sum())}
        worst = int(np.where(known, errors, -1).argmax())
        errors = np.where(known, errors, 0.0)
        name = self.code.names[self.array[worst]]
        entry = self.entry[worst]
        index = np.unravel_index(entry, self.code.start[self.array[worst]].shape) if entry >= 0 else ()
        return Check(
            method,
            ok=bool(known.any() and errors[worst] <= tolerance),
            error=float(errors[worst]),
            tolerance=tolerance,
            name=name if entry >= 0 else f"a direction of {name}",
            index=tuple(int(i) for i in index),
            member=self.member,
            found=float(self.gradient[worst]),
            expected=float(expected[worst]),
            **counts,
        )


def _merge(checks: Sequence[Check]) -> tuple[Check, ...]:
    merged = []
    for method in TOLERANCES:
        same = [check for check in checks if check.method == method]
        if same:
            worst = max(same, key=lambda check: (bool(check.compared), check.error))
            counts = {name: sum(getattr(check, name) for check in same) for name in ("compared", "kinks", "faint")}
            merged.append(replace(worst, **counts))
    return tuple(merged)


def _why_vacuous(checks: Sequence[Check], *, is_zero: bool) -> str | None:
    """The reason why passed checks prove nothing, or None if they do."""
    if any(check.compared and not check.ok for check in checks):
        return None
    if is_zero:
        return "the gradient is 0 in every entry, as one that was never computed would be"
    for check in checks:
        if not check.compared:
            return f"{check.method} had nothing to compare: {check.kinks} entries at kinks, {check.faint} too faint"
    return None


def _split(network: Network, flat: Floats) -> list[Floats]:
    arrays = [(entry, flat[entry.start : entry.stop]) for entry in network.entries]
    return [array.reshape(entry.shape) if entry.name.startswith("W") else array for entry, array in arrays]
