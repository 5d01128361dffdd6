import json
import os
import subprocess
import sys

import pytest


def test_doctor_shows_what_json_holds(deltarule):
    status, out, _ = deltarule("doctor")
    record = json.loads(deltarule("doctor", "--json")[1])
    flat = " ".join(out.split())
    assert status == 0 and set(record["engines"]) == {"reference", "compiled", "autograd"}
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
