"""Programs as students write them: no wrong one is accepted, no right one is called wrong."""

import pytest
from student_programs import Program, judge, list_programs

WRONG, RIGHT = list_programs()
IN_FLOAT64 = [one for one in RIGHT + WRONG if "float32" not in one.source and "import jax" not in one.source]


@pytest.mark.sampled(7)
@pytest.mark.parametrize("program", RIGHT, ids=lambda program: program.id)
def test_a_right_program_is_never_called_wrong(program: Program) -> None:
    outcome = judge(program)
    assert outcome.verdict != "wrong", outcome.text


@pytest.mark.sampled(4)
@pytest.mark.parametrize("program", IN_FLOAT64, ids=lambda program: program.id)
def test_a_program_in_float64_gets_no_note_about_float32(program: Program) -> None:
    outcome = judge(program)
    assert "float32" not in outcome.text, outcome.text


@pytest.mark.sampled(10)
@pytest.mark.parametrize("program", WRONG, ids=lambda program: program.id)
def test_a_wrong_program_is_never_accepted(program: Program) -> None:
    outcome = judge(program)
    assert outcome.verdict != "right", outcome.text


@pytest.mark.sampled(10)
@pytest.mark.parametrize("program", RIGHT + WRONG, ids=lambda program: program.id)
def test_central_differences_confirm_which_arrays_are_wrong(program: Program) -> None:
    expected = set(program.slip.wrong) if program.slip else set()
    assert set(program.find_wrong_arrays()) == expected
