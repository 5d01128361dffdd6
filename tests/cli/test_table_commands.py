"""`deltarule train`, `predict` and `evaluate`: from a table to answers, in files of each kind."""

import csv
import io
import json
import re
import warnings
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from rich.console import Console
from terminal import Terminal

from deltarule import MLPRegressor, TabularClassifier, TabularRegressor, load_model
from deltarule.cli import progress_line, table_commands
from deltarule.cli.terminal import console
from deltarule.cli.train import TrainOutcome
from deltarule.errors import BadInput
from deltarule.estimators.tabular.candidate_search import CandidateSearch
from deltarule.estimators.tabular.scores import Scores
from deltarule.estimators.tabular.tabular import BaseTabular
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
        table.to_parquet(folder / f"{name}.parquet")
    table = test.drop(columns=["price"]).head(3)
    table.loc[0, "place"] = "island"
    table.to_csv(folder / "new.csv", index=False)
    table.drop(columns=["area"]).to_csv(folder / "lacking.csv", index=False)
    table.assign(area="large").to_csv(folder / "texts.csv", index=False)
    table.assign(area=[1, 1e308, 2]).to_csv(folder / "far.csv", index=False)
    (folder / "few.csv").write_text("a,b\n1,2\n3,4\n", encoding="utf-8")
    (folder / "header.csv").write_text("area,place\n", encoding="utf-8")
    (folder / "alone.csv").write_text("price\n1\n2\n", encoding="utf-8")
    test.to_csv(folder / "semicolons.csv", index=False, sep=";", decimal=",")
    (folder / "bars.csv").write_text("area|price\n1.5|2\n", encoding="utf-8")
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
def test_a_training_reports_kinds_scores_and_notes(deltarule, folder):
    status, out, _ = deltarule("train", folder / "train.csv", "--target", "price", "--type", "dear=unused", "--json")
    assert status == 0
    outcome = json.loads(out)
    kinds = {column["name"]: column["kind"] for column in outcome["columns"]}
    assert kinds == {"number": "unused", "area": "number", "place": "category", "dear": "unused"}
    assert outcome["task"] == "regress" and outcome["rows"] == N - 1 and outcome["classes"] is None
    assert outcome["scores"]["score"] > 0.9 > 0.1 > outcome["scores"]["baseline"]
    assert "1 of 80 rows has no 'price' and was passed over" in outcome["notes"]
    assert any("'number' is not used: an identifier" in note for note in outcome["notes"])
    section = re.search(r"^## `deltarule train`\n(.*?)^## ", CLI, re.MULTILINE | re.DOTALL)[1]
    documented = {
        name for row in re.findall(r"^\| (`.*?) \|", section, re.MULTILINE) for name in re.findall(r"`(\w+)`", row)
    }
    assert set(TrainOutcome.__dataclass_fields__) == set(outcome) <= documented
    assert set(Scores.__dataclass_fields__) <= set(re.findall(r"`(\w+)`", section))


@pytest.mark.complete_search
@pytest.mark.slow
def test_for_people_there_is_a_table_and_a_baseline(deltarule, folder, tmp_path):
    words = ("--target", "dear", "--type", "price=unused", "--out", tmp_path / "model.safetensors")
    status, out, err = deltarule("train", folder / "test.parquet", *words)
    assert (status, err) == (0, "14 settings on 5 folds of 24 rows × 3 inputs, then 8 networks on 30 rows …\n")
    for told in ("place", "category", "texts, 2 different", "dear, 2 classes", "accuracy", "baseline", "always"):
        assert told in out
    assert load_model(tmp_path / "model.safetensors").target_ == "dear"


@pytest.mark.slow
@pytest.mark.parametrize("numbers", [[0.5, -1.25, 3.0, 4.75], [1.0, 2.5, 1.0, 2.5]], ids=["regress", "classify"])
def test_a_target_may_have_decimal_commas_where_the_columns_may(deltarule, tmp_path, numbers):
    """What is learned is what the table with points says."""
    table = pd.DataFrame({"a": np.arange(80.0) % 7, "b": np.arange(80) % 2 * 1.5})
    table["t"] = [numbers[row % 4] + (row if len(set(numbers)) > 2 else 0) for row in range(80)]
    table.to_csv(tmp_path / "points.csv", index=False)
    table.to_csv(tmp_path / "commas.csv", index=False, sep=";", decimal=",")
    said = []
    for name in ("points", "commas"):
        status, out, err = deltarule(
            "train", tmp_path / f"{name}.csv", "--target", "t", "--json", "--out", tmp_path / "m"
        )
        answers = deltarule("predict", tmp_path / "m", tmp_path / f"{name}.csv")
        found = json.loads(out)
        said.append((status, err, found["scores"], answers))
    assert said[0] == said[1] and said[0][0] == 0


@pytest.mark.slow
def test_answers_do_not_depend_on_the_kind_of_file(deltarule, folder, model, tmp_path):
    said = [deltarule("predict", model, folder / f"test.{ending}") for ending in ("csv", "tsv", "parquet")]
    said.append(deltarule("predict", model, folder / "semicolons.csv"))
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
def test_classes_come_with_their_probabilities(deltarule, folder, tmp_path):
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


def test_a_changed_unit_is_reported_by_predict_and_evaluate(deltarule, folder, model, tmp_path):
    table = pd.read_csv(folder / "test.csv")
    table["area"] *= 1e6
    table.to_csv(tmp_path / "grams.csv", index=False)
    for command in ("predict", "evaluate"):
        status, out, _ = deltarule(command, model, tmp_path / "grams.csv", "--json")
        [note] = [note for note in json.loads(out)["notes"] if "outside" in note]
        assert status == 0 and "far outside the training range, " in note and f" in {len(table)} rows" in note


