"""`deltarule train`, `predict` and `evaluate`: from a table to answers, in files of each kind."""

import csv
import io
import json
import re
import warnings
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
from deltarule.estimators.tabular.candidate_search import CandidateSearch
from deltarule.estimators.tabular.scores import Scores
from deltarule.tables.reader import read_frame

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
    table.drop(columns=["area"]).to_csv(folder / "lacking.csv", index=False)
    table.assign(area=[1, 1e308, 2]).to_csv(folder / "far.csv", index=False)
    (folder / "few.csv").write_text("a,b\n1,2\n3,4\n", encoding="utf-8")
    (folder / "header.csv").write_text("area,place\n", encoding="utf-8")
    (folder / "alone.csv").write_text("price\n1\n2\n", encoding="utf-8")
    test.to_csv(folder / "semicolons.csv", index=False, sep=";", decimal=",")
    dear = train["price"].astype(str).where(train.index != 7, "dear")
    train.assign(price=dear, twice=dear).to_csv(folder / "slip.csv", index=False)
    (folder / "gaps.csv").write_text("a,price\n1,\n2,NA\n", encoding="utf-8")
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
    for told in ("place", "category", "texts, 2 different", "dear, 2 classes", "accuracy", "baseline", "always"):
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


def test_wild_cell_is_clipped(deltarule, folder, model):
    """Of a network that goes on as it went, 1e308 would have no finite one."""
    status, out, _ = deltarule("predict", model, folder / "far.csv", "--json")
    found = json.loads(out)
    prices = pd.read_csv(folder / "train.csv")["price"]
    assert status == 0 and abs(found["predictions"][1] - prices.mean()) < 8 * np.ptp(prices.dropna())
    assert any("such as 1e+308; they are clipped to" in note for note in found["notes"])


def test_new_categories_are_reported(deltarule, folder, model):
    status, out, err = deltarule("predict", model, folder / "new.csv")
    assert status == 0 and len(out.splitlines()) == 4
    told = "(rare, too many, or not in training) in 1 row: 'island'"
    assert f"Note: the column 'place' has categories without a feature of their own {told}." in err


def test_evaluate_on_other_rows(deltarule, folder, model):
    status, out, _ = deltarule("evaluate", model, folder / "test.csv", "--json")
    scores = json.loads(out)["scores"]
    assert status == 0 and scores["rows"] == 30 and scores["score"] > 0.9 > scores["baseline"]
    _, out, _ = deltarule("evaluate", model, folder / "test.csv")
    assert f"{scores['score']:.3f}" in out and "mean absolute error" in out


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
def test_long_tables_are_cut_on_the_screen(deltarule, tmp_path):
    random = np.random.default_rng(0)
    table = pd.DataFrame(random.normal(size=(120, 12)), columns=[f"c{n}" for n in range(12)])
    table["kind"] = [f"kind {n % 12}" for n in range(120)]
    table["c0"] += np.arange(120) % 12
    table.to_csv(tmp_path / "many.csv", index=False)
    model = tmp_path / "m.safetensors"
    assert deltarule("train", tmp_path / "many.csv", "--target", "kind", "--out", model)[0] == 0
    _, out, _ = deltarule("evaluate", model, tmp_path / "many.csv")
    assert out.count("and 2 more; --json and --report have them all") == 2
    assert sum(line.startswith("kind ") for line in out.splitlines()) == 10
    found = json.loads(deltarule("evaluate", model, tmp_path / "many.csv", "--json")[1])
    assert len(found["classes"]) == len(found["importances"]) == 12 and found["report"] is None
    assert sum(one["rows"] for one in found["mistakes"]) == round(120 * (1 - found["scores"]["score"]))


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
    written(tmp_path / "test.csv", "size,kind", [("1.0", "2")] * 5)  # of one class, which one may always say
    _, out, _ = deltarule("evaluate", tmp_path / "model.safetensors", tmp_path / "test.csv", "--json")
    found = json.loads(out)
    assert (found["notes"], found["scores"]["score"], found["scores"]["baseline_log_loss"]) == ([], 1, 0)
    written(tmp_path / "test.csv", "size,kind", [("1.0", "9")] * 5)
    status, out, _ = deltarule("evaluate", tmp_path / "model.safetensors", tmp_path / "test.csv")
    assert status == 0 and "log loss" not in out and "never predicts '9', and its accuracy does not exceed" in out


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


