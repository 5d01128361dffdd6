"""Name the mistakes that explain a student's wrong gradients.

The arrays are those of one call, and taken for a gradient that does not change. The code is called again, with other
upstream gradients, only if it has any and the one call explains nothing.
"""

import contextlib
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from deltarule.checking.check import check_gradient, check_vjp
from deltarule.checking.mistakes.catalog import Mistake
from deltarule.checking.report import CodeReport
from deltarule.errors import BadInput
from deltarule.grading.checks import Check
from deltarule.problem.problem import Floats

_ABOUT_CALLS = ("stale", "random_gradient")
"""Mistakes that only show in several calls; here there is a single one."""


def name_mistakes(
    check: Check,
    solution_namespace: Mapping[str, Any],
    returned: Mapping[str, Floats],
    call_again: Callable[[Floats], list[Floats]],
) -> tuple[Mistake, ...]:
    """The mistakes that explain a check's wrong gradients.

    solution_namespace   what the solution defines, by name
    returned             the arrays of the student's code by name, possibly in wrong shapes
    call_again           calls the student's code with another upstream gradient; may raise `BadInput`
    """
    if not check.gradient_of:
        return ()
    network: dict[str, Any] = {}
    if check.network is not None:
        network = {"like": check.network, "x": solution_namespace["x"], "y": solution_namespace["y"]}
    try:
        report = _check_arrays(check, solution_namespace, returned, **network)
        if not report.diagnosis and check.upstream:
            report = _check_layer(check, solution_namespace, call_again)
    except Exception:  # of a stranger's arrays; without an explanation the verdicts stand
        return ()
    likeliest: dict[tuple[str, ...], Mistake] = {}  # of several for the same arrays, the first
    for mistake in report.diagnosis:
        if mistake.code not in _ABOUT_CALLS:
            likeliest.setdefault(mistake.where, mistake)
    return tuple(likeliest.values())


def check_solution(check: Check, solution_namespace: Mapping[str, Any], message_prefix: str) -> None:
    """Check that the solution's gradient is right."""
    for name in (*check.by, *([check.upstream] if check.upstream else [])):
        if not isinstance(solution_namespace.get(name), np.ndarray | float | int):
            raise BadInput(
                f"{message_prefix}: the solution does not define '{name}' as an array; correct by or upstream"
            )
    try:
        report = _check_arrays(check, solution_namespace, check.expected)
    except BadInput as error:
        raise BadInput(f"{message_prefix}: {error}") from None
    if any(mistake.code not in _ABOUT_CALLS for mistake in report.diagnosis):
        reason = str(report.diagnosis[0].sentence)
    elif report.worst and report.worst.error > 1e-4:
        reason = f"{report.worst.where} is {report.worst.found:.6g} and should be {report.worst.expected:.6g}"
    else:
        return
    raise BadInput(f"{message_prefix}: the solution's gradient is wrong: {reason}; correct the solution")


def numerical_gradients(check: Check, solution_namespace: Mapping[str, Any]) -> dict[str, Floats]:
    """Some entries of a check's gradient, by each numerical method that works."""
    methods: dict[str, complex] = {"complex steps": 1e-20j}
    methods |= {f"differences of step {step:g}": step for step in (1e-3, 1e-4, 1e-5, 1e-6)}
    params = _parameters(check, solution_namespace)
    upstream = np.asarray(solution_namespace[check.upstream] if check.upstream else 1.0)
    gradients = {}
    for method, step in methods.items():

        def value(name: str, entry: int, change: complex) -> Any:
            moved = params[name].astype(type(change))
            moved.flat[entry] += change
            return (upstream * np.asarray(_evaluate(check, solution_namespace, {**params, name: moved}))).sum()

        def derivative(name: str, entry: int, step: complex = step) -> float:
            if step.imag:
                return float(value(name, entry, step).imag / step.imag)
            return float((value(name, entry, step) - value(name, entry, -step)) / (2 * step.real))

        with contextlib.suppress(Exception):  # of a function that takes no complex numbers
            gradients[method] = np.array([derivative(name, i) for name in params for i in _sampled(params[name])])
    return gradients


def shared_method(check: Check, numerical: Mapping[str, Floats], returned: Mapping[str, Any]) -> str:
    """The numerical method whose own errors a right gradient shares, or ""."""
    samples = []
    for arrays in (check.expected, returned):
        flat = [np.asarray(arrays[label], float).ravel() for label in check.points]
        samples.append(np.concatenate([array[_sampled(array)] for array in flat]))
    expected, found = samples
    for method, gradient in numerical.items():
        errors = np.abs(gradient - expected)
        is_shared = (np.abs(gradient - found) <= errors / 10)[errors > 0]
        if is_shared.size >= 8 and is_shared.mean() >= 0.8:
            return method
    return ""


def _sampled(array: Floats) -> range:
    return range(0, array.size, 1 + array.size // 20)


def _check_arrays(
    check: Check, solution_namespace: Mapping[str, Any], arrays: Mapping[str, Any], **network: Any
) -> CodeReport:
    """Check the arrays of one call as gradients."""
    gradient = {name: np.asarray(arrays[label], float) for name, label in zip(check.by, check.points, strict=True)}

    def objective(params: Mapping[str, Floats]) -> Any:
        value = _evaluate(check, solution_namespace, params)
        return np.sum(np.asarray(solution_namespace[check.upstream]) * value) if check.upstream else value

    return check_gradient(objective, lambda params: gradient, _parameters(check, solution_namespace), **network)


def _check_layer(
    check: Check, solution_namespace: Mapping[str, Any], call_again: Callable[[Floats], Sequence[Floats]]
) -> CodeReport:
    """Check the gradients of a student's layer."""

    def forward(params: Mapping[str, Floats]) -> Any:
        return np.asarray(_evaluate(check, solution_namespace, params))

    params = _parameters(check, solution_namespace)
    if len(params) == 1:  # activations are recognized by their one input
        [(name, value)] = params.items()
        return check_vjp(lambda x: forward({name: x}), lambda upstream: call_again(upstream)[0], value)
    return check_vjp(forward, lambda upstream: dict(zip(check.by, call_again(upstream), strict=True)), params)


def _evaluate(check: Check, solution_namespace: Mapping[str, Any], params: Mapping[str, Floats]) -> Any:
    value = eval(check.gradient_of, {**solution_namespace, **params})
    return value[0] if isinstance(value, tuple) else value


def _parameters(check: Check, solution_namespace: Mapping[str, Any]) -> dict[str, Floats]:
    return {name: np.array(solution_namespace[name], float) for name in check.by}
