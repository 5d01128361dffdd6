"""Convert the values of user code to arrays, and split off the loss."""

from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import Any

import numpy as np
from numpy.typing import NDArray

from deltarule.errors import BadInput

LOSS_NAMES = ("loss", "cost", "j")


def format_entry(name: str, index: Sequence[int]) -> str:
    """An entry of the array `name` in Python's notation, such as "W1[0, 2]"."""
    return f"{name}[{', '.join(map(str, index))}]" if len(index) else name


def check_finite(name: str, array: NDArray[Any]) -> NDArray[Any]:
    """Return the array; raises `BadInput` if it holds a number that is not finite."""
    if not np.isfinite(array).all():
        index = tuple(int(i) for i in np.argwhere(~np.isfinite(array))[0])
        raise BadInput(f"{format_entry(name, index)} is {array[index]}; give finite numbers")
    return array


def as_numpy(value: Any) -> Any:
    """Convert a PyTorch tensor or a JAX array to a NumPy array."""
    if isinstance(value, np.ndarray | np.generic):
        return value
    try:
        if hasattr(value, "detach") and hasattr(value, "numpy"):
            return value.detach().numpy()
        return np.asarray(value) if hasattr(value, "__array__") else value
    except (TypeError, RuntimeError) as error:
        raise BadInput(f"a tensor cannot be read as an array: {error}; give one of floats on the CPU") from error


def to_array(value: Any, what: str) -> NDArray[Any]:
    """Convert an array, a number, a tensor or lists of these to one array."""
    items = _items_as_numpy(value)
    try:
        return np.asarray(items)
    except ValueError as error:
        raise BadInput(f"{what} is a list whose items have different shapes; give an array") from error


def _items_as_numpy(value: Any) -> Any:
    return [_items_as_numpy(item) for item in value] if isinstance(value, list | tuple) else as_numpy(value)


def to_finite_array(value: Any, what: str) -> NDArray[Any]:
    """Convert a value to an array of finite real numbers."""
    array = to_array(value, what)
    if array.dtype.kind == "O":  # a table with columns of several types
        with suppress(TypeError, ValueError, OverflowError):
            array = np.asarray(array.tolist())
            array = array.astype(float) if array.dtype.kind == "O" else array
    if array.dtype.kind not in "fiub":
        raise BadInput(f"{what} holds {array.dtype}; give real numbers")
    return check_finite(what, array)


def split_loss(result: Any, function_name: str) -> tuple[Any, Any]:
    """Split the result of a function into the loss and the rest.

    In a dictionary the loss is called "loss", "cost" or "J".

    An array that was never summed is no loss.
    """
    if isinstance(result, Mapping):
        name = next((key for key in result if str(key).lower() in LOSS_NAMES), None)
        if name is None:
            raise BadInput(
                f"{function_name} returns {describe_type(result)}; give the loss in it the name 'loss', 'cost' or 'J'"
            )
        return split_loss(result[name], function_name)[0], ({key: item for key, item in result.items() if key != name},)
    items = [as_numpy(item) for item in result] if isinstance(result, tuple | list) else [as_numpy(result)]
    for is_loss in (_is_scalar, _has_one_entry):
        for i, item in enumerate(items):
            if is_loss(item):
                return np.asarray(item).reshape(())[()], tuple(items[:i] + items[i + 1 :])
    raise BadInput(
        f"{function_name} returns {describe_type(result)}; a loss is one number: sum or average over all of it"
    )


def _is_scalar(item: Any) -> bool:
    is_number = isinstance(item, np.generic | int | float | complex | np.ndarray)
    return is_number and np.ndim(item) == 0 and _is_numeric(item)


def _has_one_entry(item: Any) -> bool:
    return isinstance(item, np.ndarray) and item.size == 1 and _is_numeric(item)


def _is_numeric(item: Any) -> bool:
    return np.asarray(item).dtype.kind not in "bSUV"


def describe_type(value: Any) -> str:
    """Describe the type of a value for messages."""
    if isinstance(value, np.ndarray):
        return f"an array of shape {value.shape}"
    if isinstance(value, Mapping):
        return f"a dictionary of {', '.join(map(str, value))}"
    if isinstance(value, list | tuple):
        inside = f": {', '.join(map(describe_type, value))}" if 0 < len(value) <= 3 else ""
        return f"a {type(value).__name__} of {len(value)}{inside}"
    return f"a {type(value).__name__}"
