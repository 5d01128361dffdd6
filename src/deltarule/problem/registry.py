"""Registry of formulas: activations, losses, penalties, optimizers, schedules and initializers by name."""

from collections.abc import Callable, Mapping
from dataclasses import fields, replace
from difflib import get_close_matches
from math import isfinite
from typing import Any

import numpy as np

from deltarule.errors import BadInput, short_repr
from deltarule.maths.activations import ACTIVATIONS, Activation
from deltarule.maths.elementary import Fixed
from deltarule.maths.initializers import INITIALIZERS, Initializer
from deltarule.maths.losses import LOSSES, Loss
from deltarule.maths.optimizers import OPTIMIZERS, Optimizer
from deltarule.maths.penalties import PENALTIES, Penalty
from deltarule.maths.schedules import SCHEDULES, Schedule
from deltarule.problem.formula_fingerprint import digest

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
    """The registered names of a kind of formula, including custom ones.

    >>> names("penalty")
    ('l2', 'weight_decay', 'l1', 'l2_per_sample', 'weight_decay_per_sample', 'l1_per_sample')
    """
    return tuple(_TABLES[kind])


def add(kind: str, formula: Any) -> None:
    """Register a custom formula; `deltarule.proofs.custom_formulas` proves it first.

    Registering the same object again is allowed. Other functions under the same name are not, even with equal code, as
    a rerun cell of a notebook makes them: problems made with the first would change their meaning.
    """
    name = formula.name
    if name in _BUILT_IN[kind]:
        raise BadInput(f"the {kind} '{name}' exists already; choose another name")
    if _TABLES[kind].setdefault(name, formula) != formula:
        way_out = f'take that one away first: unregister("{kind}", "{name}")'
        raise BadInput(f"the {kind} '{name}' of your own exists already; choose another name, or {way_out}")


def remove(kind: str, name: str) -> None:
    """Remove a custom formula; built-in ones stay."""
    if not isinstance(name, str) or name in _BUILT_IN[kind] or name not in _TABLES[kind]:
        raise BadInput(f"{short_repr(name)} is no {kind} of your own; only those can be removed")
    del _TABLES[kind][name]


_BUILT_IN = {kind: dict(table) for kind, table in _TABLES.items()}
_KINDS = {type(formula): kind for kind, table in _BUILT_IN.items() for formula in table.values()}
_NO_NUMBERS = frozenset({"name", "range", "domain", "targets", "kinks", "rescaling"})
"""Fields of a formula that decide no numbers: its name, and what it may be combined with."""
_DESCRIBED = frozenset({"parameters", "per", "biases"})
"""Fields that `describe_formula` reports."""


def own_digest(formula: Any) -> str | None:
    """SHA-256 (hexadecimal) of what a custom formula computes, as `digest`; None for a built-in formula.

    >>> own_digest(activation("leaky_relu")) is None
    True
    """
    [kind] = (kind for one, kind in _KINDS.items() if isinstance(formula, one))
    built_in = _BUILT_IN[kind].get(formula.name)
    parts = _formula_parts(formula)
    return None if built_in is not None and parts == _formula_parts(built_in) else digest(parts)


def _formula_parts(formula: Any) -> list[Any]:
    """The fields of a formula that decide numbers, without its parameters."""
    return [getattr(formula, one.name) for one in fields(formula) if one.name not in _NO_NUMBERS | _DESCRIBED]


def custom_formula(kind: str, given: Named) -> Any:
    """The custom formula with a name, as it was registered; None for a built-in formula.

    >>> custom_formula("activation", {"name": "leaky_relu", "slope": 0.2}) is None
    True
    """
    name, _ = _split_name(kind, given)
    return None if name in _BUILT_IN[kind] else _find(kind, name)


def take_over(formulas: Mapping[tuple[str, str], Any]) -> None:
    """Register another process's custom formulas, by kind and name, replacing those of the same name."""
    for (kind, name), formula in formulas.items():
        _TABLES[kind][name] = formula


def activation(given: Named | Activation) -> Activation:
    """The activation with a name.

    >>> activation({"name": "leaky_relu", "slope": 0.2}).parameters["slope"]
    0.2
    """
    return given if isinstance(given, Activation) else _with_parameters("activation", given)


def loss(given: Named | Loss) -> Loss:
    """The loss with a name.

    >>> loss("huber").name
    'huber'
    """
    return given if isinstance(given, Loss) else _with_parameters("loss", given)


