"""The class `Sweep`, the results of a sweep in its store: the table, its best rows and configurations, networks."""

import json
import sqlite3
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from deltarule.data.dataset import Dataset
from deltarule.errors import BadInput, not_installed
from deltarule.problem.configuration import is_optional, parse, with_changes
from deltarule.problem.problem import Floats
from deltarule.problem.recipe_sections import Configuration
from deltarule.problem.resolved_configuration import (
    configuration_hash,
    own_digests,
    own_formulas,
    resolve_configuration,
)
from deltarule.stats.ranking import round_score
from deltarule.sweeps.fold_data import fold_of, forget_data, load_fold_data
from deltarule.sweeps.grid import settings_to_json
from deltarule.sweeps.plan import Source
from deltarule.sweeps.row_ranking import describe_ranking
from deltarule.sweeps.store import IN_ORDER, about, changed_formulas, check_configurations, ranking_order
from deltarule.sweeps.store_connection import open_for_reading, translate_damage_errors
from deltarule.sweeps.stored_network import ConfigurationScore, StoredNetwork
from deltarule.training.populations import network_of_sizes

if TYPE_CHECKING:
    import pandas

PARTS = ("train", "validation", "test")

ROWS = f"""
SELECT key, configuration, settings, base, fold, seed, status, reason, steps, best_step,
    {", ".join(f"{part}_objective, {part}_score" for part in PARTS)},
    layer, "where", engine, train_seconds
FROM members JOIN configurations ON members.configuration = configurations.id
"""


