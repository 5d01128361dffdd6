"""Train and sweep the variants of a study's recipe over seeds, each only once."""

import copy
import hashlib
import json
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import cached_property, partial
from pathlib import Path
from typing import Any

import numpy as np

from deltarule.data.dataset import Dataset
from deltarule.engines.base import Engine
from deltarule.engines.selection import engine_for
from deltarule.errors import BadInput
from deltarule.files import make_folder
from deltarule.problem.problem import Floats, Problem
from deltarule.problem.state import State, initial_state
from deltarule.recipes import (
    Population,
    Recipe,
    dataset_of,
    load_recipe,
    populations_of_settings,
    with_experiment,
    with_settings,
)
from deltarule.studies.runner import train_population
from deltarule.studies.sweep_study import sweep
from deltarule.studies.variants import FILE as VARIANTS
from deltarule.studies.variants import Variant, read_variants, variant_of, write_variants
from deltarule.sweeps.result import Sweep
from deltarule.sweeps.sweep import SweepProgress
from deltarule.training.run import Run
from deltarule.training.train import Progress

Settings = Mapping[str, Any]

ProgressCallback = Callable[[str, Progress | SweepProgress], None]
"""Called with the name of what is being judged, trained or swept, and its progress."""


TRAININGS = "trainings"
"""The folder of finished and interrupted trainings."""
CHUNK_UPDATES = 50
"""Updates after which Ctrl-C is noticed where there are no stop rules."""


