import contextlib
import errno
import shutil
import sqlite3
import subprocess
import sys

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from deltarule import sweep
from deltarule.errors import BadInput, RunFailed
from deltarule.sweeps import store as stores
from deltarule.sweeps.result import load_sweep
from deltarule.sweeps.store import Store, read_notes, seed_value
from deltarule.sweeps.store_connection import FILE, open_for_reading
from deltarule.sweeps.worker import COLUMNS, Table, read_completed_rows, write_completed_rows

KEYS = {"data": {"name": "xor"}, "network": {"layers": [2, 1]}, "stopping": {"max_steps": 1}}
SHARED = {"data": "d", "dtype": "float64", "numerics": 1, "engine": "reference", "train_seconds": 0.5}


def table_of(keys, score=0.5):
    table = Table()
    for number, key in enumerate(keys):
        values = dict.fromkeys(COLUMNS, score + number / 1000)
        table.add(**{**values, "key": key, "reason": "max_steps", "steps": 1, "best_step": 1, "layer": -1, "where": ""})
    return table


def fill(store, keys, seeds=None, weights=(), table=None):
    [number] = store.add_configurations(["c"], [{}], ("b", KEYS)).values()
    seeds = range(len(keys)) if seeds is None else seeds
    members = {
        key: {"configuration": number, "fold": None, "seed": seed} for key, seed in zip(keys, seeds, strict=True)
    }
    table = table or table_of(keys)
    table.weights = {key: (np.arange(3.0), np.zeros(0)) for key in weights}
    store.add_rows(table, members, (2, 1), None, **SHARED)
    store.write_notes(name="s", metric="accuracy", ranked="train", grid=[], workers=1, notes=[])


def test_what_is_written_is_read_and_nothing_twice(tmp_path):
    with Store(tmp_path) as store:
        fill(store, ["a", "b"], weights=["a"])
        fill(store, ["a", "b"], table=table_of(["a", "b"], score=0.9))
        assert store.keys() == {"a", "b"}
    assert [path.name for path in tmp_path.iterdir() if path.suffix != ".lock"] == [FILE]  # closed as one file
    sweep = load_sweep(tmp_path)
    assert [(row["key"], row["train_accuracy"]) for row in sweep.rows()] == [("a", 0.5), ("b", 0.501)]
    assert sweep.network("a").theta.tolist() == [0, 1, 2] and sweep.network("a").parameters()["W1"].shape == (2, 1)


@given(st.integers(0, 2**64 - 1))
@example(2**63 - 1)
@example(2**63)
def test_a_seed_of_any_size_comes_back(seed):
    connection = sqlite3.connect(":memory:")
    connection.execute("CREATE TABLE t (seed NOT NULL)")
    connection.execute("INSERT INTO t VALUES (?)", (seed_value(seed),))
    assert int(connection.execute("SELECT seed FROM t").fetchone()[0]) == seed
    connection.close()


def test_a_store_is_read_while_it_is_written(tmp_path):
    with Store(tmp_path) as store:
        fill(store, ["a"])
        reading = load_sweep(tmp_path)
        assert len(reading) == 1
        fill(store, ["b"])
        assert len(reading) == 2


def test_a_commit_is_on_the_disk_when_it_returns(tmp_path):
    with Store(tmp_path) as store:
        assert store.connection.execute("PRAGMA synchronous").fetchone() == (2,)  # FULL


def test_a_second_process_says_so_and_stops(tmp_path):
    script = f"from pathlib import Path\nfrom deltarule.sweeps.store import Store\nStore(Path({str(tmp_path)!r}))"
    with Store(tmp_path) as store:
        fill(store, ["a"])
        second = subprocess.run([sys.executable, "-c", script], capture_output=True, encoding="utf-8", check=False)
        assert second.returncode == 1 and "RunFailed: another process is at work on the sweep in" in second.stderr
        fill(store, ["b"])
    assert subprocess.run([sys.executable, "-c", script], check=False).returncode == 0


def test_a_lock_ends_with_its_process(tmp_path):
    script = "\n".join(
        [
            "import sys, time",
            "from pathlib import Path",
            "from deltarule.sweeps.store import Store",
            f"store = Store(Path({str(tmp_path)!r}))",
            "print('open', flush=True)",
            "time.sleep(60)",
        ]
    )
    with subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE) as process:
        assert process.stdout.readline()
        process.kill()
    with Store(tmp_path) as store:
        assert store.keys() == frozenset()


