"""Validate the arguments of `create_problem`: each check returns an array of the right form or raises `BadInput`."""

import os
import sys
from collections.abc import Mapping, Sequence
from contextlib import suppress
from functools import cache
from numbers import Real
from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray

from deltarule.errors import BadInput, short_repr
from deltarule.maths.activations import Activation
from deltarule.maths.losses import Loss, is_smoothable, smooth_labels
from deltarule.maths.optimizers import Optimizer
from deltarule.maths.schedules import Schedule
from deltarule.problem.network import Network, switch
from deltarule.problem.problem import Floats, Integers, Problem


def describe_mismatch(loss: Loss, output: Activation) -> str:
    """The message for a loss that needs other predictions than the output activation gives."""
    needs = {
        "positive": ("predictions above 0", "exponential or softplus"),
        "unit": ("predictions between 0 and 1", "sigmoid"),
        "simplex": ("predictions that sum to 1", "softmax"),
    }[loss.domain]
    return (
        f"the loss '{loss.name}' needs {needs[0]}, which the output activation '{output.name}' does not give; "
        f"use {needs[1]}"
    )


def network(given: Any) -> Network:
    """Check that an argument is a Network."""
    if not isinstance(given, Network):
        raise BadInput(f"the network is {short_repr(given)}; make one with Network([inputs, ..., outputs])")
    return given


def problem(given: Any) -> Problem:
    """Check that an argument is a Problem."""
    if not isinstance(given, Problem):
        raise BadInput(f"the problem is a {type(given).__name__}; make one with create_problem(network, x, y)")
    return given


def member(given: Any, count: int, there_are: str) -> int:
    """Check the number of a member; `there_are` begins the part of the message about valid numbers."""
    number = whole("member", given, 0)
    if number >= count:
        raise BadInput(f"there is no member {short_repr(number)}; {there_are} 0 to {count - 1}")
    return number


def member_indices(given: Any, count: int) -> Integers:
    """Convert a choice of members to indices: an index (−1 is the last), several, or a mask [K]."""
    array = _to_array(given)
    if array is not None and array.dtype == bool and array.shape == (count,):
        array = np.flatnonzero(array)
    if array is None or array.ndim > 1 or array.dtype.kind not in "iu" or not array.size:
        raise BadInput(
            f"the members chosen are {short_repr(given)}; give at least one index, or True or False for each of the "
            f"{count}"
        )
    if array.min() < -count or array.max() >= count:
        raise BadInput(f"the members chosen go from {array.min()} to {array.max()}; there are members 0 to {count - 1}")
    return np.atleast_1d(array).astype(np.int64) % count


def query_inputs(x: Any, network: Network, members: int, dtype: DTypeLike) -> Floats:
    """Check inputs for prediction: [B, D], or [K, B, D] with rows for each member."""
    array = _to_numeric_array("the inputs", x)
    columns = network.inputs
    if array.ndim not in (2, 3) or array.shape[-1] != columns or array.shape[:-2] not in ((), (members,)):
        several = f", or {members} times such rows" if members > 1 else ""
        raise BadInput(f"the inputs have the shape {array.shape}; give rows of {columns} columns{several}")
    return array.astype(dtype, copy=False)


def numeric(name: str, given: Any, dtype: str, copy: bool = True) -> Floats:
    """Convert to a finite, read-only array [rows, columns] of a dtype; a list of targets becomes one column.

    copy : False to use the array itself; the caller has checked that it is finite.
    """
    array = _to_numeric_array(name, given)
    if array.ndim == 1 and name.endswith("targets"):
        array = array[:, None]
    if array.ndim != 2 or len(array) == 0:
        raise BadInput(f"{name} have the shape {array.shape}; give at least one row, and rows × columns")
    with np.errstate(over="ignore"):  # reported below
        # A copy, so that later changes of the user's array change no training; read-only arrays are not copied.
        if _is_final(array, dtype):
            converted = array
        else:
            converted = np.array(array, dtype, order="C") if copy else np.asarray(array, dtype, order="C").view()
    converted.setflags(write=False)
    if copy and not is_finite(converted):
        row, column = np.argwhere(~np.isfinite(converted))[0]
        hint = f"; {dtype} has no such number" if np.isfinite(array[row, column]) else ""
        raise BadInput(
            f"{name} hold {array[row, column]} in row {row}, column {column}{hint}; remove or fill in such values first"
        )
    return converted


