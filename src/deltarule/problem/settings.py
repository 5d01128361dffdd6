"""The settings of a training, with allowed values, defaults and meanings."""

import math
import sys
from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from deltarule.errors import BadInput, short_repr
from deltarule.maths.optimizers import HYPERPARAMETERS, Optimizer
from deltarule.maths.schedules import Schedule


class Range(NamedTuple):
    """The allowed values of a finite number: as text, and as bounds (allowed themselves unless open) or as a list."""

    words: str
    low: float = -math.inf
    high: float = math.inf
    is_low_open: bool = False
    is_high_open: bool = False
    is_whole: bool = False
    values: tuple[float, ...] = ()

    def allows(self, number: Any) -> Any:
        """Whether a number, or each of an array, is allowed; NaN never is."""
        if self.values:
            return np.isin(number, self.values)
        from_low = number > self.low if self.is_low_open else number >= self.low
        return from_low & (number < self.high if self.is_high_open else number <= self.high)

    def fits(self, value: Any) -> bool:
        """Whether a value is a finite number of Python's in this range."""
        is_number = isinstance(value, int if self.is_whole else int | float) and not isinstance(value, bool)
        return is_number and abs(value) <= sys.float_info.max and bool(self.allows(value))

    def check(self, name: str, value: Any) -> Any:
        """Return a number as Python's; `BadInput` unless it is in this range."""
        number = value.item() if isinstance(value, np.generic | np.ndarray) and np.ndim(value) == 0 else value
        if not self.fits(number):
            raise BadInput(f"{name} is {short_repr(value)}; give {self.words}")
        return number


FINITE = Range("a finite number")
NOT_NEGATIVE = Range("a number of 0 or more", 0)
POSITIVE = Range("a number above 0", 0, is_low_open=True)
SHARE = Range("a number from 0 to under 1", 0, 1, is_high_open=True)
FROM_1 = Range("a number of 1 or more", 1)
FROM_2 = Range("a number of 2 or more", 2)
WHOLE = Range("a whole number of 0 or more", 0, is_whole=True)
COUNT = Range("a whole number of 1 or more", 1, is_whole=True)


MAX_SEEDS = 1_000_000
"""Maximum number of seeds of a run: with more, a typing error could fill the memory."""


class Setting(NamedTuple):
    """What a number that determines a training may be, its default and its meaning."""

    allowed: Range
    default: float | None
    meaning: str


SETTINGS: Mapping[str, Setting] = {
    "learning_rate": Setting(
        NOT_NEGATIVE, 0.01, "How long a step is; too long and the loss jumps, too short and nothing happens."
    ),
    "momentum": Setting(SHARE, None, "Share of the last step that is made again."),
    "clip_norm": Setting(POSITIVE, None, "The longest gradient; longer ones are shortened to it."),
    "batch_size": Setting(COUNT, None, "Rows of each update; fewer are faster and noisier."),
    "strength": Setting(NOT_NEGATIVE, 0.0, "How strong the penalty is."),
    "label_smoothing": Setting(SHARE, 0.0, "Share of each target that is spread over the classes."),
    "dropout": Setting(SHARE, 0.0, "Share of hidden units that are left out at random in each update."),
    "initial_scale": Setting(
        NOT_NEGATIVE, 1.0, "What the first weights are multiplied with; 0 makes all units the same for ever."
    ),
    "max_steps": Setting(WHOLE, None, "The largest number of updates."),
    "max_epochs": Setting(WHOLE, None, "The largest number of passes over the rows."),
    "threshold": Setting(FINITE, None, "What the metric has to reach for the training to stop."),
    "times": Setting(COUNT, 1, "How often the threshold must be met."),
    "tolerance": Setting(NOT_NEGATIVE, None, "The relative change of an epoch's objective at which training stops."),
    "patience": Setting(COUNT, None, "After how many history points without a better score training stops."),
    "history_every": Setting(COUNT, None, "Updates between two history points."),
}

