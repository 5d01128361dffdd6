"""What files and stores hold of estimators: parameters as JSON, weights as one array.

K members · θ [K, P]   running [K, Q], the running statistics of batch norm
"""

from collections.abc import Mapping
from typing import Any

import numpy as np

from deltarule.estimators.base import BaseMLP
from deltarule.maths.network import flatten, views
from deltarule.problem.network import Network
from deltarule.problem.problem import Floats

PAIRS, INFINITY = "pairs", "inf"  # what JSON has no form for


def weights_of(model: BaseMLP) -> dict[str, Floats]:
    """The weights of a fitted model: "theta", and "running" where there are such statistics."""
    network = model._architecture.network()
    parameters, running = model._arrays()
    arrays = {"theta": flatten(with_members(parameters, model._members), network.entries)}
    if running:
        arrays["running"] = flatten(with_members(running, model._members), network.buffers)
    return arrays


def put_weights(model: BaseMLP, network: Network, arrays: dict[str, np.ndarray]) -> None:
    """Give a model of a network these weights: the inverse of `weights_of`.

    Errors: `ValueError` for arrays of other shapes.
    """
    theta = arrays["theta"]
    running = arrays.get("running", np.zeros((len(theta), 0), theta.dtype))
    expected = (len(theta), network.parameters), (len(theta), sum(e.stop - e.start for e in network.buffers))
    if not len(theta) or theta.dtype.kind != "f" or (theta.shape, running.shape) != expected:
        raise ValueError(f"θ has the shape {theta.shape}, statistics {running.shape}, and {network!r} needs {expected}")
    model._hold_arrays(views(theta, network.entries), views(running, network.buffers), len(network.layers))


def with_members(arrays: Mapping[str, Floats], members: int) -> dict[str, Floats]:
    """Arrays [D, H] of a single member as [1, D, H], too."""
    return {name: array.reshape(members, *array.shape[-2:]) for name, array in arrays.items()}


def plain(value: Any) -> Any:
    """A parameter as JSON can hold it; functions and generators stay behind.

    >>> plain((1, {"alpha": np.float64(0.5)}, float("inf")))
    [1, {'pairs': [['alpha', 0.5]]}, 'inf']
    """
    if isinstance(value, np.ndarray | np.generic):
        return value.tolist()
    if isinstance(value, Mapping):  # as pairs: JSON's keys are texts, and classes may be numbers
        return {PAIRS: [[plain(key), plain(one)] for key, one in value.items()]}
    if isinstance(value, list | tuple):
        return None if any(map(callable, value)) else [plain(one) for one in value]
    if isinstance(value, float) and value == float("inf"):
        return INFINITY
    return value if isinstance(value, bool | int | float | str) else None


def unplain(value: Any) -> Any:
    """The inverse of `plain`; of tuples there are lists.

    >>> unplain(plain({"alpha": 0.5}))
    {'alpha': 0.5}
    """
    if isinstance(value, dict):
        return {key: unplain(one) for key, one in value[PAIRS]}
    if isinstance(value, list):
        return [unplain(one) for one in value]
    return float("inf") if value == INFINITY else value
