"""The command lines in the documents do what the documents show."""

import doctest
import io
import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest
from examples import write_files_of
from rich.console import Console

from deltarule.reports.verdicts import judged_claims
from deltarule.studies.claim_results import stored_results
from deltarule.studies.recipes import load_recipe

ROOT = Path(__file__).parents[2]
CONSOLE = re.compile(r"^```console\n(.*?)^```$", re.MULTILINE | re.DOTALL)
COMMAND = re.compile(r"^\$ (.+)\n((?:(?!\$ ).*\n)*)", re.MULTILINE)
PAGES = [
    page
    for page in [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
    if CONSOLE.search(page.read_text(encoding="utf-8"))
]
TABLES = ROOT / "docs/how-to/a-table-of-your-own.md"  # which the README takes its table from
FLAGS = doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE | doctest.DONT_ACCEPT_BLANKLINE


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_console_shows_what_happens(page: Path, tmp_path: Path) -> None:
    """Each command is run in a folder that has the files of the page; `...` stands for anything."""
    write_files_of(TABLES if page == ROOT / "README.md" else page, tmp_path)
    for block in CONSOLE.findall(page.read_text(encoding="utf-8")):
        for command, expected in COMMAND.findall(block):
            shown = output_of(command, tmp_path)
            assert doctest.OutputChecker().check_output(expected, shown, FLAGS), f"$ {command}\n{shown}"


def output_of(command: str, folder: Path) -> str:
    program, *arguments = shlex.split(command)
    assert program == "deltarule"
    if arguments == ["claims", "encoder"]:
        return stored_claims("encoder")
    done = subprocess.run(
        [sys.executable, "-m", "deltarule", *arguments],
        cwd=folder,
        env=os.environ | {"COLUMNS": "80", "PYTHONUTF8": "1"},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        encoding="utf-8",
        check=False,
    )
    return done.stdout


def stored_claims(study: str) -> str:
    """The screen of results that are stored with a study: judging them anew takes minutes."""
    screen = Console(file=io.StringIO(), width=80)
    screen.print(*judged_claims(stored_results(load_recipe(study)).claims), sep="\n")
    return screen.file.getvalue()
