"""Sweeps with rows written by hand in place of training runs, to test claims: fakes of `Experiments` and `Sweep`."""

import json

import numpy as np


def key_of(settings):
    """A key for a dict by settings."""
    return json.dumps(settings, sort_keys=True, default=list)


class Table:
    """A fake of `Sweep`, from pairs of settings and rows with one row for each fold or seed."""

    def __init__(self, rows):
        self.by_settings = {key_of(settings): (settings, some) for settings, some in rows}

    def __len__(self):
        return sum(len(some) for _, some in self.by_settings.values())

    def rows(self):
        return [{**settings, **row} for settings, some in self.by_settings.values() for row in some]

    def rows_of(self, settings):
        return self.by_settings[key_of(settings)][1]

    def scores(self, part):
        pairs = self.by_settings.values()
        return [one for one, _ in pairs], np.array([[row[f"{part}_accuracy"] for row in some] for _, some in pairs])

    def best(self, n, part):
        return sorted(self.rows(), key=lambda row: -row[f"{part}_accuracy"])[:n]


class Tables:
    """A fake of `Experiments`: a study whose sweeps are handmade tables, by name."""

    seeds = 1

    def __init__(self, recipe, **tables):
        self.recipe, self.tables = recipe, tables
        self.experiments = {one.name: dict(one.set) for one in recipe.configuration.experiment}

    def settings_of(self, experiment):
        return self.experiments[experiment]

    def over(self, seeds):
        return self

    def sweep(self, name, *_, **__):
        return self.tables[name.replace("-", "_")]

    def rows_of(self, table, settings):
        return table.rows_of(settings)


def rows(count, **columns):
    """A list of `count` rows; a column is one value for all rows, or a list of values."""
    spread = {
        name: list(value) if isinstance(value, list | np.ndarray) else [value] * count
        for name, value in columns.items()
    }
    return [{name: value[index] for name, value in spread.items()} for index in range(count)]


def without_seconds(table):
    """The rows of a sweep's table, but for their seconds."""
    return [{name: value for name, value in row.items() if not name.endswith("_seconds")} for row in table.rows()]
