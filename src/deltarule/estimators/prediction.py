"""The answers of trained networks to any number of rows, in blocks of a fixed size.

K members · N rows · B rows of a block · C outputs
"""

from collections.abc import Mapping
from typing import Any

import numpy as np
from scipy import sparse

from deltarule.engines.base import one_blas_thread
from deltarule.maths.network import forward
from deltarule.problem.network import Network
from deltarule.problem.problem import Floats

BLOCK = 512


def outputs_of(network: Network, parameters: Mapping[str, Floats], buffers: Mapping[str, Floats], x: Any) -> Floats:
    """The outputs for the rows of x [N, D], an array or a sparse matrix.

    parameters {name: [D, H] or [K, D, H]}   →   [N, C] or [K, N, C]

    >>> parameters = {"W1": np.array([[2.0]]), "b1": np.array([[1.0]])}
    >>> outputs_of(Network([1, 1]), parameters, {}, np.array([[3.0]]))
    array([[7.]])
    """
    dtype = parameters["W1"].dtype

    def block(start: int) -> Floats:
        rows = x[start : start + BLOCK]
        dense = rows.toarray() if sparse.issparse(rows) else rows
        tape, _ = forward(network.layers, parameters, np.asarray(dense, dtype), buffers=buffers)
        return np.asarray(network.output.forward(tape[-1].value)[0])

    with one_blas_thread(), np.errstate(all="ignore"):
        return np.concatenate([block(start) for start in range(0, x.shape[0], BLOCK)], axis=-2)
