"""Files written whole or not at all: text, JSON, and arrays as safetensors with their JSON."""

import atexit
import contextlib
import dataclasses
import json
import math
import os
import secrets
import shutil
import stat
import tempfile
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import safetensors.numpy
from safetensors import SafetensorError

from deltarule import platforms
from deltarule.errors import DISK_TROUBLE, FREE_SPACE, BadInput, RunFailed

METADATA_KEY = "deltarule"
MOST_NESTED = 50
TOO_DEEP = f"lists and tables are nested more than {MOST_NESTED} deep"

PART = ".deltarule-*.part"
ABANDONED_SECONDS = 3600.0
"""A part of a file that nobody has written to for so long is of a process that was killed."""


def write_whole(path: str | Path, content: bytes | str) -> None:
    """Write a file so that readers see the old content or all of the new, never a part.

    Parameters: `path`, in a folder that exists; `content`, bytes or text (written as UTF-8, line ends as given).
    A symbolic link stays, and what it leads to is written; of hard links the others keep the old content. A file that
    is there keeps its permissions and, where the system allows that, its owner and group.
    Errors: `BadInput` for a place that cannot be written; `RunFailed` for a full or failing disk. Either way, and
    after Ctrl-C, nothing is left behind.

    >>> with tempfile.TemporaryDirectory() as folder:
    ...     write_whole(Path(folder) / "note.txt", "δ = ∂J/∂z")
    ...     (Path(folder) / "note.txt").read_text(encoding="utf-8")
    'δ = ∂J/∂z'
    """
    named, path = path, _destination(path)
    data = content.encode("utf-8") if isinstance(content, str) else content
    part = path.parent / PART.replace("*", secrets.token_hex(8))
    try:
        with part.open("xb") as file:
            with contextlib.suppress(OSError):  # no file is there yet, or its disk knows no permissions
                platforms.keep_permissions(part, path.stat())
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        platforms.replace(part, path)
    except BaseException as error:  # Ctrl-C too must leave nothing behind
        with contextlib.suppress(OSError):
            part.unlink()
        if isinstance(error, OSError):
            raise _cannot_write(Path(named), error) from error
        raise


def check_can_write(path: str | Path) -> None:
    """Prove that a file can be written, before the work whose results it is to hold.

    Parameters: `path`.
    Errors: `BadInput` and `RunFailed` as `write_whole`, also for a file of somebody else in a sticky folder; `BadInput`
    for one that somebody has made read-only, too, which `write_whole` would replace.

    >>> check_can_write("nowhere/model.safetensors")
    Traceback (most recent call last):
        ...
    deltarule.errors.BadInput: nowhere/model.safetensors cannot be written: No such file or directory; choose ...
    """
    named, path = path, _destination(path)
    if path.exists() and not os.access(path, os.W_OK, effective_ids=os.access in os.supports_effective_ids):
        raise BadInput(f"{named} may not be written; allow it, or choose another name")
    if path.exists() and not platforms.may_replace(path):
        told = f"{named} belongs to somebody else, and its folder is a sticky one, where only the owner may replace it"
        raise BadInput(f"{told}; choose another name")
    try:
        with tempfile.TemporaryFile(dir=path.parent):
            pass
    except OSError as error:
        raise _cannot_write(Path(named), error) from error


def make_folder(path: str | Path) -> Path:
    """Create an output folder (and the folders above it) and prove that files can be written there.

    Parameters: `path`, the folder, which may exist already; parts of files that killed processes have left are removed.
    Returns: the folder.
    Errors: `BadInput` when a file is in the way, the folder cannot be written or the system has no such names;
    `RunFailed` for a full disk.

    >>> with tempfile.TemporaryDirectory() as folder:
    ...     make_folder(Path(folder) / "results" / "encoder").is_dir()
    True
    """
    path = platforms.full_length(Path(path))
    _check_name(path)
    try:
        path.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=path) as file:
            now = os.fstat(file.fileno()).st_mtime  # by the clock of the disk, which may be another computer's
        _remove_abandoned(path, now)
    except OSError as error:
        raise _cannot_write(path, error) from error
    return path


