"""Read and write records as strict JSON, in which numbers that are not finite become null."""

import dataclasses
import json
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from deltarule.errors import BadInput
from deltarule.files import read_bytes, write_whole

MAX_NESTED = 50
"""Maximum number of nested levels of JSON: far more than a record has, far fewer than Python's recursion allows."""
TOO_DEEP = f"lists and tables are nested more than {MAX_NESTED} deep"


def to_jsonable(record: Any) -> Any:
    """Convert a record to what JSON can hold: dicts, lists, strings, finite numbers, booleans and null.

    Parameters: `record`, nested dataclasses, mappings, lists, tuples, arrays, NumPy scalars, paths and plain values.
    Returns: the same as plain values, the order of keys kept; nan and ±infinity, which JSON lacks, become `None`.
    Errors: `TypeError` for anything else.

    >>> to_jsonable({"loss": np.array([0.5, np.nan]), "steps": np.int64(3)})
    {'loss': [0.5, None], 'steps': 3}
    """
    if record is None or isinstance(record, bool | int | str):
        return record
    if isinstance(record, float):
        return float(record) if math.isfinite(record) else None
    if isinstance(record, np.ndarray):
        return _array_to_jsonable(record)
    if isinstance(record, np.generic):
        return _array_to_jsonable(np.asarray(record))
    if isinstance(record, Path):
        return str(record)
    if dataclasses.is_dataclass(record) and not isinstance(record, type):
        return {field.name: to_jsonable(getattr(record, field.name)) for field in dataclasses.fields(record)}
    if isinstance(record, Mapping):
        return {_jsonable_key(key): to_jsonable(value) for key, value in record.items()}
    if isinstance(record, list | tuple):
        return [to_jsonable(value) for value in record]
    raise TypeError(f"JSON has no form for a {type(record).__name__}; make it numbers, texts, lists or mappings")


def write_json(path: str | Path, record: Any) -> None:
    """Write a record as strict JSON, indented, in UTF-8.

    Parameters: `path`; `record`, whatever `to_jsonable` takes.
    Errors: as `write_whole` and `to_jsonable`.

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     write_json(Path(folder) / "run.json", {"objective": float("inf"), "seeds": (0, 1)})
    ...     read_json(Path(folder) / "run.json")
    {'objective': None, 'seeds': [0, 1]}
    """
    text = json.dumps(to_jsonable(record), indent=2, allow_nan=False, ensure_ascii=False) + "\n"
    # A path of undecodable bytes holds lone surrogates; Python's backslash form of one is also JSON's.
    write_whole(path, text.encode("utf-8", errors="backslashreplace"))


def read_json(path: str | Path) -> Any:
    """Read a file of strict JSON.

    Parameters: `path`.
    Returns: plain values.
    Errors: `BadInput` when the file cannot be read or is not JSON (nan and infinity are not).

    >>> read_json("missing.json")
    Traceback (most recent call last):
        ...
    deltarule.errors.BadInput: missing.json does not exist; check the name and the folder
    """
    try:
        return parse_json(read_bytes(Path(path)).decode("utf-8-sig"), parse_constant=_refuse_constant)
    except (ValueError, RecursionError) as error:
        if isinstance(error, BadInput):
            raise
        raise BadInput(f"{path} is not JSON ({error}); correct it or write it again") from error


def _array_to_jsonable(array: np.ndarray) -> Any:
    """An array as nested lists; finite arrays, the common case, are not visited number by number."""
    plain = array.tolist()
    if array.dtype.kind in "biu" or (array.dtype.kind == "f" and np.isfinite(array).all()):
        return plain
    return to_jsonable(plain)


def _jsonable_key(key: Any) -> str:
    """A mapping's key as text, if it is a text or a whole number; anything else is refused."""
    if not isinstance(key, str | int):
        raise TypeError(f"JSON has no form for the key {key!r}; use texts")
    return str(key)


def _refuse_constant(text: str) -> None:
    """Refuse NaN and Infinity, which Python's parser accepts."""
    raise ValueError(f"{text} is not a JSON number")


def parse_json(text: str, **options: Any) -> Any:
    """Parse JSON with `json.loads` and refuse deep nesting, for which Python's limit differs between versions."""
    value = json.loads(text, **options)
    inner = [[value]]
    for _ in range(MAX_NESTED + 2):
        containers = [child for children in inner for child in children if isinstance(child, list | dict)]
        inner = [list(child.values()) if isinstance(child, dict) else child for child in containers]
    if inner:
        raise ValueError(TOO_DEEP)
    return value
