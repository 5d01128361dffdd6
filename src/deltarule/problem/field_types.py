"""Types of a recipe's values. A check raises an empty `ValueError` where the key's description says what is allowed."""

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, PlainValidator

from deltarule.errors import BadInput
from deltarule.problem import registry
from deltarule.problem.error_messages import shorten_toml
from deltarule.problem.registry import Named

MAX_SEEDS = 1_000_000
"""Members of a run: with more, a typing error would fill the memory."""


def _registered_name(kind: str) -> Callable[[Any], Any]:
    """A check for a registered name, or a table with a name and parameters."""

    def check(given: Any) -> Any:
        if not isinstance(given, str | Mapping):
            raise ValueError
        if isinstance(given, Mapping):
            _refuse_lists(given)
        getattr(registry, kind)(given)
        return given

    return check


def _refuse_lists(table: Mapping[str, Any]) -> None:
    # The registry takes lists with a number for each member; a recipe has [grid] for that.
    for key, value in table.items():
        if isinstance(value, list | tuple):
            raise BadInput(f"its parameter {key} is {shorten_toml(value)}; give one number, and several under [grid]")


def _activations(given: Any) -> Any:
    check = _registered_name("activation")
    return tuple(check(one) for one in given) if isinstance(given, list | tuple) else check(given)


def _source(given: Any) -> Any:
    """Check the name of a data set or a file; its options are checked when it is loaded."""
    name = given.get("name") if isinstance(given, Mapping) else given
    if not isinstance(name, str) or not name:
        raise ValueError
    return _json_compatible(given)


def _json_compatible(given: Any) -> Any:
    """Refuse TOML's dates, nan and infinities, which JSON records cannot hold."""
    if isinstance(given, Mapping):
        return {key: _json_compatible(one) for key, one in given.items()}
    if isinstance(given, list | tuple):
        return [_json_compatible(one) for one in given]
    if not isinstance(given, str | bool) and not _is_number(given):
        raise ValueError
    return given


def as_python(given: Any) -> Any:
    """Convert values to TOML's types: NumPy numbers, sequences and arrays, also within lists and tables.

    >>> import numpy as np
    >>> as_python({"layers": [4, np.int64(3)], "rates": np.array([0.5]), "max_epochs": range(1, 3)})
    {'layers': [4, 3], 'rates': [0.5], 'max_epochs': [1, 2]}
    """
    if hasattr(type(given), "tolist"):  # NumPy's, and arrays of pandas and PyTorch
        given = given.tolist()
    if isinstance(given, Mapping):
        return {key: as_python(one) for key, one in given.items()}
    if isinstance(given, Sequence) and not isinstance(given, str | bytes):
        return [as_python(one) for one in given]
    return given


def _layer_sizes(given: Any) -> Any:
    if not isinstance(given, list | tuple) or len(given) < 2:
        raise ValueError
    for index, size in enumerate(given):
        at_an_end = index in (0, len(given) - 1)
        if not (_is_whole(size) and size >= 1) and not (at_an_end and size == "auto"):
            raise ValueError
    return tuple(given)


def _dropout_rates(given: Any) -> Any:
    if isinstance(given, list | tuple):
        if any(isinstance(one, list | tuple) for one in given):
            raise ValueError
        return tuple(_dropout_rates(one) for one in given)
    if not _is_number(given) or not 0 <= given < 1:
        raise ValueError
    return float(given)


def _factors(given: Any) -> Any:
    """Check a table of numbers of 0 or more; its names are checked with the network."""
    if not isinstance(given, Mapping) or not all(_is_number(factor) and factor >= 0 for factor in given.values()):
        raise ValueError
    return {name: float(factor) for name, factor in given.items()}


def _parse_share(given: Any) -> Any:
    if not _is_number(given) or given < 0 or (isinstance(given, float) and given >= 1):
        raise ValueError
    return given


def _seeds(given: Any) -> Any:
    if isinstance(given, list | tuple):
        if not all(_is_whole(one) and 0 <= one < 2**64 for one in given) or not 1 <= len(set(given)) == len(given):
            raise ValueError
        return tuple(given)
    if not _is_whole(given) or not 1 <= given <= MAX_SEEDS:
        raise ValueError
    return given


def _is_whole(given: Any) -> bool:
    return isinstance(given, int) and not isinstance(given, bool)


def _is_number(given: Any) -> bool:
    return _is_whole(given) or (isinstance(given, float) and math.isfinite(given))


Factors = Annotated[dict[str, float], PlainValidator(_factors)]
Text = Annotated[str, Field(strict=True)]
Flag = Annotated[bool, Field(strict=True)]
Number = Annotated[float, Field(strict=True, allow_inf_nan=False)]
NotNegative = Annotated[Number, Field(ge=0)]
Momentum = Annotated[Number, Field(ge=0, lt=1)]
Plain = Annotated[Any, PlainValidator(_json_compatible)]
Whole = Annotated[int, Field(strict=True, ge=0)]
Count = Annotated[int, Field(strict=True, ge=1)]
Seed = Annotated[int, Field(strict=True, ge=0, lt=2**64)]
Seeds = Annotated[int | tuple[int, ...], PlainValidator(_seeds)]
Share = Annotated[int | float, PlainValidator(_parse_share)]
Source = Annotated[Named, PlainValidator(_source)]
Layers = Annotated[tuple[int | Literal["auto"], ...], PlainValidator(_layer_sizes)]
Rates = Annotated[float | tuple[float, ...], PlainValidator(_dropout_rates)]
Activations = Annotated[Named | tuple[Named, ...], PlainValidator(_activations)]
Activation = Annotated[Named, PlainValidator(_registered_name("activation"))]
Initializer = Annotated[Named, PlainValidator(_registered_name("initializer"))]
Loss = Annotated[Named, PlainValidator(_registered_name("loss"))]
Penalty = Annotated[Named, PlainValidator(_registered_name("penalty"))]
Optimizer = Annotated[Named, PlainValidator(_registered_name("optimizer"))]
Schedule = Annotated[Named, PlainValidator(_registered_name("schedule"))]

OrNone = BeforeValidator(lambda given: None if given == "none" else given)
"""TOML has no null: "none" is how an experiment or `--set` removes an optional key."""

NameAlone = BeforeValidator(lambda given: {"name": given} if isinstance(given, str) else given)
"""A name stands for a table with that name and no parameters."""
