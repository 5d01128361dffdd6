"""Source text that all program generators use."""

import re
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import DTypeLike

from deltarule.engines.compiled.formula_printer import Formulas, NotCompilable
from deltarule.maths.losses import CROSS_ENTROPY
from deltarule.maths.optimizers import Optimizer
from deltarule.problem.problem import Problem
from deltarule.program.formula import trace
from deltarule.program.program import NotTraceable


def read_program_sources(*file_names: str, lanes: int = 16) -> list[str]:
    """Return the texts with which programs begin, without their deltarule imports.

    They follow one another, so that what one imports from another is defined; `lanes` is the program's `LANES`.
    """
    folder = Path(__file__).parent / "program_sources"
    texts = [(folder / name).read_text(encoding="utf-8") for name in file_names]
    texts = [text.replace("LANES = 16\n", f"LANES = {lanes}\n") for text in texts]
    return [
        re.sub(r"^from deltarule\..* import (\([^)]*\)|.*)\n", "", text, flags=re.MULTILINE).rstrip() for text in texts
    ]


def elementary_source_files(dtype: DTypeLike) -> tuple[str, ...]:
    return ("simd_math.py", "simd_math_float32.py") if np.dtype(dtype) == np.float32 else ("simd_math.py",)


def is_softmax_cross_entropy(problem: Problem) -> bool:
    return problem.loss.fused_with(problem.network.output) == CROSS_ENTROPY.fused["softmax"]


def loss_calls(problem: Problem, formulas: Formulas, z: str, a: str, target: str) -> tuple[str, str]:
    """Return the expressions of an output's loss, from z if fused, and its derivative."""
    loss, output = problem.loss, problem.network.output
    fused = loss.fused_with(output)
    formula, argument = (fused, z) if fused else (loss, a)
    value = formulas.call(formula.value, argument, target, parameters=loss.parameters)
    slope = formulas.call(formula.derivative, argument, target, parameters=loss.parameters)
    if not fused and not output.rowwise:
        slope = f"{slope} * {formulas.call(output.derivative, z, a, parameters=output.parameters)}"
    return value, slope


def update_numbers(optimizer: Optimizer) -> tuple[str, ...]:
    """Return the names of the numbers that an optimizer's update takes."""
    names = ("learning_rate", *optimizer.parameters)
    if optimizer.once_a_step is not None:
        try:
            names = trace(optimizer.once_a_step, ["t"], float, named=names).names
        except NotTraceable as reason:
            raise NotCompilable(f"the optimizer '{optimizer.name}' ({reason})") from None
    return ("norm", *names) if optimizer.norms else names


def once_a_step_call(optimizer: Optimizer, formulas: Formulas, numbers: Mapping[str, str]) -> str:
    """Return the call that computes the optimizer's `update_numbers` of a step."""
    assert optimizer.once_a_step is not None
    count = len(update_numbers(optimizer))
    return formulas.call(optimizer.once_a_step, "(step + 1) * 1.0", numbers=numbers, results=count, dtype=np.float64)


def optimizer_step(
    optimizer: Optimizer,
    formulas: Formulas,
    theta: str,
    gradient: str,
    slots: Sequence[str],
    numbers: Mapping[str, str],
) -> tuple[list[str], list[str]]:
    """Return the lines that update a parameter and its slots, and the new names."""
    new = ["q", *(f"q{i}" for i in range(len(slots)))]
    call = formulas.call(optimizer.update, theta, gradient, *slots, numbers=numbers, results=len(new))
    return [f"{', '.join(new)} = {call}", f"{theta} = q", *(f"{slot} = q{i}" for i, slot in enumerate(slots))], new


def flush_lines(dtype: DTypeLike, value: str) -> list[str]:
    """Return the lines that set the variable `value` to 0 if it is subnormal."""
    return [f"if abs({value}) < {float(np.finfo(np.dtype(dtype)).tiny)}:", f"    {value} = 0"]
