"""All that training needs and never changes: network, objective, data and members.

K members · N rows of data · D inputs · C outputs · P parameters

x [N, D]   y [N, C]   weights, row_order [N] or [K, N]   every number of an optimizer, schedule or penalty: [K]
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from itertools import accumulate
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from deltarule.errors import BadInput, count_of, short_repr
from deltarule.maths.elementary import Fixed, everywhere
from deltarule.maths.losses import Loss
from deltarule.maths.optimizers import Optimizer
from deltarule.maths.penalties import Penalty
from deltarule.maths.schedules import Schedule
from deltarule.problem.fresh_rows import FreshRows
from deltarule.problem.network import Network
from deltarule.problem.settings import check_numbers


class UpdateRange(NamedTuple):
    """Neighboring arrays of θ that an update treats alike.

    `factors`, of the optimizer's numbers, are in the order of `Problem.factors`.
    """

    start: int
    stop: int
    penalized: bool
    factors: tuple[float, ...]


Floats = NDArray[Any]
Integers = NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class Problem:
    """A network, an objective, an optimizer, data, and K members.

    `create_problem` makes it and checks everything; engines and training read it and never write to it.

    Parameters
    ----------
    network : Network
        The network, without weights.
    x, y : ndarray
        Inputs [N, D] and targets [N, C].
    loss : Loss
        The loss of one output or sample.
    reduction : str
        How losses become the objective.
    penalty : Penalty or None
        What is added to the objective.
    penalized : ndarray of shape (P,)
        1 for each parameter that the penalty counts.
    optimizer : Optimizer
        The rule of the updates.
    schedule : Schedule
        How the learning rate changes.
    numbers, schedule_numbers : mapping of str to ndarray of shape (K,)
        The parameters of optimizer and schedule.
    strength, initial_scale : ndarray of shape (K,)
        The strength of the penalty, and the scale of the initial weights.
    dropout : ndarray of shape (K, hidden layers)
        Share of dropped units.
    batch_size : int or None
        Rows of a mini-batch; None for all.
    weights : ndarray of shape (N,) or (K, N), or None
        Weights of the rows.
    rows : tuple of ndarray, or None
        For each member the indices of its rows, or None for all.
    seeds, data_seeds, dropout_seeds : ndarray of shape (K,)
        Seeds of the initial weights, of the order of rows, and of dropout masks.
    dtype : dtype
        float64 or float32.
    notes : tuple of str
        Sentences for the user.
    learning_rate_factors : mapping of str to float
        Factors by the name of an array.
    parametrization : {"standard", "neural_tangent"}
        "standard" or "neural_tangent".
    row_order : ndarray or None
        The positions of each member's rows in the order in which every epoch takes them; None for a new order in each
        epoch, drawn from the data seed.
    entry_factors : ndarray of shape (P,) or (K, P), or None
        What multiplies each update of an entry of θ.
    clip_norm : ndarray of shape (K,), or None
        The length to which longer gradients are shortened, counted without entries whose factor is 0.
    fresh : FreshRows or None
        What makes the rows of each update; x and y are then only evaluated, and an epoch is one update.

    Examples
    --------
    >>> from deltarule import Network, create_problem
    >>> problem = create_problem(Network([1, 1]), [[0.0], [1.0]], [1.0, 3.0], learning_rate=[0.1, 0.5], members=2)
    >>> problem.take([1]).replace(learning_rate=0.2).numbers["learning_rate"]
    array([0.2])
    """

    network: Network
    x: Floats
    y: Floats
    loss: Loss
    reduction: str
    penalty: Penalty | None
    penalized: Floats
    optimizer: Optimizer
    schedule: Schedule
    numbers: Mapping[str, Floats]
    schedule_numbers: Mapping[str, Floats]
    strength: Floats
    dropout: Floats
    initial_scale: Floats
    batch_size: int | None
    weights: Floats | None
    rows: tuple[Integers, ...] | None
    seeds: NDArray[np.uint64]
    data_seeds: NDArray[np.uint64]
    dropout_seeds: NDArray[np.uint64]
    dtype: np.dtype[Any]
    notes: tuple[str, ...] = ()
    learning_rate_factors: Mapping[str, float] = field(default_factory=Fixed)
    parametrization: str = "standard"
    row_order: Integers | None = None
    entry_factors: Floats | None = None
    clip_norm: Floats | None = None
    fresh: FreshRows | None = None

    def __getstate__(self) -> dict[str, Any]:
        """All but what is kept, which is computed again where it is needed."""
        return {name: value for name, value in vars(self).items() if name != "_kept"}

    @cached_property
    def _kept(self) -> dict[Any, Any]:
        """What `once_for_problem` keeps."""
        return {}

    @cached_property
    def factors(self) -> dict[str, tuple[float, ...]]:
        """Factors of the optimizer's numbers, one for each array, unless all are 1.

        For the neural-tangent parametrization an engine trains W = V / √D: `Optimizer.rescaling` has the exponents of
        the factors that turn the update of V into that of W.
        """
        exponents = dict(self.optimizer.rescaling or {}) if self.parametrization == "neural_tangent" else {}
        given = self.learning_rate_factors
        factors = {}
        for number in ("learning_rate", *self.optimizer.parameters):
            of_arrays = []
            for entry in self.network.entries:
                factor = given.get(entry.name, given.get(entry.symbol, 1.0)) if number == "learning_rate" else 1.0
                if entry.role == "weights" and number in exponents:
                    factor *= entry.shape[0] ** (-exponents[number] / 2)
                of_arrays.append(float(factor))
            if any(factor != 1 for factor in of_arrays):
                factors[number] = tuple(of_arrays)
        return factors

    @cached_property
    def update_ranges(self) -> tuple[UpdateRange, ...]:
        """θ divided into ranges of arrays that an update treats alike."""
        ranges: list[UpdateRange] = []
        for index, entry in enumerate(self.network.entries):
            penalized = bool(self.penalized[entry.start]) and (self.penalty is not None or self.optimizer.decay)
            factors = tuple(by_array[index] for by_array in self.factors.values())
            if ranges and ranges[-1][2:] == (penalized, factors):
                ranges[-1] = ranges[-1]._replace(stop=entry.stop)
            else:
                ranges.append(UpdateRange(entry.start, entry.stop, penalized, factors))
        return tuple(ranges)

    @cached_property
    def number_ranges(self) -> tuple[UpdateRange, ...]:
        """θ divided into ranges with the same numbers of the optimizer, often one."""
        if self.factors or self.optimizer.decay:
            return self.update_ranges
        return (UpdateRange(0, self.network.parameters, penalized=False, factors=()),)

    def range_numbers(self, part: UpdateRange, numbers: Mapping[str, Floats]) -> dict[str, Floats]:
        """The optimizer's numbers [K] by name, for `part`, a range of arrays."""
        scaled = {**numbers}
        for name, factor in zip(self.factors, part.factors, strict=True):
            scaled[name] = scaled[name] * factor
        if self.optimizer.decay and not part.penalized:
            scaled["weight_decay"] = 0 * scaled["weight_decay"]
        return scaled

    @property
    def unusual_update(self) -> str:
        """What changes an update beside the optimizer's formula, or ""."""
        if self.clip_norm is not None:
            return "gradients clipped by their norm"
        return "" if self.entry_factors is None else "learning-rate factors of single entries"

    @property
    def members(self) -> int:
        """K, the number of networks."""
        return len(self.seeds)

    @property
    def varying(self) -> dict[str, Floats]:
        """The numbers [K] that differ between members, by name (dropout by layer)."""
        numbers = {"strength": self.strength, "initial_scale": self.initial_scale}
        numbers |= {**self.numbers, **self.schedule_numbers}
        numbers |= {f"dropout {layer}": rates for layer, rates in enumerate(self.dropout.T, 1)}
        return {name: values for name, values in numbers.items() if (values != values[0]).any()}

    @cached_property
    def drops(self) -> bool:
        """Whether any member drops units."""
        return bool(self.dropout.any())

    @cached_property
    def row_counts(self) -> Integers:
        """The number of training rows of each member, [K]."""
        if self.rows is None:
            return np.full(self.members, len(self.x))
        return np.array([len(rows) for rows in self.rows])

    @cached_property
    def row_table(self) -> Integers | None:
        """The row indices of each member, [K, rows], padded with 0; None for all rows."""
        if self.rows is None:
            return None
        table = np.zeros((self.members, self.row_counts.max()), np.int64)
        for member, rows in enumerate(self.rows):
            table[member, : len(rows)] = rows
        return table

    @cached_property
    def row_kinds(self) -> Integers:
        """A label for each member, [K]: equal for members that train on the same rows."""
        if self.rows is None:
            return np.zeros(self.members, np.int64)
        known: dict[bytes, int] = {}
        return np.array([known.setdefault(rows.tobytes(), len(known)) for rows in self.rows])

    def row_count(self, member: int) -> int:
        """The number of training rows of a member."""
        return int(self.row_counts[member])

    @cached_property
    def batch_sizes(self) -> Integers:
        """The number of rows in a full batch of each member, [K]."""
        if self.fresh is not None:
            return np.full(self.members, self.fresh.count)
        return self.row_counts if self.batch_size is None else np.minimum(self.batch_size, self.row_counts)

    def batch_rows(self, member: int) -> int:
        """The number of rows in a full batch of a member."""
        return int(self.batch_sizes[member])

    def steps_per_epoch(self, member: int) -> int:
        """The number of updates of a member in an epoch; the last batch may be short."""
        return int(self.epoch_steps[member])

    @cached_property
    def epoch_steps(self) -> Integers:
        """The number of updates of each member in an epoch, [K]."""
        if self.fresh is not None:
            return np.full(self.members, self.fresh.updates)
        return -(-self.row_counts // self.batch_sizes)

    def rates(self, members: Integers, step: int | Integers) -> Floats:
        """Learning rates [K] of `members` at an update, or [n, K] at `step` [n]."""
        each = np.asarray(step)[..., None]
        counted = each // self.epoch_steps[members] if self.schedule.per == "epoch" else each + 0 * members
        counted = counted.astype(np.float64)
        numbers = {name: value[members] for name, value in self.schedule_numbers.items()}
        with np.errstate(all="ignore"):
            rates: Floats = everywhere(self.schedule.rate, counted, self.numbers["learning_rate"][members], **numbers)
        return rates

    def replace(self, **numbers: Any) -> "Problem":
        """The same problem with other numbers of the optimizer, such as `learning_rate`.

        Each is one number, or one a member, as in `create_problem`; `train` with `start=run` continues a run with them.
        Raises `BadInput` for others, and for values that `create_problem` refuses.
        """
        known = {**self.numbers}
        for name, value in numbers.items():
            if name not in known:
                raise BadInput(
                    f"{short_repr(name)} cannot be replaced, only {', '.join(known)}; create a problem with it"
                )
            array = check_numbers(name, value)
            if array.size not in (1, self.members):
                count, members = count_of(array.size, "number"), count_of(self.members, "member")
                raise BadInput(f"{name} has {count} for {members}; give one number, or one a member")
            known[name] = np.ascontiguousarray(np.broadcast_to(array, self.members))
        schedule_numbers = {f"schedule's {name}": value for name, value in self.schedule_numbers.items()}
        check_combination(self.optimizer, self.schedule, known | schedule_numbers)
        return replace(self, numbers=known)

    def take(self, chosen: Integers) -> "Problem":
        """The problem of the members with the indices `chosen`."""
        parts = {name: _for_each(lambda array: array[chosen], getattr(self, name)) for name in _PER_MEMBER}
        arrays = {name: getattr(self, name) for name in _PERHAPS_PER_MEMBER}
        parts |= {name: array[chosen] for name, array in arrays.items() if np.ndim(array) == 2}
        if self.rows is not None:
            parts["rows"] = tuple(self.rows[member] for member in chosen)
        if self.fresh is not None:
            parts["fresh"] = self.fresh.take(chosen)
        return replace(self, **parts)

    @classmethod
    def concatenate(cls, problems: Sequence["Problem"], row_keys: Sequence[str]) -> "Problem":
        """The problem with the members of several of one shape.

        Rows of problems with equal `row_keys` are stored once.
        """
        distinct: dict[str, Problem] = {}
        for problem, key in zip(problems, row_keys, strict=True):
            distinct.setdefault(key, problem)
        starts = dict(zip(distinct, accumulate((len(one.x) for one in distinct.values()), initial=0), strict=False))
        rows: list[Integers] = []
        for problem, key in zip(problems, row_keys, strict=True):
            rows += [np.arange(len(problem.x)) + starts[key]] * problem.members

        def join(*arrays: Floats) -> Floats:
            return np.concatenate(arrays)

        rows_of = {name: [getattr(part, name) for part in distinct.values()] for name in ("x", "y", "weights")}
        return replace(
            problems[0],
            **{name: _for_each(join, *parts) for name, parts in rows_of.items()},
            **{name: _for_each(join, *(getattr(problem, name) for problem in problems)) for name in _PER_MEMBER},
            rows=tuple(rows) if len(distinct) > 1 else None,
            penalty=next((problem.penalty for problem in problems if problem.penalty is not None), None),
            notes=(),
        )

    def __repr__(self) -> str:
        batches = "full batches" if self.batch_size is None else f"batches of {self.batch_size:,}"
        if self.fresh is not None:
            batches = f"fresh batches of {self.fresh.count:,}"
        return (
            f"Problem of {self.members:,} × {self.network!r}: {count_of(len(self.x), 'row')}, {self.loss.name} "
            f"by {self.optimizer.name}, {batches}"
        )


_PER_MEMBER = (
    *("numbers", "schedule_numbers", "clip_norm", "strength"),
    *("dropout", "initial_scale", "seeds", "data_seeds", "dropout_seeds"),
)
_PERHAPS_PER_MEMBER = ("weights", "row_order", "entry_factors")
"""Fields with an entry for each member, and arrays that may be shared by all."""


def _for_each(change: Callable[..., Floats], *values: Any) -> Any:
    """Call a function with arrays, or with those of each name in mappings; None stays."""
    if isinstance(values[0], Mapping):
        return {name: change(*(value[name] for value in values)) for name in values[0]}
    return None if values[0] is None else change(*values)


def check_combination(optimizer: Optimizer, schedule: Schedule, numbers: Mapping[str, NDArray[Any]]) -> None:
    if optimizer.name == "rprop" and (numbers["smallest"] > numbers["largest"]).any():
        raise BadInput("the optimizer 'rprop' has a smallest step above its largest; exchange the two")
    if schedule.name == "cosine" and (numbers["schedule's warm_up"] >= numbers["schedule's steps"]).any():
        raise BadInput("the schedule 'cosine' warms up for as long as it lasts; give it more steps than its warm_up")
    if schedule.name == "exponential_ramp" and (numbers["learning_rate"] <= 0).any():
        raise BadInput("the schedule 'exponential_ramp' cannot rise from 0; give a learning_rate above 0")