def test_a_wild_cell_has_no_absurd_answer(deltarule, folder, model):
    """Of a network that goes on as it went, 1e308 would have no finite one."""
    status, out, _ = deltarule("predict", model, folder / "far.csv", "--json")
    found = json.loads(out)
    prices = pd.read_csv(folder / "train.csv")["price"]
    assert status == 0 and abs(found["predictions"][1] - prices.mean()) < 8 * np.ptp(prices.dropna())
    assert any("such as 1e+308; they are clipped to" in note for note in found["notes"])


@pytest.mark.slow
def test_a_table_as_pandas_and_r_write_it_is_taken(deltarule, folder, tmp_path):
    """With the rows' numbers in a first column that has no name."""
    table = pd.read_csv(folder / "train.csv").drop(columns="number")
    words, answers = ("--target", "dear", "--json"), {}
    for first, separator in ((0, ","), (1, "\t")):
        table.index = range(first, N + first)
        path = tmp_path / ("t.tsv" if first else "t.csv")
        table.to_csv(path, sep=separator)
        status, out, err = deltarule("train", path, *words, "--out", tmp_path / "m.safetensors")
        [column, *_] = json.loads(out)["columns"]
        assert status == 0 and (column["name"], column["kind"]) == ("Unnamed: 0", "unused")
        answers[first] = json.loads(deltarule("predict", tmp_path / "m.safetensors", path, "--json")[1])["predictions"]
        assert deltarule("evaluate", tmp_path / "m.safetensors", path)[0] == 0
    assert answers[0] == answers[1]


def test_new_categories_are_answered_and_reported(deltarule, folder, model):
    status, out, err = deltarule("predict", model, folder / "new.csv")
    assert status == 0 and len(out.splitlines()) == 4
    told = "(rare, too many, or not in training) in 1 row: 'island'"
    assert f"Note: the column 'place' has categories without a feature of their own {told}." in err


def test_a_model_is_evaluated_on_other_rows(deltarule, folder, model):
    status, out, _ = deltarule("evaluate", model, folder / "test.csv", "--json")
    scores = json.loads(out)["scores"]
    assert status == 0 and scores["rows"] == 30 and scores["score"] > 0.9 > scores["baseline"]
    _, out, _ = deltarule("evaluate", model, folder / "test.csv")
    assert f"{scores['score']:.3f}" in out and "mean absolute error" in out


@pytest.mark.slow
def test_where_a_model_errs_is_shown_and_drawn(deltarule, folder, model, tmp_path):
    page = tmp_path / "page of it.html"
    status, out, _ = deltarule("evaluate", model, folder / "test.csv", "--report", page, "--json")
    found = json.loads(out)
    assert status == 0 and found["report"] == str(page)
    assert [one["column"] for one in found["importances"]] == ["area", "place"]
    assert found["classes"] == found["mistakes"] == found["calibration"] == []
    text = page.read_text(encoding="utf-8")
    assert "Answers against the truth" in text and f"{found['scores']['score']:.3f}" in text
    assert f"--report &#39;{page}&#39;" in text  # as a shell takes it
    _, out, _ = deltarule("evaluate", model, folder / "test.csv", "--report", page)
    lines = out.splitlines()
    assert (
        next(line for line in lines if line.startswith("area")).split()[1] == f"{found['importances'][0]['loss']:.3f}"
    )
    assert out.endswith(f"Written: {page}\n")


def test_of_few_rows_no_interval_is_shown_or_drawn(deltarule, folder, model, tmp_path):
    table, page = tmp_path / "few.csv", tmp_path / "few.html"
    pd.read_csv(folder / "test.csv")[:2].to_csv(table, index=False)
    found = json.loads(deltarule("evaluate", model, table, "--json")[1])
    assert [(one["loss"] is None, one["low"], one["high"]) for one in found["importances"]] == [(False, None, None)] * 2
    _, out, _ = deltarule("evaluate", model, table, "--report", page)
    (line,) = [line for line in out.splitlines() if line.startswith("area")]
    assert line.split()[2:] == ["–"]
    text = page.read_text(encoding="utf-8")
    assert "its interval (95 %)" not in text and not re.search(r"\bnan\b", out + text)


@pytest.mark.slow
def test_of_many_columns_and_classes_the_screen_has_the_first(deltarule, tmp_path):
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
def test_classes_go_by_their_names_whatever_the_table_holds_of_them(deltarule, tmp_path):
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


def test_who_waits_at_a_terminal_sees_that_work_continues(monkeypatch):
    """A line that is gone when the work is done; elsewhere there is nothing."""
    for is_terminal in (True, False):
        screen = Console(file=Terminal() if is_terminal else io.StringIO(), force_terminal=is_terminal, width=80)
        monkeypatch.setattr(progress_line, "console", lambda to_errors, screen=screen: screen)
        with progress_line.show_elapsed_time("houses\x1b[2J.csv: settings are compared"):
            pass
        said = screen.file.getvalue()
        assert is_terminal == (".csv: settings are compared" in said) == ("0:00:0" in said)
        assert "\x1b[2J" not in said and (not is_terminal or said.endswith("\x1b[2K"))


@pytest.mark.parametrize("width", [30, 40, 80])
def test_on_a_terminal_no_word_and_no_number_of_a_line_is_broken(monkeypatch, width):
    screen = Console(file=Terminal(), force_terminal=True, width=width, color_system=None)
    monkeypatch.setattr(table_commands, "console", lambda to_errors=False: screen)
    lines = [("R²", "0.913 (0.874 to 0.942) on 1,234,567 rows"), ("mean absolute error", "1.234e+12 and 5.678e-12")]
    table_commands.print_pairs(lines)
    said = screen.file.getvalue()
    assert max(map(len, said.splitlines())) <= width
    assert sorted(said.split()) == sorted(" ".join(map(" ".join, lines)).split())


