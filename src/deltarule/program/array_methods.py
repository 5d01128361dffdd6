"""What NumPy does with arrays, by a few primitives: for recorded arrays, and for those of a derived backward pass.

Beside elementwise functions and products the primitives are `total` and `largest` over any axes, which stay with one
entry, and rearrangements: `part` (a slice of one axis), `reshaped`, `transposed`, `broadcast`, `joined` (`concatenate`)
and `padded` (with zeros). Axes are counted from the last, as an axis of members may stand in front.
"""

import inspect
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from types import EllipsisType
from typing import Any

import numpy as np
from numpy.lib.mixins import NDArrayOperatorsMixin

from deltarule.program.program import ONE, Axis, NotTraceable

Axes = int | tuple[int, ...] | None


class ArrayMethods(NDArrayOperatorsMixin):
    """Methods and functions of NumPy, by the primitives of a subclass."""

    total: Callable[[tuple[int, ...]], Any]
    largest: Callable[[tuple[int, ...]], Any]
    part: Callable[[int, int, int, int], Any]
    reshaped: Callable[[tuple[Any, ...]], Any]
    transposed: Callable[[tuple[int, ...]], Any]
    broadcast: Callable[[tuple[Any, ...]], Any]
    joined: Callable[[Sequence[Any], int], Any]
    padded: Callable[[int, int, int], Any]

    @property
    def shape(self) -> Any:
        raise NotImplementedError

    @property
    def ndim(self) -> int:
        return len(self.shape)

    @property
    def T(self) -> Any:
        raise NotTraceable("it uses .T, which turns the axis of members too; use np.swapaxes(W, -1, -2)")

    @property
    def mT(self) -> Any:
        return self.swapaxes(-1, -2)

    def sum(self, axis: Axes = None, keepdims: bool = False) -> Any:
        return self._reduced("sum", self.total, axis, keepdims)

    def max(self, axis: Axes = None, keepdims: bool = False) -> Any:
        return self._reduced("max", self.largest, axis, keepdims)

    def _reduced(self, word: str, reduce: Callable[[tuple[int, ...]], Any], axis: Axes, keepdims: bool) -> Any:
        axes = () if axis is None else axis if isinstance(axis, tuple) else (axis,)
        if not axes or not all(-self.ndim <= each < 0 for each in axes):
            raise NotTraceable(f"it uses the {word} over {axis}, which is not counted from the last axis")
        reduced = reduce(axes)
        if keepdims:
            return reduced
        return reduced.reshaped(tuple(size for k, size in enumerate(self.shape) if k - self.ndim not in axes))

    def min(self, axis: Axes = None, keepdims: bool = False) -> Any:
        return -(-self).max(axis, keepdims)

    def mean(self, axis: Axes = None, keepdims: bool = False) -> Any:
        """Return NumPy's mean: a sum, divided by how many numbers it has."""
        return self.sum(axis, keepdims) / self._count(axis)

    def var(self, axis: Axes = None, keepdims: bool = False) -> Any:
        centered = self - self.mean(axis, True)
        return (centered * centered).sum(axis, keepdims) / self._count(axis)

    def std(self, axis: Axes = None, keepdims: bool = False) -> Any:
        return np.sqrt(self.var(axis, keepdims))

    def _count(self, axis: Axes) -> int:
        axes = axis if isinstance(axis, tuple) else (axis,)
        return math.prod(known_size(self.shape[each]) for each in axes)

    def swapaxes(self, first: int, second: int) -> Any:
        order = [*range(self.ndim)]
        order[first], order[second] = order[second], order[first]
        return self.transposed(tuple(order))

    def cumsum(self, axis: int) -> Any:
        parts = self.columns(axis)
        for k in range(1, len(parts)):
            parts[k] = parts[k - 1] + parts[k]
        return self.joined(parts, axis)

    def columns(self, axis: int) -> list[Any]:
        """Return the entries along an axis, each as an array with one entry there."""
        return [self.part(axis, k, k + 1, 1) for k in range(known_size(self.shape[axis]))]

    def squeeze(self, axis: int) -> Any:
        return self.reshaped(tuple(size for k, size in enumerate(self.shape) if k - self.ndim != axis))

    def reshape(self, *sizes: Any) -> Any:
        if len(sizes) == 1 and isinstance(sizes[0], tuple | list):
            sizes = tuple(sizes[0])
        if sum(map(_is_open, sizes)) > 1:
            raise NotTraceable(f"it reshapes an array to {sizes}, of which two sizes are to be found")
        given = math.prod(int(size) for size in sizes if int(size) > 0)
        rest = math.prod(int(size) for size in self.shape if int(size) > 0) // given
        return self.reshaped(tuple(rest if _is_open(size) else size for size in sizes))

    def __getitem__(self, key: Any) -> Any:
        result: Any = self
        sizes: list[Any] = []
        axis = -self.ndim
        for each in self._whole_key(key):
            if each is None:
                sizes.append(ONE)
                continue
            if isinstance(each, slice) and each != slice(None):
                start, stop, step = each.indices(known_size(self.shape[axis]))
                if not range(start, stop, step):
                    raise NotTraceable(f"it uses an array at [{key}], where it has no entries")
                result = result.part(axis, start, stop, step)
            elif isinstance(each, int | np.integer):
                start = range(known_size(self.shape[axis]))[each]
                result = result.part(axis, start, start + 1, 1)
            elif isinstance(each, list | np.ndarray) and np.ndim(each) == 1 and np.asarray(each).dtype.kind in "iu":
                columns = result.columns(axis)
                result = result.joined([columns[k] for k in each], axis)
            elif each != slice(None):
                raise NotTraceable(f"it uses an array at [{key}]")
            if not isinstance(each, int | np.integer):
                sizes.append(result.shape[axis])
            axis += 1
        return result if len(sizes) == self.ndim and len(sizes) == result.ndim else result.reshaped(tuple(sizes))

    def _whole_key(self, key: Any) -> Iterator[Any]:
        """Yield what an index has for each axis, and None for a new one."""
        keys = key if isinstance(key, tuple) else (key,)
        at = next((k for k, each in enumerate(keys) if isinstance(each, EllipsisType)), len(keys))
        given = [each for each in keys if each is not None and not isinstance(each, EllipsisType)]
        yield from keys[:at]
        yield from [slice(None)] * (self.ndim - len(given))
        yield from keys[at + 1 :]


