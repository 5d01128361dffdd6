"""The store of a sweep: one SQLite file, with one writer, in which a row is there with all its numbers or not at all.

docs/reference/store.md describes the tables for readers in other programs.
"""

import contextlib
import inspect
import json
import math
import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any

import numpy as np

from deltarule import platforms
from deltarule.errors import BadInput, RunFailed
from deltarule.files import kind_of, make_folder
from deltarule.problem.resolved_configuration import NUMERICS_VERSIONS
from deltarule.sweeps.row_ranking import describe_ranking
from deltarule.sweeps.store_connection import (
    APPLICATION,
    FILE,
    LOCK,
    SCHEMA,
    VERSION,
    as_written,
    check_integrity,
    connect,
    connect_read_only,
    has_no_tables,
    translate_sqlite_errors,
)
from deltarule.sweeps.worker import COLUMNS, NO_LAYER, Table

CACHE_KILOBYTES, PAGES_AT_A_TIME = 32_768, 10_000
"""Memory for pages of the file, and how many changed ones are brought into it together: in between they lie in the
file's log, of 40 MB then. SQLite's own 2 MB and 1,000 let a commit take twice as long once there are 100,000 rows."""

SEARCH = "search"
"""What `about` says under "kind" in the store of a `PopulationSearchCV`; a sweep's says nothing."""


SCORES = tuple(column for column in COLUMNS if column.endswith(("objective", "score")))

IN_ORDER = "ORDER BY configuration, CAST(fold AS INTEGER), length(seed), seed"
"""Configurations in the grid's order, then folds, then seeds. A fold begins with its number, and the largest seeds are
texts: of two numbers the longer one is larger."""


def order(part: str) -> str:
    """How rows rank by a part of the data: by the score, those that are equal by the objective, then by their place.

    A place is here as the index has it: folds, and seeds that are texts, by their letters.
    """
    return f"{part}_score DESC, {part}_objective, configuration, fold, seed"


