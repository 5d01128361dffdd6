import contextlib
import csv
import io
import json
import subprocess
import sys

import pandas
import pytest

from deltarule import load_sweep

RECIPE = """
[data]
name = "xor"
[network]
layers = [2, 3, 1]
output = "sigmoid"
[stopping]
max_steps = 20
[run]
seeds = 2
[grid]
"optimizer.learning_rate" = [0.1, 1.0]
"network.layers" = [[2, 3, 1], [2, 2, 1]]
"""


@pytest.fixture
def mine(tmp_path):
    (tmp_path / "mine.toml").write_text(RECIPE, encoding="utf-8")
    return tmp_path / "mine.toml"


@pytest.mark.slow
def test_sweep_and_table(deltarule, mine, tmp_path):
    status, out, _ = deltarule("sweep", mine, "--out", tmp_path / "out", "--folds", 3)
    assert status == 0
    assert "learning_rate" in out and "24 rows, 0 of them diverged; mean accuracy on the validation rows" in out
    status, out, _ = deltarule("sweep", "--table", tmp_path / "out")
    rows = list(csv.DictReader(io.StringIO(out)))
    assert status == 0 and len(rows) == 24 and rows[0]["network.layers"] == "[2, 3, 1]"
    assert {row["fold"] for row in rows} == {"0/3", "1/3", "2/3"}
    _, out, _ = deltarule("sweep", "--table", tmp_path / "out", "--format", "json")
    assert out == deltarule("sweep", "--table", tmp_path / "out", "--json")[1]
    table = json.loads(out)
    assert [row["key"] for row in table["rows"]] == [row["key"] for row in rows]
    done = subprocess.run(
        [sys.executable, "-m", "deltarule", "sweep", "--table", str(tmp_path / "out"), "--format", "parquet"],
        capture_output=True,
        check=True,
    )
    frame = pandas.read_parquet(io.BytesIO(done.stdout))
    assert frame["train_objective"].tolist() == [row["train_objective"] for row in table["rows"]]


def test_parquet_says_what_it_needs(deltarule, tmp_path, monkeypatch):
    """As if neither the library nor what may stand in for it were there."""
    assert deltarule("sweep", "encoder", "--seeds", 1, "--set", "stopping.max_steps=5", "--out", tmp_path)[0] == 0
    for name in ("pyarrow", "fastparquet"):
        monkeypatch.setitem(sys.modules, name, None)
    told = 'Parquet needs pyarrow, which is not installed; install it with: pip install "deltarule[frames]"'
    assert deltarule("sweep", "--table", tmp_path, "--format", "parquet") == (2, "", f"deltarule: {told}\n")


MIXED = """
"optimizer.batch_size" = [2, "none"]
"network.dropout" = [0.1, [0.2]]
"loss.penalty" = ["none", "l2"]
"data.scale" = ["none", "unit"]
"optimizer.name" = ["sgd", {name = "momentum", momentum = 0.5}]
"""


@pytest.mark.slow
def test_mixed_values_in_every_format(deltarule, tmp_path):
    """What "none" takes away is null; a name that is "none" is a name."""
    (tmp_path / "mine.toml").write_text(RECIPE.partition("[grid]")[0] + "[grid]" + MIXED, encoding="utf-8")
    assert deltarule("sweep", tmp_path / "mine.toml", "--out", tmp_path / "out", "--seeds", 1)[0] == 0
    _, out, _ = deltarule("sweep", "--table", tmp_path / "out", "--json")
    rows = json.loads(out)["rows"]
    found = {key: {json.dumps(row[key]) for row in rows} for key in rows[0] if "." in key}
    momentum = '{"name": "momentum", "momentum": 0.5}'
    assert found == {
        "optimizer.batch_size": {"2", "null"},
        "network.dropout": {"0.1", "[0.2]"},
        "loss.penalty": {"null", '"l2"'},
        "data.scale": {'"none"', '"unit"'},
        "optimizer.name": {'"sgd"', momentum},
    }
    command = [sys.executable, "-m", "deltarule", "sweep", "--table", str(tmp_path / "out"), "--format", "parquet"]
    frame = pandas.read_parquet(io.BytesIO(subprocess.run(command, capture_output=True, check=True).stdout))
    kept = {key: {one for one in frame[key].tolist() if not pandas.isna(one)} for key in found}
    assert kept == {
        "optimizer.batch_size": {2},
        "network.dropout": {"0.1", "[0.2]"},
        "loss.penalty": {"l2"},
        "data.scale": {"none", "unit"},
        "optimizer.name": {"sgd", momentum},
    }
    assert frame["loss.penalty"].isna().sum() == frame["optimizer.batch_size"].isna().sum() == len(rows) / 2


def test_json_and_settings_and_resume(deltarule, mine, tmp_path):
    settings = "--set", "network.layers=[2,3,1]", "--seeds", 3, "--out", tmp_path / "out", "--resume", "--json"
    settings += ("--keep",)
    status, out, _ = deltarule("sweep", mine, *settings)
    told = json.loads(out)
    assert status == 0 and told["rows"] == 6 and told["ranked"] == "train" and len(told["best"]) == 6
    assert json.loads(deltarule("sweep", mine, *settings)[1])["rows"] == 6
    with contextlib.closing(load_sweep(tmp_path / "out")) as table:
        assert len(table.kept()) == 6


def test_configuration_without_a_mean(deltarule, mine):
    rates = "--set", "optimizer.learning_rate=1e300", "--set", "network.output=identity", "--set", "data.name=diabetes"
    words = mine, *rates, "--set", 'network.layers=["auto",2,"auto"]', "--set", "stopping.max_steps=5"
    status, out, _ = deltarule("sweep", *words)
    assert status == 0 and "–" in out and "2 rows, 2 of them diverged" in out
    [one] = json.loads(deltarule("sweep", *words, "--json")[1])["configurations"]
    assert (one["rows"], one["diverged"], one["mean"], one["least"], one["greatest"]) == (2, 2, None, None, None)


@pytest.mark.parametrize(
    ("words", "told"),
    [
        ([], "no study is named"),
        (["encoder", "--format", "csv"], "--format is given without --table"),
        (["encoder", "--table", "nowhere"], "leave encoder out"),
        (["--table", "nowhere"], "nowhere holds no sweep"),
        (["--table", "x", "--out", "z"], "leave --out out (send the table into a file by > table.csv)"),
        (["--table", "x", "--folds", "3", "--keep", "--resume"], "leave --folds, --keep, --resume out"),
        (["encoder", "--engine", "fast"], 'run.engine is "fast"; give "auto", "reference", "compiled" or "autograd"'),
    ],
)
def test_bad_use(deltarule, words, told):
    status, out, error = deltarule("sweep", *words)
    assert status == 2 and out == "" and error.count("\n") == 1 and told in error
