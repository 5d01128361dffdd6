"""Bring a user's loss and gradient into one form of function.

A function may take its parameters as one structure, one by one, by name, or not at all: then it reads arrays in place
(globals, an object's attributes), which are changed in place, and restored.
"""

import inspect
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import numpy as np

from deltarule.checking.user_code.arrays import NamedArrays, ParameterStore, flatten, split_loss
from deltarule.checking.user_code.attributes import names_in_program
from deltarule.checking.user_code.gradient_arrays import gradient_arrays, is_gradient, rest_beside_loss
from deltarule.checking.user_code.references import containers_of, items_of
from deltarule.checking.user_code.signatures import accepts, argument_names, kinds_of, signature_of, takes_names
from deltarule.errors import BadInput
from deltarule.proofs.differences import Floats
from deltarule.user_functions import call_user_function, quietly

Values = Sequence[Floats]
CanRead = Callable[[Any], bool]
"""Whether a function's result has the expected form; raises `BadInput` for one that cannot be read."""


@dataclass(frozen=True, eq=False)
class Code:
    """A loss and its gradient, as functions of arrays in a fixed order.

    start                   the parameters at which the gradient is checked
    gradient                its arrays have the shapes that the code gives them
    has_own_forward_pass    the gradient needs no call of the loss before it
    is_repeatable           the gradient may be called again, and at other parameters
    rounding                rounding errors of the gradient, from the way in which it was obtained
    restore                 restores the parameters and what was computed from them
    store                   the parameters that the code reads in place, in their own dtype; None if it reads none
    loss_in_place           the loss of the arrays in `store` as they are; None if the loss does not read them
    roots                   objects that refer to arrays that the loss uses
    losses                  the loss at many values at once, for code that can compute it
    draws_other_numbers     the gradient draws other random numbers than the loss, in a forward pass of its own
    """

    names: tuple[str, ...]
    start: tuple[Floats, ...]
    loss: Callable[[Values], Any]
    gradient: Callable[[Values], list[Floats]]
    has_own_forward_pass: bool = False
    is_repeatable: bool = True
    rounding: tuple[Floats, ...] | None = None
    restore: Callable[[], None] = lambda: None
    store: ParameterStore | None = None
    loss_in_place: Callable[[NamedArrays], Any] | None = None
    function_names: tuple[str, str] = ("loss", "gradient")
    roots: tuple[Any, ...] = ()
    losses: Callable[[Iterator[Values]], Floats] | None = None
    draws_other_numbers: bool = False

    @property
    def nearby(self) -> "Code":
        """The same code, to check at parameters nearby."""
        return replace(self, start=tuple(move_nearby(self.start)))

    @property
    def is_in_place(self) -> bool:
        return self.store is not None


def code_of_functions(loss: Callable[..., Any], gradient: Callable[..., Any] | None, params: Any) -> Code:
    item_names = argument_names(loss)
    if len(item_names) != (len(params) if isinstance(params, list | tuple) else 1):
        item_names = names_in_program(params, (loss, gradient))
    arrays = flatten(params, item_names=item_names)
    loss_name, gradient_name = _name_of(loss, "loss"), _name_of(gradient, "gradient")
    if gradient is None or gradient is loss:
        gradient = None
        gradient_name = loss_name
        call_loss = call_gradient = find_caller(
            loss, arrays, loss_name, lambda result: is_gradient(rest_beside_loss(result, loss_name), arrays)
        )
    else:
        call_loss, call_gradient = _pair_callers(loss, loss_name, gradient, gradient_name, arrays)
    callers = (call_loss, call_gradient)
    reads_in_place = call_loss.is_in_place or _reads_in_place(call_loss, arrays)
    is_in_place = reads_in_place or call_gradient.is_in_place
    store = ParameterStore(lambda: flatten(params, item_names=item_names)) if is_in_place else None
    for call in callers:
        call.store = store if call.is_in_place or reads_in_place else None
    put_back = store.restore if store is not None else lambda: None
    if reads_in_place and any(value.dtype != np.float64 for value in arrays.values):
        assign = _find_assignment(arrays, callers)
        if assign is not None:  # variables can hold arrays with more digits, which need no wide steps
            put_back = partial(assign, arrays.leaves)
            store = None

    def restore() -> None:
        with suppress(BadInput):
            for call in callers:  # then globals and caches belong to these parameters again
                call([value.copy() for value in arrays.values])
        put_back()

    def gradient_at(values: Values) -> list[Floats]:
        result = call_gradient(values)
        gradients = rest_beside_loss(result, loss_name) if gradient is None else result
        return gradient_arrays(gradients, arrays, gradient_name)

    return code_of_loss(
        call_loss,
        gradient_at,
        store,
        has_own_forward_pass=gradient is None,
        restore=restore,
        function_names=(loss_name, gradient_name),
        roots=(loss, arrays.structure) if reads_in_place else (loss,),
    )


