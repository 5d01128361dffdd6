"""An array that records on a tape the operations applied to it."""

import builtins
import sys
from collections.abc import Callable, Iterator, Sequence
from itertools import pairwise
from pathlib import Path
from types import FrameType
from typing import Any

import numpy as np
from numpy.lib.mixins import NDArrayOperatorsMixin

from deltarule.checking.tape import backward
from deltarule.checking.tape.backward import NO_LINE, Node, SourceLine

MAX_NODES = 20_000
"""Operations of the longest forward pass that is recorded."""
LIBRARY_FOLDERS = (str(Path(__file__).parents[2]), str(Path(np.__file__).parent), "<__array_function__")
"""Beginnings of the file names of deltarule and NumPy, which are not user code."""


class UntraceableError(Exception):
    """Raised for an operation that cannot be recorded on a tape."""


class ForwardTape:
    """The operations of a forward pass in order."""

    def __init__(self) -> None:
        self.nodes: list[Node] = []

    def add(self, name: str, value: Any, inputs: Sequence[Any], gradient: Any, data: Any = None) -> "RecordedArray":
        """Append an operation and return its value, traced."""
        if len(self.nodes) >= MAX_NODES:
            raise UntraceableError("the forward pass has too many operations")
        entries = tuple(entry.node if isinstance(entry, RecordedArray) else np.asarray(entry) for entry in inputs)
        node = Node(len(self.nodes), name, np.asarray(value), entries, gradient, *_user_lines(), data)
        self.nodes.append(node)
        return RecordedArray(self, node)

    def gather(self, name: str, function: Callable[..., Any], *inputs: Any) -> "RecordedArray":
        """Record a function that only moves, repeats or joins entries, or pads with 0.

        It is called with the positions of the entries, from 1, in place of the entries.
        """
        values = [np.asarray(strip_trace(entry)) for entry in inputs]
        starts = np.cumsum([1, *(value.size for value in values)])
        positions = np.arange(starts[-1])
        moved = np.asarray(function(*map(np.reshape, np.split(positions, starts)[1:-1], map(np.shape, values))))
        is_from = [(moved >= start) & (moved < end) for start, end in pairwise(starts)]
        sources = [np.where(chosen, moved - start, -1) for chosen, start in zip(is_from, starts, strict=False)]
        value = np.concatenate([[0.0], *map(np.ravel, values)])[moved]
        return self.add(name, value, inputs, backward.gather_gradient(sources), sources)


def _user_lines() -> tuple[SourceLine, SourceLine]:
    """The line of user code that called an operation, and that of its caller."""
    frame: FrameType | None = sys._getframe(2)
    while frame is not None and _is_library(frame):
        if frame.f_code.co_name == "record_loss":  # an operation of ours, as the product with the upstream gradient
            return NO_LINE, NO_LINE
        frame = frame.f_back
    caller = None if frame is None else frame.f_back
    return _line_of(frame), NO_LINE if caller is not None and _is_library(caller) else _line_of(caller)


def _is_library(frame: FrameType) -> bool:
    return frame.f_code.co_filename.startswith(LIBRARY_FOLDERS)


def _line_of(frame: FrameType | None) -> SourceLine:
    return NO_LINE if frame is None else (frame.f_code.co_filename, frame.f_lineno, frame.f_lasti)


def strip_trace(value: Any) -> Any:
    if isinstance(value, RecordedArray):
        return value.node.value
    return type(value)(strip_trace(item) for item in value) if type(value) in (list, tuple) else value


def is_traced(value: Any) -> bool:
    if type(value) in (list, tuple):
        return builtins.any(is_traced(item) for item in value)
    return type(value) is RecordedArray


