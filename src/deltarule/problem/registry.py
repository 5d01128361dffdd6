"""Registry of formulas by kind and name, with checks of their parameters."""

from collections.abc import Callable, Collection, Mapping
from dataclasses import fields, replace
from difflib import get_close_matches
from functools import partial
from inspect import signature
from typing import Any

import numpy as np

from deltarule.errors import BadInput, short_repr
from deltarule.maths.activations import ACTIVATIONS, Activation
from deltarule.maths.elementary import Fixed
from deltarule.maths.initializers import INITIALIZERS, Initializer
from deltarule.maths.layers import DENSE_WITHOUT_BIASES, LAYERS, Layer
from deltarule.maths.losses import LOSSES, Loss
from deltarule.maths.optimizers import OPTIMIZERS, Optimizer
from deltarule.maths.penalties import PENALTIES, Penalty
from deltarule.maths.schedules import SCHEDULES, Schedule
from deltarule.problem.formula_fingerprint import formula_digest
from deltarule.problem.ranges import FINITE, PARAMETERS, quoted
from deltarule.program.formula import trace
from deltarule.program.program import NotTraceable

Named = str | Mapping[str, Any]
"""A name, or a table with a name and parameters: "leaky_relu" or {"name": "leaky_relu", "slope": 0.2}."""

CHOICES = {"schedule": ("per", ("step", "epoch")), "initializer": ("biases", ("zeros", "same"))}
"""The key of a formula's table that is no number, and its values, the default first."""

_TABLES: dict[str, dict[str, Any]] = {
    "activation": dict(ACTIVATIONS),
    "layer": dict(LAYERS),
    "loss": dict(LOSSES),
    "penalty": dict(PENALTIES),
    "optimizer": dict(OPTIMIZERS),
    "schedule": dict(SCHEDULES),
    "initializer": dict(INITIALIZERS),
}


def names(kind: str) -> tuple[str, ...]:
    """The names of all formulas of a kind ("activation", "loss", "penalty" …)."""
    return tuple(_TABLES[kind])


def add(kind: str, formula: Any) -> None:
    """Register a custom formula under its name, unproved.

    Another object of the same name is refused, even with equal code (as when a notebook's cell runs again), because
    problems made with the first one would change their meaning.
    """
    name = formula.name
    if name in _BUILT_IN[kind]:
        raise BadInput(f"the {kind} '{name}' exists already; choose another name")
    if _TABLES[kind].setdefault(name, formula) != formula:
        remedy = f'take that one away first: unregister("{kind}", "{name}")'
        raise BadInput(f"the {kind} '{name}' of your own exists already; choose another name, or {remedy}")
    accept(formula)


def accept(formula: Any) -> None:
    """Let a formula that has been proved be used, also where it is handed over in place of a name."""
    parts = _formula_parts(formula)
    if parts not in _ACCEPTED:  # workers take the same formulas over again and again
        _ACCEPTED.append(parts)


def remove(kind: str, name: str) -> None:
    if not isinstance(name, str) or name in _BUILT_IN[kind] or name not in _TABLES[kind]:
        raise BadInput(f"{short_repr(name)} is no {kind} of your own; only those can be removed")
    del _TABLES[kind][name]


_ACCEPTED: list[list[Any]] = []
"""What proved formulas of the user's compute with; problems keep them when their names are gone."""
_BUILT_IN = {kind: dict(table) for kind, table in _TABLES.items()}
_KINDS = {type(formula): kind for kind, table in _BUILT_IN.items() for formula in table.values()}
_IGNORED_FIELDS = frozenset(
    {"name", "range", "domain", "targets", "flat", "kinks", "module", "rescaling", "symbol", "agreement", "sentences"}
)
"""Fields of a formula that do not affect what it computes: its name, and what it may be combined with."""
_DESCRIBED_FIELDS = frozenset({"parameters", "per", "biases", "sizes"})
"""Fields that `describe_formula` reports."""


def kind_of(value: Any) -> str:
    """The kind of a formula, also of a subclass; "" for other values."""
    return next((_KINDS[one] for one in type(value).__mro__ if one in _KINDS), "")


def own_digest(formula: Any) -> str | None:
    """The digest of a custom formula without its parameters; None if it is built in."""
    return None if is_built_in(formula) else formula_digest([*map(_computed, _formula_parts(formula))])


def _computed(part: Any) -> Any:
    """Return the fingerprints of a function's operations, or the value as it is."""
    if not callable(part):
        return part
    try:
        arguments = signature(part).parameters.values()
        if any(argument.kind in (argument.VAR_POSITIONAL, argument.VAR_KEYWORD) for argument in arguments):
            return part
        names = [argument.name for argument in arguments if argument.default is argument.empty]
        return [trace(part, names, dtype).fingerprint for dtype in ("float32", "float64")]
    except (NotTraceable, TypeError, ValueError):  # the last two for what has no signature
        return part


def is_formula(value: Any) -> bool:
    return type(value) in _KINDS


def is_built_in(formula: Any) -> bool:
    """Whether a formula computes with the functions of the built-in formula."""
    built_in = _BUILT_IN[kind_of(formula)].get(formula.name)
    if formula == DENSE_WITHOUT_BIASES:
        return True
    return built_in is not None and _formula_parts(formula) == _formula_parts(built_in)


