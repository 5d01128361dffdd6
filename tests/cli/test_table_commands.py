"""`deltarule train`, `predict` and `evaluate`: from a table to answers, in files of each kind."""

import csv
import io
import json
import re
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from rich.console import Console
from terminal import Terminal

from deltarule import MLPRegressor, load_model
from deltarule.cli import output
from deltarule.cli.train import TrainOutcome
from deltarule.estimators.tabular.scores import Scores

pytestmark = pytest.mark.usefixtures("one_candidate")

RANDOM = np.random.default_rng(2)
N = 80
CLI = (Path(__file__).parents[2] / "docs" / "reference" / "cli.md").read_text(encoding="utf-8")


def houses(rows, random):
    area, place = random.normal(100, 30, rows), random.choice(["town", "village"], rows)
    price = np.round(3 * area + np.where(place == "town", 200, 0) + random.normal(scale=5, size=rows), 2)
    return pd.DataFrame({"number": np.arange(rows), "area": area, "place": place, "price": price, "dear": price > 400})


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("houses")
    random = np.random.default_rng(2)  # of its own: the tables are the same whatever test comes first
    train, test = houses(N, random), houses(30, random)
    train.loc[3, "area"] = None
    train.loc[4, "price"] = None
    for name, table in {"train": train, "test": test}.items():
        table.to_csv(folder / f"{name}.csv", index=False)
        table.to_csv(folder / f"{name}.tsv", index=False, sep="\t")
        if find_spec("pyarrow") is not None:
            table.to_parquet(folder / f"{name}.parquet")
    table = test.drop(columns=["price"]).head(3)
    table.loc[0, "place"] = "island"
    table.to_csv(folder / "new.csv", index=False)
    test.to_csv(folder / "semicolons.csv", index=False, sep=";", decimal=",")
    MLPRegressor(hidden_layer_sizes=(2,), max_iter=2).fit(np.eye(3), [1, 2, 3]).save(folder / "plain.safetensors")
    return folder


@pytest.fixture
def model(folder, deltarule):
    """Trained once."""
    path = folder / "model.safetensors"
    if not path.exists():
        words = ("--target", "price", "--type", "dear=unused", "--type", "number=unused", "--out", path)
        assert deltarule("train", folder / "train.csv", *words)[0] == 0
    return path


@pytest.mark.slow
def test_train_reports_types_scores_and_notes(deltarule, folder):
    status, out, _ = deltarule("train", folder / "train.csv", "--target", "price", "--type", "dear=unused", "--json")
    assert status == 0
    outcome = json.loads(out)
    kinds = {column["name"]: column["kind"] for column in outcome["columns"]}
    assert kinds == {"number": "unused", "area": "number", "place": "category", "dear": "unused"}
    assert outcome["task"] == "regress" and outcome["rows"] == N - 1 and outcome["classes"] is None
    assert outcome["scores"]["score"] > 0.9 > 0.1 > outcome["scores"]["baseline"]
    assert "1 of 80 rows have no value of 'price' and are left out" in outcome["notes"]
    assert any("'number' is not used: an identifier" in note for note in outcome["notes"])
    section = re.search(r"^## `deltarule train`\n(.*?)^## ", CLI, re.MULTILINE | re.DOTALL)[1]
    documented = {
        name for row in re.findall(r"^\| (`.*?) \|", section, re.MULTILINE) for name in re.findall(r"`(\w+)`", row)
    }
    assert set(TrainOutcome.__dataclass_fields__) == set(outcome) <= documented
    assert set(Scores.__dataclass_fields__) <= set(re.findall(r"`(\w+)`", section))


@pytest.mark.needs("pyarrow")
@pytest.mark.complete_search
@pytest.mark.slow
def test_train_prints_columns_and_baseline(deltarule, folder, tmp_path):
    words = ("--target", "dear", "--type", "price=unused", "--out", tmp_path / "model.safetensors")
    status, out, err = deltarule("train", folder / "test.parquet", *words)
    assert (status, err) == (0, "settings are compared, then an ensemble is trained …\n")
    for told in ("4 columns: ", "price", "as declared", "dear, 2 classes", "accuracy", "baseline", "always"):
        assert told in out
    assert load_model(tmp_path / "model.safetensors").target_ == "dear"


