import hashlib
import json
import math
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from deltarule import check_problem
from deltarule.array_files import load_arrays
from deltarule.errors import RunFailed
from deltarule.json_files import read_json
from deltarule.recipes import dataset_of, load_recipe, problem_of, training_of
from deltarule.studies import runner
from deltarule.training.train import train

RECIPE = """
[study]
title = "Exclusive or"
criterion = "accuracy"

[data]
name = "xor"

[network]
layers = ["auto", 4, "auto"]
activation = "tanh"
output = "sigmoid"

[loss]
name = "binary_cross_entropy"

[optimizer]
name = "momentum"
learning_rate = 0.5

[stopping]
max_steps = 400

[[experiment]]
name = "slow"
set = {"optimizer.learning_rate" = 0.001}
"""


@pytest.fixture
def study(tmp_path):
    path = tmp_path / "mine.toml"
    path.write_text(RECIPE, encoding="utf-8")
    return path


@pytest.mark.usefixtures("offline")
def test_a_study_of_a_report_without_its_data_ends_at_once(deltarule, tmp_path):
    for study, data in (("mnist", "mnist"), ("cifar", "cifar10")):
        status, out, err = deltarule("run", study, "--out", tmp_path / "out")
        assert (status, out) == (1, "") and f"get it with deltarule data fetch {data}" in " ".join(err.split())
        assert not (tmp_path / "out").exists()


@pytest.mark.slow
def test_json(deltarule, study):
    status, out, err = deltarule("run", study, "--seeds", 3, "--json")
    record = json.loads(out)
    assert status == 0 and err == ""
    assert record["study"] == "mine" and record["data"] == "xor" and record["engine"] == "reference"
    assert record["dtype"] == "float64" and record["members"] == 3
    assert record["steps"] == 400 and record["member_steps"] == 1200 and record["out"] is None
    assert record["objective"].keys() == record["accuracy"].keys() == {"min", "median", "max"}
    assert record["solved"].keys() == {"criterion", "count", "of", "steps_median", "interval"}
    assert record["diverged"] == [] and record["seconds"] > 0
    again, other = (deltarule("run", study, "--seeds", 3, *more)[1] for more in ((), ("--seed", 5)))
    digest = hashlib.sha256(_thetas(study, 3)).hexdigest()
    assert record["digest"] == digest and f"SHA-256 {digest[:12]}\n" in again and digest[:12] not in other


def _thetas(study: Path, seeds: int) -> bytes:
    """The parameters at the end of a study's networks, one after another."""
    recipe = load_recipe(study)
    dataset = dataset_of(recipe)
    problem = problem_of(recipe, dataset, seeds)
    return train(problem, **training_of(recipe, dataset, problem)).state.theta.astype("<f8").tobytes()


def test_the_tables_report_of_the_first_member_until_its_own_end(deltarule):
    """Others go on: after their ends they have no more outputs."""
    ends_early = ("--set", "stopping.threshold=0.9", "--set", "run.history_every=3")
    for steps in (5, 50):
        _, several, _ = deltarule("run", "encoder", *ends_early, "--set", f"stopping.max_steps={steps}")
        _, alone, _ = deltarule("run", "encoder", *ends_early, "--set", f"stopping.max_steps={steps}", "--seed", 0)
        tables = [said.partition("study  ")[0] for said in (several, alone)]
        assert "right from" in tables[0] and "nan" not in tables[0] and tables[0] == tables[1]


def test_the_listing_has_the_report_s_own_cost(deltarule):
    words = ("--seeds", "2", "--set", "stopping.max_steps=300", "--listing", "100")
    heading, _, *lines = deltarule("run", "encoder", *words)[1].splitlines()[:6]
    assert heading.split()[:2] == ["update", "objective"] and heading.endswith("half mean squared error")
    assert [line.split()[0] for line in lines] == ["0", "100", "200", "300"]


@pytest.mark.slow
def test_experiment_and_set(deltarule, study):
    plain, slow, back = (
        json.loads(deltarule("run", study, *more, "--json")[1])["objective"]["median"]
        for more in (
            (),
            ("--experiment", "slow"),
            ("--experiment", "slow", "--set", "optimizer.learning_rate=0.5"),
        )
    )
    assert slow > plain == back


