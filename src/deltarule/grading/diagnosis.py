"""Name the mistakes that explain a student's wrong gradients, from the teacher's function and the student's arrays.

The arrays are those of one call, and taken for a gradient that does not change. The code is called again, with other
upstream gradients, only if it has any and the one call explains nothing.
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
"""Mistakes that only show in several calls; here there is a single one."""


def name_mistakes(
    check: Check,
    solution_namespace: Mapping[str, Any],
    returned: Mapping[str, Floats],
    call_again: Callable[[Floats], list[Floats]],
) -> tuple[Mistake, ...]:
    """The mistakes that explain a check's wrong gradients; empty if none does, or if it computes no gradient.

    Parameters
    ----------
    check : Check
    solution_namespace : mapping
        What the solution defines, by name.
    returned : mapping
        All arrays that the student's code returned, by name, possibly in wrong shapes.
    call_again : callable
        Calls the student's code with another upstream gradient, and returns its arrays; may raise `BadInput`.
    """
    if not check.gradient_of:
        return ()
    arrays = [np.asarray(returned[label], float) for label in check.points]
    params = _parameters(check, solution_namespace)
    try:
        report = check_gradient(
            _objective(check, solution_namespace),
            _constant_gradient(arrays, check.by),
            params,
            **_network_arguments(check, solution_namespace),
        )
        if not report.diagnosis and check.upstream:
            report = _check_layer(check, solution_namespace, call_again)
    except Exception:  # of a stranger's arrays; without an explanation the verdicts stand
        return ()
    likeliest: dict[tuple[str, ...], Mistake] = {}  # of several for the same arrays, the first
    for mistake in report.diagnosis:
        if mistake.code not in _ABOUT_CALLS:
            likeliest.setdefault(mistake.where, mistake)
    return tuple(likeliest.values())


def _check_layer(
    check: Check, solution_namespace: Mapping[str, Any], call_again: Callable[[Floats], list[Floats]]
) -> CodeReport:
    """Check a student's layer; `call_again` runs its backward pass with another upstream gradient."""
    code = compile(check.gradient_of, "gradient_of", "eval")

    def forward(params: Mapping[str, Floats]) -> Any:
        value = eval(code, {**solution_namespace, **params})
        return np.asarray(value[0] if isinstance(value, tuple) else value)

    def backward(upstream: Floats) -> dict[str, Floats]:
        return dict(zip(check.by, call_again(upstream), strict=True))

    single = check.by[0] if len(check.by) == 1 else None
    if single is not None:  # activations are recognized by their one input
        return check_vjp(
            lambda x: forward({single: x}), lambda u: backward(u)[single], np.array(solution_namespace[single], float)
        )
    return check_vjp(forward, backward, _parameters(check, solution_namespace))


def _network_arguments(check: Check, solution_namespace: Mapping[str, Any]) -> dict[str, Any]:
    """The arguments `like`, `x` and `y` of `check_gradient`, for a check's network; {} if it has none."""
    if check.network is None:
        return {}
    return {"like": check.network, "x": solution_namespace["x"], "y": solution_namespace["y"]}


def check_solution(check: Check, solution_namespace: Mapping[str, Any], message_prefix: str) -> None:
    """Raise `BadInput` if the solution's gradient is wrong, or is no gradient of what the check names."""
    expected = [check.expected[label] for label in check.points]
    for name in (*check.by, *([check.upstream] if check.upstream else [])):
        if not isinstance(solution_namespace.get(name), np.ndarray | float | int):
            raise BadInput(
                f"{message_prefix}: the solution does not define '{name}' as an array; correct by or upstream"
            )
    try:
        report = check_gradient(
            _objective(check, solution_namespace),
            _constant_gradient(expected, check.by),
            _parameters(check, solution_namespace),
        )
    except BadInput as error:
        raise BadInput(f"{message_prefix}: {error}") from None
    wrong = report.worst
    if any(mistake.code not in _ABOUT_CALLS for mistake in report.diagnosis) or (wrong and wrong.error > 1e-4):
        raise BadInput(
            f"{message_prefix}: the solution's gradient is wrong: {_describe_error(report)}; correct the solution"
        )


def _describe_error(report: CodeReport) -> str:
    """Say what is wrong with a gradient: the mistake, or the worst entry."""
    if report.diagnosis:
        return str(report.diagnosis[0].sentence)
    assert report.worst is not None
    return f"{report.worst.where} is {report.worst.found:.6g} and should be {report.worst.expected:.6g}"


def _objective(check: Check, solution_namespace: Mapping[str, Any]) -> Callable[..., Any]:
    """Make the function that a check differentiates, of parameters by name: gradient_of or Σ upstream · gradient_of."""
    code = compile(check.gradient_of, "gradient_of", "eval")

    def objective(params: Mapping[str, Floats]) -> Any:
        """The number that is differentiated, at other values of the parameters."""
        value = eval(code, {**solution_namespace, **params})
        value = value[0] if isinstance(value, tuple) else value
        return np.sum(np.asarray(solution_namespace[check.upstream]) * value) if check.upstream else value

    return objective


def _constant_gradient(arrays: Sequence[Floats], by: Sequence[str]) -> Callable[..., Any]:
    """Make a function that ignores its parameters, and returns `arrays` as their gradient, under the names `by`."""

    def gradient(params: Mapping[str, Floats]) -> dict[str, Floats]:
        return dict(zip(by, arrays, strict=True))

    return gradient


def _parameters(check: Check, solution_namespace: Mapping[str, Any]) -> dict[str, Floats]:
    """The teacher's values of the parameters by which a check differentiates."""
    return {name: np.array(solution_namespace[name], float) for name in check.by}
