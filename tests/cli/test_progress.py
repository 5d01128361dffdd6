"""The line that moves while something trains: what it says, how wide it is, and where it is not there."""

import os
import re
import subprocess
import sys

import pytest
from rich.console import Console
from terminal import Terminal

from deltarule.cli import output
from deltarule.sweeps.sweep import SweepProgress
from deltarule.training.train import Progress

ESCAPE = re.compile(r"\x1b\[([0-9;?]*)([A-Za-z])")
SEEN = Progress(step=1200, limit=3000, training=91, stopped=7, diverged=2, seconds=4.0, solved=7, objective=0.25)


@pytest.fixture
def shown(monkeypatch):
    """What a terminal of a width gets, as its screen has it at the end, and the raw characters."""

    def show(tellings, width=80, **given):
        screen = Console(file=Terminal(), force_terminal=True, width=width, **given)
        monkeypatch.setattr(output, "console", lambda to_errors: screen)
        with output.show_progress("encoder") as progress:
            for one in tellings:
                progress(one)
        raw = screen.file.getvalue()
        lines = [line for line in ESCAPE.sub("", raw.replace("\r", "\n")).split("\n") if line.strip()]
        return lines, raw

    return show


def falling(count):
    return [Progress(step, 3000, 91, 0, 0, 1.0, 0, 2.0**-step) for step in range(count)]


def test_training(shown):
    assert shown([Progress(0, 0, 2, 0, 0, 0.0, 0, 1.0)])[0], "there may be no update at all"
    lines, _ = shown([*falling(8), SEEN])
    assert "encoder" in lines[-1] and "0.25, step 1,200, 91 training, 7 solved, 2 diverged" in lines[-1]


@pytest.mark.parametrize("width", [40, 80, 200])
def test_width(shown, width):
    lines, _ = shown([*falling(40), SEEN], width)
    assert max(map(len, lines)) <= width


def test_no_color(shown, monkeypatch):
    monkeypatch.setenv("NO_COLOR", "1")
    _, raw = shown([SEEN], color_system="truecolor")
    codes = {code for codes, kind in ESCAPE.findall(raw) if kind == "m" for code in codes.split(";")}
    assert codes <= {"", "0", "1", "2"}


def test_a_part_stands_in_place_of_the_name(monkeypatch):
    screen = Console(file=Terminal(), force_terminal=True, width=100)
    monkeypatch.setattr(output, "console", lambda to_errors: screen)
    with output.show_progress("encoder") as progress:
        progress(SEEN, "encoder-1, reading 2 of 6")
    last = ESCAPE.sub("", screen.file.getvalue()).replace("\r", "\n").strip().split("\n")[-1]
    assert last.startswith("encoder-1, reading 2 of 6 ") and "0.25, step 1,200" in last


def test_sweep(shown):
    lines, _ = shown([SweepProgress(50, 1200, 1.0)])
    assert "50 of 1,200 rows" in lines[-1]


@pytest.mark.slow
def test_forced_colors_are_no_terminal() -> None:
    """Many systems that build and test set FORCE_COLOR; their logs would be full of codes that move a cursor."""
    words = [sys.executable, "-m", "deltarule", "run", "encoder", "--seeds", "2", "--set", "stopping.max_steps=20"]
    settings = {**os.environ, "FORCE_COLOR": "1", "TERM": "xterm"}
    done = subprocess.run(words, capture_output=True, encoding="utf-8", env=settings)
    assert (done.returncode, done.stderr) == (0, "")
    assert os.name == "nt" or "\x1b[1m" in done.stdout
