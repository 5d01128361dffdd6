"""Read, check and change the configuration of a recipe, by dotted keys."""

import hashlib
import json
import tomllib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, replace
from difflib import get_close_matches
from typing import Any

from deltarule.errors import BadInput
from deltarule.problem import registry
from deltarule.problem.create import create_problem
from deltarule.problem.error_messages import shorten_toml
from deltarule.problem.formula_fingerprint import formula_digest
from deltarule.problem.network import Network, describe_layer, formula_and_place
from deltarule.problem.recipe_sections import Configuration, read_section
from deltarule.problem.settings import SETTABLE, SETTINGS, is_size

FORMULAS = {key: setting.form.kind for key, setting in SETTINGS.items() if setting.form.kind}
"""The keys that name formulas, with the kind of formula."""

DOTTED_KEYS = {key.partition(".")[2]: key for key in SETTINGS}
"""The keys by the names of `create_problem`'s arguments, with which its messages begin."""

REPLACED_KEYS = {"name": ("file", "target"), "file": ("name",)}
"""Keys of [data] that are removed when another one is set, so that one setting moves a study to other data."""


def parse_toml(text: str, where: str = "the recipe") -> Configuration:
    """Parse and check the TOML text of a recipe."""
    try:
        table = read_toml(text)
    except ValueError as error:
        raise BadInput(f"{where} is not TOML: {error}; correct it there") from None
    return parse(table, where)


def read_toml(text: str) -> dict[str, Any]:
    try:
        return tomllib.loads(text)
    except RecursionError:
        raise ValueError("lists and tables are nested too deeply") from None


def parse(table: Mapping[str, Any], where: str = "the recipe") -> Configuration:
    """Check the table of a recipe; `BadInput` for its first error."""
    try:
        configuration = _validate(table)
        _check_experiments(configuration)
        alone = replace(configuration, grid={})  # avoids copying a long grid for each of its values
        first = {key: values[0] for key, values in configuration.grid.items()}
        for key, values in configuration.grid.items():
            for value in values:
                with_changes(alone, first | {key: value})
    except BadInput as error:
        raise BadInput(f"{where}: {error}") from None
    return configuration


def with_changes(configuration: Configuration, settings: Mapping[str, Any], is_of_grid: bool = False) -> Configuration:
    """A checked copy of the configuration with some dotted keys changed.

    A formula's parameter is a key below the formula's: "optimizer.schedule.every". Values of a grid that has been
    checked are not tried in a problem once more, which takes longest.
    """
    return _validate(_changed_table(configuration, settings), tries_problem=not is_of_grid)


def _validate(table: Mapping[str, Any], tries_problem: bool = True) -> Configuration:
    """Validate a table without its experiments and grid."""
    configuration = read_section(Configuration, table)
    _check_data(configuration)
    if configuration.stopping.max_steps is None and configuration.stopping.max_epochs is None:
        raise BadInput("stopping.max_steps and stopping.max_epochs are both missing; give one, a whole number")
    if tries_problem:
        _check_problem(configuration)
    return configuration


def _changed_table(configuration: Configuration, settings: Mapping[str, Any]) -> dict[str, Any]:
    """The configuration as an unchecked table with some dotted keys changed."""
    table = asdict(configuration)
    # A name before its parameters, because setting a name removes them.
    for dotted, value in sorted(settings.items(), key=lambda item: item[0].count(".")):
        path = _split_key(dotted)
        replaced = [dotted]
        if path[0] == "data" and value not in (None, "none"):
            others = [key for key in REPLACED_KEYS.get(path[1], ()) if f"data.{key}" not in settings]
            table["data"] |= dict.fromkeys(others)
            replaced += [f"data.{key}" for key in others]
        _set_nested(table, path, value)
        table["grid"] = {
            key: values for key, values in table["grid"].items() if not _parent_keys(key, replaced, include_itself=True)
        }
    return table


def is_optional(dotted: str) -> bool:
    """Whether a dotted key may be set to "none", which removes its value."""
    return dotted in SETTINGS and SETTINGS[dotted].is_optional


def check_beside_grid(configuration: Configuration, dotted_keys: Iterable[str]) -> None:
    for dotted in dotted_keys:
        if parents := _parent_keys(dotted, configuration.grid):
            raise BadInput(f"{dotted} is set and the grid sets {parents[0]}; set {parents[0]} too, or change the grid")