def inputs(x: Any, network: Network, dtype: str, copy: bool = True) -> Floats:
    """Check inputs [N, D] against the network's inputs."""
    array = numeric("the inputs", x, dtype, switch("copy", copy))
    if array.shape[1] != network.inputs:
        raise BadInput(
            f"the inputs have {array.shape[1]} columns and the network {network.inputs} inputs; make them equal"
        )
    return array


def targets(y: Any, network: Network, loss: Loss, dtype: str) -> Floats:
    """Check targets [N, C] against the network's outputs and the loss."""
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


def smoothed(y: Floats, loss: Loss, smoothing: Any) -> Floats:
    """Check a label smoothing from 0 to under 1, and mix the targets; they stay what they are at 0."""
    share = finite("label_smoothing", smoothing)
    if not 0 <= share < 1:
        raise BadInput(f"label_smoothing is {short_repr(smoothing)}; give a number from 0 up to, not including, 1")
    if not share:
        return y
    if not is_smoothable(loss):
        raise BadInput(describe_smoothing_mismatch(share, loss))
    mixed: Floats = smooth_labels(loss, y, share)
    mixed.setflags(write=False)
    return mixed


def describe_smoothing_mismatch(smoothing: float, loss: Loss) -> str:
    """The message for label smoothing with a loss whose targets are no shares of classes."""
    return (
        f"label_smoothing is {smoothing:g}, but the loss '{loss.name}' has no labels; use cross_entropy or "
        "binary_cross_entropy, or leave it out"
    )


def whole(name: str, value: Any, least: int = 1) -> int:
    """Check that a value is a whole number of at least `least`."""
    if not _is_whole(value) or value < least:
        raise BadInput(f"{name} is {short_repr(value)}; give a whole number of {least} or more")
    return int(value)


def finite(name: str, value: Any) -> float:
    """Check that a value is a single finite number."""
    if isinstance(value, np.generic | np.ndarray) and value.dtype.kind in "iuf" and value.ndim == 0:
        value = (
            None if np.ma.is_masked(value) else value.item()
        )  # float64's maximum is infinite in a comparison with float32
    is_number = isinstance(value, Real) and not isinstance(value, bool | np.timedelta64)
    if not (is_number and abs(value) <= sys.float_info.max):
        raise BadInput(f"{name} is {short_repr(value)}; give a finite number, of a size up to 1.8e308")
    return float(value)


def members(given: Mapping[str, Any], rates: Floats, weights: Floats | None, rows: tuple[Integers, ...] | None) -> int:
    """K, the common length of all lists that are longer than 1."""
    lengths = {name: len(array) for name, array in given.items() if array.ndim == 1}
    if rates.ndim == 2:
        lengths["dropout"] = len(rates)
    if weights is not None and weights.ndim == 2:
        lengths["weights"] = len(weights)
    if rows is not None:
        lengths["rows"] = len(rows)
    several = {name: length for name, length in lengths.items() if length > 1}
    if len(set(several.values())) > 1:
        text = ", ".join(f"{length} for {name}" for name, length in several.items())
        raise BadInput(
            f"the members' numbers differ in length ({text}); give one number, or as many as there are members"
        )
    return next(iter(several.values()), 1)


def numbers(name: str, value: Any) -> Floats:
    """Check a finite number, or one for each member: [] or [K] float64."""
    if type(value) is float and 0 <= value < np.inf:  # the common case: the checks take longer than many an update
        return np.array(value)
    array = _real(value)
    if array is None or array.ndim > 1:
        raise BadInput(f"{name} is {short_repr(value)}; give a number, or one a member")
    if not array.size:
        raise BadInput(f"{name} is empty; give at least one number")
    if not np.isfinite(array).all():
        raise BadInput(f"{name} is {array[~np.isfinite(array)][0]}; give a finite number")
    if name in ("learning_rate", "strength", "initial_scale") and (array < 0).any():
        raise BadInput(f"{name} is {array.min():g}; give 0 or more")
    return array