def known_size(size: Any) -> int:
    """Return the size of an axis that is known when a function is recorded."""
    if int(size) < 0:
        raise NotTraceable(f"it computes with the number of {getattr(size, 'name', '') or 'rows'}")
    return int(size)


def _is_open(size: Any) -> bool:
    """Whether a size of `reshape` is to be found from the others."""
    return not isinstance(size, Axis) and int(size) == -1


def _concatenate(arrays: Sequence[Any], axis: int = 0) -> Any:
    if axis >= 0:
        raise NotTraceable(f"it concatenates along axis {axis}, which is not counted from the last")
    recorded = next(array for array in arrays if isinstance(array, ArrayMethods))
    return recorded.joined([*arrays], axis)


def _expand_dims(array: Any, axis: int) -> Any:
    at = len(array.shape) + 1 + axis
    return array.reshape(*array.shape[:at], 1, *array.shape[at:])


def _stack(arrays: Sequence[Any], axis: int = 0) -> Any:
    return _concatenate([_expand_dims(array, axis) for array in arrays], axis)


def _pad(array: Any, widths: Sequence[tuple[int, int]]) -> Any:
    for axis, (before, after) in zip(range(-len(widths), 0), widths, strict=True):
        array = array.padded(axis, before, after) if before or after else array
    return array


def _split(array: Any, parts: int | Sequence[int], axis: int = 0) -> list[Any]:
    size = known_size(array.shape[axis])
    bounds = range(size // parts, size, size // parts) if isinstance(parts, int) else parts
    return [_cut(array, axis, start, stop) for start, stop in zip([0, *bounds], [*bounds, size], strict=True)]


def _cut(array: Any, axis: int, start: int | None, stop: int | None, step: int | None = None) -> Any:
    return array[(..., slice(start, stop, step), *[slice(None)] * (-1 - axis))]


def _roll(array: Any, shift: int, axis: int) -> Any:
    at = -shift % known_size(array.shape[axis])
    return _concatenate([_cut(array, axis, at, None), _cut(array, axis, 0, at)], axis) if at else array


def _norm(array: Any, axis: Axes = None, keepdims: bool = False) -> Any:
    return np.sqrt((array * array).sum(axis, keepdims))


def _transpose(array: Any, axes: Sequence[int]) -> Any:
    return array.transposed(tuple(axis % array.ndim for axis in axes))


def computed(function: Any, arguments: Sequence[Any], options: Mapping[str, Any]) -> Any:
    """Return what a function of NumPy gives for arrays that an `ArrayMethods` is among."""
    name = f"{function.__module__.replace('numpy', 'np')}.{function.__name__}"
    if function not in FUNCTIONS:
        raise NotTraceable(f"it uses {name}")
    try:
        inspect.signature(FUNCTIONS[function]).bind(*arguments, **options)
    except TypeError as error:
        raise NotTraceable(f"it uses {name} in a way that is not known here ({error})") from None
    return FUNCTIONS[function](*arguments, **options)


FUNCTIONS: dict[Any, Callable[..., Any]] = {
    **{
        getattr(np, name): getattr(ArrayMethods, name)
        for name in "sum max min mean var std swapaxes cumsum squeeze reshape".split()
    },
    np.amax: ArrayMethods.max,
    np.amin: ArrayMethods.min,
    np.concatenate: _concatenate,
    np.stack: _stack,
    np.expand_dims: _expand_dims,
    np.split: _split,
    np.pad: _pad,
    np.flip: lambda array, axis: _cut(array, axis, None, None, -1),
    np.roll: _roll,
    np.diff: lambda array, axis=-1: _cut(array, axis, 1, None) - _cut(array, axis, 0, -1),
    np.take: lambda array, indices, axis: array[(..., indices, *[slice(None)] * (-1 - axis))],
    np.linalg.norm: _norm,
    np.transpose: _transpose,
    np.matrix_transpose: lambda array: array.swapaxes(-1, -2),
    np.broadcast_to: lambda array, shape: array.broadcast(tuple(shape)),
    np.clip: lambda array, low, high: np.minimum(np.maximum(array, low), high),
}
"""By function of NumPy, what it does with arrays that a subclass is among."""

COMPOSED: dict[str, Callable[..., Any]] = {
    "expit": lambda z: 1 / (1 + np.exp(-z)),
    "logaddexp": lambda a, b: np.maximum(a, b) + np.log1p(np.exp(-np.absolute(a - b))),
    "ndtr": lambda z: (1 + _erf()(z * math.sqrt(0.5))) / 2,
    "tan": lambda z: np.sin(z) / np.cos(z),
    "log2": lambda z: np.log(z) / math.log(2),
    "log10": lambda z: np.log(z) / math.log(10),
    "exp2": lambda z: np.exp(z * math.log(2)),
    "hypot": lambda a, b: np.sqrt(a * a + b * b),
}
"""By ufunc of NumPy or SciPy, the others of which it is made."""


def _erf() -> Any:
    from scipy.special import erf

    return erf