@pytest.mark.needs("pyarrow")
@pytest.mark.slow
def test_predictions_do_not_depend_on_the_file_format(deltarule, folder, model, tmp_path):
    said = [deltarule("predict", model, folder / f"test.{ending}") for ending in ("csv", "tsv", "parquet")]
    said.append(deltarule("predict", model, folder / "semicolons.csv", "--sep", ";", "--decimal", ","))
    assert said[0] == said[1] == said[2] == said[3] and said[0][0] == 0
    rows = list(csv.reader(io.StringIO(said[0][1])))
    ours = load_model(model).predict(pd.read_csv(folder / "test.csv", float_precision="round_trip"))
    assert rows[0] == ["price"] and [float(row[0]) for row in rows[1:]] == ours.tolist()
    deltarule("predict", model, folder / "test.csv", "--out", tmp_path / "answers.csv")
    assert (tmp_path / "answers.csv").read_text(encoding="utf-8") == said[0][1]
    status, out, _ = deltarule("predict", model, folder / "test.csv", "--out", tmp_path / "beside.csv", "--json")
    assert status == 0 and json.loads(out)["predictions"] == ours.tolist()
    assert (tmp_path / "beside.csv").read_text(encoding="utf-8") == said[0][1]


@pytest.mark.slow
def test_predict_probabilities(deltarule, folder, tmp_path):
    path = tmp_path / "model.safetensors"
    deltarule("train", folder / "train.tsv", "--target", "place", "--task", "classify", "--out", path)
    status, out, _ = deltarule("predict", path, folder / "test.csv", "--json")
    answers = json.loads(out)
    assert (
        status == 0 and answers["classes"] == ["town", "village"] and set(answers["predictions"]) <= {"town", "village"}
    )
    np.testing.assert_allclose(np.sum(answers["probabilities"], axis=1), 1)
    _, out, _ = deltarule("predict", path, folder / "test.csv")
    assert out.splitlines()[0] == "place,probability of town,probability of village"


@pytest.mark.slow
def test_new_categories_are_reported(deltarule, folder, model):
    status, out, err = deltarule("predict", model, folder / "new.csv")
    assert status == 0 and len(out.splitlines()) == 4
    told = "(rare, too many, or not in training) in 1 row: 'island'"
    assert f"Note: the column 'place' has categories without a feature of their own {told}." in err


@pytest.mark.slow
def test_quiet_prints_the_score(deltarule, folder, model):
    for words in (["evaluate", model, folder / "test.csv"], ["train", folder / "train.csv", "--target", "price"]):
        status, out, err = deltarule(*words, "--quiet")
        assert (status, err) == (0, "") and re.fullmatch(r"R²  -?\d\S* \(.+\) on \d+ rows\n", out)


@pytest.mark.slow
def test_evaluate_writes_a_page(deltarule, folder, model, tmp_path):
    page = tmp_path / "page of it.html"
    status, out, _ = deltarule("evaluate", model, folder / "test.csv", "--report", page, "--json")
    found = json.loads(out)
    assert status == 0 and found["report"] == str(page)
    assert [one["column"] for one in found["importances"]] == ["area", "place"]
    assert found["classes"] == found["mistakes"] == found["calibration"] == []
    text = page.read_text(encoding="utf-8")
    assert "Predicted against true values" in text and f"{found['scores']['score']:.3f}" in text
    assert f"--report &#39;{page}&#39;" in text  # as a shell takes it
    _, out, _ = deltarule("evaluate", model, folder / "test.csv", "--report", page)
    lines = out.splitlines()
    assert (
        next(line for line in lines if line.startswith("area")).split()[1] == f"{found['importances'][0]['loss']:.3f}"
    )
    assert out.endswith(f"Written: {page}\n")


@pytest.mark.slow
def test_guesses_about_a_file_are_notes(deltarule, folder, tmp_path):
    text = (folder / "train.csv").read_text(encoding="utf-8").replace("town", "Köln")
    (tmp_path / "t.txt").write_bytes(text.replace(",", ";").replace(".", ",").encode("cp1252"))
    words = ("--target", "price", "--decimal", ",", "--out", tmp_path / "m")
    outcome = json.loads(deltarule("train", tmp_path / "t.txt", *words, "--json")[1])
    assert [column["kind"] for column in outcome["columns"]][1:3] == ["number", "category"]
    for words in (
        ("train", "--target", "price", "--decimal", ","),
        ("predict", "--decimal", ","),
        ("evaluate", "--decimal", ","),
    ):
        files = [tmp_path / "t.txt"] if words[0] == "train" else [tmp_path / "m", tmp_path / "t.txt"]
        _, out, err = deltarule(words[0], *files, *words[1:])
        for told in ("is not text in UTF-8 and is read as cp1252", "has columns separated by ';', not ','"):
            assert told in out + err


