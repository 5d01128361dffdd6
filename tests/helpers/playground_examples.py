"""A small recipe for tests of the playground."""

from pathlib import Path

from deltarule.problem.configuration import parse
from deltarule.studies.recipes import Recipe


def recipe_of(**sections: dict[str, object]) -> Recipe:
    """The recipe of a small population on two spirals, with some keys changed, given by section."""
    table: dict[str, dict[str, object]] = {
        "data": {"name": {"name": "spirals", "samples": 40}},
        "network": {"layers": ["auto", 4, "auto"], "activation": "tanh", "output": "softmax"},
        "loss": {"name": "cross_entropy"},
        "optimizer": {"name": "adam", "learning_rate": 0.03, "batch_size": 10},
        "stopping": {"max_steps": 1_000_000},
        "run": {"seeds": 3},
    }
    for name, keys in sections.items():
        table[name] = {**table.get(name, {}), **keys}
    configuration = parse(table)
    return Recipe("play", Path(), configuration, as_read=configuration)
