"""What can be played: the stories of the gallery, and problems."""

from functools import cache
from importlib import resources
from pathlib import Path
from typing import Any

import numpy as np

from deltarule.errors import BadInput
from deltarule.problem import registry
from deltarule.problem.configuration import parse, parse_toml
from deltarule.problem.problem import Problem
from deltarule.studies.recipes import Recipe, dataset_of, problem_of
from deltarule.training.checkpoint import problem_digest


@cache
def list_stories() -> tuple[dict[str, str], ...]:
    """List all stories, each with its `name`, `title`, `text` and `recipe` (TOML)."""
    stories = []
    for file in sorted((resources.files("deltarule.playground") / "gallery").iterdir(), key=lambda one: one.name):
        text = file.read_text(encoding="utf-8")
        study = parse_toml(text, file.name).study
        stories.append(
            {"name": file.name.removesuffix(".toml"), "title": study.title, "text": study.summary, "recipe": text}
        )
    return tuple(stories)


def recipe_of_problem(problem: Problem, folder: Path) -> Recipe:
    """Convert a problem to a recipe and write its data to `folder`.

    Raises `BadInput` for what a recipe cannot express, such as members that differ in more than seeds.
    """
    labels, named = _labels_of(problem), registry.describe_formula
    np.savez(folder / "data.npz", x=problem.x, y=problem.y if labels is None else labels)
    network, first = problem.network, problem.network.layers[0]
    optimizer, schedule = problem.optimizer, problem.schedule
    table: dict[str, dict[str, Any]] = {
        "data": {"file": {"name": "data.npz", "task": "regress" if labels is None else "classify"}},
        "network": {
            "layers": list(network.sizes),
            "activation": [named(layer.activation) for layer in network.layers[:-1]] or "identity",
            "output": named(network.output),
            "bias": first.bias,
            "batch_norm": first.batch_norm,
            "scaling_layer": first.scaling,
            "initializer": [named(law) for law in network.initializers],
            "initial_scale": float(problem.initial_scale[0]),
            "dropout": problem.dropout[0].tolist() or 0.0,
        },
        "loss": {
            "name": named(problem.loss),
            "reduction": problem.reduction,
            "penalty": problem.penalty and problem.penalty.name,
            "strength": float(problem.strength[0]),
            "penalize_biases": bool(problem.penalized.all()),
        },
        "optimizer": {
            "name": {"name": optimizer.name, **_first_numbers(optimizer, problem.numbers)},
            "learning_rate": float(problem.numbers["learning_rate"][0]),
            "learning_rate_factors": dict(problem.learning_rate_factors) or None,
            "parametrization": problem.parametrization,
            "batch_size": problem.batch_size,
            "clip_norm": None if problem.clip_norm is None else float(problem.clip_norm[0]),
            "schedule": {
                "name": schedule.name,
                "per": schedule.per,
                **_first_numbers(schedule, problem.schedule_numbers),
            },
        },
        "stopping": {"max_steps": 1_000_000_000},
        "run": {
            "seeds": list(dict.fromkeys(problem.seeds.tolist())),
            "data_seed": int(problem.data_seeds[0]),
            "dtype": problem.dtype.name,
        },
    }
    recipe = Recipe("problem", folder, parse(table, "the problem"))
    if problem_digest(problem_of(recipe, dataset_of(recipe))) != problem_digest(problem):
        raise BadInput(
            "no recipe gives the problem; play with members that differ in their seeds alone, without weights, rows, "
            "dropout seeds and formulas of its own"
        )
    return recipe


def _labels_of(problem: Problem) -> Any:
    """The labels [N] of classification targets, or None for a regression."""
    y = problem.y if problem.y.shape[1] > 1 else np.hstack([1 - problem.y, problem.y])
    is_one_hot = np.isin(y, (0, 1)).all() and (y.sum(1) == 1).all() and y.any(0).all()
    return y.argmax(1) if is_one_hot and problem.network.output.range in ("unit", "simplex") else None


def _first_numbers(formula: Any, numbers: Any) -> dict[str, float]:
    return {name: float(numbers[name][0]) for name in formula.parameters}