@pytest.mark.slow
def test_a_table_comes_from_standard_input(folder, model):
    program = [sys.executable, "-m", "deltarule", "predict", model]
    with (folder / "test.csv").open("rb") as stdin:
        piped = subprocess.run([*program, "-"], stdin=stdin, capture_output=True, check=True).stdout
    assert piped == subprocess.run([*program, folder / "test.csv"], capture_output=True, check=True).stdout


@pytest.mark.slow
def test_classes_are_compared_by_name(deltarule, tmp_path):
    """Of the classes 1, 2 and x only numbers are in the second table, and a 9 that the model has never seen."""
    rows = "".join(f"{n % 3 + RANDOM.normal(scale=0.1)},{'12x'[n % 3]}\n" for n in range(30))
    (tmp_path / "train.csv").write_text(f"size,kind\n{rows}", encoding="utf-8")
    (tmp_path / "test.csv").write_text("size,kind\n0.0,1\n1.0,2\n1.0,9\n", encoding="utf-8")
    words = ("--target", "kind", "--out", tmp_path / "model.safetensors")
    assert deltarule("train", tmp_path / "train.csv", *words)[0] == 0
    _, out, _ = deltarule("evaluate", tmp_path / "model.safetensors", tmp_path / "test.csv", "--json")
    found = json.loads(out)
    assert found["scores"]["score"] == pytest.approx(2 / 3)
    assert found["notes"] == ["unknown classes '9': the model was not trained on them and never predicts them"]
    assert found["scores"]["log_loss"] < found["scores"]["baseline_log_loss"] == pytest.approx(np.log(2))


def test_elapsed_time_on_a_terminal(monkeypatch):
    """A line that is gone when the work is done; elsewhere there is nothing."""
    for is_terminal in (True, False):
        screen = Console(file=Terminal() if is_terminal else io.StringIO(), force_terminal=is_terminal, width=80)
        monkeypatch.setattr(output, "console", lambda to_errors, screen=screen: screen)
        with output.show_elapsed_time("houses\x1b[2J.csv: settings are compared"):
            pass
        said = screen.file.getvalue()
        assert is_terminal == (".csv: settings are compared" in said) == ("0:00:0" in said)
        assert "\x1b[2J" not in said and (not is_terminal or said.endswith("\x1b[2K"))


def written(path, header, rows):
    path.write_text("\n".join([header, *(",".join(map(str, row)) for row in rows)]) + "\n", encoding="utf-8")
    return path


@pytest.mark.sampled(4)
@pytest.mark.parametrize(
    ("task", "cells", "classes"),
    [
        ("classify", ["1.5", "1", "2.5"], ["1", "1.5", "2.5"]),
        ("auto", ["01", "02", "1A"], ["01", "02", "1A"]),
    ],
)
def test_classes_keep_their_names(deltarule, tmp_path, task, cells, classes):
    rows = [(n % 3 + n * 37 % 60 / 600, cells[n % 3]) for n in range(60)]
    table = written(tmp_path / "train.csv", "x,y", rows)
    words = ("--target", " y ", "--task", task, "--out", tmp_path / "m", "--json")
    outcome = json.loads(deltarule("train", table, *words)[1])
    assert (outcome["classes"], outcome["target"]) == (classes, "y")
    for some in (rows, [row for row in rows if row[1] != cells[2]]):  # such as 01 and 02 alone
        found = json.loads(deltarule("evaluate", tmp_path / "m", written(table, "x,y", some), "--json")[1])
        assert found["scores"]["score"] == 1 and not any("not know" in note for note in found["notes"])


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (("train", "train.csv", "--target", "price", "--type", "price=number"), "--type price=number names the target"),
        (("train", "train.csv"), "Missing option '--target'"),
        (("train", "train.csv", "--target", "cost"), "has no column 'cost'; it has: number, area, place, price, dear"),
        (("train", "gone.csv", "--target", "b"), "gone.csv does not exist"),
        (("train", "train.csv", "--target", "price", "--type", "area"), "--type area has no ="),
        (("train", "train.csv", "--target", "price", "--type", "area=big"), "the column 'area' cannot be 'big'"),
        (("train", "train.csv", "--target", "price", "--out", "train.csv"), "train.csv is an input itself"),
        (
            ("train", "train.csv", "--target", "price", "--out", "nowhere/m"),
            "nowhere/m cannot be written: No such file or directory",
        ),
        (("predict", "model.safetensors", "test.csv", "--out", "test.csv"), "test.csv is an input itself"),
        (
            ("predict", "model.safetensors", "test.csv", "--out", "model.safetensors"),
            "--out model.safetensors is an input itself, model.safetensors, and would be lost",
        ),
        (("predict", "train.csv", "test.csv"), "train.csv is damaged or no safetensors file"),
        (("predict", ".", "test.csv"), ". is not a file; name a file"),
        (("predict", "plain.safetensors", "test.csv"), "holds an MLPRegressor, which takes no tables"),
        (("predict", "model.safetensors", "test.csv", "--out", "a.parquet"), "a.parquet: answers are written as text"),
        (("evaluate", "model.safetensors", "test.csv", "--report", "test.csv"), "test.csv is an input itself"),
        (
            ("evaluate", "model.safetensors", "test.csv", "--report", "nowhere/page.html"),
            "nowhere/page.html cannot be written: No such file or directory",
        ),
    ],
)
def test_bad_use_is_one_sentence(deltarule, folder, model, monkeypatch, words, sentence):
    monkeypatch.chdir(folder)
    before = {path: path.read_bytes() for path in folder.iterdir()}
    status, out, err = deltarule(*words)
    assert status == 2 and out == "" and sentence in err and len(err.strip().splitlines()) == 1
    assert {path: path.read_bytes() for path in folder.iterdir()} == before


