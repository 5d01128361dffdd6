import contextlib
import shutil
import sqlite3
import subprocess
import sys

import numpy as np
import pytest
from refusals import refuses

from deltarule import sweep
from deltarule.errors import BadInput, RunFailed
from deltarule.sweeps.result import load_sweep
from deltarule.sweeps.store import Store
from deltarule.sweeps.store_connection import FILE, open_for_reading

KEYS = {"data": {"name": "xor"}, "network": {"layers": [2, 1]}, "stopping": {"max_steps": 1}}
SHARED = {
    **{"fold": None, "data": "d", "dtype": "float64", "numerics": 1, "engine": "reference", "train_seconds": 0.5},
    **{"reason": "max_steps", "steps": 1, "best_step": 1, "layer": None, "where": None},
}


def table_of(keys, score=0.5):
    names = [f"{part}_{measure}" for part in ("train", "validation", "test") for measure in ("objective", "score")]
    return [
        {"key": key, "seed": number, **SHARED, **dict.fromkeys(names, score + number / 1000)}
        for number, key in enumerate(keys)
    ]


def fill(store, keys, weights=(), table=None):
    [number] = store.add_configurations({"c": ({}, KEYS)}).values()
    rows = table or table_of(keys)
    networks = {key: (np.arange(3.0), np.zeros(0)) for key in weights}
    store.add_rows([{**row, "configuration": number} for row in rows], networks, (2, 1))
    store.write_notes(name="s", metric="accuracy", ranked="train", grid=[], base={}, notes=[])


def test_round_trip_without_duplicates(tmp_path):
    with Store(tmp_path) as store:
        fill(store, ["a", "b"], weights=["a"])
        fill(store, ["a", "b"], table=table_of(["a", "b"], score=0.9))
        assert store.keys() == {"a", "b"}
    assert [path.name for path in tmp_path.iterdir() if path.suffix != ".lock"] == [FILE]  # closed as one file
    sweep = load_sweep(tmp_path)
    assert [(row["key"], row["train_accuracy"]) for row in sweep.rows()] == [("a", 0.5), ("b", 0.501)]
    assert sweep.network("a").theta.tolist() == [0, 1, 2] and sweep.network("a").parameters["W1"].shape == (2, 1)


def test_store_is_read_while_it_is_written(tmp_path):
    with Store(tmp_path) as store:
        fill(store, ["a"])
        reading = load_sweep(tmp_path)
        assert len(reading) == 1
        fill(store, ["b"])
        assert len(reading) == 2


@pytest.mark.slow
def test_second_writer_is_refused(tmp_path):
    script = f"from pathlib import Path\nfrom deltarule.sweeps.store import Store\nStore(Path({str(tmp_path)!r}))"
    with Store(tmp_path) as store:
        fill(store, ["a"])
        second = subprocess.run([sys.executable, "-c", script], capture_output=True, encoding="utf-8", check=False)
        assert second.returncode == 1 and "RunFailed: another process is at work on the sweep in" in second.stderr
        fill(store, ["b"])
    assert subprocess.run([sys.executable, "-c", script], check=False).returncode == 0


@pytest.mark.parametrize(
    ("spoil", "told"),
    [
        (lambda file: run_sql(file, "PRAGMA user_version=99"), "is a store of version 99, and this program reads"),
        (lambda file: run_sql(file, "PRAGMA application_id=7"), "is another program's SQLite file"),
        (lambda file: file.write_bytes(b"no database " * 100), "is damaged, no store, or somebody has changed it"),
    ],
)
def test_other_files_are_refused_and_left_unchanged(tmp_path, spoil, told):
    with Store(tmp_path) as store:
        fill(store, ["a"])
    spoil(tmp_path / FILE)
    before = (tmp_path / FILE).read_bytes()
    for opened in (Store, load_sweep):
        with refuses(told):
            opened(tmp_path)
    assert (tmp_path / FILE).read_bytes() == before


