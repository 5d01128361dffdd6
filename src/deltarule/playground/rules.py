"""What the keys of a recipe may be, as data: the page without Python refuses with Python's own sentences."""

import inspect
import math
from dataclasses import asdict, is_dataclass
from typing import Any

from deltarule.data.load import LOADERS
from deltarule.data.synthetic import OPTION_RANGES
from deltarule.maths.losses import LOSSES
from deltarule.playground.custom_formulas import PRESETS
from deltarule.playground.session import Request
from deltarule.playground.settings import SOLVED_AT
from deltarule.problem import registry
from deltarule.problem.configuration import FORMULAS
from deltarule.problem.create import NEEDED_PREDICTIONS
from deltarule.problem.ranges import FINITE, PARAMETERS, Range
from deltarule.problem.settings import SETTABLE, SETTINGS, Setting, SplitSection, settings_of
from deltarule.symptoms import detectors
from deltarule.symptoms.causes import CAUSES, FIXES

KNOWN = {
    *("data.name", "data.file", "data.target", "data.split", "data.scale", "loss.name", "loss.reduction"),
    *("loss.penalty", "loss.strength", "loss.penalize_biases", "optimizer.name", "optimizer.learning_rate"),
    *("optimizer.momentum", "optimizer.batch_size", "optimizer.schedule"),
    *(key for key in SETTINGS if key.startswith(("network.", "run.")) and key != "run.dtype"),
}
"""The keys of a recipe that the page's engine can train with; others must have their defaults."""


def rules() -> dict[str, Any]:
    """What the page's `rules.js` reads."""
    return {
        "examples": list(PRESETS["activation"].values()),
        "sections": list(SETTABLE),
        "on_page": sorted(KNOWN),
        "keys": {dotted: _rule(setting) for dotted, setting in SETTINGS.items()},
        "finite": _described(FINITE),
        "share": settings_of(SplitSection)["test"].form.allowed,
        "formulas": {
            kind: {
                name: {key: _described(PARAMETERS.get(f"{name}.{key}", FINITE)) for key in _parameters(kind, name)}
                for name in registry.names(kind)
            }
            for kind in dict.fromkeys(FORMULAS.values())
        },
        "choices": registry.CHOICES,
        "losses": {
            name: {"needs": NEEDED_PREDICTIONS.get(loss.domain), "targets": loss.targets}
            for name, loss in LOSSES.items()
        },
        "sources": {name: _options(name) for name in LOADERS},
        "causes": {
            "limits": {name: value for name, value in vars(detectors).items() if isinstance(value, float)},
            "fixes": FIXES,
            "at_end": next(cause.other_fix for cause in CAUSES if cause.other_fix),
            "flats": {name: registry.activation(name).flat for name in registry.names("activation")},
        },
        "solved_at": SOLVED_AT,
        "requests": Request.model_json_schema()["properties"],
    }


def _rule(setting: Setting) -> dict[str, Any]:
    form = setting.form
    rule = {"words": form.allowed, "optional": setting.is_optional, "form": form.name, "default": _default(setting)}
    if form.kind:
        return {**rule, "kind": form.kind}
    if form.name in ("number", "rates", "seeds"):
        return {**rule, "range": _described(form.range)}
    return {**rule, "choices": form.choices} if form.choices else rule


def _default(setting: Setting) -> Any:
    """The default as JSON has it, None where there is none."""
    default = setting.default
    if is_dataclass(default) and not isinstance(default, type):
        return asdict(default)
    return default if isinstance(default, str | float | int | bool) else None


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
