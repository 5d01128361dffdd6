"""Record the loss of user code, with NumPy functions for traced arrays in the place of NumPy's."""

import builtins
import gc
import math
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from types import ModuleType
from typing import Any

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from deltarule.checking.tape import traced_array as traced
from deltarule.checking.tape.backward import (
    ELEMENTWISE,
    NO_LINE,
    WITHOUT_GRADIENT,
    Array,
    Node,
    RecordedPass,
    SourceLine,
    einsum_gradient,
    sum_gradient,
)
from deltarule.checking.tape.traced_array import ForwardTape, TracedFloat, UntraceableError
from deltarule.checking.user_code.callables import Code
from deltarule.checking.user_code.references import containers_of, items_of, user_namespaces
from deltarule.user_functions import quietly


def _dot(a: Any, b: Any, out: Any = None) -> Any:
    if not np.ndim(traced.strip_trace(a)) or not np.ndim(traced.strip_trace(b)):
        return a * b
    return traced.traced_matmul(traced.first_traced((a, b)).tape, a, b)


def _einsum(subscripts: str, *operands: Any, **options: Any) -> Any:
    """np.einsum with traced arrays; implicit output indices are made explicit."""
    tape = traced.first_traced(operands).tape
    subscripts = subscripts.replace(" ", "")
    if "->" not in subscripts:
        names = subscripts.replace(",", "")
        subscripts += "->" + "".join(sorted(name for name in set(names) if names.count(name) == 1))
    if "." in subscripts or builtins.any(len(set(term)) < len(term) for term in subscripts.split("->")[0].split(",")):
        raise traced.UntraceableError("einsum")
    value = np.einsum(subscripts, *map(traced.strip_trace, operands))
    return tape.add("einsum", value, operands, einsum_gradient(subscripts), subscripts)


def _tensordot(a: Any, b: Any, axes: Any = 2) -> Any:
    """np.tensordot with traced arrays, recorded as an einsum."""
    shapes = np.shape(traced.strip_trace(a)), np.shape(traced.strip_trace(b))
    if isinstance(axes, int):
        axes = (range(len(shapes[0]) - axes, len(shapes[0])), range(axes))
    first, second = ([axes[i]] if isinstance(axes[i], int) else list(axes[i]) for i in (0, 1))
    letters = "abcdefghijklmnopqrstuvwxyz"
    names = [list(letters[: len(shapes[0])]), list(letters[13 : 13 + len(shapes[1])])]
    for i, j in zip(first, second, strict=True):
        names[1][j] = names[0][i]
    shared = {names[0][i] for i in first}
    remaining = [name for name in names[0] + names[1] if name not in shared]
    return _einsum(f"{''.join(names[0])},{''.join(names[1])}->{''.join(remaining)}", a, b)


def _sum(a: Any, axis: Any = None, dtype: Any = None, out: Any = None, keepdims: Any = False, **_: Any) -> Any:
    keepdims = keepdims is True
    value = np.sum(traced.strip_trace(a), axis=axis, keepdims=keepdims)
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


def _traced_extreme(find_index: Callable[..., Any], name: str) -> Any:
    """The traced form of np.max or np.min."""

    def extreme(a: Any, axis: Any = None, out: Any = None, keepdims: Any = False, **_: Any) -> Any:
        value = traced.strip_trace(a)
        axes = tuple(np.arange(value.ndim) if axis is None else np.arange(value.ndim)[np.atleast_1d(axis)])

        def select(positions: Any) -> Any:
            moved, of_value = (np.moveaxis(array, axes, range(-len(axes), 0)) for array in (positions, value))
            rows = (*moved.shape[: value.ndim - len(axes)], -1)
            best = find_index(of_value.reshape(rows), axis=-1)
            chosen = np.take_along_axis(moved.reshape(rows), best[..., None], -1)[..., 0]
            return np.expand_dims(chosen, axes) if keepdims is True else chosen

        result = a.tape.gather(name, select, a)
        result.node.data += [axes, keepdims is True]
        return result

    return extreme


def _where(condition: Any, a: Any = None, b: Any = None) -> Any:
    if a is None:
        return np.where(traced.strip_trace(condition))
    chosen = traced.strip_trace(condition)
    return traced.first_traced((condition, a, b)).tape.gather("where", lambda x, y: np.where(chosen, x, y), a, b)


def _clip(a: Any, low: Any = None, high: Any = None, out: Any = None, **options: Any) -> Any:
    low, high = options.get("a_min", options.get("min", low)), options.get("a_max", options.get("max", high))
    a = a if low is None else np.maximum(a, low)
    return a if high is None else np.minimum(a, high)


def _pad(a: Any, pad_width: Any, mode: str = "constant", **options: Any) -> Any:
    if mode != "constant" or options.get("constant_values", 0):
        raise traced.UntraceableError("pad")
    return a.tape.gather("pad", lambda x: np.pad(x, pad_width), a)


