"""Find the gradient in a function's result."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from deltarule.checking.user_code import arrays
from deltarule.errors import BadInput
from deltarule.proofs.differences import Floats

_PREFIXES = ("d", "D", "grad_", "grad", "g_", "d_", "nabla_", "gradient_", "∂", "∇", "δ")
_SUFFIXES = ("_grad", "_g", "_gradient", ".grad")


def marked_names(name: Any) -> list[str]:
    """The names that the gradient of a parameter may have, such as "dW" for "W"."""
    return [f"{prefix}{name}" for prefix in (*_PREFIXES, "g", "G")] + [f"{name}{suffix}" for suffix in _SUFFIXES]


def gradient_arrays(result: Any, params: arrays.NamedArrays, function_name: str) -> list[Floats]:
    """Find the arrays of a gradient in a result, in the parameters' order.

    The gradient has the parameters' structure, or is a flat list of arrays or a dictionary with names such as "dW1"
    (others such as "dz1" are ignored); alone, or among other things in a tuple.
    """
    errors: list[BadInput] = []
    aligned = []
    for candidate in _candidates(result, len(params.values)):
        try:
            aligned.append(_leaves_in_order(candidate, params, function_name))
        except BadInput as error:
            errors.append(error)
    if not aligned:
        raise errors[0]
    return next((gradient for gradient in aligned if _has_same_sizes(gradient, params)), aligned[0])


def rest_beside_loss(result: Any, function_name: str) -> Any:
    if not isinstance(result, Mapping | tuple | list) or len(result) < 2:
        raise BadInput(f"{function_name} returns no gradient beside the loss; give a function for the gradient, too")
    _, rest = arrays.split_loss(result, function_name)
    return rest[0] if len(rest) == 1 else rest


def is_gradient(result: Any, params: arrays.NamedArrays) -> bool:
    try:
        return _has_same_sizes(_leaves_in_order(result, params, ""), params)
    except BadInput:
        return False


def _has_same_sizes(gradient: Sequence[Floats], params: arrays.NamedArrays) -> bool:
    return all(array.size == value.size for array, value in zip(gradient, params.values, strict=True))


def _candidates(result: Any, count: int) -> Iterator[Any]:
    """Yield the parts of a result that may be the gradient."""
    yield result
    if isinstance(result, Mapping):
        yield from (item for key, item in result.items() if str(key).lower().startswith("grad"))
    if isinstance(result, tuple | list):
        yield from result
        if count < len(result):
            yield from (result[start : start + count] for start in range(len(result) - count + 1))


def _leaves_in_order(result: Any, params: arrays.NamedArrays, function_name: str) -> list[Floats]:
    if isinstance(result, Mapping) and not isinstance(params.structure, Mapping):
        by_name = _match_names(result, params.names, function_name)
        gradients = [by_name[name] for name in params.names]
    elif len(params.names) == 1 and not isinstance(result, Mapping | list | tuple):
        gradients = [result]
    else:
        gradients = list(_pair_leaves(result, params.structure, function_name, is_inside=False))
    if len(gradients) != len(params.names):
        raise _wrong_form_error(result, params.structure, function_name)
    return [_to_gradient(*leaf, function_name) for leaf in zip(gradients, params.names, params.values, strict=True)]


def _pair_leaves(result: Any, structure: Any, function_name: str, *, is_inside: bool) -> Iterator[Any]:
    """Yield the gradient's leaves in the order of those in `structure`."""
    if structure is None:
        return
    if arrays.is_list_array(structure, is_inside=is_inside) or not isinstance(structure, Mapping | list | tuple):
        yield result
    elif isinstance(structure, Mapping) and isinstance(result, Mapping):
        keys = [key for key, item in structure.items() if item is not None and not arrays.is_hyperparameter(key, item)]
        by_name = _match_names(result, keys, function_name)
        for key in keys:
            yield from _pair_leaves(by_name[key], structure[key], function_name, is_inside=True)
    else:
        yield from _pair_items(result, structure, function_name)


def _pair_items(result: Any, structure: Any, function_name: str) -> Iterator[Any]:
    """The leaves of a list: one of its items for each of the structure, or all in order."""
    items = list(structure.values()) if isinstance(structure, Mapping) else list(structure)
    if isinstance(result, list | tuple) and len(result) == len(items):
        for part, item in zip(result, items, strict=True):
            yield from _pair_leaves(part, item, function_name, is_inside=True)
    elif isinstance(result, list | tuple) and len(result) == len(list(arrays.named_leaves(structure))):
        yield from result
    else:
        raise _wrong_form_error(result, structure, function_name)


def _wrong_form_error(result: Any, structure: Any, function_name: str) -> BadInput:
    names = ", ".join(name for name, _ in arrays.named_leaves(structure))
    given = arrays.describe_type(result)
    return BadInput(
        f"{function_name} returns {given} where params holds {names}; give a gradient for each, in this form"
    )


def _match_names(result: Mapping[Any, Any], names: Sequence[Any], function_name: str) -> dict[Any, Any]:
    """The items of a gradient by parameter name, such as "dW1" for "W1"; others, such as "dz1", are ignored."""
    keys = {name: _key_of_gradient(result, name, names) for name in names}
    missing = [str(name) for name, key in keys.items() if key is None]
    if missing:
        raise BadInput(f"{function_name} lacks the gradient of {', '.join(missing)}; give one for every parameter")
    # Plain names beside others that are no parameters, as "Z1" beside "W1", are those of a forward pass's cache.
    others = [key for key in map(str, result) if key not in keys.values() and key not in names]
    unmarked = [key for key in others if not (key.startswith(_PREFIXES) or key.endswith(_SUFFIXES))]
    if unmarked and any(key == name for name, key in keys.items()):
        raise BadInput(f"{function_name} has a gradient '{unmarked[0]}', and there is no such parameter")
    return {name: result[key] for name, key in keys.items()}


def _key_of_gradient(result: Mapping[Any, Any], name: Any, names: Sequence[Any]) -> Any:
    """The last marked name of a parameter, else its plain name, which beside a marked one is the parameter itself."""
    marks = marked_names(name)
    marked = [key for key in result if str(key) in marks and key not in names]
    return marked[-1] if marked else name if name in result else None


def _to_gradient(value: Any, name: str, parameter: Floats, function_name: str) -> Floats:
    array = arrays.to_array(value, f"the gradient of {name}")
    if array.dtype.kind not in "fiub" or (isinstance(value, list | tuple) and array.shape != parameter.shape):
        given = arrays.describe_type(value)
        raise BadInput(f"{function_name} gives {given} as the gradient of {name}; give an array of its shape")
    return array if array.dtype.kind == "f" else array.astype(float)
