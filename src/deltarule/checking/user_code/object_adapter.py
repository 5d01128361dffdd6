"""Treat a network object as code, by the attributes of its gradients."""

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

from deltarule.checking.user_code.arrays import Arrays, ParameterStore, flatten
from deltarule.checking.user_code.attributes import assign_attribute, attribute_at
from deltarule.checking.user_code.callables import Caller, Code, Values, code_of_loss
from deltarule.checking.user_code.gradient_arrays import gradient_arrays
from deltarule.problem.problem import Floats
from deltarule.user_functions import call_user_function


def code_of_object(
    net: Any, params: Sequence[str], grads: Sequence[str], loss: Callable[..., Any], backward: Callable[[], Any] | None
) -> Code:
    """Make `Code` from a network object and the paths of its parameters and gradients."""

    def find_parameters() -> Arrays:
        return flatten({path: attribute_at(net, path) for path in params})

    call_loss = Caller(loss, find_parameters(), "loss", "in place")
    call_loss.store = store = ParameterStore(find_parameters, partial(assign_attribute, net))

    def gradient_at(values: Values) -> list[Floats]:
        if backward is not None:
            call_user_function(backward, (), {}, "backward")
        found = {name: attribute_at(net, path) for name, path in zip(params, grads, strict=True)}
        return [array.copy() for array in gradient_arrays(found, find_parameters(), "the object")]

    def restore() -> None:
        store.restore()
        call_user_function(loss, (), {}, "loss")  # so that what the object caches belongs to its parameters again

    return code_of_loss(
        call_loss, gradient_at, store, restore=restore, function_names=("loss", "backward"), roots=(net, loss)
    )
