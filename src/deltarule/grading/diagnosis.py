"""Name the mistakes behind wrong arrays, from the teacher's function and the arrays of the student's code.

The student's arrays are those of one call: they are taken for a gradient that does not change. Only where that explains
nothing, and the code has an upstream gradient, is it called again, for others.
"""

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
"""Mistakes that show in several calls; here there is a single one."""


def name_mistakes(
    check: Check, names: Mapping[str, Any], found: Mapping[str, Floats], call_again: Callable[[Floats], list[Floats]]
) -> tuple[Mistake, ...]:
    """The mistakes that explain wrong gradients; empty if none does, or if the check has no gradient.

    Parameters
    ----------
    check : Check
    names : mapping
        What the solution defines.
    found : mapping
        By name, all arrays of the check, in the shapes of the right ones or others.
    call_again : callable
        The arrays that the student's code gives for another upstream gradient; may raise `BadInput`.
    """
    if not check.gradient_of:
        return ()
    arrays = [np.asarray(found[label], float) for label in check.points]
    params = _parameters(check, names)
    try:
        report = check_gradient(_objective(check, names), _constant(arrays, check.by), params, **_network(check, names))
        if not report.diagnosis and check.upstream:
            report = _check_layer(check, names, call_again)
    except BadInput:
        return ()
    likeliest: dict[tuple[str, ...], Mistake] = {}  # of several for the same arrays, the first
    for mistake in report.diagnosis:
        if mistake.code not in _ABOUT_CALLS:
            likeliest.setdefault(mistake.where, mistake)
    return tuple(likeliest.values())


def _check_layer(check: Check, names: Mapping[str, Any], call_again: Callable[[Floats], list[Floats]]) -> CodeReport:
    """Check a layer, whose backward pass is called with other upstream gradients."""
    code = compile(check.gradient_of, "gradient_of", "eval")

    def forward(params: Mapping[str, Floats]) -> Any:
        value = eval(code, {**names, **params})
        return np.asarray(value[0] if isinstance(value, tuple) else value)

    def backward(upstream: Floats) -> dict[str, Floats]:
        return dict(zip(check.by, call_again(upstream), strict=True))

    single = check.by[0] if len(check.by) == 1 else None
    if single is not None:  # activations are recognized by their one input
        return check_vjp(lambda x: forward({single: x}), lambda u: backward(u)[single], np.array(names[single], float))
    return check_vjp(forward, backward, _parameters(check, names))


def _network(check: Check, names: Mapping[str, Any]) -> dict[str, Any]:
    """The checker's arguments about the network, if the assignment has one."""
    if check.network is None:
        return {}
    return {"like": check.network, "x": names["x"], "y": names["y"]}


def check_solution(check: Check, names: Mapping[str, Any], where: str) -> None:
    """Prove the gradient of the solution.

    Raises `BadInput` where it is wrong, or no gradient of what the check names.
    """
    expected = [check.expected[label] for label in check.points]
    for name in (*check.by, *([check.upstream] if check.upstream else [])):
        if not isinstance(names.get(name), np.ndarray | float | int):
            raise BadInput(f"{where}: the solution does not define '{name}' as an array; correct by or upstream")
    try:
        report = check_gradient(_objective(check, names), _constant(expected, check.by), _parameters(check, names))
    except BadInput as error:
        raise BadInput(f"{where}: {error}") from None
    wrong = report.worst
    if any(mistake.code not in _ABOUT_CALLS for mistake in report.diagnosis) or (wrong and wrong.error > 1e-4):
        raise BadInput(f"{where}: the solution's gradient is wrong: {_reason(report)}; correct the solution")


def _reason(report: CodeReport) -> str:
    if report.diagnosis:
        return str(report.diagnosis[0].sentence)
    assert report.worst is not None
    return f"{report.worst.where} is {report.worst.found:.6g} and should be {report.worst.expected:.6g}"


def _objective(check: Check, names: Mapping[str, Any]) -> Callable[..., Any]:
    """The differentiated function of a dictionary of parameters: Σ upstream · gradient_of."""
    code = compile(check.gradient_of, "gradient_of", "eval")

    def objective(params: Mapping[str, Floats]) -> Any:
        value = eval(code, {**names, **params})
        value = value[0] if isinstance(value, tuple) else value
        return np.sum(np.asarray(names[check.upstream]) * value) if check.upstream else value

    return objective


def _constant(arrays: Sequence[Floats], by: Sequence[str]) -> Callable[..., Any]:
    """A function that returns a gradient computed earlier."""

    def gradient(params: Mapping[str, Floats]) -> dict[str, Floats]:
        return dict(zip(by, arrays, strict=True))

    return gradient


def _parameters(check: Check, names: Mapping[str, Any]) -> dict[str, Floats]:
    return {name: np.array(names[name], float) for name in check.by}
