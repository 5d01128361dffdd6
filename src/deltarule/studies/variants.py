"""Variants of a study beside one another: what each came to over its seeds, and in what they differ.

K seeds · T looks
"""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from deltarule.array_files import load_arrays, save_arrays
from deltarule.errors import BadInput
from deltarule.json_files import read_json
from deltarule.problem.problem import Floats, Integers
from deltarule.stats.effects import format_value
from deltarule.studies.recipes import Recipe, explain_recipe
from deltarule.studies.runner import first_holding_steps
from deltarule.training.history import History
from deltarule.training.run import Run

FILE = "experiments.safetensors"
FORMAT = "deltarule experiments 1"
ARRAYS = ("steps", "objective", "accuracy", "converged", "looks", "curve")


@dataclass(frozen=True, eq=False)
class Variant:
    """A study as it is, or with some settings of its own, trained over seeds.

    name                    the experiment's, or what it sets
    keys                    every key that could make it differ, dotted, in words
    numbers                 those of them that are numbers
    steps [K]               updates that each network made
    objective [K]           at its end
    accuracy [K]            of the training rows at the last look; NaN where there are no classes
    converged [K]           the update of the early stop, or from which the study's criterion held; NaN where it did not
    seconds                 of training, a network on average
    looks [T], curve [T]    the updates, and the median objective of all: of what has stopped the last one counts, and
                            of what has diverged infinity
    """

    name: str
    keys: Mapping[str, str]
    numbers: Mapping[str, float]
    steps: Integers
    objective: Floats
    accuracy: Floats
    converged: Floats
    seconds: float
    looks: Floats
    curve: Floats


@dataclass(frozen=True, eq=False)
class Comparison:
    """Variants that differ in one key alone, by its value.    key   dotted;  variants   by the value, in words"""

    key: str
    variants: Mapping[str, Variant]


def variant_of(recipe: Recipe, run: Run, rows: str = "") -> Variant:
    """What a training of a recipe came to.

    Parameters: `rows`, what the networks were trained on, where it is not the rows of the recipe.

    >>> from deltarule.studies.recipes import dataset_of, load_recipe, problem_of
    >>> from deltarule.training.train import train
    >>> recipe = load_recipe("encoder")
    >>> run = train(problem_of(recipe, dataset_of(recipe), seeds=2), max_steps=300, metrics=("accuracy", "thresholded"))
    >>> found = variant_of(recipe, run)
    >>> found.name, found.numbers["optimizer.learning_rate"], found.steps
    ('as it is', 10.0, array([300, 300]))
    """
    return _variant(explain_recipe(recipe), run.history, run.steps, run.reasons, run.objective, run.seconds, rows)


def variant_in(folder: Path) -> Variant:
    """What a run in a folder came to.

    Errors: `BadInput` for files that cannot be read.
    """
    arrays, about = load_arrays(folder / "arrays.safetensors")
    explained, seconds = read_json(folder / "recipe.json"), read_json(folder / "run.json")["seconds"]
    history = History.from_arrays(arrays)
    return _variant(explained, history, arrays["steps"], about["reasons"], arrays["objective"], seconds)


def comparisons(variants: Iterable[Variant]) -> list[Comparison]:
    """For every key in which some differ while all others are the same, the most of them that do.

    Of variants that are the same in all keys the one that was trained longest counts.
    """
    same: dict[str, Variant] = {}
    for one in variants:
        told = json.dumps(one.keys, sort_keys=True)
        if told not in same or one.steps.max() > same[told].steps.max():
            same[told] = one
    found = []
    for key in dict.fromkeys(key for one in same.values() for key in one.keys):
        groups: dict[str, dict[str, Variant]] = {}
        for one in same.values():
            others = json.dumps({name: value for name, value in one.keys.items() if name != key}, sort_keys=True)
            groups.setdefault(others, {})[one.keys.get(key, "none")] = one
        largest = max(groups.values(), key=len)
        if len(largest) > 1:
            found.append(Comparison(key, dict(sorted(largest.items(), key=lambda pair: _order(pair, key)))))
    return found


def write_variants(path: Path, study: str, variants: Sequence[Variant]) -> None:
    """Write the variants of a study as one file of arrays."""
    arrays = {f"{index} {part}": getattr(variant, part) for index, variant in enumerate(variants) for part in ARRAYS}
    texts = [
        {"name": variant.name, "keys": variant.keys, "numbers": variant.numbers, "seconds": variant.seconds}
        for variant in variants
    ]
    save_arrays(path, arrays, {"format": FORMAT, "study": study, "variants": texts})


