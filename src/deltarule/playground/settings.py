"""The settings that the page shows, with their allowed values and help."""

import inspect
from collections.abc import Mapping
from typing import Any

from deltarule.data.dataset import Dataset
from deltarule.data.load import LOADERS
from deltarule.data.published import PUBLISHED
from deltarule.playground.custom_formulas import PRESETS
from deltarule.playground.exports import recipe_toml
from deltarule.problem import registry
from deltarule.problem.configuration import DOTTED_KEYS, FORMULAS
from deltarule.problem.problem import Problem
from deltarule.problem.resolved_configuration import resolve_configuration
from deltarule.problem.settings import SETTINGS
from deltarule.studies.recipes import Recipe

KINDS = {f"{section}.{key}": kind for section, key, kind in FORMULAS}
HELP = {
    **{DOTTED_KEYS[name]: setting.meaning for name, setting in SETTINGS.items()},
    "data.name": "The rows that are trained on.",
    "data.split": "Share of the rows that training never sees; by them a network is judged.",
    "network.layers": "Units of each hidden layer; more units bend the boundary in more places.",
    "network.activation": "What a hidden unit makes of its weighted sum; without one, layers are one linear function.",
    "network.output": "What the last layer makes of its sums: softmax for classes, identity for numbers.",
    "network.batch_norm": "Whether hidden layers normalize their sums over the batch.",
    "network.initializer": "The law from which the first weights are drawn.",
    "loss.name": "What is lowered: the distance between outputs and targets.",
    "loss.penalty": "A term that keeps weights small.",
    "optimizer.name": "How a gradient becomes a step.",
    "optimizer.schedule": "How the learning rate changes in the course of training.",
    "run.seeds": "How many networks train, each from first weights of its own.",
    "run.dtype": "Precision of all numbers.",
    "data.scale": "Whether columns are scaled first: standardize gives each mean 0 and deviation 1.",
}
"""Every setting of the page, with a sentence that explains it."""

DATA_OPTIONS = {
    "samples": "How many points are drawn",
    "noise": "How far points are moved at random",
    "classes": "How many classes there are",
    "squares": "How many squares a side has",
    "size": "How many inputs there are, one of which is 1",
    "seed": "Which points are drawn: another seed gives others",
}
"""The options of the synthetic data sets, with a phrase that explains each."""


def describe_settings(recipe: Recipe, problem: Problem) -> dict[str, Any]:
    """Describe the settings of a recipe and their choices for the page.

    Returns `values` by dotted key, `choices` and `help` of the keys on the page, the `parameters` and `equations` of
    the formulas that keys name, `grid`, `toml`, and examples of custom `formulas`.
    """
    resolved = resolve_configuration(recipe.configuration)
    values = {f"{section}.{key}": value for section, keys in resolved.items() for key, value in keys.items()}
    network = problem.network
    values["network.layers"] = list(network.sizes)
    hidden, activation = len(network.layers) - 1, resolved["network"]["activation"]
    values["network.activation"] = activation if isinstance(activation, list) else [activation] * hidden
    choices = {key: [name for name in registry.names(kind) if name != "adaptive"] for key, kind in KINDS.items()}
    choices |= {"data.name": [name for name in LOADERS if name not in ("linear", "diabetes", *PUBLISHED)]}
    choices |= {"run.dtype": ["float64", "float32"], "data.scale": ["none", "unit", "standardize", "center"]}
    parameters = {key: _parameters(key, kind, values[key]) for key, kind in KINDS.items()}
    parameters["data.name"] = _data_options(values["data.name"])
    return {
        "values": values,
        "choices": choices,
        "help": HELP,
        "parameters": parameters,
        "equations": {
            "optimizer.name": equation_of(registry.optimizer(values["optimizer.name"]).update),
            "optimizer.schedule": equation_of(registry.schedule(values["optimizer.schedule"]).rate),
        },
        "grid": {key: list(values) for key, values in recipe.configuration.grid.items()},
        "toml": recipe_toml(recipe.configuration),
        "formulas": PRESETS,
    }


def _parameters(key: str, kind: str, formula: Any) -> list[dict[str, Any]]:
    if not isinstance(formula, Mapping):
        return []
    name, section = formula["name"], key.partition(".")[0]
    return [
        {
            "key": f"{section}.{parameter}" if f"{section}.{parameter}" in HELP else f"{key}.{parameter}",
            "name": parameter.replace("_", " "),
            "value": formula[parameter],
            "help": f"A parameter of {name}: {registry.allowed_parameter(name, parameter)}; {default:g} unless given.",
        }
        for parameter, default in registry.find(kind, name).parameters.items()
    ]


def equation_of(function: Any) -> str:
    return " ".join((inspect.getdoc(function) or "").partition("\n\n")[0].split())


def _data_options(source: Any) -> list[dict[str, Any]]:
    options = source if isinstance(source, Mapping) else {"name": source}
    loader = LOADERS.get(options["name"])
    parameters = {} if loader is None else inspect.signature(loader).parameters
    return [
        {
            "key": f"data.name.{option}",
            "name": option,
            "value": options.get(option, parameters[option].default),
            "help": f"{meaning}; {parameters[option].default} unless given.",
        }
        for option, meaning in DATA_OPTIONS.items()
        if option in parameters
    ]


def fitting_settings(recipe: Recipe, dataset: Dataset) -> dict[str, Any]:
    """The settings that adapt a recipe's network to other data."""
    network, has_classes = recipe.configuration.network, bool(dataset.classes)
    settings: dict[str, Any] = {"network.layers": ["auto", *network.layers[1:-1], "auto"]}
    gives_shares = registry.activation(network.output).range in ("unit", "simplex")
    if has_classes != gives_shares:
        output, loss = ("softmax", "cross_entropy") if has_classes else ("identity", "squared_error")
        settings |= {"network.output": output, "loss.name": loss}
    return settings
