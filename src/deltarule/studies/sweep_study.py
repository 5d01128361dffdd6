"""Sweep a study or a recipe, for `deltarule.sweep` and `deltarule sweep`."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from deltarule.problem.configuration import check_beside_grid, parse
from deltarule.problem.recipe_sections import Configuration
from deltarule.recipes import Recipe, load_recipe, with_settings
from deltarule.sweeps.executors import pool
from deltarule.sweeps.grid import as_python, settings_to_json
from deltarule.sweeps.plan import Additions, Source
from deltarule.sweeps.result import Sweep
from deltarule.sweeps.sweep import SweepProgress, explain_interruption, run_sweep
from deltarule.training.moment import Moment


@dataclass(frozen=True)
class SweepOutcome:
    """Summary of a sweep, as `deltarule sweep --json` prints it.

    study, out           the study's name, and the folder of the store, or None
    metric, ranked       the score, and the part of the data on which it ranks
    rows, diverged       numbers of the table's rows
    best                 the ten best rows
    configurations       the ten configurations with the best means over their folds and seeds
    notes                remarks on the sweep
    """

    study: str
    out: str | None
    metric: str
    ranked: str
    rows: int
    diverged: int
    best: list[dict[str, Any]]
    configurations: list[Any]
    notes: tuple[str, ...]


def sweep(
    study: str | Path | Recipe,
    grid: Mapping[str, Sequence[Any]] | Sequence[Mapping[str, Any]] | None = None,
    *,
    out: str | Path | None = None,
    resume: bool = False,
    folds: int | None = None,
    seeds: int | Iterable[int] | None = None,
    keep: bool = False,
    engine: str | None = None,
    rank_by: str | None = None,
    record: Mapping[str, Callable[[Moment], Any]] | None = None,
    start: Mapping[str, Any] | None = None,
    address: str | None = None,
    workers: int | None = None,
    shard: tuple[int, int] = (1, 1),
    data_dir: str | Path | None = None,
    progress: Callable[[SweepProgress], None] | None = None,
) -> Sweep:
    """Train every combination of a grid, over folds and seeds, and store the results.

    Parameters
    ----------
    study : str, Path or Recipe
        A bundled study's name, the path of a recipe, or a recipe.
    grid : mapping or sequence of mappings, optional
        Lists of values by dotted key, of which every combination is a configuration, instead of the recipe's own
        [grid]; or a list of configurations, each as the values that it changes, by dotted key.
    out : str or Path, optional
        The folder of the store; None for a table in memory alone.
    resume : bool, default=False
        Resume the store in the folder, or start one; only missing rows are trained.
    folds : int, optional
        K, to train each member K times, on all but one of K parts of the training rows, and score it on that one.
    seeds : int or sequence of int, optional
        N for the seeds 0 … N − 1, or a list of seeds, instead of the recipe's.
    keep : bool, default=False
        Whether the weights of the networks are stored, too.
    engine : str, optional
        The engine, instead of the recipe's.
    rank_by : str, optional
        The metric of the table's scores; None for the accuracy, or R² if the targets are numbers.
    record : mapping of str to callable, optional
        Functions by name, each called with a `Moment` of members at the end of their rows, that returns a number for
        each: a column of the table. With several `stopping.max_steps` in the grid they follow a training on its way.
    start : mapping, optional
        Parameters by name, "W1" [D, H], in which all trainings begin, such as those of another sweep's network.
    address : str, optional
        The address of a Dask cluster that trains, in the place of this machine.
    workers : int, optional
        The number of processes of this machine that train, by default this one alone.
    shard : tuple of two int
        (3, 16) for every 16th configuration from the third on: 16 such sweeps into folders of their own, on any
        machines, are the whole one, and `deltarule sweep --merge` collects them.
    data_dir : str or Path, optional
        A folder of data files.
    progress : callable, optional
        Called with the sweep's progress after each population, and with a single process within one, too.

    Returns
    -------
    Sweep

    Raises
    ------
    BadInput
        For invalid arguments, and, without `resume`, for a folder that holds a sweep.
    RunFailed
        For a store that another process is writing, a full disk, workers that die again and again, and if Ctrl-C ends
        it.

    Examples
    --------
    >>> from deltarule import sweep
    >>> table = sweep("encoder", {"optimizer.learning_rate": [1.0, 10.0], "stopping.max_steps": [100, 1000]}, seeds=5)
    >>> len(table), table.configurations(1)[0].settings
    (20, {'optimizer.learning_rate': 10.0, 'stopping.max_steps': 1000})
    """
    with explain_interruption("nothing was begun; start again"):
        recipe, configuration = _requested_sweep(study, grid, seeds, engine)
        run_options = None if grid is not None else _invocation(recipe, data_dir)
    return run_sweep(
        configuration,
        Source(recipe.folder, None if data_dir is None else Path(data_dir), folds),
        None if out is None else Path(out),
        name=recipe.name,
        run_options=run_options,
        settings=None if isinstance(grid, Mapping) else grid,
        resume=resume,
        rank_by=rank_by,
        additions=Additions(record or {}, start or {}, keep),
        processes=pool(workers, address),
        shard=shard,
        progress=progress,
    )


def _requested_sweep(study: Any, grid: Any, seeds: Any, engine: str | None) -> tuple[Recipe, Configuration]:
    """The recipe and the configuration of the requested sweep."""
    recipe = study if isinstance(study, Recipe) else load_recipe(study)
    if seeds is not None:
        plain_seeds = as_python(seeds)
        is_list = isinstance(plain_seeds, Iterable) and not isinstance(plain_seeds, str | bytes)
        recipe = with_settings(recipe, {"run.seeds": as_python(list(plain_seeds)) if is_list else plain_seeds})
    if engine is not None:  # part of the key: engines differ in the last digits
        recipe = with_settings(recipe, {"run.engine": engine})
    configuration = recipe.configuration
    if isinstance(grid, Mapping):
        configuration = parse({**asdict(configuration), "grid": settings_to_json(grid)}, "the grid")
    check_beside_grid(configuration, recipe.settings)
    return recipe, configuration


def _invocation(recipe: Recipe, data_dir: str | Path | None) -> dict[str, Any]:
    """What the store notes of this call."""
    data = None if data_dir is None else Path(data_dir).resolve()
    if data is not None and data.is_relative_to(recipe.folder.resolve()):
        data = data.relative_to(recipe.folder.resolve())
    return {
        "experiment": recipe.experiment,
        "settings": recipe.settings,
        "data": None if data is None else data.as_posix(),
    }


def sweep_outcome(table: Sweep, out: Path | None) -> SweepOutcome:
    return SweepOutcome(
        study=table.name,
        out=None if out is None else str(out),
        metric=table.metric,
        ranked=table.ranked,
        rows=len(table),
        diverged=table.diverged,
        best=table.best(),
        configurations=table.configurations(),
        notes=table.notes,
    )