def is_size(value: Any) -> bool:
    """Whether a value can be the size of an axis."""
    return isinstance(value, int | np.integer) and not isinstance(value, bool) and int(value) >= 1


def _formula_parts(formula: Any) -> list[Any]:
    skipped = _IGNORED_FIELDS | _DESCRIBED_FIELDS
    return [getattr(formula, field.name) for field in fields(formula) if field.name not in skipped]


def custom_formula(kind: str, given: Named) -> Any:
    """Look up a custom formula by name or table; None if it is built in."""
    name, _ = _split_name(kind, given)
    return None if name in _BUILT_IN[kind] else _find(kind, name)


def take_over(formulas: Mapping[tuple[str, str], Any]) -> None:
    for (kind, name), formula in formulas.items():
        if kind in _TABLES:
            _TABLES[kind][name] = formula
            accept(formula)


def describe_formula(formula: Any) -> str | dict[str, Any]:
    """A formula as recipes write it: its name, or a table with its parameters."""
    extra = {**getattr(formula, "parameters", {}), **getattr(formula, "sizes", {})}
    for key, (default, _) in CHOICES.values():
        if getattr(formula, key, default) != default:
            extra[key] = getattr(formula, key)
    return {"name": formula.name, **extra} if extra else formula.name


def find(kind: str, given: Any) -> Any:
    """Look up a formula by its name or table; a formula itself is returned as it is, if it has been proved."""
    if kind_of(given) == kind:
        is_known = kind in ("initializer", "schedule") or is_built_in(given)
        if not is_known and _formula_parts(given) not in _ACCEPTED:
            raise BadInput(
                f"the {kind} '{given.name}' is not proved; give its functions to register_{kind}, and use the name"
            )
        return given
    name, parameters = _split_name(kind, given)
    formula = _find(kind, name)
    known = dict(getattr(formula, "parameters", {}))
    choice, choices = CHOICES.get(kind, ("", ()))
    changed = {}
    for key, value in parameters.items():
        if choices and key == choice:
            if value not in choices:
                raise BadInput(f"{key} of the {kind} '{name}' is {short_repr(value)}; give {quoted(choices)}")
            changed[choice] = value
        elif key in getattr(formula, "sizes", {}):
            if not is_size(value):
                raise BadInput(f"the size '{key}' of '{name}' is {short_repr(value)}; give a whole number, 1 or more")
            changed["sizes"] = Fixed({**changed.get("sizes", formula.sizes), key: int(value)})
        elif key in known:
            known[key] = check_parameter(kind, name, key, value)
            changed["parameters"] = Fixed(known)
        else:
            allowed = ", ".join(filter(None, [*known, *getattr(formula, "sizes", ()), choice])) or "none"
            raise BadInput(f"the {kind} '{name}' has no parameter '{key}'; its parameters: {allowed}")
    return replace(formula, **changed) if changed else formula


activation: Callable[[Named | Activation], Activation] = partial(find, "activation")
layer: Callable[[Named | Layer], Layer] = partial(find, "layer")
loss: Callable[[Named | Loss], Loss] = partial(find, "loss")
penalty: Callable[[Named | Penalty], Penalty] = partial(find, "penalty")
optimizer: Callable[[Named | Optimizer], Optimizer] = partial(find, "optimizer")
schedule: Callable[[Named | Schedule], Schedule] = partial(find, "schedule")
initializer: Callable[[Named | Initializer], Initializer] = partial(find, "initializer")


def _split_name(kind: str, given: Named) -> tuple[str, dict[str, Any]]:
    if isinstance(given, str):
        return given, {}
    if not isinstance(given, Mapping) or not isinstance(given.get("name"), str):
        raise BadInput(f"the {kind} is {short_repr(given)}; give its name, or a table with its name and parameters")
    return given["name"], {key: value for key, value in given.items() if key != "name"}


def _find(kind: str, name: str) -> Any:
    table = _TABLES[kind]
    if name not in table:
        raise BadInput(f"there is no {kind} '{name}'{hint_at(name, table)}")
    return table[name]


def hint_at(name: str, known: Collection[str]) -> str:
    """The end of a sentence about an unknown name: the one that was meant, or all that there are."""
    near = get_close_matches(name.lower(), known, 1)
    return f"; did you mean '{near[0]}'?" if near else f"; there are: {', '.join(known)}"


def check_parameter(kind: str, name: str, key: str, value: Any) -> Any:
    """Check the parameter `key` of a formula, and return it as Python numbers.

    NumPy's numbers would turn a float32 formula into float64.
    """
    value = value.tolist() if isinstance(value, np.ndarray | np.generic) else value
    called = f"the parameter '{key}' of the {kind} '{name}'"
    allowed = PARAMETERS.get(f"{name}.{key}", FINITE)
    if isinstance(value, list | tuple):
        if kind not in ("optimizer", "schedule"):
            raise BadInput(f"{called} is {short_repr(value)}; give one number, for all members")
        return [allowed.check(called, item) for item in value]
    return allowed.check(called, int(value) if isinstance(value, bool) and key == "at_start" else value)


def allowed_parameter(name: str, key: str) -> str:
    return PARAMETERS.get(f"{name}.{key}", FINITE).words