def _traced_gather(function: Callable[..., Any], name: str) -> Any:
    return lambda a, *args, **options: a.tape.gather(name, lambda x: function(x, *args, **options), a)


def _traced_split(function: Callable[..., Any]) -> Any:
    def split(a: Any, *args: Any, **options: Any) -> Any:
        count = len(function(traced.strip_trace(a), *args, **options))
        return [a.tape.gather("getitem", lambda x, i=i: function(x, *args, **options)[i], a) for i in range(count)]

    return split


def _norm(a: Any, *args: Any, **options: Any) -> Any:
    return np.sqrt((a * a).sum(*args[1:], **options))


_JOINS = (np.stack, np.concatenate, np.vstack, np.hstack, np.column_stack)
traced.FUNCTIONS |= {
    np.dot: _dot,
    np.vdot: lambda a, b: (a * b).sum(),
    np.inner: lambda a, b: _dot(a, b.T if np.ndim(b) > 1 else b),
    np.outer: lambda a, b: _einsum("i,j->ij", np.ravel(a), np.ravel(b)),
    np.einsum: _einsum,
    np.tensordot: _tensordot,
    np.sum: _sum,
    np.mean: _mean,
    np.average: _mean,
    np.var: _var,
    np.std: lambda *args, **options: np.sqrt(_var(*args, **options)),
    np.max: _traced_extreme(np.argmax, "max"),
    np.amax: _traced_extreme(np.argmax, "max"),
    np.min: _traced_extreme(np.argmin, "min"),
    np.amin: _traced_extreme(np.argmin, "min"),
    np.append: lambda a, b, axis=None: traced.join_arrays(lambda parts: np.append(parts[0], parts[1], axis), (a, b)),
    np.where: _where,
    np.clip: _clip,
    np.pad: _pad,
    np.split: _traced_split(np.split),
    np.array_split: _traced_split(np.array_split),
    np.copy: lambda a, **_: a.copy(),
    np.linalg.norm: _norm,
    **{
        getattr(np, name): _traced_gather(getattr(np, name), of)
        for name, of in traced.GATHERS.items()
        if name != "flatten"
    },
    sliding_window_view: _traced_gather(sliding_window_view, "getitem"),
    **{function: partial(traced.join_arrays, function) for function in _JOINS},
}

_MATHS = ("exp", "log", "tanh", "sqrt", "log1p", "expm1", "sin", "cos", "sinh", "cosh")

_TRACED_NAMES = (
    {function.__name__ for function in (*traced.FUNCTIONS, *traced.PLAIN_FUNCTIONS)}
    | set(ELEMENTWISE)
    | WITHOUT_GRADIENT
    | {"abs", "matmul"}
)
"""Names of functions of `jax.numpy` that are replaced by NumPy's if an argument is traced."""


_CREATED = ("zeros", "empty", "ones", "full", "eye", "zeros_like", "empty_like", "ones_like", "full_like")
_CONVERTED = ("array", "asarray", "ascontiguousarray")


class _TracedJoin:
    """`np.c_` or `np.r_`, which join arrays that stand in brackets."""

    def __init__(self, tape: traced.ForwardTape, original: Any) -> None:
        self.tape = tape
        self.original = original

    def __getitem__(self, parts: Any) -> Any:
        if not traced.is_traced(list(parts) if isinstance(parts, tuple) else parts):
            return self.original[parts]
        parts = parts if isinstance(parts, tuple) else (parts,)
        return self.tape.gather("join", lambda *moved: self.original[moved], *parts)


def _tracing_numpy_module(tape: traced.ForwardTape) -> ModuleType:
    def record_creation(original: Callable[..., Any]) -> Callable[..., Any]:
        def make(*args: Any, **options: Any) -> Any:
            value = original(
                *traced.strip_trace(args), **{name: traced.strip_trace(option) for name, option in options.items()}
            )
            return value if value.dtype.kind != "f" else tape.add("constant", value, [], None)

        return make

    module = ModuleType("numpy")  # for user code alone: C code takes what the real one returns for arrays
    module.__getattr__ = partial(getattr, np)  # type: ignore[method-assign]
    module.c_, module.r_ = _TracedJoin(tape, np.c_), _TracedJoin(tape, np.r_)  # type: ignore[attr-defined]
    for name in _CREATED:
        setattr(module, name, record_creation(getattr(np, name)))
    for name in _CONVERTED:
        copied = _if_traced(getattr(np, name), lambda value, *args, **options: traced.as_traced(tape, value).copy())
        setattr(module, name, copied)
    return module


def _if_traced(original: Callable[..., Any], function: Callable[..., Any]) -> Callable[..., Any]:
    return lambda *args, **options: (function if traced.is_traced(args) else original)(*args, **options)


