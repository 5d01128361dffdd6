"""The results of a sweep: its table, best configurations and stored networks."""

import json
import math
import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean
from typing import TYPE_CHECKING, Any

import numpy as np

from deltarule.data.dataset import Dataset
from deltarule.errors import BadInput
from deltarule.problem.configuration import configuration_hash, parse, with_changes
from deltarule.problem.problem import Floats
from deltarule.problem.recipe_sections import Configuration
from deltarule.stats import metrics
from deltarule.stats.ranking import round_score
from deltarule.sweeps.grid import settings_to_json
from deltarule.sweeps.plan import Source, data_of_row
from deltarule.sweeps.store import StoredNetwork, read_network
from deltarule.sweeps.store_connection import open_for_reading, read_notes, translate_errors
from deltarule.sweeps.table_rows import PARTS, TableRow, TableRows, as_cell

if TYPE_CHECKING:
    import pandas


@dataclass(frozen=True)
class ConfigurationScore:
    """The score of a configuration over its folds and seeds.

    Parameters
    ----------
    configuration : int
        Its number.
    settings : mapping
        Its values of the grid's keys.
    rows, diverged : int
        How many rows it has, and how many of them diverged.
    mean, least, greatest : float or None
        Mean and range of the score that was asked for; None if a row has no score.

    Examples
    --------
    >>> from deltarule import sweep
    >>> best = sweep("encoder", {"optimizer.learning_rate": [1.0, 10.0]}, seeds=2).configurations(1)[0]
    >>> best.rows, best.diverged, best.least <= best.mean <= best.greatest
    (2, 0, True)
    """

    configuration: int
    settings: Mapping[str, Any]
    rows: int
    diverged: int
    mean: float | None
    least: float | None
    greatest: float | None


