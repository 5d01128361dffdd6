"""The reference says of the command line what the program does."""

import contextlib
import dataclasses
import json
import re
import sqlite3
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import typer
from commands import COMMANDS, described
from safetensors import safe_open

import deltarule
from deltarule.checking.catalog import Mistake
from deltarule.checking.report import Check, CodeReport, Worst
from deltarule.checking.scripts.report import ScriptReport
from deltarule.cli.app import command_line, main
from deltarule.doctor import Findings, Machine
from deltarule.studies.claim_results import Provenance, StudyResults
from deltarule.studies.reproduce_studies import Reproduction, StudyReproduced
from deltarule.studies.runner import Outcome, Solved, Spread
from deltarule.studies.sweep_study import SweepOutcome
from deltarule.studies.verdicts import ControlResult, Reading, Verdict
from deltarule.sweeps.result import ConfigurationScore
from deltarule.training.options import REASONS
from deltarule.training.run import Divergence

REFERENCE = Path(__file__).parents[2] / "docs" / "reference"
CLI = (REFERENCE / "cli.md").read_text(encoding="utf-8")
RECIPE = """
[study]
criterion = "accuracy"
[data]
name = "xor"
[network]
layers = [2, 3, 1]
output = "sigmoid"
[optimizer]
name = "momentum"
[stopping]
max_steps = 20
"""


def section(command: str) -> str:
    found = re.search(rf"^## `deltarule {command}`\n(.*?)(?=^## |\Z)", CLI, re.MULTILINE | re.DOTALL)
    assert found, f"cli.md has no section on deltarule {command}"
    return found[1]


def tables(text: str, head: str) -> list[list[str]]:
    """The names in the first column of each table with that heading."""
    found = re.findall(rf"^\| {head} \|.*\n\|[-|]+\|\n((?:\|.*\n)+)", text, re.MULTILINE)
    return [re.findall(r"`([^`]+)`", "".join(row.split("|")[1] for row in rows.splitlines())) for rows in found]


def names(record: type) -> list[str]:
    return [field.name for field in dataclasses.fields(record)]


def test_every_command_has_a_section() -> None:
    assert re.findall(r"^## `deltarule ([\w-]+)`$", CLI, re.MULTILINE) == list(COMMANDS)
    assert re.findall(r"^```{command} ([\w-]+)$", CLI, re.MULTILINE) == list(COMMANDS)


@pytest.mark.parametrize("command", COMMANDS)
def test_each_option_is_in_the_table_of_its_command(command: str) -> None:
    [shown] = tables(described(command) + "\n", "argument or option")
    options = {name for one in COMMANDS[command].params for name in one.opts if name.startswith("--")}
    assert sorted(name for name in shown if name.startswith("--")) == sorted(options - {"--quiet"})


@pytest.mark.parametrize("command", COMMANDS)
def test_example_has_options_of_its_command(command: str) -> None:
    [example] = re.findall(r"^```text\ndeltarule (.*)\n```$", section(command), re.MULTILINE)[:1]
    name, *words = example.split()
    options = {option for one in COMMANDS[command].params for option in one.opts}
    assert name == command and {word for word in words if word.startswith("--")} <= options


def test_options_of_every_command_are_documented_once() -> None:
    [every] = tables(CLI, "for every command")
    assert every == ["--help", "-h", "--quiet"]
    assert all("--quiet" in param.opts for command in COMMANDS.values() for param in command.params[-1:])
    [of_program] = tables(CLI, "for the program itself")
    app_options = [name for param in typer.main.get_command(command_line()).params for name in param.opts]
    assert sorted(of_program) == sorted(name for name in app_options if name not in every)


def test_fields_are_those_of_the_records() -> None:
    [run] = tables(section("run"), "field")
    assert sorted(run) == sorted(names(Outcome))
    results, claim = tables(section("claims"), "field")
    assert results == names(StudyResults) and sorted(claim) == sorted(names(Verdict))
    whole, study = tables(section("reproduce"), "field")
    assert whole == names(Reproduction) and study == names(StudyReproduced)
    script, report, check = tables(section("check"), "field")
    assert (
        sorted(script) == sorted(names(ScriptReport))
        and sorted(report) == sorted(names(CodeReport))
        and sorted(check) == sorted(names(Check))
    )
    [found] = tables(section("doctor"), "field")
    assert found == names(Findings)
    inner = [(section("run"), record) for record in (Spread, Solved, Divergence)] + [
        (section("claims"), one) for one in (Provenance, Reading, ControlResult)
    ]
    [swept] = tables(section("sweep"), "field")
    assert swept == names(SweepOutcome)
    inner += [(section("sweep"), ConfigurationScore)]
    inner += [(section("doctor"), Machine)]
    inner += [(section("check"), record) for record in (Worst, Mistake)]
    for text, record in inner:
        assert [name for name in names(record) if f"`{name}`" not in text] == []
    assert [reason for reason in REASONS if f"`{reason}`" not in section("run")] == []


