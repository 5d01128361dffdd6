"""Record a formula: run it on numbers or arrays that note each operation.

A recorded number computes nothing, and NumPy itself decides in which type each of its operations is computed. So a
program has the bits of its formula. Recorded arrays have what the networks of `maths` use beside elementwise functions:
products, sums, slices, reshapes, transposes and `concatenate`.
"""

import math
import re
import traceback
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import EllipsisType
from typing import Any, NoReturn

import numpy as np
from numpy.lib.mixins import NDArrayOperatorsMixin
from numpy.typing import DTypeLike

from deltarule.program.program import DTYPES, ONE, Axis, Constant, NotTraceable, Operand, Operation, Variable

Axes = tuple[Axis, ...]

_SKIPPED = str(Path(__file__).parent), str(Path(__file__).parents[1] / "maths"), str(Path(np.__file__).parent)
"""Files that are not the formula's, although it calls them, or they call it."""
_MAX_SHOWN_CHARACTERS = 60
"""Characters of a formula's line that an error message quotes, so that the sentence stays readable."""


class Tape:
    """The operations so far, each once."""

    def __init__(self, arguments: Sequence[Variable]) -> None:
        self.operations: dict[str, Operation] = {}
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
        if array.ndim or array.dtype not in DTYPES:
            raise NotTraceable(f"it uses {type(number).__name__} {str(number)[:40]}")
        return Constant(array.item(), array.dtype)

    def converted(self, number: Any, dtype: np.dtype[Any]) -> Operand:
        """Return a number in a type, with a conversion if it has another."""
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
        if method != "__call__" or options or ufunc.nout != 1 or ufunc.signature:
            raise NotTraceable(f"it uses {name} {'with ' + ', '.join(options) if options else 'of whole arrays'}")
        inputs = tuple(_size(number) if isinstance(number, Axis) else number for number in inputs)
        kinds = [type(number) if is_weak(number) else self.tape.operand(number).dtype for number in inputs]
        *input_dtypes, dtype = ufunc.resolve_dtypes((*kinds, None))  # NumPy's own promotion
        operands = [self.tape.converted(*pair) for pair in zip(inputs, input_dtypes, strict=True)]
        return self.tape.add(name, operands, dtype)

    def __array_function__(self, function: Any, types: Any, arguments: Sequence[Any], options: Any) -> Any:
        if any(getattr(each, "holds_traced", False) for each in types):
            return NotImplemented  # which NumPy asks of the others: a test between values of a derived backward pass
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


class TracedArray(Traced):
    """An array of which a network's operations are recorded."""

    @property
    def shape(self) -> Axes:
        return self.variable.axes

    @property
    def ndim(self) -> int:
        return len(self.shape)

    def __getitem__(self, key: Any) -> Traced:
        match key:
            case EllipsisType(), slice(step=None):
                start, stop, _ = key[1].indices(_size(self.shape[-1]))
                if start < stop:
                    axes = (*self.shape[:-1], Axis("", stop - start))
                    return self.tape.add("slice", [self.variable], self.dtype, axes, (start, stop))
        raise NotTraceable(f"it uses an array at [{key}]")

    def reshape(self, *sizes: Any) -> Traced:
        axes = tuple(map(as_axis, sizes))
        if any(int(axis) < 0 and not axis.name for axis in axes):
            raise NotTraceable(f"it reshapes an array to {sizes}, of which a size is to be found")
        return self.tape.add("reshape", [self.variable], self.dtype, axes)

    def sum(self, axis: int | tuple[int, ...], keepdims: bool = False) -> Traced:
        return self._reduced("sum", axis, keepdims)

    def mean(self, axis: int | tuple[int, ...], keepdims: bool = False) -> Any:
        """Record NumPy's mean: a sum, divided by how many numbers it has."""
        chosen = axis if isinstance(axis, tuple) else (axis,)
        return self.sum(axis, keepdims) / math.prod(_size(self.shape[index]) for index in chosen)

    def max(self, axis: int | tuple[int, ...], keepdims: bool = False) -> Traced:
        return self._reduced("max", axis, keepdims)

    def _reduced(self, name: str, axis: int | tuple[int, ...], keepdims: bool) -> Traced:
        chosen = axis if isinstance(axis, tuple) else (axis,)
        if not all(-self.ndim <= index < 0 for index in chosen):
            raise NotTraceable(f"it uses the {name} over {axis}, which is not counted from the last axis")
        axes = tuple(ONE if index - self.ndim in chosen else axis for index, axis in enumerate(self.shape))
        reduced = self.tape.add(name, [self.variable], self.dtype, axes, chosen)
        if keepdims:
            return reduced
        rest = tuple(axis for index, axis in enumerate(axes) if index - self.ndim not in chosen)
        return self.tape.add("reshape", [reduced.variable], self.dtype, rest)

    def __array_ufunc__(self, ufunc: np.ufunc, method: str, *inputs: Any, **options: Any) -> Traced:
        if ufunc is not np.matmul or method != "__call__" or options:
            return super().__array_ufunc__(ufunc, method, *inputs, **options)
        left, right = (self.tape.operand(array) for array in inputs)
        if not same_axis(left.axes[-1], right.axes[-2]):
            raise NotTraceable(f"it multiplies arrays of [{left.axes}] and [{right.axes}]")
        axes = (*broadcast_axes([left.axes[:-2], right.axes[:-2]]), left.axes[-2], right.axes[-1])
        return self.tape.add("matmul", [left, right], np.result_type(left.dtype, right.dtype), axes)

    def __array_function__(self, function: Any, types: Any, arguments: Sequence[Any], options: Any) -> Any:
        if function in (np.sum, np.mean, np.max):
            return getattr(self, function.__name__.removeprefix("a"))(*arguments[1:], **options)
        match function, arguments, options:
            case np.swapaxes, (_, -1, -2), {}:
                axes = (*self.shape[:-2], self.shape[-1], self.shape[-2])
                return self.tape.add("transpose", [self.variable], self.dtype, axes)
            case np.broadcast_to, (_, shape), {}:
                return self.tape.add("broadcast", [self.variable], self.dtype, tuple(map(as_axis, shape)))
            case np.concatenate, (arrays,), {"axis": -1}:
                parts = [self.tape.operand(array) for array in arrays]
                axes = (*parts[0].axes[:-1], Axis("", sum(part.axes[-1] for part in parts)))
                return self.tape.add("concatenate", parts, self.dtype, axes)
            case np.zeros_like, (_,), {}:
                return self.dtype.type(0)
        return super().__array_function__(function, types, arguments, options)


def _size(axis: Axis) -> int:
    if int(axis) < 0:
        raise NotTraceable(f"it computes with the number of {axis.name}")
    return int(axis)


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