def keys_of_store(folder):
    with Store(folder) as store:
        return store.keys()


def keys_of_sweep(folder):
    with contextlib.closing(load_sweep(folder)) as result:
        return [row["key"] for row in result.rows()]


def test_damaged_pages_are_detected(tmp_path):
    """SQLite reads most of them without a word: each page in the place of each other one."""
    with Store(tmp_path) as store:
        fill(store, [f"{number:064}" for number in range(36)])
        [size] = store.connection.execute("PRAGMA page_size").fetchone()
    undamaged = (tmp_path / FILE).read_bytes()
    pages = [undamaged[start : start + size] for start in range(0, len(undamaged), size)]
    told = 0
    for place in range(len(pages)):
        for page in pages:
            (tmp_path / FILE).write_bytes(b"".join([*pages[:place], page, *pages[place + 1 :]]))
            for keys_of in (keys_of_store, keys_of_sweep):
                try:
                    keys = keys_of(tmp_path)
                except BadInput:
                    told += 1
                else:
                    assert len(keys) == 36
    assert told > len(pages) ** 2
    (tmp_path / FILE).write_bytes(undamaged.replace(f"{7:064}".encode(), f"{8:064}".encode(), 1))
    damaged = (tmp_path / FILE).read_bytes()
    with refuses("sweep.sqlite"):
        Store(tmp_path)
    assert (tmp_path / FILE).read_bytes() == damaged


def run_sql(file, text):
    connection = sqlite3.connect(file)
    connection.execute(text)
    connection.close()


def test_full_disk_loses_nothing(tmp_path):
    with Store(tmp_path) as store:
        fill(store, ["a"])
        pages = store.connection.execute("PRAGMA page_count").fetchone()[0]
        store.connection.execute(f"PRAGMA max_page_count={pages}")
        with refuses("database or disk is full", error=RunFailed):
            fill(store, [f"{number:064}" for number in range(5000)])
        assert store.keys() == {"a"}
    assert len(load_sweep(tmp_path)) == 1
    with Store(tmp_path) as store:
        fill(store, ["b"])
    assert len(load_sweep(tmp_path)) == 2


def test_half_written_transaction_is_rolled_back(tmp_path):
    (copy := tmp_path / "copy").mkdir()
    with Store(tmp_path) as store:
        fill(store, ["a"])
    with contextlib.closing(sqlite3.connect(tmp_path / FILE, isolation_level=None)) as writing:
        writing.execute("PRAGMA cache_size=1")
        writing.execute("BEGIN")
        writing.execute("UPDATE members SET reason = ?", ["gone"])
        writing.executemany("INSERT INTO about VALUES (?, ?)", [(f"{name}", "9" * 999) for name in range(99)])
        for name in (FILE, f"{FILE}-journal"):  # as kill -9 leaves them: both, and nobody who writes
            shutil.copy(tmp_path / name, copy)
        assert (copy / FILE).stat().st_size > 90_000
    assert load_sweep(copy).name == "s"
    assert [row["reason"] for row in load_sweep(copy).rows()] == ["max_steps"]
    assert [path.name for path in copy.iterdir()] == [FILE]
    with Store(copy) as store:
        assert store.keys() == {"a"}


def test_resume_of_an_empty_file(tmp_path):
    (tmp_path / FILE).touch()  # the file is made before its tables
    table = sweep("encoder", {"stopping.max_steps": [5]}, seeds=2, out=tmp_path, resume=True)
    assert len(table) == 2
    table.close()


def test_missing_store_is_reported(tmp_path):
    with refuses(tmp_path, "sweep.sqlite"):
        open_for_reading(tmp_path)
    (tmp_path / FILE).touch()
    with refuses(tmp_path):
        open_for_reading(tmp_path)


