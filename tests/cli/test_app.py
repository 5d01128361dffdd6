"""How the program ends where it cannot go on."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from deltarule.studies import recipes


def failing(monkeypatch, error):
    def fail(*given):
        raise error

    # Not a function that another module may import by its name, here for the first time: that would keep this one.
    monkeypatch.setattr(recipes, "parse_toml", fail)


def made_of(request):
    """What a library makes of a request to end that comes while it calls a function: an error of its own."""
    error = RuntimeError("error calling function")
    error.__cause__ = request
    return error


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("run", "encoder", "--out", "mine"), "what was reached is kept in mine; go on with --resume"),
        (("run", "encoder"), "nothing is kept without --out; start again"),
        (("sweep", "encoder", "--out", "mine"), "what was reached is kept in mine; go on with --resume"),
        (("explain", "encoder"), "no file is left half-written; start again"),
    ],
)
@pytest.mark.parametrize(
    ("error", "why"),
    [
        (KeyboardInterrupt(), "interrupted"),
        (made_of(KeyboardInterrupt()), "interrupted"),
        (MemoryError(), "there is not enough memory for this"),
        (RuntimeError("can't start new thread"), "there is not enough memory for this"),
    ],
)
def test_it_says_what_is_kept_and_how_to_go_on(deltarule, monkeypatch, words, told, error, why):
    failing(monkeypatch, error)
    assert deltarule(*words) == (1, "", f"deltarule: {why}; {told}\n")


def test_a_bug_is_not_taken_for_anything_else(deltarule, monkeypatch):
    failing(monkeypatch, RuntimeError("a bug"))
    with pytest.raises(RuntimeError, match="a bug"):
        deltarule("run", "encoder")


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="a disk that is always full is Linux's")
@pytest.mark.parametrize("words", [("list",), ("show", "encoder", "--json")])
def test_output_that_finds_no_room_is_told(words):
    with Path("/dev/full").open("w", encoding="utf-8") as full:
        done = subprocess.run(
            [sys.executable, "-m", "deltarule", *words], stdout=full, stderr=subprocess.PIPE, text=True, check=False
        )
    no_space = os.strerror(28)
    assert done.returncode == 1
    assert done.stderr.startswith(f"deltarule: the output could not be written: {no_space}; free some space")
    assert done.stderr.count("\n") == 1
