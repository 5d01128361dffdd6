"""What a sweep came to: the table of its store, its best rows, and the networks whose weights were kept."""

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
from deltarule.sweeps.fold_data import fold_of, forget_data, load
from deltarule.sweeps.grid import as_recipe
from deltarule.sweeps.plan import Source
from deltarule.sweeps.row_ranking import describe_ranking
from deltarule.sweeps.store import IN_ORDER, about, check_configurations, check_sweep, order, other_formulas
from deltarule.sweeps.store_connection import as_written, reader
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
    """The table of a sweep, read from its store; made by `load_sweep` and `sweep`.

    Attributes: `name`, `metric` ("accuracy" or "r_squared"), `ranked` (the part of the data on which rows are ranked),
    `grid` (the keys that it sets, and those in which the recipes of its runs differ), `notes` (sentences worth
    knowing).
    """

    @as_written()
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
        if self.ranked not in PARTS:  # it becomes a word of queries
            raise ValueError(f"{self.ranked!r} is no part of the data")
        self._bases: dict[str, Configuration] = {}
        self._others: dict[tuple[str, str], dict[str, Any]] = {}

    def __repr__(self) -> str:  # without a look into the store, which may be closed
        over = f", over {', '.join(self.grid)}" if self.grid else ""
        return f"Sweep of {self.name}: {describe_ranking(self.metric, self.ranked)}{over}"

    @as_written()
    def __len__(self) -> int:
        """How many rows are done."""
        return int(self._connection.execute("SELECT count(*) FROM members").fetchone()[0])

    @property
    @as_written()
    def diverged(self) -> int:
        """How many rows are of members that diverged."""
        return int(self._connection.execute("SELECT count(*) FROM members WHERE status = 'diverged'").fetchone()[0])

    @property
    @as_written()
    def engines(self) -> tuple[str, ...]:
        """The names of the engines that trained its rows."""
        return tuple(name for (name,) in self._connection.execute("SELECT DISTINCT engine FROM members ORDER BY 1"))

    def rows(self) -> Iterator[dict[str, Any]]:
        """Every row by its columns: configurations in the grid's order, then folds, then seeds."""
        with as_written():
            yield from map(self._row, self._connection.execute(f"{ROWS} {IN_ORDER}"))

    def frame(self) -> "pandas.DataFrame":
        """The table as a pandas DataFrame, lists and tables as JSON, as in CSV: so columns can be grouped by.

        Errors: `BadInput` where pandas is not installed.
        """
        try:
            import pandas
        except (ImportError, OSError) as error:
            raise not_installed("frame()", "pandas", "frames", error) from None
        return pandas.DataFrame({name: as_cell(value) for name, value in row.items()} for row in self.rows())

    @as_written()
    def best(self, n: int = 10, part: str | None = None) -> list[dict[str, Any]]:
        """The n best rows, the best first.

        Parameters: `part`, of the data on which the score is looked at: "train", "validation" or "test"; None for that
        by which the sweep is ranked.
        Errors: `BadInput` for another part, and for less than 1 row.
        """
        chosen, n = self._part(part), _count(n)
        query = f"{ROWS} WHERE {chosen}_score IS NOT NULL ORDER BY {order(chosen)} LIMIT ?"
        return [self._row(row) for row in self._connection.execute(query, (n,))]

    @as_written()
    def configurations(self, n: int = 10, part: str | None = None) -> list[ConfigurationScore]:
        """The n best configurations by the mean of their rows, the best first; of means that are equal in 12 digits,
        the one with the least mean objective.

        After them come those that have no mean, since a row of theirs has no score: by the rows that have one.

        Parameters: `part`, as in `best`.
        Errors: as `best`.
        """
        chosen, n = self._part(part), _count(n)
        score = f"{chosen}_score"
        query = f"""
            SELECT configuration, settings, base, count(*), sum(status = 'diverged'), {_of_all("avg", score)},
                {_of_all("min", score)}, {_of_all("max", score)}
            FROM members JOIN configurations ON members.configuration = configurations.id GROUP BY configuration
            {_by_mean(chosen)} LIMIT ?
        """
        scored = []
        for number, settings, base, *numbers in self._connection.execute(query, (n,)):
            _check_numbers(*numbers)
            scored.append(ConfigurationScore(number, self._settings(settings, base), *numbers))
        return scored

    def mean(self, settings: Mapping[str, Any], part: str | None = None) -> float | None:
        """The mean score of a configuration over its folds and seeds, None where a row has no score, or there is none.

        Parameters: `settings`, what it sets, as `sweep` was given it; `part`, as in `best`.
        Errors: `BadInput` as `sweep`, for settings that are not allowed.
        """
        given = as_recipe(settings)
        query = f"""
            SELECT {_of_all("avg", f"{self._part(part)}_score")} FROM members
            JOIN configurations ON configuration = configurations.id WHERE hash = ?
        """
        with as_written():
            mean: float | None = self._connection.execute(query, (self._hash(given),)).fetchone()[0]
            return mean

    @as_written()
    def scores(self, part: str | None = None) -> tuple[list[dict[str, Any]], Floats]:
        """The score of every row as a table: the settings of each configuration, and what each block came to.

        Parameters: `part`, as in `best`.
        Returns: settings of the C configurations, as `configurations` ranks them by the sweep's own part; scores
        [C, B], a column for each fold and seed, NaN where a configuration has no row, and −infinity where its row has
        no score, as that of a regression that diverged.
        """
        chosen = self._part(part)
        query = f"SELECT configuration, fold, seed, {chosen}_score FROM members {IN_ORDER}"
        rows = self._connection.execute(query).fetchall()
        blocks = {block: index for index, block in enumerate(dict.fromkeys(row[1:3] for row in rows))}
        ranked = f"SELECT configuration FROM members GROUP BY configuration {_by_mean(self.ranked)}"
        places = {number: index for index, (number,) in enumerate(self._connection.execute(ranked))}
        scores = np.full((len(places), len(blocks)), np.nan)
        for number, fold, seed, score in rows:
            scores[places[number], blocks[fold, seed]] = -np.inf if score is None else score
        given = self._connection.execute("SELECT id, settings, base FROM configurations")
        settings = {number: self._settings(one, base) for number, one, base in given if number in places}
        return [settings[number] for number in places], scores

    def rows_of(self, settings: Mapping[str, Any]) -> list[dict[str, Any]]:
        """The rows of one configuration: its folds, then its seeds.

        Parameters: `settings`, what it sets, as `sweep` was given it.
        Errors: `BadInput` as `sweep`, for settings that are not allowed.
        """
        given = as_recipe(settings)
        with as_written():
            found = self._connection.execute(f"{ROWS} WHERE hash = ? {IN_ORDER}", (self._hash(given),))
            return [self._row(row) for row in found]

    @as_written()
    def kept(self) -> list[dict[str, Any]]:
        """The rows whose networks were kept: configurations in the grid's order, then folds, then seeds."""
        query = f"{ROWS} WHERE key IN (SELECT key FROM networks) {IN_ORDER}"
        return [self._row(row) for row in self._connection.execute(query)]

    @as_written()
    def configuration_of(self, key: str) -> Configuration:
        """The configuration of a row, by its key: all that its network was trained by but its fold and its seed.

        Errors: `BadInput` for a key that there is not.
        """
        _check_key(key)
        query = "SELECT settings, base FROM members JOIN configurations ON configuration = configurations.id"
        found = self._connection.execute(f"{query} WHERE key = ?", (key,)).fetchone()
        if found is None:
            raise BadInput(f"there is no configuration of {key!r}: no row has this key")
        settings, base = found
        return with_changes(self._base(base), json.loads(settings))

    @as_written()
    def network(self, key: str) -> StoredNetwork:
        """The network of a row, by its key.

        Errors: `BadInput` for a key that there is not, a row whose weights were not kept, and where a formula of one's
        own is another one now.
        """
        _check_key(key)
        found = self._connection.execute(
            "SELECT dtype, sizes, theta, buffers FROM networks WHERE key = ?", (key,)
        ).fetchone()
        if found is None:
            is_there = self._connection.execute("SELECT 1 FROM members WHERE key = ?", (key,)).fetchone()
            not_kept = "its weights were not kept; sweep into a new folder with --keep all, or best for the best row's"
            why = not_kept if is_there else "no row has this key"
            raise BadInput(f"there is no network of {key!r}: {why}")
        dtype, sizes, theta, buffers = found
        if dtype not in ("float32", "float64"):
            raise ValueError(f"weights are {dtype!r}")
        little = np.dtype(dtype).newbyteorder("<")
        arrays = [np.frombuffer(one, little).astype(dtype) for one in (theta, buffers)]
        configuration = self.configuration_of(key)
        own = own_digests(own_formulas(configuration))
        for name in other_formulas(about(self._connection).get("formulas", {}), own):
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

    @as_written()
    def data(self, key: str, folder: str | Path = ".", data_dir: str | Path | None = None) -> Dataset:
        """The data that a row's network was trained and scored on, as it was given them: split and scaled.

        Of a row of a fold the training rows are the fold's own, and its validation rows those that were held out.

        Parameters: `key`, the row's; `folder`, where the recipe lies, `data_dir`, a folder of data files: both matter
        where rows are read from a file.
        Errors: `BadInput` for a key that there is not, and data that have changed since.
        """
        configuration = self.configuration_of(key)
        fold, digest = self._connection.execute("SELECT fold, data FROM members WHERE key = ?", (key,)).fetchone()
        number, folds = (None, None) if fold is None else map(int, fold.split("/"))
        source = Source(Path(folder), None if data_dir is None else Path(data_dir), folds)
        forget_data()
        loaded = load(configuration, source)
        if number is None:
            dataset = loaded.dataset
        elif digest == loaded.dataset.digest:  # the scale is the same in all folds
            return fold_of(loaded.dataset, *loaded.folds[number])
        else:
            dataset = load(configuration, source, number).dataset
        if digest != dataset.digest:
            raise BadInput(f"the data are not those that the network of {key!r} was trained on; put them back")
        return dataset

    def close(self) -> None:
        """Let go of the file: where files that are open cannot be deleted, that matters."""
        self._connection.close()

    @as_written()
    def in_memory(self) -> "Sweep":
        """The same table, which needs no file any more."""
        copy = sqlite3.connect(":memory:")
        self._connection.backup(copy)
        self._connection.close()
        return Sweep(copy)

    def _hash(self, settings: Mapping[str, Any]) -> str:
        """By which the store knows the configuration that sets these."""
        noted = about(self._connection)
        # Of a formula of one's own the store has one alone, whatever is registered by its name now.
        return configuration_hash(with_changes(self._base(noted["base"]), settings), noted.get("formulas", {}))

    def _part(self, part: str | None) -> str:
        if part is not None and part not in PARTS:
            raise BadInput(f"there is no part {part!r} of the data; choose one of {', '.join(PARTS)}")
        return part or self.ranked

    def _row(self, values: tuple[Any, ...]) -> dict[str, Any]:
        key, configuration, settings, base, fold, seed, status, reason, steps, best_step, *others = values
        scores = {
            f"{part}_{what}": others[2 * index + offset]
            for index, part in enumerate(PARTS)
            for offset, what in enumerate(("objective", self.metric))
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
        """The value of every key that any grid of this store has set, or in which its recipes differ."""
        given = json.loads(settings)
        if not given.keys() >= set(self.grid) and (settings, base) not in self._others:
            self._others[settings, base] = self._values_not_set(given, base)
        others = self._others.get((settings, base), {})
        values = {key: given[key] if key in given else others[key] for key in self.grid}
        return {key: None if value == "none" and is_optional(key) else value for key, value in values.items()}

    def _values_not_set(self, given: Mapping[str, Any], base: str) -> dict[str, Any]:
        """The value of every key that a configuration does not set itself."""
        table: Any
        try:
            if base not in self._bases:
                self._bases[base] = self._base(base)
            table = resolve_configuration(with_changes(self._bases[base], given))
        except BadInput:  # of a formula of one's own, which may not be registered where a table is read
            table = self._keys(base)
        return {key: _value(table, key) for key in self.grid if key not in given}

    def _base(self, base: str) -> Configuration:
        return parse(self._keys(base), "the store")

    def _keys(self, base: str) -> Any:
        return json.loads(self._connection.execute("SELECT keys FROM bases WHERE hash = ?", (base,)).fetchone()[0])


def _value(table: Any, dotted: str) -> Any:
    for part in dotted.split("."):
        table = table.get(part) if isinstance(table, Mapping) else None
    return table


def _by_mean(part: str) -> str:
    """How configurations rank by a part of the data."""
    score, objective = f"{part}_score", f"{part}_objective"
    return f"""ORDER BY count({score}) < count(*), rounded(avg({score})) DESC,
        count({objective}) < count(*), avg({objective}), configuration"""


def _of_all(function: str, column: str) -> str:
    """A function of a column over all rows, null where one has nothing there: survivors do not stand for all."""
    return f"CASE WHEN count({column}) = count(*) THEN {function}({column}) END"


def _count(n: Any) -> int:
    if not isinstance(n, int | np.integer) or isinstance(n, bool) or n < 1:
        raise BadInput(f"n is {n!r}; give how many are wanted, 1 or more")
    return min(int(n), sys.maxsize)  # SQLite has no larger ones


def _check_key(key: Any) -> None:
    if not isinstance(key, str):
        raise BadInput(f"the key is of the type {type(key).__name__}; give the text of a row's, row['key']")


def as_cell(value: Any) -> Any:
    """A value of a row for tables that hold none but plain ones: lists and tables as JSON.

    >>> as_cell(["auto", 3]), as_cell(0.1)
    ('["auto", 3]', 0.1)
    """
    return json.dumps(value) if isinstance(value, list | dict) else value


def _check_texts(*values: Any) -> None:
    # A column of SQLite's holds whatever somebody writes into it.
    if not all(isinstance(value, str) for value in values):
        raise TypeError(f"{values} should be texts")


def _check_numbers(*values: Any) -> None:
    if not all(value is None or isinstance(value, int | float) for value in values):
        raise TypeError(f"{values} should be numbers")


def load_sweep(folder: str | Path) -> Sweep:
    """Open the table of a sweep; one that is still running, too.

    Parameters: `folder`, the one that --out named.
    Errors: `BadInput` where there is no store, or one of another version, or that of a search.

    >>> load_sweep("nowhere")
    Traceback (most recent call last):
        ...
    deltarule.errors.BadInput: nowhere holds no sweep: there is no sweep.sqlite in it; name the folder that --out named
    """
    connection = reader(Path(folder))
    try:
        noted = about(connection)
        check_sweep(noted, folder)
        if not noted:
            raise BadInput(f"{folder} holds no sweep yet; go on with it by --resume")
        return Sweep(connection)
    except BaseException:
        connection.close()
        raise
