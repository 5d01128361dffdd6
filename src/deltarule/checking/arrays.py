"""Parameters and gradients as people hold them: an array, or dictionaries, lists and tuples of arrays.

What comes out are plain arrays in an order, each with a name: "W1", "params[0]", "layers[0].W".
"""

import copy
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from deltarule.errors import BadInput
from deltarule.problem.problem import Floats

_MARKS = ("d", "D", "grad_", "grad", "g_", "∂", "∇", "δ")
LOSS_NAMES = ("loss", "cost", "j")
_SUFFIXES = ("_grad", "_g", "_gradient", ".grad")


@dataclass(frozen=True, eq=False)
class Arrays:
    """The arrays of a structure, in their order, with names; `structure` is what they were taken from."""

    structure: Any
    names: tuple[str, ...]
    values: tuple[Floats, ...]

    def rebuilt(self, values: Sequence[Floats]) -> Any:
        """The same structure with other arrays in it.

        >>> given = taken_apart({"W": np.ones(2), "layers": [0.5]})
        >>> given.rebuilt([np.zeros(2), np.array([2.0])])
        {'W': array([0., 0.]), 'layers': [2.0]}
        """
        return _rebuilt(self.structure, iter(values))


def taken_apart(structure: Any, what: str = "params", names: Sequence[str] = ()) -> Arrays:
    """The arrays of parameters.

    structure  an array, a number with a point, or dictionaries, lists and tuples of these; None stands for no array;
               rows of numbers in a list are one array, and so is a row of numbers within anything else
    what       what to call the whole in sentences
    names      for a list or tuple: what its items are called; for an array: what it is called

    Raises `BadInput` for anything else in it, whole numbers, or a number that is not finite.

    >>> taken_apart([{"W": np.ones((2, 3)), "b": np.zeros(3)}]).names
    ('params[0].W', 'params[0].b')
    >>> taken_apart({"W": [[0.5, 1.0], [2.0, 3.0]], "b": [0.0, 1.0]}).names
    ('W', 'b')
    """
    found = list(_leaves(structure, "", what, names))
    if not found:
        raise BadInput(f"{what} holds no arrays; give an array, or a dictionary, a list or a tuple of arrays")
    single = len(found) == 1 and not found[0][0]
    alone = names[0] if len(names) == 1 else what
    labels = tuple(alone if single else name for name, _ in found)
    return Arrays(
        structure, labels, tuple(_check_leaf(name, leaf) for name, (_, leaf) in zip(labels, found, strict=True))
    )


def _leaves(structure: Any, name: str, what: str = "params", names: Sequence[str] = ()) -> Iterator[tuple[str, Any]]:
    if structure is None:
        return
    if is_rows(structure, bool(name)):
        yield name, np.array(structure)
    elif isinstance(structure, Mapping):
        for key, one in structure.items():
            yield from _leaves(one, f"{name}.{key}" if name else str(key), what)
    elif isinstance(structure, list | tuple):
        fields = names if len(names) == len(structure) else getattr(structure, "_fields", ())
        for i, one in enumerate(structure):
            yield from _leaves(one, f"{name}.{fields[i]}".lstrip(".") if fields else f"{name or what}[{i}]", what)
    else:
        yield name, structure


def is_rows(structure: Any, within: bool) -> bool:
    """Whether a list is one array: rows of as many plain numbers each or, within something else, one row of them."""
    if not isinstance(structure, list) or not structure:
        return False
    rows = [structure] if within and _is_row(structure) else structure
    return all(_is_row(row) and len(row) == len(rows[0]) for row in rows)


def _is_row(row: Any) -> bool:
    return isinstance(row, list) and bool(row) and all(isinstance(one, int | float) for one in row)


def numbers_of(thing: Any, what: str) -> NDArray[Any]:
    """Data or values of somebody's, in whatever `array_of` takes, as an array of finite real numbers.

    Raises `BadInput` for anything else in it.

    >>> numbers_of([[1, 2], [3, 4]], "x").tolist()
    [[1, 2], [3, 4]]
    """
    array = array_of(thing, what)
    if array.dtype.kind == "O":  # as of a table with columns of several kinds: what stands in it tells
        with suppress(TypeError, ValueError, OverflowError):
            array = np.asarray(array.tolist())
            array = array.astype(float) if array.dtype.kind == "O" else array
    if array.dtype.kind not in "fiub":
        raise BadInput(f"{what} holds {array.dtype}; give real numbers")
    return _finite(what, array)


