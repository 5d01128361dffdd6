"""Codes of worksheets, as the page itself makes them."""

import shutil
import subprocess
from importlib.resources import files
from pathlib import Path

import pytest
from refusals import refuses

from deltarule.grading.codes import read_codes

STATES = {"at_once": 3, "later": 2, "shown": 1, "wrong": 1, "empty": 2}
PAGE = """
const BLANKS = [...Array(9).keys()].map(String), LESSON = { page: 4 }, sheet = { seed: 7 };
const states = ["right", "right", "right", "right", "right", "shown", "wrong", "", ""];
const blankOf = (name) => ({ state: states[name], tries: [1, 1, 1, 2, 3, 0, 4, 0, 0][name] });
"""


@pytest.fixture(scope="module")
def code() -> str:
    source = (files("deltarule") / "learn" / "page" / "worksheet.js").read_text(encoding="utf-8")
    start = source.index("export function handIn")
    made = source[start : source.index("\n}", start) + 2].removeprefix("export ")
    node = shutil.which("node")
    assert node is not None
    script = f"{PAGE}{made}\nconsole.log(handIn(12))"
    return subprocess.run([node, "-e", script], capture_output=True, text=True, check=True).stdout.strip()


def test_codes_of_a_class(tmp_path: Path, code: str, deltarule) -> None:
    slip = code.replace("-12-", "-21-")
    (tmp_path / "codes.csv").write_text(
        f'name,code\n"Lin, Ada",{code}\nBob May;{code.lower()}\nCem Oz\t{slip}\nDee Po,\n'
    )
    ada, bob, cem, dee = read_codes(tmp_path / "codes.csv")
    assert (ada.student, ada.page, ada.exercise, ada.tries) == ("Lin Ada", "4", 7, 12)
    assert {name: getattr(ada, name) for name in STATES} == STATES and ada.note == ""
    assert bob.note == "the same code as Lin Ada" and bob.later == 2
    assert cem.note.startswith("mistyped") and dee.note == "no code"
    status, out, _ = deltarule("grade", "--codes", tmp_path / "codes.csv")
    assert status == 0 and "Lin Ada" in out and "4" in out


def test_a_file_without_codes(tmp_path: Path) -> None:
    (tmp_path / "codes.csv").write_text("name\nAda\n")
    with refuses(tmp_path / "codes.csv"):
        read_codes(tmp_path / "codes.csv")