@pytest.mark.parametrize(
    ("spoil", "told"),
    [
        (lambda file: run_sql(file, "PRAGMA user_version=99"), "is a store of version 99, and this program reads"),
        (lambda file: run_sql(file, "PRAGMA application_id=7"), "is another program's SQLite file"),
        (lambda file: run_sql(file, "CREATE VIEW more AS SELECT 1"), "or has triggers"),
        (
            lambda file: run_sql(file, "CREATE TRIGGER t AFTER INSERT ON members BEGIN DELETE FROM members; END"),
            "or has triggers",
        ),
        (lambda file: file.write_bytes(b"no database " * 100), "is no store, or damaged"),
    ],
)
def test_a_file_that_is_no_store_of_ours_is_refused_and_left_as_it_is(tmp_path, spoil, told):
    with Store(tmp_path) as store:
        fill(store, ["a"])
    spoil(tmp_path / FILE)
    before = (tmp_path / FILE).read_bytes()
    for opened in (Store, load_sweep):
        with pytest.raises(BadInput) as error:
            opened(tmp_path)
        assert told in str(error.value)
    assert (tmp_path / FILE).read_bytes() == before


def test_damaged_pages_are_told_and_no_row_is_lost_or_written_twice(tmp_path):
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
            for opened in (Store, load_sweep):
                try:
                    with contextlib.closing(opened(tmp_path)) as found:
                        rows = found.keys() if opened is Store else [row["key"] for row in found.rows()]
                except BadInput:
                    told += 1
                else:
                    assert len(rows) == 36
    assert told > len(pages) ** 2
    (tmp_path / FILE).write_bytes(undamaged.replace(f"{7:064}".encode(), f"{8:064}".encode(), 1))
    damaged = (tmp_path / FILE).read_bytes()
    with pytest.raises(BadInput, match=r"sweep.sqlite is damaged \(.*\); put a copy of it back, or sweep into a new"):
        Store(tmp_path)
    assert (tmp_path / FILE).read_bytes() == damaged


def test_what_sqlite_finds_is_told_in_one_line(tmp_path):
    with Store(tmp_path) as store:
        fill(store, ["a"])
        place = store.connection.execute("SELECT rootpage FROM sqlite_master WHERE name = 'networks'").fetchone()[0]
        [size] = store.connection.execute("PRAGMA page_size").fetchone()
    content = bytearray((tmp_path / FILE).read_bytes())
    content[place * size - 100 : place * size] = bytes(100)
    content[(place - 1) * size + 1 : (place - 1) * size + 5] = (300).to_bytes(2, "big") * 2
    (tmp_path / FILE).write_bytes(content)
    with pytest.raises(BadInput) as error:
        load_sweep(tmp_path)
    assert "***" not in str(error.value) and r"\n" not in str(error.value)


def test_damage_is_told_where_the_caller_handles_ctrl_c(tmp_path):
    sweep("encoder", {"stopping.max_steps": [5]}, seeds=1, out=tmp_path).close()
    with contextlib.closing(sqlite3.connect(tmp_path / FILE)) as connection, connection:
        connection.execute("UPDATE about SET value = '5' WHERE name = 'notes'")
    try:
        raise KeyboardInterrupt
    except KeyboardInterrupt:
        with pytest.raises(BadInput, match="the store of the sweep is damaged"):
            load_sweep(tmp_path)


def test_a_sweep_reads_its_store_once_for_damage(tmp_path, monkeypatch):
    looks = []
    monkeypatch.setattr(stores, "check_integrity", lambda *_: looks.append(1))
    sweep("encoder", {"stopping.max_steps": [5]}, seeds=1, out=tmp_path).close()
    assert len(looks) == 1


@pytest.mark.parametrize("name", ["formulas", "grid", "runs", "workers", "metric", "keys"])
@pytest.mark.parametrize("value", ["null", "5", "0", "-3", "[[1]]", '"x"'])
def test_values_that_no_sweep_has_written_are_told_by_whoever_goes_on(tmp_path, name, value):
    given = {"grid": {"stopping.max_steps": [5]}, "seeds": 2, "out": tmp_path}
    sweep("encoder", **given).close()
    with contextlib.closing(sqlite3.connect(tmp_path / FILE)) as connection, connection:
        if name == "keys":
            connection.execute("UPDATE bases SET keys = ?", [value])
        else:
            connection.execute("UPDATE about SET value = ? WHERE name = ?", [value, name])
    given["grid"] = {"stopping.max_steps": [5, 6]}
    with contextlib.suppress(BadInput):  # some of them are gone on with, and none ends in a traceback
        sweep("encoder", **given, resume=True).close()