def remove(path: str | Path) -> None:
    """Remove a file, if it is there.

    Parameters: `path`; a symbolic link stays, and what it leads to is removed.
    Errors: `BadInput` for one that cannot be removed.

    >>> remove("missing.json")
    """
    try:
        _destination(path).unlink(missing_ok=True)
    except OSError as error:
        raise _cannot_write(Path(path), error) from error


def kind_of(path: str | Path) -> str:
    """What a path leads to: "file", "folder", "device" (a pipe, too), or "" where there is nothing.

    Errors: `BadInput` where nobody can tell: in a folder that one may not enter, or for a name that no file can have.

    >>> kind_of("missing.json")
    ''
    """
    try:
        return kind_or_error(path)
    except OSError as error:
        raise _cannot_use(path, error) from error


def kind_or_error(path: str | Path) -> str:
    """`kind_of` for who has a sentence of his own where nobody can tell: that is the system's `OSError` here.

    `Path.exists` and the like take that for nothing from Python 3.14 on, on Windows from 3.12: what is there and may
    not be looked at would be begun anew.

    >>> kind_or_error(temporary_folder())
    'folder'
    """
    try:
        mode = platforms.full_length(Path(path)).stat().st_mode
    except (FileNotFoundError, NotADirectoryError, ValueError):  # the last for a zero byte, which no name has
        return ""
    return "folder" if stat.S_ISDIR(mode) else "file" if stat.S_ISREG(mode) else "device"


def check_is_file(path: str | Path, wanted: str) -> None:
    """Refuse what is no plain file where one is to be read.

    Parameters: `wanted`, what it should be, as "a CSV file".
    Errors: `BadInput`.

    >>> check_is_file("missing.csv", "a CSV file")
    Traceback (most recent call last):
        ...
    deltarule.errors.BadInput: missing.csv does not exist; check the name and the folder
    """
    kind = kind_of(path)
    if not kind:
        raise BadInput(f"{path} does not exist; check the name and the folder")
    if kind == "folder":
        raise BadInput(f"{path} is a folder; name {wanted} in it")
    if kind == "device":
        raise BadInput(f"{path} is a pipe or a device; save what comes from it as {wanted}, and name that")


def is_same_file(one: str | Path, other: str | Path) -> bool:
    """Whether two paths lead to one file, or will when it is written.

    Two that are yet to be written do so if their names differ in case alone: many disks, of all systems, do not tell
    these apart, and the second would take the place of the first.

    Errors: `BadInput` as `kind_of`.

    >>> is_same_file("x.csv", "folder/../X.csv")
    True
    """
    kinds = kind_of(one), kind_of(other)
    if all(kinds):
        return Path(one).samefile(other)
    places = [real(path) for path in (one, other)]
    if any(kinds) or not all(path.name for path in places):  # without a name is a drive that is not there
        return places[0] == places[1]
    names = [path.name.lower() for path in places]
    return names[0] == names[1] and is_same_file(*(path.parent for path in places))


def real(path: str | Path) -> Path:
    """The absolute path without links to what a path leads to, or to where it would be.

    Errors: `BadInput` for a relative path where the current folder has been removed, and where nobody can tell.

    >>> real("folder/../x.csv") == Path.cwd().resolve() / "x.csv"
    True
    """
    try:
        return Path(os.path.realpath(path))
    except FileNotFoundError as error:
        told = "relative paths lead nowhere, because the current folder has been removed"
        raise BadInput(f"{told}; go to one that exists") from error
    except OSError as error:
        raise _cannot_use(path, error) from error


def to_jsonable(record: Any) -> Any:
    """Turn a record into what JSON can hold: dicts, lists, texts, finite numbers, booleans and null.

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
        return {_key(key): to_jsonable(value) for key, value in record.items()}
    if isinstance(record, list | tuple):
        return [to_jsonable(value) for value in record]
    raise TypeError(f"JSON has no form for a {type(record).__name__}; make it numbers, texts, lists or mappings")


def write_json(path: str | Path, record: Any) -> None:
    """Write a record as strict JSON, indented, in UTF-8.

    Parameters: `path`; `record`, whatever `to_jsonable` takes.
    Errors: as `write_whole` and `to_jsonable`.

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
        return _parse_json(_read_bytes(Path(path)).decode("utf-8-sig"), parse_constant=_refuse_constant)
    except (ValueError, RecursionError) as error:
        if isinstance(error, BadInput):
            raise
        raise BadInput(f"{path} is not JSON ({error}); correct it or write it again") from error


