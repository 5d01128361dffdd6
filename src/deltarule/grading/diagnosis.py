"""Name the mistakes that explain a student's wrong gradients.

The arrays are those of one call, and taken for a gradient that does not change. The code is called again, with other
upstream gradients, only if it has any and the one call explains nothing.
"""

import contextlib
import linecache
import re
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from deltarule.checking.check import check_gradient, check_vjp
from deltarule.checking.mistakes.catalog import Mistake
from deltarule.checking.report import CodeReport
from deltarule.errors import BadInput
from deltarule.grading.checks import Check
from deltarule.problem.problem import Floats

Arrays = Mapping[str, Any]
CallAgain = Callable[[Floats], list[Floats]]
_ABOUT_CALLS = ("stale", "random_gradient")
"""Mistakes that only show in several calls; here there is a single one."""


def name_mistakes(check: Check, names: Arrays, returned: Arrays, call_again: CallAgain) -> tuple[Mistake, ...]:
    """The mistakes that explain a check's wrong gradients.

    `names` are what the solution defines. Arrays may be `returned` in wrong shapes. `call_again` calls the student's
    code with another upstream gradient, and may raise any exception.
    """
    if not check.gradient_of:
        return ()
    network = {} if check.like is None else {"like": check.like, "x": names["x"], "y": names["y"]}
    try:
        report = _check_arrays(check, names, returned, **network)
        if not report.diagnosis and check.upstream:
            report = _check_layer(check, names, call_again)
    except Exception:  # of a stranger's arrays; without an explanation the verdicts stand
        return ()
    likeliest: dict[tuple[str, ...], Mistake] = {}  # of several for the same arrays, the first
    for mistake in report.diagnosis:
        if mistake.code not in _ABOUT_CALLS:
            likeliest.setdefault(mistake.where, _without_solution(_with_counts(mistake, check, returned), names))
    return tuple(likeliest.values())


def _without_solution(mistake: Mistake, names: Arrays) -> Mistake:
    """A mistake without lines of the solution's code."""
    sentence = mistake.sentence
    for number in map(int, re.findall(r"line (\d+)", sentence)):
        if line := linecache.getline(names["__file__"], number).strip():
            sentence = sentence.replace(f": {line}", "")
    return replace(mistake, sentence=sentence)


def _with_counts(mistake: Mistake, check: Check, returned: Arrays) -> Mistake:
    """A factor with the counts of rows and columns of which it may be made."""
    if mistake.code != "factor":
        return mistake
    label = list(check.returns)[check.by.index(mistake.where[0])]
    right, found = np.ravel(check.expected[label]), np.ravel(returned[label])
    ratio = abs(np.vdot(right, found) / np.vdot(right, right))
    for name, value in check.values.items():
        for axis, n in zip(("rows", "columns"), np.shape(value), strict=False):
            for m in {1, n - 1, *(size for other in check.values.values() for size in np.shape(other))} - {0, n}:
                for above, below in ((n, m), (m, n)):
                    if np.isclose(ratio, above / below, rtol=1e-6):
                        text = f"{mistake.sentence}, as {above} / {below}: {name} has {n} {axis}"
                        return replace(mistake, sentence=text)
    return mistake


def check_solution(check: Check, names: Arrays) -> None:
    report = _check_arrays(check, names, check.expected)
    if any(mistake.code not in _ABOUT_CALLS for mistake in report.diagnosis):
        reason = str(report.diagnosis[0].sentence)
    elif report.worst and report.worst.error > 1e-4:
        reason = f"{report.worst.where} is {report.worst.found:.6g} and should be {report.worst.expected:.6g}"
    else:
        return
    raise BadInput(f"the solution's gradient is wrong: {reason}; correct the solution")


def numerical_gradients(check: Check, names: Arrays) -> dict[str, Floats]:
    """Some entries of a check's gradient, by each numerical method that works."""
    params = _parameters(check, names)
    upstream = np.asarray(names[check.upstream] if check.upstream else 1.0)

    def values(step: complex) -> Floats:
        """The differentiated value after a move of each entry by `step`."""
        results = []
        for name, array in params.items():
            for entry in _sampled(array):
                moved = array.astype(type(step))
                moved.flat[entry] += step
                results.append((upstream * np.asarray(_evaluate(check, names, {**params, name: moved}))).sum())
        return np.array(results)

    gradients = {}
    with contextlib.suppress(Exception):  # of a function that takes no complex numbers
        gradients["complex steps"] = values(1e-20j).imag / 1e-20
    for step in (1e-3, 1e-4, 1e-5, 1e-6):
        gradients[f"differences of step {step:g}"] = (values(step) - values(-step)) / (2 * step)
    return gradients


def shared_method(check: Check, numerical: Mapping[str, Floats], returned: Arrays) -> str:
    """The numerical method whose own errors a right gradient shares, or ""."""
    expected, found = (
        np.concatenate([np.ravel(arrays[label])[_sampled(arrays[label])] for label in check.returns])
        for arrays in (check.expected, returned)
    )
    for method, gradient in numerical.items():
        errors = np.abs(gradient - expected)
        is_shared = (np.abs(gradient - found) <= errors / 10)[errors > 0]
        if is_shared.size >= 8 and is_shared.mean() >= 0.8:
            return method
    return ""


def _sampled(array: Floats) -> range:
    return range(0, array.size, 1 + array.size // 20)


def _check_arrays(check: Check, names: Arrays, arrays: Arrays, **network: Any) -> CodeReport:
    gradient = {name: np.asarray(arrays[label], float) for name, label in zip(check.by, check.returns, strict=True)}

    def objective(params: Mapping[str, Floats]) -> Any:
        value = _evaluate(check, names, params)
        return np.sum(np.asarray(names[check.upstream]) * value) if check.upstream else value

    return check_gradient(objective, lambda params: gradient, _parameters(check, names), **network)


def _check_layer(check: Check, names: Arrays, call_again: CallAgain) -> CodeReport:
    def forward(params: Mapping[str, Floats]) -> Any:
        return np.asarray(_evaluate(check, names, params))

    params = _parameters(check, names)
    if len(params) == 1:  # activations are recognized by their one input
        [(name, value)] = params.items()
        return check_vjp(lambda x: forward({name: x}), lambda upstream: call_again(upstream)[0], value)
    return check_vjp(forward, lambda upstream: dict(zip(check.by, call_again(upstream), strict=True)), params)


def _evaluate(check: Check, names: Arrays, params: Mapping[str, Floats]) -> Any:
    value = eval(check.gradient_of, {**names, **params})
    return value[0] if isinstance(value, tuple) else value


def _parameters(check: Check, names: Arrays) -> dict[str, Floats]:
    return {name: np.array(names[name], float) for name in check.by}
