"""Read and check a study's recipe, and create its data, problem and stop rules.

K members: the seeds of a recipe, or of several configurations that differ only in numbers.
"""

import itertools
import re
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from difflib import get_close_matches
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from deltarule.data import load as loading
from deltarule.data.dataset import Dataset
from deltarule.data.pipeline import data_key, name_and_options, prepare_dataset
from deltarule.errors import BadInput
from deltarule.problem.configuration import parse_toml, read_toml, resolve_configuration, with_changes
from deltarule.problem.error_messages import shorten_toml
from deltarule.problem.problem import Integers, Problem
from deltarule.problem.recipe_sections import Configuration
from deltarule.problem.settings import SETTINGS
from deltarule.training import populations
from deltarule.training.options import StopRules
from deltarule.training.populations import configuration_key, plan_populations, problem_of_seeds, seeds_of

STUDIES = Path(__file__).parent / "studies"


@dataclass(frozen=True)
class Recipe:
    """A study's checked configuration, and where it came from.

    name        the study's, or that of the file without its ending
    folder      of the recipe, which is searched for data files
    experiment  the name of the chosen variant
    settings    every key that was changed since the file was read, also by the experiment, dotted
    """

    name: str
    folder: Path
    configuration: Configuration
    experiment: str | None = None
    settings: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, eq=False)
class Population:
    """Members that train together, as they differ only in numbers and seeds.

    recipe    of the first of them: its shape, stop rules and run settings hold for all
    problem   with K members
    settings  [K], for each member the index of its settings in the list they came from
    """

    recipe: Recipe
    dataset: Dataset
    problem: Problem
    settings: Integers


# --- finding and changing recipes ------------------------------------------------------------------------------------


def load_recipe(study: str | Path) -> Recipe:
    """Read and check the recipe of a bundled study, or of a TOML file.

    Raises `BadInput` for an unknown name, a file that cannot be read, and any mistake in the recipe.

    >>> load_recipe("digits").configuration.data.name
    'digits'
    """
    if isinstance(study, str) and study in bundled_folders():
        name = study
        path = bundled_folders()[study] / "recipe.toml"
    else:
        name = Path(study).stem
        path = Path(study)
    configuration = parse_toml(_read_recipe_text(study, path), str(study))
    _check_metric_and_data_names(configuration, f"{study}: ")
    return Recipe(name, path.parent, configuration)


@cache
def bundled_folders() -> dict[str, Path]:
    """The folders of the studies that are part of deltarule, by name."""
    return {file.parent.name.replace("_", "-"): file.parent for file in sorted(STUDIES.glob("*/recipe.toml"))}


def bundled_studies() -> tuple[tuple[str, str, str], ...]:
    """The studies that are part of deltarule: (name, title, summary) of each."""
    studies = [(name, load_recipe(name).configuration.study) for name in bundled_folders()]
    return tuple((name, study.title, study.summary) for name, study in studies)


def parse_setting(text: str) -> tuple[str, Any]:
    """Parse a setting of the command line, "key=value" with a dotted key.

    A single word needs no quotes: letters, digits, "_" and "-", beginning with a letter. Other texts need them.
    """
    dotted, equals, value = (part.strip() for part in text.partition("="))
    if not (dotted and equals and value):
        raise BadInput(f"the setting {text!r} lacks a part; give key=value, such as optimizer.learning_rate=5")
    try:
        table = read_toml(f"value = {value}")
    except tomllib.TOMLDecodeError:
        table = {}
    except ValueError as error:  # valid TOML that has no use here
        raise BadInput(f"the value in {text!r} cannot be used: {error}; give another") from None
    if set(table) == {"value"}:
        return dotted, table["value"]
    if re.fullmatch(r"[A-Za-z][A-Za-z0-9_-]*", value):
        return dotted, value
    raise BadInput(
        f"the value in {text!r} is not TOML; give a number, true or false, a list such as [8, 3, 8], or a text in "
        f"quotes, with the whole setting in quotes of the other kind: '{dotted}=\"a text\"'"
    )


