"""What a loss says at other parameters: whether it depends on an array at all, and how strong its penalty is."""

from collections.abc import Callable

import numpy as np

from deltarule.checking.arrays import match_shape
from deltarule.checking.callables import Code
from deltarule.checking.reference_gradient import gradient_at, loss_at
from deltarule.errors import BadInput
from deltarule.problem.problem import Floats


def digits(code: Code) -> float:
    """The relative difference of two losses that are the same."""
    return 1e-5 if code.held and code.start[0].dtype != np.float64 else 1e-10


def depends_on(code: Code, place: int) -> bool:
    """Whether the loss changes with an array anywhere: near where it is, far away, or where all others are others."""
    generator = np.random.default_rng(0)
    for length in (0.0, 0.1, 1.0, 10.0):
        around = [one + length * generator.normal(size=one.shape) for one in code.start]
        moved = [*around]
        moved[place] = around[place] + (1 + length) * generator.normal(size=around[place].shape)
        try:
            before, after = (loss_at(code, values) for values in (around, moved))
        except BadInput:  # far away a stranger's code may fail, and it depends on the array then
            return True
        if not np.isfinite(before):  # log(0), say: nothing can be told from there
            continue
        if not abs(after - before) <= digits(code) * abs(before):
            return True
    return False


def penalty_probe(code: Code) -> Callable[[int], tuple[float, float] | None]:
    """A function that finds the penalty of an array: c of its gradient c V in the loss, and in the code's gradient.

    Where all other parameters are 0, the data often has no part in a gradient. What is left is in proportion to the
    parameters at any length; that is how it is known. None where it is not.
    """
    seen: dict[int, tuple[float, float] | None] = {}

    def probe(place: int) -> tuple[float, float] | None:
        if place not in seen:
            try:
                seen[place] = _penalty_of(code, place)
            except BadInput:  # whatever the code does not like about zeros
                seen[place] = None
        return seen[place]

    return probe if code.repeatable else lambda place: None


def _penalty_of(code: Code, place: int) -> tuple[float, float] | None:
    largest = np.argsort(-np.abs(code.start[place]).ravel(), kind="stable")[:5]
    in_loss, in_gradient = [], []
    for length in (1.0, 2.0):
        values = [np.zeros_like(one) for one in code.start]
        values[place] = (length * code.start[place]).astype(code.start[place].dtype)
        raw = gradient_at(code, values)[place]
        gradient = match_shape(np.asarray(raw), code.start[place])[0]
        for entry in largest:
            weight = float(values[place].flat[entry])
            if weight:
                in_loss.append(_slope(code, values, place, entry) / weight)
                in_gradient.append(float(gradient.flat[entry]) / weight)
    if len(in_loss) < 2:
        return None
    constants = in_loss[0], in_gradient[0]
    small = 1e-6 * max(map(abs, constants))
    if not all(abs(one - constants[0]) <= small for one in in_loss):
        return None
    if not all(abs(one - constants[1]) <= small for one in in_gradient):
        return None
    true, own = (0.0 if abs(one) <= small else one for one in constants)
    return true, own


def _slope(code: Code, values: list[Floats], place: int, entry: int) -> float:
    """The derivative by an entry, by a difference that is exact for squares and, on one side of 0, for their roots."""
    step, ends = values[place].flat[entry] / 2, []
    for move in (step, -step):
        moved = [*values]
        moved[place] = values[place].copy()
        moved[place].flat[entry] += move
        ends.append(loss_at(code, moved))
    return (ends[0] - ends[1]) / (2 * float(step))