def test_a_note_ends_with_one_point(capsys):
    """What scikit-learn warns of has one already."""
    notes = ["seen"]
    with table_commands.collect_warnings(notes):
        for told in ("it did not converge.", "it did not converge.", "seen"):
            warnings.warn(told, UserWarning, stacklevel=1)
    table_commands.print_notes(notes)
    assert notes == ["seen", "it did not converge"]
    assert capsys.readouterr().out == "Note: seen.\nNote: it did not converge.\n"


@pytest.mark.slow
def test_numbers_with_a_fraction_may_be_classes(deltarule, tmp_path):
    rows = "".join(f"{n % 2 + RANDOM.normal(scale=0.1)},{[0.5, 1][n % 2]}\n" for n in range(40))
    (tmp_path / "train.csv").write_text(f"size,stars\n{rows}", encoding="utf-8")
    words = ("--target", "stars", "--task", "classify", "--out", tmp_path / "model.safetensors", "--json")
    assert json.loads(deltarule("train", tmp_path / "train.csv", *words)[1])["classes"] == ["0.5", "1"]
    _, out, _ = deltarule("evaluate", tmp_path / "model.safetensors", tmp_path / "train.csv")
    assert "100.0 %" in out and "of 40 rows" in out and "does not know" not in out


@pytest.mark.skipif(not Path("/dev/null").exists(), reason="there are no devices with a name")
@pytest.mark.parametrize(
    ("out", "told"),
    [
        ("/dev/null", "/dev/null is not a plain file, so nothing can be written there"),
        ("/dev/fd/m", "/dev/fd/m is not a plain file, so nothing can be written there; name a file"),
        (".", ". is not a plain file, so nothing can be written there"),
    ],
)
def test_where_a_model_cannot_be_kept_none_is_trained(deltarule, folder, monkeypatch, out, told):
    monkeypatch.setattr(TabularRegressor, "fit", lambda *given: pytest.fail("trained"))
    status, said, err = deltarule("train", folder / "test.csv", "--target", "price", "--out", out)
    assert (status, said) == (2, "") and told in err and err.count("\n") == 1


def written(path, header, rows):
    path.write_text("\n".join([header, *(",".join(map(str, row)) for row in rows)]) + "\n", encoding="utf-8")
    return path


@pytest.mark.slow
@pytest.mark.parametrize("cells", [["01", "02", "1A"], ["2.0", "2", "x"], ["1", "2", "3"]])
def test_an_answer_does_not_depend_on_the_other_rows(deltarule, tmp_path, cells):
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
        ("classify", ["1.1", "1.10", "1.2"], ["1.1", "1.10", "1.2"]),
        ("auto", ["9007199254740993", "9007199254740992", "1"], ["1", "9007199254740992", "9007199254740993"]),
        ("auto", ["1", "1.0", "2"], ["1", "1.0", "2"]),
        ("auto", ["1.0", "", "2.0"], [1, 2]),
        ("classify", ["2", "-1", "10"], [-1, 2, 10]),
        ("auto", ["01", "02", "1A"], ["01", "02", "1A"]),
    ],
)
def test_classes_are_called_as_they_stand_in_the_file(deltarule, tmp_path, task, cells, classes):
    rows = [(n % 3 + n * 37 % 60 / 600, cells[n % 3]) for n in range(60)]
    table = written(tmp_path / "train.csv", "x,y", rows)
    words = ("--target", " y ", "--task", task, "--out", tmp_path / "m", "--json")
    outcome = json.loads(deltarule("train", table, *words)[1])
    assert (outcome["classes"], outcome["target"]) == (classes, "y")
    for some in (rows, [row for row in rows if row[1] != cells[2]]):  # such as 01 and 02 alone
        found = json.loads(deltarule("evaluate", tmp_path / "m", written(table, "x,y", some), "--json")[1])
        assert found["scores"]["score"] == 1 and not any("not know" in note for note in found["notes"])


