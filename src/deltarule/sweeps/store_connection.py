"""Open connections to a sweep's store, check the file, and translate errors."""

import contextlib
import sqlite3
import sys
from collections.abc import Iterator
from pathlib import Path

from deltarule.errors import BadInput, RunFailed, is_interruption

FILE, LOCK = "sweep.sqlite", "sweep.lock"
PATIENCE_SECONDS = 60.0
"""How long to wait for a process that has locked the file, such as one that reads rows."""
APPLICATION = 0x64525357  # "dRSW": the kind of file, in its header
VERSION = 1
"""The version of the tables below. A file of another version is refused, and not written to."""
SCHEMA = """
CREATE TABLE about (name TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE configurations (
    id INTEGER PRIMARY KEY,
    hash TEXT NOT NULL UNIQUE,
    settings TEXT NOT NULL,
    base TEXT NOT NULL REFERENCES bases (hash)
);
CREATE TABLE bases (hash TEXT PRIMARY KEY, keys TEXT NOT NULL) WITHOUT ROWID;
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
DAMAGE = (
    ArithmeticError,
    AttributeError,
    LookupError,
    RecursionError,
    TypeError,
    ValueError,
    sqlite3.DatabaseError,
)
"""The exceptions that unexpected values in a store raise."""


@contextlib.contextmanager
def translate_damage_errors() -> Iterator[None]:
    """Turn errors within the block that a damaged store causes into `BadInput`.

    A context manager, also used as a decorator of functions that read a store.
    """
    outside = sys.exception()
    try:
        yield
    except BadInput:
        raise
    except DAMAGE as error:
        if is_interruption(error, outside):
            raise
        raise BadInput(
            f"the store of the sweep is damaged, or somebody has changed it ({error}); sweep into a new folder"
        ) from error


def open_for_reading(folder: Path, *, check: bool = True) -> sqlite3.Connection:
    """Open the store in a folder for reading, by default after a check for damage.

    Raises `BadInput` if there is no store, or it is damaged or of another version.
    """
    file = Path(folder) / FILE
    if not file.is_file():
        raise BadInput(f"{folder} holds no sweep: there is no {FILE} in it; name the folder that --out named")
    with translate_sqlite_errors(file):
        connection = connect(file)
        try:
            connection.execute("PRAGMA query_only=ON")
            if has_no_tables(connection):
                raise BadInput(f"{file} holds no sweep yet; go on with it by --resume")
            if check:
                check_integrity(connection, file)
        except BaseException:
            connection.close()
            raise
        return connection


def connect(file: Path, mode: str = "rw") -> sqlite3.Connection:
    """Connect to a store in SQLite's mode "rw", or "rwc", which creates it.

    A connection for reading may write, too: it rolls back what a killed process left half written.
    """
    connection = sqlite3.connect(
        f"{file.absolute().as_uri()}?mode={mode}",
        uri=True,
        timeout=PATIENCE_SECONDS,
        isolation_level=None,
        check_same_thread=False,
    )
    try:
        application = connection.execute("PRAGMA application_id").fetchone()[0]
        version = connection.execute("PRAGMA user_version").fetchone()[0]
        if not has_no_tables(connection):
            if application != APPLICATION:
                raise BadInput(f"{file} is another program's SQLite file; name another folder")
            if version != VERSION:
                raise BadInput(
                    f"{file} is a store of version {version}, and this program reads version {VERSION}; "
                    "use the program that wrote it, or name another folder"
                )
            if not has_our_tables(connection):
                raise BadInput(f"{file} does not have the expected tables, or has triggers; name another folder")
    except BaseException:
        connection.close()
        raise
    return connection


@translate_damage_errors()
def has_our_tables(connection: sqlite3.Connection) -> bool:
    """Whether a file has exactly the tables of a sweep's store.

    A view or a trigger would run when a table is read or written: it could compute without end, or delete.
    """
    query = "SELECT type, name, sql FROM sqlite_master WHERE sql IS NOT NULL"
    definitions = set(connection.execute(query))
    with contextlib.closing(sqlite3.connect(":memory:")) as new:
        new.executescript(SCHEMA)
        ours = set(new.execute(query))
    return ours <= definitions and not any(kind in ("view", "trigger") for kind, _, _ in definitions)


@contextlib.contextmanager
def translate_sqlite_errors(file: Path) -> Iterator[None]:
    """Turn SQLite's errors within the block into `RunFailed` or `BadInput`."""
    try:
        yield
    except sqlite3.OperationalError as error:
        if "full" in str(error) or "disk I/O" in str(error):
            raise RunFailed(
                f"{file} could not be written: {error}; what is in it stays: free some space, and go on with --resume"
            ) from error
        if "locked" in str(error):
            raise RunFailed(
                f"{file} has been in use by another program for {PATIENCE_SECONDS:.0f} seconds; what is in it stays: "
                "end that, and go on with --resume"
            ) from error
        raise BadInput(f"{file} cannot be used: {error}; check that it is a file you may read and write") from error
    except (sqlite3.DatabaseError, UnicodeDecodeError) as error:  # SQLite quotes damaged bytes, which are not text
        raise BadInput(f"{file} is no store, or damaged: {error}; name another folder") from error


def has_no_tables(connection: sqlite3.Connection) -> bool:
    """Whether a file has no tables."""
    return not connection.execute("SELECT count(*) FROM sqlite_master").fetchone()[0]


def check_integrity(connection: sqlite3.Connection, file: Path) -> None:
    """Check the store by SQLite's integrity check.

    This reads the whole file, because SQLite's quick check ignores the indexes.
    """
    result = connection.execute("PRAGMA integrity_check(1)").fetchone()[0].splitlines()[-1]  # without its heading
    if result != "ok":
        raise BadInput(f"{file} is damaged ({result}); put a copy of it back, or sweep into a new folder")
