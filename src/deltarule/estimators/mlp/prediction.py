"""Predict any number of rows with trained networks, in blocks of a fixed size.

The predictions of a block depend on its rows only, so they are bit for bit the same on any number of threads.

K members · N rows · C outputs
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from scipy import sparse
from scipy.special import expit

from deltarule.estimators.mlp.parallel import parallel_for
from deltarule.maths.activations import RELU, SIGMOID, SOFTMAX
from deltarule.maths.layers import batch_norm_evaluation
from deltarule.maths.network import BATCH_NORM_EPSILON, Layer, without_scaling
from deltarule.problem.network import Network
from deltarule.problem.problem import Floats
from deltarule.problem.validation import is_finite

BLOCK_BYTES = 2**20
"""The activations of a block's widest layer should stay in the processor's cache; in smaller blocks threads wait for
the interpreter's lock between the products."""
MAX_EVEN_BLOCKS = 8
"""Block counts are 1, 2, 4 or a multiple of this, so that two, four or eight threads finish together."""
MAX_DENSE_BLOCK_BYTES = 2**25
"""Memory limit for a block of denser sparse rows, which are converted to arrays."""


class NonFiniteInput(Exception):
    """A number of the rows is NaN or infinite."""


def identity(outputs: Floats) -> Floats:
    """The outputs themselves."""
    return outputs


def outputs_of(
    network: Network,
    parameters: Mapping[str, Floats],
    running: Mapping[str, Floats],
    x: Any,
    check: bool = False,
    answer: Callable[[Floats], Floats] = identity,
) -> Floats:
    """The outputs for the rows of x [N, D], an array or a sparse matrix, or a function of them.

    parameters, running {name: [D, H] or [K, D, H]}   →   [N, C] or [K, N, C], or with A numbers for each row [.., N, A]

    check : whether to check that every number of x, then an array, is finite; each thread checks its own blocks.
    answer : a function of outputs, [N, C] or [K, N, C]  →  [.., N, A]; applied block by block, because the outputs
        of all members together may need much memory.

    Raises `NonFiniteInput` if `check` finds one; `ValueError` for a number too large for the network's dtype.

    >>> parameters = {"W1": np.array([[2.0]]), "b1": np.array([[1.0]])}
    >>> outputs_of(Network([1, 1]), parameters, {}, np.array([[3.0]]))
    array([[7.]])
    """
    with np.errstate(all="ignore"):  # weights that are not finite are passed on
        layers, parameters = without_scaling(network.layers, parameters)
    W1, rows = parameters["W1"], x.shape[0]
    size = block_size(network, W1, rows)
    # Density below which a sparse product is faster than a dense one: at this density it takes a third of the time.
    thin = sparse.issparse(x) and x.nnz < rows * network.inputs / 40
    if sparse.issparse(x) and not thin:
        size = min(size, MAX_DENSE_BLOCK_BYTES // (8 * network.inputs) or 1)
    is_whole = size >= rows
    answers = np.empty((*W1.shape[:-2], rows if is_whole else 0, network.outputs), W1.dtype)
    if not is_whole:
        form = answer(answers)
        answers = np.empty((*form.shape[:-2], rows, form.shape[-1]), form.dtype)

    def fill(start: int) -> None:
        with np.errstate(all="ignore"):  # the setting is per thread
            block = x[start : start + size]
            if check and not is_finite(block):
                raise NonFiniteInput
            if sparse.issparse(block) and not thin:
                block = block.toarray()
            block = block.astype(W1.dtype, copy=False)
            if W1.dtype.itemsize < x.dtype.itemsize and not is_finite(block.data if thin else block):
                raise ValueError(f"Input X contains infinity or a value too large for {W1.dtype!r}.")
            outputs = _evaluation_forward(layers, parameters, running, block)
            if not is_whole:
                # NumPy sums the members of a single row in another order than of several rows: so the row is doubled.
                is_single = block.shape[0] == 1
                outputs = answer(outputs.repeat(2, axis=-2))[..., :1, :] if is_single else answer(outputs)
            answers[..., start : start + size, :] = outputs

    parallel_for(fill, range(0, rows, size))
    return answer(answers) if is_whole else answers


def block_size(network: Network, W1: Floats, rows: int) -> int:
    """The rows of a block, for networks of so many units and members and so many rows in all.

    >>> [block_size(Network([2, 1024, 1]), np.zeros((2, 1024)), rows) for rows in (50, 100, 1000, 10_000)]
    [50, 100, 125, 125]
    >>> [block_size(Network([784, 100, 10]), np.zeros((784, 100)), rows) for rows in (100, 200, 1000, 10_000)]
    [100, 100, 250, 1250]
    """
    members = 1 if W1.ndim == 2 else len(W1)
    widest = max(layer.units for layer in network.layers)
    blocks = -(-8 * rows * widest * members // BLOCK_BYTES)
    # Rows · parameters that pay for a block of their own: about half a millisecond, in which another thread wakes. A
    # second block pays from two thirds of that on.
    work = rows * network.parameters * members / 20_000_000
    blocks = max(blocks, min(MAX_EVEN_BLOCKS, int(work)), 2 if work > 2 / 3 else 1)
    even = next((share for share in (1, 2, 4) if share >= blocks), MAX_EVEN_BLOCKS)
    return -(-rows // (-(-blocks // even) * even)) or 1


def _evaluation_forward(
    layers: Sequence[Layer], parameters: Mapping[str, Floats], running: Mapping[str, Floats], x: Any
) -> Floats:
    """The layers in evaluation mode, without the tape of training."""
    value = x
    for layer in layers:
        n = layer.number
        W = parameters[f"W{n}"]
        # A product of SciPy has no axis of members.
        value = np.stack([value @ own for own in W]) if sparse.issparse(value) and W.ndim == 3 else value @ W
        value += parameters[f"b{n}"]
        if layer.batch_norm:
            own = (parameters[f"gamma{n}"], parameters[f"beta{n}"], running[f"mean{n}"], running[f"variance{n}"])
            value = batch_norm_evaluation(value, *own, BATCH_NORM_EPSILON)[0]
        # The formulas, which keep a complex step, go over the numbers several times.
        if layer.activation == RELU:
            np.maximum(value, 0, out=value)
        elif layer.activation == SIGMOID:
            expit(value, out=value)
        elif layer.activation == SOFTMAX:
            value = _softmax(value)
        else:
            value = layer.activation.function(value, **layer.activation.parameters)
    return value


def _softmax(z: Floats) -> Floats:
    """The softmax of every row, a class at a time over all of them: there are few classes and many rows.

    z, and what is returned, [.., N, C]

    >>> _softmax(np.array([[0.0, 0.0], [1e4, -1e4]]))
    array([[0.5, 0.5],
           [1. , 0. ]])
    """
    t = np.ascontiguousarray(z.swapaxes(-1, -2))
    t -= t.max(axis=-2, keepdims=True)
    np.exp(t, out=t)
    t /= t.sum(axis=-2, keepdims=True)
    return t.swapaxes(-1, -2)
