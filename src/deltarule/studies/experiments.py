"""Experiments: a study's recipe and its variants, trained over seeds, each only once."""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from deltarule.data.dataset import Dataset
from deltarule.engines.base import Engine
from deltarule.engines.choose import engine_for
from deltarule.errors import BadInput
from deltarule.problem.problem import Problem
from deltarule.studies.recipes import Population, Recipe, dataset_of, problem_of_settings, training_of
from deltarule.training.populations import metrics_of
from deltarule.training.run import Run
from deltarule.training.train import Progress, train

Settings = Mapping[str, Any]


class Experiments:
    """A study's variants on demand: each is trained over the same seeds when it is first asked for, and kept.

    Parameters
    ----------
    recipe : the study.
    seeds : how many seeds; a member for each of 0 … seeds − 1.
    engine : what trains, as in `train`.
    data_dir : folder of data files.
    progress : called with what is being trained and how far it is.

    >>> from deltarule.studies.recipes import load_recipe
    >>> few = Experiments(load_recipe("digits"), seeds=2)
    >>> slow, quick = few.each([{"optimizer.learning_rate": rate, "stopping.max_epochs": 2} for rate in (1e-5, 1e-3)])
    >>> bool((slow.objective > quick.objective).all())
    True
    """

    def __init__(
        self,
        recipe: Recipe,
        *,
        seeds: int,
        engine: Engine | str = "auto",
        data_dir: str | Path | None = None,
        progress: Callable[[str, Progress], None] | None = None,
    ) -> None:
        self.recipe, self.seeds, self.engine, self.data_dir = recipe, seeds, engine, data_dir
        self._progress = progress
        self._runs: dict[str, Run] = {}
        self.engines: set[str] = set()

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
        full = [{"run.seeds": self.seeds, **one} for one in settings]
        keys = [json.dumps([one, looks, prepared], sort_keys=True, default=list) for one in full]
        new = {key: one for key, one in zip(keys, full, strict=True) if key not in self._runs}
        if new:
            populations = problem_of_settings(self.recipe, self.dataset, list(new.values()), self.data_dir)
            for population in populations:
                if prepare is not None:
                    population = replace(population, problem=prepare(population.problem))
                self._train(population, list(new), looks)
        return [self._runs[key] for key in keys]

    def _train(self, population: Population, keys: list[str], looks: dict[str, Any]) -> None:
        run = train_population(population, engine=self.engine, progress=self._told(population), **looks)
        self.engines.add(run.engine.name)
        for place in np.unique(population.settings).tolist():
            self._runs[keys[place]] = run.take(population.members_of(place))

    def _told(self, population: Population) -> Callable[[Progress], None] | None:
        if self._progress is None:
            return None
        told, what = self._progress, f"{population.problem.members} × {population.problem.network!r}"
        return lambda progress: told(what, progress)


def train_population(population: Population, **given: Any) -> Run:
    """Train the members of a population by its recipe's rules; `given` goes to `train` and overrides these."""
    rules = training_of(population.recipe, population.dataset, population.problem)
    return train(population.problem, **{"metrics": metrics_of(population.dataset), **rules, **given})