def _finite(name: str, array: NDArray[Any]) -> NDArray[Any]:
    if not np.isfinite(array).all():
        place = tuple(int(i) for i in np.argwhere(~np.isfinite(array))[0])
        raise BadInput(f"{format_entry(name, place)} is {array[place]}; give finite numbers")
    return array


def _check_leaf(name: str, leaf: Any) -> Floats:
    if not isinstance(leaf, np.ndarray | np.generic | int | float):
        raise BadInput(
            f"{name} is of the type {type(leaf).__name__}; give NumPy arrays, in dictionaries, lists or tuples"
        )
    if isinstance(leaf, np.matrix):
        raise BadInput(f"{name} is a np.matrix, whose * is the product of matrices; give np.asarray of it, and use @")
    array = np.asarray(leaf)
    if array.dtype.kind in "iub":
        raise BadInput(
            f"{name} holds whole numbers ({array.dtype}), which cannot be moved by a small step; "
            "make it floating point, as with .astype(float)"
        )
    if array.dtype.kind != "f":
        raise BadInput(f"{name} holds {array.dtype}; give real floating-point numbers")
    if not array.size:
        raise BadInput(f"{name} is empty, of shape {array.shape}; give at least one number")
    return _finite(name, array)


def format_entry(name: str, index: Sequence[int]) -> str:
    """An entry as one would write it.

    >>> format_entry("W1", (0, 2)), format_entry("b", ())
    ('W1[0, 2]', 'b')
    """
    return f"{name}[{', '.join(map(str, index))}]" if len(index) else name


def _rebuilt(structure: Any, values: Iterator[Floats], within: bool = False) -> Any:
    if structure is None:
        return None
    if is_rows(structure, within):
        return next(values).tolist()
    if isinstance(structure, Mapping):
        made: Any = dict(structure) if type(structure) is dict else copy.copy(structure)
        for key, one in structure.items():
            made[key] = _rebuilt(one, values, True)
        return made
    if isinstance(structure, list | tuple):
        items = [_rebuilt(one, values, True) for one in structure]
        if hasattr(structure, "_make"):
            return structure._make(items)
        return type(structure)(items)
    value = next(values)
    return value if isinstance(structure, np.ndarray) else value[()]


def gradient_arrays(result: Any, given: Arrays, what: str) -> list[Floats]:
    """The arrays of a gradient in the order of the parameters, from whatever a function returned beside it, too.

    result   the gradient in the parameters' own structure, their arrays in a row, or a dictionary with names such as
             "dW1", and others such as "dz1" beside; alone, or among other things in a tuple
    what     what to call the function in sentences

    Raises `BadInput` for a missing parameter, one that there is not, and where nothing looks like a gradient.

    >>> given = taken_apart({"W": np.ones(2), "b": np.zeros(1)})
    >>> gradient_arrays(({"dW": np.ones(2), "db": np.ones(1)}, "a note"), given, "gradient")
    [array([1., 1.]), array([1.])]
    """
    first: BadInput | None = None
    aligned = []
    for candidate in _candidates(result, len(given.values)):
        try:
            aligned.append(_align_leaves(candidate, given, what))
        except BadInput as error:
            first = first or error
    if not aligned:
        assert first is not None
        raise first
    fitting = [arrays for arrays in aligned if all(map(_same_shape_and_type, arrays, given.values))]
    return (fitting or aligned)[0]


def has_form(result: Any, given: Arrays) -> bool:
    """Whether all of a result is a gradient of the parameters, in their form, with nothing beside it.

    >>> given = taken_apart([np.ones(2)])
    >>> has_form([2 * np.ones(2)], given), has_form(2 * [np.ones(2)], given)
    (True, False)
    """
    try:
        return all(map(_same_shape_and_type, _align_leaves(result, given, ""), given.values))
    except BadInput:
        return False