class Experiments:
    """Trains the variants of a study on demand, all over the same seeds.

    Parameters
    ----------
    recipe : the study: a recipe, the path of one, or a bundled study's name.
    seeds : how many seeds; a member for each.
    first_seed : the first of them, instead of the study's.
    engine : what trains, as in `train`.
    data_dir : folder of data files.
    progress : called with the name of what is being judged, trained or swept, and its progress.
    folder : where sweeps keep their stores, each in a folder of its name, and each training of `run` and `each` its
        file, in `trainings`; what is there is not trained again. None: nothing is kept.

    Attributes: `variants`, a summary of each variant that was trained; `used`, the seconds of each training that was
    asked for, whether it was trained now or before.

    >>> from deltarule.recipes import load_recipe
    >>> few = Experiments(load_recipe("digits"), seeds=2)
    >>> slow, quick = few.each([{"optimizer.learning_rate": rate, "stopping.max_epochs": 2} for rate in (1e-5, 1e-3)])
    >>> bool((slow.objective > quick.objective).all())
    True
    """

    def __init__(
        self,
        recipe: str | Path | Recipe,
        *,
        seeds: int,
        first_seed: int | None = None,
        engine: Engine | str = "auto",
        data_dir: str | Path | None = None,
        progress: ProgressCallback | None = None,
        folder: Path | None = None,
    ) -> None:
        self.recipe = recipe if isinstance(recipe, Recipe) else load_recipe(recipe)
        self.seeds, self.engine, self.data_dir = seeds, engine, data_dir
        self.folder = folder
        first = self.recipe.configuration.study.first_seed if first_seed is None else first_seed
        self.seed_numbers = range(first, first + seeds)
        self._progress = progress
        self._runs: dict[str, Run] = {}
        self._sweeps: dict[str, Sweep] = {}
        self._sweep_forms: dict[str, str] = {}
        self._scratch: list[tempfile.TemporaryDirectory[str]] = []
        self.engines: set[str] = set()
        self.variants: list[Variant] = []
        self.used: dict[str, float] = {}
        self.judged = ""  # what the trainings are for, such as "encoder-1, reading 2 of 6"

    @cached_property
    def dataset(self) -> Dataset:
        return dataset_of(self.recipe, self.data_dir)

    def over(self, seeds: int) -> "Experiments":
        """The same experiments over the first seeds alone, with shared trainings."""
        if seeds == self.seeds:
            return self
        _ = self.dataset  # loaded once for both
        part = copy.copy(self)
        part.seeds = seeds
        part.seed_numbers = self.seed_numbers[:seeds]
        return part

    def settings_of(self, *experiments: str) -> dict[str, Any]:
        """The settings of some of the recipe's experiments; later ones override earlier."""
        known = {experiment.name: experiment.set for experiment in self.recipe.configuration.experiment}
        for name in experiments:
            if name not in known:
                raise BadInput(f"the study '{self.recipe.name}' has no experiment '{name}'")
        return {key: value for name in experiments for key, value in known[name].items()}

    def run(self, settings: Settings | None = None, *, experiment: str | None = None, **history: Any) -> Run:
        """Train the study, or one of its experiments, with `settings` changed.

        settings : values by dotted key; "run.seeds" among them overrides the number of seeds.
        history : options of `train` for the history: record, every, history_every.
        """
        chosen = {**(self.settings_of(experiment) if experiment else {}), **(settings or {})}
        return self.each([chosen], **history)[0]

    def each(
        self, settings: Sequence[Settings], *, prepare: Callable[[Problem], Problem] | None = None, **history: Any
    ) -> list[Run]:
        """The runs of several variants in order, trained now unless they are known.

        settings : for each variant, values by dotted key.
        prepare : changes each problem before it is trained, as a recipe cannot: to give each member its own rows.
        history : options of `train` for the history, as in `run`.
        """
        prepared = prepare and f"{prepare.__module__}.{prepare.__qualname__}"
        complete = [{"run.seeds": self._own_seeds(), **setting} for setting in settings]
        keys = [json.dumps([setting, history, prepared], sort_keys=True, default=list) for setting in complete]
        new = {key: setting for key, setting in zip(keys, complete, strict=True) if key not in self._runs}
        if new:
            populations = populations_of_settings(self.recipe, self.dataset, list(new.values()), self.data_dir)
            for population in populations:
                if prepare is not None:
                    population = replace(population, problem=prepare(population.problem))
                self._train(population, list(new), history)
            rows = "" if prepare is None else prepare.__name__.replace("_", " ")
            for key, setting in new.items():
                if self._runs[key].history.steps:  # or else there is nothing to show
                    self.variants.append(variant_of(with_settings(self.recipe, setting), self._runs[key], rows))
        self.used |= {key: self._runs[key].seconds for key in keys}
        return [self._runs[key] for key in keys]

    def advance_all(
        self, settings: Settings, steps: int, *, prepare: Callable[[Problem], Problem] | None = None
    ) -> tuple[Engine, Problem, State, Floats]:
        """Make all `steps` updates of the study with settings changed, without stop rules.

        Returns the engine, the problem, the last state, and the objective [n, K] that each update returns: that of its
        batch, before the update.
        """
        complete = {"run.seeds": self._own_seeds(), **settings}
        [population] = populations_of_settings(self.recipe, self.dataset, [complete], self.data_dir)
        problem = population.problem if prepare is None else prepare(population.problem)
        engine = engine_for(self.engine, problem, steps)
        self.engines.add(engine.name)
        started = time.perf_counter()
        state = initial_state(problem)
        objectives = []
        for start in range(0, steps, CHUNK_UPDATES):
            state, trace = engine.advance(problem, state, min(CHUNK_UPDATES, steps - start))
            objectives.append(trace.objective)
        self.used[json.dumps([complete, steps], sort_keys=True, default=list)] = time.perf_counter() - started
        return engine, problem, state, np.concatenate(objectives)

    def sweep(
        self,
        name: str,
        grid_or_settings: Mapping[str, Sequence[Any]] | Sequence[Settings] | None = None,
        *,
        experiment: str | None = None,
        set: Settings | None = None,
        folds: int | None = None,
        seeds: int | Sequence[int] | None = None,
        keep: bool = False,
    ) -> Sweep:
        """Sweep the study, or one of its experiments, as `deltarule.sweep`.

        `name` is that of the store and of its folder. Sweeps of one name share it, and may differ in configurations and
        seeds: `BadInput` is raised if they differ in anything else. `set` holds for every configuration; no grid is the
        recipe's own.
        """
        form = json.dumps([experiment, set, folds, keep], sort_keys=True, default=list)
        if self._sweep_forms.setdefault(name, form) != form:
            raise BadInput(f"two sweeps of '{self.recipe.name}' are named '{name}' and differ; give each its own name")
        chosen = self._own_seeds() if seeds is None else seeds
        asked = json.dumps([name, grid_or_settings, chosen], sort_keys=True, default=list)
        if asked not in self._sweeps:
            if not isinstance(self.engine, str):
                raise BadInput(f"claims of '{self.recipe.name}' need sweeps, which take an engine by name alone")
            if self.folder is None and not self._scratch:
                self._scratch.append(tempfile.TemporaryDirectory(ignore_cleanup_errors=True))
            recipe = self.recipe if experiment is None else with_experiment(self.recipe, experiment)
            table = sweep(
                with_settings(recipe, set or {}),
                grid_or_settings,
                out=(self.folder or Path(self._scratch[0].name)) / name,
                resume=True,
                folds=folds,
                seeds=chosen,
                keep=keep,
                engine=self.engine,
                data_dir=self.data_dir,
                progress=self._progress_for(name),
            )
            self.engines.update(table.engines)
            self._sweeps[asked] = table
        return self._sweeps[asked]

    def rows_of(self, table: Sweep, settings: Settings) -> list[dict[str, Any]]:
        """The rows of one configuration in a sweep, by folds, then by seeds."""
        rows = [row for row in table.rows_of(settings) if row["seed"] in self.seed_numbers]
        self.used |= {f"{table.name} {row['key']}": row["train_seconds"] or 0.0 for row in rows if "key" in row}
        return rows

    def _own_seeds(self) -> int | list[int]:
        return list(self.seed_numbers) if self.seed_numbers.start else self.seeds

    def write_variants(self) -> None:
        """Merge summaries of the variants into the folder's `experiments.safetensors`."""
        if self.folder is None or not self.variants:
            return
        path = self.folder / VARIANTS
        before = read_variants(path)[1] if path.is_file() else []
        keys = [variant.keys for variant in self.variants]
        others = [variant for variant in before if variant.keys not in keys]
        write_variants(path, self.recipe.name, [*others, *self.variants])

    def close(self) -> None:
        for table in self._sweeps.values():
            table.close()
        self._sweeps.clear()
        while self._scratch:
            self._scratch.pop().cleanup()

    def _train(self, population: Population, keys: list[str], history: dict[str, Any]) -> None:
        """Train a population, and store the run of its settings number i under keys[i]."""
        name = f"{population.problem.members} × {population.problem.network!r}"
        kept = None if self.folder is None else self._kept_training([keys[i] for i in np.unique(population.settings)])
        run = train_population(
            population,
            engine=self.engine,
            checkpoint=kept,
            resume=kept is not None and kept.exists(),
            progress=self._progress_for(name),
            **history,
        )
        if run.interrupted:  # half a training proves nothing
            raise KeyboardInterrupt
        self.engines.add(run.engine.name)
        for index in np.unique(population.settings).tolist():
            part = run.take(np.flatnonzero(population.settings == index))
            share = int(part.steps.sum()) / max(int(run.steps.sum()), 1)  # of the updates, and so of the time
            self._runs[keys[index]] = replace(part, seconds=float(run.seconds * share))

    def _kept_training(self, keys: Sequence[str]) -> Path:
        """The file of a training of these settings, by what decides its result."""
        assert self.folder is not None
        engine = self.engine if isinstance(self.engine, str) else self.engine.name
        basis = json.dumps([self.recipe.name, dict(self.recipe.settings), engine, *keys], default=list)
        name = hashlib.sha256(basis.encode()).hexdigest()[:16]
        return make_folder(self.folder / TRAININGS) / f"{name}.safetensors"

    def _progress_for(self, name: str) -> Callable[[Progress | SweepProgress], None] | None:
        return None if self._progress is None else partial(self._progress, self.judged or name)