@pytest.mark.parametrize(
    "lost", ["UPDATE members SET configuration = 999 WHERE seed = 1", "DELETE FROM configurations"]
)
def test_missing_configuration_is_damage(tmp_path, lost):
    """Neither is the best row dropped without a word, nor trained once more."""
    recipe, out = tmp_path / "mine.toml", tmp_path / "out"
    recipe.write_text('[data]\nname = "xor"\n[network]\nlayers = [2, 1]\n[stopping]\nmax_steps = 2\n', encoding="utf-8")
    sweep(recipe, {"optimizer.learning_rate": [0.1, 0.2]}, seeds=2, out=out).close()
    with contextlib.closing(sqlite3.connect(out / FILE)) as connection, connection:
        connection.execute(lost)
    told = r"is damaged \(its rows refer to configurations that are not in it\); put a copy of it back"
    with pytest.raises(BadInput, match=told):
        load_sweep(out)
    with pytest.raises(BadInput, match=told):
        sweep(recipe, {"optimizer.learning_rate": [0.1, 0.2]}, seeds=2, out=out, resume=True)


def sweep_of(folder, given):
    """The table of configurations, each of two rows, by what its columns hold; their settings are 0, 1, 2 …"""
    with Store(folder) as store:
        numbers = store.add_configurations({one: ({"run.data_seed": place}, KEYS) for place, one in enumerate(given)})
        for name, columns in given.items():
            keys = [f"{name} {seed}" for seed in range(2)]
            table = table_of(keys)
            for column, values in columns.items():
                for row, value in zip(table, values, strict=True):
                    row[column] = value
            store.add_rows([{**row, "configuration": numbers[name]} for row in table], {}, (2, 1))
        store.write_notes(name="s", metric="r_squared", ranked="train", grid=["run.data_seed"], base={}, notes=[])
    return load_sweep(folder)


def ranked(table, **given):
    return [one.settings["run.data_seed"] for one in table.configurations(**given)]


def test_diverged_rows_leave_no_mean(tmp_path):
    # Means by hand: of the survivors 0.95, 0.9 and 0.55; of all rows there is only the last.
    given = {"lucky": [0.95, np.nan], "steady": [0.5, 0.6], "gone": [np.nan, np.nan], "lost": [0.9, -np.inf]}
    reasons = {
        name: ["max_steps" if np.isfinite(score) else "diverged" for score in scores] for name, scores in given.items()
    }
    table = sweep_of(tmp_path, {name: {"train_score": given[name], "reason": reasons[name]} for name in given})
    found = table.configurations()
    assert ranked(table) == [1, 0, 3, 2]
    assert [(one.rows, one.diverged) for one in found] == [(2, 0), (2, 1), (2, 1), (2, 2)]
    assert (found[0].mean, found[0].least, found[0].greatest) == (pytest.approx(0.55), 0.5, 0.6)
    assert {(one.mean, one.least, one.greatest) for one in found[1:]} == {(None, None, None)}


def test_equal_means_rank_by_objective(tmp_path):
    """(0.1 + 0.2) / 2 and 0.3 / 2 differ in the last digit alone; and what lacks an objective has no least one."""
    given = {
        "more": {"train_score": [0.1, 0.2], "train_objective": [3.0, 3.0]},
        "least": {"train_score": [0.3, 0.0], "train_objective": [1.0, 2.0]},
        "lacks": {"train_score": [0.15, 0.15], "train_objective": [0.0, np.inf]},
    }
    assert ranked(sweep_of(tmp_path, given)) == [1, 0, 2]


def test_scores_keep_the_order_of_the_ranked_part(tmp_path):
    given = {
        "a": {"train_score": [0.9, 0.9], "test_score": [0.1, 0.2]},
        "b": {"train_score": [0.3, 0.3], "test_score": [0.6, 0.8]},
    }
    table = sweep_of(tmp_path, given)
    assert ranked(table) == [0, 1] and ranked(table, part="test") == [1, 0]
    settings, scores = table.scores("test")
    assert [one["run.data_seed"] for one in settings] == [0, 1] and scores.tolist() == [[0.1, 0.2], [0.6, 0.8]]
