"""Trace an elementwise formula: run it on numbers that record each operation.

The result is a program, a list of operations on numbers of known types. It has the bits of the formula, because NumPy
itself decides in which type each operation is computed.

>>> print(trace(lambda z, slope: np.where(z > 0, z, slope * z), ["z"], "float32", parameters={"slope": 0.2}))
t0 = greater(z, float32(0.0)) : bool
t1 = multiply(float32(0.20000000298023224), z) : float32
t2 = where(t0, z, t1) : float32
return t2
"""

import hashlib
import re
import traceback
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, NoReturn

import numpy as np
from numpy.lib.mixins import NDArrayOperatorsMixin
from numpy.typing import DTypeLike

from deltarule.errors import DeltaruleError

DTYPES = tuple(map(np.dtype, ("bool", "int64", "float32", "float64")))
"""The types of a program's numbers."""

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
    str(Path(__file__)),
    str(Path(__file__).parents[1] / "maths" / "elementary.py"),
    str(Path(np.__file__).parent),
)
"""Files that are not the formula's, although it calls them."""
_MAX_SHOWN_CHARACTERS = 60
"""Characters of a formula's line that an error message quotes, so that the sentence stays readable."""


class NotTraceable(DeltaruleError):
    """Raised if a formula has no program."""


@dataclass(frozen=True)
class Variable:
    """An argument or the result of an operation."""

    name: str
    dtype: np.dtype[Any]

    def __str__(self) -> str:
        return self.name


@dataclass(frozen=True)
class Constant:
    """A number of a formula, rounded to its type."""

    value: bool | int | float
    dtype: np.dtype[Any]

    def __str__(self) -> str:
        return f"{self.dtype}({self.value!r})"


Operand = Variable | Constant


@dataclass(frozen=True)
class Operation:
    """An operation: the name of a NumPy or SciPy function, "select" or "cast".

    Its operands have the types in which it is computed: conversions are operations too. select(test, yes, no) is `yes`
    where test > 0.
    """

    name: str
    operands: tuple[Operand, ...]
    result: Variable

    def __str__(self) -> str:
        return f"{self.result} = {self.name}({', '.join(map(str, self.operands))}) : {self.result.dtype}"


@dataclass(frozen=True)
class Program:
    """The operations of a formula in order, and its results: an optimizer has several.

    `names` are those of the results, if the formula returns them by name.
    """

    arguments: tuple[Variable, ...]
    operations: tuple[Operation, ...]
    results: tuple[Operand, ...]
    names: tuple[str, ...] = ()

    def __str__(self) -> str:
        names = [f"{name} = " for name in self.names] or [""] * len(self.results)
        results = ", ".join(f"{name}{result}" for name, result in zip(names, self.results, strict=True))
        return "\n".join([*map(str, self.operations), f"return {results}"])

    @property
    def fingerprint(self) -> str:
        """The SHA-256 digest of what is computed."""
        arguments = [(argument.name, argument.dtype.name) for argument in self.arguments]
        return hashlib.sha256(f"{arguments} {self}".encode()).hexdigest()


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
    tape = _Tape(arguments)
    numbers = [Traced(tape, argument) for argument in arguments]
    count = len(positional)
    try:
        returned = function(*numbers[:count], **dict(zip(named, numbers[count:], strict=True)), **parameters)
        names = tuple(returned) if isinstance(returned, dict) else ()
        results = [*returned.values()] if names else returned if isinstance(returned, tuple) else [returned]
        operands = tuple(
            tape.converted(number, dtype) if _is_weak(number) else tape.operand(number) for number in results
        )
    except Exception as error:  # whatever a formula of the user's raises
        reason = str(error) if isinstance(error, NotTraceable) else f"it raises {type(error).__name__}: {error}"
        raise NotTraceable(f"{reason}{_location(error.__traceback__)}") from None
    return Program(tuple(arguments), tuple(tape.operations.values()), operands, names)


