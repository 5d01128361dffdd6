"""Validate arguments and convert them to their final form."""

from collections.abc import Iterable, Mapping, Sequence
from numbers import Real
from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray

from deltarule.errors import BadInput, count_of, short_repr
from deltarule.maths.losses import Loss, is_smoothable, smooth_labels
from deltarule.maths.network import views
from deltarule.problem.network import Network
from deltarule.problem.problem import Floats, Integers, Problem
from deltarule.problem.ranges import NOT_NEGATIVE, SHARE, Range, to_array, to_float64
from deltarule.problem.settings import MAX_SEEDS, check_number


def problem(value: Any) -> Problem:
    if not isinstance(value, Problem):
        raise BadInput(f"the problem is a {type(value).__name__}; make one with create_problem(network, x, y)")
    return value


def member(value: Any, member_count: int, hint: str) -> int:
    index = whole("member", value, 0)
    if index >= member_count:
        raise BadInput(f"there is no member {short_repr(index)}; {hint} 0 to {member_count - 1}")
    return index


def member_indices(choice: Any, count: int) -> Integers:
    """Convert an index, several indices or a mask [K] to indices of members."""
    try:
        indices: Integers = np.atleast_1d(np.arange(count)[np.asarray(choice, None if np.size(choice) else int)])
    except IndexError as error:
        raise BadInput(f"the members chosen are {short_repr(choice)}: {error}") from None
    if indices.ndim > 1 or not indices.size:
        raise BadInput(f"the members chosen are {short_repr(choice)}; give at least one index, or a mask")
    return indices


def query_inputs(x: Any, network: Network, members: int, dtype: DTypeLike) -> Floats:
    """Check inputs for prediction, [B, D] or [K, B, D], and convert their dtype."""
    array = _to_numeric_array("the inputs", x)
    columns = network.inputs
    if array.ndim not in (2, 3) or array.shape[-1] != columns or array.shape[:-2] not in ((), (members,)):
        several = f", or {members} times such rows" if members > 1 else ""
        raise BadInput(f"the inputs have the shape {array.shape}; give rows of {columns} columns{several}")
    return array.astype(dtype, copy=False)


def numeric(name: str, values: Any, dtype: str) -> Floats:
    """Convert to a read-only array [rows, columns]."""
    array = _to_numeric_array(name, values)
    if array.ndim == 1 and name.endswith("targets"):
        array = array[:, None]
    if array.ndim != 2 or len(array) == 0:
        raise BadInput(f"{name} have the shape {array.shape}; give at least one row, and rows × columns")
    with np.errstate(over="ignore"):  # reported below
        # A copy, so that later changes of the user's array change no training; read-only arrays are not copied.
        is_kept = array.dtype == dtype and array.flags.c_contiguous and not array.flags.writeable
        converted = array if is_kept else np.array(array, dtype, order="C")
    converted.setflags(write=False)
    if not is_finite(converted):
        row, column = np.argwhere(~np.isfinite(converted))[0]
        hint = f"; {dtype} has no such number" if np.isfinite(array[row, column]) else ""
        raise BadInput(
            f"{name} hold {array[row, column]} in row {row}, column {column}{hint}; remove or fill in such values first"
        )
    return converted


def check_targets(y: Any, network: Network, loss: Loss, dtype: str) -> Floats:
    """Convert targets to an array [N, C] that fits the network and the loss."""
    array = numeric("the targets", y, dtype)
    if array.shape[1] == 1 < network.outputs and np.ndim(y) == 1:
        array = _one_hot(array[:, 0], network.outputs)
    _check_columns("the targets", array, network.outputs, "output")
    lowest, highest = {"real": (-np.inf, np.inf), "nonnegative": (0, np.inf), "unit": (0, 1)}[loss.targets]
    if array.min() < lowest or array.max() > highest:
        bounds = "of 0 or more" if highest == np.inf else "from 0 to 1"
        raise BadInput(
            f"the loss '{loss.name}' needs targets {bounds}; these go from {array.min():g} to {array.max():g}"
        )
    return array


