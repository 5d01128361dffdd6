"""The registry of names: what a recipe or a caller writes, and the formulas that it means."""

from collections.abc import Mapping
from dataclasses import replace
from difflib import get_close_matches
from math import isfinite
from types import MappingProxyType
from typing import Any

from deltarule.errors import BadInput
from deltarule.maths.activations import ACTIVATIONS, Activation
from deltarule.maths.initializers import INITIALIZERS, Initializer
from deltarule.maths.losses import LOSSES, Loss
from deltarule.maths.optimizers import OPTIMIZERS, Optimizer
from deltarule.maths.penalties import PENALTIES, Penalty
from deltarule.maths.schedules import SCHEDULES, Schedule

Named = str | Mapping[str, Any]
"""A name, or a table with a name and parameters: "leaky_relu" or {"name": "leaky_relu", "slope": 0.2}."""

_TABLES: dict[str, dict[str, Any]] = {
    "activation": dict(ACTIVATIONS),
    "loss": dict(LOSSES),
    "penalty": dict(PENALTIES),
    "optimizer": dict(OPTIMIZERS),
    "schedule": dict(SCHEDULES),
    "initializer": dict(INITIALIZERS),
}


def names(kind: str) -> tuple[str, ...]:
    """The names that a kind of formula has, the user's own included.

    >>> names("penalty")
    ('l2', 'weight_decay', 'l1', 'l2_per_sample', 'weight_decay_per_sample', 'l1_per_sample')
    """
    return tuple(_TABLES[kind])


def add(kind: str, formula: Any) -> None:
    """Give a user's own formula its name; `deltarule.proofs.register` proves it first and then calls this."""
    if formula.name in _TABLES[kind]:
        raise BadInput(f"the {kind} '{formula.name}' exists already; choose another name")
    _TABLES[kind][formula.name] = formula


def remove(kind: str, name: str) -> None:
    """Take a user's own formula away again; the built-in ones stay."""
    if name in _BUILT_IN[kind] or name not in _TABLES[kind]:
        raise BadInput(f"'{name}' is no {kind} of your own; only those can be removed")
    del _TABLES[kind][name]


_BUILT_IN = {kind: frozenset(table) for kind, table in _TABLES.items()}


def activation(given: Named | Activation) -> Activation:
    """The activation of a name.

    >>> activation({"name": "leaky_relu", "slope": 0.2}).parameters["slope"]
    0.2
    """
    return given if isinstance(given, Activation) else _with_parameters("activation", given)


def loss(given: Named | Loss) -> Loss:
    """The loss of a name."""
    found: Loss = given if isinstance(given, Loss) else _with_parameters("loss", given)
    if found.name == "quantile" and not 0 < found.parameters["quantile"] < 1:
        raise BadInput(f"the quantile is {found.parameters['quantile']}; give a number between 0 and 1")
    return found


def penalty(given: Named | Penalty) -> Penalty:
    """The penalty of a name."""
    return given if isinstance(given, Penalty) else _with_parameters("penalty", given)


def optimizer(given: Named | Optimizer) -> Optimizer:
    """The optimizer of a name."""
    return given if isinstance(given, Optimizer) else _with_parameters("optimizer", given)


def schedule(given: Named | Schedule) -> Schedule:
    """The schedule of a name; `per` ("step" or "epoch") may stand among its parameters."""
    if isinstance(given, Schedule):
        return given
    table = {"name": given} if isinstance(given, str) else dict(given)
    per = table.pop("per", None)
    found: Schedule = _with_parameters("schedule", table)
    if per is None:
        return found
    if per not in ("step", "epoch"):
        raise BadInput(f'a schedule counts per \'{per}\'; give "step" or "epoch"')
    return replace(found, per=per)


def initializer(given: Named | Initializer) -> Initializer:
    """The initializer of a name; `biases` ("zeros" or "same") may stand among its parameters."""
    if isinstance(given, Initializer):
        return given
    table = {"name": given} if isinstance(given, str) else dict(given)
    biases = table.pop("biases", "zeros")
    if biases not in ("zeros", "same"):
        raise BadInput(f'initial biases are \'{biases}\'; give "zeros" or "same" (by the law of the weights)')
    return replace(_with_parameters("initializer", table), biases=biases)


def described(formula: Any) -> str | dict[str, Any]:
    """A formula as a recipe writes it: its name, or a table where it has parameters.

    >>> described(activation("leaky_relu"))
    {'name': 'leaky_relu', 'slope': 0.01}
    """
    extra = dict(getattr(formula, "parameters", {}))
    if isinstance(formula, Schedule) and formula.per != "step":
        extra["per"] = formula.per
    if isinstance(formula, Initializer) and formula.biases != "zeros":
        extra["biases"] = formula.biases
    return {"name": formula.name, **extra} if extra else formula.name


def _with_parameters(kind: str, given: Named) -> Any:
    name, parameters = _taken_apart(kind, given)
    formula = _find(kind, name)
    known = getattr(formula, "parameters", {})
    for key, value in parameters.items():
        if key not in known:
            raise BadInput(
                f"the {kind} '{name}' has no parameter '{key}'; its parameters: {', '.join(known) or 'none'}"
            )
        _check_number(kind, name, key, value)
    return replace(formula, parameters=MappingProxyType({**known, **parameters})) if parameters else formula


def _taken_apart(kind: str, given: Named) -> tuple[str, dict[str, Any]]:
    if isinstance(given, str):
        return given, {}
    if not isinstance(given, Mapping) or not isinstance(given.get("name"), str):
        raise BadInput(f"the {kind} is {given!r}; give its name, or a table with its name and parameters")
    return given["name"], {key: value for key, value in given.items() if key != "name"}


def _find(kind: str, name: str) -> Any:
    table = _TABLES[kind]
    if name not in table:
        near = get_close_matches(name, table, 1)
        hint = f"; did you mean '{near[0]}'?" if near else f"; there are: {', '.join(table)}"
        raise BadInput(f"there is no {kind} '{name}'{hint}")
    return table[name]


def _check_number(kind: str, name: str, key: str, value: Any) -> None:
    # Numbers of an optimizer or a schedule may be one a member; problem.create checks those against the members.
    numbers = value if isinstance(value, list | tuple) or hasattr(value, "__array__") else [value]
    for number in numbers:
        if isinstance(number, bool) and key == "at_start":
            continue
        if isinstance(number, bool | str) or not hasattr(number, "__float__") or not isfinite(float(number)):
            raise BadInput(f"the parameter '{key}' of the {kind} '{name}' is {number!r}; give a finite number")
