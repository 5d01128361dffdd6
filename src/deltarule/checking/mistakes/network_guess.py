"""Guess the network and the data of code that no tape can record.

The sizes come from the parameters' shapes, the data from arrays that the code refers to. A guess is used only if the
measured gradient is that of the network, in every entry.
"""

from collections.abc import Iterator
from contextlib import suppress
from itertools import pairwise, product
from typing import Any

import numpy as np

from deltarule.checking.mistakes.evidence import Evidence
from deltarule.checking.mistakes.network_matching import Like, NetworkMatch, match_network
from deltarule.checking.tape.record import container_contents
from deltarule.checking.tape.traced_array import UntraceableError
from deltarule.checking.user_code.callables import Code
from deltarule.checking.user_code.conversion import as_numpy
from deltarule.errors import BadInput
from deltarule.problem.network import Network

_ACTIVATIONS = ("tanh", "relu", "sigmoid", "softplus", "leaky_relu")
_OUTPUTS = ("identity", "softmax", "sigmoid")
_MAX_ARRAYS = 6
"""Arrays that are tried as the inputs x; twice as many are tried as the targets y."""


def guess_network(code: Code, evidence: Evidence, loss: float) -> tuple[NetworkMatch, Like] | None:
    """Find a network and data whose gradient is the reference gradient."""
    arrays = list(_referenced_arrays(code, evidence))
    for sizes, has_bias in _possible_sizes(evidence):
        inputs = [array for array in arrays if array.ndim == 2 and sizes[0] in array.shape and array.dtype.kind == "f"]
        for x, y in product(inputs[:_MAX_ARRAYS], arrays[: 2 * _MAX_ARRAYS]):
            if x is y or not set(y.shape) & set(x.shape):
                continue
            for hidden, output in product(_ACTIVATIONS if len(sizes) > 2 else ("tanh",), _OUTPUTS):
                with suppress(BadInput, ValueError):
                    like = Like(Network(list(sizes), hidden, output, bias=has_bias), x, y, {})
                    match = match_network(evidence, evidence.references, loss, like)
                    if match is not None and not match.objective.kind:
                        return match, like
    return None


def _possible_sizes(evidence: Evidence) -> Iterator[tuple[tuple[int, ...], bool]]:
    """The possible units of each layer, by the shapes of weights."""
    all_shapes = [parameter.value.shape for parameter in evidence.parameters]
    weights = [shape for shape in all_shapes if len(shape) == 2 and min(shape) > 1]
    others = len(all_shapes) - len(weights)
    if not weights or others not in (0, len(weights)):
        return
    for shapes in (weights, [shape[::-1] for shape in weights]):
        if all(first[1] == second[0] for first, second in pairwise(shapes)):
            yield (shapes[0][0], *(shape[1] for shape in shapes)), bool(others)


def _referenced_arrays(code: Code, evidence: Evidence) -> Iterator[Any]:
    """The arrays that the code refers to and that may be its data."""
    shapes = {parameter.value.shape for parameter in evidence.parameters if parameter.value.ndim == 2}
    seen: set[int] = set()
    for contents in container_contents(code.roots):
        for value in contents:
            if id(value) in seen or not hasattr(value, "shape") or not hasattr(value, "dtype"):
                continue
            seen.add(id(value))
            with suppress(BadInput, TypeError, ValueError, UntraceableError):
                array = np.asarray(as_numpy(value))
                is_data = array.ndim in (1, 2) and array.size > 2 and array.dtype.kind in "fiub"
                if is_data and array.shape not in shapes:
                    yield array