def code_of_loss(
    loss: "Caller", gradient: Callable[[Values], list[Floats]], store: ParameterStore | None, **fields: Any
) -> Code:
    """Make `Code` of a loss with a caller, a gradient, and what they read in place."""

    def loss_in_place(arrays: NamedArrays) -> Any:
        return split_loss(loss.call(arrays.structure), loss.what)[0]

    return Code(
        names=loss.params.names,
        start=tuple(value.astype(np.float64) if store is None else value.copy() for value in loss.params.values),
        loss=lambda values: split_loss(loss(values), loss.what)[0],
        gradient=gradient,
        store=store,
        loss_in_place=None if loss.store is None else loss_in_place,
        **fields,
    )


def move_nearby(values: Values) -> list[Floats]:
    """Move each entry of parameters by a different share of its size."""
    golden = (5**0.5 - 1) / 2
    shares = [0.5 + (np.arange(value.size).reshape(value.shape) * golden) % 1 for value in values]
    return [
        np.asarray(value + 2.0**-6 * share * np.maximum(1, np.abs(value)), value.dtype)
        for value, share in zip(values, shares, strict=True)
    ]


class Caller:
    """A function and its style of taking parameters.

    store    has those that it reads in place; None if it reads none
    assign   gives other arrays to the variables that it reads, in place of writing into theirs
    """

    def __init__(self, function: Callable[..., Any], params: NamedArrays, what: str, style: str) -> None:
        self.function = function
        self.params = params
        self.what = what
        self.style = style
        self.is_in_place = style == "in place"
        self.store: ParameterStore | None = None
        self.assign: Callable[[Sequence[Any]], None] | None = None

    def __call__(self, values: Values) -> Any:
        if self.assign is not None:
            self.assign(values)
            return self.call(self.params.structure)
        if self.store is None:
            return self.call(self.params.rebuild(values))
        self.store.write(values)
        return self.call(self.params.structure)

    def call(self, structure: Any) -> Any:
        positional: tuple[Any, ...] = ()
        if self.style == "whole":
            positional = (structure,)
        elif self.style == "one by one":
            positional = tuple(structure.values() if isinstance(structure, Mapping) else structure)
        named = structure if self.style == "by name" else {}
        return call_user_function(self.function, positional, named, self.what)

    def rank(self, can_read: CanRead) -> int:
        """Rank from 0 (it raises) to 3 (expected form) how well this style works."""
        try:
            result = quietly(lambda: self([value.copy() for value in self.params.values]))
        except BadInput:
            return 0
        try:
            return 2 + can_read(result)
        except BadInput:
            return 1


def _reads_in_place(call: Caller, params: NamedArrays) -> bool:
    """Whether a loss ignores its argument and reads parameters in place."""

    def loss_of(values: Values) -> Any:
        return quietly(lambda: split_loss(call([value.copy() for value in values]), call.what)[0])

    nearby = move_nearby(params.values)
    try:
        before = loss_of(params.values)
        if before != loss_of(nearby):
            return False
    except BadInput:  # there is no loss, or none a step away
        return False
    store = call.store = ParameterStore(lambda: flatten(params.structure))
    try:
        return bool(loss_of(nearby) != before)
    except BadInput:
        return False
    finally:
        store.restore()
        call.store = None


