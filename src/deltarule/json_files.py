"""Read and write records as strict JSON."""

import dataclasses
import json
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from deltarule.errors import BadInput
from deltarule.files import read_bytes, write_whole


def to_jsonable(record: Any) -> Any:
    """Convert a record to what JSON can hold.

    A record is made of dataclasses, mappings, lists, tuples, arrays, NumPy scalars, paths and plain values. Numbers
    that are not finite, which JSON lacks, become None.
    """
    if isinstance(record, bool | int | str | None):
        return record
    if isinstance(record, float):
        return float(record) if math.isfinite(record) else None
    if isinstance(record, np.ndarray | np.generic):
        # Finite arrays, the common case, are not visited number by number.
        return record.tolist() if _is_finite(record) else to_jsonable(record.tolist())
    if isinstance(record, Path):
        return str(record)
    if dataclasses.is_dataclass(record) and not isinstance(record, type):
        return {field.name: to_jsonable(getattr(record, field.name)) for field in dataclasses.fields(record)}
    if isinstance(record, Mapping):
        _check_keys(record)
        return {str(key): to_jsonable(value) for key, value in record.items()}
    if isinstance(record, list | tuple):
        return list(map(to_jsonable, record))
    raise TypeError(f"JSON has no form for a {type(record).__name__}; make it numbers, texts, lists or mappings")


def _is_finite(array: np.ndarray | np.generic) -> bool:
    """Whether an array holds finite numbers alone."""
    return array.dtype.kind in "biu" or (array.dtype.kind == "f" and bool(np.isfinite(array).all()))


def _check_keys(record: Mapping[Any, Any]) -> None:
    if not all(isinstance(key, str | int) for key in record):
        raise TypeError(f"JSON has no form for one of the keys {list(record)}; use texts")


def write_json(path: str | Path, record: Any) -> None:
    text = json.dumps(to_jsonable(record), indent=2, allow_nan=False, ensure_ascii=False) + "\n"
    # A path of undecodable bytes holds lone surrogates; Python's backslash form of one is also JSON's.
    write_whole(path, text.encode("utf-8", errors="backslashreplace"))


def read_json(path: str | Path) -> Any:
    """Read a file of strict JSON."""
    content = read_bytes(path)
    try:
        return json.loads(content.decode("utf-8-sig"), parse_constant=_refuse_constant)
    except (ValueError, RecursionError) as error:
        raise BadInput(f"{path} is not JSON ({error}); correct it or write it again") from error


def _refuse_constant(text: str) -> None:
    raise ValueError(f"{text} is not a JSON number")
