"""The store of a sweep: one SQLite file with one writer.

docs/reference/files.md describes its tables.
"""

import contextlib
import itertools
import json
import math
import sqlite3
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from deltarule.errors import BadInput, RunFailed
from deltarule.files import make_folder
from deltarule.maths.network import views
from deltarule.problem.configuration import NUMERICS_VERSIONS, own_digests, own_formulas
from deltarule.problem.network import Network
from deltarule.problem.problem import Floats
from deltarule.problem.recipe_sections import Configuration
from deltarule.problem.validation import query_inputs
from deltarule.sweeps.store_connection import (
    APPLICATION,
    FILE,
    LOCK,
    RECORDS,
    SCHEMA,
    VERSION,
    check_integrity,
    connect,
    has_records,
    open_for_reading,
    read_notes,
    translate_errors,
)
from deltarule.training.moment import activations_of
from deltarule.training.populations import network_between

COMPARED = ("folds", "metric", "ranked", "record", "start")
"""The notes that all rows of a store share."""
AMONG = "hash IN (SELECT value FROM json_each(?))"
"""A condition on configurations, with a JSON list of hashes."""


class Store:
    """A store that is open for writing, and locked for other writers."""

    def __init__(self, folder: Path) -> None:
        from filelock import FileLock, Timeout

        self.folder = make_folder(folder)
        self._lock = FileLock(self.folder / LOCK)
        try:
            self._lock.acquire(timeout=0)
        except Timeout:
            raise RunFailed(
                f"another process is at work on the sweep in {folder}; wait for it, or name another folder"
            ) from None
        try:
            with translate_errors(self.folder / FILE):
                self.connection = connect(self.folder / FILE, "rwc")
                check_integrity(self.connection, self.folder / FILE)  # before anything is changed
                self.connection.execute("PRAGMA synchronous=FULL")  # a commit is on the disk when it returns
                if not self.connection.execute("PRAGMA user_version").fetchone()[0]:
                    self.connection.executescript(
                        f"BEGIN; {SCHEMA} PRAGMA application_id={APPLICATION}; PRAGMA user_version={VERSION}; COMMIT;"
                    )
        except BaseException:
            if hasattr(self, "connection"):
                self.connection.close()
            self._lock.release()
            raise

    def __enter__(self) -> "Store":
        return self

    def __exit__(self, *error: object) -> None:
        self.connection.close()
        self._lock.release()

    # --- writing -----------------------------------------------------------------------------------------------------

    @translate_errors()
    def add_configurations(
        self, configurations: Mapping[str, tuple[Mapping[str, Any], Mapping[str, Any]]]
    ) -> dict[str, int]:
        """Insert the configurations that are not stored yet, and return their ids by hash.

        Each is given by hash: what the grid sets, and all keys by section.
        """
        hashes = json.dumps(list(configurations))
        rows = [
            (digest, json.dumps(dict(settings)), json.dumps(keys))
            for digest, (settings, keys) in configurations.items()
        ]
        with self.transaction():
            self.connection.executemany(
                "INSERT OR IGNORE INTO configurations (hash, settings, keys) VALUES (?, ?, ?)", rows
            )
        return dict(self.connection.execute(f"SELECT hash, id FROM configurations WHERE {AMONG}", [hashes]).fetchall())

    def write_notes(self, **notes: Any) -> None:
        """Write what is known of a sweep, united with what the store has of earlier ones."""
        # Rows of another recipe are distinguished by the keys in which it differs, as if a grid had set these.
        earlier = read_notes(self.connection) or notes
        changed = [
            f"{section}.{key}"
            for section, values in notes["base"].items()
            for key, value in values.items()
            if value != earlier["base"][section][key]
        ]
        merged = {
            **notes,
            "notes": _united(earlier["notes"], notes["notes"]),
            "grid": _united(earlier["grid"], notes["grid"], changed),
            "formulas": earlier.get("formulas", {}) | notes.get("formulas", {}),
            "runs": _united(earlier.get("runs", ()), notes.get("runs", ())),
        }
        texts = [(name, json.dumps(value)) for name, value in merged.items()]
        with self.transaction():
            self.connection.executemany("INSERT OR REPLACE INTO about VALUES (?, ?)", texts)

    def add_rows(
        self,
        rows: Sequence[Mapping[str, Any]],
        weights: Mapping[str, tuple[NDArray[Any], NDArray[Any]]],
        layer_sizes: Sequence[int],
        records: Mapping[tuple[str, str], float] = MappingProxyType({}),
    ) -> None:
        """Commit new rows, weights and own records, all or none.

        A number that is not finite is stored as null. `weights` are parameters and running statistics by key, `records`
        are numbers by key and name.
        """
        stored = []
        for row in rows:
            status = "diverged" if row["reason"] == "diverged" else "done"
            seed = row["seed"] if row["seed"] < 2**63 else str(row["seed"])  # SQLite's integers are smaller
            scores = [name for name in row if name.endswith(("objective", "score"))]
            lacking = dict.fromkeys([name for name in scores if not math.isfinite(row[name])])
            stored.append({**row, "status": status, "seed": seed, **lacking})
        columns = list(stored[0])
        names, marks = ", ".join(f'"{name}"' for name in columns), ", ".join(f":{name}" for name in columns)
        sizes = json.dumps(list(layer_sizes))
        networks = [
            (key, theta.dtype.name, sizes, theta.tobytes(), buffers.tobytes())
            for key, (theta, buffers) in weights.items()
        ]
        with self.transaction():
            self.connection.executemany(f"INSERT OR IGNORE INTO members ({names}) VALUES ({marks})", stored)
            self.connection.executemany("INSERT OR IGNORE INTO networks VALUES (?, ?, ?, ?, ?)", networks)
            if records:
                self._make_records_table()
                values = [(*of, value if math.isfinite(value) else None) for of, value in records.items()]
                self.connection.executemany("INSERT OR IGNORE INTO records VALUES (?, ?, ?)", values)

    def _make_records_table(self) -> None:
        if not has_records(self.connection):
            self.connection.execute(RECORDS)

    @translate_errors()
    def merge(self, folder: Path) -> None:
        """Add the rows and networks of another store, each once, all or none."""
        with contextlib.closing(open_for_reading(folder)) as other:
            notes = read_notes(other)
            query = "SELECT DISTINCT hash, fold, data FROM members JOIN configurations ON configuration = id"
            rows = other.execute(query).fetchall()
            digests = {(configuration, fold): digest for configuration, fold, digest in rows}
        compared = {name: notes.get(name) for name in COMPARED}
        self.check_rows(digests, compared, notes.get("formulas", {}))
        self.write_notes(**notes)
        columns = [name for _, name, *_ in self.connection.execute("PRAGMA table_info(members)")]
        chosen = ", ".join("mine.id" if name == "configuration" else f'added."{name}"' for name in columns)
        self.connection.execute("ATTACH DATABASE ? AS other", [str(Path(folder) / FILE)])
        with self.transaction():
            self.connection.execute(
                "INSERT OR IGNORE INTO configurations (hash, settings, keys) "
                "SELECT hash, settings, keys FROM other.configurations ORDER BY id"
            )
            self.connection.execute(
                f"INSERT OR IGNORE INTO members SELECT {chosen} FROM other.members AS added "
                "JOIN other.configurations AS theirs ON added.configuration = theirs.id "
                "JOIN main.configurations AS mine ON theirs.hash = mine.hash ORDER BY added.rowid"
            )
            self.connection.execute("INSERT OR IGNORE INTO networks SELECT * FROM other.networks")
            if notes.get("record"):
                self._make_records_table()
                self.connection.execute("INSERT OR IGNORE INTO records SELECT * FROM other.records")
        self.connection.execute("DETACH DATABASE other")

    @contextlib.contextmanager
    def transaction(self) -> Iterator[None]:
        """Commit everything that is written within the block, or nothing if it fails."""
        with translate_errors(self.folder / FILE), self.connection:
            self.connection.execute("BEGIN IMMEDIATE")
            yield

    @translate_errors()
    def keys(self) -> frozenset[str]:
        return frozenset(key for (key,) in self.connection.execute("SELECT key FROM members"))

    @translate_errors()
    def check_rows(
        self,
        data_digests: Mapping[tuple[str, str | None], str],
        compared: Mapping[str, Any],
        formula_digests: Mapping[str, str | None],
    ) -> None:
        """Raise `BadInput` if the stored rows cannot be compared with those of a new plan.

        They have other folds, another ranking or formula, other data, or come from a version whose numbers differ.
        """
        notes = read_notes(self.connection)
        has_rows = self.connection.execute("SELECT 1 FROM members LIMIT 1").fetchone()
        for name in changed_formulas(notes.get("formulas", {}), formula_digests) if has_rows else ():
            raise BadInput(
                f"the {name} may be another one than in the rows of {self.folder}, or another version of Python or of "
                "deltarule wrote these; give it another name, or name another folder"
            )
        for name, given in compared.items() if has_rows else ():
            if notes.get(name) != given:
                was, now = ("none" if value is None else value for value in (notes.get(name), given))
                raise BadInput(f"the sweep in {self.folder} differs in {name} ({was}, not {now}); name another folder")
        rows = (
            "SELECT DISTINCT hash, fold, data, dtype, numerics FROM members JOIN configurations ON configuration = id "
            f"WHERE {AMONG}"
        )
        hashes = json.dumps(sorted({configuration for configuration, _ in data_digests}))
        for configuration, fold, digest, dtype, numerics in self.connection.execute(rows, [hashes]):
            if data_digests.get((configuration, fold), digest) != digest:
                why = "the data are not those of the sweep in {}; put them back"
            elif (configuration, fold) in data_digests and numerics != NUMERICS_VERSIONS[dtype]:
                why = "the rows in {} are of another version of deltarule, whose numbers differ; continue with that one"
            else:
                continue
            raise BadInput(f"{why.format(self.folder)}, or name another folder")


