import os
import subprocess
import sys
import unicodedata
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from deltarule.errors import BadInput, is_interruption, not_installed, one_line

COMMANDS = {"Cc", "Zl", "Zp", "Cs"}
"""Categories of Unicode whose characters end lines, command a terminal, or stand in no file."""
TURNING = {*"\u061c\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069"}
"""What turns the direction of writing: Unicode's Bidi_Control."""


@given(st.text())
@example("".join(TURNING) + "\u2028\x85\ud800")
def test_a_sentence_holds_nothing_that_commands(text: str) -> None:
    told = one_line(text)
    assert not COMMANDS & {*map(unicodedata.category, told)}
    assert not TURNING & {*told}
    assert one_line(told) == told


@pytest.mark.parametrize(
    "word", ["می\u200cروم", "👩\u200d🔬", "10\u00a0000", "東京\u3000都", "\u2764\ufe0f", "1\u2009%"]
)
def test_what_is_part_of_words_stays_although_it_is_not_seen(word: str) -> None:
    assert one_line(word) == word


@pytest.mark.parametrize("unseen", "\u200b\ufeff\u00ad\u2060\u2064\u206a\u206f\ufff9\ufffb\U000e0001\U000e007f")
def test_names_that_differ_by_what_takes_no_room_differ_in_a_sentence(unseen: str) -> None:
    told = str(BadInput(f"there is no column 'price{unseen}'; there are: price"))
    assert unseen not in told and unseen.encode("unicode_escape").decode() in told


LIBRARIES = {"torch", "onnx", "openpyxl", "pyarrow", "distributed"}
LACKING = """
import sys

class Lacking:
    def find_spec(name, *more):
        if name.partition(".")[0] in {libraries!r}:
            raise ModuleNotFoundError(name)

sys.meta_path.insert(0, Lacking)
import numpy as np
from deltarule import MLPClassifier, to_onnx, to_torch
from deltarule.tables.reader import read_frame
from deltarule.engines.selection import engine
from deltarule.sweeps.executors import _dask_pool
model = MLPClassifier((2,), max_iter=1).fit(np.eye(2), [0, 1])
calls = [lambda: to_torch(model), lambda: to_onnx(model, "m.onnx"), lambda: engine("autograd")]
calls += [lambda: read_frame("t.parquet"), lambda: read_frame("t.xlsx")]
calls += [lambda: _dask_pool("tcp://host").__enter__()]
for call in calls:
    try:
        call()
    except ValueError as error:
        print(error)
"""


@pytest.mark.slow
def test_what_is_not_installed_is_reported_in_one_wording(tmp_path: Path) -> None:
    (tmp_path / "t.parquet").write_bytes(b"PAR1")
    (tmp_path / "t.xlsx").write_bytes(b"PK")
    code = LACKING.format(libraries=sorted(LIBRARIES))
    words = [sys.executable, "-W", "ignore", "-c", code]
    told = subprocess.run(words, capture_output=True, encoding="utf-8", cwd=tmp_path, check=True).stdout.splitlines()
    lacking = [("a PyTorch module", "PyTorch", "torch"), ("ONNX", "the package onnx", "onnx")]
    lacking += [('the engine "autograd"', "PyTorch", "torch"), ("Parquet", "pyarrow", "frames")]
    lacking += [("a workbook of Excel", "openpyxl", "excel")]
    lacking += [("a cluster", "Dask", "dask")]
    assert told == [str(not_installed(*each)) for each in lacking]


@pytest.mark.slow
def test_what_is_installed_and_cannot_be_loaded_is_reported_with_its_reason(tmp_path: Path) -> None:
    """As PyTorch on Windows without the libraries of Visual C++."""
    for package in ("torch", "llvmlite"):
        (tmp_path / package).mkdir()
    (tmp_path / "llvmlite" / "__init__.py").touch()
    for module in ("torch/__init__.py", "llvmlite/binding.py"):
        (tmp_path / module).write_text("raise OSError('no shm.dll.')", "utf-8")
    where = {**os.environ, "PYTHONPATH": str(tmp_path)}
    words = [sys.executable, "-W", "ignore", "-m", "deltarule"]
    told = subprocess.run([*words, "run", "boundary-xor", "--engine", "autograd"], capture_output=True, env=where)
    sentence = 'the engine "autograd" needs PyTorch, which cannot be loaded (no shm.dll); install it anew: '
    assert (told.returncode, told.stderr.decode().startswith(f"deltarule: {sentence}")) == (2, True)
    done = subprocess.run([*words, "doctor", "--json"], capture_output=True, env=where)
    assert (done.returncode, done.stderr) == (0, b"") and b"(no shm.dll)" in done.stdout


def test_a_library_is_missing_or_cannot_be_loaded() -> None:
    missing = 'ONNX needs onnx, which is not installed; install it with: pip install "deltarule[onnx]"'
    assert str(not_installed("ONNX", "onnx", "onnx")) == missing
    broken = 'ONNX needs onnx, which cannot be loaded (no such library); install it anew: pip install "deltarule[onnx]"'
    assert str(not_installed("ONNX", "onnx", "onnx", OSError("no such library"))) == broken


def test_what_the_caller_was_handling_before_is_no_interruption_of_the_work() -> None:
    try:
        raise KeyboardInterrupt
    except KeyboardInterrupt as outside:
        own, asked = ValueError("my own bug"), KeyboardInterrupt()
        own.__context__ = asked.__context__ = outside
        assert is_interruption(own) and not is_interruption(own, outside)
        own.__context__ = asked
        assert is_interruption(asked, outside) and is_interruption(own, outside)