def penalty(given: Named | Penalty) -> Penalty:
    """The penalty with a name.

    >>> penalty("l2_per_sample").per_sample
    True
    """
    return given if isinstance(given, Penalty) else _with_parameters("penalty", given)


def optimizer(given: Named | Optimizer) -> Optimizer:
    """The optimizer with a name.

    >>> dict(optimizer({"name": "nesterov", "momentum": 0.5}).parameters)
    {'momentum': 0.5}
    """
    return given if isinstance(given, Optimizer) else _with_parameters("optimizer", given)


def schedule(given: Named | Schedule) -> Schedule:
    """The schedule with a name; the table may also hold `per`: "step" or "epoch".

    >>> schedule({"name": "step", "every": 10, "per": "epoch"}).per
    'epoch'
    """
    if isinstance(given, Schedule):
        return given
    name, parameters = _split_name("schedule", given)
    per = parameters.pop("per", None)
    found: Schedule = _with_parameters("schedule", {"name": name, **parameters}, "per")
    if per is None:
        return found
    if not isinstance(per, str) or per not in ("step", "epoch"):
        raise BadInput(f'a schedule counts per {short_repr(per)}; give "step" or "epoch"')
    return replace(found, per=per)


def initializer(given: Named | Initializer) -> Initializer:
    """The initializer with a name; the table may also hold `biases`: "zeros" or "same".

    >>> initializer({"name": "normal", "std": 0.1, "biases": "same"}).biases
    'same'
    """
    if isinstance(given, Initializer):
        return given
    name, parameters = _split_name("initializer", given)
    biases = parameters.pop("biases", "zeros")
    if not isinstance(biases, str) or biases not in ("zeros", "same"):
        raise BadInput(f'initial biases are {short_repr(biases)}; give "zeros" or "same" (by the law of the weights)')
    return replace(_with_parameters("initializer", {"name": name, **parameters}, "biases"), biases=biases)


def describe_formula(formula: Any) -> str | dict[str, Any]:
    """A formula as a recipe writes it: its name, or a table with its parameters.

    >>> describe_formula(activation("leaky_relu"))
    {'name': 'leaky_relu', 'slope': 0.01}
    """
    extra = dict(getattr(formula, "parameters", {}))
    if isinstance(formula, Schedule) and formula.per != "step":
        extra["per"] = formula.per
    if isinstance(formula, Initializer) and formula.biases != "zeros":
        extra["biases"] = formula.biases
    return {"name": formula.name, **extra} if extra else formula.name


def _with_parameters(kind: str, given: Named, *beside: str) -> Any:
    """The formula with a name, with its parameters.    beside   other keys of this kind, for the message"""
    name, parameters = _split_name(kind, given)
    formula = _find(kind, name)
    known = getattr(formula, "parameters", {})
    for key in parameters:
        if key not in known:
            there = ", ".join([*known, *beside]) or "none"
            raise BadInput(f"the {kind} '{name}' has no parameter '{key}'; its parameters: {there}")
    checked = {key: parameter(kind, name, key, value) for key, value in parameters.items()}
    return replace(formula, parameters=Fixed({**known, **checked})) if checked else formula


def _split_name(kind: str, given: Named) -> tuple[str, dict[str, Any]]:
    if isinstance(given, str):
        return given, {}
    if not isinstance(given, Mapping) or not isinstance(given.get("name"), str):
        raise BadInput(f"the {kind} is {short_repr(given)}; give its name, or a table with its name and parameters")
    return given["name"], {key: value for key, value in given.items() if key != "name"}


def _find(kind: str, name: str) -> Any:
    table = _TABLES[kind]
    if name not in table:
        near = get_close_matches(name.lower(), table, 1)
        hint = f"; did you mean '{near[0]}'?" if near else f"; there are: {', '.join(table)}"
        raise BadInput(f"there is no {kind} '{name}'{hint}")
    return table[name]


def parameter(kind: str, name: str, key: str, value: Any) -> Any:
    """A parameter's value in Python's own numbers (NumPy's would make float64 of a float32 formula), checked.

    That of an optimizer or a schedule may be a list, one number a member.

    >>> parameter("optimizer", "momentum", "momentum", [0, 0.9])
    [0, 0.9]
    """
    value = value.tolist() if isinstance(value, np.ndarray | np.generic) else value
    if not isinstance(value, list | tuple):
        return _parse_parameter(kind, name, key, value)
    if kind not in ("optimizer", "schedule"):
        raise BadInput(
            f"the parameter '{key}' of the {kind} '{name}' is {short_repr(value)}; give one number, for all members"
        )
    return [_parse_parameter(kind, name, key, one) for one in value]


