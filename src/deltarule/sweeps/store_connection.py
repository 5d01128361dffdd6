"""Open connections to a sweep's store, check the file, and translate errors."""

import contextlib
import json
import sqlite3
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from deltarule.errors import BadInput, RunFailed, is_interruption

FILE, LOCK = "sweep.sqlite", "sweep.lock"
PATIENCE_SECONDS = 60.0
"""How long to wait for a process that has locked the file, such as one that reads rows."""
MAX_CHECKED_BYTES = 2**26
"""The size up to which each reading checks a file; a larger one, which takes seconds, only a sweep that goes on."""
APPLICATION = 0x64525357  # "dRSW": the kind of file, in its header
VERSION = 2
"""The version of the tables below. A file of another version is refused, and not written to."""
SCHEMA = """
CREATE TABLE about (name TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE configurations (
    id INTEGER PRIMARY KEY,
    hash TEXT NOT NULL UNIQUE,
    settings TEXT NOT NULL,
    keys TEXT NOT NULL
);
CREATE TABLE members (
    key TEXT NOT NULL UNIQUE,
    configuration INTEGER NOT NULL REFERENCES configurations (id),
    fold TEXT,
    seed NOT NULL,
    data TEXT NOT NULL,
    dtype TEXT NOT NULL,
    numerics INTEGER NOT NULL,
    engine TEXT NOT NULL,
    status TEXT NOT NULL,
    reason TEXT NOT NULL,
    steps INTEGER NOT NULL,
    best_step INTEGER NOT NULL,
    train_objective REAL,
    validation_objective REAL,
    test_objective REAL,
    train_score REAL,
    validation_score REAL,
    test_score REAL,
    layer INTEGER,
    "where" TEXT,
    train_seconds REAL NOT NULL
);
CREATE TABLE networks (
    key TEXT PRIMARY KEY REFERENCES members (key),
    dtype TEXT NOT NULL,
    sizes TEXT NOT NULL,
    theta BLOB NOT NULL,
    buffers BLOB NOT NULL
);
"""
RECORDS = """CREATE TABLE records (
    key TEXT NOT NULL REFERENCES members (key),
    name TEXT NOT NULL,
    value REAL,
    PRIMARY KEY (key, name)
) WITHOUT ROWID"""
"""A table of sweeps that record something of their own."""
DAMAGE = ArithmeticError, AttributeError, LookupError, RecursionError, TypeError, ValueError, sqlite3.DatabaseError
"""The exceptions that unexpected values in a store raise."""


@contextlib.contextmanager
def translate_errors(file: Path | str = "the store of the sweep") -> Iterator[None]:
    """Turn the errors of SQLite and of a damaged store into ours; also as a decorator."""
    outside = sys.exception()
    try:
        yield
    except BadInput:
        raise
    except DAMAGE as error:
        if is_interruption(error, outside):
            raise
        reason = str(error)
        if "full" in reason or "disk I/O" in reason:
            raise RunFailed(
                f"{file} could not be written: {error}; what is in it stays: free some space, and "
                "continue with --resume"
            ) from error
        if "locked" in reason:
            raise RunFailed(
                f"{file} has been in use by another program for {PATIENCE_SECONDS:.0f} seconds; what is in it stays: "
                "end that, and continue with --resume"
            ) from error
        raise BadInput(
            f"{file} is damaged, no store, or somebody has changed it ({error}); sweep into a new folder"
        ) from error


def open_for_reading(folder: Path) -> sqlite3.Connection:
    """Open the store in a folder; check it for damage unless it is large."""
    file = Path(folder) / FILE
    if not file.is_file():
        raise BadInput(f"{folder} holds no sweep: there is no {FILE} in it; name the folder that --out named")
    connection = connect(file)
    with _closed_on_error(connection, file):
        connection.execute("PRAGMA query_only=ON")
        if not read_notes(connection):
            raise BadInput(f"{folder} holds no sweep yet; continue it with --resume")
        if file.stat().st_size <= MAX_CHECKED_BYTES:
            check_integrity(connection, file)
    return connection


def connect(file: Path, mode: str = "rw") -> sqlite3.Connection:
    """Connect to a store in SQLite's mode "rw", or "rwc", which creates it.

    A connection for reading may write, too: it rolls back what a killed process left half written. A view or a trigger
    would run when a table is read or written: it could compute without end, or delete. So none is allowed.
    """
    with translate_errors(file):
        connection = sqlite3.connect(
            f"{file.absolute().as_uri()}?mode={mode}",
            uri=True,
            timeout=PATIENCE_SECONDS,
            isolation_level=None,
            check_same_thread=False,
        )
    with _closed_on_error(connection, file):
        application = connection.execute("PRAGMA application_id").fetchone()[0]
        version = connection.execute("PRAGMA user_version").fetchone()[0]
        definitions = _definitions(connection)
        if definitions and application != APPLICATION:
            raise BadInput(f"{file} is another program's SQLite file; name another folder")
        if definitions and version != VERSION:
            raise BadInput(
                f"{file} is a store of version {version}, and this program reads version {VERSION}; "
                "use the program that wrote it, or name another folder"
            )
        if definitions and definitions - {RECORDS} != {text.strip() for text in SCHEMA.split(";") if text.strip()}:
            raise BadInput(f"{file} does not have the expected tables, or has triggers; name another folder")
    return connection


@contextlib.contextmanager
def _closed_on_error(connection: sqlite3.Connection, file: Path) -> Iterator[None]:
    try:
        with translate_errors(file):
            yield
    except BaseException:
        connection.close()
        raise


def _definitions(connection: sqlite3.Connection) -> set[str]:
    return {sql for (sql,) in connection.execute("SELECT sql FROM sqlite_master WHERE sql IS NOT NULL")}


def read_notes(connection: sqlite3.Connection) -> dict[str, Any]:
    if not _definitions(connection):
        return {}
    with translate_errors():
        return {name: json.loads(value) for name, value in connection.execute("SELECT name, value FROM about")}


def has_records(connection: sqlite3.Connection) -> bool:
    """Whether a store has the table of own records."""
    return RECORDS in _definitions(connection)


def check_integrity(connection: sqlite3.Connection, file: Path) -> None:
    """Check the whole file, since SQLite's quick check ignores the indexes."""
    result = connection.execute("PRAGMA integrity_check(1)").fetchone()[0].splitlines()[-1]  # without its heading
    if result == "ok" and connection.execute("PRAGMA foreign_key_check").fetchone():
        result = "its rows refer to configurations that are not in it"
    if result != "ok":
        raise BadInput(f"{file} is damaged ({result}); put a copy of it back, or sweep into a new folder")
