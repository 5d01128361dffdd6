"""An array that notes on a tape what is done with it."""

import builtins
import math
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from numpy.lib.mixins import NDArrayOperatorsMixin

from deltarule.checking.tape.operations import (
    ELEMENTWISE,
    WITHOUT_GRADIENT,
    Node,
    einsum_gradient,
    elementwise_gradient,
    gather_gradient,
    matmul_gradient,
    sum_gradient,
)

MAX_NODES = 20_000
"""Operations of a forward pass that are recorded; a longer one is not."""
_OWN_FOLDERS = (str(Path(__file__).parents[2]), str(Path(np.__file__).parent), "<__array_function__")


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
    while frame is not None and frame.f_code.co_filename.startswith(_OWN_FOLDERS):
        frame = frame.f_back  # type: ignore[assignment]
    return (frame.f_code.co_filename, frame.f_lineno, frame.f_lasti) if frame is not None else ("", 0, 0)


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
            return ufunc(*map(plain, inputs))
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


def as_traced(tape: Tape, value: Any) -> TracedArray:
    """A value on the tape: lists of traced values are stacked."""
    if type(value) is TracedArray:
        return value
    if is_traced(value):
        return traced_stack([as_traced(tape, one) for one in value])
    return tape.add("constant", np.asarray(value), [], None)


def _first_traced(values: Any) -> TracedArray:
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


def _dot(a: Any, b: Any, out: Any = None) -> Any:
    if not np.ndim(plain(a)) or not np.ndim(plain(b)):
        return a * b
    if np.ndim(plain(b)) > 2:
        return _tensordot(a, b, axes=((-1,), (-2,)))
    return traced_matmul(_first_traced((a, b)).tape, a, b)


def _einsum(subscripts: str, *operands: Any, **options: Any) -> Any:
    tape = _first_traced(operands).tape
    subscripts = subscripts.replace(" ", "")
    if "->" not in subscripts:
        names = subscripts.replace(",", "")
        subscripts += "->" + "".join(sorted(name for name in set(names) if names.count(name) == 1))
    if "." in subscripts or builtins.any(len(set(term)) < len(term) for term in subscripts.split("->")[0].split(",")):
        raise UntraceableError("einsum")
    value = np.einsum(subscripts, *map(plain, operands))
    return tape.add("einsum", value, operands, einsum_gradient(subscripts), subscripts)


def _tensordot(a: Any, b: Any, axes: Any = 2) -> Any:
    shapes = np.shape(plain(a)), np.shape(plain(b))
    if isinstance(axes, int):
        axes = (range(len(shapes[0]) - axes, len(shapes[0])), range(axes))
    first, second = ([axes[i]] if isinstance(axes[i], int) else list(axes[i]) for i in (0, 1))
    letters = "abcdefghijklmnopqrstuvwxyz"
    names = [list(letters[: len(shapes[0])]), list(letters[13 : 13 + len(shapes[1])])]
    for i, j in zip(first, second, strict=True):
        names[1][j] = names[0][i]
    shared = {names[0][i] for i in first}
    right = [name for name in names[0] + names[1] if name not in shared]
    return _einsum(f"{''.join(names[0])},{''.join(names[1])}->{''.join(right)}", a, b)


def _outer(a: Any, b: Any) -> Any:
    tape = _first_traced((a, b)).tape
    return _einsum("i,j->ij", as_traced(tape, a).ravel(), as_traced(tape, b).ravel())


def _sum(a: Any, axis: Any = None, dtype: Any = None, out: Any = None, keepdims: Any = False, **_: Any) -> Any:
    keepdims = keepdims is True
    value = np.sum(plain(a), axis=axis, keepdims=keepdims)
    return a.tape.add("sum", value, [a], sum_gradient(axis, keepdims=keepdims), axis)


def _mean(a: Any, axis: Any = None, dtype: Any = None, out: Any = None, keepdims: Any = False, **_: Any) -> Any:
    total = _sum(a, axis=axis, keepdims=keepdims)
    return total / (a.size / max(total.size, 1))


