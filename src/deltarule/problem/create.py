"""Create a problem from checked arguments."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from deltarule.errors import BadInput, short_repr
from deltarule.maths.elementary import Fixed
from deltarule.maths.losses import Loss, meaningful
from deltarule.maths.optimizers import Optimizer
from deltarule.maths.penalties import Penalty
from deltarule.maths.schedules import Schedule
from deltarule.problem import registry, validation
from deltarule.problem.fresh_rows import FreshRows
from deltarule.problem.network import Network, switch
from deltarule.problem.problem import Floats, Integers, Problem, check_combination
from deltarule.problem.ranges import quoted
from deltarule.problem.registry import Named
from deltarule.problem.settings import (
    SETTINGS,
    LossSection,
    NetworkSection,
    OptimizerSection,
    RunSection,
    check_number,
    check_numbers,
)

NEEDED_PREDICTIONS = {
    "positive": ("predictions above 0", "exponential or softplus"),
    "unit": ("predictions between 0 and 1", "sigmoid"),
    "simplex": ("predictions that sum to 1", "softmax"),
}
"""What a loss of each domain needs, and the output activations that give it."""

Seeds = int | Sequence[int] | NDArray[np.integer[Any]]


def create_problem(
    network: Network,
    x: Any,
    y: Any,
    *,
    loss: Named | Loss = LossSection.name,
    reduction: str = LossSection.reduction,
    penalty: Named | Penalty | None = LossSection.penalty,
    strength: Any = LossSection.strength,
    penalize_biases: bool = LossSection.penalize_biases,
    label_smoothing: float = LossSection.label_smoothing,
    optimizer: Named | Optimizer = OptimizerSection.name,
    learning_rate: Any = OptimizerSection.learning_rate,
    momentum: Any = OptimizerSection.momentum,
    schedule: Named | Schedule = OptimizerSection.schedule,
    learning_rate_factors: Mapping[str, Any] | None = OptimizerSection.learning_rate_factors,
    clip_norm: Any = OptimizerSection.clip_norm,
    parametrization: str = OptimizerSection.parametrization,
    batch_size: int | None = OptimizerSection.batch_size,
    dropout: Any = NetworkSection.dropout,
    weights: Any = None,
    rows: Sequence[Any] | Callable[[int], tuple[Any, Any]] | None = None,
    initial_scale: Any = NetworkSection.initial_scale,
    members: int | None = None,
    seeds: Seeds | None = None,
    data_seeds: Seeds = RunSection.data_seed,
    dropout_seeds: Seeds | None = RunSection.dropout_seed,
    dtype: str = RunSection.dtype,
) -> Problem:
    """Check the arguments and create a problem.

    Parameters
    ----------
    network : Network
        The shape of the networks.
    x : array-like of shape (N, D)
        The inputs. They are copied, except for a read-only array of the dtype, which must not change. An array
        [K, N, D] has inputs of their own for the members.
    y : array-like of shape (N, C) or (N,)
        The targets; [N] for a single output, or for labels from 0 to C − 1. If members have targets of their own,
        [K, N, C] or [K, N]; the rows are then copied for each member.
    loss : str, mapping or Loss
        The loss of one output or sample, by its name.
    reduction : {"sum", "mean_samples", "mean_elements"}
        How losses become the objective.
    penalty : str, mapping, Penalty or None
        What is added to the objective, for the weights.
    strength : float or array-like of shape (K,)
        λ, by which the penalty is multiplied.
    penalize_biases : bool, default=False
        Whether biases are penalized too, or decayed by adamw.
    label_smoothing : float, default=0
        The share s of each target that is spread over the classes, for both cross-entropies: y becomes (1 − s) y + s /
        C, with binary cross-entropy (1 − s) y + s / 2.
    optimizer : str, mapping or Optimizer
        The rule of the updates.
    learning_rate, momentum : float or array-like of shape (K,)
        Its numbers; momentum is for "momentum" and "nesterov".
    schedule : str, mapping or Schedule
        How the learning rate changes during the training.
    learning_rate_factors : mapping, optional
        Factors of the learning rate by arrays of θ: {"b": 0.1} for all biases, {"b2": 0.1} for those of layer 2. With
        0 an array keeps its initial values. For rprop only initial step sizes are multiplied. A single array may
        have a factor for each entry, "W1" [D, H] or [K, D, H], by which each step is multiplied: a mask of 0 and 1
        keeps the entries that are 0, also from decaying.
    clip_norm : float or array-like of shape (K,), optional
        The length to which longer gradients are shortened. What has a learning-rate factor of 0 does not count.
    parametrization : {"standard", "neural_tangent"}, default="standard"
        "standard", or "neural_tangent", in which layers compute x V / √D + b with D inputs and the optimizer acts on
        V. θ holds W = V / √D; for V of variance 1 use the initializer lecun_normal.
    batch_size : int, optional
        Rows of a mini-batch; None for all rows in every update.
    dropout : float or array-like
        Rate of the hidden layers: one number, one for each hidden layer, or [K, hidden layers].
    weights : array-like of shape (N,) or (K, N), optional
        Weights of the rows; 2 counts a row twice, 0 leaves it out.
    rows : sequence of array-like of int, or callable, optional
        For each member the indices of its own rows (folds, bootstrap); None for all rows. Or a function of the step,
        from 0 on, that returns fresh data, the batch of that update alone: inputs [B, D] and targets [B, C], or [K, B,
        D] and [K, B, C] for the members' own. It must return the same for the same step, as
        ``numpy.random.default_rng([seed, step])`` draws it. x and y are then only evaluated, in the history and at the
        end, and an epoch is one update.
    initial_scale : float or array-like of shape (K,), default=1
        Factor of the initial weights.
    members : int, optional
        K, for the seeds 0 … K − 1.
    seeds : int or sequence of int, optional
        Seeds of the initial weights, instead of `members`: a list of K seeds, or K for 0 … K − 1, as in `sweep`
        and in recipes. By default all members have the seed 0.
    data_seeds : int or sequence of int
        Seed of the batch order; one for all members, or one each.
    dropout_seeds : int or sequence of int, optional
        Seed of each member's dropout masks; None for the seeds of the weights.
    dtype : {"float64", "float32"}, default="float64"
        The precision of parameters and data.

    Returns
    -------
    Problem

    Raises
    ------
    BadInput
        For anything invalid, in one sentence.

    Notes
    -----
    Any number (learning_rate, momentum, strength, initial_scale, a parameter of the optimizer or the schedule) may be
    K numbers, one per member.

    Examples
    --------
    >>> from deltarule import Network, create_problem
    >>> network = Network([2, 1], output="sigmoid")
    >>> problem = create_problem(network, [[0, 1], [1, 0]], [0, 1], loss="binary_cross_entropy", learning_rate=[0.1, 1])
    >>> problem.members, problem.y.shape
    (2, (2, 1))
    """
    if not isinstance(network, Network):
        raise BadInput(f"the network is {short_repr(network)}; make one with Network([inputs, ..., outputs])")
    found_loss = registry.loss(loss)
    found_penalty = None if penalty is None else registry.penalty(penalty)
    found_optimizer = registry.optimizer(optimizer)
    found_schedule = registry.schedule(schedule)
    _check_choice("run.dtype", dtype)
    _check_choice("loss.reduction", reduction)
    _check_choice("optimizer.parametrization", parametrization)
    _check_fit(network, found_loss, found_optimizer, parametrization)
    function, rows = (rows, None) if callable(rows) else (None, rows)
    if validation.are_of_members(y, x):
        x, y, rows, weights = validation.rows_of_members(x, y, rows, weights)
    check = partial(_check_rows, network, found_loss, dtype, label_smoothing)
    x, y = check(x, y)
    fresh = None
    if function is not None:
        _refuse_beside_fresh_rows(batch_size=batch_size, weights=weights)
        fresh = FreshRows(function, partial(_check_fresh, check)).first()
    if batch_size is not None:
        batch_size = check_number("batch_size", batch_size)
    factors, entry_factors = validation.check_learning_rate_factors(learning_rate_factors or {}, network)
    numbers = {"learning_rate": learning_rate} | _parameters(found_optimizer, momentum)
    schedule_numbers = {f"schedule's {name}": value for name, value in found_schedule.parameters.items()}
    varying = {**numbers, **schedule_numbers, "strength": strength, "initial_scale": initial_scale}
    checked = {name: check_numbers(name, value) for name, value in varying.items()}
    if clip_norm is not None:
        checked["clip_norm"] = check_numbers("clip_norm", clip_norm)
        entry_factors = validation.with_frozen_arrays(entry_factors, factors, network)
    checked["seeds"] = validation.check_member_seeds(members, seeds)
    checked["data_seeds"] = validation.check_seeds("data_seeds", data_seeds)
    if dropout_seeds is not None:
        checked["dropout_seeds"] = validation.check_seeds("dropout_seeds", dropout_seeds)
    hidden = len(network.dropouts)
    rates = validation.check_dropout(dropout, hidden)
    own_rows = validation.check_row_indices(rows, len(x))
    row_weights = validation.check_weights(weights, len(x), dtype)
    arrays = {"dropout": rates, "weights": row_weights, "learning_rate_factors": entry_factors}
    if fresh is not None and fresh.members is not None:
        arrays["fresh rows"] = fresh.members[:, None]
    member_count = _count_members(checked, own_rows, arrays)
    spread = {name: np.ascontiguousarray(np.broadcast_to(array, member_count)) for name, array in checked.items()}
    check_combination(found_optimizer, found_schedule, spread)
    if found_penalty is None and spread["strength"].any():
        raise BadInput("a strength is given without a penalty; name the penalty too")
    own_rows = _without_zero_weights(own_rows, row_weights, member_count, len(x))
    is_penalized = {"weights", "biases"} if switch("penalize_biases", penalize_biases) else {"weights"}
    mask = [np.full(entry.stop - entry.start, float(entry.role in is_penalized)) for entry in network.entries]
    counts = [len(x)] if own_rows is None else [len(indices) for indices in own_rows]
    if fresh is not None:
        counts = [fresh.count]
    return Problem(
        network=network,
        x=x,
        y=y,
        loss=found_loss,
        reduction=reduction,
        penalty=found_penalty,
        penalized=np.concatenate(mask),
        optimizer=found_optimizer,
        schedule=found_schedule,
        numbers={name: spread[name] for name in numbers},
        schedule_numbers={name: spread[f"schedule's {name}"] for name in found_schedule.parameters},
        strength=spread["strength"],
        dropout=np.ascontiguousarray(np.broadcast_to(rates, (member_count, hidden))),
        initial_scale=spread["initial_scale"],
        batch_size=batch_size,
        weights=row_weights,
        rows=own_rows,
        seeds=spread["seeds"],
        data_seeds=spread["data_seeds"],
        dropout_seeds=spread.get("dropout_seeds", spread["seeds"]),
        dtype=np.dtype(dtype),
        learning_rate_factors=Fixed(factors),
        entry_factors=entry_factors,
        clip_norm=spread.get("clip_norm"),
        fresh=fresh,
        parametrization=parametrization,
        notes=tuple(_notes(network, batch_size, counts, found_penalty, spread["strength"])),
    )


def _check_rows(
    network: Network, loss: Loss, dtype: str, label_smoothing: Any, x: Any, y: Any
) -> tuple[Floats, Floats]:
    x, y = validation.check_rows(x, y, network, loss, dtype)
    return x, validation.smoothed_targets(y, loss, label_smoothing)


def _check_fresh(check: Callable[[Any, Any], tuple[Floats, Floats]], x: Any, y: Any) -> tuple[Floats, Floats]:
    """Return inputs and targets of one update, [K, B, D] and [K, B, C] if each of several members has its own."""
    if not validation.are_of_members(y, x):
        return check(x, y)
    *given, own, _ = validation.rows_of_members(x, y, None, None)
    x, y = check(*given)
    return (x, y) if len(own) == 1 else (x.reshape(len(own), -1, x.shape[-1]), y.reshape(len(own), -1, y.shape[-1]))


def _refuse_beside_fresh_rows(**given: Any) -> None:
    for name, value in given.items():
        if value is not None:
            raise BadInput(f"rows is a function and {name} is given, which is for rows that stay; leave out {name}")


def _parameters(optimizer: Optimizer, momentum: Any) -> dict[str, Any]:
    """The optimizer's parameters, with a momentum that is given as an argument."""
    if momentum is None:
        return dict(optimizer.parameters)
    if "momentum" not in optimizer.parameters:
        raise BadInput(f'the optimizer \'{optimizer.name}\' has no momentum; use "momentum" or "nesterov"')
    return {**optimizer.parameters, "momentum": momentum}


