"""Summarize and compare the variants of a study over their seeds.

K seeds · T evaluations
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
from deltarule.problem.recipe_sections import Criterion
from deltarule.recipes import Recipe, explain_recipe
from deltarule.stats.effects import format_value, last_key
from deltarule.studies.runner import first_holding_steps
from deltarule.training.history import History
from deltarule.training.run import Run

FILE = "experiments.safetensors"
FORMAT = "deltarule experiments 1"
ARRAYS = ("steps", "objective", "accuracy", "converged", "looks", "curve")


@dataclass(frozen=True, eq=False)
class Variant:
    """A summary of a study's training over seeds, under some settings.

    name                    its changed settings
    keys                    every key in which variants may differ, dotted, with its value as text
    numbers                 those of them that are numbers
    steps [K]               updates that each network made
    objective [K]           at its end
    accuracy [K]            of the training rows at the last evaluation; NaN without classes
    converged [K]           the update of the early stop, or from which the study's criterion held; NaN if it did not
    seconds                 of training, mean of a network
    looks [T], curve [T]    the updates of the evaluations, and the median objective of all networks: a network that has
                            stopped counts with its last objective, one that has diverged with infinity
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


def variant_of(recipe: Recipe, run: Run, rows_name: str = "") -> Variant:
    """Summarize a training of a recipe."""
    return _variant(explain_recipe(recipe), run.history, run.steps, run.reasons, run.objective, run.seconds, rows_name)


def variant_in(folder: Path) -> Variant:
    """Read the records of a run in a folder into a `Variant`.

    Raises `BadInput` for files that cannot be read.
    """
    arrays, about = load_arrays(folder / "arrays.safetensors")
    explained = read_json(folder / "recipe.json")
    seconds = read_json(folder / "run.json")["seconds"]
    history = History.from_arrays(arrays)
    return _variant(explained, history, arrays["steps"], about["reasons"], arrays["objective"], seconds)


def comparisons(variants: Iterable[Variant]) -> dict[str, dict[str, Variant]]:
    """For each key, the largest group of variants that differ in this key alone, by its value.

    Of variants that are the same in all keys the one over the most seeds counts, and of these the longest training.
    """
    distinct: dict[str, Variant] = {}
    for variant in sorted(variants, key=lambda variant: (len(variant.steps), variant.steps.max())):
        distinct[json.dumps(variant.keys, sort_keys=True)] = variant
    compared = {}
    for key in dict.fromkeys(key for variant in distinct.values() for key in variant.keys):
        groups: dict[str, dict[str, Variant]] = {}
        for variant in distinct.values():
            others = json.dumps({name: value for name, value in variant.keys.items() if name != key}, sort_keys=True)
            groups.setdefault(others, {})[variant.keys.get(key, "none")] = variant
        largest = max(groups.values(), key=len)
        if len(largest) > 1:
            compared[key] = dict(sorted(largest.items(), key=lambda pair: _sort_key(pair, key)))
    return compared


def write_variants(path: Path, study: str, variants: Sequence[Variant]) -> None:
    """Write the arrays and the numbers of a study's variants to one file."""
    arrays = {f"{index} {part}": getattr(variant, part) for index, variant in enumerate(variants) for part in ARRAYS}
    texts = [
        {"name": variant.name, "keys": variant.keys, "numbers": variant.numbers, "seconds": variant.seconds}
        for variant in variants
    ]
    save_arrays(path, arrays, {"format": FORMAT, "study": study, "variants": texts})


def read_variants(path: Path) -> tuple[str, list[Variant]]:
    """Read a study's name and variants from the file that `write_variants` wrote.

    Raises `BadInput` for a file that cannot be read, or was written by another version.
    """
    arrays, about = load_arrays(path)
    if about.get("format") != FORMAT:
        raise BadInput(f"{path} is not of this version ({FORMAT}); judge the claims again")
    variants = []
    for index, variant in enumerate(about["variants"]):
        parts: dict[str, Any] = {part: arrays[f"{index} {part}"] for part in ARRAYS}
        variants.append(Variant(**variant, **parts))
    return str(about["study"]), variants


def _variant(
    explained: Mapping[str, Any],
    history: History,
    steps: Integers,
    reasons: Sequence[str],
    objective: Floats,
    seconds: float,
    rows_name: str = "",
) -> Variant:
    """Summarize a training from its explained recipe, history and final states."""
    keys = _flatten_keys(explained["keys"]) | ({"data.rows": rows_name} if rows_name else {})
    settings = explained["settings"].items()
    changed = [f"{last_key(key)} {format_value(value)}" for key, value in settings if not key.startswith("run.")]
    # Evaluations that the stored curve has.
    looks = np.unique(np.linspace(0, len(history.steps) - 1, 60).round().astype(int))
    updates = np.array(history.steps)[looks]
    # Networks that stop early are those that learned: without them the curve would show only the others.
    reached = np.where(updates[:, None] > steps, objective, history.objective[looks])
    return Variant(
        ", ".join(changed) or "as it is",
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


def _flatten_keys(sections: Mapping[str, Any]) -> dict[str, Any]:
    """The settings in which variants can differ, by `section.key`."""
    # How long, and over which seeds variants are trained does not keep them from being compared.
    keys = {
        f"{section}.{key}": value
        for section, values in sections.items()
        if section not in ("stopping", "run")
        for key, value in values.items()
    }
    keys.pop("optimizer.momentum", None)  # also among the parameters of the optimizer's name
    return keys


def _convergence_steps(
    explained: Mapping[str, Any], history: History, steps: Integers, reasons: Sequence[str]
) -> Floats:
    """The update [K] of each early stop, or from which the criterion stays met."""
    if explained["keys"]["stopping"]["threshold"] is not None:
        return np.where(np.array(reasons) == "threshold", steps, np.nan).astype(np.float64)
    criterion = explained["criterion"]
    if criterion is not None and criterion["part"] != "test":
        name = criterion["name"] if criterion["part"] == "train" else f"validation {criterion['name']}"
        if name in history.names:
            is_met = Criterion(**criterion).is_met
            holds, at_last = is_met(history.series(name)), is_met(_last_values(history, name, len(steps)))
            return np.where(at_last, first_holding_steps(np.array(history.steps), steps, holds), np.nan)
    return np.full(len(steps), np.nan)


def _last_values(history: History, name: str, member_count: int) -> Floats:
    if name not in history.names:
        return np.full(member_count, np.nan)
    values = history.series(name).astype(np.float64)
    last = len(values) - 1 - np.argmax(~np.isnan(values)[::-1], 0)
    return values[last, np.arange(member_count)]


def _sort_key(pair: tuple[str, Variant], key: str) -> tuple[int, float, str]:
    text, variant = pair
    return (0, variant.numbers[key], text) if key in variant.numbers else (1, 0.0, text)