class RecordedArray(NDArrayOperatorsMixin):
    """An array that behaves like one of NumPy and records each operation."""

    __array_priority__ = 1e6
    __hash__ = None  # type: ignore[assignment]

    def __init__(self, tape: ForwardTape, node: Node) -> None:
        self.tape = tape
        self.node = node

    @property  # type: ignore[misc]
    def __class__(self) -> type:  # isinstance(x, np.ndarray) in user code
        return np.ndarray

    shape = property(lambda self: self.node.value.shape)
    ndim = property(lambda self: self.node.value.ndim)
    size = property(lambda self: self.node.value.size)
    dtype = property(lambda self: self.node.value.dtype)
    flags = property(lambda self: self.node.value.flags)
    T = property(lambda self: self.transpose())

    def __array__(self, *args: Any, **options: Any) -> Any:
        return np.array(self.node.value, *args[:1])

    def __len__(self) -> int:
        return len(self.node.value)

    def __bool__(self) -> bool:
        return bool(self.node.value)

    def __int__(self) -> int:
        return int(self.node.value)

    def __float__(self) -> float:
        return float(self.node.value)

    def item(self) -> Any:
        return self.reshape(())

    def __format__(self, spec: str) -> str:
        return format(self.node.value[()], spec)

    def __iter__(self) -> Iterator[Any]:
        return (self[i] for i in range(len(self)))

    def __getitem__(self, key: Any) -> Any:
        key = strip_trace(key)
        result = self.tape.gather("getitem", lambda x: x[key], self)
        if isinstance(key, np.ndarray | list) and np.asarray(key).dtype.kind in "iu":
            result.node.data.append("indices")
        return result

    def __setitem__(self, key: Any, value: Any) -> None:
        """Record an assignment in place as a new node."""
        key = strip_trace(key)

        def assign(old: Any, new: Any) -> Any:
            old[key] = new
            return old

        self.node = self.tape.gather("setitem", assign, self, as_traced(self.tape, value)).node

    def __array_ufunc__(self, ufunc: Any, method: str, *inputs: Any, out: Any = None, **options: Any) -> Any:
        """Record a ufunc."""
        name = {"true_divide": "divide", "abs": "absolute"}.get(ufunc.__name__, ufunc.__name__)
        if method != "__call__":
            raise UntraceableError(f"{name}.{method}")
        if name in backward.WITHOUT_GRADIENT:
            return ufunc(*map(strip_trace, inputs))
        if name == "matmul":
            result = traced_matmul(self.tape, *inputs)
        elif name in backward.ELEMENTWISE:
            value = ufunc(*map(strip_trace, inputs))
            result = self.tape.add(name, value, inputs, backward.elementwise_gradient(name))
        else:
            raise UntraceableError(name)
        if out is None:
            return result
        (target,) = out
        if type(target) is not RecordedArray:
            raise UntraceableError("a traced value is written into an array that is not traced")
        target.node = result.node
        return target

    def __array_function__(self, function: Any, types: Any, args: Any, options: Any) -> Any:
        if function in FUNCTIONS:
            return FUNCTIONS[function](*args, **options)
        if function in PLAIN_FUNCTIONS:
            return function(*strip_trace(args), **{name: strip_trace(value) for name, value in options.items()})
        raise UntraceableError(getattr(function, "__name__", "function"))

    def copy(self, *args: Any) -> Any:
        return RecordedArray(self.tape, self.node)

    __copy__ = copy

    def __deepcopy__(self, memo: Any) -> Any:
        return self.copy()

    def astype(self, dtype: Any, **options: Any) -> Any:
        return self.copy() if np.dtype(dtype).kind == "f" else self.node.value.astype(dtype)

    def tolist(self) -> Any:
        return [row.tolist() for row in self] if self.ndim else self

    def __getattr__(self, name: str) -> Any:
        if name in GATHERS:
            return lambda *args, **options: self.tape.gather(
                GATHERS[name], lambda x: getattr(x, name)(*args, **options), self
            )
        if name in _METHODS:
            return lambda *args, **options: getattr(np, name)(self, *args, **options)
        raise AttributeError(name)


class _FloatType(type):
    """The type of `TracedFloat`, whose instances include traced numbers."""

    def __instancecheck__(cls, value: Any) -> bool:
        return isinstance(value, float) or type(value) is RecordedArray and not value.ndim


class TracedFloat(float, metaclass=_FloatType):
    """A replacement of `float` in user code that keeps numbers traced."""

    dtype = np.dtype(np.float64)  # NumPy reads it for dtype=float

    def __new__(cls, value: Any = 0.0) -> Any:
        """Convert to a float, except that a traced number stays traced."""
        return value.reshape(()) if type(value) is RecordedArray else float(value)


GATHERS = {
    **dict.fromkeys(("reshape", "ravel", "flatten", "squeeze", "expand_dims", "atleast_1d", "atleast_2d"), "reshape"),
    "broadcast_to": "reshape",
    **dict.fromkeys(("transpose", "swapaxes", "moveaxis"), "transpose"),
    **dict.fromkeys(("take", "diag", "diagonal", "take_along_axis"), "getitem"),
    **dict.fromkeys(("repeat", "flip", "roll", "tile", "fliplr", "flipud"), "repeat"),
}
"""By name of a function or method that only moves or repeats entries, the name of its operation."""
_METHODS = {
    *("sum", "mean", "var", "std", "max", "min", "dot", "clip", "prod", "trace"),
    *("argmax", "argmin", "any", "all", "argsort", "nonzero"),
}
PLAIN_FUNCTIONS = {
    *(np.argmax, np.argmin, np.any, np.all, np.shape, np.ndim, np.size, np.argsort, np.allclose, np.isclose),
    *(np.nonzero, np.array_equal, np.unique, np.argwhere, np.round),
    *(np.zeros_like, np.ones_like, np.empty_like, np.full_like),
}


FUNCTIONS: dict[Any, Callable[..., Any]] = {}
"""By NumPy function, its form for traced arrays; `record.py` fills it."""


def as_traced(tape: ForwardTape, value: Any) -> RecordedArray:
    if type(value) is RecordedArray:
        return value
    if is_traced(value):
        return join_arrays(np.stack, [as_traced(tape, item) for item in value])
    return tape.add("constant", np.asarray(value), [], None)


def first_traced(values: Any) -> RecordedArray:
    return next(value for value in values if type(value) is RecordedArray)


def traced_matmul(tape: ForwardTape, a: Any, b: Any) -> Any:
    """The matrix product a @ b, recorded for matrices: vectors are reshaped first."""
    ndims = np.ndim(strip_trace(a)), np.ndim(strip_trace(b))
    a = as_traced(tape, a).reshape(1, -1) if ndims[0] == 1 else a
    b = as_traced(tape, b).reshape(-1, 1) if ndims[1] == 1 else b
    result = tape.add("matmul", strip_trace(a) @ strip_trace(b), [a, b], backward.matmul_gradient)
    if ndims[0] == 1 and ndims[1] == 1:
        return result[..., 0, 0]
    return result[..., 0, :] if ndims[0] == 1 else result[..., 0] if ndims[1] == 1 else result


def join_arrays(function: Callable[..., Any], arrays: Sequence[Any], *args: Any, **options: Any) -> Any:
    return first_traced(arrays).tape.gather("join", lambda *parts: function(parts, *args, **options), *arrays)
