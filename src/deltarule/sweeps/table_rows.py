"""The rows of a sweep's table, as they are read from its store."""

import json
import sqlite3
from collections.abc import Mapping, Sequence
from typing import Any

from deltarule.problem.configuration import is_optional
from deltarule.sweeps.store_connection import has_records, translate_errors

PARTS = ("train", "validation", "test")

TableRow = dict[str, Any]
"""A row of a sweep's table, by column."""

COLUMNS = (
    *("key", "configuration", "fold", "seed", *(f"{part}_{name}" for part in PARTS for name in ("objective", "score"))),
    *("status", "reason", "steps", "best_step", "diverged_layer", "diverged_where", "engine", "train_seconds"),
)
"""The columns of the table; those of the grid stand beside them, with dots in their names."""
STORED_AS = {"diverged_layer": "layer", "diverged_where": '"where"'}
ROWS = f"SELECT {', '.join(f'{STORED_AS.get(name, name)} AS {name}' for name in COLUMNS)}{{own}} FROM members"
RECORD = "SELECT value FROM records WHERE records.key = members.key AND name = ?"
NOT_NUMBERS = ("fold", "seed", "status", "reason", "diverged_where", "engine")
# A fold begins with its number, and the largest seeds are texts: of two numbers the longer one is larger.
IN_ORDER = "ORDER BY configuration, CAST(fold AS INTEGER), length(seed), seed"


class TableRows:
    """Reads the rows of a sweep's table: scores of a `metric`, settings of the keys of a `grid`, and own `records`."""

    def __init__(
        self, connection: sqlite3.Connection, metric: str, grid: Sequence[str], records: Sequence[str] = ()
    ) -> None:
        self._connection = connection
        self._metric = metric
        self._grid = grid
        self._records = records if has_records(connection) else ()
        self._settings_by_id: dict[int, dict[str, Any]] = {}

    @translate_errors()
    def select(self, condition: str, *values: Any) -> list[TableRow]:
        """The rows that a condition in SQL chooses, by configurations, folds and seeds."""
        own = "".join(f", ({RECORD})" for _ in self._records)
        query = f"{ROWS.format(own=own)} {condition} {IN_ORDER}"
        cursor = self._connection.execute(query, (*self._records, *values))
        columns = [name for name, *_ in cursor.description][: -len(self._records) or None]
        names = [*(name.replace("_score", f"_{self._metric}") for name in columns), *self._records]
        # All at once: as long as a reader is in the middle of the rows, the sweep cannot write.
        return [self._row(names, row) for row in cursor.fetchall()]

    def _row(self, names: list[str], values: tuple[Any, ...]) -> dict[str, Any]:
        """Convert a result of the query `ROWS` to a row of the table, a dict by column."""
        row = dict(zip(names, values, strict=True))
        key, configuration = row.pop("key"), row.pop("configuration")
        # A column in SQLite may hold values of any type.
        texts = (key, row["status"], row["reason"], row["engine"])
        numbers = row.keys() - NOT_NUMBERS
        if not all(isinstance(text, str) for text in texts):
            raise TypeError(f"{texts} should be texts")
        if not all(isinstance(row[name], int | float | None) for name in numbers):
            raise TypeError(f"{[row[name] for name in numbers]} should be numbers")
        settings = self._settings(configuration)
        return {"key": key, "configuration": configuration, **settings, **row, "seed": int(row["seed"])}

    def _settings(self, configuration: int) -> dict[str, Any]:
        """The value of each key of `grid` in the configuration with this id."""
        if configuration not in self._settings_by_id:
            query = "SELECT settings, keys FROM configurations WHERE id = ?"
            stored, keys = self._connection.execute(query, (configuration,)).fetchone()
            settings = json.loads(stored)
            others = json.loads(keys) if not settings.keys() >= set(self._grid) else {}  # which takes longer
            values = {key: settings[key] if key in settings else _nested_value(others, key) for key in self._grid}
            self._settings_by_id[configuration] = {
                key: None if value == "none" and is_optional(key) else value for key, value in values.items()
            }
        return self._settings_by_id[configuration]


def _nested_value(table: Any, dotted_key: str) -> Any:
    for part in dotted_key.split("."):
        table = table.get(part) if isinstance(table, Mapping) else None
    return table


def as_cell(value: Any) -> Any:
    """Convert a row's value for a table that holds only numbers and texts."""
    return json.dumps(value) if isinstance(value, list | dict) else value
