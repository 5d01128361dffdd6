"""Create the population of a recipe, and carry its state over to a changed recipe."""

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
    """Create the problem of a recipe, with a member for each seed and grid value."""
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
    if problem.schedule.name == "adaptive":
        raise BadInput("the schedule 'adaptive' follows a whole training's loss; choose another schedule, such as step")
    if problem.members > MAX_MEMBERS:
        raise BadInput(f"there are {problem.members:,} networks; the page shows {MAX_MEMBERS:,} at most")
    return problem


def carry_over(before: Problem, state: State, problem: Problem) -> State | None:
    """The state from which a changed problem continues training, or None.

    If the optimizer has changed, its slots are empty.
    """

    def parameter_identity(problem: Problem) -> tuple[Any, ...]:
        entries: tuple[tuple[Entry, ...], ...] = (problem.network.entries, problem.network.buffers)
        seeds, scale = problem.seeds.tolist(), problem.initial_scale.tolist()
        return entries, problem.network.initializer, problem.dtype, seeds, scale

    if parameter_identity(before) != parameter_identity(problem):
        return None
    fresh = initial_state(problem, state.theta)
    is_same_optimizer = before.optimizer == problem.optimizer
    return replace(
        fresh, buffers=state.buffers, slots=state.slots if is_same_optimizer else fresh.slots, step=state.step
    )


def without_study(recipe: Recipe) -> Recipe:
    """Remove the study section from a recipe, because it describes other data."""
    return replace(recipe, configuration=recipe.configuration.model_copy(update={"study": StudySection()}))


def recipe_of_configuration(configuration: Configuration, name: str, folder: Path = Path()) -> Recipe:
    """Create a recipe from a configuration."""
    return Recipe(name, folder, configuration, as_read=configuration)