def _candidates(result: Any, count: int) -> Iterator[Any]:
    """What may be the gradient in a result: all of it, one of its items, or several in a row."""
    yield result
    if isinstance(result, Mapping):
        yield from (one for key, one in result.items() if str(key).lower().startswith("grad"))
    if isinstance(result, tuple | list):
        yield from result
        for start in range(len(result) - count + 1):
            if count < len(result):
                yield result[start : start + count]


def _same_shape_and_type(found: Floats, wanted: Floats) -> bool:
    return found.shape == wanted.shape or found.size == wanted.size


def _align_leaves(result: Any, given: Arrays, what: str) -> list[Floats]:
    if isinstance(result, Mapping) and not isinstance(given.structure, Mapping):
        renamed = _match_names(result, given.names, what)
        return [_leaf(renamed[name], name, one, what) for name, one in zip(given.names, given.values, strict=True)]
    if len(given.names) == 1 and not isinstance(result, Mapping | list | tuple):
        return [_leaf(result, given.names[0], given.values[0], what)]
    found = list(_pair_leaves(result, given.structure, "", what, False))
    if len(found) != len(given.names):
        raise _wrong_count(len(found), given, what)
    return [_leaf(*one, what) for one in zip(found, given.names, given.values, strict=True)]


def _pair_leaves(result: Any, structure: Any, name: str, what: str, within: bool) -> Iterator[Any]:
    """The gradient's leaves in the order of the parameters' leaves."""
    if structure is None:
        return
    if is_rows(structure, within):
        yield result
    elif isinstance(structure, Mapping) and isinstance(result, Mapping):
        known = [key for key, one in structure.items() if one is not None]
        renamed = _match_names(result, known, what)
        for key in known:
            yield from _pair_leaves(renamed[key], structure[key], f"{name}.{key}", what, True)
    elif isinstance(structure, Mapping | list | tuple) and isinstance(result, list | tuple):
        items = list(structure.values()) if isinstance(structure, Mapping) else list(structure)
        leaves = [leaf for _, leaf in _leaves(structure, "")]
        if len(result) == len(items):
            for found, one in zip(result, items, strict=True):
                yield from _pair_leaves(found, one, name, what, True)
        elif len(result) == len(leaves):
            yield from result
        else:
            raise BadInput(
                f"{what} returns {len(result)} items for the {len(items)} parameters {_describe_structure(structure)}; "
                "give a gradient for each, in their order"
            )
    elif isinstance(structure, Mapping | list | tuple):
        raise BadInput(
            f"{what} returns {_describe_type(result)} where params holds {_describe_structure(structure)}; "
            "give a gradient for each, in the same form"
        )
    else:
        yield result


def _match_names(result: Mapping[Any, Any], known: Sequence[Any], what: str) -> dict[Any, Any]:
    """The items of a gradient under the names of the parameters: "dW1" is that of "W1".

    What belongs to none, as "dz1" beside "dW1", is left out: it is another gradient. Where parameters have their plain
    names, "z1" beside "W1" may be anything, as in a cache of the way forward.
    """
    written_as = {str(key): key for key in result}
    alike = [[mark + str(name) for name in known] for mark in _MARKS]
    alike += [[str(name) + end for name in known] for end in _SUFFIXES]
    # One mark for all is meant as such: "dx" is the gradient of x, where "ddx" is that of another parameter, dx.
    fitting = [names for names in alike if all(one in written_as for one in names)]
    if len(fitting) == 1:
        return {name: result[written_as[one]] for name, one in zip(known, fitting[0], strict=True)}
    meant = {name: [key for key in result if _means(str(key), str(name))] for name in known}
    keys = {}
    for name, found in meant.items():
        # A marked name first: beside it the plain one may be the parameter itself. "dw" may also be a parameter.
        marked = [key for key in found if key not in meant]
        if marked or name in found:
            keys[name] = marked[-1] if marked else name
    for name, found in meant.items():
        left = [key for key in found if key not in keys.values()]
        if name not in keys and left:
            keys[name] = left[-1]
    plain = any(key == name for name, key in keys.items())
    extra = [str(key) for key in result if not any(key in found for found in meant.values())]
    missing = [name for name in known if name not in keys]
    if missing:
        beside = f", and has '{extra[0]}', which is that of no parameter" if extra else ""
        raise BadInput(f"{what} lacks the gradient of {_format_names(missing)}{beside}; give one for every parameter")
    unclear = [key for key in extra if not (key.startswith(_MARKS) or key.endswith(_SUFFIXES))]
    if plain and unclear:
        raise BadInput(
            f"{what} has a gradient '{unclear[0]}', and there is no such parameter; there are: {_format_names(known)}"
        )
    return {name: result[key] for name, key in keys.items()}


