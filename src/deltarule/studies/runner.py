"""Running a study: its recipe is trained over its seeds, and written down."""

from collections.abc import Callable
from pathlib import Path

import numpy as np

from deltarule.data.dataset import Dataset
from deltarule.engines.base import Engine
from deltarule.files import remove
from deltarule.studies.experiments import train_population
from deltarule.studies.recipes import Population, Recipe, problem_of
from deltarule.studies.representative_run import portrait_of, write_portrait
from deltarule.studies.run_result import Outcome, write_run
from deltarule.training.run import Run
from deltarule.training.train import Progress


def population_of(recipe: Recipe, dataset: Dataset) -> Population:
    """The networks of a recipe, one for each of its seeds, and the rows that they are trained on."""
    problem = problem_of(recipe, dataset)
    return Population(recipe, dataset, problem, np.zeros(problem.members, np.int64))


def run_population(
    population: Population,
    *,
    engine: Engine | str = "auto",
    folder: Path | None = None,
    resume: bool = False,
    progress: Callable[[Progress], None] | None = None,
) -> Run:
    """Train a study's networks; where there is a folder, with a checkpoint in it.

    Parameters: `engine`, `resume` and `progress` as in `train`. Of few rows the history holds the outputs. L-BFGS keeps
    no checkpoint, and begins anew.
    Errors: as `train`.
    """
    keeps = population.problem.optimizer.name != "lbfgs"
    return train_population(
        population,
        engine=engine,
        outputs=is_small(population.dataset),
        checkpoint=folder / "checkpoint.safetensors" if folder and keeps else None,
        resume=resume and keeps,
        progress=progress,
    )


def write_records(folder: Path, population: Population, run: Run, outcome: Outcome) -> None:
    """Write down what a run came to: its portrait, its arrays, and last its `run.json`."""
    remove(folder / "run.json")  # that of an earlier run would stand beside the portrait of this one
    write_portrait(folder / "portrait.safetensors", portrait_of(population.dataset, run))
    write_run(folder, population.recipe, outcome, run)


def is_small(dataset: Dataset) -> bool:
    """Whether every row of the data can be shown on the screen."""
    return bool(dataset.classes) and len(dataset.train) <= 32
