"""How user functions are called: their signatures, what a backward pass takes and what a layer gives."""

import inspect
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from functools import partial
from typing import Any

from deltarule.checking.user_code.arrays import NamedArrays, dtype_kind, flatten

Reading = tuple[tuple[str, int], ...]
_RATES = {"learning_rate", "lr", "alpha", "eta", "rate", "step_size"}
_UPSTREAM = re.compile(r"d\w*|δ.*|∂.*|g|gy|u|v|.*(?:grad|delta|upstream|err|diff).*")
_NO_UPSTREAM = {"data", "dim", "dims", "dropout", "drop", "depth", "dtype", "device", "dilation", "d"}
_OUTPUT_NAMES = ("output", "outputs", "out", "y", "a", "activation", "activations", "result", "h", "z")


def required_parameters(function: Callable[..., Any]) -> list[inspect.Parameter]:
    """The parameters without a default that may be given by position; none if unknown."""
    return [p for p in _parameters(function, inspect.Parameter.POSITIONAL_ONLY) if p.default is p.empty]


def positional_parameters(function: Callable[..., Any]) -> list[inspect.Parameter]:
    """The parameters that may be given by position or by name; none if unknown."""
    return _parameters(function)


def _parameters(function: Callable[..., Any], *kinds: Any) -> list[inspect.Parameter]:
    with suppress(TypeError, ValueError):  # some functions written in C have no signature
        parameters = inspect.signature(function).parameters.values()
        return [parameter for parameter in parameters if parameter.kind in (parameter.POSITIONAL_OR_KEYWORD, *kinds)]
    return []


def argument_names(function: Callable[..., Any]) -> tuple[str, ...]:
    return tuple(parameter.name for parameter in positional_parameters(function))


def signature_of(function: Callable[..., Any]) -> inspect.Signature | None:
    try:
        return inspect.signature(function)
    except (TypeError, ValueError):  # some functions written in C have none
        return None


def kinds_of(signature: inspect.Signature) -> list[Any]:
    return [parameter.kind for parameter in signature.parameters.values()]


def takes_names(signature: inspect.Signature, structure: Any) -> bool:
    """Whether a function takes the items of a dictionary by their names."""
    if not isinstance(structure, Mapping) or not all(isinstance(key, str) for key in structure):
        return False
    parameters = signature.parameters.values()
    accepted = {p.name for p in parameters if p.kind in (p.POSITIONAL_OR_KEYWORD, p.KEYWORD_ONLY)}
    return set(structure) <= accepted or kinds_of(signature) == [inspect.Parameter.VAR_KEYWORD]


def accepts(signature: inspect.Signature, count: int) -> bool:
    try:
        signature.bind(*range(count))
    except TypeError:
        return False
    return True


def with_fixed_input(function: Callable[..., Any], x: Any) -> Callable[..., Any]:
    """Return a function of one unused number that calls another with a fixed input."""

    def of_none(unused: Any) -> Any:
        return function(x)

    if getattr(function, "__self__", None) is not None:  # whose arrays are looked at
        of_none.__self__ = function.__self__  # type: ignore[attr-defined]
    return of_none


def with_fixed_arguments(
    function: Callable[..., Any], given: Sequence[Any], names: Sequence[str], moved: Sequence[int]
) -> Callable[..., Any]:
    """A function of some of its arguments alone."""

    def of_some(*values: Any) -> Any:
        every = list(given)
        for i, value in zip(moved, values, strict=True):
            every[i] = value
        return function(*every)

    kind = inspect.Parameter.POSITIONAL_OR_KEYWORD
    of_some.__signature__ = inspect.Signature([inspect.Parameter(names[i], kind) for i in moved])  # type: ignore[attr-defined]
    of_some.__name__ = getattr(function, "__name__", "function")
    if getattr(function, "__self__", None) is not None:  # whose arrays are looked at
        of_some.__self__ = function.__self__  # type: ignore[attr-defined]
    return of_some


def split_outputs(result: Any) -> tuple[Any, ...]:
    """The parts of what forward returns, the output first."""
    is_output = not isinstance(result, tuple | list) or (isinstance(result, list) and not any(map(callable, result)))
    return (result,) if is_output else tuple(result)


