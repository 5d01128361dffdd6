"""Types of the values in a recipe, with their checks."""

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Annotated, Any, Literal, TypeVar

from pydantic import BeforeValidator, Field, PlainValidator, ValidationInfo

from deltarule.errors import BadInput
from deltarule.problem import registry
from deltarule.problem.error_messages import shorten_toml
from deltarule.problem.registry import Named
from deltarule.problem.settings import FINITE, SETTINGS, SHARE

MAX_SEEDS = 1_000_000
"""Maximum number of seeds of a run: with more, a typing error could fill the memory."""


def _formula_check(kind: str) -> Callable[[Any], Any]:
    """Return a check of a formula's name, or of a table with name and parameters."""

    def check(value: Any) -> Any:
        """Check the name or table of a formula and return it unchanged."""
        if not isinstance(value, str | Mapping):
            raise ValueError
        for key, item in value.items() if isinstance(value, Mapping) else ():
            if isinstance(item, list | tuple):
                message = f"its parameter {key} is {shorten_toml(item)}; give one number, and several under [grid]"
                raise BadInput(message)
        getattr(registry, kind)(value)
        return value

    return check


def _check_activations(value: Any) -> Any:
    check = _formula_check("activation")
    return tuple(check(item) for item in value) if isinstance(value, list | tuple) else check(value)


def _check_source(value: Any) -> Any:
    name = value.get("name") if isinstance(value, Mapping) else value
    if not isinstance(name, str) or not name:
        raise ValueError
    return _check_json_compatible(value)


