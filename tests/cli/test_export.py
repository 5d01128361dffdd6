import subprocess
import sys

import pytest


@pytest.fixture
def run(deltarule, tmp_path):
    folder = tmp_path / "run"
    words = ("--seeds", 3, "--set", "stopping.max_steps=60", "--out", folder)
    assert deltarule("run", "encoder", "--experiment", "rate-1", *words)[0] == 0
    return folder


def test_a_run_becomes_a_script_that_comes_to_its_losses(deltarule, run, tmp_path):
    status, out, err = deltarule("export", run, "--to", "script", "--member", 2)
    assert (status, err) == (0, "") and str(run / "script.py") in out.replace("\n", "")
    done = subprocess.run([sys.executable, "-I", str(run / "script.py")], capture_output=True, encoding="utf-8")
    lines = done.stdout.splitlines()
    assert done.returncode == 0 and len(lines) > 5 and all(line.endswith("the same") for line in lines)
    text = (run / "script.py").read_text(encoding="utf-8")
    assert text.startswith('"""encoder, rate-1 on one_hot, member 2 (seed 2): a network 8-3-8, 60 updates.')
    deltarule("export", run, "--to", "script", "--out", tmp_path / "other.py")
    assert (tmp_path / "other.py").read_text(encoding="utf-8") != text


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (("RUN", "--to", "onxx"), 'there is no form "onxx" to export to; give --to script'),
        (("RUN", "--to", "script", "--member", "3"), "there is no member 3; the run has the members 0 to 2"),
        (("RUN", "--to", "script", "--member", "-1"), "there is no member -1"),
        (("gone", "--to", "script"), "gone holds no run"),
        (("RUN", "--to", "script", "--out", "nowhere/script.py"), "nowhere"),
        (("RUN",), "--to"),
    ],
)
def test_bad_use_is_one_sentence_and_status_2(deltarule, run, tmp_path, monkeypatch, words, sentence):
    monkeypatch.chdir(tmp_path)
    before = sorted(tmp_path.rglob("*"))
    status, out, err = deltarule("export", *(run if word == "RUN" else word for word in words))
    assert status == 2 and out == "" and sentence in err and len(err.strip().splitlines()) == 1
    assert sorted(tmp_path.rglob("*")) == before
