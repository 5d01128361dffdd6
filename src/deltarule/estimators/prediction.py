"""The answers of trained networks to any number of rows, in blocks of a fixed size.

A block's answers depend on nothing but its rows, so they are the same, bit for bit, on one thread and on several.

K members · N rows · C outputs
"""

from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from typing import Any

import numpy as np
from scipy import sparse

from deltarule.engines.base import one_blas_thread
from deltarule.maths.activations import RELU
from deltarule.maths.layers import batch_norm_evaluation
from deltarule.maths.network import BATCH_NORM_EPSILON
from deltarule.problem.network import Network
from deltarule.problem.problem import Floats

BLOCK_BYTES = 2**18
"""The activations of a block's widest layer stay in the processor's nearer memory."""

BLOCKS_A_THREAD = 4
"""Fewer are done before a thread has started."""


def outputs_of(network: Network, parameters: Mapping[str, Floats], running: Mapping[str, Floats], x: Any) -> Floats:
    """The outputs for the rows of x [N, D], an array or a sparse matrix.

    parameters, running {name: [D, H] or [K, D, H]}   →   [N, C] or [K, N, C]

    >>> parameters = {"W1": np.array([[2.0]]), "b1": np.array([[1.0]])}
    >>> outputs_of(Network([1, 1]), parameters, {}, np.array([[3.0]]))
    array([[7.]])
    """
    dtype = parameters["W1"].dtype
    size = block_size(network, parameters["W1"])

    def block(start: int) -> Floats:
        rows = x[start : start + size]
        dense = rows.toarray() if sparse.issparse(rows) else rows
        with np.errstate(all="ignore"):  # NumPy's switch is one for each thread
            return _evaluated(network, parameters, running, np.asarray(dense, dtype))

    starts = range(0, x.shape[0], size)
    threads = min(_blas_threads(), len(starts) // BLOCKS_A_THREAD)
    with one_blas_thread():
        if threads < 2:
            return np.concatenate([block(start) for start in starts], axis=-2)
        with ThreadPoolExecutor(threads) as pool:
            return np.concatenate(list(pool.map(block, starts)), axis=-2)


def block_size(network: Network, W1: Floats) -> int:
    """The rows of a block, for networks of so many units and members.

    >>> block_size(Network([2, 1024, 1]), np.zeros((2, 1024)))
    64
    """
    members = 1 if W1.ndim == 2 else len(W1)
    widest = max(layer.units for layer in network.layers)
    return max(64, BLOCK_BYTES // (8 * widest * members))


def _evaluated(network: Network, parameters: Mapping[str, Floats], running: Mapping[str, Floats], x: Floats) -> Floats:
    """The network in evaluation mode, without the tape of training."""
    value = x
    for layer in network.layers:
        n = layer.number
        value = value @ parameters[f"W{n}"]
        value += parameters[f"b{n}"]
        if layer.batch_norm:
            own = (parameters[f"gamma{n}"], parameters[f"beta{n}"], running[f"mean{n}"], running[f"variance{n}"])
            value = batch_norm_evaluation(value, *own, BATCH_NORM_EPSILON)[0]
        if layer.activation is RELU:
            np.maximum(
                value, 0, out=value
            )  # the formula, which keeps a complex step, goes over the numbers three times
        else:
            value = layer.activation.function(value, **layer.activation.parameters)
    return value


def _blas_threads() -> int:
    """As many as BLAS may use: whoever limits its threads means ours too."""
    return max((library.num_threads for library in _blas().lib_controllers), default=1)


@cache
def _blas() -> Any:
    from threadpoolctl import ThreadpoolController

    return ThreadpoolController().select(user_api="blas")
