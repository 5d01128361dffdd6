"""The changelog promises what is there: its counts, commands, names and formats."""

import re
from pathlib import Path
from typing import Any

import pytest
from typer.main import get_command

import deltarule
from deltarule.cli.app import command_line
from deltarule.data.load import LOADERS
from deltarule.data.published import PUBLISHED
from deltarule.grading import results, systems
from deltarule.problem import registry

TEXT = (Path(__file__).parents[2] / "CHANGELOG.md").read_text(encoding="utf-8")
COUNTS = {
    "activations": len(registry._TABLES["activation"]),
    "losses": len(registry._TABLES["loss"]),
    "penalties": len(registry._TABLES["penalty"]),
    "optimizers": len(registry._TABLES["optimizer"]),
    "schedules": len(registry._TABLES["schedule"]),
    "published sets": len(PUBLISHED),
    "other sets": len(LOADERS) - len(PUBLISHED),
}


@pytest.mark.parametrize("what", COUNTS)
def test_a_count_is_that_of_the_records(what: str) -> None:
    assert re.findall(rf"(\d+) {what}", TEXT) == [str(COUNTS[what])]


def test_commands_and_names_are_there() -> None:
    group: Any = get_command(command_line())
    for name in re.findall(r"`(deltarule [^`]+|\w+)`", TEXT):
        _, _, command = name.partition("deltarule ")
        assert command in group.commands if command else name in deltarule.__all__ or name in LOADERS, name


def test_results_are_written_for_the_systems_that_are_named() -> None:
    (named,) = re.findall(r"results for ([\w ,]+) and as CSV", TEXT.replace("\n", " "))
    written = "".join(Path(one.__file__).read_text(encoding="utf-8").lower() for one in (results, systems))
    assert all(system.lower() in written for system in named.split(", "))
