"""The answers of trained networks to any number of rows, in blocks of a fixed size.

A block's answers depend on nothing but its rows, so they are the same, bit for bit, on one thread and on several.

K members · N rows · C outputs
"""

import os
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from typing import Any

import numpy as np
from scipy import sparse
from scipy.special import expit

from deltarule.engines.base import one_blas_thread
from deltarule.maths.activations import RELU, SIGMOID
from deltarule.maths.layers import batch_norm_evaluation
from deltarule.maths.network import BATCH_NORM_EPSILON
from deltarule.problem.network import Network
from deltarule.problem.problem import Floats

BLOCK_BYTES = 2**17
"""The activations of a block's widest layer stay in the processor's nearer memory."""

WORK_A_THREAD = 2_000_000
"""Rows · parameters from which on another thread helps: fewer are done, within a tenth of a millisecond, before it has
woken."""


def outputs_of(network: Network, parameters: Mapping[str, Floats], running: Mapping[str, Floats], x: Any) -> Floats:
    """The outputs for the rows of x [N, D], an array or a sparse matrix.

    parameters, running {name: [D, H] or [K, D, H]}   →   [N, C] or [K, N, C]

    >>> parameters = {"W1": np.array([[2.0]]), "b1": np.array([[1.0]])}
    >>> outputs_of(Network([1, 1]), parameters, {}, np.array([[3.0]]))
    array([[7.]])
    """
    W1, rows = parameters["W1"], x.shape[0]
    size = block_size(network, W1)
    outputs = np.empty((*W1.shape[:-2], rows, network.outputs), W1.dtype)

    def fill(starts: range) -> None:
        with np.errstate(all="ignore"):  # NumPy's switch is one for each thread
            for start in starts:
                own = x[start : start + size]
                dense = np.asarray(own.toarray() if sparse.issparse(own) else own, W1.dtype)
                outputs[..., start : start + size, :] = _evaluated(network, parameters, running, dense)

    starts = range(0, rows, size)
    work = rows * network.parameters * (outputs.size // max(rows * network.outputs, 1))
    threads = min(_blas_threads(), len(starts), work // WORK_A_THREAD)
    with one_blas_thread():
        others = [_threads(os.getpid()).submit(fill, starts[k::threads]) for k in range(1, threads)]
        fill(starts[:: max(threads, 1)])
        for other in others:
            other.result()
    return outputs


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
        # The formulas, which keep a complex step, go over the numbers several times.
        if layer.activation is RELU:
            np.maximum(value, 0, out=value)
        elif layer.activation is SIGMOID:
            expit(value, out=value)
        else:
            value = layer.activation.function(value, **layer.activation.parameters)
    return value


def _blas_threads() -> int:
    """As many as BLAS may use: whoever limits its threads means ours too."""
    return max((library.num_threads for library in _blas().lib_controllers), default=1)


@cache
def _threads(process: int) -> ThreadPoolExecutor:
    """The threads of a process: one that was forked off has none of its parent's."""
    return ThreadPoolExecutor(os.cpu_count(), thread_name_prefix="deltarule")


@cache
def _blas() -> Any:
    from threadpoolctl import ThreadpoolController

    return ThreadpoolController().select(user_api="blas")
