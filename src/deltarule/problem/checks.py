"""The checks behind `create_problem`: each takes what was given and returns the array that is meant, or says no."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from deltarule.errors import BadInput
from deltarule.maths.activations import Activation
from deltarule.maths.losses import Loss
from deltarule.maths.optimizers import Optimizer
from deltarule.problem.network import Network
from deltarule.problem.problem import Floats, Integers


def no_meaning(loss: Loss, output: Activation) -> str:
    """The sentence for a loss behind an output activation that gives it numbers it cannot judge."""
    needs = {
        "positive": ("predictions above 0", "exponential or softplus"),
        "unit": ("predictions between 0 and 1", "sigmoid"),
        "simplex": ("predictions that sum to 1", "softmax"),
    }[loss.domain]
    return (
        f"the loss '{loss.name}' needs {needs[0]}, which the output activation '{output.name}' does not give; "
        f"use {needs[1]}"
    )


def numeric(name: str, given: Any, dtype: str) -> Floats:
    """A finite array [rows, columns] of the dtype; a list of targets becomes one column."""
    try:
        array = np.asarray(given)
        if array.dtype == object or array.dtype.kind not in "biuf":
            raise ValueError
        array = np.ascontiguousarray(array, dtype)
    except (ValueError, TypeError):
        raise BadInput(f"{name} are not a rectangular array of numbers; give one row for each sample") from None
    if array.ndim == 1 and name == "the targets":
        array = array[:, None]
    if array.ndim != 2 or len(array) == 0:
        raise BadInput(f"{name} have the shape {array.shape}; give at least one row, and rows × columns")
    if not np.isfinite(array).all():
        row, column = np.argwhere(~np.isfinite(array))[0]
        raise BadInput(
            f"{name} hold {array[row, column]} in row {row}, column {column}; remove or fill in such values first"
        )
    return array


def inputs(x: Any, network: Network, dtype: str) -> Floats:
    """The inputs [N, D], D as the network has it."""
    array = numeric("the inputs", x, dtype)
    if array.shape[1] != network.inputs:
        raise BadInput(
            f"the inputs have {array.shape[1]} columns and the network {network.inputs} inputs; make them equal"
        )
    return array


def targets(y: Any, network: Network, loss: Loss, dtype: str) -> Floats:
    """The targets [N, C], C as the network has it, each a number that the loss allows."""
    array = numeric("the targets", y, dtype)
    if array.shape[1] != network.outputs:
        raise BadInput(
            f"the targets have {array.shape[1]} columns and the network {network.outputs} outputs; make them equal"
        )
    lowest, highest = {"real": (-np.inf, np.inf), "nonnegative": (0, np.inf), "unit": (0, 1)}[loss.targets]
    if array.min() < lowest or array.max() > highest:
        bounds = "of 0 or more" if highest == np.inf else "from 0 to 1"
        raise BadInput(
            f"the loss '{loss.name}' needs targets {bounds}; these go from {array.min():g} to {array.max():g}"
        )
    return array


def whole(name: str, value: Any, least: int = 1) -> int:
    """A whole number of at least `least`."""
    if isinstance(value, bool) or not hasattr(value, "__index__") or value < least:
        raise BadInput(f"{name} is {value!r}; give a whole number of {least} or more")
    return int(value)


def members(varying: dict[str, Any], *others: Any) -> int:
    """K: the one length above 1 that the given lists have."""
    seeds, data_seeds, dropout_seeds, weights, rows, dropout = others
    lengths = {name: np.shape(value)[0] for name, value in varying.items() if np.ndim(value) == 1}
    for name, value in (("seeds", seeds), ("data_seeds", data_seeds), ("dropout_seeds", dropout_seeds), ("rows", rows)):
        if value is not None and not hasattr(value, "__index__"):
            lengths[name] = len(value)
    lengths |= {name: len(value) for name, value in (("weights", weights), ("dropout", dropout)) if np.ndim(value) == 2}
    if 0 in lengths.values():
        raise BadInput(f"{next(name for name, length in lengths.items() if length == 0)} is empty; give at least one")
    several = {name: length for name, length in lengths.items() if length > 1}
    if len(set(several.values())) > 1:
        told = ", ".join(f"{length} for {name}" for name, length in several.items())
        raise BadInput(
            f"the members' numbers differ in length ({told}); give one number, or as many as there are members"
        )
    return next(iter(several.values()), 1)


def per_member(name: str, value: Any, members: int) -> Floats:
    """A number, or one for each member, as [K] float64."""
    try:
        array = np.asarray(value, np.float64)
    except (TypeError, ValueError):
        raise BadInput(f"{name} is {value!r}; give a number, or one a member") from None
    if array.ndim > 1:
        raise BadInput(f"{name} has {array.ndim} dimensions; give a number, or one a member")
    if not np.isfinite(array).all():
        raise BadInput(f"{name} is {array[~np.isfinite(array)][0] if array.ndim else array}; give a finite number")
    return np.ascontiguousarray(np.broadcast_to(array, members))


def check_signs(spread: Mapping[str, Floats], optimizer: Optimizer) -> None:
    """Refuse numbers outside what they can mean: negative rates, a momentum of 1 or more."""
    for name in ("learning_rate", "strength", "initial_scale"):
        if (spread[name] < 0).any():
            raise BadInput(f"{name} is {spread[name].min():g}; give 0 or more")
    for name in {"momentum", "beta1", "beta2", "decay"} & set(optimizer.parameters):
        if (spread[name] < 0).any() or (spread[name] >= 1).any():
            wrong = spread[name][(spread[name] < 0) | (spread[name] >= 1)][0]
            raise BadInput(f"{name} is {wrong:g}; give a number from 0 up to, not including, 1")


def dropout(given: Any, members: int, hidden: int) -> Floats:
    """Dropout rates [K, hidden layers]."""
    try:
        rates = np.asarray(given, np.float64)
        spread = np.broadcast_to(rates, (members, hidden))
    except ValueError:
        raise BadInput(
            f"dropout is {given!r}; give a rate, one for each of the {hidden} hidden layers, or [members, layers]"
        ) from None
    if rates.size and not ((rates >= 0) & (rates < 1)).all():
        raise BadInput(f"dropout is {given!r}; give rates from 0 up to, not including, 1")
    if not hidden and rates.any():
        raise BadInput("dropout acts on hidden layers and the network has none; leave it out")
    return np.ascontiguousarray(spread)


def weights(given: Any, members: int, rows: int, dtype: str) -> Floats | None:
    """Row weights, [N] for all members or [K, N]."""
    if given is None:
        return None
    array = np.ascontiguousarray(given, dtype)
    if array.shape not in ((rows,), (members, rows)):
        raise BadInput(
            f"the weights have the shape {array.shape}; give ({rows},), or ({members}, {rows}) for each member its own"
        )
    if not np.isfinite(array).all() or (array < 0).any() or not (array.sum(-1) > 0).all():
        raise BadInput(
            "the weights hold a negative number, a NaN or only zeros; give finite weights of 0 or more, not all 0"
        )
    return array


def rows(given: Sequence[Any] | None, members: int, count: int) -> tuple[Integers, ...] | None:
    """Each member's row indices, or None where all members use all rows."""
    if given is None:
        return None
    spread = list(given) * members if len(given) == 1 else list(given)
    checked = []
    for indices in spread:
        array = np.asarray(indices)
        if array.ndim != 1 or array.dtype.kind not in "iu" or not len(array):
            raise BadInput(
                "a member's rows are not a list of whole numbers; give for each member at least one row's index"
            )
        if array.min() < 0 or array.max() >= count:
            raise BadInput(f"a member's rows go from {array.min()} to {array.max()}; there are rows 0 to {count - 1}")
        checked.append(array.astype(np.int64))
    return tuple(checked)


def seeds(name: str, given: Any, members: int) -> NDArray[np.uint64]:
    """One seed for each member, [K] uint64."""
    values = [given] if hasattr(given, "__index__") else list(given)
    for value in values:
        if isinstance(value, bool) or not hasattr(value, "__index__") or not 0 <= value < 2**64:
            raise BadInput(f"{name} hold {value!r}; a seed is a whole number of 0 or more")
    return np.ascontiguousarray(np.broadcast_to(np.array([int(value) for value in values], np.uint64), members))


def penalized(network: Network, biases: bool) -> Floats:
    """[P]: 1 for the entries that a penalty counts, 0 for the others."""
    chosen = np.zeros(network.parameters)
    for entry in network.entries:
        chosen[entry.start : entry.stop] = float(
            entry.name.startswith("W") or (biases and entry.name.startswith("b") and not entry.name.startswith("beta"))
        )
    return chosen