def _means(key: str, name: str) -> bool:
    return key == name or any(key == mark + name for mark in _MARKS) or any(key == name + end for end in _SUFFIXES)


def _leaf(found: Any, name: str, wanted: Floats, what: str) -> Floats:
    if found is None:
        raise BadInput(f"{what} lacks the gradient of {name}: it is None")
    found = plain(found)
    listed = _from_lists(found, wanted)
    if listed is None and not isinstance(found, np.ndarray | np.generic | int | float):
        raise BadInput(f"{what} gives {_describe_type(found)} as the gradient of {name}; give an array of its shape")
    array = np.asarray(found if listed is None else listed)
    if array.dtype.kind not in "fiub":
        raise BadInput(f"{what} gives {array.dtype} as the gradient of {name}; give real numbers")
    return array if array.dtype.kind == "f" else array.astype(float)


def _from_lists(found: Any, wanted: Floats) -> Floats | None:
    """The array that nested lists stand for, where it has its parameter's shape."""
    if not isinstance(found, list | tuple):
        return None
    try:
        array = array_of(found, "")
    except BadInput:
        return None
    return array if array.shape == wanted.shape else None


def _wrong_count(found: int, given: Arrays, what: str) -> BadInput:
    return BadInput(f"{what} returns {found} arrays for the {len(given.names)} parameters {_format_names(given.names)}")


def _describe_structure(structure: Any) -> str:
    return _format_names([name for name, _ in _leaves(structure, "")])


def _format_names(names: Sequence[Any]) -> str:
    return ", ".join(map(str, names))


def _describe_type(thing: Any) -> str:
    if isinstance(thing, np.ndarray):
        return f"an array of shape {thing.shape}"
    if isinstance(thing, Mapping):
        return f"a dictionary of {_format_names(list(thing))}"
    if isinstance(thing, list | tuple):
        inside = f": {', '.join(map(_describe_type, thing))}" if 0 < len(thing) <= 3 else ""
        return f"a {type(thing).__name__} of {len(thing)}{inside}"
    return f"a {type(thing).__name__}"


def match_shape(found: Floats, wanted: Floats) -> tuple[Floats, str]:
    """A gradient in the shape of its parameter, and the code of the mistake that its own shape shows ("" where none).

    0 in every entry, and "other_shape", where the shape says nothing.

    >>> match_shape(np.ones((1, 3)), np.ones(3))
    (array([1., 1., 1.]), '')
    >>> match_shape(np.ones((4, 3)), np.ones(3))
    (array([4., 4., 4.]), 'not_summed')
    """
    shape, ones = wanted.shape, tuple(n for n in wanted.shape if n > 1)
    if found.size == wanted.size and tuple(n for n in found.shape if n > 1) == ones:
        # What a subtraction would make of the two: (3, 1) and (3,) give (3, 3).
        made = _together(found.shape, shape)
        if made is not None and np.prod(made) == wanted.size:
            return found.reshape(shape), ""
        return found.reshape(shape), "transposed" if found.T.shape == shape else "broadcast"
    if found.T.shape == shape:
        return found.T, "transposed"
    for axis in range(found.ndim):
        summed = found.sum(axis)
        if summed.size == wanted.size and tuple(n for n in summed.shape if n > 1) == ones:
            return summed.reshape(shape), "not_summed"
    if found.size < wanted.size and _together(found.shape, shape) == shape:
        return np.array(np.broadcast_to(found, shape)), ""  # as a subtraction repeats it, without a word
    return np.zeros(shape), OTHER_SHAPE