class Store:
    """A store that is open for writing: nobody else writes to it until it is closed.

    Parameters: `folder`, where it lies, created where it does not exist.
    Errors: `RunFailed` while another process has it open, and for a full disk; `BadInput` for a file that is no store,
    is damaged, or of another version.
    """

    def __init__(self, folder: Path) -> None:
        from filelock import FileLock, Timeout

        self.folder = make_folder(folder)
        # Where a disk has no locks, newer versions take the file itself for one: a killed process would leave it.
        name = "fallback_to_soft"
        no_file: dict[str, Any] = {name: False} if name in inspect.signature(FileLock.__init__).parameters else {}
        self._lock = FileLock(self.folder / LOCK, **no_file)
        try:
            self._lock.acquire(timeout=0)
        except Timeout:
            raise RunFailed(
                f"another process is at work on the sweep in {folder}; wait for it, or name another folder"
            ) from None
        except (OSError, NotImplementedError) as error:  # of a network drive that has no locks, of a full disk
            why = getattr(error, "strerror", None) or error
            raise RunFailed(
                f"{folder / LOCK} cannot be locked: {why}; name a folder on a disk of this machine that has room"
            ) from error
        try:
            with translate_sqlite_errors(self.folder / FILE):
                self.connection = connect(self.folder / FILE, "rwc")
                check_integrity(self.connection, self.folder / FILE)  # before anything is changed
                self._journal(not platforms.is_remote(self.folder))
                self.connection.execute("PRAGMA synchronous=FULL")  # a commit is on the disk when it returns
                # Keys and scores come in no order: of a large table each commit changes pages all over the file.
                self.connection.execute(f"PRAGMA cache_size=-{CACHE_KILOBYTES}")
                self.connection.execute(f"PRAGMA wal_autocheckpoint={PAGES_AT_A_TIME}")
                if not self.connection.execute("PRAGMA user_version").fetchone()[0]:
                    self._create()
        except BaseException:
            if hasattr(self, "connection"):
                self.connection.close()
            self._lock.release()
            raise

    def _journal(self, is_local: bool) -> None:
        """Let readers and the writer not wait for each other; on a network drive they must, because that takes memory
        which they share."""
        with contextlib.suppress(sqlite3.OperationalError):  # of a disk that has not what it takes, or is full
            self.connection.execute(f"PRAGMA journal_mode={'WAL' if is_local else 'DELETE'}")

    def _create(self) -> None:
        self.connection.executescript(
            f"BEGIN; {SCHEMA} PRAGMA application_id={APPLICATION}; PRAGMA user_version={VERSION}; COMMIT;"
        )

    def __enter__(self) -> "Store":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Bring everything into the one file, and let others have it."""
        with contextlib.suppress(sqlite3.Error):  # of a full disk, of readers: then the next to open it does this
            self.connection.execute("PRAGMA busy_timeout=1000")
            self.connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
            self.connection.execute("PRAGMA journal_mode=DELETE")
        self.connection.close()
        self._lock.release()

    # --- writing -----------------------------------------------------------------------------------------------------

    @as_written()
    def add_configurations(
        self, hashes: Sequence[str], settings: Sequence[Mapping[str, Any]], base: tuple[str, Mapping[str, Any]]
    ) -> dict[str, int]:
        """Note configurations that are not there yet, in their order.

        Parameters: `settings`, what each sets otherwise than its base; `base`, a hash and the keys by section.
        Returns: the number of each configuration by its hash.
        """
        rows = [(one, json.dumps(dict(given)), base[0]) for one, given in zip(hashes, settings, strict=True)]
        with self.transaction():
            self.connection.execute("INSERT OR IGNORE INTO bases VALUES (?, ?)", (base[0], json.dumps(base[1])))
            self.connection.executemany(
                "INSERT OR IGNORE INTO configurations (hash, settings, base) VALUES (?, ?, ?)", rows
            )
        return dict(self.connection.execute("SELECT hash, id FROM configurations").fetchall())

    def note(self, **about: Any) -> None:
        """Write down what the sweep is: JSON values by name."""
        with self.transaction():
            self.connection.executemany(
                "INSERT OR REPLACE INTO about VALUES (?, ?)",
                [(name, json.dumps(value)) for name, value in about.items()],
            )

    def add(
        self,
        table: Table,
        members: Mapping[str, Mapping[str, Any]],
        sizes: Sequence[int],
        best: str | None,
        **shared: Any,
    ) -> None:
        """Commit the rows of a population, all or none; rows that are there already stay as they are.

        An objective or a score that is not finite is null.

        Parameters: `members`, by key `configuration`, `fold` and `seed`; `sizes` of their networks; `best`, the part of
        the data by which only the best row's weights are kept, or None for all that are given; `shared`, the columns
        that all rows share.
        """
        rows = []
        for index, key in enumerate(table.key):
            values = {name: getattr(table, name)[index] for name in COLUMNS} | dict(members[key]) | shared
            values["status"] = "diverged" if values["reason"] == "diverged" else "done"
            values["layer"] = None if values["layer"] == NO_LAYER else values["layer"]
            values["where"] = values["where"] or None
            values["seed"] = seed_value(values["seed"])
            values |= dict.fromkeys([name for name in SCORES if not math.isfinite(values[name])])
            rows.append(values)
        columns = list(rows[0])
        names, marks = ", ".join(f'"{name}"' for name in columns), ", ".join(f":{name}" for name in columns)
        with self.transaction():
            self.connection.executemany(f"INSERT OR IGNORE INTO members ({names}) VALUES ({marks})", rows)
            for key, (theta, buffers) in table.weights.items():
                self.connection.execute(
                    "INSERT OR IGNORE INTO networks VALUES (?, ?, ?, ?, ?)",
                    (key, theta.dtype.name, json.dumps(list(sizes)), _bytes(theta), _bytes(buffers)),
                )
            if best is not None:
                self.connection.execute(
                    "DELETE FROM networks WHERE key NOT IN (SELECT key FROM networks JOIN members USING (key) "
                    f"WHERE {best}_score IS NOT NULL ORDER BY {order(best)} LIMIT 1)"
                )

    @contextlib.contextmanager
    def transaction(self) -> Iterator[None]:
        """All that is written within it, or nothing."""
        with translate_sqlite_errors(self.folder / FILE), self.connection:
            self.connection.execute("BEGIN IMMEDIATE")
            yield

    @as_written()
    def keys(self) -> frozenset[str]:
        """The keys of all rows."""
        return frozenset(key for (key,) in self.connection.execute("SELECT key FROM members"))

    @as_written()
    def check_rows(
        self,
        data: Mapping[tuple[str, str | None], str],
        folds: int | None,
        scored: tuple[str, str],
        formulas: Mapping[str, str | None],
    ) -> None:
        """Refuse to put rows beside others that they cannot be ranked with.

        Parameters: `data`, the digest of the data by the hash of each configuration and its fold; `folds`, how many
        there are; `scored`, the metric and the part of the data on which rows rank; `formulas`, the digests of the
        formulas of one's own, by kind and name.
        Errors: `BadInput` where rows have other folds or are ranked otherwise, were trained by another formula of the
        same name, or the same configuration was trained on other data or by a version whose numbers differ.
        """
        check_configurations(self.connection)
        noted = self.about()
        there = noted.get("formulas", dict.fromkeys(formulas))  # of older stores nobody knows
        for name in other_formulas(there, formulas) if self.keys() else ():
            raise BadInput(
                f"the {name} may be another one than in the rows of {self.folder}, or another version of Python or of "
                "deltarule wrote these; register it by another name, or name another folder"
            )
        for (fold,) in self.connection.execute("SELECT DISTINCT fold FROM members"):
            there = None if fold is None else int(fold.partition("/")[2])
            if there != folds:
                was, now = (f"{count or 'no'} folds" for count in (there, folds))
                text = f"the sweep in {self.folder} has {was}, not {now}"
                raise BadInput(f"{text}; ask for {was}, or name another folder")
            if (noted["metric"], noted["ranked"]) != scored:
                was, now = (describe_ranking(*one) for one in ((noted["metric"], noted["ranked"]), scored))
                raise BadInput(f"the sweep in {self.folder} ranks by the {was}, not by the {now}; name another folder")
        rows = (
            "SELECT DISTINCT hash, fold, data, dtype, numerics FROM members JOIN configurations ON configuration = id"
        )
        for one, fold, digest, dtype, numerics in self.connection.execute(rows):
            if data.get((one, fold), digest) != digest:
                why = "the data are not those of the sweep in {}; put them back"
            elif (one, fold) in data and numerics != NUMERICS_VERSIONS[dtype]:
                why = "the rows in {} are of another version of deltarule, whose numbers differ; go on with that one"
            else:
                continue
            raise BadInput(f"{why.format(self.folder)}, or name another folder")

    @as_written()
    def bases(self) -> list[dict[str, Any]]:
        """The keys of every recipe that rows were trained by, by section."""
        return [json.loads(keys) for (keys,) in self.connection.execute("SELECT keys FROM bases")]

    def about(self) -> dict[str, Any]:
        """What `note` wrote down."""
        return about(self.connection)


def read_notes(folder: Path) -> dict[str, Any]:
    """What is noted about the sweep in a folder: nothing before it has begun, also where it was killed as it began."""
    file = platforms.full_length(Path(folder)) / FILE
    if kind_of(file) != "file":
        return {}
    with translate_sqlite_errors(file), contextlib.closing(connect_read_only(file)) as connection:
        return {} if has_no_tables(connection) else about(connection)


def about(connection: sqlite3.Connection) -> dict[str, Any]:
    """What is noted about a sweep, by name."""
    with as_written():
        return {name: json.loads(value) for name, value in connection.execute("SELECT name, value FROM about")}


@as_written()
def check_configurations(connection: sqlite3.Connection) -> None:
    """Errors: `BadInput` for rows whose configuration is not there: tables would be without them."""
    lost = "SELECT configuration FROM members WHERE configuration NOT IN (SELECT id FROM configurations) LIMIT 1"
    for (number,) in connection.execute(lost):
        raise ValueError(f"there is no configuration {number!r}, of which it has rows")


def check_sweep(about: Mapping[str, Any], folder: str | Path) -> None:
    """Errors: `BadInput` for the store of a search, whose rows have no recipe and no scores."""
    if about.get("kind") == SEARCH:
        raise BadInput(
            f"{folder} holds the fits of a PopulationSearchCV, not a sweep: the same search with this path= takes them "
            "up, and its cv_results_ is their table"
        )


def other_formulas(there: Mapping[str, str | None], formulas: Mapping[str, str | None]) -> list[str]:
    """The names of formulas of one's own that have other digests than are noted.

    >>> other_formulas({"loss a": "1", "loss b": "1"}, {"loss a": "1", "loss b": "2", "loss c": "3"})
    ['loss b']
    """
    return [name for name, digest in formulas.items() if there.get(name, digest) != digest]


def seed_value(seed: int) -> int | str:
    """A seed as SQLite can hold it: its whole numbers have a sign, so the largest seeds are texts."""
    return seed if seed < 2**63 else str(seed)


def shared_columns(data: str, dtype: str, engine: str, seconds: float) -> dict[str, Any]:
    """The columns that all rows of a population share."""
    return {
        "data": data,
        "dtype": dtype,
        "numerics": NUMERICS_VERSIONS[dtype],
        "engine": engine,
        "train_seconds": seconds,
    }


def _bytes(array: np.ndarray) -> bytes:
    """Numbers as they lie in memory, the least significant byte first on every machine."""
    return np.ascontiguousarray(array, array.dtype.newbyteorder("<")).tobytes()
