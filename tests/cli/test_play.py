import os
import signal
import subprocess
import sys
import urllib.request

import pytest


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        (["nothing"], "there is nothing called 'nothing'"),
        (["iris", "--target", "kind"], "--target names a column of a table"),
        (["missing.csv", "--target", "y"], "missing.csv does not exist"),
        (["--port", "99999"], "Invalid value for '--port'"),
        (["--record", "x", "--updates", "0"], "Invalid value for '--updates'"),
    ],
)
def test_bad_use_is_a_sentence_with_status_2(deltarule, options, sentence):
    status, out, err = deltarule("play", "--no-browser", *options)
    assert (status, out) == (2, "") and sentence in err


@pytest.mark.slow
def test_a_recording_is_one_page(deltarule, tmp_path):
    assert deltarule("play", "xor", "--record", tmp_path / "page", "--updates", 20)[0] == 0
    assert [one.name for one in (tmp_path / "page").iterdir()] == ["index.html"]
    page = (tmp_path / "page" / "index.html").read_text(encoding="utf-8")
    assert "http://" not in page.replace("http://www.w3.org/2000/svg", "") and "https://" not in page


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="Windows sends Ctrl-C to whole consoles only")
def test_it_serves_its_page_until_ctrl_c():
    command = [sys.executable, "-m", "deltarule", "play", "xor", "--no-browser"]
    environment = {**os.environ, "PYTHONUNBUFFERED": "1"}
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment) as process:
        line = process.stdout.readline()
        with urllib.request.urlopen(line.split()[2]) as answer:
            assert b"<title>deltarule play</title>" in answer.read()
        process.send_signal(signal.SIGINT)
        assert process.wait(60) == 0 and process.stdout.read() == "Ended.\n"