@pytest.mark.sampled(4)
@pytest.mark.parametrize(
    ("goals", "task", "told"),
    [
        (["0", "1", "2"], (), "the 3 different whole numbers of 'goals' are taken for classes; if they are counts or "),
        (
            ["0", "1.0", "2"],
            (),
            "the 3 different whole numbers of 'goals' are taken for classes; if they are counts or ",
        ),
        (["0", "1", "2"], ("--task", "classify"), ""),
        (["0", "1", "2"], ("--task", "regress"), ""),
        (["0", "1", "1"], (), ""),
        (["none", "one", "two"], (), ""),
        (["0.5", "1", "2"], (), ""),
        (["001", "002", "003"], (), ""),
    ],
)
def test_counts_that_are_taken_for_classes_are_reported(deltarule, goals, task, told, tmp_path):
    rows = [[x, goals[row % 3]] for row, x in enumerate(RANDOM.normal(size=30))]
    table = written(tmp_path / "t.csv", "x,goals", rows)
    notes = json.loads(deltarule("train", table, "--target", "goals", *task, "--json")[1])["notes"]
    assert [note for note in notes if "taken for classes" in note and told and note.startswith(told)] or not told
    assert bool(told) == any("--task regress" in note for note in notes)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("cells", "task", "is_classes", "told"),
    [
        ([f"{n * 16:03}" for n in range(30)] * 2, (), True, "'000', and are taken for classes; if they are amounts"),
        ([f"{n * 16:03}" for n in range(60)], (), False, "'000', and are taken for numbers; if they are classes"),
        ([f"{n}" for n in range(8, 38)] * 2, (), False, ""),
        ([f"{n:02}" for n in range(90, 120)] * 2, (), False, ""),
        ([f"{n:02}" for n in range(8, 112, 4)] * 3, (), False, "'08', and are taken for numbers"),
        ([f"{n}" for n in range(1980, 2020)] * 2, (), False, ""),
        ([f"{n:03}" for n in range(30, 60)] * 2 + ["1.5"] * 2, (), False, ""),
        ([f"{n:04}" for n in range(30)] * 2 + ["12.5"] * 2, (), False, ""),
        ([f"{n:05}" for n in [*range(25)] * 6 + [*range(25, 45)]], (), False, "'00000', and are taken for numbers"),
        ([f"{n:05}" for n in [*range(25)] * 6 + [*range(25, 41)]], (), True, "'00000', and are taken for classes"),
        ([f"{n:03}" for n in range(-15, 15)] * 2, (), False, "'000', and are taken for numbers"),
        ([f"{n}" for n in range(100, 160)] * 3 + ["007"], (), False, "'007', and are taken for numbers"),
        ([f"{n:03}" for n in range(30)] * 2, ("--task", "regress"), False, ""),
        ([f"{n:03}" for n in range(30)] * 2, ("--task", "classify"), True, ""),
        ([f"{n:03}" for n in range(20)] * 3, (), True, ""),
    ],
)
def test_what_is_written_like_codes_is_reported(deltarule, tmp_path, cells, task, is_classes, told):
    """Where of many each occurs twice on average, they are classes; where they differ in length one may be a slip, as
    may be a single zero; and of those that occur once little can be learned."""
    rows = [[x, cell] for x, cell in zip(RANDOM.normal(size=len(cells)), cells, strict=True)]
    table = written(tmp_path / "t.csv", "x,zip", [*rows, [0.5, ""]])
    outcome = json.loads(deltarule("train", table, "--target", "zip", *task, "--json")[1])
    assert (outcome["classes"] is not None) == is_classes
    notes = [note for note in outcome["notes"] if "like codes" in note]
    assert [note.startswith(f"the cells of 'zip' are written like codes, {told}") for note in notes] == [True] * bool(
        told
    )


@pytest.mark.slow
@pytest.mark.parametrize(("alone", "told"), [(["2"], ""), (["9"], "the 3 different whole numbers of 'goals'")])
def test_of_whole_numbers_those_count_that_are_learned(deltarule, alone, told, tmp_path):
    """Of 0, 1 and a single 2 the last is left out, as is a single 9 beside 0, 1 and 2."""
    count = 3 if told else 2
    goals = [*(str(row % count) for row in range(30)), *alone]
    table = written(tmp_path / "t.csv", "x,goals", list(zip(RANDOM.normal(size=31), goals, strict=True)))
    notes = json.loads(deltarule("train", table, "--target", "goals", "--json")[1])["notes"]
    assert any(note.startswith("the class ") and "left out" in note for note in notes)
    counts = [note for note in notes if "taken for classes" in note]
    assert len(counts) == bool(told) and all(note.startswith(told) for note in counts)


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
def test_codes_beside_gaps_are_those_of_tables_without(deltarule, codes):
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


@pytest.mark.slow
def test_thousands_points_are_not_taken_for_decimal_ones(deltarule, tmp_path):
    """In the target they are refused; in another column they are told, and refused where the model needs numbers."""
    areas, rents = [f"{20 + 7 * n},7" for n in range(40)], [f"{600 + 41 * n:,}".replace(",", ".") for n in range(40)]
    text = "area;rent;y\n" + "".join(f"{a};{r};{n % 7}\n" for n, (a, r) in enumerate(zip(areas, rents, strict=True)))
    (tmp_path / "rents.csv").write_text(text, encoding="utf-8")
    for task in ((), ("--task", "regress")):
        status, out, err = deltarule("train", tmp_path / "rents.csv", "--target", "rent", *task)
        assert (status, out) == (2, "") and "column 'rent': it holds" in err and err.count("\n") == 1
    assert "it holds '1.010' in row 10 (counted from 0), to be written 1010 or 1.0100, where numbers are needed" in err
    words = ("--target", "y", "--task", "regress", "--json")
    outcome = json.loads(deltarule("train", tmp_path / "rents.csv", *words)[1])
    [why] = [column["why"] for column in outcome["columns"] if column["name"] == "rent"]
    assert why.startswith("texts that look like numbers with a point, such as '1.010', to be written 1010 or 1.0100")
    status, _, err = deltarule("train", tmp_path / "rents.csv", *words, "--type", "rent=number")
    assert status == 2 and "the column 'rent' cannot be numbers: it holds '1.010' in row 10" in err
    (tmp_path / "clear.csv").write_text(re.sub(r"\.", "", text), encoding="utf-8")
    assert deltarule("train", tmp_path / "clear.csv", *words, "--out", tmp_path / "m")[0] == 0
    status, _, err = deltarule("predict", tmp_path / "m", tmp_path / "rents.csv")
    assert status == 2 and "'1.010' in row 10 (counted from 0), where the model needs a number, to be written" in err


