"""Find kinks, and move biases a little to step off them.

With biases of 0, a sample for which all ReLU units of a layer are off makes the next pre-activations exactly 0.
"""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from deltarule.checking.mistakes.catalog import join_names
from deltarule.checking.numerics.parameter_lines import gradient_at, loss_at
from deltarule.checking.numerics.reference_gradient import ReferenceGradient
from deltarule.checking.user_code.callables import Code, move_nearby
from deltarule.problem.problem import Floats


def count_kinks(reference: ReferenceGradient) -> int:
    """The number of entries and directions without a derivative."""
    directions = sum(direction.at_kink for array in reference.arrays for direction in array.directions)
    return directions + sum(int(array.at_kink.sum()) for array in reference.arrays)


def step_off_kinks(code: Code) -> tuple[Code, str] | None:
    """The code with its biases moved off kinks, and the names of these."""
    indices = [i for i, start in enumerate(code.start) if _is_vector(start)]
    if not indices:
        return None
    nearby = move_nearby(code.start)
    start = tuple(nearby[i] if i in indices else value for i, value in enumerate(code.start))
    names = [code.names[i] for i in indices]
    return replace(code, start=start), join_names(names) if len(names) < len(code.names) else "all parameters"


def _is_vector(start: Floats) -> bool:
    return max(start.shape, default=1) == start.size


def is_constant_gradient(before: Sequence[Floats], after: Sequence[Floats]) -> bool:
    """Whether two gradients, at different parameters, are equal."""
    return all(np.array_equal(one, other) for one, other in zip(before, after, strict=True))


def depends_on_earlier_calls(code: Code, moved: Code) -> bool:
    """Whether the gradient changes after a call of the loss elsewhere."""
    before = [array.copy() for array in gradient_at(code, code.start)]
    loss_at(moved, moved.start)
    return not is_constant_gradient(before, gradient_at(code, code.start))