class Sweep:
    """The results of a sweep: the table in its store, and stored networks; `sweep` and `load_sweep` return it.

    Attributes: `name`, `metric` ("accuracy" or "r_squared"), `ranked` (the part of the data on which rows are ranked),
    `grid` (the keys that it sets, and those in which the recipes of its runs differ), `notes` (sentences worth
    knowing).
    """

    @translate_damage_errors()
    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection
        check_configurations(connection)
        connection.create_function("rounded", 1, lambda mean: None if mean is None else round_score(mean))
        noted = about(connection)
        self.name: str = noted["name"]
        self.metric: str = noted["metric"]
        self.ranked: str = noted["ranked"]
        self.notes: tuple[str, ...] = tuple(noted["notes"])
        self.grid: tuple[str, ...] = tuple(noted["grid"])
        _check_texts(self.name, self.metric, *self.notes, *self.grid)
        if self.ranked not in PARTS:  # it becomes part of SQL queries
            raise ValueError(f"{self.ranked!r} is no part of the data")
        self._bases: dict[str, Configuration] = {}
        self._others: dict[tuple[str, str], dict[str, Any]] = {}

    def __repr__(self) -> str:  # without reading the store, which may be closed
        over = f", over {', '.join(self.grid)}" if self.grid else ""
        return f"Sweep of {self.name}: {describe_ranking(self.metric, self.ranked)}{over}"

    @translate_damage_errors()
    def __len__(self) -> int:
        """The number of rows that are done."""
        return int(self._connection.execute("SELECT count(*) FROM members").fetchone()[0])

    @property
    @translate_damage_errors()
    def diverged(self) -> int:
        """The number of rows whose member diverged."""
        return int(self._connection.execute("SELECT count(*) FROM members WHERE status = 'diverged'").fetchone()[0])

    @property
    @translate_damage_errors()
    def engines(self) -> tuple[str, ...]:
        """The names of the engines that trained the rows."""
        return tuple(name for (name,) in self._connection.execute("SELECT DISTINCT engine FROM members ORDER BY 1"))

    def rows(self) -> Iterator[dict[str, Any]]:
        """Iterate over all rows, each a dict by column: configurations in the grid's order, then folds, then seeds."""
        with translate_damage_errors():
            # All at once: as long as a reader is in the middle of the rows, the sweep cannot write.
            yield from map(self._row, self._connection.execute(f"{ROWS} ORDER BY {IN_ORDER}").fetchall())

    def frame(self) -> "pandas.DataFrame":
        """The table as a pandas DataFrame; lists and tables are JSON as in CSV, so that rows can be grouped by them.

        Errors: `BadInput` if pandas is not installed.
        """
        try:
            import pandas
        except (ImportError, OSError) as error:
            raise not_installed("frame()", "pandas", "frames", error) from None
        return pandas.DataFrame({name: as_cell(value) for name, value in row.items()} for row in self.rows())

    @translate_damage_errors()
    def best(self, n: int = 10, part: str | None = None) -> list[dict[str, Any]]:
        """The n best rows on a part of the data (None: the one that the sweep ranks by), each a dict, the best first.

        Parameters: `part`, the part of the data whose score ranks rows: "train", "validation" or "test"; None for the
        one by which the sweep is ranked.
        Errors: `BadInput` for another part, and for less than 1 row.
        """
        chosen, n = self._validate_part(part), _validate_limit(n)
        query = f"{ROWS} WHERE {chosen}_score IS NOT NULL ORDER BY {ranking_order(chosen)} LIMIT ?"
        return [self._row(row) for row in self._connection.execute(query, (n,))]

    @translate_damage_errors()
    def configurations(self, n: int = 10, part: str | None = None) -> list[ConfigurationScore]:
        """The n best configurations by the mean score of their rows on a part of the data, the best first.

        Means that are equal in 12 digits are ranked by the mean objective. Configurations without a mean, because a row
        has no score, come last, ranked by their rows that have one.

        Parameters: `part`, as in `best`.
        Errors: as `best`.
        """
        chosen, n = self._validate_part(part), _validate_limit(n)
        score = f"{chosen}_score"
        query = f"""
            SELECT configuration, settings, base, count(*), sum(status = 'diverged'),
                {", ".join(_aggregate_if_complete(function, score) for function in ("avg", "min", "max"))}
            FROM members JOIN configurations ON members.configuration = configurations.id GROUP BY configuration
            {_order_by_mean(chosen)} LIMIT ?
        """
        scored = []
        for number, settings, base, *numbers in self._connection.execute(query, (n,)):
            _check_numbers(*numbers)
            scored.append(ConfigurationScore(number, self._settings(settings, base), *numbers))
        return scored

    def mean(self, settings: Mapping[str, Any], part: str | None = None) -> float | None:
        """The mean score of a configuration over its folds and seeds; None if a row has no score, or there is no row.

        Parameters: `settings` of the configuration, as `sweep` was given them; `part`, as in `best`.
        Errors: `BadInput` as `sweep`, for settings that are not allowed.
        """
        json_settings = settings_to_json(settings)
        query = f"""
            SELECT {_aggregate_if_complete("avg", f"{self._validate_part(part)}_score")} FROM members
            JOIN configurations ON configuration = configurations.id WHERE hash = ?
        """
        with translate_damage_errors():
            digest = self._configuration_hash(json_settings)
            mean: float | None = self._connection.execute(query, (digest,)).fetchone()[0]
            return mean

    @translate_damage_errors()
    def scores(self, part: str | None = None) -> tuple[list[dict[str, Any]], Floats]:
        """The settings of all C configurations, the best first, and their scores [C, B], a column per fold and seed.

        Parameters: `part`, as in `best`.
        Returns: the settings of the C configurations, as `configurations` ranks them by the sweep's own part; their
        scores [C, B] in the B blocks (a fold and a seed), NaN if a configuration has no such row, and −infinity if the
        row has no score, such as that of a regression that diverged.
        """
        chosen = self._validate_part(part)
        query = f"SELECT configuration, fold, seed, {chosen}_score FROM members ORDER BY {IN_ORDER}"
        rows = self._connection.execute(query).fetchall()
        blocks = {block: index for index, block in enumerate(dict.fromkeys(row[1:3] for row in rows))}
        ranked = f"SELECT configuration FROM members GROUP BY configuration {_order_by_mean(self.ranked)}"
        ranks = {number: rank for rank, (number,) in enumerate(self._connection.execute(ranked))}
        scores = np.full((len(ranks), len(blocks)), np.nan)
        for number, fold, seed, score in rows:
            scores[ranks[number], blocks[fold, seed]] = -np.inf if score is None else score
        stored = self._connection.execute("SELECT id, settings, base FROM configurations")
        settings = {number: self._settings(text, base) for number, text, base in stored if number in ranks}
        return [settings[number] for number in ranks], scores

    def rows_of(self, settings: Mapping[str, Any]) -> list[dict[str, Any]]:
        """The rows of one configuration, each a dict by column, ordered by folds, then by seeds.

        Parameters: `settings` of the configuration, as `sweep` was given them.
        Errors: `BadInput` as `sweep`, for settings that are not allowed.
        """
        json_settings = settings_to_json(settings)
        with translate_damage_errors():
            digest = self._configuration_hash(json_settings)
            rows = self._connection.execute(f"{ROWS} WHERE hash = ? ORDER BY {IN_ORDER}", (digest,))
            return [self._row(row) for row in rows]

    @translate_damage_errors()
    def kept(self) -> list[dict[str, Any]]:
        """The rows whose networks are stored: configurations in the grid's order, then folds, then seeds."""
        query = f"{ROWS} WHERE key IN (SELECT key FROM networks) ORDER BY {IN_ORDER}"
        return [self._row(row) for row in self._connection.execute(query)]

    @translate_damage_errors()
    def configuration_of(self, key: str) -> Configuration:
        """The configuration that the row with this key was trained with, apart from its fold and its seed.

        Errors: `BadInput` for an unknown key.
        """
        _check_key(key)
        query = "SELECT settings, base FROM members JOIN configurations ON configuration = configurations.id"
        row = self._connection.execute(f"{query} WHERE key = ?", (key,)).fetchone()
        if row is None:
            raise BadInput(f"there is no configuration of {key!r}: no row has this key")
        settings, base = row
        return with_changes(self._base_configuration(base), json.loads(settings))

    @translate_damage_errors()
    def network(self, key: str) -> StoredNetwork:
        """The stored network of the row with this key.

        Errors: `BadInput` for an unknown key, a row whose weights were not kept, and a custom formula that has changed.
        """
        _check_key(key)
        row = self._connection.execute(
            "SELECT dtype, sizes, theta, buffers FROM networks WHERE key = ?", (key,)
        ).fetchone()
        if row is None:
            has_row = self._connection.execute("SELECT 1 FROM members WHERE key = ?", (key,)).fetchone()
            not_kept = "its weights were not kept; sweep into a new folder with --keep all, or best for the best row's"
            why = not_kept if has_row else "no row has this key"
            raise BadInput(f"there is no network of {key!r}: {why}")
        dtype, sizes, theta, buffers = row
        if dtype not in ("float32", "float64"):
            raise ValueError(f"weights are {dtype!r}")
        arrays = [np.frombuffer(data, dtype).copy() for data in (theta, buffers)]
        configuration = self.configuration_of(key)
        digests = own_digests(own_formulas(configuration))
        for name in changed_formulas(about(self._connection).get("formulas", {}), digests):
            raise BadInput(
                f"the {name} is another one than that of the network of {key!r}, or another version of Python or of "
                "deltarule wrote that; register the one that it was trained with, or use that version"
            )
        network = network_of_sizes(configuration, json.loads(sizes))
        if [len(array) for array in arrays] != [
            network.parameters,
            sum(buffer.stop - buffer.start for buffer in network.buffers),
        ]:
            raise ValueError(f"{len(arrays[0])} weights for {network!r}")
        return StoredNetwork(network, *arrays)

    @translate_damage_errors()
    def data(self, key: str, folder: str | Path = ".", data_dir: str | Path | None = None) -> Dataset:
        """The split and scaled data of a row's network; a file is searched in `data_dir` and the recipe's `folder`.

        These are the rows that it was trained and scored on.

        For a row of a fold, the training part is that of the fold, and the validation part its held-out rows.

        Parameters: `key` of the row; `folder` of the recipe and `data_dir`, a folder of data files: both matter if the
        data are read from a file.
        Errors: `BadInput` for an unknown key, and data that have changed since.
        """
        configuration = self.configuration_of(key)
        fold, digest = self._connection.execute("SELECT fold, data FROM members WHERE key = ?", (key,)).fetchone()
        number, folds = (None, None) if fold is None else map(int, fold.split("/"))
        source = Source(Path(folder), None if data_dir is None else Path(data_dir), folds)
        forget_data()
        loaded = load_fold_data(configuration, source)
        if number is None:
            dataset = loaded.dataset
        elif digest == loaded.dataset.digest:  # the scale is equal in all folds
            return fold_of(loaded.dataset, *loaded.folds[number])
        else:
            dataset = load_fold_data(configuration, source, number).dataset
        if digest != dataset.digest:
            raise BadInput(f"the data are not those that the network of {key!r} was trained on; put them back")
        return dataset

    def close(self) -> None:
        """Close the store's file, which some systems cannot delete while it is open."""
        self._connection.close()

    @translate_damage_errors()
    def in_memory(self) -> "Sweep":
        """Return a copy of the table in memory, and close this one's file, which may be deleted then."""
        copy = sqlite3.connect(":memory:")
        self._connection.backup(copy)
        self._connection.close()
        return Sweep(copy)

    def _configuration_hash(self, settings: Mapping[str, Any]) -> str:
        """The hash by which the store identifies the configuration with these settings."""
        notes = about(self._connection)
        configuration = with_changes(self._base_configuration(notes["base"]), settings)
        # With the formulas of the store, whatever is registered by their names now.
        return configuration_hash(configuration, notes.get("formulas", {}))

    def _validate_part(self, part: str | None) -> str:
        """Validate the name of a part of the data; None becomes the one by which the sweep is ranked."""
        if part is not None and part not in PARTS:
            raise BadInput(f"there is no part {part!r} of the data; choose one of {', '.join(PARTS)}")
        return part or self.ranked

    def _row(self, values: tuple[Any, ...]) -> dict[str, Any]:
        """Convert a result of the query `ROWS` to a row of the table, a dict by column."""
        key, configuration, settings, base, fold, seed, status, reason, steps, best_step, *others = values
        scores = {
            f"{part}_{measure}": others[2 * index + offset]
            for index, part in enumerate(PARTS)
            for offset, measure in enumerate(("objective", self.metric))
        }
        layer, where, engine, seconds = others[2 * len(PARTS) :]
        _check_texts(key, status, reason, engine)
        _check_numbers(steps, best_step, seconds, layer, *scores.values())
        return {
            "key": key,
            "configuration": configuration,
            **self._settings(settings, base),
            "fold": fold,
            "seed": int(seed),
            **scores,
            "status": status,
            "reason": reason,
            "steps": steps,
            "best_step": best_step,
            "diverged_layer": layer,
            "diverged_where": where,
            "engine": engine,
            "train_seconds": seconds,
        }

    def _settings(self, settings: str, base: str) -> dict[str, Any]:
        """The value of each key of `grid` in the configuration with these settings (JSON) and base (hash)."""
        changed = json.loads(settings)
        if not changed.keys() >= set(self.grid) and (settings, base) not in self._others:
            self._others[settings, base] = self._values_not_set(changed, base)
        others = self._others.get((settings, base), {})
        values = {key: changed[key] if key in changed else others[key] for key in self.grid}
        return {key: None if value == "none" and is_optional(key) else value for key, value in values.items()}

    def _values_not_set(self, settings: Mapping[str, Any], base: str) -> dict[str, Any]:
        """The values of the grid's keys that a configuration does not set itself, from its base (hash)."""
        table: Any
        try:
            if base not in self._bases:
                self._bases[base] = self._base_configuration(base)
            table = resolve_configuration(with_changes(self._bases[base], settings))
        except BadInput:  # from a custom formula that is not registered in this process
            table = self._base_keys(base)
        return {key: _nested_value(table, key) for key in self.grid if key not in settings}

    def _base_configuration(self, base: str) -> Configuration:
        """The stored configuration without grid that has this hash."""
        return parse(self._base_keys(base), "the store")

    def _base_keys(self, base: str) -> Any:
        return json.loads(self._connection.execute("SELECT keys FROM bases WHERE hash = ?", (base,)).fetchone()[0])


