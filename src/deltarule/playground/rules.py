"""What the keys of a recipe may be, as data: the page without Python refuses with Python's own sentences."""

import inspect
import math
from typing import Any, Literal, get_args, get_origin

from pydantic.fields import FieldInfo

from deltarule.data.load import LOADERS
from deltarule.data.synthetic import OPTION_RANGES
from deltarule.maths.losses import LOSSES
from deltarule.problem import registry
from deltarule.problem.configuration import FORMULAS, SETTABLE
from deltarule.problem.create import NEEDED_PREDICTIONS
from deltarule.problem.error_messages import allowed_values
from deltarule.problem.recipe_sections import SplitSection
from deltarule.problem.settings import FINITE, PARAMETERS, SETTINGS, SHARE, WHOLE, Range

KINDS = {f"{section}.{key}": kind for section, key, kind in FORMULAS}
"""The kind of formula that a key names."""
KNOWN = {
    *("data.name", "data.file", "data.target", "data.split", "data.scale", "loss.name", "loss.reduction"),
    *("loss.penalty", "loss.strength", "loss.penalize_biases", "optimizer.name", "optimizer.learning_rate"),
    *("optimizer.momentum", "optimizer.batch_size", "optimizer.schedule"),
    *(f"{section}.{key}" for section in ("network", "run") for key in SETTABLE[section].model_fields if key != "dtype"),
}
"""The keys of a recipe that the page's engine can train with; others must have their defaults."""
_SHAPES = {"network.layers": "sizes", "network.dropout": "rates", "data.split": "split", "data.name": "source"}
_RANGES = {
    "run.seeds": ("seeds", WHOLE),
    "run.data_seed": ("number", WHOLE),
    "run.dropout_seed": ("number", WHOLE),
    "network.dropout": ("rates", SHARE),
}


def rules() -> dict[str, Any]:
    """What the page's `rules.js` reads."""
    fields = {
        f"{section}.{key}": (key, field)
        for section, model in SETTABLE.items()
        for key, field in model.model_fields.items()
    }
    return {
        "sections": list(SETTABLE),
        "on_page": sorted(KNOWN),
        "keys": {dotted: _rule(dotted, key, field) for dotted, (key, field) in fields.items()},
        "finite": _described(FINITE),
        "share": allowed_values(SplitSection.model_fields["test"]),
        "formulas": {
            kind: {
                name: {key: _described(PARAMETERS.get(f"{name}.{key}", FINITE)) for key in _parameters(kind, name)}
                for name in registry.names(kind)
            }
            for kind in dict.fromkeys(KINDS.values())
        },
        "choices": registry.CHOICES,
        "losses": {
            name: {"needs": NEEDED_PREDICTIONS.get(loss.domain), "targets": loss.targets}
            for name, loss in LOSSES.items()
        },
        "sources": {name: _options(name) for name in LOADERS},
    }


def _rule(dotted: str, key: str, field: FieldInfo) -> dict[str, Any]:
    rule: dict[str, Any] = {"words": allowed_values(field), "optional": type(None) in get_args(field.annotation)}
    if dotted in KINDS:
        return {**rule, "form": "formula", "kind": KINDS[dotted]}
    if dotted in _RANGES:
        form, allowed = _RANGES[dotted]
        return {**rule, "form": form, "range": _described(allowed)}
    if key in SETTINGS:
        return {**rule, "form": "number", "range": _described(SETTINGS[key].allowed)}
    if field.annotation is bool:
        return {**rule, "form": "flag"}
    if get_origin(field.annotation) is Literal:
        return {**rule, "form": "choice", "choices": get_args(field.annotation)}
    return {**rule, "form": _SHAPES.get(dotted, "other")}


def _parameters(kind: str, name: str) -> list[str]:
    return list(getattr(registry.find(kind, name), "parameters", {}))


def _options(name: str) -> dict[str, Any]:
    """The options of a data set: those that are generated have a default and a range."""
    parameters = inspect.signature(LOADERS[name]).parameters.values()
    options = {one.name: one.default for one in parameters if one.name not in ("data_dir", "name", "published")}
    return {
        option: {"default": default, "range": _described(OPTION_RANGES[option])} if option in OPTION_RANGES else {}
        for option, default in options.items()
    }


def _described(allowed: Range) -> dict[str, Any]:
    """A range as the page reads it, without what is usual."""
    described = allowed._asdict() | {
        "low": None if math.isinf(allowed.low) else allowed.low,  # JSON has no infinite numbers
        "high": None if math.isinf(allowed.high) else allowed.high,
    }
    return {key: value for key, value in described.items() if not (value is None or value is False or value == ())}