@pytest.mark.complete_search
@pytest.mark.slow
def test_columns_that_are_not_used_refuse_no_table(deltarule, tmp_path):
    """In training those that are told to be none; afterwards all that the model does not ask for."""
    random = np.random.default_rng(0)
    table = pd.DataFrame({"x": random.normal(size=40), "ratio": [np.inf, 1.0] * 20})
    table["y"] = 3 * table["x"]
    table.to_csv(tmp_path / "t.csv", index=False)
    table.assign(ratio=[[1]] * 40).to_parquet(tmp_path / "t.parquet")
    for name in ("t.parquet", "t.csv"):
        words = ("--target", "y", "--type", "ratio=unused", "--out", tmp_path / "m", "--json")
        status, out, err = deltarule("train", tmp_path / name, *words)
        assert status == 0 and err.startswith("14 settings on 5 folds") and err.count("\n") == 1
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


@pytest.mark.slow
def test_a_class_may_be_called_none(deltarule, tmp_path):
    """What pandas reads as a text is a class; of what is taken for a gap the note says how it is written."""
    drinks = ["none", "beer", "wine", "None", "NA", ""]
    rows = [(n % 6 if n % 6 < 3 else 0, drinks[n % 6]) for n in range(90)]
    table = written(tmp_path / "t.csv", "x,alc", rows)
    words = ("--target", "alc", "--out", tmp_path / "m", "--json")
    outcome = json.loads(deltarule("train", table, *words)[1])
    read = pd.read_csv(table)["alc"]
    assert outcome["classes"] == sorted(read.dropna().unique()) == ["beer", "none", "wine"]
    told = "45 of 90 rows have no 'alc', which 'NA', 'None' is taken to say, and were passed over"
    assert outcome["notes"][0] == told and read.isna().sum() == 45
    for some in (rows, rows[:1]):
        found = json.loads(deltarule("evaluate", tmp_path / "m", written(table, "x,alc", some), "--json")[1])
        assert found["scores"]["rows"] == sum(cell in drinks[:3] for _, cell in some) and found["scores"]["score"] == 1


@pytest.mark.parametrize(
    ("gaps", "told"), [(1, "1 of 1,200 rows has no 'y' and was"), (1100, "1,100 of 1,200 rows have no 'y' and were")]
)
def test_rows_without_a_target_are_counted_in_words(tmp_path, gaps, told):
    table = written(tmp_path / "t.csv", "x,y", [(n, "" if n < gaps else n / 7) for n in range(1200)])
    assert table_commands.read_with_target(table, "y", "regress")[2] == [f"{told} passed over"]


@pytest.mark.slow
def test_a_gap_among_numbers_is_one_however_it_is_written(deltarule, tmp_path):
    table = written(tmp_path / "t.csv", "x,y", [(n / 7, "-" if n % 8 == 0 else n % 2) for n in range(40)])
    outcome = json.loads(deltarule("train", table, "--target", "y", "--json")[1])
    assert outcome["classes"] == [0, 1]
    assert outcome["notes"][0] == "5 of 40 rows have no 'y', which '-' is taken to say, and were passed over"
    table = written(tmp_path / "t.csv", "x,y", [(n / 7, "-" if n == 3 else "much" if n == 7 else n) for n in range(40)])
    assert "but for 'much' in row 7" in deltarule("train", table, "--target", "y")[2]


@pytest.mark.slow
def test_truths_are_scored_by_ones_and_zeros(deltarule, tmp_path):
    rows = [(n % 2, n % 2 == 0) for n in range(40)]
    assert (
        deltarule("train", written(tmp_path / "t.csv", "x,y", rows), "--target", "y", "--out", tmp_path / "m")[0] == 0
    )
    table = written(tmp_path / "t.csv", "x,y", [(x, int(y)) for x, y in rows])
    found = json.loads(deltarule("evaluate", tmp_path / "m", table, "--json")[1])
    assert found["scores"]["score"] == 1 and found["notes"] == []


def test_a_far_target_has_a_finite_score(deltarule, folder, model, tmp_path):
    """Around one target of 1e200 all others, and all answers, are as good as 0."""
    table = pd.read_csv(folder / "test.csv")
    table.loc[3, "price"] = 1e200
    table.to_csv(tmp_path / "far.csv", index=False)
    status, out, err = deltarule("evaluate", model, tmp_path / "far.csv", "--json")
    scores = json.loads(out)["scores"]
    assert (status, err) == (0, "")
    # 1 - d² / (d² (n - 1) / n), for n rows of which one has the distance d
    assert scores["score"] == pytest.approx(1 - 30 / 29) and scores["mean_absolute_error"] == pytest.approx(1e200 / 30)
    assert np.isfinite([scores["low"], scores["high"], scores["baseline"]]).all()


@pytest.mark.slow
def test_answers_that_may_end_a_line_are_quoted(deltarule, tmp_path):
    """Python's reader, which takes a lone carriage return for the end of a line, gets back what was meant."""
    kinds = ["a\rb", "c\nd", 'e,"f', "g"]
    x = np.arange(80) % 4
    TabularClassifier(random_state=0).fit({"x": x}, np.array(kinds, object)[x]).save(tmp_path / "m")
    table = written(tmp_path / "t.csv", "x", [(n,) for n in range(4)])
    _, out, _ = deltarule("predict", tmp_path / "m", table)
    rows = list(csv.reader(io.StringIO(out, newline="")))
    assert [row[0] for row in rows] == ["target", *kinds]
    assert out.endswith("\n") and "\r\n" not in out and out.splitlines()[-1].startswith("g,")


@pytest.mark.slow
def test_identifiers_of_many_digits_are_distinguished(deltarule, tmp_path):
    for name, cells in {"zip": ("01234", "1234"), "id": ("9007199254740992", "9007199254740993")}.items():
        table = written(tmp_path / "t.csv", f"{name},y", [(cells[n % 2], n % 2 + n / 1000) for n in range(60)])
        words = ("--target", "y", "--type", f"{name} =category", "--json")
        [column] = json.loads(deltarule("train", table, *words)[1])["columns"]
        assert column["inputs"] == [f"{name}={cell}" for cell in cells]