def _nested_value(table: Any, dotted_key: str) -> Any:
    """The value of a dotted key in nested tables; None if there is none."""
    for part in dotted_key.split("."):
        table = table.get(part) if isinstance(table, Mapping) else None
    return table


def _order_by_mean(part: str) -> str:
    """The SQL ORDER BY clause that ranks configurations by their mean score on a part of the data."""
    score, objective = f"{part}_score", f"{part}_objective"
    return f"""ORDER BY count({score}) < count(*), rounded(avg({score})) DESC,
        count({objective}) < count(*), avg({objective}), configuration"""


def _aggregate_if_complete(function: str, column: str) -> str:
    """The SQL of an aggregate function of a column; null if any row has no value, because the rest would mislead."""
    return f"CASE WHEN count({column}) = count(*) THEN {function}({column}) END"


def _validate_limit(n: Any) -> int:
    """Validate a number of results from 1, and return it, cut to the largest that an SQL LIMIT allows."""
    if not isinstance(n, int | np.integer) or isinstance(n, bool) or n < 1:
        raise BadInput(f"n is {n!r}; give how many are wanted, 1 or more")
    return min(int(n), sys.maxsize)  # SQLite has no larger integers


def _check_key(key: Any) -> None:
    if not isinstance(key, str):
        raise BadInput(f"the key is of the type {type(key).__name__}; give the text of a row's, row['key']")