def _check_choice(key: str, value: Any) -> None:
    choices = SETTINGS[key].form.choices
    if not isinstance(value, str | np.dtype) or value not in choices:
        raise BadInput(f"the {key.partition('.')[2]} is {short_repr(value)}; give {quoted(choices)}")


def _check_fit(network: Network, loss: Loss, optimizer: Optimizer, parametrization: str) -> None:
    """Check that the optimizer knows the parametrization, and that the loss fits the output activation."""
    if parametrization == "neural_tangent" and optimizer.rescaling is None:
        raise BadInput(
            f"the optimizer '{optimizer.name}' has no form for the neural-tangent parametrization; use sgd or adam, or "
            'the parametrization "standard"'
        )
    if not meaningful(loss, network.output):
        needs, use = NEEDED_PREDICTIONS[loss.domain]
        raise BadInput(
            f"the loss '{loss.name}' needs {needs}, which the output activation '{network.output.name}' does not "
            f"give; use {use}"
        )


def _count_members(numbers: Mapping[str, Any], rows: Sequence[Any] | None, arrays: Mapping[str, Floats | None]) -> int:
    """K, the common length of all arguments with one value, list or array per member."""
    lengths = {name: array.size for name, array in numbers.items()}
    lengths |= {name: len(array) for name, array in arrays.items() if array is not None and array.ndim == 2}
    several = {name: length for name, length in lengths.items() if length > 1}
    if rows is not None and len(rows) > 1:
        several["rows"] = len(rows)
    if len(set(several.values())) > 1:
        text = ", ".join(f"{length} for {name}" for name, length in several.items())
        raise BadInput(
            f"the members' numbers differ in length ({text}); give one number, or as many as there are members"
        )
    return next(iter(several.values()), 1)


