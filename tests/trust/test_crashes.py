"""Kill and interrupt commands a few times, and let disk or memory run out; benchmarks/crashes.py does it often."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parents[2] / "benchmarks" / "crashes.py"

FEW = {
    "by kill -9": ["--kills", "3", "--others", "0", "--only", "sweep", "train", "claims"],
    # Without "workers": with too little memory, libraries fail in many ways, and not all are reported as that.
    "otherwise": ["--kills", "0", "--others", "1", "--only", "claims", "train"],
}


@pytest.mark.skipif(not hasattr(os, "fork"), reason="it forks, so that hundreds of processes take seconds")
@pytest.mark.parametrize("words", FEW.values(), ids=FEW)
def test_disturbed_commands_lose_damage_and_duplicate_nothing(words):
    done = subprocess.run([sys.executable, SCRIPT, *words], capture_output=True, encoding="utf-8", check=False)
    report = json.loads(done.stdout or "null")
    assert done.returncode == 0 and report["wrong"] == [], report or done.stderr
    assert report["kills"] + report["other_disturbances"] >= 3