def per_member(array: Floats, members: int) -> Floats:
    """Broadcast a number, or one for each member, to [K]."""
    return np.ascontiguousarray(np.broadcast_to(array, members))


def check_combination(optimizer: Optimizer, schedule: Schedule, spread: Mapping[str, Floats]) -> None:
    """Refuse numbers that are valid alone but not together."""
    if optimizer.name == "rprop" and (spread["smallest"] > spread["largest"]).any():
        raise BadInput("the optimizer 'rprop' has a smallest step above its largest; exchange the two")
    if schedule.name == "cosine" and (spread["schedule's warm_up"] >= spread["schedule's steps"]).any():
        raise BadInput("the schedule 'cosine' warms up for as long as it lasts; give it more steps than its warm_up")
    if schedule.name == "exponential_ramp" and (spread["learning_rate"] <= 0).any():
        raise BadInput("the schedule 'exponential_ramp' cannot rise from 0; give a learning_rate above 0")


def dropout(given: Any, hidden: int, dtype: str) -> Floats:
    """Check dropout rates: [], [hidden layers] or [K, hidden layers] float64."""
    rates = _real(given)
    if rates is None or rates.ndim > 2 or (rates.ndim and (rates.shape[-1] != hidden or not len(rates))):
        allowed = f"a rate, one for each hidden layer ({hidden}), or [members, layers]"
        raise BadInput(f"dropout is {short_repr(given)}; give {allowed}")
    if not ((rates >= 0) & (rates < 1)).all():
        raise BadInput(f"dropout is {short_repr(given)}; give rates from 0 up to, not including, 1")
    if not (rates.astype(dtype) < 1).all():
        raise BadInput(f"dropout is {short_repr(given)}, of which {dtype} makes 1; give lower rates")
    if not hidden and rates.any():
        raise BadInput("dropout acts on hidden layers and the network has none; leave it out")
    return rates


def weights(given: Any, rows: int, dtype: str) -> Floats | None:
    """Check row weights: [N] for all members, or [K, N]."""
    if given is None:
        return None
    array = _real(given)
    if array is not None and array.ndim == 2 and len(array) == 1:
        array = array[0]
    if array is None or array.ndim not in (1, 2) or array.shape[-1] != rows or not array.size:
        shape = "no rectangular array of numbers" if array is None else f"of the shape {array.shape}"
        raise BadInput(f"the weights are {shape}; give one for each of the {rows} rows, or [members, {rows}]")
    if not np.isfinite(array).all() or (array < 0).any():
        raise BadInput("the weights hold a negative number, a NaN or an infinity; give finite weights of 0 or more")
    with np.errstate(over="ignore"):
        converted = np.ascontiguousarray(array, dtype)
        if not np.isfinite(converted.sum(-1)).all():  # every reported objective is divided by it
            raise BadInput(f"the weights go up to {array.max():g}, and their sum is beyond {dtype}; divide all of them")
    return converted


def without_zero_weights(
    rows: tuple[Integers, ...] | None, weights: Floats | None, members: int, count: int
) -> tuple[Integers, ...] | None:
    """Remove rows of weight 0 from each member's rows, so that batches and sums ignore them."""
    if weights is None or (weights > 0).all():
        return rows
    kept = []
    for member in range(members):
        own = np.arange(count) if rows is None else rows[member]
        own = own[(weights if weights.ndim == 1 else weights[member])[own] > 0]
        if not len(own):
            raise BadInput(
                f"all rows of member {member} have weight 0 in {weights.dtype}; give one of them a larger weight"
            )
        kept.append(own)
    return tuple(kept)


def rows(given: Any, count: int) -> tuple[Integers, ...] | None:
    """Check row indices, a list for each member; None if all members use all rows."""
    if given is None:
        return None
    is_list = given.ndim > 0 if isinstance(given, np.ndarray) else isinstance(given, Sequence)
    if not is_list or isinstance(given, str) or not len(given):
        raise BadInput(f"rows is {short_repr(given)}; give for each member the list of its rows' indices")
    checked: list[Integers] = []
    known: dict[int, Integers] = {}  # members of one fold share one list and its memory
    for indices in list(given):  # a list, which keeps all of them alive: a freed one's id would be used again
        if id(indices) in known:
            checked.append(known[id(indices)])
            continue
        array = _to_array(indices)
        if array is None or array.ndim != 1 or array.dtype.kind not in "iu" or not len(array):
            raise BadInput(
                "a member's rows are not a list of whole numbers; give for each member at least one row's index"
            )
        if array.min() < 0 or array.max() >= count:
            raise BadInput(f"a member's rows go from {array.min()} to {array.max()}; there are rows 0 to {count - 1}")
        known[id(indices)] = array.astype(np.int64)
        checked.append(known[id(indices)])
    return tuple(checked)


