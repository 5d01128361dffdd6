"""Evaluate a loss at other parameters: does it depend on an array at all, and how strong is its penalty?"""

from collections.abc import Callable
from functools import cache

import numpy as np

from deltarule.checking.arrays import match_shape
from deltarule.checking.callables import Code
from deltarule.checking.mistakes.evidence import Penalty
from deltarule.checking.parameter_lines import gradient_at, loss_at, with_array
from deltarule.errors import BadInput
from deltarule.problem.problem import Floats


def relative_noise(code: Code) -> float:
    """The relative difference up to which two losses are the same."""
    return 1e-5 if code.is_in_place and code.start[0].dtype != np.float64 else 1e-10


def depends_on(code: Code, index: int) -> bool:
    """Whether the loss changes with an array anywhere: near its value, far away, or at other values of the others."""
    generator = np.random.default_rng(0)
    for length in (0.0, 0.1, 1.0, 10.0):
        around = [one + length * generator.normal(size=one.shape) for one in code.start]
        moved = around[index] + (1 + length) * generator.normal(size=around[index].shape)
        try:
            before, after = loss_at(code, around), loss_at(code, with_array(around, index, moved))
        except BadInput:  # code that fails far away depends on the array
            return True
        if np.isfinite(before) and not abs(after - before) <= relative_noise(code) * abs(before):
            return True
    return False


def penalty_probe(code: Code) -> Callable[[int], Penalty | None]:
    """A function that finds the penalty of an array, or None where it is not visible.

    Where all other parameters are 0, the data often has no part in a gradient. What is left is proportional to the
    parameters at any scale; that is how a penalty is recognized.
    """

    @cache
    def probe(index: int) -> Penalty | None:
        try:
            return _penalty_of(code, index) if code.is_repeatable else None
        except BadInput:  # code that fails for zeros
            return None

    return probe


def _penalty_of(code: Code, index: int) -> Penalty | None:
    start = code.start[index]
    largest = np.argsort(-np.abs(start).ravel(), kind="stable")[:5]
    in_loss, in_gradient = [], []
    for scale in (1.0, 2.0):
        values = [np.zeros_like(one) for one in code.start]
        values[index] = (scale * start).astype(start.dtype)
        gradient = match_shape(np.asarray(gradient_at(code, values)[index]), start)[0]
        for entry in largest:
            weight = float(values[index].flat[entry])
            if weight:
                in_loss.append(_slope(code, values, index, entry) / weight)
                in_gradient.append(float(gradient.flat[entry]) / weight)
    if len(in_loss) < 2:
        return None
    small = 1e-6 * max(abs(in_loss[0]), abs(in_gradient[0]))
    if not all(abs(one - all_of[0]) <= small for all_of in (in_loss, in_gradient) for one in all_of):
        return None
    return Penalty(*(0.0 if abs(one) <= small else one for one in (in_loss[0], in_gradient[0])))


def _slope(code: Code, values: list[Floats], index: int, entry: int) -> float:
    """The derivative by an entry: a difference that is exact for squares and, on one side of 0, for absolute values."""
    step = values[index].flat[entry] / 2
    losses = []
    for sign in (1, -1):
        moved = values[index].copy()
        moved.flat[entry] += sign * step
        losses.append(loss_at(code, with_array(values, index, moved)))
    return (losses[0] - losses[1]) / (2 * float(step))
