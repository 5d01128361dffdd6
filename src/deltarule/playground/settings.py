"""The settings of the page, their values in a recipe, and the stories: what both of its hosts read."""

import inspect
import tomllib
from collections.abc import Mapping
from dataclasses import asdict
from functools import cache
from pathlib import Path
from typing import Any

from deltarule.data.dataset import Dataset
from deltarule.data.load import LOADERS
from deltarule.data.published import PUBLISHED
from deltarule.maths.losses import LOSSES
from deltarule.playground.custom_formulas import PRESETS
from deltarule.problem import registry
from deltarule.problem.configuration import FORMULAS, parse_toml, resolve_configuration
from deltarule.problem.recipe_sections import Configuration
from deltarule.problem.settings import SETTINGS, SplitSection, settings_of
from deltarule.recipes import Recipe

SHOWN = {
    "main": (
        *("data.split.test", "optimizer.learning_rate", "network.activation"),
        *("loss.penalty", "loss.strength", "network.layers"),
    ),
    "Data": ("data.name", "data.scale"),
    "Network": (
        *("network.output", "network.initializer", "network.initial_scale"),
        *("network.dropout", "network.batch_norm"),
    ),
    "Training": ("loss.name", "optimizer.name", "optimizer.schedule", "optimizer.batch_size"),
    "Population": ("run.seeds",),
}
"""The keys of the settings that the page shows, by the group in which they stand."""
DATA_OPTIONS = {
    "samples": "How many points are drawn",
    "noise": "How far points are moved at random",
    "classes": "How many classes there are",
    "squares": "How many squares a side has",
    "size": "How many inputs there are, one of which is 1",
    "seed": "Which points are drawn: another seed gives others",
}
"""The options of the synthetic data sets, with a phrase that explains each."""
SOLVED_AT = {"accuracy": 0.95, "r_squared": 0.9}
"""The score on the training rows from which a member counts as solved, unless the recipe has a criterion."""
OFFERED = [name for name in LOADERS if name not in ("linear", "diabetes", *PUBLISHED)]

_NAMED = [key for key in FORMULAS if key not in ("network.activation", "loss.penalty")]
"""Keys of formulas: their values are a name with parameters, as is that of "data.name"."""


@cache
def list_stories() -> tuple[dict[str, Any], ...]:
    """List all stories: `name`, `title`, `text`, `recipe` (TOML), its `configuration`, `parts` (see parts.toml)."""
    stories = []
    gallery = Path(__file__).with_name("gallery")
    parts = tomllib.loads((gallery / "parts.toml").read_text(encoding="utf-8"))
    for file in sorted(gallery.glob("[0-9]*.toml")):
        text = file.read_text(encoding="utf-8")
        configuration = parse_toml(text, file.name)
        stories.append(
            {
                "name": file.name.removesuffix(".toml"),
                "title": configuration.study.title,
                "text": configuration.study.summary,
                "recipe": text,
                "configuration": configuration,
                "parts": parts[file.stem.partition("-")[2]],
            }
        )
    return tuple(stories)


def catalog() -> dict[str, Any]:
    """What no recipe changes: choices of settings, parameters, data sets, stories."""
    choices = {key: [name for name in registry.names(kind) if name != "adaptive"] for key, kind in FORMULAS.items()}
    choices["loss.penalty"] = ["none", *choices["loss.penalty"]]
    known = {**SETTINGS, "data.split.test": settings_of(SplitSection)["test"]}
    choices |= {"data.name": OFFERED, "data.scale": list(known["data.scale"].form.choices)}
    return {
        "settings": [
            {
                "key": key,
                "group": group,
                "title": known[key].title,
                "help": known[key].meaning,
                "choices": choices.get(key),
            }
            for group, keys in SHOWN.items()
            for key in keys
        ],
        "parameters": {
            **{key: {name: _parameters(FORMULAS[key], name) for name in choices[key]} for key in _NAMED},
            "data.name": {name: _data_options(name) for name in OFFERED},
        },
        "formulas": PRESETS,
        "recipes": {story["name"]: described(story["configuration"]) for story in list_stories()},
        "solved_at": SOLVED_AT,
        "targets": {name: loss.targets for name, loss in LOSSES.items()},
        "stories": [{key: story[key] for key in ("name", "title", "text", "parts")} for story in list_stories()],
    }


def described(configuration: Configuration) -> dict[str, Any]:
    """What an address is relative to: the values, the grid and the criterion of a recipe."""
    criterion = configuration.study.criterion
    return {
        "values": values_of(configuration),
        "grid": configuration.grid,
        "criterion": None if criterion is None else asdict(criterion),
    }


def values_of(configuration: Configuration) -> dict[str, Any]:
    """The settings of a recipe by dotted key; formulas are tables with a name."""
    resolved = resolve_configuration(configuration)
    values = {f"{section}.{key}": value for section, keys in resolved.items() for key, value in keys.items()}
    hidden = list(configuration.network.layers)[1:-1]
    activation = values["network.activation"]
    activations = activation if isinstance(activation, list) else [activation] * len(hidden)
    return {
        **values,
        **{key: _named(values[key]) for key in (*_NAMED, "data.name")},
        "network.layers": hidden,
        "network.activation": [_named(one) for one in activations],
        "data.split.test": values["data.split"]["test"],
    }


def fitting_settings(recipe: Recipe, dataset: Dataset) -> dict[str, Any]:
    """The settings that adapt a recipe's network to other data."""
    network = recipe.configuration.network
    settings: dict[str, Any] = {"network.layers": ["auto", *network.layers[1:-1], "auto"]}
    if bool(dataset.classes) != (registry.activation(network.output).range in ("unit", "simplex")):
        output, loss = ("softmax", "cross_entropy") if dataset.classes else ("identity", "squared_error")
        settings |= {"network.output": output, "loss.name": loss}
    return settings


def _named(formula: Any) -> dict[str, Any] | None:
    return dict(formula) if isinstance(formula, Mapping) else None if formula is None else {"name": formula}


def _parameters(kind: str, name: str) -> dict[str, tuple[float, str]]:
    """The default of each parameter of a formula, and a sentence about it."""
    about = f"A parameter of {name}: "
    return {
        parameter: (default, f"{about}{registry.allowed_parameter(name, parameter)}; {default:g} unless given.")
        for parameter, default in registry.find(kind, name).parameters.items()
    }


def _data_options(name: str) -> dict[str, tuple[float, str]]:
    parameters = inspect.signature(LOADERS[name]).parameters
    return {
        option: (parameters[option].default, f"{meaning}; {parameters[option].default} unless given.")
        for option, meaning in DATA_OPTIONS.items()
        if option in parameters
    }
