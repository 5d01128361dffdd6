"""Write the records of a run into its folder, and read them back."""

import shutil
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from deltarule.array_files import load_arrays, save_arrays
from deltarule.data.dataset import Dataset
from deltarule.data.pipeline import data_file, name_and_options
from deltarule.engines.reference import ReferenceEngine
from deltarule.errors import BadInput
from deltarule.files import make_folder
from deltarule.json_files import read_json, write_json
from deltarule.problem.configuration import SETTABLE, parse
from deltarule.problem.problem import Problem
from deltarule.problem.state import initial_state
from deltarule.reports.figures import Curves
from deltarule.studies.recipes import Population, Recipe, dataset_of, explain_recipe, problem_of
from deltarule.studies.representative_run import portrait_of, write_portrait
from deltarule.studies.runner import CHECKPOINT, Outcome, population_of, run_population
from deltarule.training.history import History, Recorded, evaluate
from deltarule.training.run import Run

FORMAT = "deltarule run 1"
SUMMARY = "run.json"


@dataclass(frozen=True, eq=False)
class StoredRun:
    """A run read from the folder of `deltarule run --out`."""

    recipe: Recipe
    dataset: Dataset
    problem: Problem
    arrays: Mapping[str, np.ndarray]

    def losses(self, member: int, max_count: int = 12) -> dict[int, float]:
        """A member's finite objectives by step, at up to `max_count` evaluations."""
        history = History.from_arrays(dict(self.arrays))
        steps, objective = np.array(history.steps), history.objective[:, member]
        known = np.flatnonzero(np.isfinite(objective) & (steps <= self.arrays["steps"][member]))
        if len(known):
            known = known[np.unique(np.linspace(0, len(known) - 1, max_count).round().astype(int))]
        return {int(steps[index]): float(objective[index]) for index in known}


def write_records(folder: Path, population: Population, run: Run) -> None:
    """Write the portrait, recipe and arrays of a run, each file atomically.

    An earlier run's `run.json`, its summary, is removed first: it must not stand beside arrays of another run.
    """
    recipe = population.recipe
    make_folder(folder)
    (folder / SUMMARY).unlink(missing_ok=True)
    write_portrait(folder / "portrait.safetensors", portrait_of(population.dataset, run))
    write_json(folder / "recipe.json", explain_recipe(recipe))
    arrays = {
        "theta": run.state.theta,
        "buffers": run.state.buffers,
        "steps": run.steps,
        "seeds": run.problem.seeds.astype(np.int64),
        "objective": run.objective,
        **{f"slot {name}": slot for name, slot in run.state.slots.items()},
        **run.history.arrays(),
    }
    curves = Curves.from_run(run)
    header = {
        "format": FORMAT,
        "study": recipe.name,
        "sizes": list(run.problem.network.sizes),
        "arrays": [[entry.name, *entry.shape, entry.start, entry.stop] for entry in run.problem.network.entries],
        "reasons": list(run.reasons),
        "names": curves.names,
        "told": curves.description,
        "ended_at_best": curves.ended_at_best,
    }
    save_arrays(folder / "arrays.safetensors", arrays, header)


def write_summary(folder: Path, outcome: Outcome) -> None:
    """Write `run.json`, which marks the records of a run as finished."""
    write_json(folder / SUMMARY, outcome)


def read_run(folder: str | Path, data_dir: str | Path | None = None) -> StoredRun:
    """Read the records of a run, and load and check its data.

    `data_dir` is searched for data files before the run's folder and the current one. Raises `BadInput` if the folder
    holds no run, or its data are missing or have changed.
    """
    folder = Path(folder)
    if not (folder / SUMMARY).is_file():
        raise BadInput(f"{folder} holds no run; name a folder that `deltarule run --out` has written")
    arrays, header = load_arrays(folder / "arrays.safetensors")
    if header.get("format") != FORMAT:
        raise BadInput(f"{folder} was written by another version of deltarule; run it again")
    try:
        recipe = _read_recipe(folder)
        _check_data_file(recipe, data_dir)
        dataset = dataset_of(recipe, data_dir)
        problem = problem_of(recipe, dataset)
        _check_first_loss(problem, arrays, folder)
    except BadInput:
        raise
    except (LookupError, TypeError, ValueError) as error:
        raise BadInput(f"the run in {folder} is damaged ({error!r}); run it again") from error
    return StoredRun(recipe, dataset, problem, arrays)


def load_run(folder: str | Path, data_dir: str | Path | None = None) -> Run:
    """Load the run in the folder of `deltarule run --out`, as `train` returned it.

    It has its whole history, and goes on by `train` with `start=run`. One that was interrupted is trained to its end;
    the folder stays as it is.

    Parameters
    ----------
    folder : what `--out` named.
    data_dir : a folder of data files, searched before the run's own.

    Returns
    -------
    Run

    Raises
    ------
    BadInput
        For a folder without a run, a run of another version, and data that are missing or have changed.

    Examples
    --------
    >>> from deltarule import load_run
    >>> load_run("nowhere")
    Traceback (most recent call last):
        ...
    deltarule.errors.BadInput: nowhere holds no run; name a folder that `deltarule run --out` has written
    """
    stored = read_run(folder, data_dir)
    with tempfile.TemporaryDirectory() as copy:
        shutil.copy(Path(folder) / CHECKPOINT, copy)
        return run_population(population_of(stored.recipe, stored.dataset), folder=Path(copy), resume=True)


def _read_recipe(folder: Path) -> Recipe:
    record = read_json(folder / "recipe.json")
    table: dict[str, dict[str, Any]] = {name: dict(record["keys"][name]) for name in SETTABLE}
    if isinstance(table["optimizer"].get("name"), dict):
        table["optimizer"].pop("momentum", None)  # also among the parameters of the optimizer's name
    return Recipe(record["study"], folder, parse(table, str(folder / "recipe.json")), record["experiment"])


def _check_data_file(recipe: Recipe, data_dir: str | Path | None) -> None:
    file = data_file(recipe.configuration.data, recipe.folder, data_dir)
    if file is not None and not file.exists():
        name, _ = name_and_options(recipe.configuration.data.file)
        folders = ", ".join(str(folder) for folder in (data_dir, recipe.folder) if folder is not None)
        raise BadInput(
            f"the run's data file {name} is not in {folders} or the current folder; name its folder with --data"
        )


def _check_first_loss(problem: Problem, arrays: Mapping[str, np.ndarray], folder: Path) -> None:
    """Check that the data give the first loss that a run has recorded."""
    recorded = arrays["history objective"][0, :1]
    first_member = problem.take(np.array([0]))
    evaluated = evaluate(first_member, ReferenceEngine(), initial_state(first_member), Recorded(), None)
    loss = evaluated["objective"]
    # Relative tolerance: engines differ in the last digits, other data in the first ones.
    tolerance = 1e-9 if problem.dtype == np.float64 else 1e-3
    if not np.allclose(loss, recorded, rtol=tolerance, equal_nan=True):
        raise BadInput(
            f"the data are not those of the run in {folder}: its first loss was {recorded[0]:g}, now it is "
            f"{loss[0]:g}; put the run's data file there, or name its folder with --data"
        )