@pytest.mark.slow
def test_a_target_with_signs_is_no_class_unless_somebody_says_so(deltarule, tmp_path):
    for cells, told in {
        ("0%", "5%", "10%"): "numbers with a sign, such as '0%', to be written 0",
        tuple(f"{n} kg" for n in range(25)): "numbers with a unit, such as '0 kg', to be written 0",
        ('"$1,000.00"', '"$2,500.50"'): "numbers with a sign, such as '$1,000.00', to be written 1000.00",
        ('"1,500"', '"2,250"'): "numbers with a comma, such as '1,500', to be written 1500 or 1.500",
    }.items():
        table = written(tmp_path / "t.csv", "x,y", [(n / 7, cells[n % len(cells)]) for n in range(60)])
        status, _, err = deltarule("train", table, "--target", "y")
        assert status == 2 and f"column 'y': it holds {told}; correct it, or give --task classify" in err
    outcome = json.loads(deltarule("train", table, "--target", "y", "--task", "classify", "--json")[1])
    assert outcome["classes"] == ["1,500", "2,250"]


@pytest.mark.parametrize(
    ("cells", "numbers", "told"),
    [
        (["1'234.50", "2'500"], [1234.5, 2500], 'sign, such as "1\'234.50", to be written 1234.50'),
        (["1:23:45", "0:00:01.5"], [5025, 1.5], "colon, such as '1:23:45', to be written 5025"),
    ],
)
def test_apostrophes_and_durations_of_a_target_are_read_where_numbers_are_asked_for(cells, numbers, told, tmp_path):
    table = written(tmp_path / "t.csv", "x,y", [(n / 7, cells[n % 2]) for n in range(60)])
    assert table_commands.read_with_target(table, "y", "regress")[1].tolist() == numbers * 30
    assert table_commands.read_with_target(table, "y", "classify")[1].tolist() == cells * 30
    with pytest.raises(BadInput, match=f"it holds numbers with a {told}; correct it, or give --task classify"):
        table_commands.read_with_target(table, "y", "auto")


@pytest.mark.slow
def test_of_few_classes_each_may_have_a_number_and_a_word(deltarule, tmp_path):
    """Such as hours and grades; a note says that they may be amounts."""
    cells = [f"{n} AM" for n in range(1, 13)]
    table = written(tmp_path / "t.csv", "x,y", [(n % 12, cells[n % 12]) for n in range(60)])
    outcome = json.loads(deltarule("train", table, "--target", "y", "--json")[1])
    assert outcome["classes"] == sorted(cells)
    looks = "numbers with a unit, such as '1 AM', to be written 1"
    assert f"the classes of 'y' look like {looks}; if that is a slip, correct it" in outcome["notes"]
    status, _, err = deltarule("train", table, "--target", "y", "--task", "regress")
    assert status == 2 and "it holds '1 AM' in row 0 (counted from 0), to be written 1, where numbers are needed" in err


@pytest.mark.slow
def test_of_few_numbers_one_that_is_none_is_reported_and_a_mere_sign_is_no_class(deltarule, tmp_path):
    """Stata and SAS write a point where nothing is known."""
    for cell in (".", "..", "*", ".a", ".Z", "._"):
        table = written(tmp_path / "t.csv", "x,y", [(n / 7, cell if n == 26 else n % 2) for n in range(60)])
        status, _, err = deltarule("train", table, "--target", "y")
        told = f"column 'y': it holds numbers, but for {cell!r} in row 26 (counted from 0); leave such cells empty if"
        assert status == 2 and told in err
    words = ("--target", "y", "--json")
    for cells, looks in ((["0", "1", "unknown"], "numbers, but for 'unknown' in row 2"), (["a", "b", "1"], None)):
        table = written(tmp_path / "t.csv", "x,y", [(n / 7, cells[n % 3]) for n in range(60)])
        outcome = json.loads(deltarule("train", table, *words)[1])
        assert outcome["classes"] == sorted(cells)
        slips = [note for note in outcome["notes"] if "look like" in note]
        assert slips == (
            [f"the classes of 'y' look like {looks} (counted from 0); if that is a slip, correct it"] * bool(looks)
        )
        outcome = json.loads(deltarule("train", table, *words, "--task", "classify")[1])
        assert not any("look like" in note for note in outcome["notes"])