@pytest.mark.slow
def test_two_experiments_are_combined(deltarule, tmp_path):
    words = ("run", "boundary-linear", "--experiment", "hidden-1-1", "--experiment", "schedule-off")
    status, out, _ = deltarule(*words, "--set", "stopping.max_epochs=1", "--json", "--out", tmp_path)
    keys = read_json(tmp_path / "recipe.json")["keys"]
    assert status == 0 and json.loads(out)["experiment"] == "hidden-1-1, schedule-off"
    assert (keys["network"]["layers"][1], keys["optimizer"]["schedule"]) == (1, "constant")
    command = "boundary-linear --experiment hidden-1-1 --experiment schedule-off --set stopping.max_epochs=1 --engine"
    assert command in (tmp_path / "report.html").read_text(encoding="utf-8")


@pytest.mark.slow
def test_out_holds_records_and_curves(deltarule, study, tmp_path):
    folder = tmp_path / "deep" / "out"
    status, out, _ = deltarule("run", study, "--out", folder, "--json")
    assert status == 0
    assert {path.name for path in folder.iterdir()} == {
        "run.json", "recipe.json", "arrays.safetensors", "checkpoint.safetensors",
        "objective.svg", "objective.png", "accuracy.svg", "accuracy.png", "portrait.safetensors", "report.html",
    }  # fmt: skip
    assert read_json(folder / "run.json") == json.loads(out)
    assert read_json(folder / "recipe.json")["keys"]["optimizer"]["learning_rate"] == 0.5
    assert (folder / "objective.png").read_bytes().startswith(b"\x89PNG")
    assert "<svg" in (folder / "accuracy.svg").read_text(encoding="utf-8")


@pytest.mark.slow
def test_resume_after_kill_gives_the_same_result(deltarule, study, tmp_path):
    words = ["run", str(study), "--seeds", "30", "--set", "stopping.max_steps=30000", "--json"]
    whole = deltarule(*words, "--out", tmp_path / "whole")
    command = [sys.executable, "-m", "deltarule", *words, "--out", str(tmp_path / "part")]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    while not (tmp_path / "part").exists():
        time.sleep(0.02)
    time.sleep(0.5)
    process.kill()
    process.wait()
    again = deltarule(*words, "--out", tmp_path / "part", "--resume")
    one, other = (load_arrays(tmp_path / name / "arrays.safetensors")[0] for name in ("whole", "part"))
    assert all(np.array_equal(one[name], other[name], equal_nan=True) for name in one)
    told = [json.loads(out) for _, out, _ in (whole, again)]
    for record in told:
        del record["seconds"], record["out"]
    assert told[0] == told[1]


@pytest.mark.slow
@pytest.mark.skipif(os.name == "nt", reason="Windows delivers Ctrl-C to process groups only")
def test_ctrl_c_writes_what_was_reached(study, tmp_path):
    command = [sys.executable, "-m", "deltarule", "run", str(study), "--set", "stopping.max_steps=2000000000"]
    process = subprocess.Popen([*command, "--json", "--out", str(tmp_path / "out")], stdout=subprocess.PIPE)
    while not (tmp_path / "out" / runner.CHECKPOINT).exists():  # it trains: within an import, Python may lose Ctrl-C
        time.sleep(0.02)
    process.send_signal(signal.SIGINT)
    out, _ = process.communicate(timeout=60)
    record = json.loads(out)
    assert process.returncode == 1 and record["interrupted"] and record["reasons"] == {"interrupted": 1}
    assert read_json(tmp_path / "out" / "run.json") == record


@pytest.mark.needs("torch")
def test_a_device_means_pytorch(deltarule, study):
    status, out, _ = deltarule("run", study, "--device", "cpu", "--set", "stopping.max_steps=5", "--json")
    assert status == 0 and json.loads(out)["engine"] == "autograd"


