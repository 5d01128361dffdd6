"""Source text that both program generators use."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import DTypeLike

from deltarule.engines.compiled.formula_compiler import Formulas
from deltarule.maths.losses import CROSS_ENTROPY
from deltarule.maths.optimizers import Optimizer
from deltarule.problem.problem import Problem


def loss_divisor(reduction: str, total: str, units: int | str) -> str:
    return {"sum": "1.0", "mean_samples": total, "mean_elements": f"({total} * {units})"}[reduction]


def is_softmax_cross_entropy(problem: Problem) -> bool:
    return problem.loss.fused_with(problem.network.output) == CROSS_ENTROPY.fused["softmax"]


def softmax_cross_entropy(
    z: str, a: str, target: str, target_sum: str, *, maximum: str, log_sum: str
) -> tuple[str, str]:
    """Return the expressions of cross-entropy after softmax and its derivative in z.

    Maximum and logarithm are kept apart: if the maximum is large, their sum would lose the digits of the logarithm.
    """
    return f"{target} * ({log_sum} - ({z} - {maximum}))", f"{a} * {target_sum} - {target}"


def loss_calls(problem: Problem, formulas: Formulas, z: str, a: str, target: str) -> tuple[str, str]:
    """Return the expressions of an output's loss, from z if fused, and its derivative."""
    loss, output = problem.loss, problem.network.output
    fused = loss.fused_with(output)
    formula, argument = (fused, z) if fused else (loss, a)
    value = formulas.call(formula.value, argument, target, **loss.parameters)
    slope = formulas.call(formula.derivative, argument, target, **loss.parameters)
    if not fused and not output.rowwise:
        slope = f"{slope} * {formulas.call(output.derivative, z, a, **output.parameters)}"
    return value, slope


def once_a_step_count(optimizer: Optimizer) -> int:
    if optimizer.once_a_step is None:
        return 0
    # Only their count matters; parameters may be lists, one number a member.
    return len(optimizer.once_a_step(1.0, 0.1, **dict.fromkeys(optimizer.parameters, 0.5)))


def optimizer_step(
    problem: Problem, formulas: Formulas, theta: str, gradient: str, slots: Sequence[str], settings: Sequence[str]
) -> tuple[list[str], list[str]]:
    """Return the lines that update a parameter and its slots, and the new names."""
    optimizer = problem.optimizer
    new = ["q", *(f"q{i}" for i in range(len(slots)))]
    call = formulas.call(optimizer.update, theta, gradient, *slots, *settings)
    return [f"{', '.join(new)}, = {call}", f"{theta} = q", *(f"{slot} = q{i}" for i, slot in enumerate(slots))], new


def flush_lines(dtype: DTypeLike, value: str) -> list[str]:
    """Return the lines that set the variable `value` to 0 if it is subnormal."""
    return [f"if abs({value}) < {float(np.finfo(np.dtype(dtype)).tiny)}:", f"    {value} = 0"]
