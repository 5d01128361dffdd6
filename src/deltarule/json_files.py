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
    if record is None or isinstance(record, bool | int | str):
        return record
    if isinstance(record, float):
        return float(record) if math.isfinite(record) else None
    if isinstance(record, np.ndarray | np.generic):
        plain = record.tolist()
        # Finite arrays, the common case, are not visited number by number.
        is_finite = record.dtype.kind in "biu" or (record.dtype.kind == "f" and np.isfinite(record).all())
        return plain if is_finite else to_jsonable(plain)
    if isinstance(record, Path):
        return str(record)
    if dataclasses.is_dataclass(record) and not isinstance(record, type):
        return {field.name: to_jsonable(getattr(record, field.name)) for field in dataclasses.fields(record)}
    if isinstance(record, Mapping):
        if not all(isinstance(key, str | int) for key in record):
            raise TypeError(f"JSON has no form for one of the keys {list(record)}; use texts")
        return {str(key): to_jsonable(value) for key, value in record.items()}
    if isinstance(record, list | tuple):
        return [to_jsonable(value) for value in record]
    raise TypeError(f"JSON has no form for a {type(record).__name__}; make it numbers, texts, lists or mappings")


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
