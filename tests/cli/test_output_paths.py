"""What commands write never replaces what they read."""

import os
from pathlib import Path
from pkgutil import resolve_name
from typing import Any, get_args, get_type_hints

import pytest
from typer.models import ArgumentInfo, OptionInfo

from deltarule.cli.app import COMMANDS
from deltarule.cli.output_paths import Output, marks

READ = {"--data", "--with", "--roster", "--groups", "--since", "--codes", "--claims", "--merge", "--table"}
"""Options that name what a command reads."""
FILE_KINDS = {"FILE", "PAGE", "DIR", "MODEL"}
PARAMETERS = [
    (command, name, hint, info)
    for command, function in COMMANDS.items()
    for name, hint in get_type_hints(resolve_name(function), include_extras=True).items()
    for info in marks(hint)
    if isinstance(info, OptionInfo | ArgumentInfo)
]


def outputs_of(command: str) -> dict[str, Output]:
    return {
        info.default: mark
        for each, _, hint, info in PARAMETERS
        if each == command and isinstance(info, OptionInfo)
        for mark in marks(hint)
        if isinstance(mark, Output)
    }


@pytest.mark.parametrize(("command", "name", "hint", "info"), [p for p in PARAMETERS if isinstance(p[3], OptionInfo)])
def test_each_option_with_a_path_is_declared(command: str, name: str, hint: Any, info: OptionInfo) -> None:
    types = [get_args(hint)[0], *get_args(get_args(hint)[0])]
    is_written = any(isinstance(mark, Output) for mark in marks(hint))
    has_path = Path in types or list[Path] in types or info.metavar in FILE_KINDS
    assert has_path == (is_written or info.default in READ), f"{command} {info.default}: mark it with Output, or add it"
    assert not is_written or info.default == f"--{name.replace('_', '-')}"


RECIPE = '[data]\nfile = "own.csv"\ntarget = "y"\n[network]\nlayers = ["auto", "auto"]\n[stopping]\nmax_steps = 3\n'


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with a file of each kind, and names for the recipe by links."""
    monkeypatch.chdir(tmp_path)
    for name in ("in/mine.toml", "in/run/recipe.json", "in/subs/ann.py", "in/solution.py", "in/own.csv", "other/x.txt"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(RECIPE if name.endswith("toml") else '{"file": "../own.csv"}', encoding="utf-8")
    (tmp_path / "other/link.toml").symlink_to(tmp_path / "in/mine.toml")
    os.link(tmp_path / "in/mine.toml", tmp_path / "other/hard.toml")
    (tmp_path / "other/folder").symlink_to(tmp_path / "in")
    return tmp_path


def contents(folder: Path) -> dict[Path, bytes]:
    return {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}


FILE_TARGETS = [
    "in/mine.toml",
    "./in/../in/mine.toml",
    "other/link.toml",
    "other/hard.toml",
    "other/folder/mine.toml",
    "in/own.csv",
    "in/solution.py",
]
CASES = [
    (command, option, mark.is_folder, name)
    for command in COMMANDS
    for option, mark in outputs_of(command).items()
    for each, name, hint, info in PARAMETERS
    if each == command and (isinstance(info, ArgumentInfo) or info.default in READ - {"--data"})
]


def words(command: str, parameter: str, value: str) -> list[str]:
    """A command line in which one parameter is a path and others that are needed have some value."""
    given = []
    for each, name, _, info in PARAMETERS:
        if each == command and name == parameter:
            given += [value] if isinstance(info, ArgumentInfo) else [info.default, value]
        elif each == command and (command, name) in NEEDED:
            given += NEEDED[command, name]
    return given


NEEDED = {
    ("train", "target"): ["--target", "y"],
    ("train", "table"): ["a.csv"],
    ("predict", "model"): ["m.safetensors"],
    ("predict", "table"): ["a.csv"],
    ("evaluate", "model"): ["m.safetensors"],
    ("evaluate", "table"): ["a.csv"],
    ("export", "to"): ["--to", "script"],
    ("grade", "submissions"): ["subs"],
    ("grade", "with_"): ["--with", "a.toml"],
    ("claims", "study"): ["encoder"],
}


def test_commands_write_something() -> None:
    assert len(CASES) > 20 and {"explain", "grade", "sweep", "play", "run"} <= {case[0] for case in CASES}


@pytest.mark.parametrize(("command", "option", "is_folder", "parameter"), CASES)
def test_outputs_spare_inputs(
    deltarule: Any, folder: Path, command: str, option: str, is_folder: bool, parameter: str
) -> None:
    before = contents(folder)
    for target in ("in", ".", "other/folder", "in/../in") if is_folder else FILE_TARGETS:
        status, out, err = deltarule(command, *words(command, parameter, "in/mine.toml"), option, target)
        assert (status, out) == (2, "") and len(err.splitlines()) == 1, (target, err)
        assert "which may be lost" in err if is_folder else "would be lost" in err, (target, err)
    assert contents(folder) == before


@pytest.mark.parametrize(
    ("line", "sentence"),
    [
        ("export in/run --to script --out in/run/recipe.json", "is a file of in/run, which is read"),
        ("export in/run --to script --out in/own.csv", "is an input itself, in/run/../own.csv, and would be lost"),
        ("grade in/subs --with in/mine.toml --gradescope in/subs/ann.py", "is a file of in/subs, which is read"),
        ("grade in/subs --with in/mine.toml --out in/subs", "is an input itself, in/subs; name another folder"),
        ("grade in/subs --with other/x.txt --out in", "holds an input, in/subs, which may be lost"),
        ("sweep in/run --merge other --out in/run", "is an input itself, in/run; name another folder"),
        ("explain in/mine.toml --html a --graph ./A", "--graph A and --html a are one file"),
    ],
)
def test_folders_and_pairs(deltarule: Any, folder: Path, line: str, sentence: str) -> None:
    before = contents(folder)
    status, _, err = deltarule(*line.split())
    assert status == 2 and sentence in err, err
    assert contents(folder) == before


@pytest.mark.slow
def test_other_files_are_written(deltarule: Any, folder: Path) -> None:
    (folder / "encoder").mkdir()  # a study of this name is no folder
    assert deltarule("explain", "encoder", "--html", "encoder/page.html")[0] == 0
    assert deltarule("explain", "encoder", "--html", "encoder/page.html")[0] == 0
    assert deltarule("run", "encoder", "--set", "stopping.max_steps=3", "--seeds", "1", "--out", "encoder")[0] == 0
