"""Runs that were written into a folder, read back: the recipe, its data and its problem, and what was recorded."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from deltarule.array_files import load_arrays
from deltarule.data.dataset import Dataset
from deltarule.data.pipeline import data_file, taken_apart
from deltarule.engines.reference import ReferenceEngine
from deltarule.errors import BadInput
from deltarule.files import kind_of
from deltarule.json_files import read_json
from deltarule.problem.configuration import SETTABLE, parse
from deltarule.problem.problem import Problem
from deltarule.problem.state import initial_state
from deltarule.studies.recipes import Recipe, dataset_of, problem_of
from deltarule.training.history import EvaluationSchedule, History, evaluate

FORMAT = "deltarule run 1"
ALLOWED = {"float64": 1e-9, "float32": 1e-3}
"""How far the first loss may be off, as a share of it: engines differ in the last digits, other data in the first."""


@dataclass(frozen=True, eq=False)
class StoredRun:
    """A run as `deltarule run --out` wrote it: its recipe, data and problem, and the arrays of its records."""

    recipe: Recipe
    dataset: Dataset
    problem: Problem
    arrays: Mapping[str, np.ndarray]

    def losses(self, member: int, most: int = 12) -> dict[int, float]:
        """A member's objective after so many updates: some of the looks that were written, the first and the last
        among them."""
        history = History.from_arrays(dict(self.arrays))
        steps, objective = np.array(history.steps), history.objective[:, member]
        known = np.flatnonzero(np.isfinite(objective) & (steps <= self.arrays["steps"][member]))
        chosen = known[np.unique(np.linspace(0, len(known) - 1, most).round().astype(int))] if len(known) else known
        return {int(steps[place]): float(objective[place]) for place in chosen}


def read_run(folder: str | Path, data_dir: str | Path | None = None) -> StoredRun:
    """Read a run's folder.

    Parameters: `data_dir`, a folder in which data files are looked for before the run's folder and the current one.
    Errors: `BadInput` for a folder that holds no run, for data that cannot be found, and for data that have changed.
    """
    folder = Path(folder)
    if kind_of(folder / "run.json") != "file":
        raise BadInput(f"{folder} holds no run; name a folder that `deltarule run --out` has written")
    arrays, about = load_arrays(folder / "arrays.safetensors")
    if about.get("format") != FORMAT:
        raise BadInput(f"{folder} was written by another version of deltarule; run it again")
    recipe = _recipe(folder)
    _check_data(recipe, data_dir)
    dataset = dataset_of(recipe, data_dir)
    problem = problem_of(recipe, dataset)
    try:
        _check(problem, arrays, folder)
    except (LookupError, TypeError, ValueError) as error:
        if isinstance(error, BadInput):
            raise
        raise BadInput(f"the arrays in {folder} are not those of a run ({error}); run it again") from error
    return StoredRun(recipe, dataset, problem, arrays)


def _check_data(recipe: Recipe, data_dir: str | Path | None) -> None:
    """The recipe may have lain elsewhere, with its data beside it; the run does not know where."""
    configuration = recipe.configuration
    file = data_file(configuration, recipe.folder, data_dir)
    if file is not None and not kind_of(file):
        name, _ = taken_apart(configuration.data.file)
        looked = ", ".join(str(one) for one in (data_dir, recipe.folder) if one is not None)
        raise BadInput(
            f"the run's data file {name} is not in {looked} or the current folder; name its folder with --data"
        )


def _recipe(folder: Path) -> Recipe:
    """The recipe that a run was trained by, every key of it written out."""
    told = read_json(folder / "recipe.json")
    try:
        table: dict[str, dict[str, Any]] = {name: dict(told["keys"][name]) for name in SETTABLE}
        study, experiment = str(told["study"]), told["experiment"]
    except (KeyError, TypeError, ValueError):
        raise BadInput(f"{folder / 'recipe.json'} is no recipe of a run; run it again") from None
    if isinstance(table["optimizer"].get("name"), dict):
        table["optimizer"].pop("momentum", None)  # it stands among the parameters of the name too
    return Recipe(study, folder, parse(table, str(folder / "recipe.json")), experiment)


def _check(problem: Problem, arrays: Mapping[str, np.ndarray], folder: Path) -> None:
    """Data of the same name may have changed since: then the first loss is not the one that was written."""
    seeds = arrays["seeds"].astype(np.uint64)
    if not np.array_equal(seeds, problem.seeds):
        raise BadInput(f"the recipe and the arrays in {folder} are of different runs; run it again")
    if arrays["steps"].shape != seeds.shape or arrays["steps"].dtype.kind != "i":
        raise ValueError("its steps are not one number for each member")
    History.from_arrays(dict(arrays)).check(problem.members, {"objective"})
    first = arrays["history objective"][0, :1]
    alone = problem.take(np.array([0]))
    found = evaluate(alone, ReferenceEngine(), initial_state(alone), EvaluationSchedule(1), None)["objective"]
    if not np.allclose(found, first, rtol=ALLOWED[problem.dtype.name], equal_nan=True):
        raise BadInput(
            f"the data are not those of the run in {folder}: its first loss was {first[0]:g}, now it is {found[0]:g}; "
            "put the run's data file there, or name its folder with --data"
        )
