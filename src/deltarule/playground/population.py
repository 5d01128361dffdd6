"""Create the population of a recipe, and carry its state over to a changed recipe."""

import contextlib
import itertools
import math
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from deltarule.data.dataset import Dataset
from deltarule.errors import BadInput, count_of
from deltarule.problem.error_messages import shorten_toml
from deltarule.problem.problem import Problem
from deltarule.problem.recipe_sections import StudySection
from deltarule.problem.settings import is_size
from deltarule.problem.state import State, initial_state
from deltarule.recipes import Recipe, expand_grid, populations_of_settings
from deltarule.training.populations import seeds_of

MAX_NUMBERS = 10**8
"""Numbers of the data, the parameters and the activations that a page can wait for: 0.8 GB."""
MIN_NUMBERS_PER_MEMBER = 10**4
"""What the smallest network counts as: the page shows at most 10,000 networks without waiting."""


def require_affordable(recipe: Recipe, dataset: Dataset | None = None) -> None:
    """Raise `BadInput` for a recipe that would take too much time or memory.

    Without a data set, its rows are those that the recipe asks for.
    """
    section = recipe.configuration
    layers: tuple[Any, ...] = section.network.layers
    if named := [item for item in layers if not is_size(item)]:
        raise BadInput(
            f"network.layers has {shorten_toml(named[0])}, and the page shows only networks of numbers of units; train "
            "this one with `deltarule run`"
        )
    options = section.data.name if isinstance(section.data.name, Mapping) else {}
    asked = options.get("samples", 0)
    rows = len(dataset.train) if dataset is not None else asked if isinstance(asked, int) else 0
    ends = (dataset.inputs, max(len(dataset.classes), 1)) if dataset is not None else (2, 2)
    first, *hidden, last = layers
    units = [ends[0] if first == "auto" else int(first), *map(int, hidden), ends[1] if last == "auto" else int(last)]
    members = len(seeds_of(section)) * math.prod(len(values) for values in section.grid.values())
    weights = sum(before * after for before, after in itertools.pairwise(units))
    numbers = rows * sum(ends) + members * max(4 * weights + rows * sum(units[1:]), MIN_NUMBERS_PER_MEMBER)
    if numbers > MAX_NUMBERS:
        raise BadInput(
            f"{count_of(members, 'network')} on {rows:,} rows need about {numbers:.0e} numbers, and the page takes "
            f"at most {MAX_NUMBERS:.0e}; choose fewer or smaller ones, or train with `deltarule train`"
        )


def require_few_members(grid: Any) -> None:
    """Raise `BadInput` for a grid of too many members, before its values are checked."""
    members = 1
    most = MAX_NUMBERS // MIN_NUMBERS_PER_MEMBER
    with contextlib.suppress(AttributeError, TypeError):  # what is no list is refused with the recipe
        members = math.prod(len(values) for values in grid.values())
    if members > most:
        raise BadInput(f"the grid has {members:,} members, and the page takes at most {most:,}; vary fewer values")


def population_of(recipe: Recipe, dataset: Dataset, copies: int = 1) -> Problem:
    """Create the problem of a recipe, with a member for each seed and grid value, or as many copies of all."""
    require_affordable(recipe, dataset)
    combinations = expand_grid(recipe)
    if len(recipe.configuration.grid) > 1:
        names = ", ".join(recipe.configuration.grid)
        raise BadInput(f"the grid varies {names}; vary one of them here, or sweep them all with `deltarule sweep`")
    if copies > 1 and recipe.configuration.grid:
        [key] = recipe.configuration.grid
        raise BadInput(f"the grid varies {key}; vary nothing while two derivatives train beside each other")
    plain = replace(recipe, configuration=replace(recipe.configuration, grid={}))
    populations = populations_of_settings(plain, dataset, [settings for settings, _ in combinations] * copies)
    if len(populations) > 1:
        [key] = recipe.configuration.grid
        raise BadInput(f"{key} gives networks of different shapes; vary a number, such as optimizer.learning_rate")
    problem = populations[0].problem
    if problem.schedule.name == "adaptive":
        raise BadInput("the schedule 'adaptive' follows a whole training's loss; choose another schedule, such as step")
    return problem


def carry_over(before: Problem, state: State, problem: Problem) -> State | None:
    """The state from which a changed problem continues training, or None; another optimizer has empty slots."""

    def parameter_identity(problem: Problem) -> tuple[Any, ...]:
        network = problem.network
        numbers = (problem.seeds.tolist(), problem.initial_scale.tolist())
        return network.entries, network.buffers, network.initializers, problem.dtype, numbers

    if parameter_identity(before) != parameter_identity(problem):
        return None
    if before.optimizer == problem.optimizer:
        return state
    return replace(initial_state(problem, state.theta), buffers=state.buffers, step=state.step)


def without_study(recipe: Recipe) -> Recipe:
    return replace(recipe, configuration=replace(recipe.configuration, study=StudySection()))
