"""The command lines in the documents do what the documents show."""

import doctest
import io
import json
import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest
from examples import files_of, hide, lacking, write_files_of
from rich.console import Console

from deltarule.recipes import load_recipe
from deltarule.reports.claim_verdicts import judged_claims
from deltarule.studies.claim_results import published_results

ROOT = Path(__file__).parents[2]
CONSOLE = re.compile(r"^```console\n(.*?)^```$", re.MULTILINE | re.DOTALL)
COMMAND = re.compile(r"^\$ (.+)\n((?:(?!\$ ).*\n)*)", re.MULTILINE)
PAGES = [
    page
    for page in [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
    if CONSOLE.search(page.read_text(encoding="utf-8"))
]
TABLES = ROOT / "docs/how-to/a-table-of-your-own.md"  # which the README takes its table from
SNIPPETS = re.findall(
    r"^```pycon\n(.*?)^```$", (ROOT / "README.md").read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL
)
FLAGS = doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE | doctest.DONT_ACCEPT_BLANKLINE


END = "--- the command has ended ---"
RUN_EACH = f"""
import contextlib, json, sys
from deltarule.cli import main
for arguments in json.loads(sys.argv[1]):
    sys.argv = ["deltarule", *arguments]
    with contextlib.suppress(SystemExit):
        main()
    sys.stderr.flush()
    print({END!r}, flush=True)
"""


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_console_shows_what_happens(page: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Commands are run as by a reader, with the files of the page and no optional library; `...` is anything."""
    write_files_of(TABLES if page == ROOT / "README.md" else page, tmp_path)
    (tmp_path / "hidden").mkdir()
    hide(lacking(page.relative_to(ROOT).as_posix()), tmp_path / "hidden")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path / "hidden"))
    shown = [pair for block in CONSOLE.findall(page.read_text(encoding="utf-8")) for pair in COMMAND.findall(block)]
    outputs = iter(outputs_of([command for command, _ in shown if not stored_claims(command)], tmp_path))
    for command, expected in shown:
        output = stored_claims(command) or next(outputs)
        assert doctest.OutputChecker().check_output(expected, output, FLAGS), f"$ {command}\n{output}"


def outputs_of(commands: list[str], folder: Path) -> list[str]:
    """What each command prints; one process runs them all."""
    words = [shlex.split(command) for command in commands]
    assert {program for program, *_ in words} <= {"deltarule"}
    done = subprocess.run(
        [sys.executable, "-c", RUN_EACH, json.dumps([arguments for _, *arguments in words])],
        cwd=folder,
        env=os.environ | {"COLUMNS": "80", "PYTHONUTF8": "1"},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        encoding="utf-8",
        check=False,
    )
    *outputs, after = done.stdout.split(f"{END}\n")
    assert not after, after
    return outputs


@pytest.mark.parametrize("code", SNIPPETS, ids=lambda code: code.splitlines()[0])
def test_snippet_of_the_readme_runs_alone(code: str) -> None:
    test = doctest.DocTestParser().get_doctest(code, {}, "README.md", None, 0)
    failed = doctest.DocTestRunner(optionflags=FLAGS, verbose=False).run(test, out=lambda _: None)
    assert not failed.failed and failed.attempted


def test_files_to_download_are_those_of_their_page() -> None:
    for file in (ROOT / "docs/how-to").glob("*.csv"):
        assert files_of(TABLES)[file.name] == file.read_text(encoding="utf-8")


def stored_claims(command: str) -> str:
    """The screen of results that are stored with a study, where a command prints them: judging anew takes minutes."""
    _, *arguments = shlex.split(command)
    if arguments[:2] != ["claims", "encoder"] or arguments[-1] != "--as-published":
        return ""
    ids = arguments[3].split(",")
    screen = Console(file=io.StringIO(), width=80)
    published = published_results(load_recipe("encoder")).claims
    screen.print(*judged_claims([one for one in published if one.id in ids]), sep="\n")
    return screen.file.getvalue()
