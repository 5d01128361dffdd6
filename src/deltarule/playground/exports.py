"""Export recipes, programs, scripts and weights from the workbench."""

import json
from dataclasses import replace

from deltarule.data.dataset import Dataset
from deltarule.engines.reference import whole_objective
from deltarule.maths.network import views
from deltarule.problem.error_messages import as_toml
from deltarule.problem.problem import Problem
from deltarule.problem.recipe_sections import Configuration, changed_values
from deltarule.problem.settings import SETTABLE
from deltarule.problem.state import State
from deltarule.recipes import Recipe


def export(kind: str, recipe: Recipe, dataset: Dataset, problem: Problem, state: State) -> tuple[str, str]:
    """Export a member as a "recipe", "script" or "weights" file.

    Returns the file's name and text. `state` is that of the member alone.
    """
    if kind == "recipe":
        stopping = replace(recipe.configuration.stopping, max_steps=max(state.step, 1), max_epochs=None)
        return "recipe.toml", recipe_toml(replace(recipe.configuration, stopping=stopping))
    if kind == "script":
        from deltarule.export.training_script import training_script  # imported on use

        member = int(state.members[0])
        losses = {state.step: float(whole_objective(problem, state)[0])}
        title = f"{recipe.name} on {dataset.name}, seed {int(problem.seeds[member])}"
        return "training.py", training_script(problem, member=member, steps=state.step, losses=losses, title=title)
    arrays = views(state.theta[0], problem.network.entries)
    parameters = {name: array.tolist() for name, array in arrays.items()}
    table = {"network": repr(problem.network), "step": state.step, "parameters": parameters}
    return "weights.json", json.dumps(table, indent=1)


def recipe_toml(configuration: Configuration) -> str:
    """Write a configuration as the TOML text of a recipe."""
    tables = {section: changed_values(getattr(configuration, section)) for section in SETTABLE}
    tables["grid"] = {f'"{key}"': list(values) for key, values in configuration.grid.items()}
    blocks = []
    for section, table in tables.items():
        lines = [f"{key} = {as_toml(value)}" for key, value in table.items() if value is not None]
        if lines:
            blocks.append("\n".join([f"[{section}]", *lines, ""]))
    return "\n".join(blocks)