def check_rows(x: Any, y: Any, network: Network, loss: Loss, dtype: str) -> tuple[Floats, Floats]:
    """Convert inputs and targets of the same rows."""
    x = numeric("the inputs", x, dtype)
    _check_columns("the inputs", x, network.inputs, "input")
    y = check_targets(y, network, loss, dtype)
    if len(x) != len(y):
        raise BadInput(
            f"there are {len(x)} rows of inputs and {len(y)} of targets; give one target row for each input row"
        )
    return x, y


def are_of_members(y: Any, x: Any) -> bool:
    """Whether rows are by member: targets [K, N, C] or [K, N] for rows [N, D], or inputs [K, N, D]."""
    if getattr(x, "ndim", 2) == 3:
        return True
    array = to_array(y)
    rows = len(x) if hasattr(x, "__len__") else -1
    if array is None or array.ndim < 2:
        return False
    return array.ndim == 3 or (array.ndim == 2 and len(array) != rows == array.shape[-1])


def rows_of_members(x: Any, y: Any, rows: Any, weights: Any) -> tuple[Any, Any, Any, Any]:
    """Return the rows of each member, copies of those that all share."""
    x, y = np.asarray(x), np.asarray(y)
    members, count = (x if x.ndim == 3 else y).shape[:2]
    have_targets = y.ndim == 3 or (y.ndim == 2 and len(y) != count == y.shape[1])
    if have_targets and y.shape[:2] != (members, count):
        raise BadInput(
            f"the inputs are {list(x.shape)} and the targets {list(y.shape)}; give equally many for each member"
        )
    own = [np.arange(count)] if rows is None else [np.asarray(indices) for indices in rows]
    own = [indices + member * count for member, indices in enumerate(own * members if len(own) == 1 else own)]
    if weights is not None:
        weights = np.broadcast_to(np.asarray(weights), (members, count)).ravel()
    x = x.reshape(members * count, -1) if x.ndim == 3 else np.tile(x, (members, 1))
    y = y.reshape(members * count, *y.shape[2:]) if have_targets else np.concatenate([y] * members)
    return x, y, own, weights


def _check_columns(name: str, array: Floats, units: int, noun: str) -> None:
    if array.shape[1] != units:
        columns = count_of(array.shape[1], "column")
        raise BadInput(f"{name} have {columns} and the network {count_of(units, noun)}; make them equal")


def _one_hot(labels: Floats, classes: int) -> Floats:
    """Convert labels [N] to targets [N, C] of 0 and 1."""
    if not np.isin(labels, np.arange(classes)).all():
        raise BadInput(
            f"the targets are labels from {labels.min():g} to {labels.max():g} and the network has {classes} outputs; "
            f"give whole numbers from 0 to {classes - 1}, or {classes} columns"
        )
    targets: Floats = np.eye(classes, dtype=labels.dtype)[labels.astype(np.int64)]
    targets.setflags(write=False)
    return targets


def smoothed_targets(y: Floats, loss: Loss, smoothing: Any) -> Floats:
    share = check_number("label_smoothing", smoothing)
    if not share:
        return y
    if not is_smoothable(loss):
        raise BadInput(
            f"label_smoothing is {share:g}, but the loss '{loss.name}' has no labels; use cross_entropy or "
            "binary_cross_entropy, or leave it out"
        )
    mixed: Floats = smooth_labels(loss, y, share)
    mixed.setflags(write=False)
    return mixed


def whole(name: str, value: Any, least: int = 1) -> int:
    allowed = Range(f"a whole number of {least} or more", least, is_whole=True)
    return int(allowed.check(name, value))


