"""An array that notes on a tape what is done with it."""

import builtins
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.lib.mixins import NDArrayOperatorsMixin

from deltarule.checking.tape.operations import (
    ELEMENTWISE,
    WITHOUT_GRADIENT,
    Node,
    elementwise_gradient,
    gather_gradient,
    matmul_gradient,
)

MAX_NODES = 20_000
"""Operations of a forward pass that are recorded; a longer one is not."""
OWN_FOLDERS = (str(Path(__file__).parents[2]), str(Path(np.__file__).parent), "<__array_function__")


class UntraceableError(Exception):
    """An operation that a tape does not know."""


class Tape:
    """The operations of a forward pass in their order; `conversions` are nodes that were made plain numbers."""

    def __init__(self) -> None:
        self.nodes: list[Node] = []
        self.conversions: list[Node] = []

    def add(self, name: str, value: Any, inputs: Sequence[Any], gradient: Any, data: Any = None) -> "TracedArray":
        """Append an operation."""
        if len(self.nodes) >= MAX_NODES:
            raise UntraceableError("the forward pass has too many operations")
        entries = tuple(one.node if isinstance(one, TracedArray) else np.asarray(one) for one in inputs)
        node = Node(len(self.nodes), name, np.asarray(value), entries, gradient, _user_line(), data)
        self.nodes.append(node)
        return TracedArray(self, node)


def _user_line() -> tuple[str, int, int]:
    frame = sys._getframe(2)
    while frame is not None and frame.f_code.co_filename.startswith(OWN_FOLDERS):
        if frame.f_code.co_name == "record_loss":  # an operation of ours, as the product with the upstream gradient
            return ("", 0, 0)
        frame = frame.f_back  # type: ignore[assignment]
    return (frame.f_code.co_filename, frame.f_lineno, frame.f_lasti) if frame is not None else ("", 0, 0)


class PlainOperand(np.ndarray[Any, Any]):
    """An array without a trace, as a mask, whose product with a traced array is traced."""

    def dot(self, b: Any, out: Any = None) -> Any:
        """As `np.ndarray.dot`."""
        return np.dot(self.view(np.ndarray), b)


def as_operand(value: Any) -> Any:
    """An array as a `PlainOperand`; numbers as they are."""
    return value.view(PlainOperand) if isinstance(value, np.ndarray) else value


def plain(value: Any) -> Any:
    """The value without its trace, in lists and tuples too."""
    if isinstance(value, TracedArray):
        return value.node.value
    return type(value)(plain(one) for one in value) if type(value) in (list, tuple) else value


def is_traced(value: Any) -> bool:
    """Whether a value, or something in its lists and tuples, is traced."""
    if type(value) in (list, tuple):
        return builtins.any(is_traced(one) for one in value)
    return type(value) is TracedArray


