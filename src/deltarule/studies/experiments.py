"""Experiments: a study's recipe and its variants, trained and swept over seeds, each only once."""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from deltarule.data.dataset import Dataset
from deltarule.engines.base import Engine
from deltarule.engines.selection import engine_for
from deltarule.errors import BadInput
from deltarule.files import kind_of
from deltarule.problem.problem import Problem
from deltarule.studies.recipes import (
    Population,
    Recipe,
    dataset_of,
    load_recipe,
    problem_of_settings,
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
Told = Callable[[str, Progress | SweepProgress], None]


class Experiments:
    """A study's variants on demand: each is trained over the same seeds when it is first asked for, and kept.

    Parameters
    ----------
    recipe : the study: a recipe, the path of one, or a bundled study's name.
    seeds : how many seeds; a member for each of 0 … seeds − 1.
    engine : what trains, as in `train`.
    data_dir : folder of data files.
    progress : called with what is being trained or swept and how far it is.
    folder : where sweeps keep their stores, each in a folder of its name; what is there already is not trained again.
        None: sweeps are kept in memory.

    Attributes: `variants`, what each that was trained came to.

    >>> from deltarule.studies.recipes import load_recipe
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
        engine: Engine | str = "auto",
        data_dir: str | Path | None = None,
        progress: Told | None = None,
        folder: Path | None = None,
    ) -> None:
        self.recipe = recipe if isinstance(recipe, Recipe) else load_recipe(recipe)
        self.seeds, self.engine, self.data_dir = seeds, engine, data_dir
        self.folder = folder
        self._progress = progress
        self._runs: dict[str, Run] = {}
        self._sweeps: dict[str, tuple[str, Sweep]] = {}
        self.engines: set[str] = set()
        self.variants: list[Variant] = []

    @cached_property
    def dataset(self) -> Dataset:
        """The study's own rows."""
        return dataset_of(self.recipe, self.data_dir)

    def engine_for(self, problem: Problem, steps: int) -> Engine:
        """The engine for claims that advance a problem themselves."""
        chosen = engine_for(self.engine, problem, steps)
        self.engines.add(chosen.name)
        return chosen

    def settings_of(self, experiment: str) -> dict[str, Any]:
        """What one of the recipe's experiments sets otherwise."""
        for one in self.recipe.configuration.experiment:
            if one.name == experiment:
                return dict(one.set)
        raise BadInput(f"the study '{self.recipe.name}' has no experiment '{experiment}'")

    def run(self, settings: Settings | None = None, *, experiment: str | None = None, **looks: Any) -> Run:
        """Train the study, or one of its experiments, with some keys set otherwise.

        settings : dotted keys and their values; "run.seeds" among them overrides the number of seeds.
        looks : what the history holds beside the objective, as in `train`: metrics, outputs, gradients, history_every.
        """
        chosen = {**(self.settings_of(experiment) if experiment else {}), **(settings or {})}
        return self.each([chosen], **looks)[0]

    def each(
        self, settings: Sequence[Settings], *, prepare: Callable[[Problem], Problem] | None = None, **looks: Any
    ) -> list[Run]:
        """Train several variants; those that differ in numbers alone are one population. In the order given.

        prepare : what no key of a recipe says, done to each problem before it is trained: rows of the members' own.
        """
        prepared = prepare and f"{prepare.__module__}.{prepare.__qualname__}"
        full = [{"run.seeds": self.seeds, **setting} for setting in settings]
        keys = [json.dumps([one, looks, prepared], sort_keys=True, default=list) for one in full]
        new = {key: one for key, one in zip(keys, full, strict=True) if key not in self._runs}
        if new:
            populations = problem_of_settings(self.recipe, self.dataset, list(new.values()), self.data_dir)
            for population in populations:
                if prepare is not None:
                    population = replace(population, problem=prepare(population.problem))
                self._train(population, list(new), looks)
            rows = "" if prepare is None else prepare.__name__.replace("_", " ")
            for key, one in new.items():
                self.variants.append(variant_of(with_settings(self.recipe, one), self._runs[key], rows))
        return [self._runs[key] for key in keys]

    def sweep(
        self,
        name: str,
        grid_or_settings: Mapping[str, Sequence[Any]] | Sequence[Settings] | None = None,
        *,
        experiment: str | None = None,
        set: Settings | None = None,
        folds: int | None = None,
        seeds: int | Sequence[int] | None = None,
        keep: str = "none",
    ) -> Sweep:
        """Sweep the study, or one of its experiments; claims that ask for the same name share the table.

        name : of the sweep, and of its folder.
        grid_or_settings : lists of values by dotted key, or a list of configurations; None for the recipe's own grid.
        set : dotted keys and their values, for every configuration.
        seeds : instead of the study's.
        folds, keep : as in `deltarule.sweep`.

        Raises `BadInput` as `deltarule.sweep`, and for a name that another sweep has; `RunFailed` as `deltarule.sweep`.

        >>> from deltarule.studies.recipes import load_recipe
        >>> few = Experiments(load_recipe("encoder"), seeds=2)
        >>> rates = {"optimizer.learning_rate": [1.0, 10.0]}
        >>> table = few.sweep("rates", rates, set={"stopping.max_steps": 50})
        >>> len(table), few.sweep("rates", rates, set={"stopping.max_steps": 50}) is table
        (4, True)
        """
        asked = json.dumps([grid_or_settings, experiment, set, folds, seeds, keep], sort_keys=True, default=list)
        if name not in self._sweeps:
            recipe = self.recipe if experiment is None else with_experiment(self.recipe, experiment)
            table = sweep(
                with_settings(recipe, set or {}),
                grid_or_settings,
                out=None if self.folder is None else self.folder / name,
                resume=self.folder is not None,
                folds=folds,
                seeds=self.seeds if seeds is None else seeds,
                keep=keep,
                engine=self._engine_of_sweeps(),
                data_dir=self.data_dir,
                progress=self._progress_for(name),
            )
            self.engines.update(table.engines)
            self._sweeps[name] = asked, table
        before, table = self._sweeps[name]
        if before != asked:
            raise BadInput(f"two sweeps of '{self.recipe.name}' are named '{name}' and differ; give each its own name")
        return table

    def write_variants(self) -> None:
        """Write down in the folder, where there is one, what the variants came to; what is there already stays."""
        if self.folder is None or not self.variants:
            return
        path = self.folder / VARIANTS
        before = read_variants(path)[1] if kind_of(path) == "file" else []
        keys = [variant.keys for variant in self.variants]
        write_variants(path, self.recipe.name, [*(one for one in before if one.keys not in keys), *self.variants])

    def close(self) -> None:
        """Let go of the files of the sweeps."""
        for _, table in self._sweeps.values():
            table.close()
        self._sweeps.clear()

    def _engine_of_sweeps(self) -> str:
        if not isinstance(self.engine, str):
            raise BadInput(f"claims of '{self.recipe.name}' need sweeps, which take an engine by name; name it alone")
        return self.engine

    def _train(self, population: Population, keys: list[str], looks: dict[str, Any]) -> None:
        run = train_population(
            population, engine=self.engine, progress=self._progress_for(_population_name(population)), **looks
        )
        if run.interrupted:  # half a training proves nothing
            raise KeyboardInterrupt
        self.engines.add(run.engine.name)
        for place in np.unique(population.settings).tolist():
            one = run.take(population.members_of(place))
            share = int(one.steps.sum()) / max(int(run.steps.sum()), 1)  # of the updates, and so of the time
            self._runs[keys[place]] = replace(one, seconds=float(run.seconds * share))

    def _progress_for(self, what: str) -> Callable[[Progress | SweepProgress], None] | None:
        if self._progress is None:
            return None
        told = self._progress
        return lambda progress: told(what, progress)


def _population_name(population: Population) -> str:
    return f"{population.problem.members} × {population.problem.network!r}"