def as_cell(value: Any) -> Any:
    """Convert a row's value for a table that holds only numbers and texts: lists and tables become JSON.

    >>> as_cell(["auto", 3]), as_cell(0.1)
    ('["auto", 3]', 0.1)
    """
    return json.dumps(value) if isinstance(value, list | dict) else value


def _check_texts(*values: Any) -> None:
    # A column in SQLite may hold values of any type.
    if not all(isinstance(value, str) for value in values):
        raise TypeError(f"{values} should be texts")


def _check_numbers(*values: Any) -> None:
    if not all(value is None or isinstance(value, int | float) for value in values):
        raise TypeError(f"{values} should be numbers")


def load_sweep(folder: str | Path) -> Sweep:
    """Open the results in the folder of a sweep, which may still be running.

    Parameters: `folder`, the one that --out named.
    Errors: `BadInput` if there is no store, or it is of another version.

    >>> load_sweep("nowhere")
    Traceback (most recent call last):
        ...
    deltarule.errors.BadInput: nowhere holds no sweep: there is no sweep.sqlite in it; name the folder that --out named
    """
    connection = open_for_reading(Path(folder))
    try:
        notes = about(connection)
        if not notes:
            raise BadInput(f"{folder} holds no sweep yet; go on with it by --resume")
        return Sweep(connection)
    except BaseException:
        connection.close()
        raise
