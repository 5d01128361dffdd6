"""The wrong programs of the corpus: which corrections are shown first (`benchmarks/repairs.py` prints them)."""

from functools import cache
from pathlib import Path

import pytest
from repaired_programs import Judgment, RepairedProgram, check_program, judge, list_repaired_programs

from deltarule.checking import repair

PROGRAMS = list_repaired_programs()


@cache
def judged() -> tuple[Judgment, ...]:
    return tuple(map(judge, PROGRAMS))


@pytest.mark.parametrize("program", PROGRAMS, ids=lambda program: program.name)
def test_program_is_right_with_the_correction_that_is_meant(program: RepairedProgram, tmp_path: Path) -> None:
    repair.SECONDS = 0.0
    assert check_program(tmp_path, program.right).ok
    assert check_program(tmp_path, program.wrong).verdict == "WRONG"


@pytest.mark.slow
def test_most_corrections_are_those_that_are_meant() -> None:
    assert len(judged()) == 60
    assert sum(one.exact for one in judged()) >= 40
    assert sum(one.found and one.is_line for one in judged()) >= 50
    assert sum(one.found and not one.is_line for one in judged()) <= 5


@pytest.mark.slow
def test_every_correction_that_is_shown_makes_the_program_right(tmp_path: Path) -> None:
    repair.SECONDS = 0.0
    for one in judged():
        if one.found:
            assert check_program(tmp_path, one.corrected).ok, one.program.name
