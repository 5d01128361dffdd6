"""Convert values of user code to arrays, and parameters to arrays named by path, such as "layers[0].W"."""

import copy
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from itertools import combinations
from math import prod
from typing import Any

import numpy as np
from numpy.typing import NDArray

from deltarule.errors import BadInput
from deltarule.proofs.differences import Floats
from deltarule.tracing.expression_text import format_index

LOSS_NAMES = ("loss", "cost", "j")
OTHER_SHAPE = "other_shape"
_HYPERPARAMETERS = {
    *("lr", "learning_rate", "step_size", "reg", "reg_strength", "l1", "l2", "lam", "lambd", "lambda", "weight_decay"),
    *("output", "delta", "error"),
    *("momentum", "epochs", "n_epochs", "num_epochs", "batch_size", "seed", "eps", "epsilon", "keep_prob", "dropout"),
}
"""Names of plain numbers that people store beside parameters, and that have no gradient of the loss."""


Assigner = Callable[[Any], None]


@dataclass(frozen=True, eq=False)
class NamedArrays:
    """The named arrays of a structure, in its order.

    leaves     what stands in the structure for each array
    assigners  functions that replace a leaf there; None for one that stands in a tuple or alone
    """

    structure: Any
    names: tuple[str, ...]
    values: tuple[Floats, ...]
    leaves: tuple[Any, ...]
    assigners: tuple[Assigner | None, ...] = ()

    def rebuild(self, values: Sequence[Floats]) -> Any:
        return _rebuild(self.structure, iter(values), is_inside=False)


def flatten(structure: Any, what: str = "params", item_names: Sequence[str] = ()) -> NamedArrays:
    """Flatten parameters to named arrays; None stands for no array.

    A list of rows of numbers is one array, and so is one row of numbers inside of something else. `item_names` name the
    items of a list or tuple, or a single array.
    """
    cells = list(_named_cells(structure, "", what, item_names))
    if not cells:
        raise BadInput(f"{what} holds no arrays; give an array, or a dictionary, a list or a tuple of arrays")
    alone = item_names[0] if len(item_names) == 1 else what
    names, leaves = tuple(name or alone for name, _, _ in cells), tuple(as_numpy(leaf) for _, leaf, _ in cells)
    values = tuple(array.astype(float) if array.dtype.kind in "iu" else array for array in map(np.asarray, leaves))
    for name, array in zip(names, values, strict=True):
        if array.dtype.kind != "f":
            raise BadInput(f"{name} holds {array.dtype}; give arrays of floating-point numbers, as with .astype(float)")
        check_finite(name, array)
    return NamedArrays(structure, names, values, leaves, tuple(assign for *_, assign in cells))


def named_leaves(
    structure: Any, path: str = "", what: str = "params", item_names: Sequence[str] = ()
) -> Iterator[tuple[str, Any]]:
    """Yield (path, leaf) for each leaf; the path of `structure` itself is ""."""
    yield from ((name, leaf) for name, leaf, _ in _named_cells(structure, path, what, item_names))


def _named_cells(
    structure: Any, path: str, what: str, item_names: Sequence[str] = (), assign: Assigner | None = None
) -> Iterator[tuple[str, Any, Assigner | None]]:
    if structure is None:
        return
    if is_list_array(structure, is_inside=bool(path)) or not isinstance(structure, Mapping | list | tuple):
        yield path, structure, assign
    elif isinstance(structure, Mapping):
        for key, item in structure.items():
            if not is_hyperparameter(key, item):
                set_item = partial(structure.__setitem__, key) if isinstance(structure, dict) else None
                yield from _named_cells(item, f"{path}.{key}" if path else str(key), what, (), set_item)
    else:
        for i, name in enumerate(_names_of_items(structure, path, what, item_names)):
            set_item = partial(structure.__setitem__, i) if isinstance(structure, list) else None
            yield from _named_cells(structure[i], name, what, (), set_item)


def _names_of_items(structure: Sequence[Any], path: str, what: str, item_names: Sequence[str]) -> list[str]:
    fields = item_names if len(item_names) == len(structure) else getattr(structure, "_fields", ())
    if fields:
        return [f"{path}.{field}".lstrip(".") for field in fields]
    return [f"{path or what}[{i}]" for i in range(len(structure))]


def is_hyperparameter(key: Any, item: Any) -> bool:
    return isinstance(item, str | int | float) and str(key).lower() in _HYPERPARAMETERS


