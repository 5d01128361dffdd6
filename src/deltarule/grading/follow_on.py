"""Points for what is right after a student's own mistakes: it follows on from arrays or functions that are wrong.

With `follow_on` it follows from the student's own other arrays of a call (`solution.py`).

Where a call is wrong because it calls another function or method of the student's that is wrong, the solution runs
again with that one in place of its own (`student_calls.py`).

Nothing follows from what is no computation: a constant, a copy of an argument, what other values do not change.
"""

import contextlib
import re
import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from deltarule.grading.checks import SolvedCheck, compare_array, fit_arrays, has_shape, solution_arrays
from deltarule.grading.process import Failed, RunningCode, Worker
from deltarule.grading.record import CheckResult, GradedArray, wrong_arrays
from deltarule.grading.solution_rerun import follow_on_arrays, run_solution
from deltarule.grading.source import returned_expressions
from deltarule.grading.student_calls import student_code
from deltarule.platforms import interrupt_after
from deltarule.problem.problem import Floats

MAX_SECONDS_OF_REPEATED_CALLS = 1.0


def call_check(
    check: SolvedCheck, running: RunningCode, values: Mapping[str, Any] | None = None, **options: Any
) -> tuple[dict[str, Any], bool]:
    """The arrays that a submission returns for a check, and whether they were other than the assignment's."""
    request = check.request() | options
    request["values"] = request["values"] | (values or {})
    names = returned_expressions(running.submission.cells, check.call)
    if isinstance(check.returns, list):
        return fit_arrays(running.call(request), names, check.expected)
    problem = None
    arrays = dict[str, Any]()
    with contextlib.suppress(Failed):
        try:
            arrays = running.call(request)
        except Failed as error:
            problem = error
        if all(has_shape(arrays.get(label), expected) for label, expected in check.expected.items()):
            return arrays, False
        # What the table's expressions take from the result is sought in all of it.
        expected = {x: check.expected[x] for x, text in check.returns.items() if re.match(r"result\b", text)}
        fitting, _ = fit_arrays(running.call(request | {"returns": list(expected)}), names, expected)
        is_right = [has_shape(fitting.get(label), array) for label, array in expected.items()]
        if all(is_right) or (problem and any(is_right)):
            return arrays | fitting, True
    if problem is not None:
        raise problem
    return fit_arrays(arrays, names, check.expected)


def computed_arrays(check: SolvedCheck, running: RunningCode, results: Mapping[str, Any]) -> set[str]:
    """The names of the wrong arrays that were computed from the arguments, as two more calls show."""
    moved = {name: _other_values(value) for name, value in check.values.items()}
    try:
        again, other = call_check(check, running)[0], call_check(check, running, moved)[0]
    except Failed:
        return set()
    inputs = [np.ravel(value) for value in check.values.values() if isinstance(value, np.ndarray)]

    def is_computed(name: str) -> bool:
        array = np.ravel(results[name])
        is_constant = array.size == 0 or (np.ptp(array) == 0 and (array.size > 1 or array[0] == 0))
        is_input = any(given.size == array.size > 1 and _is_multiple(array, given) for given in inputs)
        repeats, changes = (np.array_equal(results[name], repeat.get(name, np.nan)) for repeat in (again, other))
        return not is_constant and not is_input and repeats and not changes

    return {name for name in results if isinstance(results[name], np.ndarray) and is_computed(name)}


