"""Record a formula: run it on numbers or arrays that note each operation.

A recorded number computes nothing, and NumPy itself decides in which type each of its operations is computed. So a
program has the bits of its formula. Beside elementwise functions recorded arrays have products and the primitives of
`array_methods`.
"""

import hashlib
import re
import traceback
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NoReturn

import numpy as np
from numpy.lib.mixins import NDArrayOperatorsMixin
from numpy.typing import DTypeLike

from deltarule.program.array_methods import COMPOSED, ArrayMethods, computed, known_size
from deltarule.program.program import DTYPES, ONE, Axis, Constant, NotTraceable, Operand, Operation, Program, Variable

Axes = tuple[Axis, ...]

_SKIPPED = str(Path(__file__).parent), str(Path(__file__).parents[1] / "maths"), str(Path(np.__file__).parent)
"""Files that are not the formula's, although it calls them, or they call it."""
_MAX_SHOWN_CHARACTERS = 60
"""Characters of a formula's line that an error message quotes, so that the sentence stays readable."""


class Tape:
    """The operations so far, each once.

    constants : arrays that the function makes or reads, by the names of arguments for them; None where it takes numbers
        alone.
    """

    def __init__(self, arguments: Sequence[Variable], takes_arrays: bool = True) -> None:
        self.operations: dict[str, Operation] = {}
        self.constants: dict[str, Any] | None = {} if takes_arrays else None
        self.prefix = "t"
        while any(re.fullmatch(rf"{self.prefix}\d+", argument.name) for argument in arguments):
            self.prefix += "_"  # so that no result has an argument's name

    def add(
        self,
        name: str,
        operands: Sequence[Operand],
        dtype: np.dtype[Any],
        axes: Axes | None = None,
        detail: tuple[int, ...] = (),
    ) -> "Traced":
        """Return the result of an operation, recorded if it is new; elementwise ones have their operands' axes."""
        if dtype not in DTYPES:
            raise NotTraceable(f"it computes {name} in {dtype}")
        axes = broadcast_axes([operand.axes for operand in operands]) if axes is None else axes
        result = Variable(f"{self.prefix}{len(self.operations)}", dtype, axes)
        key = f"{name} {detail} {result.type} {', '.join(map(str, operands))}"
        recorded = self.operations.setdefault(key, Operation(name, tuple(operands), result, detail))
        return self.number(recorded.result)

    def number(self, variable: Variable) -> "Traced":
        return (TracedArray if variable.axes else Traced)(self, variable)

    def operand(self, number: Any) -> Operand:
        """Return a traced number or a constant of NumPy's as an operand."""
        if isinstance(number, Traced):
            return number.variable
        array = np.asarray(number)
        if (array.ndim and self.constants is None) or array.dtype not in DTYPES:
            raise NotTraceable(f"it uses {type(number).__name__} {str(number)[:40]}")
        return self._constant(array) if array.ndim else Constant(array.item(), array.dtype)

    def _constant(self, array: Any) -> Variable:
        """Return an argument for an array, whose name says what it holds."""
        assert self.constants is not None
        content = hashlib.sha256(f"{array.dtype} {array.shape} ".encode() + np.ascontiguousarray(array).tobytes())
        name = f"constant_{content.hexdigest()[:16]}"
        self.constants[name] = array
        return Variable(name, array.dtype, tuple(Axis("", size) for size in array.shape))

    def program(self, arguments: Sequence[Variable], results: Sequence[Operand], names: Sequence[str]) -> Program:
        """Return the program of the operations so far."""
        constants = self.constants or {}
        given = (*arguments, *map(self._constant, [*constants.values()]))
        return Program(given, tuple(self.operations.values()), tuple(results), tuple(names), constants)

    def converted(self, number: Any, dtype: np.dtype[Any]) -> Operand:
        """Return a number in a type, with a conversion if it has another."""
        if isinstance(number, np.ndarray) and number.ndim:
            number = number.astype(dtype)
        operand = None if is_weak(number) else self.operand(number)
        if operand is None or isinstance(operand, Constant):
            return Constant(dtype.type(operand.value if operand else number).item(), dtype)
        return operand if operand.dtype == dtype else self.add("cast", [operand], dtype).variable


@contextmanager
def traceable() -> Iterator[None]:
    """Raise `NotTraceable` for whatever a formula of the user's raises, with the line."""
    try:
        yield
    except Exception as error:
        reason = str(error) if isinstance(error, NotTraceable) else f"it raises {type(error).__name__}: {error}"
        raise NotTraceable(f"{reason}{location(traceback.extract_tb(error.__traceback__))}") from None