class Sweep:
    """The results of a sweep: the table in its store, and stored networks.

    Parameters
    ----------
    connection : sqlite3.Connection
        The connection to its store; `sweep` and `load_sweep` open it.

    Attributes
    ----------
    name : str
        The name of the study.
    notes : list of str
        Sentences worth knowing.
    metric, ranked : str
        The score of the rows, and the part of the data on which they are ranked.
    grid : list of str
        The keys that the grid sets, and those in which the recipes of its runs differ.
    runs : list of str
        The options of the commands that have filled it.

    Examples
    --------
    >>> from deltarule import sweep
    >>> table = sweep("encoder", {"optimizer.learning_rate": [1.0, 10.0]}, seeds=2)
    >>> len(table), table.frame()["optimizer.learning_rate"].unique().tolist()
    (4, [1.0, 10.0])
    """

    @translate_errors()
    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection
        noted = read_notes(connection)
        self.name: str = noted["name"]
        self.metric: str = noted["metric"]
        self.ranked: str = noted["ranked"]
        self.notes: tuple[str, ...] = tuple(noted["notes"])
        self.grid: tuple[str, ...] = tuple(noted["grid"])
        self.runs: tuple[dict[str, Any], ...] = tuple(noted.get("runs", ()))
        if self.metric not in metrics.METRICS or self.ranked not in PARTS:
            raise ValueError(f"it is ranked by {self.metric!r} on {self.ranked!r} rows")
        self._rows = TableRows(connection, self.metric, self.grid, noted.get("record") or ())

    @property
    def sign(self) -> int:
        """1 if more of the metric is better, else −1."""
        return 1 if metrics.find(self.metric).more_is_better else -1

    @property
    def quantity(self) -> str:
        """What `scores` are, in words."""
        sign = "" if self.sign == 1 else "negative "
        return f"{sign}{self.metric.replace('_', ' ')} on {self.ranked} rows"

    def __repr__(self) -> str:
        over = f", over {', '.join(self.grid)}" if self.grid else ""
        return f"Sweep of {self.name}: {self.metric} on the {self.ranked} rows{over}"

    @translate_errors()
    def __len__(self) -> int:
        """The number of rows that are done."""
        return int(self._connection.execute("SELECT count(*) FROM members").fetchone()[0])

    @property
    @translate_errors()
    def diverged(self) -> int:
        """The number of rows whose member diverged."""
        return int(self._connection.execute("SELECT count(*) FROM members WHERE status = 'diverged'").fetchone()[0])

    @property
    @translate_errors()
    def engines(self) -> tuple[str, ...]:
        """The names of the engines that trained the rows."""
        return tuple(name for (name,) in self._connection.execute("SELECT DISTINCT engine FROM members ORDER BY 1"))

    def rows(self) -> Iterator[dict[str, Any]]:
        """Iterate over all rows, each a dict by column."""
        yield from self._rows.select("")

    def rows_of(self, settings: Mapping[str, Any]) -> list[TableRow]:
        """The rows of a configuration by its `settings`, by folds, then by seeds."""
        json_settings = settings_to_json(settings)
        with translate_errors():
            notes = read_notes(self._connection)
            configuration = with_changes(parse(notes["base"], "the store"), json_settings)
            # With the formulas of the store, whatever is registered by their names now.
            digest = configuration_hash(configuration, notes.get("formulas", {}))
            return self._rows.select("WHERE configuration = (SELECT id FROM configurations WHERE hash = ?)", digest)

    def kept(self) -> list[TableRow]:
        """The rows with stored networks, each a dict by column, in the order of `rows`."""
        return self._rows.select("WHERE key IN (SELECT key FROM networks)")

    def frame(self) -> "pandas.DataFrame":
        """The table as a pandas DataFrame."""
        import pandas

        return pandas.DataFrame({name: as_cell(value) for name, value in row.items()} for row in self.rows())

    def best(self, n: int = 10, part: str | None = None) -> list[TableRow]:
        """Return the best rows that have a score.

        Parameters
        ----------
        n : int, default 10
        part : str, default None
            "train", "validation" or "test" data; None for the part by which the sweep is ranked.

        Returns
        -------
        list of dict
            Rows as in `rows`, the best first.

        Raises
        ------
        BadInput
            For another part.
        """
        score, objective = self._columns(part)

        def sort_key(row: TableRow) -> tuple[float, float]:
            return -self.sign * row[score], -math.inf if row[objective] is None else row[objective]

        return sorted((row for row in self.rows() if row[score] is not None), key=sort_key)[:n]

    def configurations(self, n: int = 10, part: str | None = None) -> list[ConfigurationScore]:
        """The `n` best configurations by mean score on a part of the data, as in `best`.

        Means that are equal in 12 digits are ranked by the mean objective. Configurations without a mean, because a row
        has no score, come last, ranked by their rows that have one.
        """
        score = self._columns(part)[0]
        scored = []
        for rows in self._ranked_configurations(part, self._rows.select(""))[:n]:
            scores = [row[score] for row in rows]
            summary = (None, None, None) if None in scores else (fmean(scores), min(scores), max(scores))
            settings = {key: rows[0][key] for key in self.grid}
            diverged = sum(row["status"] == "diverged" for row in rows)
            scored.append(ConfigurationScore(rows[0]["configuration"], settings, len(rows), diverged, *summary))
        return scored

    def mean(self, settings: Mapping[str, Any], part: str | None = None) -> float | None:
        """Return the mean score of a configuration over its folds and seeds.

        Parameters
        ----------
        settings : dict
            A value for each key of `grid`.
        part : as for `best`

        Returns
        -------
        float or None
            None if there is no such row, or one has no score.
        """
        scores = [row[self._columns(part)[0]] for row in self.rows_of(settings)]
        return None if None in scores or not scores else fmean(scores)

    def scores(self, part: str | None = None) -> tuple[list[dict[str, Any]], Floats]:
        """The settings of all configurations, the best first, and their scores [C, B] by fold and seed.

        More is better: of a metric of which less is better, the scores are negative. A score is NaN if a configuration
        has no such row, and −infinity if the row has no score, such as that of a regression that diverged. The order is
        that of `configurations` by the sweep's own part.
        """
        self._columns(part)  # raises for an unknown one
        settings, by_part = self.scores_by_part()
        return settings, by_part[part or self.ranked]

    def scores_by_part(self) -> tuple[list[dict[str, Any]], dict[str, Floats]]:
        """The settings, as `scores` has them, and the scores [C, B] by part of the data."""
        rows = self._rows.select("")
        ranked = self._ranked_configurations(None, rows)
        blocks = {block: index for index, block in enumerate({(row["fold"], row["seed"]): 0 for row in rows})}
        scores = {part: np.full((len(ranked), len(blocks)), np.nan) for part in PARTS}
        for index, of_configuration in enumerate(ranked):
            for row in of_configuration:
                block = blocks[row["fold"], row["seed"]]
                for part, values in scores.items():
                    value = row[f"{part}_{self.metric}"]
                    values[index, block] = -np.inf if value is None else self.sign * value
        return [{key: of_configuration[0][key] for key in self.grid} for of_configuration in ranked], scores

    @translate_errors()
    def configuration_of(self, key: str) -> Configuration:
        """The configuration that the row with this key was trained with."""
        query = "SELECT keys FROM members JOIN configurations ON configuration = configurations.id WHERE key = ?"
        row = self._connection.execute(query, (key,)).fetchone()
        if row is None:
            raise BadInput(f"no row has the key {key!r}")
        return parse(json.loads(row[0]), "the store")

    @translate_errors()
    def network(self, key: str) -> StoredNetwork:
        """Return the stored network of a row.

        Parameters
        ----------
        key : str
            The row's.

        Returns
        -------
        StoredNetwork

        Raises
        ------
        BadInput
            For an unknown key, weights that were not kept, and a custom formula that is another one now.
        """
        return read_network(self._connection, key, self.configuration_of(key))

    @translate_errors()
    def data(self, key: str, folder: str | Path = ".", data_dir: str | Path | None = None) -> Dataset:
        """The split and scaled data that a row was trained and scored on.

        For a row of a fold, the training part is that of the fold, and the validation part its held-out rows.

        Parameters
        ----------
        key : str
            Of the row.
        folder, data_dir : str or Path
            The folder of the recipe, and one of data files: both matter if the data are read from a file.

        Raises
        ------
        BadInput
            For an unknown key, and data that have changed since.
        """
        configuration = self.configuration_of(key)
        fold, digest = self._connection.execute("SELECT fold, data FROM members WHERE key = ?", (key,)).fetchone()
        source = Source(Path(folder), None if data_dir is None else Path(data_dir))
        return data_of_row(configuration, source, fold, digest)

    def close(self) -> None:
        """Close the store's file, which some systems cannot delete while it is open."""
        self._connection.close()

    def _columns(self, part: str | None) -> tuple[str, str]:
        if part is not None and part not in PARTS:
            raise BadInput(f"there is no part {part!r} of the data; choose one of {', '.join(PARTS)}")
        return f"{part or self.ranked}_{self.metric}", f"{part or self.ranked}_objective"

    def _ranked_configurations(self, part: str | None, rows: Sequence[TableRow]) -> list[list[TableRow]]:
        """The rows of each configuration, best mean first; those that lack a score last."""
        columns = self._columns(part)
        groups: dict[int, list[TableRow]] = {}
        for row in rows:
            groups.setdefault(row["configuration"], []).append(row)

        def sort_key(group: list[TableRow]) -> tuple[bool, float, bool, float]:
            scores, objectives = ([row[name] for row in group if row[name] is not None] for name in columns)
            mean = -self.sign * round_score(fmean(scores)) if scores else math.inf
            mean_objective = fmean(objectives) if objectives else -math.inf
            return len(scores) < len(group), mean, len(objectives) < len(group), mean_objective

        return sorted(groups.values(), key=sort_key)


def load_sweep(folder: str | Path) -> Sweep:
    """Open the results in the folder of a sweep.

    Parameters
    ----------
    folder : str or Path
        What `out` or `--out` named.

    Returns
    -------
    Sweep

    Raises
    ------
    BadInput
        For a folder without a sweep.

    Examples
    --------
    >>> from deltarule import load_sweep
    >>> load_sweep("nowhere")
    Traceback (most recent call last):
        ...
    deltarule.errors.BadInput: nowhere holds no sweep: there is no sweep.sqlite in it; name the folder that --out named
    """
    return Sweep(open_for_reading(Path(folder)))