def allowed_parameter(name: str, key: str) -> str:
    """What a parameter of a formula may be, in words.

    >>> allowed_parameter("step", "every")
    'a number of 1 or more'
    """
    return _range_of(name, key)[1]


def _range_of(name: str, key: str) -> "tuple[_Fits, str]":
    return _ALLOWED.get(f"{name}.{key}", (isfinite, "a finite number"))


def _parse_parameter(kind: str, name: str, key: str, given: Any) -> int | float:
    fits, allowed = _range_of(name, key)
    if isinstance(given, bool) and key == "at_start":
        given = int(given)
    if isinstance(given, int | float) and not isinstance(given, bool):
        try:
            if isfinite(given) and fits(given):
                return given
        except OverflowError:  # a whole number beyond all floats
            pass
    raise BadInput(f"the parameter '{key}' of the {kind} '{name}' is {short_repr(given)}; give {allowed}")


_Fits = Callable[[float], bool]
_NOT_NEGATIVE: tuple[_Fits, str] = (lambda number: number >= 0, "a number of 0 or more")
_POSITIVE: tuple[_Fits, str] = (lambda number: number > 0, "a number above 0")
_SHARE: tuple[_Fits, str] = (lambda number: 0 <= number < 1, "a number from 0 up to, not including, 1")
_FROM_1: tuple[_Fits, str] = (lambda number: number >= 1, "a number of 1 or more")
_ALLOWED: dict[str, tuple[_Fits, str]] = {
    "huber.delta": _POSITIVE,
    "quantile.quantile": (lambda number: 0 < number < 1, "a number between 0 and 1"),
    "naive_binary_cross_entropy.epsilon": _NOT_NEGATIVE,
    "normal.std": _NOT_NEGATIVE,
    "uniform.range": _NOT_NEGATIVE,
    "positive_uniform.range": _NOT_NEGATIVE,
    "momentum.momentum": _SHARE,
    "nesterov.momentum": _SHARE,
    "adagrad.epsilon": _NOT_NEGATIVE,
    "normalized_gradient.epsilon": _NOT_NEGATIVE,
    "rmsprop.decay": _SHARE,
    "rmsprop.epsilon": _NOT_NEGATIVE,
    "adam.beta1": _SHARE,
    "adam.beta2": _SHARE,
    "adam.epsilon": _NOT_NEGATIVE,
    "adamw.weight_decay": _NOT_NEGATIVE,
    "adamw.beta1": _SHARE,
    "adamw.beta2": _SHARE,
    "adamw.epsilon": _NOT_NEGATIVE,
    "rprop.increase": _FROM_1,
    "rprop.decrease": (lambda number: 0 < number <= 1, "a number above 0, up to 1"),
    "rprop.smallest": _POSITIVE,
    "rprop.largest": _POSITIVE,
    "lbfgs.memory": _FROM_1,
    "lbfgs.gradient_tolerance": _NOT_NEGATIVE,
    "lbfgs.objective_tolerance": _NOT_NEGATIVE,
    "step.every": _FROM_1,
    "step.factor": _POSITIVE,
    "exponential.factor": _POSITIVE,
    "inverse_scaling.power": _NOT_NEGATIVE,
    "adaptive.divide": _FROM_1,
    "adaptive.tolerance": _NOT_NEGATIVE,
    "adaptive.patience": _FROM_1,
    "squaring.every": _FROM_1,
    "squaring.at_start": (lambda number: number in (0, 1), "0 or 1"),
    "cosine.steps": _FROM_1,
    "cosine.lowest": _NOT_NEGATIVE,
    "cosine.warm_up": _NOT_NEGATIVE,
    "coslog4.steps": _FROM_1,
    "flat_cosine.steps": _FROM_1,
    "flat_cosine.flat": _SHARE,
    "warm_up.steps": _NOT_NEGATIVE,
    "linear_ramp.steps": (lambda number: number >= 2, "a number of 2 or more"),
    "linear_ramp.highest": _NOT_NEGATIVE,
    "exponential_ramp.steps": (lambda number: number >= 2, "a number of 2 or more"),
    "exponential_ramp.highest": _POSITIVE,
}
"""The allowed values of built-in formulas' parameters; any finite number for those that are not listed."""
