"""A network that is an object: its parameters and gradients are attributes, found by their names."""

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from deltarule.checking.arrays import Arrays, gradient_arrays, number_of, plain, taken_apart
from deltarule.checking.callables import Code, Standing, run
from deltarule.errors import BadInput
from deltarule.problem.problem import Floats


def from_object(
    net: Any, params: Sequence[str], grads: Sequence[str], loss: Callable[..., Any], backward: Callable[[], Any] | None
) -> Code:
    """Code that is an object: its arrays are moved where they stand in it.

    params, grads   the paths of parameters and gradients      loss, backward   take nothing

    Raises `BadInput` for a path at which nothing stands.
    """

    def read_gradients(names: Sequence[str]) -> Arrays:
        return taken_apart({name: _attribute_at(net, name) for name in names})

    holder = Standing(lambda: read_gradients(params))

    def value(values: Sequence[Floats]) -> Any:
        holder.write(values)
        return number_of(run(loss, (), {}, "loss"), "loss")[0]

    def gradient(values: Sequence[Floats]) -> list[Floats]:
        if backward is not None:
            run(backward, (), {}, "backward")
        there = {name: _attribute_at(net, own) for name, own in zip(params, grads, strict=True)}
        return [array.copy() for array in gradient_arrays(there, read_gradients(params), "the object")]

    def changed_arrays() -> dict[str, tuple[str, ...]]:
        before = holder.read_arrays()
        value(before)
        gradient(before)
        after = holder.read_arrays()
        holder.write(before)
        names = [
            name
            for name, one, other in zip(holder.names, before, after, strict=True)
            if one.shape != other.shape or not np.array_equal(one, other)
        ]
        return {"loss" if backward is None else "loss or backward": tuple(names)} if names else {}

    def restore() -> None:
        holder.restore()
        run(loss, (), {}, "loss")  # what the object remembers of its last call fits its parameters again

    return Code(holder.names, holder.read_arrays(), value, gradient, held=True, restore=restore, changed=changed_arrays)


def _attribute_at(net: Any, path: str) -> Any:
    """What stands in an object under a path such as "layers[0].W"."""
    found = net
    for name, index in re.findall(r"""([^.\[\]]+)|\[([^\]]+)\]""", path):
        key: Any = (name or index).strip("'\"")
        try:
            number = re.fullmatch(r"-?\d+", key) and not isinstance(found, Mapping)
            if name and not isinstance(found, Mapping) and not number:
                found = getattr(found, key)
            else:
                found = found[int(key) if number else key]
        except (AttributeError, KeyError, IndexError, TypeError):
            known = ", ".join(vars(net)) if hasattr(net, "__dict__") else type(net).__name__
            raise BadInput(f"there is no '{path}' in the object; it has: {known}") from None
    return plain(found)