def _parent_keys(dotted: str, keys: Iterable[str], include_itself: bool = False) -> list[str]:
    return [key for key in keys if dotted.startswith(f"{key}.") or (include_itself and dotted == key)]


def _set_nested(table: dict[str, Any], path: list[str], value: Any) -> None:
    *parents, last = path
    for depth, part in enumerate(parents, start=1):
        child = table.get(part)
        if child is not None and not isinstance(child, str | Mapping):
            raise BadInput(f"{'.'.join(parents[:depth])} has no parameters, so '{'.'.join(path)}' cannot be set")
        table[part] = {"name": child} if isinstance(child, str) else dict(child or {})
        table = table[part]
    table[last] = value


def _split_key(dotted: str) -> list[str]:
    path = dotted.split(".")
    if ".".join(path[:2]) in SETTINGS:
        return path
    same = [key for key in SETTINGS if path[-1] in (key.partition(".")[2], _initials(key))]
    near = same or get_close_matches(dotted, SETTINGS, 1)
    hint = f"did you mean '{near[0]}'?" if near else f"keys begin with {', '.join(SETTABLE)} and a dot"
    raise BadInput(f"there is no key '{dotted}' that can be set; {hint}")


def _initials(key: str) -> str | None:
    words = key.partition(".")[2].split("_")
    return "".join(word[0] for word in words) if len(words) > 1 else None


def _check_data(configuration: Configuration) -> None:
    """Check that the recipe names either a data set or a file."""
    data = configuration.data
    if (data.name is None) == (data.file is None):
        given = f"data.name is {shorten_toml(data.name)} and data.file is {shorten_toml(data.file)}"
        raise BadInput(f"{given}; give one of them, the name of a data set, or a CSV or npz file")
    if data.name is not None and data.target is not None:
        raise BadInput(
            f"data.target is {shorten_toml(data.target)}, but only a file has a choice of targets; leave it out"
        )


def _check_problem(configuration: Configuration) -> None:
    """Check that the settings fit each other, by creating a problem with one row."""
    for dotted, kind, value in formulas_of(configuration):
        try:
            registry.find(kind, value)
        except BadInput as error:
            raise BadInput(f"{dotted}: {error}") from None
    layers = configuration.network.layers
    try:
        if "auto" not in layers:
            create_network(configuration, layers)
        network = create_network(configuration, [_with_one_unit(item) for item in layers])
        problem = create_problem(network, [[0.0]], [[0.0]], **problem_arguments(configuration))
    except BadInput as error:
        name, space, rest = str(error).partition(" ")
        raise BadInput(f"{DOTTED_KEYS.get(name, name)}{space}{rest}") from None
    if problem.members > 1:
        raise BadInput("a parameter of optimizer.name or optimizer.schedule is a list; give several under [grid]")


def _with_one_unit(item: Any) -> Any:
    if isinstance(item, Mapping):
        return {key: 1 if key == "units" else value for key, value in item.items()}
    return 1 if is_size(item) else item


def formulas_of(configuration: Configuration) -> Iterator[tuple[str, str, Any]]:
    """The formulas that a configuration names by keys of their own: dotted key, kind, and name or table."""
    for dotted, kind in FORMULAS.items():
        value = value_of(configuration, dotted)
        for formula in value if isinstance(value, tuple) else (value,):
            if formula is not None:
                yield dotted, kind, formula


def value_of(configuration: Configuration, dotted: str) -> Any:
    section, _, key = dotted.partition(".")
    return getattr(getattr(configuration, section), key)


def create_network(configuration: Configuration, sizes: Sequence[Any]) -> Network:
    options = asdict(configuration.network)
    return Network(sizes, **{name: options[name] for name in options.keys() - {"layers", "dropout", "initial_scale"}})


def problem_arguments(configuration: Configuration) -> dict[str, Any]:
    """The keyword arguments of `create_problem` that a configuration determines."""
    loss, optimizer = asdict(configuration.loss), asdict(configuration.optimizer)
    return {
        "loss": loss.pop("name"),
        "optimizer": optimizer.pop("name"),
        **loss,
        **optimizer,
        "dropout": configuration.network.dropout,
        "initial_scale": configuration.network.initial_scale,
        "dtype": configuration.run.dtype,
    }