def _united(*lists: Iterable[Any]) -> list[Any]:
    """The values of several lists, each once."""
    united: list[Any] = []
    for value in itertools.chain(*lists):
        united += [] if value in united else [value]
    return united


def changed_formulas(stored: Mapping[str, str | None], current: Mapping[str, str | None]) -> list[str]:
    return [name for name, digest in current.items() if stored.get(name, digest) != digest]


def read_network(connection: sqlite3.Connection, key: str, configuration: Configuration) -> "StoredNetwork":
    """The stored network of a row, refused if a custom formula is another one now."""
    query = "SELECT dtype, sizes, theta, buffers FROM networks WHERE key = ?"
    stored = connection.execute(query, (key,)).fetchone()
    if stored is None:
        raise BadInput(f"the weights of {key!r} were not kept; sweep into a new folder with --keep")
    digests = own_digests(own_formulas(configuration))
    for name in changed_formulas(read_notes(connection).get("formulas", {}), digests):
        raise BadInput(
            f"the {name} is another one than that of the network of {key!r}, or another version of Python or of "
            "deltarule wrote that; register the one that it was trained with, or use that version"
        )
    dtype, sizes, *blobs = stored
    theta, buffers = (np.frombuffer(blob, dtype).copy() for blob in blobs)
    inputs, *_, outputs = json.loads(sizes)
    network = network_between(configuration, inputs, outputs)
    buffer_size = sum(buffer.stop - buffer.start for buffer in network.buffers)
    if dtype not in ("float32", "float64") or (len(theta), len(buffers)) != (network.parameters, buffer_size):
        raise ValueError(f"{len(theta)} weights of {dtype!r} for {network!r}")
    return StoredNetwork(network, theta, buffers)


@dataclass(frozen=True, eq=False)
class StoredNetwork:
    """A network of a sweep.

    Parameters
    ----------
    network : Network
        Its shape.
    theta : ndarray of shape (P,)
        Its parameters.
    buffers : ndarray of shape (Q,)
        Its running statistics.

    Examples
    --------
    >>> import numpy as np
    >>> from deltarule import Network, StoredNetwork
    >>> from deltarule.data.synthetic import xor
    >>> StoredNetwork(Network([2, 1]), np.array([1.0, 2.0, 0.5]), np.zeros(0)).outputs(xor().train.x[:2])
    array([[0.5],
           [2.5]])
    """

    network: Network
    theta: Floats
    buffers: Floats

    def outputs(self, x: Any) -> Floats:
        """The network's outputs [B, C] for scaled rows x [B, D]."""
        x = query_inputs(x, self.network, 1, self.theta.dtype)
        return activations_of(self.network, self.theta, self.buffers, x)[f"a{self.network.depth}"]

    @property
    def parameters(self) -> dict[str, Floats]:
        """The parameter arrays by name: W1 [D, H], b1 [1, H] and so on."""
        return views(self.theta, self.network.entries)

    def __repr__(self) -> str:
        return f"Stored {self.network!r}"