def _together(one: tuple[int, ...], other: tuple[int, ...]) -> tuple[int, ...] | None:
    """The shape that a subtraction makes of two."""
    try:
        return np.broadcast_shapes(one, other)
    except ValueError:
        return None


OTHER_SHAPE = "other_shape"


def wrong_shape(name: str, found: Floats, wanted: Floats) -> BadInput:
    """What to say of a gradient whose shape nothing explains."""
    return BadInput(
        f"the gradient of {name} has the shape {found.shape}, {name} itself {wanted.shape}; the two must be the same"
    )


def number_of(result: Any, what: str) -> tuple[Any, Any]:
    """The one number in what a loss function returned, and the rest of it.

    In a dictionary it stands under "loss", "cost" or "J".

    Raises `BadInput` where there is none, as for a loss that was never summed.

    >>> number_of((np.float64(0.5), "cache"), "loss")
    (np.float64(0.5), ('cache',))
    """
    if isinstance(result, Mapping):
        name = next((key for key in result if str(key).lower() in LOSS_NAMES), None)
        if name is None:
            raise BadInput(
                f"{what} returns {_describe_type(result)}; give the loss in it the name 'loss', 'cost' or 'J'"
            )
        return number_of(result[name], what)[0], ({key: one for key, one in result.items() if key != name},)
    items = [plain(one) for one in result] if isinstance(result, tuple | list) else [plain(result)]
    for is_one in (_is_scalar, _has_one):
        for i, item in enumerate(items):
            if is_one(item):
                return np.asarray(item).reshape(())[()], tuple(items[:i] + items[i + 1 :])
    raise BadInput(f"{what} returns {_describe_type(result)}; a loss is one number: sum or average over all of it")


def other_losses(result: Any, what: str) -> tuple[str, ...]:
    """That a later number of a row may be the loss, where the first one does not begin it: it may be a gradient.

    >>> other_losses((np.ones(2), 0.25, 0.75), "logistic")[0][:52]
    'logistic returns 2 numbers, and the first, 0.25, was'
    """
    items = [plain(one) for one in result] if isinstance(result, tuple | list) else []
    numbers = [one for one in items if _is_scalar(one)]
    if len(numbers) < 2 or numbers[0] is items[0]:
        return ()
    count, first = len(numbers), f"{float(np.real(numbers[0])):.6g}"
    return (f"{what} returns {count} numbers, and the first, {first}, was taken for the loss; return the loss first",)


def plain(thing: Any) -> Any:
    """A tensor of PyTorch as the array that shares its memory, an array of JAX or the like as one; else as it is."""
    if isinstance(thing, np.ndarray | np.generic):
        return thing
    try:
        if hasattr(thing, "detach") and hasattr(thing, "numpy"):
            return thing.detach().numpy()
        return np.asarray(thing) if hasattr(thing, "__array__") else thing
    except (TypeError, RuntimeError) as error:
        raise BadInput(f"a tensor cannot be read as an array: {error}; give one of floats on the CPU") from error


def array_of(thing: Any, what: str) -> NDArray[Any]:
    """An array, a number, a tensor, or lists of these, as one array.

    Raises `BadInput` for lists whose items have different shapes.

    >>> array_of([[1.0, 2.0], np.array([3.0, 4.0])], "z1").shape
    (2, 2)
    """
    items = _plain_items(thing)
    try:
        return np.asarray(items)
    except ValueError as error:
        raise BadInput(f"{what} is a list whose items have different shapes; give an array") from error


def _plain_items(thing: Any) -> Any:
    return [_plain_items(one) for one in thing] if isinstance(thing, list | tuple) else plain(thing)


def _is_scalar(item: Any) -> bool:
    return isinstance(item, np.generic | int | float | complex | np.ndarray) and np.ndim(item) == 0 and _is_number(item)


def _has_one(item: Any) -> bool:
    return isinstance(item, np.ndarray) and item.size == 1 and _is_number(item)


def _is_number(item: Any) -> bool:
    return np.asarray(item).dtype.kind not in "bSUV"
