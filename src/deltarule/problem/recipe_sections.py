"""The sections of a recipe: keys with types, defaults and allowed values."""

import math
from collections.abc import Mapping
from typing import Annotated, Any, Literal, TypeVar

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, PlainValidator, ValidationInfo

from deltarule.errors import BadInput
from deltarule.problem.error_messages import shorten_toml
from deltarule.problem.settings import COUNT, FINITE, MAX_SEEDS, SETTINGS, SHARE, WHOLE


def _check_json_compatible(value: Any) -> Any:
    """Check that JSON can represent a value and return it with tuples as lists."""
    if isinstance(value, Mapping):
        return {key: _check_json_compatible(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_check_json_compatible(item) for item in value]
    if not isinstance(value, str | bool) and not FINITE.fits(value):
        raise ValueError
    return value


def _check_named(value: Any) -> Any:
    name = value.get("name") if isinstance(value, Mapping) else value
    if not isinstance(name, str) or not name:
        raise ValueError
    return _check_json_compatible(value)


def _check_formulas(value: Any) -> Any:
    return tuple(map(_check_named, value)) if isinstance(value, list | tuple) else _check_named(value)


def _parse_layer_sizes(value: Any) -> Any:
    if not isinstance(value, list | tuple) or len(value) < 2:
        raise ValueError
    for index, size in enumerate(value):
        is_end = index in (0, len(value) - 1)
        if not (COUNT.fits(size)) and not (is_end and size == "auto"):
            raise ValueError
    return tuple(value)


def _parse_rates(value: Any) -> Any:
    is_list = isinstance(value, list | tuple)
    if not all(map(FINITE.fits, value if is_list else [value])):
        raise ValueError
    return tuple(map(float, value)) if is_list else float(value)


def _parse_share(value: Any) -> Any:
    if not FINITE.fits(value) or value < 0 or (isinstance(value, float) and value >= 1):
        raise ValueError
    return value


def _parse_seeds(value: Any) -> Any:
    if isinstance(value, list | tuple):
        if not all(WHOLE.fits(item) and item < 2**64 for item in value) or not 1 <= len(set(value)) == len(value):
            raise ValueError
        return tuple(value)
    if not COUNT.fits(value) or value > MAX_SEEDS:
        raise ValueError
    return value


def _check_setting(value: Any, info: ValidationInfo) -> float:
    allowed = SETTINGS[info.field_name or ""].allowed
    if not allowed.fits(value):
        raise ValueError
    return value if allowed.is_whole else float(value)


def _key(allowed: str, default: Any = ...) -> Any:
    return Field(default, description=allowed)


Text = Annotated[str, Field(strict=True), _key("a text")]
Flag = Annotated[bool, Field(strict=True), _key("true or false")]
Number = Annotated[float, Field(strict=True, allow_inf_nan=False), _key("a finite number")]
Setting = Annotated[float, PlainValidator(_check_setting)]
"""A number among `SETTINGS`, by the name of the key."""
WholeSetting = Annotated[int, PlainValidator(_check_setting)]
"""A whole number among `SETTINGS`, by the name of the key."""
Plain = Annotated[
    Any,
    PlainValidator(_check_json_compatible),
    _key("a text, a finite number, true or false, or a list or table of such"),
]
Whole = Annotated[int, Field(strict=True, ge=0), _key("a whole number of 0 or more")]
Count = Annotated[int, Field(strict=True, ge=1), _key("a whole number of 1 or more")]
Seed = Annotated[int, Field(strict=True, ge=0, lt=2**64), _key("a whole number of 0 or more")]
Seeds = Annotated[int | tuple[int, ...], PlainValidator(_parse_seeds)]
Share = Annotated[
    int | float,
    PlainValidator(_parse_share),
    _key("a share of the training rows from 0 to under 1, or a whole number of rows"),
]
Source = Annotated[
    str | Mapping[str, Any],
    PlainValidator(_check_named),
    _key("the name of a data set, or a table with its name and options"),
]
Layers = Annotated[tuple[int | Literal["auto"], ...], PlainValidator(_parse_layer_sizes)]
Rates = Annotated[float | tuple[float, ...], PlainValidator(_parse_rates)]
Formula = Annotated[str | Mapping[str, Any], PlainValidator(_check_named)]
Formulas = Annotated[str | Mapping[str, Any] | tuple[str | Mapping[str, Any], ...], PlainValidator(_check_formulas)]

Value = TypeVar("Value")
OrNone = Annotated[Value | None, BeforeValidator(lambda value: None if value == "none" else value)]
"""An optional value, of which "none" stands for None: TOML has no null."""

NameAlone = BeforeValidator(lambda value: {"name": value} if isinstance(value, str) else value)
"""Converts a name to a table with that name and no parameters."""


def _formula(kind: str, default: str) -> Any:
    article = "an" if kind[0] in "aio" else "a"
    return _key(f"the name of {article} {kind}, or a table with its name and parameters", default)


def _setting(name: str) -> Any:
    allowed, default, _ = SETTINGS[name]
    return Field(default, description=allowed.words + (', or "none"' if default is None else ""))


class Section(BaseModel):
    """Base class of the tables of a recipe."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Criterion(Section):
    """The score at which a member counts as solved: `at_least` 1 if no bound is given."""

    name: Text = _key("the name of a metric")
    at_least: OrNone[Number] = None
    at_most: OrNone[Number] = None
    part: Literal["train", "validation", "test"] = "train"

    @property
    def bounds(self) -> tuple[float, float]:
        is_free = self.at_least is None and self.at_most is None
        least = 1.0 if is_free else self.at_least
        return -math.inf if least is None else least, math.inf if self.at_most is None else self.at_most

    def is_met(self, scores: NDArray[Any]) -> NDArray[np.bool_]:
        least, most = self.bounds
        return np.asarray((scores >= least) & (scores <= most))


class StudySection(Section):
    """`[study]`: title, report, criterion and seeds of a study."""

    title: Text = ""
    report: Text = ""
    summary: Text = ""
    criterion: Annotated[OrNone[Criterion], NameAlone] = _key(
        "the name of a metric, or a table with its name, at_least, at_most and part", None
    )
    record: tuple[Text, ...] = ()
    seeds: Count = 100
    first_seed: Whole = 0


class SplitSection(Section):
    """`[data.split]`: which rows are set aside for validation and test."""

    validation: Share = 0
    test: Share = 0
    seed: Annotated[Whole, Field(lt=2**32)] = _key("a whole number from 0 to under 2**32", 0)
    stratify: Flag = True
    draw: Literal["random", "last"] = "random"
    extend: Flag = False


class DataSection(Section):
    """`[data]`: the source of the rows and their preprocessing."""

    name: OrNone[Source] = None
    file: OrNone[Source] = _key("the path of a CSV or npz file, or a table with the path as its name and options", None)
    offline: OrNone[Source] = None
    target: OrNone[Text] = _key("the name of the column or array to predict", None)
    split: SplitSection = _key("a table with validation, test, seed, stratify, draw and extend", SplitSection())
    scale: Literal["none", "unit", "standardize", "center"] = "none"
    mirrored: Flag = False
    components: OrNone[Count] = None


class NetworkSection(Section):
    """`[network]`: the architecture and the initial weights."""

    layers: Layers = _key(
        'a list of at least two sizes, whole numbers of 1 or more; the first and the last may be "auto"'
    )
    activation: Formulas = _key(
        "the name of an activation, or a table with its name and parameters, or a list with one for each hidden layer",
        "relu",
    )
    output: Formula = _formula("activation", "identity")
    bias: Flag = True
    dropout: Rates = _key(f"{SHARE.words}, or a list with one for each hidden layer", 0.0)
    batch_norm: Flag = False
    scaling_layer: Flag = False
    initializer: Formulas = _key(
        "the name of an initializer, or a table with its name and parameters, or a list with one for each layer",
        "glorot_uniform",
    )
    initial_scale: Setting = _setting("initial_scale")


class LossSection(Section):
    """`[loss]`: the objective."""

    name: Formula = _formula("loss", "squared_error")
    reduction: Literal["sum", "mean_samples", "mean_elements"] = "mean_samples"
    penalty: OrNone[Formula] = _key('the name of a penalty, or "none"', None)
    strength: Setting = _setting("strength")
    penalize_biases: Flag = False
    label_smoothing: Setting = _setting("label_smoothing")


class OptimizerSection(Section):
    """`[optimizer]`: the optimizer, learning rate, batch size and schedule."""

    name: Formula = _formula("optimizer", "sgd")
    learning_rate: Setting = _setting("learning_rate")
    momentum: OrNone[Setting] = _setting("momentum")
    batch_size: OrNone[WholeSetting] = _setting("batch_size")
    schedule: Formula = _formula("schedule", "constant")
    learning_rate_factors: OrNone[dict[str, Number]] = _key(
        'a table of arrays with numbers of 0 or more, as { b = 0.1 }, or "none"', None
    )
    parametrization: Literal["standard", "neural_tangent"] = "standard"
    clip_norm: OrNone[Setting] = _setting("clip_norm")


class StoppingSection(Section):
    """`[stopping]`: the stop rules, named as the arguments of `training.train`."""

    max_steps: OrNone[WholeSetting] = _setting("max_steps")
    max_epochs: OrNone[WholeSetting] = _setting("max_epochs")
    threshold: OrNone[Setting] = _setting("threshold")
    times: WholeSetting = _setting("times")
    metric: Text = _key('"objective", or the name of a metric; after "validation " on validation rows', "objective")
    tolerance: OrNone[Setting] = _setting("tolerance")
    patience: OrNone[WholeSetting] = _setting("patience")


class RunSection(Section):
    """`[run]`: seeds, precision, engine and history."""

    seeds: Seeds = _key(
        f"a whole number from 1 to {MAX_SEEDS:,} (N means the seeds 0 … N − 1), or a list of different seeds of 0 or "
        "more, under 2^64",
        1,
    )
    data_seed: Seed = 0
    dropout_seed: OrNone[Seed] = None
    dtype: Literal["float64", "float32"] = "float64"
    engine: Literal["auto", "reference", "compiled", "cuda", "autograd"] = "auto"
    history_every: OrNone[WholeSetting] = _setting("history_every")


def _to_dotted(table: Any, prefix: str = "") -> Any:
    """Flatten nested tables to dotted keys below `prefix`."""
    if not isinstance(table, Mapping):
        raise ValueError
    flat: dict[str, Any] = {}
    for key, value in table.items():
        # A table with a name is a value: {name = "step", every = 10}. A section has no name of its own.
        is_section = not prefix and "." not in key
        if isinstance(value, Mapping) and (is_section or "name" not in value):
            flat |= _to_dotted(value, f"{prefix}{key}.")
        else:
            flat[prefix + key] = value
    return flat


def _parse_grid(table: Any) -> Any:
    flat = _to_dotted(table)
    for key, values in flat.items():
        if not isinstance(values, list | tuple) or not values:
            raise BadInput(f"{key} is {shorten_toml(values)}; give a list with at least one value")
    return {key: tuple(values) for key, values in flat.items()}


class Experiment(Section):
    """A variant of the study: keys with other values."""

    name: Annotated[Text, Field(min_length=1)] = _key("a text that no other experiment has")
    set: Annotated[dict[str, Any], PlainValidator(_to_dotted)] = _key(
        'a table such as {"optimizer.learning_rate" = 100}'
    )
    about: Text = ""


class Assumption(Section):
    """Something that the report does not say, the assumed value, and the reason."""

    what: Text
    value: Plain
    why: Text


class Configuration(Section):
    """A complete and checked recipe."""

    study: StudySection = StudySection()
    data: DataSection = _key("a table of keys", DataSection())
    network: NetworkSection = _key("a table of keys, layers among them")
    loss: LossSection = LossSection()
    optimizer: OptimizerSection = OptimizerSection()
    stopping: StoppingSection = _key("a table of keys, max_steps or max_epochs among them", StoppingSection())
    run: RunSection = RunSection()
    grid: Annotated[dict[str, tuple[Any, ...]], PlainValidator(_parse_grid)] = _key("a table of keys with lists", {})
    experiment: tuple[Experiment, ...] = _key("tables under [[experiment]]", ())
    assumption: tuple[Assumption, ...] = _key("tables under [[assumption]]", ())