@pytest.mark.complete_search
def test_columns_are_reported_before_the_search(deltarule, folder, monkeypatch):
    def interrupted(*given):
        raise KeyboardInterrupt

    monkeypatch.setattr("deltarule.estimators.tabular.tabular.choose_candidate", interrupted)
    for words in ((), ("--json",)):
        status, out, err = deltarule("train", folder / "train.csv", "--target", "price", *words)
        assert status == 1
        firsts = [line.split()[0] for line in out.splitlines() if line and "─" not in line]
        assert firsts[:3] == ([] if words else ["4", "column", "number"])
        assert words or {"number", "area", "place", "dear"} <= {*firsts[3:]}  # how each is read
        assert "settings are compared, then an ensemble is trained …\n" in err


@pytest.mark.slow
def test_columns_are_kept_beside_their_predictions(deltarule, folder, model, tmp_path):
    table = pd.read_csv(folder / "test.csv").head(2).assign(code=["007", "08"])
    table.to_csv(tmp_path / "codes.csv", index=False)
    status, out, _ = deltarule("predict", model, tmp_path / "codes.csv", "--keep", "code", "--keep", "place")
    rows = list(csv.reader(io.StringIO(out)))
    assert status == 0 and rows[0] == ["code", "place", "price"]
    assert [row[:2] for row in rows[1:]] == table[["code", "place"]].to_numpy().tolist()
    status, _, err = deltarule("predict", model, tmp_path / "codes.csv", "--keep", "cod")
    assert status == 2 and "--keep cod: " in err and "has no such column; it has: number, area" in err