def _check_experiments(configuration: Configuration) -> None:
    """Raise `BadInput` unless experiments have different names and valid settings."""
    names = [experiment.name for experiment in configuration.experiment]
    for experiment in configuration.experiment:
        if names.count(experiment.name) > 1:
            raise BadInput(f"there are two experiments named '{experiment.name}'; give each a name of its own")
        try:
            with_changes(configuration, experiment.set)
        except BadInput as error:
            raise BadInput(f"experiment '{experiment.name}': {error}") from None


# --- all settings, and their hash -------------------------------------------------------------------------------------

NUMERICS_VERSIONS = {"float64": 1, "float32": 2}
"""By dtype; part of every hash, and increased when a configuration no longer gives the numbers of the last release."""


def resolve_configuration(configuration: Configuration) -> dict[str, dict[str, Any]]:
    """All settings that determine the results of a run, in canonical form.

    Equal values become one, a name with parameters a table with all of them, and the seeds 0 … N − 1 become N.
    """
    table = {section: asdict(getattr(configuration, section)) for section in SETTABLE}
    data, network, optimizer, run = (table[name] for name in ("data", "network", "optimizer", "run"))
    for key in ("name", "file", "offline"):
        if isinstance(data[key], Mapping) and len(data[key]) == 1:
            data[key] = data[key]["name"]
    network["layers"] = [item if is_size(item) else describe_layer(item) for item in network["layers"]]
    for dotted, kind in FORMULAS.items():
        section, _, key = dotted.partition(".")
        table[section][key] = _collapse_equal(_describe_formulas(kind, table[section][key]))
    network["dropout"] = _collapse_equal(network["dropout"])
    if optimizer["momentum"] is not None:
        optimizer["name"]["momentum"] = optimizer["momentum"]
    elif isinstance(optimizer["name"], dict):
        optimizer["momentum"] = optimizer["name"].get("momentum")
    if not isinstance(run["seeds"], int):
        count = len(run["seeds"])
        run["seeds"] = count if run["seeds"] == tuple(range(count)) else list(run["seeds"])
    return table


def own_formulas(configuration: Configuration) -> dict[tuple[str, str], Any]:
    found = {}
    for _, kind, value in formulas_of(configuration):
        if (formula := registry.custom_formula(kind, value)) is not None:
            found[kind, formula.name] = formula
    for item in configuration.network.layers:
        if not is_size(item):
            formula, _ = formula_and_place(item)
            kind = registry.kind_of(formula)
            if (own := registry.custom_formula(kind, formula.name)) is not None:
                found[kind, own.name] = own
    return found


def own_digests(formulas: Mapping[tuple[str, str], Any]) -> dict[str, str]:
    """The digests of custom formulas, keyed by text such as "activation mine".

    Default values of parameters are part of a digest, because a recipe need not name them.
    """
    return {
        " ".join(kind_and_name): formula_digest([registry.own_digest(formula), getattr(formula, "parameters", None)])
        for kind_and_name, formula in formulas.items()
    }


def _describe_formulas(kind: str, value: Any) -> Any:
    if isinstance(value, tuple):
        return tuple(_describe_formulas(kind, one) for one in value)
    return None if value is None else registry.describe_formula(registry.find(kind, value))


def _collapse_equal(value: Any) -> Any:
    if not isinstance(value, tuple):
        return value
    return value[0] if value and all(item == value[0] for item in value) else list(value)


def configuration_hash(configuration: Configuration, formulas: Mapping[str, str] | None = None) -> str:
    """SHA-256 hash of the settings that determine results, equal on every machine.

    Texts (the study's, experiments, assumptions) and the grid do not count; nor does whether a default is written out,
    except for the options of a data set or file. A custom formula counts with what it computes in this version of
    Python, or with its digest in `formulas`.
    """
    own = own_formulas(configuration)
    digests = {name: (formulas or {}).get(name, digest) for name, digest in own_digests(own).items()}
    content = {
        "numerics": NUMERICS_VERSIONS[configuration.run.dtype],
        **resolve_configuration(configuration),
        **({"formulas": digests} if own else {}),
    }
    text = json.dumps(_canonical(content), sort_keys=True, separators=(",", ":"), allow_nan=False)
    return hashlib.sha256(text.encode("ascii")).hexdigest()


def _canonical(value: Any) -> Any:
    """Copy a value so that equal numbers look alike."""
    if isinstance(value, dict):
        return {key: _canonical(one) for key, one in value.items()}
    if isinstance(value, list):
        return [_canonical(one) for one in value]
    if isinstance(value, float) and value.is_integer():
        return int(value)
    return int(value) if isinstance(value, bool) else value
