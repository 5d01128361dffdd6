"""Read and write named arrays as safetensors files with JSON metadata."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import safetensors.numpy
from safetensors import SafetensorError

from deltarule.errors import BadInput
from deltarule.files import read_bytes, write_whole
from deltarule.json_files import to_jsonable

METADATA_KEY = "deltarule"


def save_arrays(path: str | Path, arrays: Mapping[str, np.ndarray], metadata: Mapping[str, Any]) -> None:
    """Write named arrays and their metadata as one safetensors file.

    Arrays hold booleans, integers or floats of 16 to 64 bits, the metadata whatever `to_jsonable` takes.

    References
    ----------
    https://huggingface.co/docs/safetensors
    """
    # safetensors 0.8 takes the memory as it lies: views of a population's θ would be saved with wrong numbers.
    # (Not np.ascontiguousarray, which turns a scalar array into a vector.)
    contiguous = {name: np.asarray(array, order="C") for name, array in arrays.items()}
    text = json.dumps(to_jsonable(metadata), allow_nan=False)
    try:
        content = safetensors.numpy.save(contiguous, {METADATA_KEY: text})
    except SafetensorError as error:
        kinds = ", ".join(f"{name} {array.dtype}" for name, array in contiguous.items())
        raise BadInput(
            f"{path} cannot hold these arrays ({kinds}): {error}; use booleans, integers or floats"
        ) from error
    write_whole(path, content)


def load_arrays(path: str | Path) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
    """Read the arrays and the metadata of a file that `save_arrays` wrote."""
    content = read_bytes(Path(path))
    try:
        arrays = safetensors.numpy.load(content)  # checks header, sizes and offsets against the file
    except (SafetensorError, KeyError, ValueError) as error:
        raise BadInput(f"{path} is damaged or no safetensors file of plain arrays ({error}); write it again") from error
    header = json.loads(content[8 : 8 + int.from_bytes(content[:8], "little")])
    try:
        metadata = json.loads(header["__metadata__"][METADATA_KEY])
    except (KeyError, TypeError, ValueError, RecursionError):
        metadata = None
    if not isinstance(metadata, dict):
        raise BadInput(
            f"{path} was not written by deltarule: its metadata are missing; use a file that deltarule wrote"
        )
    return dict(sorted(arrays.items())), metadata