def _var(
    a: Any, axis: Any = None, dtype: Any = None, out: Any = None, ddof: int = 0, keepdims: Any = False, **_: Any
) -> Any:
    deviation = a - _mean(a, axis=axis, keepdims=True)
    total = _sum(deviation**2, axis=axis, keepdims=keepdims)
    return total / (a.size / max(total.size, 1) - ddof)


def _extreme(argument: Callable[..., Any], name: str) -> Any:
    def extreme(a: Any, axis: Any = None, out: Any = None, keepdims: Any = False, **_: Any) -> Any:
        value, keepdims = plain(a), keepdims is True
        axes = (
            tuple(range(value.ndim)) if axis is None else (axis,) if isinstance(axis, int | np.integer) else tuple(axis)
        )
        axes = tuple(one % value.ndim for one in axes)
        rest = [i for i in range(value.ndim) if i not in axes]
        moved = np.arange(value.size).reshape(value.shape).transpose([*rest, *axes])
        rows = moved.reshape([*(value.shape[i] for i in rest), -1])
        best = argument(value.ravel()[rows], axis=-1)
        source = np.take_along_axis(rows, best[..., None], -1)[..., 0]
        if keepdims:
            source = np.expand_dims(source, axes)
        return a.tape.add(name, value.ravel()[source], [a], gather_gradient([source]), [source, axes, keepdims])

    return extreme


def traced_stack(arrays: Sequence[Any], axis: int = 0, **_: Any) -> Any:
    """np.stack."""
    return _join(np.stack, arrays, axis=axis)


def _join(function: Callable[..., Any], arrays: Sequence[Any], **options: Any) -> Any:
    tape = _first_traced(arrays).tape
    values = [np.asarray(plain(one)) for one in arrays]
    sources = []
    for k, value in enumerate(values):
        parts = [np.full(one.shape, -1) for one in values]
        parts[k] = np.arange(value.size).reshape(value.shape)
        sources.append(function(parts, **options))
    return tape.add("join", function(values, **options), arrays, gather_gradient(sources), sources)


def _where(condition: Any, a: Any = None, b: Any = None) -> Any:
    if a is None:
        return np.where(plain(condition))
    tape = _first_traced((condition, a, b)).tape
    condition = np.asarray(plain(condition))
    value = np.where(condition, plain(a), plain(b))
    sources = []
    for is_chosen, one in ((condition, a), (~condition.astype(bool), b)):
        array = np.asarray(plain(one))
        positions = np.broadcast_to(np.arange(array.size).reshape(array.shape), value.shape)
        sources.append(np.where(is_chosen, positions, -1))
    return tape.add("where", value, [a, b], gather_gradient(sources), sources)


def _clip(a: Any, low: Any = None, high: Any = None, out: Any = None, **options: Any) -> Any:
    low, high = options.get("a_min", options.get("min", low)), options.get("a_max", options.get("max", high))
    a = a if low is None else np.maximum(a, low)
    return a if high is None else np.minimum(a, high)


def _pad(a: Any, pad_width: Any, mode: str = "constant", **options: Any) -> Any:
    if mode != "constant" or options.get("constant_values", 0):
        raise UntraceableError("pad")
    value = plain(a)
    source = np.pad(np.arange(1, value.size + 1).reshape(value.shape), pad_width) - 1
    return a.tape.add("pad", np.pad(value, pad_width), [a], gather_gradient([source]), [source])


def _moving(function: Callable[..., Any], name: str) -> Any:
    return lambda a, *args, **options: a.gather(name, lambda x: function(x, *args, **options))


def _splitting(function: Callable[..., Any]) -> Any:
    def split(a: Any, *args: Any, **options: Any) -> Any:
        count = len(function(plain(a), *args, **options))
        return [a.gather("getitem", lambda x, i=i: function(x, *args, **options)[i]) for i in range(count)]

    return split


def _norm(a: Any, *args: Any, **options: Any) -> Any:
    return np.sqrt((a * a).sum(*args[1:], **options))


