import json
import os
import signal
import subprocess
import sys
import urllib.request

import pytest

from deltarule.data.published import MNIST


def test_data_list_names_every_published_set(deltarule, tmp_path):
    status, out, _ = deltarule("data", "list", "--data", tmp_path, "--json")
    assert status == 0
    assert [one["name"] for one in json.loads(out)["data"]] == ["mnist", "fashion-mnist", "cifar10"]


def test_damaged_data_are_reported(deltarule, tmp_path):
    for name in MNIST.files:
        (tmp_path / name).write_bytes(b"damaged")
    status, out, error = deltarule("data", "check", "mnist", "--data", tmp_path)
    assert status == 2 and out == "" and error.count("\n") == 1
    assert f"{tmp_path / next(iter(MNIST.files))} is not the published" in error
    status, _, error = deltarule("run", "digits", "--set", "data.name=mnist", "--data", tmp_path)
    assert status == 2 and "is not the published" in error


def test_bad_use_of_data(deltarule, tmp_path):
    assert deltarule("data", "fetch")[0] == 2
    assert "there is no published data set 'mnsit'" in deltarule("data", "check", "mnsit")[2]


def test_doctor_shows_what_json_holds(deltarule):
    status, out, _ = deltarule("doctor")
    record = json.loads(deltarule("doctor", "--json")[1])
    flat = " ".join(out.split())
    assert status == 0 and set(record["engines"]) == {"reference", "compiled", "cuda", "autograd"}
    for told in (record["versions"]["numpy"], record["machine"]["processor"], "DELTARULE_DATA", "compiled programs"):
        assert told in flat
    assert all(name in flat for name in record["optional"])


NOWHERE = """
import sys, tempfile
place = sys.argv.pop()
tempfile._candidate_tempdir_list = lambda: [place]
from deltarule.cli import main
main()
"""


@pytest.fixture
def nowhere(tmp_path):
    """A function that runs a command where nothing can be written but the current folder: its status, out and err."""
    (tmp_path / "file").touch()
    names = ("XDG_CACHE_HOME", "HOME", "LOCALAPPDATA", "WIN_PD_OVERRIDE_LOCAL_APPDATA", "MPLCONFIGDIR")
    environment = os.environ | dict.fromkeys(names, str(tmp_path / "file"))

    def called(*words):
        command = [sys.executable, "-c", NOWHERE, *words, tmp_path / "file"]
        done = subprocess.run(command, env=environment, cwd=tmp_path, capture_output=True, text=True, check=False)
        return done.returncode, done.stdout, done.stderr

    return called


@pytest.mark.slow
def test_missing_cache_is_noted(nowhere):
    status, out, err = nowhere("doctor", "--json")
    assert (status, err) == (0, "")
    [told] = [note for note in json.loads(out)["notes"] if "compiled programs" in note]
    assert told.startswith("there is no cache for compiled programs: neither the cache nor a folder for temporary")
    assert told.endswith("TMPDIR to a folder that you may write")
    status, out, _ = nowhere("doctor")
    assert status == 0 and "there is no cache for compiled programs" in " ".join(out.split())


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        (["nothing"], "there is nothing called 'nothing'"),
        (["iris", "--target", "kind"], "--target names a column of a table"),
        (["missing.csv", "--target", "y"], "missing.csv does not exist"),
        (["--port", "99999"], "Invalid value for '--port'"),
        (["digits", "--page", "x.html"], "digits is too large for a page that trains by itself"),
    ],
)
def test_bad_use_of_play(deltarule, options, sentence):
    status, out, err = deltarule("play", "--no-browser", *options)
    assert (status, out) == (2, "") and sentence in err


@pytest.mark.slow
def test_a_page_without_python_is_one_file(deltarule, tmp_path):
    assert deltarule("play", "xor", "--page", tmp_path / "pages" / "xor.html")[0] == 0
    assert [one.name for one in (tmp_path / "pages").iterdir()] == ["xor.html"]
    page = (tmp_path / "pages" / "xor.html").read_text(encoding="utf-8")
    assert "http://" not in page.replace("http://www.w3.org/2000/svg", "") and "https://" not in page


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="Windows sends Ctrl-C to whole consoles only")
def test_play_serves_its_page_until_ctrl_c():
    command = [sys.executable, "-m", "deltarule", "play", "xor", "--no-browser"]
    environment = {**os.environ, "PYTHONUNBUFFERED": "1"}
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment) as process:
        line = process.stdout.readline()
        with urllib.request.urlopen(line.split()[2]) as answer:
            assert b"<title>deltarule play</title>" in answer.read()
        process.send_signal(signal.SIGINT)
        assert process.wait(60) == 0 and process.stdout.read() == "Ended.\n"
