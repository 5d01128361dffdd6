"""The population of a recipe, and the state with which it trains on after a change of the recipe."""

from dataclasses import replace
from pathlib import Path
from typing import Any

from deltarule.data.dataset import Dataset
from deltarule.errors import BadInput
from deltarule.maths.network import Entry
from deltarule.problem.problem import Problem
from deltarule.problem.recipe_sections import Configuration, StudySection
from deltarule.problem.state import State, initial_state
from deltarule.studies.recipes import Recipe, expand_grid, populations_of_settings

MAX_MEMBERS = 10_000
"""Members of a population that a page can show without waiting."""


def population_of(recipe: Recipe, dataset: Dataset) -> Problem:
    """The problem of a recipe: members for each seed and for each value of the one key that its grid may have."""
    combinations = expand_grid(recipe)
    if len(recipe.configuration.grid) > 1:
        names = ", ".join(recipe.configuration.grid)
        raise BadInput(f"the grid varies {names}; vary one of them here, or sweep them all with `deltarule sweep`")
    plain = replace(recipe, configuration=recipe.configuration.model_copy(update={"grid": {}}))
    populations = populations_of_settings(plain, dataset, [settings for settings, _ in combinations])
    if len(populations) > 1:
        [key] = recipe.configuration.grid
        raise BadInput(f"{key} gives networks of different shapes; vary a number, such as optimizer.learning_rate")
    problem = populations[0].problem
    if problem.optimizer.name == "lbfgs":
        raise BadInput("L-BFGS has no single updates to watch; choose another optimizer, such as adam")
    if problem.schedule.name == "adaptive":
        raise BadInput("the schedule 'adaptive' follows a whole training's loss; choose another schedule, such as step")
    if problem.members > MAX_MEMBERS:
        raise BadInput(f"there are {problem.members:,} networks; the page shows {MAX_MEMBERS:,} at most")
    return problem


def carry_over(before: Problem, state: State, problem: Problem) -> State | None:
    """The state with which another problem trains on, or None where its parameters are other ones.

    The optimizer begins with empty slots where it is another one.
    """

    def identity(one: Problem) -> tuple[Any, ...]:
        entries: tuple[tuple[Entry, ...], ...] = (one.network.entries, one.network.buffers)
        return entries, one.network.initializer, one.dtype, one.seeds.tolist(), one.initial_scale.tolist()

    if identity(before) != identity(problem):
        return None
    fresh = initial_state(problem, state.theta)
    is_same_optimizer = before.optimizer.slots == problem.optimizer.slots
    return replace(
        fresh, buffers=state.buffers, slots=state.slots if is_same_optimizer else fresh.slots, step=state.step
    )


def without_study(recipe: Recipe) -> Recipe:
    """The recipe without what its study says of its data, for a training on other data."""
    return replace(recipe, configuration=recipe.configuration.model_copy(update={"study": StudySection()}))


def recipe_of(configuration: Configuration, name: str, folder: Path = Path()) -> Recipe:
    """The recipe of a configuration that no file holds; data files are looked for in the folder."""
    return Recipe(name, folder, configuration, as_read=configuration)
