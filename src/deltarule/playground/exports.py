"""Export from the workbench: the population's recipe or Python program, or one member's NumPy script or weights."""

import json
from collections.abc import Callable
from dataclasses import dataclass

from deltarule.data.dataset import Dataset
from deltarule.engines.reference import whole_objective
from deltarule.errors import BadInput, short_repr
from deltarule.maths.network import views
from deltarule.problem.configuration import SETTABLE
from deltarule.problem.error_messages import as_toml
from deltarule.problem.problem import Problem
from deltarule.problem.recipe_sections import Configuration
from deltarule.problem.state import State
from deltarule.studies.recipes import Recipe


@dataclass(frozen=True)
class Export:
    """A file to save: its name and its text."""

    name: str
    text: str


@dataclass(frozen=True, eq=False)
class Trained:
    """A member to export: the recipe and its data, the problem, and the state of this member alone at one step."""

    recipe: Recipe
    dataset: Dataset
    problem: Problem
    state: State


def export(kind: str, trained: Trained) -> Export:
    """Export a member as a file of some kind: "recipe", "python", "script" or "weights".

    Raises `BadInput` for another kind, and for a problem that a script cannot express.
    """
    if kind not in KINDS:
        raise BadInput(f"there is no export {short_repr(kind)}; there are: {', '.join(KINDS)}")
    return KINDS[kind](trained)


def recipe_toml(configuration: Configuration) -> str:
    """Write a configuration as the text of a recipe (TOML), with every key that differs from its default.

    >>> from deltarule.problem.configuration import parse, parse_toml
    >>> recipe = parse({"data": {"name": "xor"}, "network": {"layers": [2, 1]}, "stopping": {"max_steps": 10}})
    >>> print(recipe_toml(recipe))
    [data]
    name = "xor"
    <BLANKLINE>
    [network]
    layers = [2, 1]
    <BLANKLINE>
    [stopping]
    max_steps = 10
    <BLANKLINE>
    >>> parse_toml(recipe_toml(recipe)) == recipe
    True
    """
    blocks = []
    for section in SETTABLE:
        table = getattr(configuration, section).model_dump(exclude_defaults=True)
        lines = [f"{key} = {as_toml(value)}" for key, value in table.items() if value is not None]
        if lines:
            blocks.append("\n".join([f"[{section}]", *lines, ""]))
    if configuration.grid:
        lines = [f'"{key}" = {as_toml(list(values))}' for key, values in configuration.grid.items()]
        blocks.append("\n".join(["[grid]", *lines, ""]))
    return "\n".join(blocks)


def _recipe_file(trained: Trained) -> Export:
    """The recipe (TOML) of all members, which trains them until the exported member's step."""
    step = max(trained.state.step, 1)
    stopping = trained.recipe.configuration.stopping.model_copy(update={"max_steps": step, "max_epochs": None})
    return Export("recipe.toml", recipe_toml(trained.recipe.configuration.model_copy(update={"stopping": stopping})))


def _python_file(trained: Trained) -> Export:
    """A Python program that trains the population of recipe.toml with deltarule."""
    text = f'''"""The population of the workbench, trained by deltarule: `python train.py` beside recipe.toml."""

import deltarule
from deltarule.studies.recipes import dataset_of, load_recipe, problem_of

recipe = load_recipe("recipe.toml")
dataset = dataset_of(recipe)
run = deltarule.train(problem_of(recipe, dataset), max_steps={max(trained.state.step, 1)})
print(run)
'''
    return Export("train.py", text)


def _script_file(trained: Trained) -> Export:
    """A script that trains the member with NumPy alone."""
    from deltarule.export.training_script.script import training_script  # imported on use

    seed, step = int(trained.problem.seeds[trained.state.members[0]]), trained.state.step
    objective = float(whole_objective(trained.problem, trained.state)[0])
    text = training_script(
        trained.problem,
        member=int(trained.state.members[0]),
        steps=step,
        losses={step: objective},
        title=f"{trained.recipe.name} on {trained.dataset.name}, seed {seed}",
    )
    return Export("training.py", text)


def _weights_file(trained: Trained) -> Export:
    """The parameters of the member as JSON."""
    arrays = views(trained.state.theta[0], trained.problem.network.entries)
    table = {
        "network": repr(trained.problem.network),
        "step": trained.state.step,
        "parameters": {name: array.tolist() for name, array in arrays.items()},
    }
    return Export("weights.json", json.dumps(table, indent=1))


KINDS: dict[str, Callable[[Trained], Export]] = {
    "recipe": _recipe_file,
    "python": _python_file,
    "script": _script_file,
    "weights": _weights_file,
}
