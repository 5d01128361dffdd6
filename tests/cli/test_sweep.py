import csv
import io
import json
import subprocess
import sys

import pandas
import pytest

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


def test_a_sweep_is_told_kept_and_printed(deltarule, mine, tmp_path):
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


def test_json_and_settings_and_resume(deltarule, mine, tmp_path):
    settings = "--set", "network.layers=[2,3,1]", "--seeds", 3, "--out", tmp_path / "out", "--resume", "--json"
    status, out, _ = deltarule("sweep", mine, *settings)
    told = json.loads(out)
    assert status == 0 and told["rows"] == 6 and told["ranked"] == "train" and len(told["best"]) == 6
    assert json.loads(deltarule("sweep", mine, *settings)[1])["rows"] == 6


def test_a_recipe_without_a_grid_is_one_configuration(deltarule):
    status, out, _ = deltarule("sweep", "encoder", "--seeds", 2, "--set", "stopping.max_steps=10", "--json")
    assert status == 0 and json.loads(out)["rows"] == 2 and json.loads(out)["out"] is None


def test_a_configuration_without_a_mean_is_told_last(deltarule, mine):
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
        (["encoder", "--resume"], "--resume goes on with the store in the folder of --out"),
        (["encoder", "--format", "csv"], "--format is given without --table"),
        (["encoder", "--table", "nowhere"], "leave encoder out"),
        (["--table", "nowhere"], "nowhere holds no sweep"),
        (["--table", "x", "--out", "z"], "leave --out out (send the table into a file by > table.csv)"),
        (["--table", "x", "--folds", "3", "--keep", "none", "--resume"], "leave --folds, --keep, --resume out"),
        (["--table", "x", "--seeds", "3", "--set", "a=1", "--workers", "2"], "leave --seeds, --set, --workers out"),
        (["encoder", "--engine", "fast"], 'run.engine is "fast"; give "auto", "reference", "compiled" or "autograd"'),
        (["encoder", "--folds", "3"], "3 folds are impossible with 1 rows in the smallest class"),
    ],
)
def test_bad_use_is_told(deltarule, words, told):
    status, out, error = deltarule("sweep", *words)
    assert status == 2 and out == "" and error.count("\n") == 1 and told in error