class TracedArray(NDArrayOperatorsMixin):
    """Behaves as an array of NumPy. Changing it in place makes a new node."""

    __array_priority__ = 1e6
    __hash__ = None  # type: ignore[assignment]

    def __init__(self, tape: Tape, node: Node) -> None:
        self.tape, self.node = tape, node

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
        raise UntraceableError("an array is read by something that is not traced")

    def __len__(self) -> int:
        return len(self.node.value)

    def __bool__(self) -> bool:
        return bool(self.node.value)

    def __int__(self) -> int:
        return int(self.node.value)

    def __index__(self) -> int:
        return self.node.value.__index__()

    def __float__(self) -> float:
        self.tape.conversions.append(self.node)
        return float(self.node.value)

    def item(self) -> float:
        """The number."""
        return float(self)

    def __format__(self, spec: str) -> str:
        return format(self.node.value[()], spec)

    def __iter__(self) -> Iterator[Any]:
        return (self[i] for i in range(len(self)))

    def __getitem__(self, key: Any) -> Any:
        key = plain(key)
        return self.gather("getitem", lambda x: x[key])

    def __setitem__(self, key: Any, value: Any) -> None:
        key, old = plain(key), self.node.value
        new = as_traced(self.tape, value)
        target = np.arange(old.size).reshape(old.shape)
        where = np.zeros(old.shape, np.int64) - 1
        where[key] = np.broadcast_to(np.arange(new.size).reshape(new.shape), where[key].shape)
        kept = np.where(where >= 0, -1, target)
        value_array = np.where(where >= 0, new.node.value.ravel()[np.maximum(where, 0)], old)
        sources = [kept, where]
        self.node = self.tape.add("setitem", value_array, [self, new], gather_gradient(sources), sources).node

    def gather(self, name: str, function: Callable[[Any], Any]) -> "TracedArray":
        """Apply a function that only moves numbers."""
        value = self.node.value
        source = np.asarray(function(np.arange(value.size).reshape(value.shape)))
        return self.tape.add(name, value.ravel()[source], [self], gather_gradient([source]), [source])

    def __array_ufunc__(self, ufunc: Any, method: str, *inputs: Any, out: Any = None, **options: Any) -> Any:
        name = {"true_divide": "divide", "abs": "absolute"}.get(ufunc.__name__, ufunc.__name__)
        if method == "reduce" and name in ("add", "maximum", "minimum"):
            options.pop("initial", None)
            options.pop("where", None)
            reduce = {"add": np.sum, "maximum": np.max, "minimum": np.min}[name]
            return FUNCTIONS[reduce](inputs[0], **({"axis": 0} | options))
        if method == "outer" and name in ELEMENTWISE:
            first = as_traced(self.tape, inputs[0])
            return ufunc(first.reshape((*first.shape, *(1,) * np.ndim(inputs[1]))), inputs[1])
        if method != "__call__":
            raise UntraceableError(f"{name}.{method}")
        if name in WITHOUT_GRADIENT:
            return as_operand(ufunc(*map(plain, inputs)))
        if name == "matmul":
            result = traced_matmul(self.tape, *inputs)
        elif name in ELEMENTWISE:
            value = ufunc(*map(plain, inputs))
            result = self.tape.add(name, value, inputs, elementwise_gradient(name))
        else:
            raise UntraceableError(name)
        if out is None:
            return result
        (target,) = out
        if type(target) is not TracedArray:
            raise UntraceableError("a traced value is written into a plain array")
        target.node = result.node
        return target

    def __array_function__(self, function: Any, types: Any, args: Any, options: Any) -> Any:
        if function in FUNCTIONS:
            return FUNCTIONS[function](*args, **options)
        if function in PLAIN_FUNCTIONS:
            return function(*plain(args), **{name: plain(one) for name, one in options.items()})
        raise UntraceableError(getattr(function, "__name__", "function"))

    def reshape(self, *shape: Any, **options: Any) -> Any:
        """As `np.ndarray.reshape`."""
        shape = shape[0] if len(shape) == 1 else shape
        return self.gather("reshape", lambda x: x.reshape(shape))

    def transpose(self, *axes: Any) -> Any:
        """As `np.ndarray.transpose`."""
        return self.gather("transpose", lambda x: x.transpose(*axes))

    def ravel(self, *args: Any) -> Any:
        """As `np.ndarray.ravel`."""
        return self.gather("reshape", lambda x: x.ravel())

    flatten = ravel

    def squeeze(self, *axes: Any, **options: Any) -> Any:
        """As `np.ndarray.squeeze`."""
        return self.gather("reshape", lambda x: x.squeeze(*axes, **options))

    def swapaxes(self, *axes: Any) -> Any:
        """As `np.ndarray.swapaxes`."""
        return self.gather("transpose", lambda x: x.swapaxes(*axes))

    def repeat(self, *args: Any, **options: Any) -> Any:
        """As `np.ndarray.repeat`."""
        return self.gather("repeat", lambda x: x.repeat(*args, **options))

    def copy(self, *args: Any) -> Any:
        """As `np.ndarray.copy`."""
        return TracedArray(self.tape, self.node)

    __copy__ = copy

    def __deepcopy__(self, memo: Any) -> Any:
        return self.copy()

    def astype(self, dtype: Any, **options: Any) -> Any:
        """As `np.ndarray.astype`."""
        return self.copy() if np.dtype(dtype).kind == "f" else self.node.value.astype(dtype)

    def tolist(self) -> Any:
        """As `np.ndarray.tolist`."""
        return [one.tolist() for one in self] if self.ndim else self

    def fill(self, value: Any) -> None:
        """As `np.ndarray.fill`."""
        self[...] = value

    def __getattr__(self, name: str) -> Any:
        if name in _METHODS:
            return lambda *args, **options: getattr(np, name)(self, *args, **options)
        if name in _PLAIN_METHODS:
            return lambda *args, **options: getattr(self.node.value, name)(*args, **options)
        raise AttributeError(name)


