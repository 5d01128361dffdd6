"""Every setting of a training, declared once: its name, type, default, allowed values and meaning.

A section is a table of a recipe. Recipes are read by these classes, their defaults are those of `Network`,
`create_problem`, `StopRules` and `train`, and the workbench, its page and the reference page show what is said here.
"""

from collections.abc import Callable, Mapping
from dataclasses import MISSING, dataclass, field, fields
from typing import Any, Literal, NamedTuple, get_args

import numpy as np
from numpy.typing import NDArray

from deltarule.errors import BadInput, short_repr
from deltarule.maths.losses import REDUCTIONS
from deltarule.problem.ranges import (
    COUNT,
    FINITE,
    NOT_NEGATIVE,
    POSITIVE,
    SHARE,
    WHOLE,
    Range,
    quoted,
    to_float64,
)

MAX_SEEDS = 1_000_000
"""Maximum number of seeds of a run: with more, a typing error could fill the memory."""
SEED = Range("a whole number of 0 or more", 0, 2**64, is_high_open=True, is_whole=True)
SPLIT_SEED = Range("a whole number from 0 to under 2**32", 0, 2**32, is_high_open=True, is_whole=True)


class Form(NamedTuple):
    """The form of a setting's values.

    name      of the form, by which the page without Python reads values (`rules.js`)
    allowed   the allowed values, in words
    allows    whether a value is one of them
    convert   returns an allowed value as it is kept; may raise `ValueError` for what is in it
    range     of the numbers
    choices   the allowed texts
    kind      of the formula that is named
    section   the class of a table
    """

    name: str
    allowed: str
    allows: Callable[[Any], bool] = lambda value: True
    convert: Callable[[Any], Any] = lambda value: value
    range: Range = FINITE
    choices: tuple[str, ...] = ()
    kind: str = ""
    section: "type[Section] | None" = None

    def read(self, value: Any) -> Any:
        """Return a value as it is kept; raises `ValueError` if it is not allowed."""
        if not self.allows(value):
            raise ValueError
        return self.convert(value)


@dataclass(frozen=True)
class Setting:
    """A setting: what it may be, what it means, and its title in the workbench."""

    form: Form
    meaning: str
    title: str
    default: Any

    @property
    def is_optional(self) -> bool:
        """Whether it may be left unset: recipes write "none", because TOML has no null."""
        return self.default is None

    @property
    def is_needed(self) -> bool:
        return self.default is MISSING

    def read(self, value: Any) -> Any:
        if self.is_optional and (value is None or (isinstance(value, str) and value == "none")):
            return None
        return self.form.read(value)


def setting(form: Form, default: Any, meaning: str = "", title: str = "") -> Any:
    """Declare a field of a section; a default of None means that it may be left unset."""
    if default is None and form.name == "number":
        form = form._replace(allowed=f'{form.allowed}, or "none"')
    metadata = {"setting": Setting(form, meaning, title, default)}
    return (
        field(default_factory=dict, metadata=metadata) if default == {} else field(default=default, metadata=metadata)
    )


def needed(form: Form, meaning: str = "", title: str = "") -> Any:
    """Declare a field of a section that has no default."""
    return field(metadata={"setting": Setting(form, meaning, title, MISSING)})


class Section:
    """Base class of the tables of a recipe."""


def settings_of(section: type) -> dict[str, Setting]:
    """The settings of a section by name."""
    return {each.name: each.metadata["setting"] for each in fields(section)}


# --- forms ------------------------------------------------------------------------------------------------------------


def number(allowed: Range) -> Form:
    return Form("number", allowed.words, allowed.fits, int if allowed.is_whole else float, allowed)


def choice(choices: tuple[str, ...]) -> Form:
    return Form("choice", quoted(choices), lambda value: isinstance(value, str) and value in choices, choices=choices)


def text(allowed: str = "a text", min_length: int = 0) -> Form:
    return Form("other", allowed, lambda value: isinstance(value, str) and len(value) >= min_length)


FLAG = Form("flag", "true or false", lambda value: isinstance(value, bool))


def formula(kind: str, allowed: str = "", each: str = "") -> Form:
    """A name or a table with a name and parameters; for `each` layer, also a list."""
    article = "an" if kind[0] in "aio" else "a"
    words = allowed or f"the name of {article} {kind}, or a table with its name and parameters"
    if not each:
        return Form("formula", words, is_named, read_plain, kind=kind)
    words = f"{words}, or a list with one for each {each}"
    return Form("formula", words, lambda value: all(map(is_named, _listed(value))), _of_each(read_plain), kind=kind)