@pytest.mark.skipif(sys.platform == "win32", reason="locks files otherwise")
def test_a_disk_without_locks_is_told_and_a_lock_that_was_left_stops_nobody_else(tmp_path, monkeypatch):
    import fcntl

    def lacking(*_):
        raise OSError(errno.ENOSYS, "Function not implemented")

    (tmp_path / stores.LOCK).write_text("12345\nanother machine\n")
    monkeypatch.setattr(fcntl, "flock", lacking)
    for _ in range(2):
        with pytest.raises(RunFailed, match="sweep.lock cannot be locked: .*; name a folder on a disk of this machine"):
            Store(tmp_path)
    monkeypatch.undo()
    Store(tmp_path).close()


def run_sql(file, text):
    connection = sqlite3.connect(file)
    connection.execute(text)
    connection.close()


def test_a_full_disk_loses_nothing(tmp_path):
    with Store(tmp_path) as store:
        fill(store, ["a"])
        pages = store.connection.execute("PRAGMA page_count").fetchone()[0]
        store.connection.execute(f"PRAGMA max_page_count={pages}")
        with pytest.raises(RunFailed, match="could not be written: database or disk is full; what is in it stays"):
            fill(store, [f"{number:064}" for number in range(5000)])
        assert store.keys() == {"a"}
    assert len(load_sweep(tmp_path)) == 1
    with Store(tmp_path) as store:
        fill(store, ["b"])
    assert len(load_sweep(tmp_path)) == 2


def test_what_a_killed_process_had_half_written_is_taken_back_by_whoever_reads_next(tmp_path):
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
    assert read_notes(copy)["name"] == "s"
    assert [row["reason"] for row in load_sweep(copy).rows()] == ["max_steps"]
    assert [path.name for path in copy.iterdir()] == [FILE]
    with Store(copy) as store:
        assert store.keys() == {"a"}


def test_a_sweep_that_was_killed_as_it_began_is_gone_on_with(tmp_path):
    (tmp_path / FILE).touch()  # the file is made before its tables
    table = sweep("encoder", {"stopping.max_steps": [5]}, seeds=2, out=tmp_path, resume=True)
    assert len(table) == 2
    table.close()


def test_a_reader_says_where_there_is_nothing(tmp_path):
    with pytest.raises(BadInput, match="holds no sweep: there is no sweep.sqlite in it"):
        open_for_reading(tmp_path)
    (tmp_path / FILE).touch()
    with pytest.raises(BadInput, match="holds no sweep yet"):
        open_for_reading(tmp_path)


def test_rows_beside_a_checkpoint_come_back_as_they_were(tmp_path):
    table = table_of(["a", "b"], score=float("nan"))
    table.train_score[1] = 0.1 + 0.2
    table.weights["b"] = (np.array([1.5], np.float32), np.zeros(0, np.float32))
    write_completed_rows(tmp_path / "rows", table)
    again = read_completed_rows(tmp_path / "rows")
    for column in COLUMNS:
        assert str(getattr(again, column)) == str(getattr(table, column))
    assert again.weights["b"][0].dtype == np.float32 and again.weights["b"][0].tolist() == [1.5]


def test_a_table_that_was_put_aside_is_stored_as_one_that_was_not(tmp_path):
    table = table_of(["a", "b", "c"], score=0.5)
    for column in stores.SCORES:
        getattr(table, column)[:] = [-np.inf, np.inf, np.nan]
    write_completed_rows(tmp_path / "rows", table)
    for name, one in (("undisturbed", table), ("gone on with", read_completed_rows(tmp_path / "rows"))):
        with Store(tmp_path / name) as store:
            fill(store, table.key, table=one)
            columns = ", ".join(stores.SCORES)
            assert set(store.connection.execute(f"SELECT {columns} FROM members")) == {(None,) * len(stores.SCORES)}


