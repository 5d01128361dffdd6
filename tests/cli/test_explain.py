import json
import subprocess
import sys

import pytest


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