def with_settings(recipe: Recipe, settings: Mapping[str, Any]) -> Recipe:
    """Copy a recipe with some of its keys changed.

    Raises `BadInput` for an unknown key, a value that is not allowed, keys that do not fit each other, and settings
    without effect.

    >>> with_settings(load_recipe("digits"), {"run.seeds": 3}).configuration.run.seeds
    3
    """
    configuration = with_changes(recipe.configuration, settings)
    _check_metric_and_data_names(configuration)
    _check_stop_rules(configuration, settings)
    return replace(recipe, configuration=configuration, settings={**recipe.settings, **settings})


def with_experiment(recipe: Recipe, name: str) -> Recipe:
    """Copy a recipe with an experiment's settings; a second one adds its settings.

    Raises `BadInput` for an unknown experiment.

    >>> with_experiment(load_recipe("digits"), "linear").configuration.network.layers
    ('auto', 'auto')
    """
    experiments = {experiment.name: experiment for experiment in recipe.configuration.experiment}
    if name not in experiments:
        raise BadInput(f"{recipe.name} has no experiment '{name}'; {_suggest(name, experiments)}")
    names = ", ".join(filter(None, (recipe.experiment, name)))
    return replace(with_settings(recipe, experiments[name].set), experiment=names)


def expand_grid(recipe: Recipe) -> list[tuple[dict[str, Any], Recipe]]:
    """List every combination of the grid's values, with the recipe of each."""
    grid = recipe.configuration.grid
    combinations = [dict(zip(grid, values, strict=True)) for values in itertools.product(*grid.values())]
    return [(settings, with_settings(recipe, settings)) for settings in combinations]


def explain_recipe(recipe: Recipe) -> dict[str, Any]:
    """Describe a recipe as plain values: every key, and the assumptions made.

    It has `study`, `title`, `report`, `summary`, `criterion`, `experiment` and `settings` (those chosen), `keys` by
    section, `grid`, `experiments`, `assumptions` (where the report is silent).
    """
    configuration = recipe.configuration
    words = asdict(configuration.study)
    return {
        "study": recipe.name,
        **{key: words[key] for key in ("title", "report", "summary", "criterion")},
        "experiment": recipe.experiment,
        "settings": dict(recipe.settings),
        "keys": resolve_configuration(configuration),
        "grid": {key: list(values) for key, values in configuration.grid.items()},
        "experiments": [asdict(experiment) for experiment in configuration.experiment],
        "assumptions": [asdict(assumption) for assumption in configuration.assumption],
    }


# --- from a recipe to a training -------------------------------------------------------------------------------------


def dataset_of(recipe: Recipe, data_dir: str | Path | None = None) -> Dataset:
    """Load a recipe's data set, split it into parts, and scale it.

    A data file is looked for in `data_dir`, then in the recipe's folder and the current one.
    Raises `BadInput` for data that cannot be read, split or scaled, or lack a part that the recipe uses.

    >>> {part: len(rows) for part, rows in dataset_of(load_recipe("digits")).parts.items()}
    {'train': 1438, 'test': 359}
    """
    return prepare_dataset(recipe.configuration, recipe.folder, data_dir)


def problem_of(recipe: Recipe, dataset: Dataset, seeds: int | Sequence[int] | None = None) -> Problem:
    """Create the problem of a recipe for these data, with one member for each seed.

    `seeds` replaces the recipe's: N for the seeds 0 … N − 1, or a list.
    Raises `BadInput` if network, loss and data do not fit each other.

    >>> digits = load_recipe("digits")
    >>> problem_of(digits, dataset_of(digits), seeds=2)
    Problem of 2 × Network 64-128-10 (relu, softmax), 9,610 parameters...
    """
    if seeds is not None:
        recipe = with_settings(recipe, {"run.seeds": seeds if isinstance(seeds, int) else list(seeds)})
    return problem_of_seeds([recipe.configuration], dataset)


