import json
import math
import re
import subprocess
import sys
from pathlib import Path

import pytest

from deltarule import check_problem
from deltarule.studies.recipes import dataset_of, load_recipe, problem_of

ROOT = Path(__file__).parents[2]


def test_the_screen_holds_every_section_at_80_columns(deltarule, monkeypatch):
    monkeypatch.setenv("COLUMNS", "80")
    status, out, err = deltarule("explain", "encoder", "--step", 3, "--sample", 5)
    assert (status, err) == (0, "")
    assert max(map(len, out.splitlines())) <= 80
    for word in ("Settings", "Parameters", "Forward", "Loss", "Backward", "Update", "z1[5, 0] = ", "W2_new[0, 0] = "):
        assert word in out


def test_json_is_one_object_with_every_array(deltarule):
    status, out, err = deltarule("explain", "encoder", "--step", 3, "--json")
    record = json.loads(out)
    assert (status, err) == (0, "")
    assert (record["study"], record["member"], record["step"], record["rows"]) == ("encoder", 0, 3, list(range(8)))
    arrays = {one["name"]: one for one in record["quantities"]}
    assert arrays["J"]["value"] == record["objective"]
    z1 = arrays["z1"]
    assert z1["formula"] == "Σ_d x[i, d] · W1[d, j] + b1[j]" and len(z1["value"]) == 8
    first = z1["worked"][0]
    assert first["index"] == [0, 0] and first["value"] == z1["value"][0][0]
    assert first["value"] == pytest.approx(arrays["W1"]["value"][0][0] + arrays["b1"]["value"][0])
    narrowed = json.loads(deltarule("explain", "encoder", "--sample", 2, "--layer", 2, "--json")[1])
    assert {one["layer"] for one in narrowed["quantities"]} == {2}
    assert len(next(one for one in narrowed["quantities"] if one["name"] == "z2")["value"]) == 8


def test_the_study_that_pages_teach_with_is_plain_descent_on_one_sample(deltarule):
    """XOR through 2-2-1 by Python's arithmetic alone."""
    record = json.loads(deltarule("explain", "xor", "--json")[1])
    arrays = {one["name"]: one["value"] for one in record["quantities"]}
    (x,), ((y,),), rate = arrays["x"], arrays["y"], arrays["α"]
    W1, b1, W2, (b2,) = arrays["W1"], arrays["b1"], [row[0] for row in arrays["W2"]], arrays["b2"]

    def sigmoid(z):
        return 1 / (1 + math.exp(-z))

    a1 = [sigmoid(sum(x[d] * W1[d][j] for d in range(2)) + b1[j]) for j in range(2)]
    p = sigmoid(a1[0] * W2[0] + a1[1] * W2[1] + b2)
    d1 = [(p - y) * W2[j] * a1[j] * (1 - a1[j]) for j in range(2)]
    assert len(record["rows"]) == 1 and record["objective"] == pytest.approx(-math.log(p if y else 1 - p))
    for j in range(2):
        assert arrays["W2_new"][j][0] == pytest.approx(W2[j] - rate * (p - y) * a1[j])
        assert arrays["b1_new"][j] == pytest.approx(b1[j] - rate * d1[j])
        assert [row[j] for row in arrays["W1_new"]] == pytest.approx([W1[d][j] - rate * x[d] * d1[j] for d in range(2)])
    assert arrays["b2_new"][0] == pytest.approx(b2 - rate * (p - y))


def test_pages_explain_studies_whose_gradient_is_right():
    pages = [*ROOT.glob("docs/**/*.md"), ROOT / "README.md"]
    text = " ".join(page.read_text(encoding="utf-8") for page in pages if "studies" not in page.parts)
    studies = set(re.findall(r"deltarule explain ([a-z][a-z0-9-]*)(?= )", text))
    assert {"xor", "encoder"} <= studies
    for name in studies:
        recipe = load_recipe(name)
        assert check_problem(problem_of(recipe, dataset_of(recipe), seeds=1)).ok, name


def test_a_page_and_a_figure_are_written(deltarule, tmp_path):
    page, figure = tmp_path / "page.html", tmp_path / "graph.svg"
    status, out, _ = deltarule("explain", "boundary-xor", "--html", page, "--graph", figure)
    assert status == 0 and str(page) in out.replace("\n", "") and "Settings" not in out
    assert page.read_text(encoding="utf-8").startswith("<!doctype html>")
    assert figure.read_text(encoding="utf-8").startswith("<svg")


def test_experiments_and_settings_are_those_of_run(deltarule):
    words = ("--experiment", "rate-1", "--set", "run.seeds=2", "--member", 1, "--layer", 1, "--json")
    record = json.loads(deltarule("explain", "encoder", *words)[1])
    assert record["experiment"] == "rate-1" and record["title"] == "encoder, rate-1, on one_hot, member 1 (seed 1)"


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (("--step", 99999), "the training ends after 3,000 updates; give a step from 0 to 3000"),
        (("--member", 100), "there is no member 100; encoder has the members 0 to 99"),
        (("--sample", 8), "sample 8 is not in the batch of step 0, whose rows begin: 0, 1, 2, 3, 4, 5, 6, 7"),
        (("--layer", 3), "there is no layer 3; give a layer from 1 to 2"),
        (("--step", "x"), "--step"),
        (("--html", "nowhere/page.html"), "nowhere/page.html cannot be written"),
        (
            ("--html", "x.html", "--graph", "./x.html"),
            "--graph x.html and --html x.html are one file; give the figure another name",
        ),
    ],
)
def test_bad_use_is_one_sentence_and_status_2(deltarule, tmp_path, monkeypatch, words, sentence):
    monkeypatch.chdir(tmp_path)
    status, out, err = deltarule("explain", "encoder", *words)
    assert status == 2 and out == "" and sentence in err and len(err.strip().splitlines()) == 1
    assert list(tmp_path.iterdir()) == []


def test_pipe_of_another_encoding(tmp_path):
    command = [sys.executable, "-X", "utf8=0", "-m", "deltarule", "explain", "encoder", "--layer", "1"]
    environment = {"PYTHONIOENCODING": "ascii", "PATH": "", "SYSTEMROOT": "C:\\Windows"}
    done = subprocess.run(command, capture_output=True, env=environment, check=True)
    assert b"\x1b" not in done.stdout and b"z1[0, 0] = " in done.stdout
