import contextlib
import csv
import io
import json

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
    table = json.loads(deltarule("sweep", "--table", tmp_path / "out", "--json")[1])
    assert [row["key"] for row in table["rows"]] == [row["key"] for row in rows]


MIXED = """
"optimizer.batch_size" = [2, "none"]
"network.dropout" = [0.1, [0.2]]
"loss.penalty" = ["none", "l2"]
"data.scale" = ["none", "unit"]
"optimizer.name" = ["sgd", {name = "momentum", momentum = 0.5}]
"""


@pytest.mark.slow
def test_mixed_values(deltarule, tmp_path):
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


@pytest.mark.slow
def test_json_and_settings_and_resume(deltarule, mine, tmp_path):
    settings = "--set", "network.layers=[2,3,1]", "--seeds", 3, "--out", tmp_path / "out", "--resume", "--json"
    settings += ("--keep",)
    status, out, _ = deltarule("sweep", mine, *settings)
    told = json.loads(out)
    assert status == 0 and told["rows"] == 6 and told["ranked"] == "train" and len(told["best"]) == 6
    assert json.loads(deltarule("sweep", mine, *settings)[1])["rows"] == 6
    with contextlib.closing(load_sweep(tmp_path / "out")) as table:
        assert len(table.kept()) == 6


def test_keys_are_varied_without_a_grid(deltarule, mine):
    varied = ("--vary", "optimizer.learning_rate=0.5,2", "--vary", "network.layers=[2, 3, 1],[2, 4, 1]")
    status, out, _ = deltarule("sweep", mine, *varied, "--json")
    settings = {json.dumps(one["settings"]) for one in json.loads(out)["configurations"]}
    assert status == 0 and json.loads(out)["rows"] == 8
    assert {json.loads(one)["optimizer.learning_rate"] for one in settings} == {0.5, 2.0} and len(settings) == 4


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
        (["encoder", "--table", "nowhere"], "leave the study and --out out"),
        (["--table", "nowhere"], "nowhere holds no sweep"),
        (
            ["encoder", "--engine", "fast"],
            'run.engine is "fast"; give "auto", "reference", "compiled", "cuda" or "autograd"',
        ),
    ],
)
def test_bad_use(deltarule, words, told):
    status, out, error = deltarule("sweep", *words)
    assert status == 2 and out == "" and error.count("\n") == 1 and told in error