def check_dropout(dropout: Any, hidden_layers: int) -> Floats:
    """Convert dropout rates to float64, [], [hidden layers] or [K, hidden layers]."""
    rates = to_float64(dropout)
    if rates is None or rates.ndim > 2 or (rates.ndim and (rates.shape[-1] != hidden_layers or not len(rates))):
        allowed = f"a rate, one for each hidden layer ({hidden_layers}), or [members, layers]"
        raise BadInput(f"dropout is {short_repr(dropout)}; give {allowed}")
    if not SHARE.allows(rates).all():
        raise BadInput(f"dropout is {short_repr(dropout)}; give {SHARE.words}")
    if not hidden_layers and rates.any():
        raise BadInput(
            "dropout acts on hidden layers, or where a list of layers says dropout, and the network has neither; leave "
            "it out"
        )
    return rates


def check_weights(weights: Any, row_count: int, dtype: str) -> Floats | None:
    """Convert row weights to an array [N] or [K, N] and check them."""
    if weights is None:
        return None
    array = to_float64(weights)
    if array is not None and array.ndim == 2 and len(array) == 1:
        array = array[0]
    if array is None or array.ndim not in (1, 2) or array.shape[-1] != row_count or not array.size:
        shape = () if array is None else array.shape
        raise BadInput(
            f"the weights have the shape {shape}; give one for each of the {row_count} rows, or [members, {row_count}]"
        )
    with np.errstate(over="ignore"):
        converted = np.ascontiguousarray(array, dtype)
        # Every reported objective is divided by their sum.
        if (array < 0).any() or not np.isfinite(converted.sum(-1)).all():
            raise BadInput("the weights hold a negative number, or their sum is not finite; give weights of 0 or more")
    return converted


def check_row_indices(rows: Any, row_count: int) -> tuple[Integers, ...] | None:
    """Convert each member's row indices to an integer array and check them."""
    if rows is None:
        return None
    if not isinstance(rows, Iterable):
        raise BadInput(f"rows is {short_repr(rows)}; give for each member a list of the indices of its rows")
    checked: dict[int, Integers] = {}  # by id: members of one fold share one list and its memory
    lists = list(rows)  # keeps all of them alive: the id of a freed one would be used again
    for indices in {id(indices): indices for indices in lists}.values():
        array = to_array(indices)
        if array is None or array.ndim != 1 or array.dtype.kind not in "iu" or not len(array):
            raise BadInput("a member's rows are not a list of whole numbers; give at least one row's index")
        if array.min() < 0 or array.max() >= row_count:
            raise BadInput(
                f"a member's rows go from {array.min()} to {array.max()}; there are rows 0 to {row_count - 1}"
            )
        checked[id(indices)] = array.astype(np.int64)
    return tuple(checked[id(indices)] for indices in lists)


def check_learning_rate_factors(factors: Mapping[str, Any], network: Network) -> tuple[dict[str, float], Floats | None]:
    """Check factors by array ("b2") or symbol ("b"), of arrays or single entries.

    Those of entries are returned as a vector [P] or [K, P], 1 where there is none.
    """
    known = dict.fromkeys([*(entry.symbol for entry in network.entries), *(entry.name for entry in network.entries)])
    floats, arrays = {}, {}
    for name, factor in factors.items():
        if name not in known:
            raise BadInput(
                f"learning_rate_factors has {short_repr(name)}, which the network lacks; its arrays: {', '.join(known)}"
            )
        about = f"the learning-rate factor of {name}"
        array = to_float64(factor)
        if array is None or array.ndim == 0:
            floats[name] = float(NOT_NEGATIVE.check(about, factor))
        else:
            _check_entry_factors(about, array, [entry.shape for entry in network.entries if entry.name == name])
            arrays[name] = array
    if not arrays:
        return floats, None
    members = max((array.shape[:-2] for array in arrays.values()), key=len)
    vector = np.ones((*members, network.parameters))
    for name, array in arrays.items():
        views(vector, network.entries)[name][...] = array
    return floats, vector


