"""Write the records of a run into its folder, and read them back."""

import shutil
import tempfile
from pathlib import Path
from typing import Any

import numpy as np

from deltarule.array_files import save_arrays
from deltarule.data.dataset import Dataset
from deltarule.errors import BadInput
from deltarule.files import make_folder
from deltarule.json_files import read_json, write_json
from deltarule.problem.configuration import parse
from deltarule.problem.settings import SETTABLE
from deltarule.recipes import Population, Recipe, dataset_of, explain_recipe
from deltarule.reports.figures import Curves
from deltarule.studies.representative_run import portrait_of, write_portrait
from deltarule.studies.runner import CHECKPOINT, population_of, run_population
from deltarule.training.run import Run

FORMAT = "deltarule run 1"
SUMMARY = "run.json"
"""The summary of a run, its `Outcome`, which marks the records as finished: it is written last."""


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


def load_run(folder: str | Path, data_dir: str | Path | None = None) -> Run:
    """Load the run in the folder of `deltarule run --out`, as `train` returned it.

    It has its whole history, and goes on by `train` with `start=run`. One that was interrupted is trained to its end;
    the folder stays as it is.

    Parameters
    ----------
    folder : str or Path
        What `--out` named.
    data_dir : str or Path, optional
        A folder of data files, searched before the run's own.

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
    return read_run(folder, data_dir)[2]


def read_run(folder: str | Path, data_dir: str | Path | None = None) -> tuple[Recipe, Dataset, Run]:
    """Read a run's recipe, load its data, and restore the run from its checkpoint.

    The checkpoint detects data that differ from the data of the run.
    """
    folder = Path(folder)
    if not (folder / SUMMARY).is_file():
        raise BadInput(f"{folder} holds no run; name a folder that `deltarule run --out` has written")
    try:
        record = read_json(folder / "recipe.json")
        table: dict[str, dict[str, Any]] = {name: dict(record["keys"][name]) for name in SETTABLE}
        if isinstance(table["optimizer"].get("name"), dict):
            table["optimizer"].pop("momentum", None)  # also among the parameters of the optimizer's name
        configuration = parse(table, str(folder / "recipe.json"))
        recipe = Recipe(record["study"], folder, configuration, record["experiment"])
    except (LookupError, TypeError) as error:
        raise BadInput(f"the run in {folder} is damaged ({error!r}); run it again") from error
    dataset = dataset_of(recipe, data_dir)
    with tempfile.TemporaryDirectory() as copy:
        shutil.copy(folder / CHECKPOINT, copy)
        run = run_population(population_of(recipe, dataset), folder=Path(copy), resume=True)
    return recipe, dataset, run