def _parse_json(text: str, **how: Any) -> Any:
    """JSON nested no deeper than anybody writes it: how deep Python can follow differs from version to version."""
    value = json.loads(text, **how)
    inner = [[value]]
    for _ in range(MOST_NESTED + 2):
        found = [one for values in inner for one in values if isinstance(one, list | dict)]
        inner = [list(one.values()) if isinstance(one, dict) else one for one in found]
    if inner:
        raise ValueError(TOO_DEEP)
    return value


@cache
def temporary_folder() -> Path:
    """A folder of this process alone, for what it cannot keep in the user's cache; it goes when the process does.

    Errors: `RunFailed` where this cannot be had either.

    >>> temporary_folder().is_dir(), temporary_folder() == temporary_folder()
    (True, True)
    """
    try:
        path, process = tempfile.mkdtemp(prefix="deltarule-"), os.getpid()
    except OSError as error:
        told = "neither the cache nor a folder for temporary files can be written"
        raise RunFailed(f"{told}; set {platforms.CACHES} or TMPDIR to a folder that you may write") from error

    def remove() -> None:
        if os.getpid() == process:  # and not one that was forked off
            shutil.rmtree(path, ignore_errors=True)

    atexit.register(remove)
    return Path(path)


def save_arrays(path: str | Path, arrays: Mapping[str, np.ndarray], metadata: Mapping[str, Any]) -> None:
    """Write named arrays and their metadata as one safetensors file, the same bytes for the same content.

    Parameters: `path`; `arrays`, any shapes, of booleans, integers, or floats of 16 to 64 bits; `metadata`, whatever
    `to_jsonable` takes.
    Errors: `BadInput` for an array that safetensors cannot hold; otherwise as `write_whole` and `to_jsonable`.
    Source: https://huggingface.co/docs/safetensors

    >>> with tempfile.TemporaryDirectory() as folder:
    ...     save_arrays(Path(folder) / "state.safetensors", {"theta": np.zeros((2, 3))}, {"step": 7})
    ...     load_arrays(Path(folder) / "state.safetensors")
    ({'theta': array([[0., 0., 0.],
           [0., 0., 0.]])}, {'step': 7})
    """
    # safetensors 0.8 takes the memory as it lies: views of a population's θ would be saved with wrong numbers.
    # (Not np.ascontiguousarray, which turns a scalar array into a vector.)
    contiguous = {name: np.asarray(array, order="C") for name, array in arrays.items()}
    text = json.dumps(to_jsonable(metadata), allow_nan=False)
    if "__metadata__" in contiguous:
        raise BadInput(f"{path} cannot hold an array named __metadata__, a reserved name; rename it")
    try:
        content = safetensors.numpy.save(contiguous, {METADATA_KEY: text})
    except SafetensorError as error:
        kinds = ", ".join(f"{name} {array.dtype}" for name, array in contiguous.items())
        raise BadInput(
            f"{path} cannot hold these arrays ({kinds}): {error}; use booleans, integers or floats"
        ) from error
    write_whole(path, content)


def load_arrays(path: str | Path) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
    """Read what `save_arrays` wrote.

    Parameters: `path`.
    Returns: the arrays by name (in the order of the names) and the metadata as plain values.
    Errors: `BadInput` when the file cannot be read, is damaged, or was not written by deltarule.

    >>> load_arrays("missing.safetensors")
    Traceback (most recent call last):
        ...
    deltarule.errors.BadInput: missing.safetensors does not exist; check the name and the folder
    """
    content = _read_bytes(Path(path))
    try:
        arrays = safetensors.numpy.load(content)  # checks header, sizes and offsets against the file
    except (SafetensorError, KeyError, ValueError) as error:
        raise BadInput(f"{path} is damaged or no safetensors file of plain arrays ({error}); write it again") from error
    return dict(sorted(arrays.items())), _metadata(Path(path), content)


