"""Convert a problem that was created in Python to a recipe and a data file."""

from pathlib import Path
from typing import Any

import numpy as np

from deltarule.errors import BadInput
from deltarule.playground.population import recipe_of_configuration
from deltarule.problem import registry
from deltarule.problem.configuration import parse
from deltarule.problem.problem import Problem
from deltarule.studies.recipes import Recipe


def recipe_of_problem(problem: Problem, folder: Path) -> Recipe:
    """Convert a problem to a recipe and write its data to `folder`.

    Raises
    ------
    BadInput
        For members that differ in more than seeds, weighted rows, different rows for each member, and custom formulas.
    """
    _check_is_playable(problem)
    labels = _labels_of(problem)
    np.savez(folder / "data.npz", x=problem.x, y=problem.y if labels is None else labels)
    network, first = problem.network, problem.network.layers[0]
    hidden = network.layers[:-1]
    named = registry.describe_formula
    table: dict[str, dict[str, Any]] = {
        "data": {"file": {"name": "data.npz", "task": "regress" if labels is None else "classify"}},
        "network": {
            "layers": list(network.sizes),
            "activation": [named(layer.activation) for layer in hidden] or "identity",
            "output": named(network.output),
            "bias": first.bias,
            "batch_norm": first.batch_norm,
            "scaling_layer": first.scaling,
            "initializer": named(network.initializer),
            "initial_scale": float(problem.initial_scale[0]),
            "dropout": problem.dropout[0].tolist() or 0.0,
        },
        "loss": {
            "name": named(problem.loss),
            "reduction": problem.reduction,
            "penalty": None if problem.penalty is None else problem.penalty.name,
            "strength": float(problem.strength[0]),
            "penalize_biases": bool(problem.penalized.all()),
        },
        "optimizer": {
            "name": _with_numbers(problem.optimizer.name, problem.optimizer.parameters, problem.numbers),
            "learning_rate": float(problem.numbers["learning_rate"][0]),
            "learning_rate_factors": dict(problem.learning_rate_factors) or None,
            "parametrization": problem.parametrization,
            "batch_size": problem.batch_size,
            "schedule": _with_numbers(problem.schedule.name, problem.schedule.parameters, problem.schedule_numbers)
            | ({"per": problem.schedule.per} if problem.schedule.per != "step" else {}),
        },
        "stopping": {"max_steps": 1_000_000_000},
        "run": {
            "seeds": problem.seeds.tolist(),
            "data_seed": int(problem.data_seeds[0]),
            "dtype": problem.dtype.name,
        },
    }
    return recipe_of_configuration(parse(table, "the problem"), "problem", folder)


def _check_is_playable(problem: Problem) -> None:
    """Check that the members differ only in their seeds."""
    numbers = {
        **problem.numbers,
        **problem.schedule_numbers,
        "strength": problem.strength,
        "initial_scale": problem.initial_scale,
        "dropout": problem.dropout,
        "data_seeds": problem.data_seeds,
    }
    for name, values in numbers.items():
        if (values != values[:1]).any():
            raise BadInput(f"the members differ in {name}; play with members that differ in their seeds alone")
    if (problem.dropout_seeds != problem.seeds).any():
        raise BadInput("the dropout seeds are not those of the weights; play with a problem without dropout_seeds")
    if problem.weights is not None or problem.rows is not None:
        raise BadInput("the problem has weights or rows of its members' own; play with one without")


def _labels_of(problem: Problem) -> Any:
    """The labels [N] of classification targets, or None for a regression."""
    y = problem.y
    if problem.network.output.range not in ("unit", "simplex") or not np.isin(y, (0, 1)).all():
        return None
    if y.shape[1] == 1:
        return y[:, 0].astype(np.int64) if y.min() == 0 and y.max() == 1 else None
    is_one_hot = (y.sum(1) == 1).all() and y.any(0).all()
    return y.argmax(1) if is_one_hot else None


def _with_numbers(name: str, parameters: Any, numbers: Any) -> dict[str, Any]:
    return {"name": name, **{key: float(numbers[key][0]) for key in parameters}}