def seeds(name: str, given: Any) -> NDArray[np.uint64]:
    """Check a seed, or one for each member: [] or [K] uint64."""
    given = given.tolist() if isinstance(given, np.ndarray) else given
    several = isinstance(given, Sequence) and not isinstance(given, str)
    for value in given if several else [given]:
        if not _is_whole(value) or not 0 <= value < 2**64:
            raise BadInput(f"{name} hold {short_repr(value)}; a seed is a whole number from 0 to 2**64 - 1")
    if several and not len(given):
        raise BadInput(f"{name} are an empty list; give at least one seed")
    return np.array([int(value) for value in given] if several else int(given), np.uint64)


def is_finite(array: Floats) -> bool:
    """Whether all numbers are finite; the sum is tried first, because it is faster."""
    with np.errstate(all="ignore"):
        return bool(np.isfinite(array.sum()) or np.isfinite(array).all())


def _is_final(array: NDArray[Any], dtype: str) -> bool:
    """Whether an array already has the form that a problem needs, and is read-only."""
    return array.dtype == dtype and array.flags.c_contiguous and array.flags.owndata and not array.flags.writeable


def _to_array(given: Any) -> NDArray[Any] | None:
    """Convert to an array; None for a ragged list or a masked value."""
    try:
        return None if np.ma.is_masked(given) else np.asarray(given)
    except ValueError:
        return None


def _to_numeric_array(name: str, given: Any) -> NDArray[Any]:
    """Convert to an array of numbers of any dtype."""
    if np.ma.is_masked(given):
        raise BadInput(f"{name} hold masked values; remove or fill in such values first")
    array = _to_array(given)
    if array is not None and array.dtype == object and all(isinstance(one, Real) for one in array.flat):
        with suppress(OverflowError):
            array = array.astype(np.float64)  # data frames with columns of several dtypes give objects
    if array is None or array.dtype.kind not in "biuf":
        raise BadInput(f"{name} are not a rectangular array of numbers; give one row for each sample")
    return array


def _real(given: Any) -> Floats | None:
    """Convert numbers to float64; None for strings, booleans, complex numbers and ragged lists."""
    array = _to_array(given)
    return None if array is None or array.dtype.kind not in "iuf" else array.astype(np.float64)


def _is_whole(value: Any) -> bool:
    """Whether a value is a whole number, Python's or NumPy's; booleans and arrays are not."""
    return isinstance(value, int | np.integer) and not isinstance(value, bool)


def check_memory(network: Network, members: int, slots: int, dtype: str) -> None:
    """Refuse members whose parameters, gradients and optimizer slots do not fit into this machine's memory."""
    needed = members * network.parameters * np.dtype(dtype).itemsize * (2 + slots)
    if needed > memory_bytes():
        present = memory_bytes() / 2**30
        raise BadInput(
            f"{members:,} × {network!r} need {needed / 2**30:,.0f} GiB, and this machine has {present:,.0f}; "
            "use fewer units, or fewer members at a time"
        )


@cache
def memory_bytes() -> int:
    """The memory of this machine in bytes; where it is unknown (Windows), a number above any real one."""
    ask: Any = getattr(os, "sysconf", None)
    try:
        return int(ask("SC_PHYS_PAGES") * ask("SC_PAGE_SIZE"))
    except (OSError, TypeError, ValueError):
        return 2**44


def penalty_mask(network: Network, biases: bool) -> Floats:
    """[P]: 1 for entries that the penalty counts, 0 for the others."""
    chosen = np.zeros(network.parameters)
    for entry in network.entries:
        chosen[entry.start : entry.stop] = float(
            entry.name.startswith("W") or (biases and entry.name.startswith("b") and not entry.name.startswith("beta"))
        )
    return chosen
