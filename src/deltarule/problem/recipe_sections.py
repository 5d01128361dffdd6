"""The sections of a recipe: all keys with their defaults and allowed values."""

import math
from collections.abc import Mapping
from typing import Annotated, Any, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field, PlainValidator

from deltarule.errors import BadInput
from deltarule.problem.error_messages import shorten_toml
from deltarule.problem.field_types import (
    Activation,
    Activations,
    Count,
    Factors,
    Flag,
    Initializer,
    Layers,
    Loss,
    NameAlone,
    Number,
    Optimizer,
    OrNone,
    Penalty,
    Plain,
    Rates,
    Schedule,
    Seed,
    Seeds,
    Setting,
    Share,
    Source,
    Text,
    Whole,
    WholeSetting,
)
from deltarule.problem.settings import SETTINGS


def _key(allowed: str, default: Any = ...) -> Any:
    return Field(default, description=allowed)


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
        """The least and the largest score of a solved member."""
        is_free = self.at_least is None and self.at_most is None
        least = 1.0 if is_free else self.at_least
        return -math.inf if least is None else least, math.inf if self.at_most is None else self.at_most

    def is_met(self, scores: NDArray[Any]) -> NDArray[np.bool_]:
        """A mask of the scores of solved members."""
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

    layers: Layers
    activation: Activations = "relu"
    output: Activation = "identity"
    bias: Flag = True
    dropout: Rates = 0.0
    batch_norm: Flag = False
    scaling_layer: Flag = False
    initializer: Initializer = "glorot_uniform"
    initial_scale: Setting = _setting("initial_scale")


class LossSection(Section):
    """`[loss]`: the objective."""

    name: Loss = "squared_error"
    reduction: Literal["sum", "mean_samples", "mean_elements"] = "mean_samples"
    penalty: OrNone[Penalty] = None
    strength: Setting = _setting("strength")
    penalize_biases: Flag = False
    label_smoothing: Setting = _setting("label_smoothing")


class OptimizerSection(Section):
    """`[optimizer]`: the optimizer, learning rate, batch size and schedule."""

    name: Optimizer = "sgd"
    learning_rate: Setting = _setting("learning_rate")
    momentum: OrNone[Setting] = _setting("momentum")
    batch_size: OrNone[WholeSetting] = _setting("batch_size")
    schedule: Schedule = "constant"
    learning_rate_factors: OrNone[Factors] = None
    parametrization: Literal["standard", "neural_tangent"] = "standard"


class StoppingSection(Section):
    """`[stopping]`: the stop rules, named as the arguments of `training.train`."""

    max_steps: OrNone[WholeSetting] = _setting("max_steps")
    max_epochs: OrNone[WholeSetting] = _setting("max_epochs")
    threshold: OrNone[Setting] = _setting("threshold")
    times: WholeSetting = _setting("times")
    metric: Text = _key('"objective", or the name of a metric', "objective")
    tolerance: OrNone[Setting] = _setting("tolerance")
    patience: OrNone[WholeSetting] = _setting("patience")
    score: Text = _key('"objective", or the name of a metric', "objective")


class RunSection(Section):
    """`[run]`: seeds, precision, engine and history."""

    seeds: Seeds = 1
    data_seed: Seed = 0
    dropout_seed: OrNone[Seed] = None
    dtype: Literal["float64", "float32"] = "float64"
    engine: Literal["auto", "reference", "compiled", "autograd"] = "auto"
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