def location(stack: Sequence[traceback.FrameSummary]) -> str:
    """Return the last line of a stack that is the formula's, " in line 3 of mine.py: …", or ""."""
    frames = [frame for frame in stack if not frame.filename.startswith(_SKIPPED)]
    if not frames:
        return ""
    line = frames[-1].line or ""
    shown = line if len(line) <= _MAX_SHOWN_CHARACTERS else f"{line[: _MAX_SHOWN_CHARACTERS - 1]}…"
    return f" in line {frames[-1].lineno} of {Path(frames[-1].filename).name}{f': {shown}' if shown else ''}"


class Traced(NDArrayOperatorsMixin):
    """A number of which a formula's operations are recorded."""

    holds_traced = False

    def __init__(self, tape: Tape, variable: Variable) -> None:
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
        return self.tape.number(same_or_cast)

    def where_positive(self, yes: Any, no: Any) -> "Traced":
        """Record `elementary.select`, which gives Python's numbers the type of its test."""
        if self.dtype.kind == "f":
            yes, no = (self.dtype.type(number) if isinstance(number, int | float) else number for number in (yes, no))
        return self._choose("select", self.variable, yes, no)

    def __array_ufunc__(self, ufunc: np.ufunc, method: str, *inputs: Any, **options: Any) -> "Traced":
        name = ufunc.__name__
        if _holds_traced(inputs):
            return NotImplemented
        if name in COMPOSED and method == "__call__" and not options:
            return COMPOSED[name](*inputs)
        if method != "__call__" or options or ufunc.nout != 1 or ufunc.signature:
            raise NotTraceable(f"it uses {name} {'with ' + ', '.join(options) if options else 'of whole arrays'}")
        inputs = tuple(known_size(number) if isinstance(number, Axis) else number for number in inputs)
        kinds = [type(number) if is_weak(number) else self.tape.operand(number).dtype for number in inputs]
        *input_dtypes, dtype = ufunc.resolve_dtypes((*kinds, None))  # NumPy's own promotion
        operands = [self.tape.converted(*pair) for pair in zip(inputs, input_dtypes, strict=True)]
        return self.tape.add(name, operands, dtype)

    def __array_function__(self, function: Any, types: Any, arguments: Sequence[Any], options: Any) -> Any:
        if _holds_traced(types):
            return NotImplemented  # which NumPy asks of the others: a test between values of a derived backward pass
        if function is np.iscomplexobj:
            return False
        if function is np.where and len(arguments) == 3:
            test, yes, no = arguments
            is_boolean = self.tape.operand(test).dtype == bool
            return self._choose("where", self.tape.operand(test if is_boolean else np.not_equal(test, 0)), yes, no)
        if function is np.clip:
            return computed(function, arguments, options)
        raise NotTraceable(f"it uses {function.__name__}")

    def _choose(self, name: str, test: Operand, yes: Any, no: Any) -> "Traced":
        kinds = [number if is_weak(number) else self.tape.operand(number).dtype for number in (yes, no)]
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


