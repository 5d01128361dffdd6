"""Networks of all layers, given as one list."""

from typing import Any

import numpy as np

from deltarule import Network, create_problem
from deltarule.problem.problem import Problem

CHAINS: dict[str, list[Any]] = {
    "dense": [4, 5, "tanh", 3],
    "scaling": [4, "scaling", 5, "tanh", "scaling", 3],
    "dropout": [4, 5, "tanh", "dropout", 6, "dropout", 3],
    "batch_norm": [4, 5, "batch_norm", "tanh", 3],
    "layer_norm": [4, "layer_norm", 5, "layer_norm", "tanh", 3],
    "glu": [4, {"name": "glu", "units": 5}, {"name": "glu", "units": 3}],
    "tied": [4, 3, "sigmoid", {"name": "tied", "W": "W1"}, "tanh", 3],
    "residual": [4, 5, "tanh", 5, {"name": "residual", "skip": "a1"}, {"name": "residual", "skip": "a1"}, "relu", 3],
    "all": [
        *(4, "scaling", 6, "batch_norm", "tanh", "dropout", "layer_norm"),
        *({"name": "glu", "units": 6}, {"name": "residual", "skip": "n1"}, {"name": "residual", "skip": "d1"}),
        *("layer_norm", {"name": "tied", "W": "W1"}, {"name": "residual", "skip": "s1"}, "tanh", 3),
    ],
}


def problem_with_layers(chain: list[Any], **options: Any) -> Problem:
    random = np.random.default_rng(0)
    options = {"dropout": 0.2 if "dropout" in chain else 0.0, "optimizer": "momentum", "learning_rate": 0.01} | options
    return create_problem(
        Network(chain, initializer={"name": "normal", "std": 0.6, "biases": "same"}),
        random.normal(size=(23, chain[0])),
        random.normal(size=(23, 3)),
        batch_size=7,
        penalty="weight_decay",
        strength=0.01,
        **options,
    )
