"""Commands are killed, interrupted and left without room or memory a few times; benchmarks/crashes.py does it often."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parents[2] / "benchmarks" / "crashes.py"

FEW = {
    "by kill -9": ["--kills", "3", "--others", "0", "--only", "sweep", "train", "claims"],
    # Not "workers": those with too little memory end in as many ways as libraries have, and not each is told as that.
    "otherwise": ["--kills", "0", "--others", "1", "--only", "claims", "train"],
}


@pytest.mark.skipif(not hasattr(os, "fork"), reason="it forks, so that hundreds of processes take seconds")
@pytest.mark.parametrize("words", FEW.values(), ids=FEW)
def test_nothing_is_lost_or_damaged_or_there_twice(words):
    done = subprocess.run([sys.executable, SCRIPT, *words], capture_output=True, encoding="utf-8", check=False)
    told = json.loads(done.stdout or "null")
    assert done.returncode == 0 and told["wrong"] == [], told or done.stderr
    assert told["kills"] + told["other_disturbances"] >= 3