@pytest.fixture
def printed(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Iterator[Callable[..., Any]]:
    """What the program prints as JSON."""

    def called(*words: object) -> Any:
        monkeypatch.setattr(sys, "argv", ["deltarule", *map(str, words), "--json"])
        with pytest.raises(SystemExit):
            main()
        said = capsys.readouterr()
        assert said.out, f"deltarule {' '.join(map(str, words))} printed nothing, but said: {said.err}"
        return json.loads(said.out)

    yield called


@pytest.mark.slow
def test_fields_that_no_record_has(printed: Callable[..., Any], tmp_path: Path) -> None:
    [listed] = tables(section("list"), "field")
    assert listed == list(printed("list")["studies"][0])
    [shown] = tables(section("show"), "field")
    assert sorted(shown) == sorted(printed("show", "encoder"))
    explained, quantity = tables(section("explain"), "field")
    explanation = printed("explain", "encoder")
    assert sorted(explained) == sorted(explanation)
    assert sorted(quantity) == sorted(explanation["quantities"][0])
    [image_sets] = tables(section("data"), "field")
    assert image_sets == list(printed("data", "list")["data"][0])
    [drawn] = tables(section("report"), "field")
    assert drawn == list(printed("report", tmp_path))
    [ranged] = tables(section("lr-range"), "field")
    assert sorted(ranged) == sorted(printed("lr-range", "encoder", "--seeds", 1, "--steps", 10))


def test_columns_are_those_of_a_sweep(tmp_path: Path) -> None:
    (tmp_path / "mine.toml").write_text(RECIPE, encoding="utf-8")
    table = deltarule.sweep(tmp_path / "mine.toml", out=tmp_path / "out")
    [columns] = tables(section("sweep"), "column")
    assert [name.replace("…", "accuracy") for name in columns] == list(next(table.rows()))
    store = (REFERENCE / "files.md").read_text(encoding="utf-8")
    with contextlib.closing(sqlite3.connect(tmp_path / "out" / "sweep.sqlite")) as connection:
        for name in ("members", "configurations", "networks", "about"):
            found = re.search(rf"^`{name}`.*?:\n\n((?:\|.*\n)+)", store, re.MULTILINE)
            assert found, name
            stored = [row[1] for row in connection.execute(f"PRAGMA table_info({name})")]
            assert sorted(tables(found[1], "column")[0]) == sorted(stored)
    table.close()


@pytest.mark.slow
def test_files_are_those_that_are_written(printed: Callable[..., Any], tmp_path: Path) -> None:
    (tmp_path / "mine.toml").write_text(RECIPE, encoding="utf-8")
    printed("run", tmp_path / "mine.toml", "--out", tmp_path / "out")
    printed("lr-range", tmp_path / "mine.toml", "--steps", 10, "--out", tmp_path / "lr")
    text = (REFERENCE / "files.md").read_text(encoding="utf-8")
    printed("reproduce", tmp_path / "mine.toml", "--out", tmp_path / "reproduced")
    run, claims, reproduced, lr = tables(text, "file")
    written = {"STUDY/" if path.is_dir() else path.name for path in (tmp_path / "reproduced").iterdir()}
    assert written == set(reproduced) and (tmp_path / "reproduced" / "mine" / "run.json").is_file()
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == sorted(
        set(run) - {"thresholded.svg", "thresholded.png"}
    )
    assert sorted(path.name for path in (tmp_path / "lr").iterdir()) == sorted(lr)
    assert claims == ["claims.json", "experiments.safetensors", "report.html"]
    [documented] = tables(text, "array")
    with safe_open(tmp_path / "out" / "arrays.safetensors", "np") as file:
        about = json.loads(file.metadata()["deltarule"])
        undocumented = {
            name for name in file.keys() if name not in documented and not name.startswith(("slot ", "history "))
        }
        assert undocumented == set() and set(documented) - {"slot …"} - set(file.keys()) <= {"history outputs"}
    assert [key for key in about if f"`{key}`" not in text] == []


def test_python_page_has_every_public_name() -> None:
    text = "".join(page.read_text(encoding="utf-8") for page in (REFERENCE / "python").glob("*.md"))
    documented = re.findall(r"auto(?!module)\w+:: deltarule\.(\w+)(?:\(\))?$", text, re.MULTILINE)
    assert sorted(documented) == sorted(name for name in deltarule.__all__ if not name.startswith("__"))