def note_unmoved(check: SolvedCheck, result: CheckResult, names: Mapping[str, Any], running: Worker) -> CheckResult:
    """The result with a note about arrays that stay the same on other values, where those of the solution do not.

    To be called last, as each call may change what a function remembers.
    """
    moved = {name: _other_values(value) for name, value in check.values.items()}
    returned = [array.name for array in result.arrays if array.verdict != "missing"]
    started = time.monotonic()
    try:
        arrays = call_check(check, running)[0] if returned else {}
        if time.monotonic() - started > MAX_SECONDS_OF_REPEATED_CALLS:
            return result
        other = call_check(check, running, moved)[0] if returned else {}
        same = [name for name in returned if np.array_equal(arrays[name], other[name])]
        with interrupt_after(running.assignment.time_limit_seconds):
            right = solution_arrays(check.model_copy(update={"values": moved}), names) if same else {}
    except Exception:  # of values that a function was not made for; it is a help, and the points stand
        return result
    same = [name for name in same if not np.array_equal(right[name], check.expected[name])]
    note = f"{', '.join(same)} of {check.call}: the same on other values"
    return replace(result, notes=(*result.notes, note)) if same else result


def _other_values(value: Any) -> Any:
    """Other values of the same signs and ranges."""
    if isinstance(value, float):
        return 0.9 * value
    if not isinstance(value, np.ndarray) or value.dtype.kind != "f":
        return value
    return value * (0.9 + 0.05 * np.cos(np.arange(value.size))).reshape(value.shape)


def _is_multiple(array: Floats, other: Floats) -> bool:
    factor = np.vdot(other, array) / (np.vdot(other, other) or 1.0)
    return bool(np.allclose(array, factor * other, rtol=1e-9, atol=1e-12))


def follow_arrays(
    check: SolvedCheck,
    names: Mapping[str, Any],
    running: RunningCode,
    outputs: Mapping[str, Any],
    arrays: Sequence[GradedArray],
) -> tuple[GradedArray, ...]:
    """The results, with those right that follow from the student's own other arrays."""
    wrong = wrong_arrays(arrays)
    if len(wrong) < 2:
        return tuple(arrays)
    computed = computed_arrays(check, running, {name: outputs[name] for name in wrong})
    own = {
        name: np.asarray(outputs[name], float).reshape(check.expected[name].shape) for name in wrong if name in computed
    }
    expected = follow_on_arrays(check, names, own)
    return _credit_computed(check, expected, outputs, arrays, computed, "after the wrong arrays before it")


def _credit_computed(
    check: SolvedCheck,
    expected: Mapping[str, Any],
    outputs: Mapping[str, Any],
    arrays: Sequence[GradedArray],
    computed: set[str],
    why: str,
) -> tuple[GradedArray, ...]:
    """The results, with the points of computed arrays that are right by other expected values."""
    following = check.model_copy(update={"expected": expected})
    results = []
    for array in arrays:
        again = compare_array(following, array.name, outputs.get(array.name)) if array.name in computed else array
        is_earned = again.points > array.points
        results.append(replace(again, message=f"{array.name} is right {why}") if is_earned else array)
    return tuple(results)


def follow_functions(
    checks: Sequence[SolvedCheck], results: Sequence[CheckResult], names: Mapping[str, Any], running: Worker
) -> tuple[CheckResult, ...]:
    """The results, with those right that follow from the student's own other functions."""
    outputs: dict[int, dict[str, Any]] = {}
    computed: dict[int, set[str]] = {}
    for i, (check, result) in enumerate(zip(checks, results, strict=True)):
        if compared := wrong_arrays(result.arrays):
            outputs[i] = call_check(check, running)[0]
            shared = {name: outputs[i][name] for name in compared if name in outputs[i]}
            computed[i] = computed_arrays(check, running, shared)
    new = list(results)
    for i in (i for i in computed if computed[i]):
        others = [checks[j] for j in computed if j != i and computed[j]]
        proxies, called = student_code(checks[i], others, names, running)
        if not proxies:
            continue
        try:
            expected = solution_arrays(checks[i], run_solution(names, proxies))
        except Exception:  # of a stranger's functions in the solution; without it the verdicts stand
            continue
        why = f"with your own {', '.join(called)}"
        arrays = _credit_computed(checks[i], expected, outputs[i], results[i].arrays, computed[i], why)
        if arrays != results[i].arrays:
            new[i] = results[i].with_arrays(arrays)
    return tuple(new)