@pytest.mark.parametrize(
    "lost", ["UPDATE members SET configuration = 999 WHERE seed = 1", "DELETE FROM configurations"]
)
def test_rows_whose_configuration_is_not_there_are_told_and_not_left_out(tmp_path, lost):
    """Neither is the best row dropped without a word, nor trained once more."""
    recipe, out = tmp_path / "mine.toml", tmp_path / "out"
    recipe.write_text('[data]\nname = "xor"\n[network]\nlayers = [2, 1]\n[stopping]\nmax_steps = 2\n', encoding="utf-8")
    sweep(recipe, {"optimizer.learning_rate": [0.1, 0.2]}, seeds=2, out=out).close()
    with contextlib.closing(sqlite3.connect(out / FILE)) as connection, connection:
        connection.execute(lost)
    told = (
        r"^the store of the sweep is damaged, or somebody has changed it \(there is no configuration \d+, of which it "
        r"has rows\); sweep into a new folder$"
    )
    with pytest.raises(BadInput, match=told):
        load_sweep(out)
    with pytest.raises(BadInput, match=told):
        sweep(recipe, {"optimizer.learning_rate": [0.1, 0.2]}, seeds=2, out=out, resume=True)


def sweep_of(folder, given):
    """The table of configurations, each of two rows, by what its columns hold; their settings are 0, 1, 2 …"""
    with Store(folder) as store:
        settings = [{"run.data_seed": place} for place in range(len(given))]
        numbers = store.add_configurations(list(given), settings, ("b", KEYS))
        for name, columns in given.items():
            keys = [f"{name} {seed}" for seed in range(2)]
            table = table_of(keys)
            for column, values in columns.items():
                getattr(table, column)[:] = values
            members = {
                key: {"configuration": numbers[name], "fold": None, "seed": seed} for seed, key in enumerate(keys)
            }
            store.add_rows(table, members, (2, 1), None, **SHARED)
        store.write_notes(
            name="s", metric="r_squared", ranked="train", grid=["run.data_seed"], workers=1, notes=[], base="b"
        )
    return load_sweep(folder)


def ranked(table, **given):
    return [one.settings["run.data_seed"] for one in table.configurations(**given)]


def test_survivors_do_not_stand_for_their_configuration(tmp_path):
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


def test_of_means_that_are_equal_the_least_mean_objective_comes_first(tmp_path):
    """(0.1 + 0.2) / 2 and 0.3 / 2 differ in the last digit alone; and what lacks an objective has no least one."""
    given = {
        "more": {"train_score": [0.1, 0.2], "train_objective": [3.0, 3.0]},
        "least": {"train_score": [0.3, 0.0], "train_objective": [1.0, 2.0]},
        "lacks": {"train_score": [0.15, 0.15], "train_objective": [0.0, np.inf]},
    }
    assert ranked(sweep_of(tmp_path, given)) == [1, 0, 2]


def test_each_part_ranks_for_itself_and_all_scores_stand_in_the_order_of_the_sweep_s(tmp_path):
    given = {
        "a": {"train_score": [0.9, 0.9], "test_score": [0.1, 0.2]},
        "b": {"train_score": [0.3, 0.3], "test_score": [0.6, 0.8]},
    }
    table = sweep_of(tmp_path, given)
    assert ranked(table) == [0, 1] and ranked(table, part="test") == [1, 0]
    settings, scores = table.scores("test")
    assert [one["run.data_seed"] for one in settings] == [0, 1] and scores.tolist() == [[0.1, 0.2], [0.6, 0.8]]


MILLION = """
INSERT INTO members
WITH RECURSIVE numbers (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM numbers WHERE n < 1000000)
SELECT n, configuration, NULL, n, data, dtype, numerics, engine, status, reason, 1, 1, n % 1000, NULL, NULL,
    ((n * 7919) % 1000003) / 1e6, NULL, NULL, NULL, NULL, 0.1
FROM numbers, (SELECT * FROM members WHERE key = 'a')
"""


def test_a_store_that_could_not_be_opened_is_free_for_whoever_puts_it_right(tmp_path):
    """Also as long as the error is kept, as a notebook keeps the last one with all that it came through."""
    with Store(tmp_path) as store:
        fill(store, ["a"])
    whole = (tmp_path / FILE).read_bytes()
    run_sql(tmp_path / FILE, "PRAGMA user_version=99")
    with pytest.raises(BadInput, match="version 99") as kept:
        Store(tmp_path)
    (tmp_path / FILE).write_bytes(whole)
    with Store(tmp_path) as store:
        assert kept.value.__traceback__ is not None and store.keys() == {"a"}


def test_a_store_that_is_closed_is_read_where_nothing_can_be_written(tmp_path):
    """As on a disk that is mounted to be read alone: a file in the mode with a log beside it cannot be opened there."""
    with Store(tmp_path) as store:
        fill(store, ["a"])
    # Of SQLite's header the bytes 18 and 19 say how it is to be written and read: 1 without a log, 2 with one.
    assert (tmp_path / FILE).read_bytes()[18:20] == bytes([1, 1])