@contextmanager
def tracing_numpy(tape: traced.ForwardTape) -> Iterator[dict[int, Any]]:
    """A context in which `math` and `jax.numpy` accept traced arrays.

    It gives replacements for references to NumPy, by the identity of what they replace: the module, and functions that
    were imported from it. New arrays may be buffers that user code fills later. A function with `jax.custom_vjp` runs
    without its rule.
    """
    saved: list[tuple[Any, str, Any]] = []

    def use_if_traced(module: Any, name: str, function: Callable[..., Any]) -> None:
        saved.append((module, name, getattr(module, name)))
        setattr(module, name, _if_traced(getattr(module, name), function))

    numpy = _tracing_numpy_module(tape)
    try:
        if "jax.numpy" in sys.modules:
            for name in _TRACED_NAMES & set(vars(sys.modules["jax.numpy"])):
                use_if_traced(sys.modules["jax.numpy"], name, getattr(numpy, name))
            custom_vjp = sys.modules["jax"].custom_vjp
            use_if_traced(custom_vjp, "__call__", lambda self, *args, **options: self.fun(*args, **options))
        for name in _MATHS:
            use_if_traced(math, name, getattr(np, name))
        yield {id(np): numpy} | {id(getattr(np, name)): getattr(numpy, name) for name in (*_CREATED, *_CONVERTED)}
    finally:
        for module, name, original in reversed(saved):
            setattr(module, name, original)


def record_loss(code: Code) -> RecordedPass | None:
    """Record the loss of user code at its starting parameters.

    Its gradient may not be that of the loss, where user code makes a plain array of a traced one.
    """
    tape = ForwardTape()
    traced = [tape.add("parameter", np.array(start, float), [], None) for start in code.start]
    parameters = [array.node for array in traced]
    try:
        with tracing_numpy(tape) as by_id:
            if code.store is None or code.loss_in_place is None:
                with _replaced_references(tape, by_id, [], code.roots):
                    result = quietly(lambda: code.loss(traced))  # type: ignore[arg-type]
            else:
                arrays = code.store.find()
                loss_in_place = code.loss_in_place
                by_id |= {id(array): replacement for array, replacement in zip(arrays.leaves, traced, strict=True)}
                with _replaced_references(tape, by_id, arrays.leaves, code.roots):
                    result = quietly(lambda: loss_in_place(arrays))
        return _select_active(tape, parameters, result.node)
    except Exception:  # user code may do anything with objects that only resemble arrays
        return None


def _select_active(tape: ForwardTape, parameters: Sequence[Node], loss: Node) -> RecordedPass:
    """The recording of the operations between parameters and loss."""
    for node in parameters:
        node.is_active = True
    for node in tape.nodes:
        node.is_active = node.is_active or bool(node.active_inputs)
    needed = {loss.index}
    for node in reversed(tape.nodes):
        if node.index in needed:
            needed |= {entry.index for _, entry in node.active_inputs}
    sites: dict[SourceLine, set[SourceLine]] = {}
    for node in tape.nodes:
        sites.setdefault(node.line, set()).add(node.site)
    for node in tape.nodes:
        node.site = node.site if len(sites[node.line]) > 1 else NO_LINE
    if loss.value.shape:
        raise UntraceableError("the loss is no number")
    return RecordedPass([node for node in tape.nodes if node.index in needed and node.is_active], parameters, loss)


@contextmanager
def _replaced_references(
    tape: ForwardTape, by_id: Mapping[int, Any], arrays: Sequence[Array], roots: Sequence[Any]
) -> Iterator[None]:
    """A context in which user code's references to NumPy and parameters are replaced.

    Other arrays that can be reached from `roots` become traced constants: without that, x.dot(W) would not record W.
    """
    undo: list[Callable[[], None]] = []
    try:
        for container in _containers_with_references(arrays, roots):
            for value, assign in list(items_of(container)):
                replacement = by_id.get(id(value))
                if replacement is None and _is_float_array(value):
                    replacement = tape.add("constant", value, [], None)
                if replacement is not None:
                    assign(replacement)
                    undo.append(partial(assign, value))
            if isinstance(container, dict) and "__builtins__" in container and "float" not in container:
                container["float"] = TracedFloat  # the globals of a module, where float(x) would lose the trace
                undo.append(partial(container.pop, "float", None))
        yield
    finally:
        for restore in reversed(undo):
            restore()


def _containers_with_references(arrays: Sequence[Array], roots: Sequence[Any]) -> list[Any]:
    containers = [container for root in roots for container in containers_of(root)]
    if arrays:  # dictionaries of nothing but arrays are not listed here
        containers += gc.get_referrers(*arrays)
    containers += user_namespaces()
    return list({id(container): container for container in containers}.values())


def _is_float_array(value: Any) -> bool:
    return type(value) is np.ndarray and value.dtype.kind == "f" and value.size > 0
