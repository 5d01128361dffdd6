"""The sections of a recipe: all keys with their defaults and allowed values."""

from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, PlainValidator

from deltarule.errors import BadInput
from deltarule.problem.error_messages import shorten_toml
from deltarule.problem.field_types import (
    MAX_SEEDS,
    Activation,
    Activations,
    Count,
    Factors,
    Flag,
    Initializer,
    Layers,
    Loss,
    Momentum,
    NameAlone,
    NotNegative,
    Number,
    Optimizer,
    OrNone,
    Penalty,
    Plain,
    Rates,
    Schedule,
    Seed,
    Seeds,
    Share,
    Source,
    Text,
    Whole,
)


def _key(allowed: str, default: Any = ...) -> Any:
    """A pydantic field whose description says what is allowed, as errors quote it; required without a default."""
    return Field(default, description=allowed)


class Section(BaseModel):
    """Base class of a recipe's tables: unknown keys are refused, and checked tables are immutable."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Criterion(Section):
    """The share of a part's rows that must be predicted correctly for a member to count as solved."""

    name: Literal["thresholded", "accuracy"] = _key('"thresholded" or "accuracy"')
    at_least: Annotated[Number, Field(ge=0, le=1)] = _key("a share of the rows from 0 to 1", 1.0)
    part: Literal["train", "validation", "test"] = _key('"train", "validation" or "test"', "train")


class StudySection(Section):
    """`[study]`: title, report and summary; the criterion for a solved member; the number of seeds for claims."""

    title: Text = _key("a text", "")
    report: Text = _key("a text", "")
    summary: Text = _key("a text", "")
    criterion: Annotated[Criterion | None, NameAlone, OrNone] = _key(
        '"thresholded" or "accuracy", or a table with such a name and parameters', None
    )
    seeds: Count = _key("a whole number of 1 or more", 100)


class SplitSection(Section):
    """`[data.split]`: which rows are set aside for validation and test."""

    validation: Share = _key("a share of the training rows from 0 to under 1, or a whole number of rows", 0)
    test: Share = _key("a share of the training rows from 0 to under 1, or a whole number of rows", 0)
    seed: Annotated[Whole, Field(lt=2**32)] = _key("a whole number from 0 to under 2**32", 0)
    stratify: Flag = _key("true or false", True)
    draw: Literal["random", "last"] = _key('"random" or "last"', "random")
    extend: Flag = _key("true or false", False)


class DataSection(Section):
    """`[data]`: the source of the rows and their preprocessing."""

    name: Annotated[Source | None, OrNone] = _key("the name of a data set, or a table with its name and options", None)
    file: Annotated[Source | None, OrNone] = _key(
        "the path of a CSV or npz file, or a table with the path as its name and options", None
    )
    offline: Annotated[Source | None, OrNone] = _key(
        'the name of a data set, or a table with its name and options, or "none"', None
    )
    target: Annotated[Text | None, OrNone] = _key("the name of the column or array to predict", None)
    split: SplitSection = _key("a table with validation, test, seed, stratify, draw and extend", SplitSection())
    scale: Literal["none", "unit", "standardize", "center"] = _key('"none", "unit", "standardize" or "center"', "none")
    mirrored: Flag = _key("true or false", False)
    components: Annotated[Count | None, OrNone] = _key('a whole number of 1 or more, or "none"', None)


class NetworkSection(Section):
    """`[network]`: the architecture and the initial weights."""

    layers: Layers = _key(
        'a list of at least two sizes, whole numbers of 1 or more; the first and the last may be "auto"'
    )
    activation: Activations = _key(
        "the name of an activation, or a table with its name and parameters, or a list with one for each hidden layer",
        "relu",
    )
    output: Activation = _key("the name of an activation, or a table with its name and parameters", "identity")
    bias: Flag = _key("true or false", True)
    dropout: Rates = _key("a number from 0 to under 1, or a list with one for each hidden layer", 0.0)
    batch_norm: Flag = _key("true or false", False)
    scaling_layer: Flag = _key("true or false", False)
    initializer: Initializer = _key(
        "the name of an initializer, or a table with its name and parameters", "glorot_uniform"
    )
    initial_scale: NotNegative = _key("one number of 0 or more", 1.0)


