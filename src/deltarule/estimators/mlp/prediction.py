"""Predict any number of rows with trained networks, in blocks of a fixed size.

The predictions of a block depend on its rows only, so they are bit for bit the same on any number of threads.
`deltarule predict` needs nothing but this of the package: scikit-learn, whose import takes two seconds, stays out.

K members · N rows · C outputs
"""

from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import lru_cache
from typing import Any

import numpy as np

from deltarule import platforms
from deltarule.blas_threads import blas_threads, one_blas_thread
from deltarule.maths.activations import Activation, relu, sigmoid, softmax
from deltarule.maths.layers import dense
from deltarule.maths.network import PlacedLayer, evaluated, without_scaling
from deltarule.problem.network import Network
from deltarule.problem.problem import Floats
from deltarule.problem.validation import is_finite

BLOCK_BYTES = 2**20
"""The activations of a block's widest layer should stay in the processor's cache; in smaller blocks threads wait for
the interpreter's lock between the products."""
MAX_EVEN_BLOCKS = 8
"""Block counts are 1, 2, 4 or a multiple of this, so that two, four or eight threads finish together."""


class NonFiniteInput(Exception):
    """A number of the rows is NaN or infinite."""


def mean_of_members(predictions: Floats) -> Floats:
    with np.errstate(all="ignore"):  # huge weights give infinite outputs of both signs
        return predictions[0] if len(predictions) == 1 else np.asarray(predictions.mean(axis=0))


def mean_and_std(predictions: Floats) -> Floats:
    """The mean and the standard deviation [2, N, C] of predictions [K, N, C]."""
    if len(predictions) < 2:
        raise ValueError("return_std needs several members to differ; fit with n_members of 2 or more.")
    with np.errstate(all="ignore"):
        return np.stack([mean_of_members(predictions), predictions.std(axis=0, ddof=1)])


def class_probabilities(outputs: Floats, class_count: int) -> Floats:
    """The probabilities [.., N, C] of all classes; two share one output."""
    if outputs.shape[-1] > 1:
        return outputs
    if class_count == 1:
        return np.ones_like(outputs)
    both = np.empty((*outputs.shape[:-1], 2), outputs.dtype)
    np.subtract(1, outputs[..., 0], out=both[..., 0])
    both[..., 1] = outputs[..., 0]
    return both


def outputs_of(
    network: Network,
    arrays: Mapping[str, Floats],
    x: Any,
    check_rows_finite: bool = False,
    transform: Callable[[Floats], Floats] = np.asarray,
) -> Floats:
    """The outputs [N, C] or [K, N, C] for rows x [N, D], `transform`ed block by block.

    The outputs of all members at once may need much memory. `check_rows_finite` is for arrays: NaN and infinity raise
    `NonFiniteInput`.
    """
    with np.errstate(all="ignore"):  # weights that are not finite are passed on
        layers, arrays = without_scaling(network.layers, arrays)
    layers, output = _fast_layers(layers, network.output)
    W1 = arrays["W1"]
    rows = x.shape[0]
    size = block_size(network, W1, rows)

    def outputs_of_block(start: int) -> Floats:
        """Double the last row if it is alone, so that its sums over members equal those in a larger block."""
        with np.errstate(all="ignore"):  # the setting is per thread
            block = x[start : start + size]
            if check_rows_finite and not is_finite(block):
                raise NonFiniteInput
            block = block.astype(W1.dtype, copy=False)
            if W1.dtype.itemsize < x.dtype.itemsize and not is_finite(block):
                raise ValueError(f"Input X contains infinity or a value too large for {W1.dtype!r}.")
            outputs = output.forward(evaluated(layers, arrays, block)[layers[-1].name])[0]
            # NumPy sums the members of a single row in another order than of several, so the last of many is doubled.
            is_last_alone = block.shape[0] == 1 < rows
            return transform(outputs.repeat(2, axis=-2))[..., :1, :] if is_last_alone else transform(outputs)

    starts = range(0, rows or 1, size)
    threads = min(blas_threads(), len(starts))  # a limit on the threads of BLAS is a limit on ours
    with one_blas_thread():
        if threads < 2:
            parts = [outputs_of_block(start) for start in starts]
        else:
            parts = list(platforms.thread_pool(threads, "predict").map(outputs_of_block, starts))
    return parts[0] if len(parts) == 1 else np.concatenate(parts, axis=-2)


def block_size(network: Network, W1: Floats, row_count: int) -> int:
    """The number of rows per block; `W1` are the first weights, [D, H] or [K, D, H]."""
    members = 1 if W1.ndim == 2 else len(W1)
    widest = max(network.sizes[1:])
    blocks = -(-8 * row_count * widest * members // BLOCK_BYTES)
    # Rows · parameters for which another block pays: about half a millisecond, the time in which a thread wakes. A
    # second block pays from two thirds of that on.
    work = row_count * network.parameters * members / 20_000_000
    blocks = max(blocks, min(MAX_EVEN_BLOCKS, int(work)), 2 if work > 2 / 3 else 1)
    even = next((share for share in (1, 2, 4) if share >= blocks), MAX_EVEN_BLOCKS)
    return -(-row_count // (-(-blocks // even) * even)) or 1


@lru_cache
def _fast_layers(layers: tuple[PlacedLayer, ...], output: Activation) -> tuple[tuple[PlacedLayer, ...], Activation]:
    """The same layers and output, which write over their inputs where that is faster."""

    def faster(formula: Any) -> Any:
        return replace(formula, function=_FASTER.get(formula.function, formula.function))

    return tuple(replace(placed, formula=faster(placed.formula)) for placed in layers), faster(output)


def _dense(x: Floats, W: Floats, b: Floats) -> tuple[Floats, Any]:
    z = x @ W
    return np.add(z, b, out=z), _dense  # nothing goes back


def _sigmoid(z: Floats) -> Any:
    from scipy.special import expit  # imported on use

    return expit(z, out=z)


def _softmax(z: Floats) -> Floats:
    """The softmax over the last axis of z [.., N, C]."""
    t = np.ascontiguousarray(z.swapaxes(-1, -2))
    t -= t.max(axis=-2, keepdims=True)
    np.exp(t, out=t)
    t /= t.sum(axis=-2, keepdims=True)
    return t.swapaxes(-1, -2)


_FASTER = {dense: _dense, relu: lambda z: np.maximum(z, 0, out=z), sigmoid: _sigmoid, softmax: _softmax}
"""In place of formulas of `maths`, which also take complex steps and pass over the numbers several times."""