def is_list_array(structure: Any, *, is_inside: bool) -> bool:
    if not isinstance(structure, list) or not structure:
        return False
    rows = [structure] if is_inside and _is_row(structure) else structure
    return all(_is_row(row) and len(row) == len(rows[0]) for row in rows)


def _is_row(row: Any) -> bool:
    return isinstance(row, list) and bool(row) and all(isinstance(item, int | float) for item in row)


def _rebuild(structure: Any, values: Iterator[Floats], *, is_inside: bool) -> Any:
    if structure is None:
        return None
    if is_list_array(structure, is_inside=is_inside):
        return next(values).tolist()
    if isinstance(structure, Mapping):
        rebuilt: Any = copy.copy(structure)
        for key, item in structure.items():
            if not is_hyperparameter(key, item):
                rebuilt[key] = _rebuild(item, values, is_inside=True)
        return rebuilt
    if isinstance(structure, list | tuple):
        items = [_rebuild(item, values, is_inside=True) for item in structure]
        return structure._make(items) if hasattr(structure, "_make") else type(structure)(items)
    return like_leaf(structure, next(values))


def like_leaf(leaf: Any, value: Floats) -> Any:
    if isinstance(leaf, np.ndarray):
        return value
    if hasattr(leaf, "new_tensor"):  # PyTorch's
        return leaf.new_tensor(value, requires_grad=leaf.requires_grad)
    if hasattr(leaf, "__array_namespace__"):  # JAX's
        return leaf.__array_namespace__().asarray(value, dtype=leaf.dtype)
    return value[()]


class ParameterStore:
    """The arrays that user code reads in place.

    `find` returns the current arrays themselves: an update may create new ones. `assign` stores a plain number by name.
    """

    def __init__(self, find: Callable[[], NamedArrays], assign: Callable[[str, float], None] | None = None) -> None:
        self._assign = assign
        first = find()
        names = first.names
        self.find = lambda: _only_named(find(), names)  # a network of lists keeps outputs beside its weights later
        for (name, value), (other, other_value) in combinations(zip(first.names, first.values, strict=True), 2):
            if np.shares_memory(value, other_value):
                raise BadInput(f"{name} and {other} share memory, so that one moves the other; name one of them")
        assigners = dict(zip(first.names, first.assigners, strict=True))
        for name, leaf in zip(first.names, first.leaves, strict=True):
            if isinstance(leaf, np.ndarray) and leaf.dtype.kind in "iu":
                raise BadInput(f"{name} holds {leaf.dtype}, in which nothing moves a little; make it one of floats")
            if not isinstance(leaf, np.ndarray | list) and assign is None and assigners[name] is None:
                raise BadInput(
                    f"{name} is of type {type(leaf).__name__}, which cannot be moved from outside; make it an array"
                )
        self._start = tuple(value.copy() for value in first.values)

    def read(self) -> tuple[Floats, ...]:
        return tuple(value.copy() for value in self.find().values)

    def write(self, values: Sequence[Floats]) -> None:
        current = self.find()
        for name, leaf, assign, value in zip(current.names, current.leaves, current.assigners, values, strict=True):
            if isinstance(leaf, np.ndarray):
                leaf[...] = value
            elif isinstance(leaf, list):
                _write_list(leaf, value)
            elif self._assign is not None:
                self._assign(name, float(value))
            elif assign is not None:
                assign(float(value))

    def restore(self) -> None:
        self.write(self._start)


def _only_named(arrays: NamedArrays, names: Sequence[str]) -> NamedArrays:
    if arrays.names == names:
        return arrays
    indices = [arrays.names.index(name) for name in names if name in arrays.names]
    if len(indices) < len(names):
        raise BadInput(f"params lost {next(name for name in names if name not in arrays.names)} when the code ran")

    def chosen(field: Sequence[Any]) -> tuple[Any, ...]:
        return tuple(field[i] for i in indices)

    fields = (chosen(arrays.values), chosen(arrays.leaves), chosen(arrays.assigners))
    return NamedArrays(arrays.structure, chosen(arrays.names), *fields)


def _write_list(rows: list[Any], values: Floats) -> None:
    """Write into a list of numbers, or of rows, in place: code may refer to the rows."""
    for i, value in enumerate(values):
        if isinstance(rows[i], list):
            _write_list(rows[i], value)
        else:
            rows[i] = float(value)