def _listed(value: Any) -> Any:
    return value if isinstance(value, list | tuple) else [value]


def _of_each(convert: Callable[[Any], Any]) -> Callable[[Any], Any]:
    """Convert a value, or each of a list."""
    return lambda value: tuple(map(convert, value)) if isinstance(value, list | tuple) else convert(value)


def is_named(value: Any) -> bool:
    name = value.get("name") if isinstance(value, Mapping) else value
    return isinstance(name, str) and bool(name)


def read_plain(value: Any) -> Any:
    """Return a value that JSON can represent, with tuples as lists; raises `ValueError` for others."""
    if isinstance(value, Mapping):
        return {key: read_plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [read_plain(item) for item in value]
    if not (isinstance(value, str | bool) or FINITE.fits(value)):
        raise ValueError
    return value


def _are_sizes(value: Any) -> bool:
    if not isinstance(value, list | tuple) or len(value) < 2:
        return False
    first, *between, last = value
    return (
        is_size(first)
        and all(COUNT.fits(item) or (is_named(item) and item != "auto") for item in between)
        and (is_size(last) or is_named(last))
    )


def is_size(item: Any) -> bool:
    """Whether an item of `network.layers` is no layer by name, but a number of units, or "auto"."""
    return COUNT.fits(item) or (isinstance(item, str) and item == "auto")


def _is_share(value: Any) -> bool:
    return FINITE.fits(value) and value >= 0 and (isinstance(value, int) or value < 1)


def _are_seeds(value: Any) -> bool:
    if isinstance(value, list | tuple):
        return all(map(SEED.fits, value)) and 1 <= len(set(value)) == len(value)
    return COUNT.fits(value) and value <= MAX_SEEDS


def _are_factors(value: Any) -> bool:
    return isinstance(value, Mapping) and all(map(FINITE.fits, value.values()))


_SOURCE = Form(
    "source", 'the name of a data set, or a table with its name and options, or "none"', is_named, read_plain
)
_FILE = "the path of a CSV or npz file, or a table with the path as its name and options"
_SHARE = Form("other", "a share of the training rows from 0 to under 1, or a whole number of rows", _is_share)
_SIZES = (
    'a list of at least two sizes, whole numbers of 1 or more; the first and the last may be "auto", and layers and '
    "activations may follow the first by name"
)
_RATES = f"{SHARE.words}, or a list with one for each hidden layer"
_FACTORS = 'a table of arrays with numbers of 0 or more, as { b = 0.1 }, or "none"'
_METRIC = '"objective", or the name of a metric; after "validation " on validation rows'
_SEEDS = (
    f"a whole number from 1 to {MAX_SEEDS:,} (N means the seeds 0 … N − 1), or a list of different seeds of 0 or "
    "more, under 2^64"
)


# --- sections ---------------------------------------------------------------------------------------------------------

Formula = str | Mapping[str, Any]
Formulas = Formula | tuple[Formula, ...]
DType = Literal["float64", "float32"]
Parametrization = Literal["standard", "neural_tangent"]
Scale = Literal["none", "unit", "standardize", "center"]
Draw = Literal["random", "last"]
EngineName = Literal["auto", "reference", "compiled", "cuda", "autograd"]


@dataclass(frozen=True)
class SplitSection(Section):
    """`[data.split]`: which rows are set aside for validation and test."""

    validation: float = setting(_SHARE, 0, "Rows for the validation score.")
    test: float = setting(
        _SHARE, 0, "Share of the rows that training never sees; by them a network is judged.", "Test share"
    )
    seed: int = setting(number(SPLIT_SEED), 0, "The seed with which rows are drawn.")
    stratify: bool = setting(FLAG, True, "Whether all parts have the proportions of the classes.")
    draw: Draw = setting(choice(get_args(Draw)), "random", "Random rows, or the last ones.")
    extend: bool = setting(FLAG, False, "Whether rows may be added to a part that the data set already has.")


@dataclass(frozen=True)
class DataSection(Section):
    """`[data]`: the source of the rows and their preprocessing."""

    name: Formula | None = setting(_SOURCE, None, "The rows that are trained on.", "Points")
    file: Formula | None = setting(
        _SOURCE._replace(name="other", allowed=_FILE),
        None,
        "Your own table, in the folder of `--data`, beside the recipe, or in the current folder; "
        '`{name = "my.csv", task = "classify"}` sets the task.',
    )
    offline: Formula | None = setting(
        _SOURCE._replace(name="other"),
        None,
        "Replaces a published set that cannot be downloaded, unless `--data` or `DELTARULE_DATA` names a folder.",
    )
    target: str | None = setting(
        text("the name of the column or array to predict"),
        None,
        "What is predicted: a column of a CSV file, which is needed, or an array of an npz file, by default `y`.",
    )
    split: SplitSection = setting(
        Form("split", "a table with validation, test, seed, stratify, draw and extend", section=SplitSection),
        SplitSection(),
        "Which rows are set aside.",
    )
    scale: Scale = setting(
        choice(get_args(Scale)),
        "none",
        "How columns are scaled: standardize gives each mean 0 and deviation 1, unit divides by the largest absolute "
        "number, center subtracts the mean row.",
        "Scale",
    )
    mirrored: bool = setting(FLAG, False, "Whether mirrored training images are added; not possible with folds.")
    components: int | None = setting(
        number(COUNT),
        None,
        "Whitened principal components of the training rows (of each fold), after `scale` and `mirrored`.",
    )


@dataclass(frozen=True)
class NetworkSection(Section):
    """`[network]`: the architecture and the initial weights."""

    layers: tuple[int | Formula, ...] = needed(
        Form("sizes", _SIZES, _are_sizes, _of_each(read_plain)),
        "Units of each layer; more hidden ones bend the boundary in more places.",
        "Hidden units",
    )
    activation: Formulas = setting(
        formula("activation", each="hidden layer"),
        "relu",
        "What a unit makes of its sum; without one a network is linear.",
        "Activation",
    )
    output: Formula = setting(
        formula("activation"),
        "identity",
        "What the last layer makes of its sums: shares of classes, or numbers.",
        "Output",
    )
    bias: bool = setting(FLAG, True, "Whether layers have biases.")
    dropout: float | tuple[float, ...] = setting(
        Form("rates", _RATES, lambda value: all(map(FINITE.fits, _listed(value))), _of_each(float), SHARE),
        0.0,
        "Share of hidden units that are left out at random in each update.",
        "Dropout",
    )
    batch_norm: bool = setting(FLAG, False, "Whether hidden layers normalize their sums over the batch.", "Batch norm")
    scaling_layer: bool = setting(
        FLAG,
        False,
        "Whether each input has a weight of its own, the array `scale1`; usually with "
        "`learning_rate_factors = { scale = 6 }`.",
    )
    initializer: Formulas = setting(
        formula("initializer", each="layer"),
        "glorot_uniform",
        "The law from which the first weights are drawn.",
        "First weights",
    )
    initial_scale: float = setting(
        number(NOT_NEGATIVE),
        1.0,
        "What the first weights are multiplied with; 0 makes all units the same for ever.",
        "Scale of first weights",
    )


@dataclass(frozen=True)
class LossSection(Section):
    """`[loss]`: the objective."""

    name: Formula = setting(
        formula("loss"), "squared_error", "What is lowered: the distance between outputs and targets.", "Loss"
    )
    reduction: str = setting(
        choice(REDUCTIONS),
        "mean_samples",
        "The sum of the loss over samples and outputs: unchanged, divided by samples, or by samples × outputs.",
    )
    penalty: Formula | None = setting(
        formula("penalty", 'the name of a penalty, or "none"'), None, "A term that keeps weights small.", "Penalty"
    )
    strength: float = setting(number(NOT_NEGATIVE), 0.0, "How strong the penalty is.", "Strength")
    penalize_biases: bool = setting(
        FLAG,
        False,
        "Whether biases are penalized too, also in the decay of `adamw`; γ and β of batch norm never are.",
    )
    label_smoothing: float = setting(
        number(SHARE), 0.0, "Share of each target that is spread over the classes, for both cross-entropies."
    )


@dataclass(frozen=True)
class OptimizerSection(Section):
    """`[optimizer]`: the optimizer, learning rate, batch size and schedule."""

    name: Formula = setting(formula("optimizer"), "sgd", "How a gradient becomes a step.", "Optimizer")
    learning_rate: float = setting(
        number(NOT_NEGATIVE),
        0.01,
        "How long a step is; too long and the loss jumps, too short and nothing happens.",
        "Learning rate",
    )
    momentum: float | None = setting(
        number(SHARE), None, "Share of the last step that is made again, by the optimizers that have it."
    )
    batch_size: int | None = setting(
        number(COUNT), None, "Rows of each update; fewer are faster and noisier; all unless it is given.", "Batch size"
    )
    schedule: Formula = setting(
        formula("schedule"), "constant", "How the learning rate changes in the course of training.", "Schedule"
    )
    learning_rate_factors: Mapping[str, float] | None = setting(
        Form("other", _FACTORS, _are_factors, lambda value: {name: float(factor) for name, factor in value.items()}),
        None,
        "Factors of the learning rate by array: `{ b = 0.1 }` for all biases, `{ W1 = 2 }` for one array; with `rprop` "
        "they multiply the first step size.",
    )
    parametrization: Parametrization = setting(
        choice(get_args(Parametrization)),
        "standard",
        "Whether the optimizer acts on W, or on W √D for a layer with D inputs.",
    )
    clip_norm: float | None = setting(
        number(POSITIVE), None, "The longest gradient of what moves; longer ones are shortened to it."
    )


@dataclass(frozen=True)
class StoppingSection(Section):
    """`[stopping]`: the stop rules, named as the arguments of `training.train`."""

    max_steps: int | None = setting(
        number(WHOLE), None, "The largest number of updates; with both limits, the smaller one counts."
    )
    max_epochs: int | None = setting(number(WHOLE), None, "The largest number of passes over the rows.")
    threshold: float | None = setting(
        number(FINITE),
        None,
        "What `metric` has to reach for the training to stop: it ends once the metric is below, or above if more of it "
        "is better.",
    )
    times: int = setting(number(COUNT), 1, "How often the threshold must be met.")
    metric: str = setting(
        text(_METRIC),
        "objective",
        "What `threshold` and `patience` follow. For `threshold` the objective is checked before each update, and "
        "other metrics at history points; `patience` always follows validation rows.",
    )
    tolerance: float | None = setting(
        number(NOT_NEGATIVE), None, "The relative change of an epoch's objective at which training stops."
    )
    patience: int | None = setting(
        number(COUNT),
        None,
        "After how many history points without a better score on validation rows training stops; the best weights are "
        "restored.",
    )


@dataclass(frozen=True)
class RunSection(Section):
    """`[run]`: seeds, precision, engine and history."""

    seeds: int | tuple[int, ...] = setting(
        Form("seeds", _SEEDS, _are_seeds, _of_each(int), WHOLE),
        1,
        "How many networks train, each from first weights of its own.",
        "Networks",
    )
    data_seed: int = setting(number(SEED), 0, "The order of mini-batches.")
    dropout_seed: int | None = setting(
        number(SEED), None, "The seed of dropout masks; by default each member's own seed."
    )
    dtype: DType = setting(choice(get_args(DType)), "float64", "The precision of parameters and data.")
    engine: EngineName = setting(
        choice(get_args(EngineName)), "auto", "What computes; auto takes the one that is expected to finish first."
    )
    history_every: int | None = setting(
        number(COUNT),
        None,
        "Updates between two history points. By default an epoch of mini-batches; with full batches a 200th of the "
        "limit, but if more than the objective is recorded, or with dropout or batch norm, at least ten updates.",
    )


SETTABLE: dict[str, type[Section]] = {
    "data": DataSection,
    "network": NetworkSection,
    "loss": LossSection,
    "optimizer": OptimizerSection,
    "stopping": StoppingSection,
    "run": RunSection,
}
"""The sections that [grid], [[experiment]] and `--set` may change: they determine the results of a run."""

SETTINGS: Mapping[str, Setting] = {
    f"{section}.{name}": each for section, model in SETTABLE.items() for name, each in settings_of(model).items()
}
"""The settings by dotted key."""

NUMBERS: Mapping[str, Setting] = {
    key.partition(".")[2]: each for key, each in SETTINGS.items() if each.form.name == "number"
}
"""The settings that are numbers, by the names of arguments."""


def check_number(name: str, value: Any) -> Any:
    """Return the value of a setting as Python's number."""
    allowed = NUMBERS[name].form.range
    checked = allowed.check(name, value)
    return checked if allowed.is_whole else float(checked)


def check_numbers(name: str, value: Any) -> NDArray[Any]:
    """Convert one number, or one for each member, to a float64 array [] or [K]."""
    allowed = NUMBERS[name].form.range if name in NUMBERS else FINITE
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
