"""Random numbers of all kinds in a forward pass: the interpreter survives its recording."""

import subprocess
import sys
from pathlib import Path

import pytest


@pytest.mark.slow
def test_no_random_function_ends_the_process() -> None:
    command = [sys.executable, str(Path(__file__).with_name("random_programs.py")), "100"]
    done = subprocess.run(command, capture_output=True, text=True, encoding="utf-8", check=False)
    assert done.returncode == 0, done.stdout[-1000:] + done.stderr[-2000:]
    assert done.stdout.count("WRONG") > 80 and "right" not in done.stdout