def populations_of_settings(
    recipe: Recipe, dataset: Dataset, settings: Sequence[Mapping[str, Any]], data_dir: str | Path | None = None
) -> tuple[Population, ...]:
    """Create the populations of a recipe under each of the `settings`.

    Settings that differ only in numbers train together: learning rate, momentum, strength, dropout, initial scale, and
    the parameters of optimizer and schedule. `dataset` is the recipe's own; settings that change the data load theirs.
    """
    recipes = [with_settings(recipe, changes) for changes in settings]
    loaded = {data_key(recipe.configuration): dataset}
    made = []
    for indices in plan_populations(configuration_key(recipe.configuration) for recipe in recipes).values():
        first = recipes[indices[0]]
        configurations = [recipes[index].configuration for index in indices]
        rows = loaded.get(data_key(first.configuration)) or dataset_of(first, data_dir)
        loaded[data_key(first.configuration)] = rows
        counts = [len(seeds_of(configuration)) for configuration in configurations]
        made.append(Population(first, rows, problem_of_seeds(configurations, rows), np.repeat(indices, counts)))
    return tuple(made)


def training_of(recipe: Recipe, dataset: Dataset, problem: Problem) -> dict[str, Any]:
    """The arguments of `training.train.train` that a recipe decides.

    >>> digits = load_recipe("digits")
    >>> dataset = dataset_of(digits)
    >>> training_of(digits, dataset, problem_of(digits, dataset))["max_epochs"]
    40
    """
    return populations.training_of(recipe.configuration, dataset, problem)


# --- reading and checking --------------------------------------------------------------------------------------------


def _read_recipe_text(study: str | Path, path: Path) -> str:
    """Read a recipe's file, or raise `BadInput` with the nearest name of a study."""
    try:
        return path.read_text(encoding="utf-8-sig")
    except (OSError, ValueError) as error:
        is_there = isinstance(error, IsADirectoryError | PermissionError)
        if isinstance(study, str) and not path.suffix and path.name == study and not is_there:
            hint = f"{_suggest(study, bundled_folders())} (or give the path of a TOML file)"
            raise BadInput(f"there is no study '{study}'; {hint}") from None
        why = getattr(error, "strerror", None) or error
        raise BadInput(f"{study} cannot be read as a recipe: {why}; give a study's name or a TOML file") from None


def _suggest(name: str, known: Mapping[str, Any]) -> str:
    close = get_close_matches(name, known, 1)
    return f"did you mean '{close[0]}'?" if close else f"there are: {', '.join(known) or 'none'}"


def _check_stop_rules(configuration: Configuration, settings: Mapping[str, Any]) -> None:
    """Check that no changed setting belongs to a stop rule that is off."""
    stopping = configuration.stopping
    for key, rules in (("times", ["threshold"]), ("metric", ["threshold", "patience"])):
        value = getattr(stopping, key)
        is_there = any(getattr(stopping, rule) or f"stopping.{rule}" in configuration.grid for rule in rules)
        if f"stopping.{key}" in settings and value != SETTINGS[f"stopping.{key}"].default and not is_there:
            names = " or ".join(f"stopping.{rule}" for rule in rules)
            raise BadInput(f"stopping.{key} is {shorten_toml(value)} without a {names}; set {names} too")


def _check_metric_and_data_names(configuration: Configuration, prefix: str = "") -> None:
    try:
        StopRules(**asdict(configuration.stopping)).check_metric()
    except BadInput as error:
        raise BadInput(f"{prefix}[stopping]: {error}") from None
    for key in ("name", "offline"):
        source = getattr(configuration.data, key)
        name = None if source is None else name_and_options(source)[0]
        if name is not None and name not in loading.LOADERS:
            hint = f"{_suggest(name, loading.LOADERS)} (a table of your own goes under data.file)"
            raise BadInput(f"{prefix}data.{key}: there is no data set '{name}'; {hint}")