def test_rows_are_counted_with_those_that_have_no_target(deltarule, tmp_path):
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
            "train.csv, column 'place': it holds 'village' in row 0 (counted from 0), where numbers are needed",
        ),
        (
            ("train", "slip.csv", "--target", "price"),
            "slip.csv, column 'price': it holds numbers, but for 'dear' in row 7 (counted from 0); correct it, or give",
        ),
        (
            ("train", "bars.csv", "--target", "price"),
            "its columns seem to be separated by bars, where commas are needed",
        ),
        (("train", "header.csv", "--target", "place"), "header.csv has a header but no rows"),
        (("train", "train.csv", "--target", "price", "--type", "area"), "--type area has no ="),
        (
            ("train", "train.csv", "--target", "price", "--type", "area=number", "--type", "area=category"),
            "--type area is given twice, as number and as category; give one of them",
        ),
        (("train", "train.csv", "--target", "price", "--type", "area=big"), "the column 'area' cannot be 'big'"),
        (("train", "train.csv", "--target", "price", "--seed", "-1"), "the seed is -1"),
        (("train", "train.csv", "--target", "price", "--out", "train.csv"), "train.csv is the table itself"),
        (
            ("train", "train.csv", "--target", "price", "--out", "nowhere/m"),
            "nowhere/m cannot be written: No such file or directory",
        ),
        (("predict", "model.safetensors", "lacking.csv"), "the table lacks 'area', which the model was trained with"),
        (("predict", "model.safetensors", "texts.csv"), "the column 'area' holds 'large' in row 0"),
        (("predict", "model.safetensors", "header.csv"), "has a header but no rows"),
        (("predict", "model.safetensors", "test.csv", "--out", "test.csv"), "test.csv is the table itself"),
        (
            ("predict", "model.safetensors", "test.csv", "--out", "model.safetensors"),
            "model.safetensors is the model itself; give the answers another name",
        ),
        (("evaluate", "model.safetensors", "slip.csv"), "column 'price': it holds 'dear' in row 7"),
        (("predict", "train.csv", "test.csv"), "train.csv is damaged or no safetensors file"),
        (("predict", ".", "test.csv"), ". is a folder; name a model's file in it"),
        (("predict", "plain.safetensors", "test.csv"), "holds an MLPRegressor, which takes no tables"),
        (
            ("predict", "model.safetensors", "test.csv", "--out", "a.parquet"),
            "a.parquet would be Parquet, but answers are written as text; end the name in .csv or .tsv",
        ),
        (("predict", "model.safetensors", "test.csv", "--out", "a.XLSX"), "a.XLSX would be Excel's, but answers are"),
        (
            ("evaluate", "model.safetensors", "alone.csv"),
            "alone.csv has only the target column 'price'; add the columns to predict it from: 'area', 'place'",
        ),
        (("evaluate", "model.safetensors", "new.csv"), "has no column 'price'"),
        (("evaluate", "gone.safetensors", "test.csv"), "gone.safetensors does not exist"),
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
def test_bad_use_is_one_sentence_and_status_2(deltarule, folder, model, monkeypatch, words, sentence):
    monkeypatch.chdir(folder)
    before = {path: path.read_bytes() for path in folder.iterdir()}
    status, out, err = deltarule(*words)
    assert status == 2 and out == "" and sentence in err and len(err.strip().splitlines()) == 1
    assert {path: path.read_bytes() for path in folder.iterdir()} == before


@pytest.mark.slow
def test_categories_have_decimal_commas_where_the_columns_may(deltarule, tmp_path):
    """Whichever file the model was trained on."""
    floors = np.where(np.arange(80) % 17 == 0, np.nan, RANDOM.integers(4, size=80))
    table = pd.DataFrame({"floors": floors, "x": RANDOM.normal(size=80), "y": np.where(floors > 1, "high", "low")})
    table.to_csv(tmp_path / "f.csv", index=False)
    table.to_csv(tmp_path / "f_semi.csv", index=False, sep=";", decimal=",")
    table.to_parquet(tmp_path / "f.parquet")
    files = [tmp_path / name for name in ("f.csv", "f_semi.csv", "f.parquet")]
    for trained in files:
        words = ("--target", "y", "--type", "floors=category", "--out", tmp_path / "m")
        assert deltarule("train", trained, *words)[0] == 0
        for asked in files:
            found = json.loads(deltarule("evaluate", tmp_path / "m", asked, "--json")[1])
            assert found["scores"]["score"] == 1 and found["notes"] == []


@pytest.mark.slow
def test_classes_that_a_model_knows_as_they_are_written_stay_so(deltarule, tmp_path):
    """Whatever else the table holds that is evaluated."""
    classes = ["4.979,34", "1.500", "7,25"]
    for name, some in (("all", classes), ("part", [classes[0], classes[2]])):
        rows = [(f"{row % len(some)},5", some[row % len(some)]) for row in range(60)]
        text = "".join(f"{cell};{target}\n" for cell, target in [("a", "t"), *rows])
        (tmp_path / f"{name}.csv").write_text(text, encoding="utf-8")
    texts = TabularClassifier(random_state=0).fit({"a": np.arange(60) % 3 + 0.5}, classes * 20)
    texts.target_ = "t"
    texts.save(tmp_path / "texts")
    words = ("--target", "t", "--task", "classify", "--out", tmp_path / "trained")
    assert deltarule("train", tmp_path / "all.csv", *words)[0] == 0
    for model in ("texts", "trained"):
        found = json.loads(deltarule("evaluate", tmp_path / model, tmp_path / "all.csv", "--json")[1])
        assert found["scores"]["score"] == 1, model
        found = json.loads(deltarule("evaluate", tmp_path / model, tmp_path / "part.csv", "--json")[1])
        assert not any("does not know" in note for note in found["notes"]), model


@pytest.mark.slow
def test_classes_of_few_digits_are_those_of_the_text(deltarule, tmp_path):
    rate = np.array([0.1, 1.1] * 40, np.float32)
    table = pd.DataFrame({"rate": rate, "x": RANDOM.normal(size=80), "y": rate})
    table.to_csv(tmp_path / "t.csv", index=False)
    table.to_parquet(tmp_path / "t.parquet")
    words = ("--target", "y", "--task", "classify", "--type", "rate=category", "--json", "--out", tmp_path / "m")
    for trained in ("t.csv", "t.parquet"):
        assert json.loads(deltarule("train", tmp_path / trained, *words)[1])["classes"] == ["0.1", "1.1"]
        for asked in ("t.csv", "t.parquet"):
            found = json.loads(deltarule("evaluate", tmp_path / "m", tmp_path / asked, "--json")[1])
            assert found["scores"]["score"] == 1 and found["notes"] == []
        assert load_model(tmp_path / "m").score(table[["rate", "x"]], table["y"]) == 1