_OF_OPTIMIZERS = {
    "not negative": NOT_NEGATIVE,
    "positive": POSITIVE,
    "share": SHARE,
    "divisor": Range("a number above 0, up to 1", 0, 1, is_low_open=True),
    "factor": FROM_1,
}

PARAMETERS: Mapping[str, Range] = {
    "huber.delta": POSITIVE,
    "quantile.quantile": Range("a number between 0 and 1", 0, 1, is_low_open=True, is_high_open=True),
    "naive_binary_cross_entropy.epsilon": NOT_NEGATIVE,
    "normal.std": NOT_NEGATIVE,
    "orthogonal.gain": NOT_NEGATIVE,
    "uniform.range": NOT_NEGATIVE,
    "positive_uniform.range": NOT_NEGATIVE,
    **{
        f"{optimizer}.{name}": _OF_OPTIMIZERS[number.allowed]
        for optimizer, numbers in HYPERPARAMETERS.items()
        for name, number in numbers.items()
    },
    "step.every": FROM_1,
    "step.factor": POSITIVE,
    "exponential.factor": POSITIVE,
    "inverse_scaling.power": NOT_NEGATIVE,
    "adaptive.divide": FROM_1,
    "adaptive.tolerance": NOT_NEGATIVE,
    "adaptive.patience": FROM_1,
    "squaring.every": FROM_1,
    "squaring.at_start": Range("0 or 1", values=(0, 1)),
    "cosine.steps": FROM_1,
    "cosine.lowest": NOT_NEGATIVE,
    "cosine.warm_up": NOT_NEGATIVE,
    "coslog4.steps": FROM_1,
    "flat_cosine.steps": FROM_1,
    "flat_cosine.flat": SHARE,
    "warm_up.steps": NOT_NEGATIVE,
    "linear_ramp.steps": FROM_2,
    "linear_ramp.highest": NOT_NEGATIVE,
    "exponential_ramp.steps": FROM_2,
    "exponential_ramp.highest": POSITIVE,
}
"""The allowed values of built-in formulas' parameters, as "formula.parameter"; any finite number if not listed."""


def quoted(choices: tuple[str, ...]) -> str:
    *others, last = (f'"{choice}"' for choice in choices)
    return f"{', '.join(others)} or {last}"


def check_numbers(name: str, value: Any) -> NDArray[Any]:
    """Convert one number, or one for each member, to a float64 array [] or [K]."""
    allowed = SETTINGS[name].allowed if name in SETTINGS else FINITE
    if type(value) is float and 0 <= value < np.inf and allowed.allows(value):  # the common case, quickly
        return np.array(value)
    array = to_float64(value)
    if array is None or array.ndim > 1 or not array.size:
        raise BadInput(f"{name} is {short_repr(value)}; give a number, or one a member")
    if not np.isfinite(array).all():
        raise BadInput(f"{name} is {array[~np.isfinite(array)][0]}; give a finite number")
    if not (is_allowed := allowed.allows(array)).all():
        raise BadInput(f"{name} is {array[~is_allowed][0]:g}; give {allowed.words}")
    return array


def check_combination(optimizer: Optimizer, schedule: Schedule, numbers: Mapping[str, NDArray[Any]]) -> None:
    if optimizer.name == "rprop" and (numbers["smallest"] > numbers["largest"]).any():
        raise BadInput("the optimizer 'rprop' has a smallest step above its largest; exchange the two")
    if schedule.name == "cosine" and (numbers["schedule's warm_up"] >= numbers["schedule's steps"]).any():
        raise BadInput("the schedule 'cosine' warms up for as long as it lasts; give it more steps than its warm_up")
    if schedule.name == "exponential_ramp" and (numbers["learning_rate"] <= 0).any():
        raise BadInput("the schedule 'exponential_ramp' cannot rise from 0; give a learning_rate above 0")


def to_float64(values: Any) -> NDArray[Any] | None:
    array = to_array(values)
    return None if array is None or array.dtype.kind not in "iuf" else array.astype(np.float64)


def to_array(values: Any) -> NDArray[Any] | None:
    try:
        return None if np.ma.is_masked(values) else np.asarray(values)
    except ValueError:
        return None