class _FloatType(type):
    def __instancecheck__(cls, value: Any) -> bool:
        return isinstance(value, float) or type(value) is TracedArray and not value.ndim


class TracedFloat(float, metaclass=_FloatType):
    """What `float` is in user code: a traced number stays traced, as in a scalar node's `self.value = float(value)`."""

    dtype = np.dtype(np.float64)  # NumPy reads it for dtype=float

    def __new__(cls, value: Any = 0.0) -> Any:
        """The number, traced if it was."""
        return value.reshape(()) if type(value) is TracedArray else float(value)


_METHODS = {"sum", "mean", "var", "std", "max", "min", "dot", "clip", "prod", "take", "diagonal", "trace"}
_PLAIN_METHODS = {"argmax", "argmin", "any", "all", "argsort", "nonzero"}
PLAIN_FUNCTIONS = {
    *(
        np.argmax,
        np.argmin,
        np.any,
        np.all,
        np.shape,
        np.ndim,
        np.size,
        np.argsort,
        np.allclose,
        np.isclose,
        np.nonzero,
    ),
    *(np.array_equal, np.zeros_like, np.ones_like, np.empty_like, np.full_like, np.unique, np.argwhere, np.round),
}


FUNCTIONS: dict[Any, Callable[..., Any]] = {}
"""The traced form of NumPy's functions; `array_functions.py` fills it."""


def as_traced(tape: Tape, value: Any) -> TracedArray:
    """A value on the tape: lists of traced values are stacked."""
    if type(value) is TracedArray:
        return value
    if is_traced(value):
        return traced_stack([as_traced(tape, one) for one in value])
    return tape.add("constant", np.asarray(value), [], None)


def first_traced(values: Any) -> TracedArray:
    """The first traced one of some values."""
    return next(one for one in values if type(one) is TracedArray)


def traced_matmul(tape: Tape, a: Any, b: Any) -> Any:
    """The matrix product; vectors become matrices first."""
    ndims = np.ndim(plain(a)), np.ndim(plain(b))
    a = as_traced(tape, a).reshape(1, -1) if ndims[0] == 1 else a
    b = as_traced(tape, b).reshape(-1, 1) if ndims[1] == 1 else b
    result = tape.add("matmul", plain(a) @ plain(b), [a, b], matmul_gradient)
    if ndims[0] == 1 and ndims[1] == 1:
        return result[..., 0, 0]
    return result[..., 0, :] if ndims[0] == 1 else result[..., 0] if ndims[1] == 1 else result


def traced_stack(arrays: Sequence[Any], axis: int = 0, **_: Any) -> Any:
    """np.stack."""
    return join_arrays(np.stack, arrays, axis=axis)


def join_arrays(function: Callable[..., Any], arrays: Sequence[Any], **options: Any) -> Any:
    """Arrays side by side, as np.stack and np.concatenate put them."""
    tape = first_traced(arrays).tape
    values = [np.asarray(plain(one)) for one in arrays]
    sources = []
    for k, value in enumerate(values):
        parts = [np.full(one.shape, -1) for one in values]
        parts[k] = np.arange(value.size).reshape(value.shape)
        sources.append(function(parts, **options))
    return tape.add("join", function(values, **options), arrays, gather_gradient(sources), sources)