def _without_zero_weights(
    rows: tuple[Integers, ...] | None, weights: Floats | None, members: int, row_count: int
) -> tuple[Integers, ...] | None:
    """Each member's row indices, perhaps the same for all, without rows of weight 0."""
    if rows is not None and len(rows) == 1:
        rows = rows * members
    if weights is None or (weights > 0).all():
        return rows
    weighted = []
    for member in range(members):
        indices = np.arange(row_count) if rows is None else rows[member]
        indices = indices[(weights if weights.ndim == 1 else weights[member])[indices] > 0]
        if not len(indices):
            raise BadInput(
                f"all rows of member {member} have weight 0 in {weights.dtype}; give one of them a larger weight"
            )
        weighted.append(indices)
    return tuple(weighted)


def _notes(
    network: Network, batch_size: int | None, row_counts: Sequence[int], penalty: Penalty | None, strength: Floats
) -> Iterator[str]:
    """Remarks on settings that have no effect, or a harmful one."""
    fewest = min(row_counts)
    if batch_size is not None and batch_size > fewest:
        yield f"the batch size {batch_size} is larger than the data: all {fewest} rows are used in each update"
    kept = [placed.layer.name.replace("_", " ") for placed in network.layers if placed.layer.statistics]
    if kept and not all((rows - 1) % min(batch_size or rows, rows) for rows in row_counts):
        yield (
            f"the last batch has one row: {kept[0]} cannot use it, and it shrinks the running variance; choose "
            "another batch size"
        )
    if penalty is not None and not strength.any():
        yield f"the penalty '{penalty.name}' has the strength 0 for every member, and so does nothing"
    if network.output.name == "softmax" and network.outputs == 1:
        yield 'the softmax of a single output is always 1; give two outputs, or the output "sigmoid"'