@pytest.mark.slow
@pytest.mark.parametrize("cells", [["01", "02", "1A"], ["2.0", "2", "x"], ["1", "2", "3"]])
def test_prediction_does_not_depend_on_other_rows(deltarule, tmp_path, cells):
    rows = [(cells[n % 3], n * 37 % 90 / 90, n % 3) for n in range(90)]
    table = written(tmp_path / "train.csv", "code,x,y", rows)
    words = ("--target", "y", "--task", "regress", "--type", "code=category", "--out", tmp_path / "m")
    assert deltarule("train", table, *words)[0] == 0
    answers = []
    for some in (cells, cells[:2], cells[:1], [*cells, "new"]):
        asked = written(tmp_path / "asked.csv", "code,x", [(cell, 0.5) for cell in some])
        answers.append(json.loads(deltarule("predict", tmp_path / "m", asked, "--json")[1])["predictions"])
    for alone in answers[1:3]:
        np.testing.assert_allclose(alone, answers[0][: len(alone)], atol=1e-9)
    np.testing.assert_allclose(answers[3][:3], answers[0], atol=1e-9)
    np.testing.assert_allclose(answers[0], [0, 1, 2], atol=0.3)


@pytest.mark.sampled(4)
@pytest.mark.parametrize(
    ("task", "cells", "classes"),
    [
        ("auto", ["007", "008", "7"], ["007", "008", "7"]),
        ("classify", ["1.5", "1", "2.5"], ["1", "1.5", "2.5"]),
        ("auto", ["1.0", "", "2.0"], [1, 2]),
        ("classify", ["2", "-1", "10"], [-1, 2, 10]),
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


@pytest.mark.slow
def test_zip_codes_are_categories(deltarule, tmp_path):
    """Read as numbers, they were predicted right in three of four cases."""
    random = np.random.default_rng(0)
    zips = random.choice([f"{1000 * n + 37:05}" for n in range(1, 40)], 400)
    good = set(random.choice(np.unique(zips), 20, replace=False))
    table = written(tmp_path / "t.csv", "zip,y", [(code, "ab"[code in good]) for code in zips])
    outcome = json.loads(deltarule("train", table, "--target", "y", "--json")[1])
    [column] = outcome["columns"]
    assert column["kind"] == "category" and column["why"] == f"codes with leading zeros, {len(set(zips))} different"
    assert outcome["scores"]["score"] > 0.97


@pytest.fixture(scope="module")
def codes(tmp_path_factory):
    """A table whose codes are written 1.0 because of its gaps, as pandas does, and a model of it."""
    folder = tmp_path_factory.mktemp("codes")
    x = np.random.default_rng(2).normal(size=80)  # of its own, as above
    table = pd.DataFrame({"code": [1, 2, None, 3, 4] * 16, "x": x})
    table["y"] = np.where(table["code"].isin([1, 4]), "a", "b")
    table.to_csv(folder / "codes.csv", index=False)
    assert "\n1.0," in (folder / "codes.csv").read_text(encoding="utf-8")
    return folder


@pytest.mark.slow
def test_codes_beside_gaps(deltarule, codes):
    words = ("--target", "y", "--type", "code=category", "--out", codes / "m")
    assert deltarule("train", codes / "codes.csv", *words)[0] == 0
    model, read = load_model(codes / "m"), pd.read_csv(codes / "codes.csv")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert model.score(read[["code", "x"]], read["y"]) == 1
    whole = read.dropna().astype({"code": int})
    whole.to_csv(codes / "whole.csv", index=False)
    status, out, err = deltarule("predict", codes / "m", codes / "whole.csv", "--json")
    assert (status, err) == (0, "") and json.loads(out)["predictions"] == whole["y"].tolist()


@pytest.mark.needs("pyarrow")
@pytest.mark.complete_search
@pytest.mark.slow
def test_unused_columns_may_hold_anything(deltarule, tmp_path):
    """In training those that are told to be none; afterwards all that the model does not ask for."""
    random = np.random.default_rng(0)
    table = pd.DataFrame({"x": random.normal(size=40), "ratio": [np.inf, 1.0] * 20})
    table["y"] = 3 * table["x"]
    table.to_csv(tmp_path / "t.csv", index=False)
    table.assign(ratio=[[1]] * 40).to_parquet(tmp_path / "t.parquet")
    for name in ("t.parquet", "t.csv"):
        words = ("--target", "y", "--type", "ratio=unused", "--out", tmp_path / "m", "--json")
        status, out, err = deltarule("train", tmp_path / name, *words)
        assert status == 0 and err.startswith("settings are compared") and err.count("\n") == 1
        assert [column["kind"] for column in json.loads(out)["columns"]] == ["number", "unused"]
    assert deltarule("train", tmp_path / "t.csv", "--target", "y")[0] == 2
    rows = table[["x", "y"]].assign(far=np.inf, twice=1)
    rows.insert(0, "", range(40))
    rows.insert(0, "twice ", "a")
    rows.to_csv(tmp_path / "more.csv", index=False)
    status, out, err = deltarule("predict", tmp_path / "m", tmp_path / "more.csv", "--json")
    assert (status, err) == (0, "")
    assert json.loads(out)["predictions"] == load_model(tmp_path / "m").predict(table).tolist()
    for name in ("more.csv", "t.parquet"):
        status, out, _ = deltarule("evaluate", tmp_path / "m", tmp_path / name, "--json")
        assert status == 0 and json.loads(out)["scores"]["score"] > 0.9


def test_row_numbers_count_rows_without_a_target(deltarule, tmp_path):
    rows = [(n if n != 30 else "oops", "" if n % 3 == 1 else n) for n in range(60)]
    table = written(tmp_path / "t.csv", "x,y", rows)
    status, _, err = deltarule("train", table, "--target", "y", "--type", "x=number")
    assert status == 2 and "the column 'x' cannot be numbers: it holds 'oops' in row 30 (counted from 0)" in err


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (("train", "train.csv", "--target", "price", "--type", "price=number"), "--type price=number names the target"),
        (("train", "train.csv"), "Missing option '--target'"),
        (("train", "train.csv", "--target", "cost"), "has no column 'cost'; it has: number, area, place, price, dear"),
        (("train", "few.csv", "--target", "b"), "there are 2 rows, too few to set some aside; give at least 10"),
        (("train", "gone.csv", "--target", "b"), "gone.csv does not exist"),
        (("train", "alone.csv", "--target", "price"), "has only the target column 'price'"),
        (("train", "gaps.csv", "--target", "price"), "has no row with a 'price'"),
        (
            ("train", "train.csv", "--target", "place", "--task", "regress"),
            "train.csv, column 'place' holds texts such as 'village' and 'town', where numbers are needed",
        ),
        (
            ("train", "slip.csv", "--target", "price"),
            "slip.csv, column 'price' holds numbers, but for texts such as 'dear'; correct them, or say task classify",
        ),
        (("train", "header.csv", "--target", "place"), "header.csv has a header but no rows"),
        (("train", "train.csv", "--target", "price", "--type", "area"), "--type area has no ="),
        (
            ("train", "train.csv", "--target", "price", "--type", "area=number", "--type", "area=category"),
            "--type area is given twice, as number and as category; give one of them",
        ),
        (("train", "train.csv", "--target", "price", "--type", "area=big"), "the column 'area' cannot be 'big'"),
        (("train", "train.csv", "--target", "price", "--out", "train.csv"), "train.csv is the table itself"),
        (
            ("train", "train.csv", "--target", "price", "--out", "nowhere/m"),
            "nowhere/m cannot be written: No such file or directory",
        ),
        (("predict", "model.safetensors", "lacking.csv"), "the table lacks 'area', which the model was trained with"),
        (("predict", "model.safetensors", "test.csv", "--out", "test.csv"), "test.csv is the table itself"),
        (
            ("predict", "model.safetensors", "test.csv", "--out", "model.safetensors"),
            "model.safetensors is the model itself; give the answers another name",
        ),
        (("predict", "train.csv", "test.csv"), "train.csv is damaged or no safetensors file"),
        (("predict", ".", "test.csv"), ". is a folder; name a model's file in it"),
        (("predict", "plain.safetensors", "test.csv"), "holds an MLPRegressor, which takes no tables"),
        (
            ("predict", "model.safetensors", "test.csv", "--out", "a.parquet"),
            "a.parquet would be Parquet, but answers are written as text; end the name in .csv or .tsv",
        ),
        (
            ("evaluate", "model.safetensors", "alone.csv"),
            "alone.csv has only the target column 'price'; add the columns to predict it from: 'area', 'place'",
        ),
        (("evaluate", "model.safetensors", "new.csv"), "has no column 'price'"),
        (
            ("evaluate", "model.safetensors", "test.csv", "--report", "test.csv"),
            "--report is test.csv; give the page a name that ends in .html",
        ),
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


@pytest.mark.slow
def test_predictions_are_a_table_again(deltarule, folder, model, tmp_path):
    for name in ("a.csv", "a.tsv", "a.tab", "a.txt"):
        assert deltarule("predict", model, folder / "test.csv", "--out", tmp_path / name)[0] == 0
    assert (tmp_path / "a.txt").read_text(encoding="utf-8") == (tmp_path / "a.csv").read_text(encoding="utf-8")
    classes = written(tmp_path / "c.csv", "x,y", [(n % 2, "ab"[n % 2]) for n in range(40)])
    assert deltarule("train", classes, "--target", "y", "--out", tmp_path / "m")[0] == 0
    for name in ("b.csv", "b.tsv"):
        assert deltarule("predict", tmp_path / "m", classes, "--out", tmp_path / name)[0] == 0
    for tabs, commas in (("a.tsv", "a.csv"), ("a.tab", "a.csv"), ("b.tsv", "b.csv")):
        pd.testing.assert_frame_equal(*(pd.DataFrame(read_frame(tmp_path / one)) for one in (tabs, commas)))


@pytest.mark.complete_search
def test_columns_are_reported_before_the_search(deltarule, folder, monkeypatch):
    def interrupted(*given):
        raise KeyboardInterrupt

    monkeypatch.setattr(CandidateSearch, "choose", interrupted)
    for words in ((), ("--json",)):
        status, out, err = deltarule("train", folder / "train.csv", "--target", "price", *words)
        assert status == 1
        firsts = [line.split()[0] for line in out.splitlines() if line and "─" not in line]
        assert firsts == ([] if words else ["column", "number", "area", "place", "dear"])
        assert "settings are compared, then an ensemble is trained …\n" in err


ALIKE = "The measured concentration in the left lung in mg/l"


@pytest.mark.slow
def test_long_names_are_distinguished(deltarule, tmp_path, monkeypatch):
    monkeypatch.setenv("COLUMNS", "300")
    names = [f"{ALIKE} A", f"{ALIKE} B", f"{ALIKE} C"]
    rows = [(n % 7, n, n % 5, f"{ALIKE} {n % 7 // 4}") for n in range(60)]
    table = written(tmp_path / "t.csv", ",".join([*names, "y"]), rows)
    status, out, _ = deltarule("train", table, "--target", "y", "--out", tmp_path / "m")
    assert status == 0 and f"always '{ALIKE} 0'\n" in out
    assert [line[: len(names[0])] for line in out.splitlines()[2:5]] == names
    assert f"the column {names[1]!r} is not used" in out and f"the column {names[0]!r} alone predicts" in out
    status, out, _ = deltarule("evaluate", tmp_path / "m", table)
    for name in (f"{ALIKE} 0", f"{ALIKE} 1", names[0], names[2]):
        assert len([line for line in out.splitlines() if line.startswith(f"{name} ")]) == 1