def _find_assignment(arrays: NamedArrays, callers: Sequence[Caller]) -> Callable[[Sequence[Any]], None] | None:
    """The function that gives arrays to all variables that hold those of `arrays`, if code reads no others."""
    assigners = _assigners_of(arrays, callers)

    def assign(values: Sequence[Any]) -> None:
        for leaf, value in zip(arrays.leaves, values, strict=True):
            for assign_one in assigners[id(leaf)]:
                assign_one(value)

    start = [value.astype(np.float64) for value in arrays.values]
    [loss, _] = callers
    stores = [call.store for call in callers]
    for call in callers:
        call.assign, call.store = assign, None
    try:
        losses = [split_loss(quietly(partial(loss, values)), loss.what)[0] for values in (start, move_nearby(start))]
        if all(assigners.values()) and losses[0] != losses[1]:
            return assign
    except BadInput:  # there is no loss
        pass
    finally:
        assign(arrays.leaves)
    for call, store in zip(callers, stores, strict=True):
        call.assign, call.store = None, store
    return None


def _assigners_of(arrays: NamedArrays, callers: Sequence[Caller]) -> dict[int, list[Callable[[Any], None]]]:
    """By the id of each array, functions that assign to the variables that hold it."""
    assigners: dict[int, list[Callable[[Any], None]]] = {id(leaf): [] for leaf in arrays.leaves}
    containers = {id(container): container for call in callers for container in containers_of(call.function)}
    for container in containers.values():
        for value, assign_item in items_of(container):
            if id(value) in assigners:
                assigners[id(value)].append(assign_item)
    return assigners


def find_caller(
    function: Callable[..., Any], params: NamedArrays, function_name: str, can_read: CanRead = lambda result: True
) -> Caller:
    """Find the style of taking parameters in which a function works best."""
    return max(_rank_callers(function, params, function_name, can_read), key=lambda ranked: ranked[1])[0]


def caller_in_style_of(model: Caller, function: Callable[..., Any], function_name: str) -> Caller:
    """Choose a function's caller without calling it, in the style of `model`."""
    styles = _styles(function, model.params, function_name)
    style = model.style if model.style in styles else styles[0]
    return Caller(function, model.params, function_name, style)


def _pair_callers(
    loss: Callable[..., Any], loss_name: str, gradient: Callable[..., Any], gradient_name: str, params: NamedArrays
) -> tuple[Caller, Caller]:
    """Find how a loss and its gradient take parameters.

    Trying the gradient alone may mislead: for a list W, 2 * W is a list of twice the length.
    """
    losses = _rank_callers(loss, params, loss_name, lambda result: bool(split_loss(result, loss_name)))
    gradients = _rank_callers(
        gradient,
        params,
        gradient_name,
        lambda result: bool(gradient_arrays(result, params, gradient_name)) and is_gradient(result, params),
    )
    pairs = [(one, other) for one in losses for other in gradients]
    best = max(pairs, key=lambda pair: (pair[0][1], pair[1][1], pair[0][0].style == pair[1][0].style))
    return best[0][0], best[1][0]


def _rank_callers(
    function: Callable[..., Any], params: NamedArrays, function_name: str, can_read: CanRead
) -> list[tuple[Caller, int]]:
    styles = _styles(function, params, function_name)
    callers = [Caller(function, params, function_name, style) for style in styles]
    return [(caller, caller.rank(can_read) if len(callers) > 1 else 0) for caller in callers]


def _styles(function: Callable[..., Any], params: NamedArrays, function_name: str) -> list[str]:
    """The styles in which a function may take its parameters, likeliest first.

    loss(params, scale=1.0) takes all of them; loss(W, b=0.0) does not work with all in W.
    """
    if not callable(function):
        raise BadInput(f"{function_name} is {type(function).__name__}, which cannot be called; give a function")
    signature = signature_of(function)
    if signature is None:
        return ["whole"]
    structure = params.structure
    if takes_names(signature, structure):
        return ["by name"]
    takes_any = inspect.Parameter.VAR_POSITIONAL in kinds_of(signature)
    if accepts(signature, 0) and not takes_any:
        return ["in place"]
    is_container = isinstance(structure, Mapping | list | tuple)
    count = len(structure) if is_container else 1
    styles = []
    if accepts(signature, 1) and (count == 1 or not takes_any):
        styles.append("whole")
    if accepts(signature, count) and is_container:
        styles.append("one by one")
    if not styles:
        raise BadInput(
            f"{function_name} takes ({', '.join(signature.parameters)}) and params holds {', '.join(params.names)}; "
            "give a function of the parameters alone, as lambda params: loss(params, x, y), or of nothing where it "
            "reads them itself"
        )
    return styles


def _name_of(function: Any, default: str) -> str:
    name = getattr(function, "__name__", "")
    return name if name and name != "<lambda>" else default
