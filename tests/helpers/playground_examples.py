"""A small recipe and the reader of frames for tests of the playground."""

import json
from pathlib import Path

import numpy as np

from deltarule.problem.configuration import parse
from deltarule.recipes import Recipe


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
    return Recipe("play", Path(), configuration)


def decode(frame: bytes) -> tuple[dict[str, object], dict[str, np.ndarray]]:
    """Decode a frame into its header and its arrays by name, as source.js does."""
    start = 4 + int.from_bytes(frame[:4], "little")
    header, arrays = json.loads(frame[4:start]), {}
    for name, shape in header.pop("arrays"):
        size = int(np.prod(shape))
        arrays[name] = np.frombuffer(frame, "<f4", size, start).reshape(shape)
        start += 4 * size
    return header, arrays
