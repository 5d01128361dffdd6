"""Convert the parameters and weights of estimators for storage, and back.

K members · θ [K, P]   running [K, Q], the running statistics of batch norm
"""

import math
from collections.abc import Collection, Mapping
from numbers import Integral, Real
from typing import Any

import numpy as np

from deltarule.estimators.mlp.fitted import FittedMLP, with_members
from deltarule.maths.network import flatten, views
from deltarule.problem.network import Network
from deltarule.problem.problem import Floats

PAIRS = "pairs"


def weights_of(model: FittedMLP) -> dict[str, Floats]:
    """The weights of a fitted model as arrays by name."""
    network = model._architecture.network()
    parameters, running = model._arrays()
    arrays = {"theta": flatten(with_members(parameters, model._members), network.entries)}
    if running:
        arrays["running"] = flatten(with_members(running, model._members), network.buffers)
    return arrays


def set_weights(model: FittedMLP, network: Network, arrays: dict[str, np.ndarray]) -> None:
    """Set the weights of a model to arrays that `weights_of` returned.

    Raises `ValueError` for arrays whose shapes do not fit the network.
    """
    theta = arrays["theta"]
    running = arrays.get("running", np.zeros((len(theta), 0), theta.dtype))
    expected = (len(theta), network.parameters), (len(theta), sum(e.stop - e.start for e in network.buffers))
    if not len(theta) or theta.dtype.kind != "f" or (theta.shape, running.shape) != expected:
        raise ValueError(f"θ has the shape {theta.shape}, statistics {running.shape}, and {network!r} needs {expected}")
    model._set_weight_arrays(views(theta, network.entries), views(running, network.buffers), len(network.layers))


def to_json_value(value: Any) -> Any:
    """Convert a parameter to a JSON value; functions and generators become None.

    >>> to_json_value((1, {"alpha": np.float64(0.5)}, range(2), float("-inf")))
    [1, {'pairs': [['alpha', 0.5]]}, [0, 1], '-inf']
    """
    if value is None or isinstance(value, bool | str):
        return value
    if callable(value):  # first, because a callable may have any attribute
        return None
    if isinstance(value, Integral):
        return int(value)
    if isinstance(value, Real):
        number = float(value)
        return number if math.isfinite(number) else str(number)
    if hasattr(value, "tolist"):
        listed = value.tolist()
        # NumPy's long complex numbers have no Python form.
        return None if type(listed) is type(value) else to_json_value(listed)
    if isinstance(value, Mapping):  # as pairs: JSON's keys are texts, and classes may be numbers
        return {PAIRS: [[to_json_value(key), to_json_value(item)] for key, item in value.items()]}
    if isinstance(value, Collection):
        return None if any(map(callable, value)) else [to_json_value(item) for item in value]
    return None


def from_json_value(value: Any) -> Any:
    """The inverse of `to_json_value`, except that tuples become lists.

    >>> from_json_value(to_json_value({"alpha": 0.5, "n_iter_no_change": float("inf")}))
    {'alpha': 0.5, 'n_iter_no_change': inf}
    """
    if isinstance(value, dict):  # keys are not converted: "nan" may be a name
        return {key: from_json_value(item) for key, item in value[PAIRS]}
    if isinstance(value, list):
        return [from_json_value(item) for item in value]
    # Numbers that JSON cannot express, as Python writes them.
    return float(value) if value in ("inf", "-inf", "nan") else value