def _metadata(path: Path, content: bytes) -> dict[str, Any]:
    """The JSON that `save_arrays` put into the header of a file that safetensors has accepted."""
    header_size = int.from_bytes(content[:8], "little")
    header = json.loads(content[8 : 8 + header_size])
    try:
        metadata = _parse_json(header["__metadata__"][METADATA_KEY])
    except (KeyError, TypeError, ValueError, RecursionError):
        metadata = None
    if not isinstance(metadata, dict):
        raise BadInput(
            f"{path} was not written by deltarule: its metadata are missing; use a file that deltarule wrote"
        )
    return metadata


def _array_to_jsonable(array: np.ndarray) -> Any:
    """Nested lists; the common case, all finite, needs no visit of every number."""
    plain = array.tolist()
    if array.dtype.kind in "biu" or (array.dtype.kind == "f" and np.isfinite(array).all()):
        return plain
    return to_jsonable(plain)


def _key(key: Any) -> str:
    if not isinstance(key, str | int):
        raise TypeError(f"JSON has no form for the key {key!r}; use texts")
    return str(key)


def _refuse_constant(text: str) -> None:
    raise ValueError(f"{text} is not a JSON number")


def _remove_abandoned(folder: Path, now: float) -> None:
    """Remove the parts of files that killed processes have left in a folder."""
    for part in folder.glob(PART):
        with contextlib.suppress(OSError):  # somebody else was quicker
            if part.stat().st_mtime < now - ABANDONED_SECONDS:
                part.unlink()


def _read_bytes(path: Path) -> bytes:
    kind = kind_of(path)
    if not kind:
        raise BadInput(f"{path} does not exist; check the name and the folder")
    if kind == "device":
        raise BadInput(f"{path} is not a plain file, and may have no end; name a file")
    try:
        return platforms.full_length(path).read_bytes()
    except OSError as error:
        raise BadInput(f"{path} cannot be read: {error.strerror}; check that it is a file you may read") from error


def _check_name(path: Path) -> None:
    """Refuse before minutes of work what the system would refuse after them."""
    if "\0" in str(path):
        raise BadInput(f"{path} holds a zero byte, which no name can; choose another name")
    try:
        os.fsencode(path)
    except UnicodeEncodeError as error:
        raise BadInput(f"{path} holds half of a character, which no name can; choose another name") from error
    if not platforms.can_be_named(path):
        told = f"{path} is no name that a file or a folder can have on Windows"
        raise BadInput(f'{told}; choose one without <>:"|?*, with no dot or space at its end, and of no device, as NUL')


def _destination(path: str | Path) -> Path:
    """Where a file is to be written: what a symbolic link leads to, because os.replace would put the file in its place.

    Refused is where a plain file would take the place of a folder, of a device (/dev/null), or of what a process has
    open, which has a name in /dev or /proc even where that is a plain file (/dev/stdout).
    """
    named = path = platforms.full_length(Path(path))
    _check_name(path)
    kind = kind_of(path)  # which refuses links that lead in a circle
    while platforms.has_plain_files(real(path.parent)) and path.is_symlink():
        path = platforms.full_length(path.parent / path.readlink())
    if kind not in ("", "file") or not platforms.has_plain_files(real(path.parent)):
        raise BadInput(f"{named} is not a plain file, so nothing can be written there; name a file")
    return path


def _cannot_use(path: str | Path, error: OSError) -> BadInput:
    return BadInput(f"{path} cannot be used: {error.strerror}; check the name, and that you may enter its folder")


def _cannot_write(path: Path, error: OSError) -> BadInput | RunFailed:
    if error.errno in DISK_TROUBLE:
        return RunFailed(f"{path} could not be written: {error.strerror}; what was there before stays: {FREE_SPACE}")
    if platforms.WINDOWS and isinstance(error, PermissionError) and path.is_file():
        return BadInput(f"{path} cannot be written: another program has it open; close it there, and start again")
    return BadInput(f"{path} cannot be written: {error.strerror}; choose a folder that exists and that you may write")
