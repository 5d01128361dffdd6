import json
import os
import subprocess
import sys

import pytest


@pytest.mark.slow
def test_report_is_drawn_of_what_run_wrote(deltarule, tmp_path):
    status, _, _ = deltarule(
        "run", "encoder", "--seeds", 2, "--set", "stopping.max_steps=50", "--out", tmp_path / "out"
    )
    page = tmp_path / "out" / "report.html"
    drawn = page.read_bytes()
    page.unlink()
    assert status == 0
    assert deltarule("report", tmp_path / "out") == (0, f"Written: {page}\n", "")
    assert page.read_bytes() == drawn


def test_report_says_what_is_unfinished(deltarule, tmp_path):
    status, said, _ = deltarule("report", tmp_path, "--json")
    told = json.loads(said)
    assert status == 0
    assert told["path"] == str(tmp_path / "report.html") and told["studies"] == []
    assert "there are no records here yet" in told["unfinished"][0]
    assert "Unfinished: there are no records here yet" in deltarule("report", tmp_path)[1]


@pytest.mark.slow
def test_where_matplotlib_can_keep_no_settings_it_says_nothing_of_its_own(tmp_path, deltarule):
    assert deltarule("run", "encoder", "--set", "stopping.max_steps=5", "--out", tmp_path / "out")[0] == 0
    (tmp_path / "file").write_bytes(b"")
    environment = {**os.environ, "MPLCONFIGDIR": str(tmp_path / "file" / "within")}
    command = [sys.executable, "-m", "deltarule", "report", str(tmp_path / "out")]
    done = subprocess.run(command, capture_output=True, env=environment, encoding="utf-8", check=True)
    assert done.stdout == f"Written: {tmp_path / 'out' / 'report.html'}\n" and done.stderr == ""


def test_a_missing_folder_is_bad_use(deltarule, tmp_path):
    status, said, complaint = deltarule("report", tmp_path / "nowhere")
    assert (status, said) == (2, "")
    assert "there is no folder" in complaint and complaint.count("\n") == 1
