"""Treat a network object as code, by the attributes of its gradients."""

import re
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

from deltarule.checking.user_code.arrays import Arrays, ParameterStore, as_numpy, flatten
from deltarule.checking.user_code.callables import Caller, Code, Values, code_of_loss
from deltarule.checking.user_code.gradient_arrays import gradient_arrays
from deltarule.errors import BadInput
from deltarule.problem.problem import Floats
from deltarule.user_functions import call_user_function


def code_of_object(
    net: Any, params: Sequence[str], grads: Sequence[str], loss: Callable[..., Any], backward: Callable[[], Any] | None
) -> Code:
    """Make `Code` from a network object and the paths of its parameters and gradients."""

    def find_parameters() -> Arrays:
        return flatten({path: _attribute_at(net, path) for path in params})

    call_loss = Caller(loss, find_parameters(), "loss", "in place")
    call_loss.store = store = ParameterStore(find_parameters, partial(_assign_number, net))

    def gradient_at(values: Values) -> list[Floats]:
        if backward is not None:
            call_user_function(backward, (), {}, "backward")
        found = {name: _attribute_at(net, path) for name, path in zip(params, grads, strict=True)}
        return [array.copy() for array in gradient_arrays(found, find_parameters(), "the object")]

    def restore() -> None:
        store.restore()
        call_user_function(loss, (), {}, "loss")  # so that what the object caches belongs to its parameters again

    return code_of_loss(
        call_loss, gradient_at, store, restore=restore, function_names=("loss", "backward"), roots=(net, loss)
    )


def _assign_number(net: Any, path: str, value: float) -> None:
    item = re.fullmatch(r"(.+)\[([^\]]+)\]", path)
    owner, key = (item[1], item[2].strip("'\"")) if item else path.rpartition(".")[::2]
    holder = _attribute_at(net, owner) if owner else net
    if isinstance(holder, Mapping):
        holder[key] = value  # type: ignore[index]
    elif item:
        holder[int(key)] = value
    else:
        setattr(holder, key, value)


def _attribute_at(net: Any, path: str) -> Any:
    value = net
    for name, index in re.findall(r"""([^.\[\]]+)|\[([^\]]+)\]""", path):
        key: Any = (name or index).strip("'\"")
        try:
            is_index = re.fullmatch(r"-?\d+", key) and not isinstance(value, Mapping)
            if name and not isinstance(value, Mapping) and not is_index:
                value = getattr(value, key)
            else:
                value = value[int(key) if is_index else key]
        except (AttributeError, KeyError, IndexError, TypeError):
            known = ", ".join(vars(net)) if hasattr(net, "__dict__") else type(net).__name__
            raise BadInput(f"there is no '{path}' in the object; it has: {known}") from None
    return as_numpy(value)