@pytest.mark.slow
def test_answers_with_tabs_are_a_table_again(deltarule, folder, model, tmp_path):
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
def test_the_columns_are_reported_before_the_search_and_so_is_its_work(deltarule, folder, monkeypatch):
    def interrupted(*given):
        raise KeyboardInterrupt

    monkeypatch.setattr(CandidateSearch, "choose", interrupted)
    for words in ((), ("--json",)):
        status, out, err = deltarule("train", folder / "train.csv", "--target", "price", *words)
        assert status == 1
        assert [line.split()[0] for line in out.splitlines() if line] == (
            [] if words else ["column", "number", "area", "place", "dear"]
        )
        assert "14 settings on 5 folds of 63 rows × 6 inputs, then 8 networks on 79 rows …\n" in err


def test_what_is_refused_is_refused_before_the_columns_are_reported(deltarule, folder):
    status, out, err = deltarule("train", folder / "few.csv", "--target", "b")
    assert (status, out) == (2, "") and "there are 2 rows, too few" in err


@pytest.mark.slow
def test_the_columns_of_a_table_are_looked_at_once(deltarule, folder, monkeypatch):
    """What takes seconds of large tables; where a person waits, beside the seconds that pass."""
    screen = Console(file=Terminal(), force_terminal=True, width=200)
    seen, begun = [], BaseTabular._prepare

    def counted(*given):
        seen.append(screen.file.getvalue())
        return begun(*given)

    monkeypatch.setattr(BaseTabular, "_prepare", counted)
    monkeypatch.setattr(progress_line, "console", lambda to_errors=False: screen if to_errors else console())
    for words in ((), ("--json",)):
        assert deltarule("train", folder / "test.parquet", "--target", "dear", *words)[0] == 0
    assert len(seen) == 2 and all("test.parquet: its columns are looked at" in one[-300:] for one in seen)


ALIKE = "The measured concentration in the left lung in mg/l"


@pytest.mark.slow
def test_names_that_differ_only_at_their_end_are_distinguished(deltarule, tmp_path, monkeypatch):
    monkeypatch.setenv("COLUMNS", "300")
    names = [f"{ALIKE} A", f"{ALIKE} B", f"{ALIKE} C"]
    rows = [(n % 7, n, n % 5, f"{ALIKE} {n % 7 // 4}") for n in range(60)]
    table = written(tmp_path / "t.csv", ",".join([*names, "y"]), rows)
    status, out, _ = deltarule("train", table, "--target", "y", "--out", tmp_path / "m")
    assert status == 0 and f"always '{ALIKE} 0'\n" in out
    assert [line[: len(names[0])] for line in out.splitlines()[1:4]] == names
    assert f"the column {names[1]!r} is not used" in out and f"the column {names[0]!r} alone predicts" in out
    status, out, _ = deltarule("evaluate", tmp_path / "m", table)
    for name in (f"{ALIKE} 0", f"{ALIKE} 1", names[0], names[2]):
        assert len([line for line in out.splitlines() if line.startswith(f"{name} ")]) == 1


@pytest.mark.slow
def test_a_long_word_in_a_name_is_whole_where_the_screen_is_narrow(deltarule, tmp_path, monkeypatch):
    monkeypatch.setenv("COLUMNS", "80")
    name = ALIKE.replace(" ", "_") * 2
    table = written(tmp_path / "t.csv", f"{name}A,{name}B,y", [(n % 7, n % 5, n % 7 // 4) for n in range(60)])
    status, out, _ = deltarule("train", table, "--target", "y")
    cells = [line.split(" ")[0] for line in out.split("\n\n")[0].splitlines()[1:]]
    assert status == 0 and "".join(cells) == f"{name}A{name}B"


@pytest.mark.slow
def test_names_of_a_hundred_thousand_letters_are_cut_and_differ(deltarule, tmp_path):
    used = "v" * 100_000
    unused = used + "u"
    rows = [(n % 7, n, "ab"[n % 7 > 3]) for n in range(60)]
    table = written(tmp_path / "t.csv", f"{used},{unused},y", rows)
    status, out, err = deltarule("train", table, "--target", "y", "--out", tmp_path / "new\nline.safetensors")
    assert status == 0 and max(map(len, (out + err).splitlines())) < 1000
    assert f"{unused[-40:]}' is not used" in out and f"{used[-40:]}' alone predicts" in out
    assert out.endswith("new\\nline.safetensors\n")


@pytest.mark.slow
def test_a_class_that_is_never_answered_is_reported(deltarule, tmp_path):
    random = np.random.default_rng(0)
    x = random.normal(size=(1000, 2))
    answers = np.where(random.random(1000) < 1 / (1 + np.exp(4 - x[:, 0])), "yes", "no")
    table, model = tmp_path / "rare.csv", tmp_path / "rare.safetensors"
    pd.DataFrame({"a": x[:, 0], "b": x[:, 1], "y": answers}).to_csv(table, index=False)
    status, out, _ = deltarule("train", table, "--target", "y", "--out", model)
    assert status == 0 and "1,000, of which 200 were set aside" in out
    told = "Note: never predicts 'yes', and its accuracy does not exceed the baseline"
    assert told in out and "log loss" in out and "area under ROC" in out
    status, out, _ = deltarule("evaluate", model, table, "--report", tmp_path / "rare.html")
    assert status == 0 and told in " ".join(out.split()) and "area under ROC" in out
    assert "never predicts" in (tmp_path / "rare.html").read_text(encoding="utf-8")
    status, out, _ = deltarule("evaluate", model, table, "--json")
    scores = json.loads(out)["scores"]
    assert 0 < scores["log_loss"] < scores["baseline_log_loss"] and 0.5 < scores["area_under_roc"] < 1