def _check_json_compatible(value: Any) -> Any:
    """Check that JSON can represent a value and return it with tuples as lists."""
    if isinstance(value, Mapping):
        return {key: _check_json_compatible(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_check_json_compatible(item) for item in value]
    if not isinstance(value, str | bool) and not _is_number(value):
        raise ValueError
    return value


def as_python(value: Any) -> Any:
    """Convert NumPy numbers, arrays and sequences to Python numbers and lists.

    >>> import numpy as np
    >>> as_python({"layers": [4, np.int64(3)], "rates": np.array([0.5]), "max_epochs": range(1, 3)})
    {'layers': [4, 3], 'rates': [0.5], 'max_epochs': [1, 2]}
    """
    if hasattr(type(value), "tolist"):  # NumPy's, and arrays of pandas and PyTorch
        value = value.tolist()
    if isinstance(value, Mapping):
        return {key: as_python(item) for key, item in value.items()}
    if isinstance(value, Sequence) and not isinstance(value, str | bytes):
        return [as_python(item) for item in value]
    return value


def _parse_layer_sizes(value: Any) -> Any:
    """Convert a list of layer sizes to a tuple and check it."""
    if not isinstance(value, list | tuple) or len(value) < 2:
        raise ValueError
    for index, size in enumerate(value):
        is_end = index in (0, len(value) - 1)
        if not (_is_whole(size) and size >= 1) and not (is_end and size == "auto"):
            raise ValueError
    return tuple(value)


def _parse_dropout_rates(value: Any) -> Any:
    """Convert dropout rates to a float or a tuple and check them."""
    if isinstance(value, list | tuple):
        if any(isinstance(item, list | tuple) for item in value):
            raise ValueError
        return tuple(_parse_dropout_rates(item) for item in value)
    if not _is_number(value) or not SHARE.allows(value):
        raise ValueError
    return float(value)


def _parse_factors(value: Any) -> Any:
    if not isinstance(value, Mapping) or not all(_is_number(factor) and factor >= 0 for factor in value.values()):
        raise ValueError
    return {name: float(factor) for name, factor in value.items()}


def _parse_share(value: Any) -> Any:
    if not _is_number(value) or value < 0 or (isinstance(value, float) and value >= 1):
        raise ValueError
    return value


def _parse_seeds(value: Any) -> Any:
    """Convert a number of seeds to an int, or a list of seeds to a tuple."""
    if isinstance(value, list | tuple):
        if not all(_is_whole(item) and 0 <= item < 2**64 for item in value) or not 1 <= len(set(value)) == len(value):
            raise ValueError
        return tuple(value)
    if not _is_whole(value) or not 1 <= value <= MAX_SEEDS:
        raise ValueError
    return value


def _is_whole(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _is_number(value: Any) -> bool:
    return _is_whole(value) or (isinstance(value, float) and math.isfinite(value))


def _check_number(value: Any, info: ValidationInfo) -> float:
    """Return a number that is finite, or allowed for the setting of the key's name."""
    setting = SETTINGS.get(info.field_name or "")
    allowed = FINITE if setting is None else setting.allowed
    if not (_is_whole if allowed.is_whole else _is_number)(value) or not allowed.allows(value):
        raise ValueError
    return value if allowed.is_whole else float(value)


def _words(text: str) -> Any:
    return Field(description=text)


def _formula_words(kind: str) -> Any:
    article = "an" if kind[0] in "aio" else "a"
    return _words(f"the name of {article} {kind}, or a table with its name and parameters")


Text = Annotated[str, Field(strict=True), _words("a text")]
Flag = Annotated[bool, Field(strict=True), _words("true or false")]
Number = Annotated[float, PlainValidator(_check_number), _words(FINITE.words)]
Setting = Annotated[float, PlainValidator(_check_number)]
"""A number among `SETTINGS`, by the name of the key."""
WholeSetting = Annotated[int, PlainValidator(_check_number)]
"""A whole number among `SETTINGS`, by the name of the key."""
Plain = Annotated[
    Any,
    PlainValidator(_check_json_compatible),
    _words("a text, a finite number, true or false, or a list or table of such"),
]
Whole = Annotated[int, Field(strict=True, ge=0), _words("a whole number of 0 or more")]
Count = Annotated[int, Field(strict=True, ge=1), _words("a whole number of 1 or more")]
Seed = Annotated[int, Field(strict=True, ge=0, lt=2**64), _words("a whole number of 0 or more")]
Seeds = Annotated[
    int | tuple[int, ...],
    PlainValidator(_parse_seeds),
    _words(
        f"a whole number from 1 to {MAX_SEEDS:,} (N means the seeds 0 … N − 1), or a list of different seeds of 0 or "
        "more, under 2^64"
    ),
]
Share = Annotated[
    int | float,
    PlainValidator(_parse_share),
    _words("a share of the training rows from 0 to under 1, or a whole number of rows"),
]
Source = Annotated[
    Named, PlainValidator(_check_source), _words("the name of a data set, or a table with its name and options")
]
Layers = Annotated[
    tuple[int | Literal["auto"], ...],
    PlainValidator(_parse_layer_sizes),
    _words('a list of at least two sizes, whole numbers of 1 or more; the first and the last may be "auto"'),
]
Rates = Annotated[
    float | tuple[float, ...],
    PlainValidator(_parse_dropout_rates),
    _words(f"{SHARE.words}, or a list with one for each hidden layer"),
]
Factors = Annotated[
    dict[str, float],
    PlainValidator(_parse_factors),
    _words("a table of arrays with numbers of 0 or more, as { b = 0.1 }"),
]
Activations = Annotated[
    Named | tuple[Named, ...],
    PlainValidator(_check_activations),
    _words(
        "the name of an activation, or a table with its name and parameters, or a list with one for each hidden layer"
    ),
]
Activation = Annotated[Named, PlainValidator(_formula_check("activation")), _formula_words("activation")]
Initializer = Annotated[Named, PlainValidator(_formula_check("initializer")), _formula_words("initializer")]
Loss = Annotated[Named, PlainValidator(_formula_check("loss")), _formula_words("loss")]
Penalty = Annotated[Named, PlainValidator(_formula_check("penalty")), _words("the name of a penalty")]
Optimizer = Annotated[Named, PlainValidator(_formula_check("optimizer")), _formula_words("optimizer")]
Schedule = Annotated[Named, PlainValidator(_formula_check("schedule")), _formula_words("schedule")]

Value = TypeVar("Value")
OrNone = Annotated[Value | None, BeforeValidator(lambda value: None if value == "none" else value)]
"""An optional value, of which "none" stands for None: TOML has no null."""

NameAlone = BeforeValidator(lambda value: {"name": value} if isinstance(value, str) else value)
"""Converts a name to a table with that name and no parameters."""