BAD = [
    (("run", "encodr"), "encoder"),
    (("run", "STUDY", "--set", "optimizer.learning_rat=1"), "learning_rate"),
    (("run", "STUDY", "--seeds", "-3"), "run.seeds"),
    (("run", "STUDY", "--seed", "1", "--seeds", "2"), "--seed and --seeds"),
    (("run", "STUDY", "--engine", "warp"), "reference"),
    (("run", "STUDY", "--engine", "compiled", "--resume"), "--out"),
    pytest.param(("run", "STUDY", "--device", "warp9"), "no device 'warp9'", marks=pytest.mark.needs("torch")),
    (("run", "STUDY", "--device", "cpu", "--engine", "compiled"), "take 'autograd'"),
    (("run", "STUDY", "--experiment", "fast"), "slow"),
    (("run", "STUDY", "--set", "data.name=none", "--set", "data.file=gone.csv"), "gone.csv"),
    (("runn",), "run"),
    (("claims", "STUDY"), "no claims"),
    (("claims", "STUDY", "--claims", "gone.py"), "gone.py"),
    (("lr-range", "STUDY", "--from", "1", "--to", "0.1"), "the lower one first"),
    (("show", "gone.toml"), "gone.toml"),
]


@pytest.mark.parametrize(("words", "named"), BAD)
def test_bad_use(deltarule, study, tmp_path, words, named):
    before = sorted(tmp_path.rglob("*"))
    status, out, err = deltarule(*(study if word == "STUDY" else word for word in words))
    assert status == 2 and out == ""
    assert len(err.strip().splitlines()) == 1 and err.startswith("deltarule: ") and named in err
    assert sorted(tmp_path.rglob("*")) == before


@pytest.mark.parametrize(
    ("content", "named"),
    [
        ("", "is empty"),
        ("a,b,d\n1,2,x\n1,3,y\n", "has no column 'c'"),
    ],
)
def test_bad_data(deltarule, study, tmp_path, content, named):
    (tmp_path / "own.csv").write_text(content, encoding="utf-8")
    words = ("--set", "data.name=none", "--set", 'data.file="own.csv"', "--set", "data.target=c")
    status, out, err = deltarule("run", study, *words, "--out", tmp_path / "out")
    assert status == 2 and out == "" and named in err and len(err.strip().splitlines()) == 1
    assert not (tmp_path / "out").exists()


def test_output_folder_is_a_file(deltarule, study, tmp_path):
    (tmp_path / "taken").write_text("mine", encoding="utf-8")
    status, _, err = deltarule("run", study, "--out", tmp_path / "taken")
    assert status == 2 and "taken" in err
    assert (tmp_path / "taken").read_text(encoding="utf-8") == "mine"


def test_failing_summary_keeps_the_records(deltarule, study, tmp_path, monkeypatch):
    def fail(*given):
        raise RunFailed("no summary")

    monkeypatch.setattr(runner, "outcome_of", fail)
    status, _, err = deltarule("run", study, "--out", tmp_path / "out")
    assert status == 1 and "no summary" in err
    assert load_arrays(tmp_path / "out" / "arrays.safetensors")[0]["theta"].size


@pytest.mark.slow
def test_nothing_but_text_when_piped(study):
    done = subprocess.run(
        [sys.executable, "-m", "deltarule", "run", str(study)], capture_output=True, check=True, encoding="utf-8"
    )
    assert "\x1b" not in done.stdout + done.stderr


@pytest.mark.slow
def test_why_says_what_stands_out(deltarule):
    words = ("run", "encoder", "--seeds", 2, "--set", "optimizer.learning_rate=100", "--set", "stopping.max_steps=500")
    status, out, err = deltarule(*words, "--why")
    assert (status, err) == (0, "") and "1. rate_too_high: in 2 of 2 members" in " ".join(out.split())
    (found,) = json.loads(deltarule(*words, "--why", "--json")[1])["why"]["findings"]
    assert found["code"] == "rate_too_high" and sorted(found["members"]) == [0, 1]


@pytest.mark.slow
def test_nothing_is_said_unasked(deltarule):
    assert json.loads(deltarule("run", "encoder", "--seeds", 1, "--json")[1])["why"] is None


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


@pytest.mark.slow
def test_pipe_of_another_encoding(tmp_path):
    command = [sys.executable, "-X", "utf8=0", "-m", "deltarule", "explain", "encoder", "--layer", "1"]
    environment = {"PYTHONIOENCODING": "ascii", "PATH": "", "SYSTEMROOT": "C:\\Windows"}
    done = subprocess.run(command, capture_output=True, env=environment, check=True)
    assert b"\x1b" not in done.stdout and b"z1[0, 0] = " in done.stdout