def readings_of(function: Callable[..., Any], parts: Sequence[Any], argument_names: Sequence[str]) -> list[Reading]:
    """The ways in which a backward pass may take its arguments, the likeliest first; one if their names are clear."""
    names = [parameter.name for parameter in required_parameters(function)]
    arrays = [i for i, part in enumerate(parts) if _is_float(part)]
    outputs = next((n for n, i in enumerate(arrays) if n != i), len(arrays))
    by_name = _reading_by_name(names, len(parts), max(1, outputs), argument_names)
    if by_name:
        return [by_name]
    readings = []
    for count in range(1, outputs + 1):
        upstream = [("upstream", i) for i in range(count)]
        rest = [("part", i) for i in range(count, len(parts))]
        readings += [tuple(reading) for reading in (upstream + rest, upstream) if len(reading) == len(names)]
    return list(dict.fromkeys(readings)) or [(("upstream", 0),)]


def _reading_by_name(names: Sequence[str], parts: int, outputs: int, argument_names: Sequence[str]) -> Reading | None:
    slots: list[tuple[str, int]] = []
    count = 0
    unknown = list[int]()
    for name in names:
        if name.lower() in _RATES:
            slots.append(("rate", 0))
        elif name in argument_names:
            slots.append(("argument", argument_names.index(name)))
        elif _UPSTREAM.fullmatch(name) and name not in _NO_UPSTREAM:
            slots.append(("upstream", count))
            count += 1
        else:
            unknown.append(len(slots))
            slots.append(("part", 0))
    if not 1 <= count <= outputs or len(unknown) not in (0, parts - count):
        return None
    for part, slot in enumerate(unknown, count):
        slots[slot] = "part", part
    return tuple(slots)


def find_output(before: dict[str, Any], after: dict[str, Any], arguments: Sequence[Any]) -> str | None:
    """The path of the array that forward set in its object, where it returns none."""
    inputs = {id(argument) for argument in arguments}
    made = [path for path, value in after.items() if before.get(path) is not value and id(value) not in inputs]
    named = [path for name in _OUTPUT_NAMES for path in made if path.rpartition(".")[2] == name]
    return next(iter([*named, *reversed(made)]), None)


def _is_float(part: Any) -> bool:
    if isinstance(part, list | tuple):
        return False
    return dtype_kind(part) in ("f", "c") or isinstance(part, float)


def functions_of(layer: Any) -> tuple[Callable[..., Any], Callable[..., Any] | None]:
    """The forward and backward pass of a layer that is given as a whole; a function stands for itself."""
    if isinstance(layer, type) and any(base.__module__ == "torch.autograd.function" for base in layer.__mro__):
        return partial(_apply_torch_function, layer), None
    return layer, None


def _apply_torch_function(function: Any, *arguments: Any) -> tuple[Any, Callable[..., Any]]:
    """The outputs of a function of PyTorch's, and its backward pass."""
    import torch

    inputs = [torch.as_tensor(argument).detach().clone().requires_grad_() for argument in arguments]
    outputs = function.apply(*inputs)

    def backward(upstream: Any) -> Any:
        given = torch.autograd.grad(outputs, inputs, torch.as_tensor(upstream), allow_unused=True)
        return tuple(torch.zeros_like(x) if of is None else of for x, of in zip(inputs, given, strict=True))

    return outputs.detach(), backward


def named_results(result: Any, count: int) -> Iterator[tuple[Any, Any]]:
    """What a backward pass returns beside the gradients of `count` arguments, by name or index."""
    rest = list(result)[count:] if isinstance(result, tuple | list) else [result]
    if len(rest) == 1 and isinstance(rest[0], Mapping):
        yield from rest[0].items()
    elif isinstance(result, tuple | list):
        yield from ((i, value) for i, value in enumerate(rest) if not isinstance(value, Mapping | list | tuple))


def is_gradient_name(path: str) -> bool:
    name = path.rpartition(".")[2].lstrip("_").lower()
    return name.startswith("d") or "grad" in name or "delta" in name


def without_last_sample(params: NamedArrays) -> NamedArrays:
    """The inputs of a layer for a sample less: those that share the first one's length lose their last row."""
    count = len(params.values[0]) if params.values[0].ndim else 0
    rows = [value[:-1] if value.ndim and len(value) == count > 2 else value for value in params.values]
    return flatten(params.rebuild(rows), item_names=params.names)