def read_variants(path: Path) -> tuple[str, list[Variant]]:
    """Read what `write_variants` wrote.

    Raises `BadInput` for a file that cannot be read, or is another version's.
    """
    arrays, about = load_arrays(path)
    if about.get("format") != FORMAT:
        raise BadInput(f"{path} is not of this version ({FORMAT}); judge the claims again")
    found = []
    for index, variant in enumerate(about["variants"]):
        given: dict[str, Any] = {part: arrays[f"{index} {part}"] for part in ARRAYS}
        found.append(Variant(**variant, **given))
    return str(about["study"]), found


def _variant(
    explained: Mapping[str, Any],
    history: History,
    steps: Integers,
    reasons: Sequence[str],
    objective: Floats,
    seconds: float,
    rows: str = "",
) -> Variant:
    keys = _flat(explained["keys"]) | ({"data.rows": rows} if rows else {})
    # Looks of a curve that are kept.
    looks = np.unique(np.linspace(0, len(history.steps) - 1, 60).round().astype(int))
    updates = np.array(history.steps)[looks]
    # Those that stop early are the ones that learned: without them the rest would stand for all.
    reached = np.where(updates[:, None] > steps, objective, history.objective[looks])
    return Variant(
        _name(explained),
        {key: format_value(value) for key, value in keys.items()},
        {key: float(value) for key, value in keys.items() if type(value) in (int, float)},
        np.asarray(steps),
        np.asarray(objective, np.float64),
        _last_values(history, "accuracy", len(steps)),
        _convergence_steps(explained, history, steps, reasons),
        float(seconds) / len(steps),
        updates.astype(np.float64),
        np.median(np.where(np.isfinite(reached), reached, np.inf), 1).astype(np.float64),
    )


def _flat(keys: Mapping[str, Any]) -> dict[str, Any]:
    """The keys that make variants differ, dotted; an optimizer's name stands with its own numbers."""
    # Sections in which variants may differ and still be compared: how long, and over which seeds.
    found = {
        f"{section}.{key}": value
        for section, values in keys.items()
        if section not in ("stopping", "run")
        for key, value in values.items()
    }
    found.pop("optimizer.momentum", None)
    return found


def _name(explained: Mapping[str, Any]) -> str:
    """An experiment's name, or what is set."""
    chosen = _plain(explained["settings"])
    within = [
        experiment for experiment in explained["experiments"] if _plain(experiment["set"]).items() <= chosen.items()
    ]
    nothing: dict[str, Any] = {"name": "", "set": {}}
    largest = max(within, key=lambda one: len(one["set"]), default=nothing)
    own = _plain(largest["set"])
    texts = [
        f"{_short(key)} {format_value(value)}"
        for key, value in explained["settings"].items()
        if key in chosen.keys() - own
    ]
    return ", ".join([*([str(largest["name"])] if own else []), *texts]) or "as it is"


def _plain(settings: Mapping[str, Any]) -> dict[str, str]:
    """What is set beside [run], as texts that can be compared."""
    return {
        key: json.dumps(value, sort_keys=True, default=list)
        for key, value in settings.items()
        if not key.startswith("run.")
    }


def _convergence_steps(
    explained: Mapping[str, Any], history: History, steps: Integers, reasons: Sequence[str]
) -> Floats:
    """When each network stopped early, where there is such a rule; else since when it holds the study's criterion."""
    if explained["keys"]["stopping"]["threshold"] is not None:
        return np.where(np.array(reasons) == "threshold", steps, np.nan).astype(np.float64)
    criterion = explained["criterion"]
    if criterion is not None and criterion["part"] != "test":
        name = criterion["name"] if criterion["part"] == "train" else f"validation {criterion['name']}"
        if name in history.names:
            holds = history.series(name) >= criterion["at_least"]
            at_last = _last_values(history, name, len(steps)) >= criterion["at_least"]
            return np.where(at_last, first_holding_steps(np.array(history.steps), steps, holds), np.nan)
    return np.full(len(steps), np.nan)


def _last_values(history: History, name: str, members: int) -> Floats:
    """What each network had at the last look at it."""
    if name not in history.names:
        return np.full(members, np.nan)
    values = history.series(name).astype(np.float64)
    last = len(values) - 1 - np.argmax(~np.isnan(values)[::-1], 0)
    return values[last, np.arange(members)]


def _short(key: str) -> str:
    return key.rpartition(".")[2].replace("_", " ")


def _order(pair: tuple[str, Variant], key: str) -> tuple[int, float, str]:
    word, variant = pair
    return (0, variant.numbers[key], word) if key in variant.numbers else (1, 0.0, word)
