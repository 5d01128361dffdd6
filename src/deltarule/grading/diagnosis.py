"""The mistakes that explain a student's wrong gradients.

The arrays are those of one call, and taken for a gradient that does not change.
"""

import re
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from deltarule.checking.catalog import Mistake
from deltarule.checking.check import check_gradient
from deltarule.checking.report import CodeReport
from deltarule.errors import BadInput
from deltarule.grading.checks import SolvedCheck
from deltarule.problem.problem import Floats

Arrays = Mapping[str, Any]
_ABOUT_CALLS = ("stale", "random_gradient")
"""Mistakes that only show in several calls; here there is a single one."""


def name_mistakes(check: SolvedCheck, names: Arrays, returned: Arrays) -> tuple[Mistake, ...]:
    """The mistakes that explain a check's wrong gradients.

    `names` are what the solution defines. Arrays may be `returned` in wrong shapes.
    """
    if not check.gradient_of:
        return ()
    network = {} if check.like is None else {"like": check.like, "x": names["x"], "y": names["y"]}
    try:
        report = _check_arrays(check, names, returned, **network)
    except Exception:  # of a stranger's arrays; without an explanation the verdicts stand
        return ()
    likeliest: dict[tuple[str, ...], Mistake] = {}  # of several for the same arrays, the first
    for mistake in report.diagnosis:
        if mistake.code not in _ABOUT_CALLS:
            # The line is the solution's, which students do not read.
            mistake = replace(mistake, sentence=re.sub(r",? at line \d+ of .*", "", mistake.sentence))
            sentence = _with_counts(mistake, check, returned)
            likeliest.setdefault(tuple(sorted(mistake.where)), replace(mistake, sentence=sentence))
    return tuple(likeliest.values())


def _with_counts(mistake: Mistake, check: SolvedCheck, returned: Arrays) -> str:
    """The sentence of a mistake; of a factor in three digits, with the counts of which it may be made."""
    if mistake.code != "factor":
        return mistake.sentence
    label = list(check.returns)[check.by.index(mistake.where[0])]
    right, returned_array = np.ravel(check.expected[label]), np.ravel(returned[label])
    ratio = abs(np.vdot(right, returned_array) / np.vdot(right, right))
    sentence = re.sub(r"[\d.]+(?:e[-+]\d+)?(?= times)", f"{ratio:.3g}", mistake.sentence)
    counts: dict[int, str] = {}
    for name, value in check.values.items():
        counts |= {n: f"{name} has {n} {axis}" for axis, n in zip(("rows", "columns"), np.shape(value), strict=False)}
    for n, text in counts.items():
        for m in {1, n - 1, *counts} - {0, n}:
            for above, below in ((n, m), (m, n)):
                if np.isclose(ratio, above / below, rtol=1e-6):
                    return f"{sentence}, as {above} / {below}: {text}"
    return sentence


def check_solution(check: SolvedCheck, names: Arrays) -> None:
    report = _check_arrays(check, names, check.expected)
    if any(mistake.code not in _ABOUT_CALLS for mistake in report.diagnosis):
        reason = str(report.diagnosis[0].sentence)
    elif report.worst and report.worst.error > 1e-4:
        reason = f"{report.worst.where} is {report.worst.found:.6g} and should be {report.worst.expected:.6g}"
    else:
        return
    raise BadInput(f"the solution's gradient is wrong: {reason}; correct the solution")


def _check_arrays(check: SolvedCheck, names: Arrays, arrays: Arrays, **network: Any) -> CodeReport:
    gradient = {name: np.asarray(arrays[label], float) for name, label in zip(check.by, check.returns, strict=True)}
    params = {name: np.array(names[name], float) for name in check.by}

    def objective(params: Mapping[str, Floats]) -> Any:
        value = eval(check.gradient_of, {**names, **params})
        value = value[0] if isinstance(value, tuple) else value
        return np.sum(np.asarray(names[check.upstream]) * value) if check.upstream else value

    return check_gradient(objective, lambda params: gradient, params, seconds=0.0, **network)
