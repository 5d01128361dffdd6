"""Programs as students write them: no wrong one is accepted or gets a false name, no right one is called wrong."""

import pytest
from student_programs import Outcome, Program, judge, list_programs

WRONG, RIGHT = list_programs()


def assert_no_note_about_float32(outcome: Outcome) -> None:
    source = outcome.program.source
    if "float32" not in source and "import jax" not in source:
        assert "float32" not in outcome.text, outcome.text


@pytest.mark.sampled(7)
@pytest.mark.parametrize("program", RIGHT, ids=lambda program: program.id)
def test_a_right_program_is_never_called_wrong(program: Program) -> None:
    outcome = judge(program)
    assert outcome.verdict != "wrong", outcome.text
    assert_no_note_about_float32(outcome)
    assert not program.find_wrong_arrays()


@pytest.mark.sampled(10)
@pytest.mark.parametrize("program", WRONG, ids=lambda program: program.id)
def test_a_wrong_program_is_rejected_with_the_wrong_arrays_and_without_a_false_name(program: Program) -> None:
    outcome = judge(program)
    assert outcome.verdict != "right", outcome.text
    assert outcome.are_arrays_right, outcome.text
    assert outcome.is_named or not outcome.codes, outcome.text
    assert_no_note_about_float32(outcome)
    assert program.slip is not None
    assert set(program.find_wrong_arrays()) == set(program.slip.wrong)
