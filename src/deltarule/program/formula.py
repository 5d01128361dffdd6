"""Trace an elementwise formula: its program, on numbers.

>>> print(trace(lambda z, slope: np.where(z > 0, z, slope * z), ["z"], "float32", parameters={"slope": 0.2}))
t0 = greater(z, float32(0.0)) : bool
t1 = multiply(float32(0.20000000298023224), z) : float32
t2 = where(t0, z, t1) : float32
return t2
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import DTypeLike

from deltarule.program.program import NotTraceable, Program, Variable
from deltarule.program.recorder import Tape, is_weak, traceable

OPERATORS = {
    "add": "{} + {}",
    "subtract": "{} - {}",
    "multiply": "{} * {}",
    "divide": "{} / {}",
    "negative": "-{}",
    "positive": "{}",
    "square": "{0} * {0}",
    "less": "{} < {}",
    "less_equal": "{} <= {}",
    "greater": "{} > {}",
    "greater_equal": "{} >= {}",
}
"""By operation, its text in languages with C's operators."""
OPERATORS_OF_BOOLEANS = {
    **dict.fromkeys(("add", "maximum", "logical_or", "bitwise_or"), "{} | {}"),
    **dict.fromkeys(("multiply", "minimum", "logical_and", "bitwise_and"), "{} & {}"),
}
"""The same of two booleans, whose sum is "or" in NumPy."""


def trace(
    function: Callable[..., Any],
    arguments: Sequence[str],
    dtype: DTypeLike,
    named: Mapping[str, str] | Sequence[str] = (),
    parameters: Mapping[str, Any] | None = None,
) -> Program:
    """Run a formula on traced numbers, and return its program.

    `function` is elementwise, and returns a number, a tuple of numbers, or a dict of them. It is called with
    `arguments` by position and `named` by name (a mapping gives these other names in the program), all of `dtype`, and
    with `parameters`, which are the same in each call and become constants.

    Raises `NotTraceable` if it branches on an argument, is not elementwise, raises an error, or gives another program
    each time.
    """
    names = dict(named) if isinstance(named, Mapping) else {name: name for name in named}
    first, second = (_run(function, arguments, np.dtype(dtype), names, parameters or {}) for _ in range(2))
    if str(first) != str(second):
        raise NotTraceable("it computes something else each time it is called")
    return first


def _run(
    function: Callable[..., Any],
    positional: Sequence[str],
    dtype: np.dtype[Any],
    named: Mapping[str, str],
    parameters: Mapping[str, Any],
) -> Program:
    arguments = [Variable(name, dtype) for name in (*positional, *named.values())]
    tape = Tape(arguments, takes_arrays=False)
    numbers = [tape.number(argument) for argument in arguments]
    count = len(positional)
    with traceable():  # whatever a formula of the user's raises
        returned = function(*numbers[:count], **dict(zip(named, numbers[count:], strict=True)), **parameters)
        names = tuple(returned) if isinstance(returned, dict) else ()
        results = [*returned.values()] if names else returned if isinstance(returned, tuple) else [returned]
        operands = tuple(
            tape.converted(number, dtype) if is_weak(number) else tape.operand(number) for number in results
        )
    return Program(tuple(arguments), tuple(tape.operations.values()), operands, names)