class TracedArray(ArrayMethods, Traced):
    """An array of which a network's operations are recorded."""

    @property
    def shape(self) -> Axes:
        return self.variable.axes

    def _add(self, name: str, axes: Sequence[Axis], detail: tuple[int, ...] = ()) -> Traced:
        return self.tape.add(name, [self.variable], self.dtype, tuple(axes), detail)

    def total(self, axes: tuple[int, ...]) -> Traced:
        return self._add("sum", self._without(axes), axes)

    def largest(self, axes: tuple[int, ...]) -> Traced:
        return self._add("max", self._without(axes), axes)

    def _without(self, chosen: tuple[int, ...]) -> list[Axis]:
        return [ONE if k - self.ndim in chosen else axis for k, axis in enumerate(self.shape)]

    def part(self, axis: int, start: int, stop: int, step: int) -> Traced:
        axes = [*self.shape]
        axes[axis] = Axis("", len(range(start, stop, step)))
        return self._add("slice", axes, (start, stop, step, axis))

    def reshaped(self, sizes: tuple[Any, ...]) -> Traced:
        axes = tuple(map(as_axis, sizes))
        if _between_open(self.shape) != _between_open(axes):
            raise NotTraceable(f"it reshapes an array of {self.shape} to {axes}")
        return self._add("reshape", axes)

    def transposed(self, order: tuple[int, ...]) -> Traced:
        usual = (*range(self.ndim - 2), self.ndim - 1, self.ndim - 2)
        return self._add("transpose", [self.shape[k] for k in order], () if order == usual else order)

    def broadcast(self, shape: tuple[Any, ...]) -> Traced:
        return self._add("broadcast", [*map(as_axis, shape)])

    def joined(self, arrays: Sequence[Any], axis: int) -> Traced:
        parts = [self.tape.operand(array) for array in arrays]
        others = [[*part.axes] for part in parts]
        for axes in others:
            axes[axis] = ONE
        whole = [*broadcast_axes([tuple(axes) for axes in others])]
        dtype = np.result_type(*(part.dtype for part in parts))
        operands: list[Operand] = []
        for array, part in zip(arrays, parts, strict=True):
            wanted = [*whole]
            wanted[axis] = part.axes[axis]
            operand = self.tape.converted(array, dtype)
            if [*map(int, part.axes)] != [*map(int, wanted)]:  # alike for all members
                operand = self.tape.add("broadcast", [operand], dtype, tuple(wanted)).variable
            operands.append(operand)
        whole[axis] = Axis("", sum(known_size(part.axes[axis]) for part in parts))
        return self.tape.add("concatenate", operands, dtype, tuple(whole), () if axis == -1 else (axis,))

    def padded(self, axis: int, before: int, after: int) -> Traced:
        axes = [*self.shape]
        axes[axis] = Axis("", known_size(axes[axis]) + before + after)
        return self._add("pad", axes, (axis, before, after))

    def __array_ufunc__(self, ufunc: np.ufunc, method: str, *inputs: Any, **options: Any) -> Traced:
        if ufunc is not np.matmul or method != "__call__" or options or _holds_traced(inputs):
            return super().__array_ufunc__(ufunc, method, *inputs, **options)
        left, right = (self.tape.operand(array) for array in inputs)
        if min(len(left.axes), len(right.axes)) < 2:
            raise NotTraceable("it multiplies by a vector; give it two axes, as a matrix")
        if not same_axis(left.axes[-1], right.axes[-2]):
            raise NotTraceable(f"it multiplies arrays of [{left.axes}] and [{right.axes}]")
        axes = (*broadcast_axes([left.axes[:-2], right.axes[:-2]]), left.axes[-2], right.axes[-1])
        dtype = np.result_type(left.dtype, right.dtype)
        return self.tape.add("matmul", [left, right], dtype, axes)

    def __array_function__(self, function: Any, types: Any, arguments: Sequence[Any], options: Any) -> Any:
        if _holds_traced(types) or function in (np.where, np.iscomplexobj):
            return super().__array_function__(function, types, arguments, options)
        if function in (np.zeros_like, np.ones_like) and not options:
            number = Constant(self.dtype.type(function is np.ones_like).item(), self.dtype)
            return self.tape.add("broadcast", [number], self.dtype, self.shape)
        return computed(function, arguments, options)


def _holds_traced(values: Sequence[Any]) -> bool:
    """Whether values of a derived backward pass are among some, which then compute."""
    return any(getattr(each, "holds_traced", False) for each in values)


def _between_open(axes: Axes) -> list[Any]:
    """Return the axes whose size is open, in order, and the number of entries before, between and behind them."""
    parts: list[Any] = [1]
    for axis in axes:
        parts[-1:] = [parts[-1], axis, 1] if int(axis) < 0 else [parts[-1] * int(axis)]
    return parts


def as_axis(size: int) -> Axis:
    return size if isinstance(size, Axis) else Axis("", size)


def same_axis(axis: Axis, other: Axis) -> bool:
    """Whether two axes are one: a size without a name fits a name."""
    return int(axis) == int(other) and (axis.name == other.name or not axis.name or not other.name)


def broadcast_axes(shapes: Sequence[Axes]) -> Axes:
    """Return the axes of what is computed elementwise from arrays, as NumPy broadcasts them."""
    axes: list[Axis] = []
    for index in range(-max(map(len, shapes)), 0):
        along = [shape[index] for shape in shapes if len(shape) >= -index and shape[index] != ONE]
        named = next((axis for axis in along if axis.name), along[0] if along else ONE)
        if not all(same_axis(axis, named) for axis in along):
            raise NotTraceable(f"it combines arrays of {' and '.join(map(str, shapes))}")
        axes.append(named)
    return tuple(axes)


def is_weak(number: Any) -> bool:
    """Whether a number is Python's, which takes the type of what it is combined with."""
    return type(number) in (int, float)