def match_shape(gradient: Floats, parameter: Floats) -> tuple[Floats, str]:
    """Convert a gradient to its parameter's shape; zeros and "other_shape" if not."""
    shape = parameter.shape
    lengths = _long_axes(parameter.shape)
    broadcast: tuple[int, ...] = ()
    with suppress(ValueError):  # they cannot be subtracted
        broadcast = np.broadcast_shapes(gradient.shape, shape)
    if gradient.size == parameter.size and _long_axes(gradient.shape) == lengths:
        if prod(broadcast) == parameter.size:  # (3, 1) minus (3,) makes (3, 3)
            return gradient.reshape(shape), ""
        return gradient.reshape(shape), "transposed" if gradient.T.shape == shape else "broadcast"
    if gradient.T.shape == shape:
        return gradient.T, "transposed"
    for axis in range(gradient.ndim):
        summed = gradient.sum(axis)
        if summed.size == parameter.size and _long_axes(summed.shape) == lengths:
            return summed.reshape(shape), "not_summed"
    if gradient.size < parameter.size and broadcast == shape:
        return np.array(np.broadcast_to(gradient, shape)), ""  # as a subtraction repeats it
    return np.zeros(shape), OTHER_SHAPE


def _long_axes(shape: tuple[int, ...]) -> tuple[int, ...]:
    return tuple(n for n in shape if n > 1)


def check_finite(name: str, array: NDArray[Any]) -> NDArray[Any]:
    if not np.isfinite(array).all():
        index = tuple(int(i) for i in np.argwhere(~np.isfinite(array))[0])
        raise BadInput(f"{format_index(name, index)} is {array[index]}; give finite numbers")
    return array


def as_numpy(value: Any) -> Any:
    if isinstance(value, np.ndarray | np.generic):
        return value
    if hasattr(value, "detach") and hasattr(value, "numpy"):
        return value.detach().numpy()
    return np.asarray(value) if hasattr(value, "__array__") else value


def dtype_kind(value: Any) -> str:
    """The kind of an array's numbers, as NumPy's, or "" for what is no array."""
    dtype = getattr(as_numpy(value), "dtype", None)
    return "" if dtype is None else str(dtype.kind)


def to_array(value: Any, what: str) -> NDArray[Any]:
    items = _items_as_numpy(value)
    try:
        return np.asarray(items)
    except ValueError as error:
        raise BadInput(f"{what} is a list whose items have different shapes; give an array") from error


def _items_as_numpy(value: Any) -> Any:
    return [_items_as_numpy(item) for item in value] if isinstance(value, list | tuple) else as_numpy(value)


def to_finite_array(value: Any, what: str) -> NDArray[Any]:
    array = to_array(value, what)
    if array.dtype.kind not in "fiub":
        raise BadInput(f"{what} holds {array.dtype}; give real numbers")
    return check_finite(what, array)


def split_loss(result: Any, function_name: str) -> tuple[Any, Any]:
    """Split the result of a function into the loss and the rest.

    In a dictionary the loss is called "loss", "cost" or "J". An array that was never summed is no loss.
    """
    if isinstance(result, Mapping):
        name = next((key for key in result if str(key).lower() in LOSS_NAMES), None)
        if name is None:
            raise BadInput(
                f"{function_name} returns {describe_type(result)}; give the loss in it the name 'loss', 'cost' or 'J'"
            )
        return split_loss(result[name], function_name)[0], ({key: item for key, item in result.items() if key != name},)
    items = [as_numpy(item) for item in result] if isinstance(result, tuple | list) else [as_numpy(result)]
    numbers = [i for i, item in enumerate(items) if _is_number(item)]
    if numbers:
        i = next((i for i in numbers if not np.ndim(items[i])), numbers[0])
        return np.asarray(items[i]).reshape(())[()], tuple(items[:i] + items[i + 1 :])
    raise BadInput(
        f"{function_name} returns {describe_type(result)}; a loss is one number: sum or average over all of it"
    )


def _is_number(item: Any) -> bool:
    is_array = isinstance(item, np.generic | int | float | complex | np.ndarray)
    return is_array and np.size(item) == 1 and np.asarray(item).dtype.kind not in "bSUV"


def describe_type(value: Any) -> str:
    if isinstance(value, np.ndarray):
        return f"an array of shape {value.shape}"
    if isinstance(value, Mapping):
        return f"a dictionary of {', '.join(map(str, value))}"
    if isinstance(value, list | tuple):
        inside = f": {', '.join(map(describe_type, value))}" if 0 < len(value) <= 3 else ""
        return f"a {type(value).__name__} of {len(value)}{inside}"
    return f"a {type(value).__name__}"
