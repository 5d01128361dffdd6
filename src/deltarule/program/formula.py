"""Trace an elementwise formula: its program, on numbers.

>>> print(trace(lambda z, slope: np.where(z > 0, z, slope * z), ["z"], "float32", parameters={"slope": 0.2}))
t0 = greater(z, float32(0.0)) : bool
t1 = multiply(float32(0.20000000298023224), z) : float32
t2 = where(t0, z, t1) : float32
return t2
"""

import traceback
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any

import numpy as np
from numpy.typing import DTypeLike

from deltarule.program.program import NotTraceable, Program, Variable
from deltarule.program.recorder import Tape, is_weak

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

_SKIPPED = (
    str(Path(__file__).parent),
    str(Path(__file__).parents[1] / "maths" / "elementary.py"),
    str(Path(np.__file__).parent),
)
"""Files that are not the formula's, although it calls them."""
_MAX_SHOWN_CHARACTERS = 60
"""Characters of a formula's line that an error message quotes, so that the sentence stays readable."""


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
    tape = Tape(arguments)
    numbers = [tape.number(argument) for argument in arguments]
    count = len(positional)
    try:
        returned = function(*numbers[:count], **dict(zip(named, numbers[count:], strict=True)), **parameters)
        names = tuple(returned) if isinstance(returned, dict) else ()
        results = [*returned.values()] if names else returned if isinstance(returned, tuple) else [returned]
        operands = tuple(
            tape.converted(number, dtype) if is_weak(number) else tape.operand(number) for number in results
        )
    except Exception as error:  # whatever a formula of the user's raises
        reason = str(error) if isinstance(error, NotTraceable) else f"it raises {type(error).__name__}: {error}"
        raise NotTraceable(f"{reason}{_location(error.__traceback__)}") from None
    return Program(tuple(arguments), tuple(tape.operations.values()), operands, names)


def _location(trace: TracebackType | None) -> str:
    """Return the last line of a traceback that is the formula's."""
    frames = [frame for frame in traceback.extract_tb(trace) if not frame.filename.startswith(_SKIPPED)]
    if not frames:
        return ""
    line = frames[-1].line or ""
    shown = line if len(line) <= _MAX_SHOWN_CHARACTERS else f"{line[: _MAX_SHOWN_CHARACTERS - 1]}…"
    return f" in line {frames[-1].lineno} of {Path(frames[-1].filename).name}{f': {shown}' if shown else ''}"
