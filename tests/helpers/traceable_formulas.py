"""What can be traced: the built-in elementwise formulas, and formulas that hypothesis draws."""

import inspect
from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np
from hypothesis import strategies as st

from deltarule.maths.activations import ACTIVATIONS
from deltarule.maths.elementary import erf, expm1, log1p, select
from deltarule.maths.losses import LOSSES
from deltarule.maths.optimizers import OPTIMIZERS
from deltarule.maths.penalties import PENALTIES
from deltarule.maths.schedules import SCHEDULES

Formula = Callable[..., Any]


class BuiltIn(NamedTuple):
    """A built-in formula, and the names of its arguments."""

    name: str
    function: Formula
    arguments: tuple[str, ...]


def built_ins() -> Iterator[BuiltIn]:
    for activation in ACTIVATIONS.values():
        if not activation.rowwise:
            yield _built_in(activation.function)
            yield _built_in(activation.derivative)
    for loss in LOSSES.values():
        for terms in (loss, *(fused for output, fused in loss.fused.items() if output != "softmax")):
            yield _built_in(terms.value)
            yield _built_in(terms.derivative)
    for penalty in PENALTIES.values():
        yield _built_in(penalty.value)
        yield _built_in(penalty.derivative)
    for optimizer in OPTIMIZERS.values():
        yield _built_in(optimizer.update)
        if optimizer.once_a_step:
            yield _built_in(optimizer.once_a_step)
    yield from (_built_in(schedule.rate) for schedule in SCHEDULES.values())


def _built_in(function: Formula) -> BuiltIn:
    name = f"{function.__module__.rpartition('.')[2]}_{function.__name__}"
    return BuiltIn(name, function, tuple(inspect.signature(function).parameters))


def results_of(returned: Any) -> tuple[Any, ...]:
    """The results of a formula: one number, a tuple, or by name."""
    if isinstance(returned, dict):
        return tuple(returned.values())
    return returned if isinstance(returned, tuple) else (returned,)


BUILT_INS = {built_in.name: built_in for built_in in built_ins()}

UNARY: list[Formula] = [
    *(np.exp, np.log, np.sqrt, np.tanh, np.sin, np.cos, np.floor, np.abs, np.square, erf, expm1, log1p),
    *(lambda x: -x, abs, lambda x: x**2, lambda x: x**3, lambda x: abs(x) ** 0.5, lambda x: x**-1, lambda x: 2.0**x),
    *(lambda x: np.clip(x, -1, 0.7), lambda x: np.power(abs(x), x)),
    lambda x: sum(x**k / (k + 1) for k in range(3)),
]
EXACT: list[Formula] = [
    *(np.sqrt, np.floor, np.ceil, np.sign, np.abs, np.square, lambda x: -x, abs, lambda x: x**2),
    lambda x: np.clip(x, -1, 0.7),
]
"""Functions that every implementation of IEEE 754 rounds alike."""
BINARY: list[Formula] = [
    *(lambda x, y: x + y, lambda x, y: x - y, lambda x, y: x * y, lambda x, y: x / y),
    *(np.maximum, np.minimum),
]
TESTS: list[Formula] = [
    *(lambda x, y: x > y, lambda x, y: x <= y, lambda x, y: x == y, lambda x, y: (x < y) & (x > -1)),
    *(lambda x, y: ~(x < y) | (y >= 1), lambda x, y: (x < y) + (x > 0), lambda x, y: (x > 0) * (x != y)),
]
CHOICES: list[Formula] = [np.where, select]
CONSTANTS = [0.1, -0.7, 2, 3, 1e-3, np.float64(0.3), np.float32(0.3), np.pi]


def formulas(names: tuple[str, ...], unary: Sequence[Formula] = UNARY) -> st.SearchStrategy[Formula]:
    """Formulas of some arguments; those that NumPy refuses, such as −(z > 0), are among them."""
    variables = st.sampled_from(names).map(lambda name: lambda values: values[name])
    constants = st.sampled_from(CONSTANTS).map(lambda number: lambda values: number)

    def composed(parts: st.SearchStrategy[Formula]) -> st.SearchStrategy[Formula]:
        tests = st.builds(_applied, st.sampled_from(TESTS), variables, parts)
        return st.one_of(
            st.builds(_applied, st.sampled_from(unary), parts),
            st.builds(_applied, st.sampled_from(BINARY), parts, parts),
            st.builds(_applied, st.sampled_from(CHOICES), tests | variables, parts, parts),
            st.builds(_applied, st.sampled_from(BINARY), tests, parts),
        )

    trees = st.recursive(variables | constants, composed, max_leaves=8)
    return st.builds(_applied, st.sampled_from(BINARY), variables, trees).map(
        lambda tree: lambda *numbers: tree(dict(zip(names, numbers, strict=True)))
    )


def _applied(function: Formula, *parts: Formula) -> Formula:
    return lambda values: function(*(part(values) for part in parts))