FUNCTIONS: dict[Any, Callable[..., Any]] = {
    np.dot: _dot,
    np.vdot: lambda a, b: (a * b).sum(),
    np.inner: lambda a, b: _dot(a, b.T if np.ndim(b) > 1 else b),
    np.outer: _outer,
    np.einsum: _einsum,
    np.tensordot: _tensordot,
    np.sum: _sum,
    np.mean: _mean,
    np.average: _mean,
    np.var: _var,
    np.std: lambda *args, **options: np.sqrt(_var(*args, **options)),
    np.max: _extreme(np.argmax, "max"),
    np.amax: _extreme(np.argmax, "max"),
    np.min: _extreme(np.argmin, "min"),
    np.amin: _extreme(np.argmin, "min"),
    np.stack: traced_stack,
    np.concatenate: lambda arrays, axis=0, **_: _join(np.concatenate, arrays, axis=axis),
    np.vstack: lambda arrays, **_: _join(np.vstack, arrays),
    np.hstack: lambda arrays, **_: _join(np.hstack, arrays),
    np.column_stack: lambda arrays: _join(np.column_stack, arrays),
    np.append: lambda a, b, axis=None: _join(np.concatenate, [np.ravel(a), np.ravel(b)] if axis is None else [a, b]),
    np.where: _where,
    np.clip: _clip,
    np.pad: _pad,
    np.split: _splitting(np.split),
    np.array_split: _splitting(np.array_split),
    np.copy: lambda a, **_: a.copy(),
    np.linalg.norm: _norm,
    **{
        function: _moving(function, "reshape")
        for function in (
            np.reshape,
            np.ravel,
            np.expand_dims,
            np.squeeze,
            np.atleast_2d,
            np.atleast_1d,
            np.broadcast_to,
        )
    },
    **{function: _moving(function, "transpose") for function in (np.transpose, np.swapaxes, np.moveaxis)},
    **{function: _moving(function, "getitem") for function in (np.take, np.diag, np.diagonal, np.take_along_axis)},
    **{
        function: _moving(function, "repeat")
        for function in (np.flip, np.roll, np.repeat, np.tile, np.fliplr, np.flipud)
    },
    np.lib.stride_tricks.sliding_window_view: _moving(np.lib.stride_tricks.sliding_window_view, "getitem"),
}

_MATHS = ("exp", "log", "tanh", "sqrt", "log1p", "expm1", "sin", "cos", "sinh", "cosh")


@contextmanager
def tracing_numpy(tape: Tape) -> Iterator[None]:
    """A context in which new arrays of NumPy are traced, as buffers that are filled later, and `math` takes traced."""
    saved: list[tuple[Any, str, Any]] = []

    def replace(module: Any, name: str, function: Callable[..., Any]) -> None:
        saved.append((module, name, getattr(module, name)))
        setattr(module, name, function)

    def making(original: Callable[..., Any]) -> Callable[..., Any]:
        def make(*args: Any, **options: Any) -> Any:
            value = original(*plain(args), **{name: plain(one) for name, one in options.items()})
            is_own = _user_frame_is_own()
            return value if is_own or value.dtype.kind != "f" else tape.add("constant", value, [], None)

        return make

    def converting(original: Callable[..., Any]) -> Callable[..., Any]:
        def convert(value: Any, *args: Any, **options: Any) -> Any:
            if not is_traced(value):
                return original(value, *args, **options)
            return as_traced(tape, value).copy()

        return convert

    def computing(original: Callable[..., Any], ufunc: Any) -> Callable[..., Any]:
        return lambda value, *args: ufunc(value) if type(value) is TracedArray else original(value, *args)

    try:
        for name in ("zeros", "empty", "ones", "full", "zeros_like", "empty_like", "ones_like", "full_like"):
            replace(np, name, making(getattr(np, name)))
        for name in ("array", "asarray", "ascontiguousarray", "float64"):
            if name != "float64":
                replace(np, name, converting(getattr(np, name)))
        for name in _MATHS:
            replace(math, name, computing(getattr(math, name), getattr(np, name)))
        yield
    finally:
        for module, name, original in reversed(saved):
            setattr(module, name, original)


def _user_frame_is_own() -> bool:
    """Whether the function that makes an array is ours or NumPy's: then it stays a plain array."""
    return sys._getframe(2).f_code.co_filename.startswith(_OWN_FOLDERS)