def with_frozen_arrays(vector: Floats | None, factors: Mapping[str, float], network: Network) -> Floats | None:
    """Factors of entries that are also 0 where a whole array has the factor 0, so that its gradient has no length."""
    frozen = [entry for entry in network.entries if factors.get(entry.name, factors.get(entry.symbol)) == 0]
    if frozen:
        vector = np.ones(network.parameters) if vector is None else vector
        for entry in frozen:
            vector[..., entry.start : entry.stop] = 0
    return vector


def _check_entry_factors(about: str, factors: Floats, shapes: Sequence[tuple[int, ...]]) -> None:
    """Check that an array of factors, one for each entry, has one of the `shapes` and allowed numbers."""
    if factors.ndim not in (2, 3) or factors.shape[-2:] not in shapes:
        wanted = f"{shapes[0]}, or as many for each member" if shapes else "a number, or name one of its arrays"
        raise BadInput(f"{about} has the shape {factors.shape}; give {wanted}")
    if not NOT_NEGATIVE.allows(factors).all() or not is_finite(factors):
        raise BadInput(f"{about} has {factors.min():g} to {factors.max():g}; give {NOT_NEGATIVE.words}")


def fill_arrays(what: str, targets: Mapping[str, Floats], arrays: Mapping[str, Any]) -> None:
    """Write arrays [D, H] or [K, D, H] into those [K, D, H] of the same names; an array of biases may be [H]."""
    for name, given in arrays.items():
        if name not in targets:
            raise BadInput(f"{what} has {short_repr(name)}, which the network lacks; its arrays: {', '.join(targets)}")
        target = targets[name]
        array = to_float64(given)
        each = target.shape[1:]
        if array is None or array.shape not in (target.shape, each, each[1:] if each[0] == 1 else each):
            found = short_repr(given) if array is None else f"an array of the shape {array.shape}"
            raise BadInput(f"{what} has {found} as {name}; give {each} for all members or {target.shape} for each")
        with np.errstate(over="ignore"):  # reported below
            target[...] = array
        if not is_finite(target):
            raise BadInput(f"{what} has {name} with numbers that are not finite in {target.dtype}; give others")


def check_member_seeds(members: Any, seeds: Any) -> NDArray[np.uint64]:
    """Convert a number of members, or their seeds, to a uint64 array [K]."""
    if members is not None and seeds is not None:
        raise BadInput("members and seeds are both given; give the number of members, or a list of seeds")
    name, count = ("seeds", seeds) if members is None else ("members", members)
    if count is None:
        return np.zeros(1, np.uint64)
    if isinstance(count, Sequence | np.ndarray) and name == "seeds":
        return check_seeds(name, count)
    count = whole(name, count)
    if count > MAX_SEEDS:
        raise BadInput(f"{name} is {count}; give up to {MAX_SEEDS:,}, or a list of seeds, as [{count}]")
    return np.arange(count, dtype=np.uint64)


def check_seeds(name: str, seeds: Any) -> NDArray[np.uint64]:
    """Convert one seed, or a list of one for each member, to a uint64 array [] or [K]."""
    seeds = seeds.tolist() if isinstance(seeds, np.ndarray) else seeds
    several = isinstance(seeds, Sequence) and not isinstance(seeds, str)
    allowed = Range("whole numbers from 0 to 2**64 - 1", 0, 2**64, is_high_open=True, is_whole=True)
    checked = [allowed.check(name, seed) for seed in (seeds if several else [seeds])]
    if not checked:
        raise BadInput(f"{name} are an empty list; give at least one seed")
    return np.array(checked if several else checked[0], np.uint64)


def is_finite(array: Floats) -> bool:
    with np.errstate(all="ignore"):
        return bool(np.isfinite(array.sum()) or np.isfinite(array).all())


def _to_numeric_array(name: str, values: Any) -> NDArray[Any]:
    array = to_array(values)
    if array is not None and array.dtype == object and all(isinstance(one, Real) for one in array.flat):
        array = array.astype(np.float64)  # data frames with columns of several dtypes give objects
    if array is None or array.dtype.kind not in "biuf":
        raise BadInput(f"{name} are not a rectangular array of numbers; give one row for each sample")
    return array
