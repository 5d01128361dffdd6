"""The command `deltarule reproduce`, as a person types it."""

import json
import os
import signal
import subprocess
import sys
import time

import pytest

from deltarule.json_files import read_json
from deltarule.recipes import load_recipe
from deltarule.studies import reproduce_studies
from deltarule.studies.claims import claims_of_study
from deltarule.studies.runner import CHECKPOINT

RECIPE = """
[data]
name = "xor"
[network]
layers = [2, 3, 1]
output = "sigmoid"
[stopping]
max_steps = 40
[run]
seeds = 10
"""


@pytest.mark.slow
def test_a_study_is_judged_quickly_and_the_table_says_what_was_left_out(deltarule, tmp_path, monkeypatch):
    """By two of its claims, one that trains and one that does not."""
    ids = ("boundary-linear-1", "boundary-linear-18")
    claims = [claim for claim in claims_of_study(load_recipe("boundary-linear")) if claim.id in ids]
    monkeypatch.setattr(reproduce_studies, "claims_of_study", lambda _: claims)
    words = ("reproduce", "boundary-linear", "--quick", "--seeds", 2, "--out", tmp_path / "out")
    status, out, err = deltarule(*words)
    flat = " ".join(out.split())
    assert status == 0 and "boundary-linear on linear: 2 networks trained, 2 claims judged" in err
    assert "boundary-linear: judged over 2 seeds in place of 500, run with 2 networks in place of 20." in flat
    status, out, _ = deltarule(*words, "--json")
    record = json.loads(out)
    assert status == 0 and record == read_json(tmp_path / "out" / "reproduce.json")
    judged = {
        one["id"]: one["verdict"] for one in read_json(tmp_path / "out" / "boundary-linear" / "claims.json")["claims"]
    }
    assert record["studies"][0]["verdicts"] == judged and set(judged) == set(ids)


def test_the_folder_has_a_name_of_its_own_where_none_is_given(deltarule, tmp_path, monkeypatch):
    (tmp_path / "mine.toml").write_text(RECIPE, encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    for words, folder in (((), "reproduction"), (("--quick",), "reproduction-quick")):
        assert json.loads(deltarule("reproduce", "mine.toml", *words, "--json")[1])["out"] == folder
        assert (tmp_path / folder / "report.html").is_file() and (tmp_path / folder / "mine" / "run.json").is_file()


def test_bad_use_is_one_sentence(deltarule, tmp_path):
    (tmp_path / "mine.toml").write_text(RECIPE, encoding="utf-8")
    words = ("reproduce", tmp_path / "mine.toml", "--out", tmp_path / "out")
    assert deltarule(*words)[0] == 0
    status, out, err = deltarule(*words, "--quick")
    assert (status, out) == (2, "") and "holds a reproduction with other options (none); continue with the same" in err
    status, out, err = deltarule("reproduce", "nothing-such")
    assert (status, out) == (2, "") and "there is no study 'nothing-such'" in err


@pytest.mark.slow
@pytest.mark.skipif(os.name == "nt", reason="Windows delivers Ctrl-C to process groups only")
def test_ctrl_c_says_how_to_resume(tmp_path):
    (tmp_path / "mine.toml").write_text(RECIPE.replace("40", "2000000000"), encoding="utf-8")
    words = [sys.executable, "-m", "deltarule", "reproduce", "mine.toml", "--out", "out"]
    running = subprocess.Popen(words, cwd=tmp_path, stderr=subprocess.PIPE, encoding="utf-8")
    while not (tmp_path / "out" / "mine" / CHECKPOINT).exists():  # it trains: within an import, Python may lose Ctrl-C
        time.sleep(0.02)
    running.send_signal(signal.SIGINT)
    told = running.communicate(timeout=120)[1]
    assert running.returncode == 1 and "interrupted; what was reached is kept in out; continue with --resume" in told