class LossSection(Section):
    """`[loss]`: the objective."""

    name: Loss = _key("the name of a loss, or a table with its name and parameters", "squared_error")
    reduction: Literal["sum", "mean_samples", "mean_elements"] = _key(
        '"sum", "mean_samples" or "mean_elements"', "mean_samples"
    )
    penalty: Annotated[Penalty | None, OrNone] = _key('the name of a penalty, or "none"', None)
    strength: NotNegative = _key("one number of 0 or more", 0.0)
    penalize_biases: Flag = _key("true or false", False)
    label_smoothing: Momentum = _key("one number from 0 to under 1", 0.0)


class OptimizerSection(Section):
    """`[optimizer]`: the optimizer, learning rate, batch size and schedule."""

    name: Optimizer = _key("the name of an optimizer, or a table with its name and parameters", "sgd")
    learning_rate: NotNegative = _key("one number of 0 or more", 0.01)
    momentum: Annotated[Momentum | None, OrNone] = _key('one number from 0 to under 1, or "none"', None)
    batch_size: Annotated[Count | None, OrNone] = _key('a whole number of 1 or more, or "none" for all rows', None)
    schedule: Schedule = _key("the name of a schedule, or a table with its name and parameters", "constant")
    learning_rate_factors: Annotated[Factors | None, OrNone] = _key(
        'a table of arrays with numbers of 0 or more, as { b = 0.1 }, or "none"', None
    )
    parametrization: Literal["standard", "neural_tangent"] = _key('"standard" or "neural_tangent"', "standard")


class StoppingSection(Section):
    """`[stopping]`: the stop rules; keys have the names and meanings of `training.train`'s arguments."""

    max_steps: Annotated[Whole | None, OrNone] = _key('a whole number of 0 or more, or "none"', None)
    max_epochs: Annotated[Whole | None, OrNone] = _key('a whole number of 0 or more, or "none"', None)
    threshold: Annotated[Number | None, OrNone] = _key('one finite number, or "none"', None)
    times: Count = _key("a whole number of 1 or more", 1)
    metric: Text = _key('"objective", or the name of a metric', "objective")
    tolerance: Annotated[NotNegative | None, OrNone] = _key('one number of 0 or more, or "none"', None)
    patience: Annotated[Count | None, OrNone] = _key('a whole number of 1 or more, or "none"', None)
    score: Text = _key('"objective", or the name of a metric', "objective")


class RunSection(Section):
    """`[run]`: seeds, precision, engine and history."""

    seeds: Seeds = _key(
        f"a whole number from 1 to {MAX_SEEDS:,} (N means the seeds 0 … N − 1), "
        "or a list of different seeds of 0 or more, under 2^64",
        1,
    )
    data_seed: Seed = _key("a whole number of 0 or more", 0)
    dropout_seed: Annotated[Seed | None, OrNone] = _key('a whole number of 0 or more, or "none"', None)
    dtype: Literal["float64", "float32"] = _key('"float64" or "float32"', "float64")
    engine: Literal["auto", "reference", "compiled", "autograd"] = _key(
        '"auto", "reference", "compiled" or "autograd"', "auto"
    )
    history_every: Annotated[Count | None, OrNone] = _key('a whole number of 1 or more, or "none"', None)


def _to_dotted(table: Any, prefix: str = "") -> Any:
    """Flatten nested tables to dotted keys below `prefix`; a formula's table with its name stays a value."""
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
    """Flatten a grid to tuples of values by dotted key; anything but a list with at least one value is `BadInput`."""
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
    about: Text = _key("a text", "")


class Assumption(Section):
    """Something that the report does not say, the assumed value, and the reason."""

    what: Text = _key("a text")
    value: Plain = _key("a text, a finite number, true or false, or a list or table of such")
    why: Text = _key("a text")


class Configuration(Section):
    """A complete recipe, made by `parse` or `parse_toml`, which also check keys against each other."""

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