class _Tape:
    """The operations so far, each once."""

    def __init__(self, arguments: Sequence[Variable]) -> None:
        self.operations: dict[str, Operation] = {}
        self.prefix = "t"
        while any(re.fullmatch(rf"{self.prefix}\d+", argument.name) for argument in arguments):
            self.prefix += "_"  # so that no result has an argument's name

    def add(self, name: str, operands: Sequence[Operand], dtype: np.dtype[Any]) -> "Traced":
        if dtype not in DTYPES:
            raise NotTraceable(f"it computes {name} in {dtype}")
        key = f"{name} {dtype} {', '.join(map(str, operands))}"
        if key not in self.operations:
            result = Variable(f"{self.prefix}{len(self.operations)}", dtype)
            self.operations[key] = Operation(name, tuple(operands), result)
        return Traced(self, self.operations[key].result)

    def operand(self, number: Any) -> Operand:
        """Return a traced number or a constant of NumPy's as an operand."""
        if isinstance(number, Traced):
            return number.variable
        array = np.asarray(number)
        if array.ndim or array.dtype not in DTYPES:
            raise NotTraceable(f"it uses {type(number).__name__} {str(number)[:40]}")
        return Constant(array.item(), array.dtype)

    def converted(self, number: Any, dtype: np.dtype[Any]) -> Operand:
        """Return a number in a type, with a conversion if it has another."""
        operand = None if _is_weak(number) else self.operand(number)
        if operand is None or isinstance(operand, Constant):
            return Constant(dtype.type(operand.value if operand else number).item(), dtype)
        return operand if operand.dtype == dtype else self.add("cast", [operand], dtype).variable


class Traced(NDArrayOperatorsMixin):
    """A number of which a formula's operations are recorded."""

    def __init__(self, tape: _Tape, variable: Variable) -> None:
        self.tape, self.variable = tape, variable

    @property
    def dtype(self) -> np.dtype[Any]:
        return self.variable.dtype

    @property
    def real(self) -> "Traced":
        return self

    def astype(self, dtype: DTypeLike) -> Any:
        same_or_cast = self.tape.converted(self, np.dtype(dtype))
        assert isinstance(same_or_cast, Variable)
        return Traced(self.tape, same_or_cast)

    def where_positive(self, yes: Any, no: Any) -> "Traced":
        """Record `elementary.select`, which gives Python's numbers the type of its test."""
        if self.dtype.kind == "f":
            yes, no = (self.dtype.type(number) if isinstance(number, int | float) else number for number in (yes, no))
        return self._choose("select", self.variable, yes, no)

    def __array_ufunc__(self, ufunc: np.ufunc, method: str, *inputs: Any, **options: Any) -> "Traced":
        name = ufunc.__name__
        if method != "__call__" or options or ufunc.nout != 1 or ufunc.signature:
            raise NotTraceable(f"it uses {name} {'with ' + ', '.join(options) if options else 'of whole arrays'}")
        kinds = [type(number) if _is_weak(number) else self.tape.operand(number).dtype for number in inputs]
        *input_dtypes, dtype = ufunc.resolve_dtypes((*kinds, None))  # NumPy's own promotion
        operands = [self.tape.converted(*pair) for pair in zip(inputs, input_dtypes, strict=True)]
        return self.tape.add(name, operands, dtype)

    def __array_function__(self, function: Any, types: Any, arguments: Sequence[Any], options: Any) -> Any:
        if function is np.iscomplexobj:
            return False
        if function is np.where and len(arguments) == 3:
            test, yes, no = arguments
            is_boolean = self.tape.operand(test).dtype == bool
            return self._choose("where", self.tape.operand(test if is_boolean else np.not_equal(test, 0)), yes, no)
        if function is np.clip and len(arguments) == 3 and not options:
            x, low, high = arguments
            return np.minimum(np.maximum(x, low), high)
        raise NotTraceable(f"it uses {function.__name__}")

    def _choose(self, name: str, test: Operand, yes: Any, no: Any) -> "Traced":
        kinds = [number if _is_weak(number) else self.tape.operand(number).dtype for number in (yes, no)]
        dtype = np.result_type(*kinds)
        return self.tape.add(name, [test, *(self.tape.converted(number, dtype) for number in (yes, no))], dtype)

    def __bool__(self) -> NoReturn:
        raise NotTraceable("it branches on an argument")

    def __array__(self, *_: Any, **__: Any) -> NoReturn:
        raise NotTraceable("it makes an array of an argument")

    def __float__(self) -> NoReturn:
        raise NotTraceable("it makes a number of Python's of an argument")

    __int__ = __index__ = __complex__ = __float__

    def __getattr__(self, name: str) -> NoReturn:
        if name.startswith("__"):
            raise AttributeError(name)
        raise NotTraceable(f"it uses .{name}")


def _is_weak(number: Any) -> bool:
    """Whether a number is Python's, which takes the type of what it is combined with."""
    return type(number) in (int, float)


def _location(trace: TracebackType | None) -> str:
    """Return the last line of a traceback that is the formula's."""
    frames = [frame for frame in traceback.extract_tb(trace) if not frame.filename.startswith(_SKIPPED)]
    if not frames:
        return ""
    line = frames[-1].line or ""
    shown = line if len(line) <= _MAX_SHOWN_CHARACTERS else f"{line[: _MAX_SHOWN_CHARACTERS - 1]}…"
    return f" in line {frames[-1].lineno} of {Path(frames[-1].filename).name}{f': {shown}' if shown else ''}"
