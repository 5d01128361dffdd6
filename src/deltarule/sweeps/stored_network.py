"""Records read from a sweep's store: `StoredNetwork` and `ConfigurationScore`."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from deltarule.blas_threads import one_blas_thread
from deltarule.maths.network import forward, views
from deltarule.problem.configuration import create_network
from deltarule.problem.network import Network
from deltarule.problem.problem import Floats
from deltarule.problem.recipe_sections import Configuration
from deltarule.problem.validation import query_inputs


@dataclass(frozen=True, eq=False)
class StoredNetwork:
    """A network of a sweep: its shape, parameters [P] and running statistics [Q].

    >>> from deltarule.data.synthetic import xor
    >>> StoredNetwork(Network([2, 1]), np.array([1.0, 2.0, 0.5]), np.zeros(0)).outputs(xor().train.x[:2])
    array([[0.5],
           [2.5]])
    """

    network: Network
    theta: Floats
    buffers: Floats

    def outputs(self, x: Any) -> Floats:
        """The network's outputs [B, C] for scaled rows x [B, D]."""
        parameters, buffers = views(self.theta, self.network.entries), views(self.buffers, self.network.buffers)
        x = query_inputs(x, self.network, 1, self.theta.dtype)
        with one_blas_thread(), np.errstate(all="ignore"):
            tape, _ = forward(self.network.layers, parameters, x, buffers=buffers)
            return np.asarray(self.network.output.forward(tape[-1].value)[0])

    def parameters(self) -> dict[str, Floats]:
        """The parameter arrays by name: W1 [D, H], b1 [1, H] and so on."""
        return views(self.theta, self.network.entries)

    def __repr__(self) -> str:
        return f"Stored {self.network!r}"


def stored_network(configuration: Configuration, dtype: str, sizes: str, theta: bytes, buffers: bytes) -> StoredNetwork:
    """The network in the columns of the table `networks`."""
    if dtype not in ("float32", "float64"):
        raise ValueError(f"weights are {dtype!r}")
    arrays = [np.frombuffer(data, dtype).copy() for data in (theta, buffers)]
    network = create_network(configuration, json.loads(sizes))
    buffer_size = sum(buffer.stop - buffer.start for buffer in network.buffers)
    if [len(array) for array in arrays] != [network.parameters, buffer_size]:
        raise ValueError(f"{len(arrays[0])} weights for {network!r}")
    return StoredNetwork(network, *arrays)


@dataclass(frozen=True)
class ConfigurationScore:
    """The score of a configuration over its folds and seeds.

    configuration, settings   its number, and its values of the grid's keys
    rows, diverged            how many there are, and how many of them diverged
    mean, least, greatest     of the score that was asked for, None if a row has no score
    """

    configuration: int
    settings: Mapping[str, Any]
    rows: int
    diverged: int
    mean: float | None
    least: float | None
    greatest: float | None