@pytest.mark.slow
def test_many_columns_are_counted_and_rows_divided_by_a_column(deltarule, tmp_path):
    wide = pd.DataFrame(RANDOM.normal(size=(60, 120))).assign(y=["a", "b"] * 30, who=np.arange(60) // 3)
    wide.to_csv(tmp_path / "wide.csv", index=False)
    words = ("train", tmp_path / "wide.csv", "--target", "y", "--group", "who", "--time-limit", "1")
    status, out, _ = deltarule(*words)
    assert status == 0 and out.startswith("120 columns: 120 of numbers\n") and "who" not in out
    status, _, err = deltarule(*words[:4], "--time", "when")
    assert status == 2 and "--time when: there is no such column besides the target" in err


@pytest.mark.slow
def test_codes_for_missing_values_are_named_and_declared(deltarule, tmp_path):
    heat = RANDOM.normal(20, 5, 200)
    is_missing = RANDOM.random(200) < 0.1
    growth = (3 * heat + RANDOM.normal(0, 3, 200)).round(1)
    table = pd.DataFrame({"heat": np.where(is_missing, -9999, heat.round(2)), "growth": growth})
    table.to_csv(tmp_path / "t.csv", index=False)
    words = ("train", tmp_path / "t.csv", "--target", "growth", "--preset", "fast", "--json", "--out", tmp_path / "m")
    notes = json.loads(deltarule(*words)[1])["notes"]
    assert any("% of the column 'heat' are -9999" in note and "--missing heat=-9999" in note for note in notes)
    for option in ("-9999", "heat=-9999"):
        outcome = json.loads(deltarule(*words, "--missing", option)[1])
        assert outcome["columns"][0]["inputs"] == ["heat", "heat is missing"] and not outcome["notes"]
    status, out, err = deltarule("predict", tmp_path / "m", tmp_path / "t.csv")
    assert (status, err) == (0, "")
    predictions = np.array(out.split()[1:], float)
    assert np.ptp(predictions[is_missing]) == 0 and abs(predictions[is_missing][0] - table["growth"].mean()) < 20
    status, _, err = deltarule(*words, "--missing", "cold=1")
    assert status == 2 and "missing names the column 'cold', which the table lacks" in err


@pytest.mark.slow
def test_dates_stay_inputs_beside_time_and_their_order_is_asked_for(deltarule, tmp_path):
    days = pd.date_range("2021-01-01", periods=120)
    table = pd.DataFrame({"day": days.strftime("%d/%m/%Y"), "sales": RANDOM.normal(size=120)})
    table.to_csv(tmp_path / "t.csv", index=False)
    words = ("train", tmp_path / "t.csv", "--target", "sales", "--preset", "fast", "--json")
    notes = json.loads(deltarule(*words)[1])["notes"]
    assert any("the rows are in the order of 'day'; --time day" in note for note in notes)
    outcome = json.loads(deltarule(*words, "--time", "day")[1])
    assert [column["name"] for column in outcome["columns"]] == ["day: month", "day: weekday", "day: days"]
    assert "'day' stays an input; say --type day=unused to leave it out" in outcome["notes"]
    table["day"] = [f"0{n % 9 + 1}/0{n % 7 + 1}/2021" for n in range(120)]
    table.to_csv(tmp_path / "t.csv", index=False)
    status, _, err = deltarule(*words)
    assert status == 2 and "may begin with the day or the month; say --dates day-first or month-first" in err
    assert deltarule(*words, "--dates", "day-first")[0] == 0


@pytest.mark.slow
@pytest.mark.parametrize("classes", [["None", "Mild", "Severe"], ["NA", "EU", "AS"]])
def test_classes_that_look_missing_are_scored(deltarule, tmp_path, classes):
    rows = [f"{n % 3 + n / 1000},{classes[n % 3]}" for n in range(90)]
    (tmp_path / "t.csv").write_text("\n".join(["x,y", *rows]), encoding="utf-8")
    words = ("--target", "y", "--preset", "fast", "--out", tmp_path / "m", "--json")
    outcome = json.loads(deltarule("train", tmp_path / "t.csv", *words)[1])
    assert outcome["classes"] == sorted(classes) and outcome["rows"] == 90
    scores = json.loads(deltarule("evaluate", tmp_path / "m", tmp_path / "t.csv", "--json")[1])["scores"]
    assert scores["rows"] == 90 and scores["score"] > 0.95


@pytest.mark.slow
def test_amounts_and_percent_are_read_as_in_training(deltarule, tmp_path):
    area = RANDOM.uniform(50, 300, 150)
    price = 6000 * area
    cells = [f"£{one / 1e6:.3f}m" if one > 1e6 else f"£{one / 1e3:.0f}k" for one in price]
    table = pd.DataFrame({"area": area, "tax": [f"{one:.1f}%" for one in area], "price": cells})
    table.to_csv(tmp_path / "t.csv", index=False)
    words = ("--target", "price", "--preset", "fast", "--out", tmp_path / "m", "--json")
    assert json.loads(deltarule("train", tmp_path / "t.csv", *words)[1])["scores"]["score"] > 0.98
    small = table[price > 1e6].assign(price=lambda rows: [cell.replace("£", "£") for cell in rows["price"]])
    small.to_csv(tmp_path / "new.csv", index=False)
    assert json.loads(deltarule("evaluate", tmp_path / "m", tmp_path / "new.csv", "--json")[1])["scores"]["score"] > 0.9
    table.assign(price=[cell.replace("£", "€") for cell in cells]).to_csv(tmp_path / "new.csv", index=False)
    status, _, err = deltarule("evaluate", tmp_path / "m", tmp_path / "new.csv")
    assert status == 2 and "'price' were in £ in training and are in € here" in err
    table.assign(tax=area / 100).to_csv(tmp_path / "new.csv", index=False)
    status, _, err = deltarule("predict", tmp_path / "m", tmp_path / "new.csv")
    assert status == 2 and "'tax' were in % in training and are without a unit here" in err


@pytest.mark.slow
def test_settings_that_were_not_chosen_do_not_warn(deltarule, tmp_path):
    waves = np.linspace(0, 1, 40)
    centers = RANDOM.uniform(0, 1, 120)
    spectra = pd.DataFrame(np.exp(-((waves - centers[:, None]) ** 2) / 0.02) + RANDOM.normal(0, 1e-3, (120, 40)))
    spectra.assign(fat=(1e5 * centers).round(2)).to_csv(tmp_path / "t.csv", index=False)
    status, out, err = deltarule("train", tmp_path / "t.csv", "--target", "fat")
    assert status == 0 and "converge" not in out + err
    assert re.search(r"always \d\d,\d\d0\n", out)


@pytest.mark.slow
def test_intervals_and_weights(deltarule, tmp_path):
    x = RANDOM.normal(size=300)
    table = pd.DataFrame({"x": x, "price": 100 * np.exp(x + RANDOM.normal(0, 0.4, 300)), "count": [1.0, 3.0] * 150})
    table.to_csv(tmp_path / "t.csv", index=False)
    words = ("--target", "price", "--weight", "count", "--preset", "fast", "--out", tmp_path / "m", "--json")
    outcome = json.loads(deltarule("train", tmp_path / "t.csv", *words)[1])
    assert [column["name"] for column in outcome["columns"]] == ["x"]
    status, out, _ = deltarule("predict", tmp_path / "m", tmp_path / "t.csv", "--interval", "0.8")
    names, *rows = csv.reader(io.StringIO(out))
    assert status == 0 and names == ["price", "price: low", "price: high"]
    predictions, low, high = np.array(rows, float).T
    assert (low >= 0).all() and (low <= high).all() and np.corrcoef(predictions, high - low)[0, 1] > 0.5
    expected = load_model(tmp_path / "m").predict(table, quantiles=[0.1, 0.9])
    np.testing.assert_array_equal(np.stack([low, high], axis=1), expected)
    record = json.loads(deltarule("predict", tmp_path / "m", tmp_path / "t.csv", "--interval", "0.8", "--json")[1])
    assert record["low"] == low.tolist() and record["high"] == high.tolist()
    status, _, err = deltarule("predict", tmp_path / "m", tmp_path / "t.csv", "--interval", "90")
    assert status == 2 and "--interval 90 is for numbers, as 0.9; give a share between 0 and 1" in err


@pytest.mark.slow
def test_words_and_levels_are_declared(deltarule, tmp_path):
    size = RANDOM.choice(["small", "large", "huge"], 90)
    titles = [" ".join(RANDOM.choice(["red", "old", "fast", "boat", "car"], 3)) + f" {n}" for n in range(90)]
    price = np.char.count(size, "u") + 2.0 * np.char.count(titles, "boat")
    table = tmp_path / "t.csv"
    pd.DataFrame({"size": size, "title": titles, "price": price}).to_csv(table, index=False)
    words = [
        "--type",
        "size=small<large<huge",
        "--type",
        "title=text",
        "--metric",
        "mae",
        "--preset",
        "fast",
        "--task",
        "regress",
    ]
    status, out, _ = deltarule("train", table, "--target", "price", *words, "--out", tmp_path / "m")
    assert status == 0 and "in the order small < large < huge" in out and "by mean absolute error" in out
    status, out, _ = deltarule("train", table, "--target", "price", "--preset", "fast")
    assert "the column 'title' is not used: free text" in out
    status, out, err = deltarule("train", table, "--target", "price", "--type", "size=small<large")
    assert status == 2 and "the column 'size' holds 'huge', which small < large lacks; add it" in err
    assert deltarule("export", tmp_path / "m", "--to", "script", "--out", tmp_path / "s.py")[0] == 0
    new = tmp_path / "new.csv"
    new.write_text("size,title\nsmall,Red BOAT\nlarge,\nenormous,an old car\n", encoding="utf-8")
    script = subprocess.run([sys.executable, "-I", tmp_path / "s.py", new], capture_output=True, encoding="utf-8")
    ours = deltarule("predict", tmp_path / "m", new)[1].split()[1:]
    np.testing.assert_allclose(np.array(script.stdout.split(), float), np.array(ours, float), rtol=1e-9)
