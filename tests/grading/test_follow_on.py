"""`follow_on = true`: what is right after a student's own wrong arrays earns its points."""

from pathlib import Path

import pytest
from grading_examples import edited, verdicts, write_assignment

from deltarule.errors import BadInput
from deltarule.grading.assignment import read_assignment
from deltarule.grading.grade import grade
from deltarule.grading.submissions import find_submissions

ASSIGNMENT = """
title = "Two layers"
[[checks]]
part = "forward"
call = "forward(x, W, V)"
returns = ["p", "a"]
follow_on = true
[[checks]]
part = "backward"
call = "backward(x, a, dz, V)"
returns = ["dW", "dV", "da"]
follow_on = true
"""
SOLUTION = """
import numpy as np
draws = np.random.default_rng(3)
x, W, V, dz = (draws.normal(size=size) for size in ((5, 3), (3, 4), (4, 2), (5, 2)))
a = np.tanh(x @ W)

def forward(x, W, V):
    a = np.tanh(x @ W)
    return a @ V, a

def backward(x, a, dz, V):
    dV, da = a.T @ dz, dz @ V.T
    return x.T @ (da * (1 - a * a)), dV, da
"""
RIGHT = "import numpy as np\n" + SOLUTION[SOLUTION.index("def forward") :]
WRONG = {
    "nothing": ((), ()),
    "activation": (("np.tanh(x @ W)", "np.sin(x @ W)"), ("a",)),
    "output": (("a @ V", "2 * a @ V"), ("p",)),
    "both": (("return a @ V, a", "return -a @ V, 2 * a"), ("p", "a")),
    "upstream": (("dz @ V.T", "-dz @ V.T"), ("da",)),
    "gradient": (("x.T @ (da", "-x.T @ (da"), ("dW",)),
    "another gradient": (("a.T @ dz", "-a.T @ dz"), ("dV",)),
}


@pytest.mark.slow
def test_what_follows_from_wrong_arrays_is_right(tmp_path: Path) -> None:
    (tmp_path / "students").mkdir()
    for name, (edit, _) in WRONG.items():
        (tmp_path / "students" / f"{name}.py").write_text(edited(*edit, RIGHT) if edit else RIGHT)
    assignment = read_assignment(write_assignment(tmp_path / "assignment", ASSIGNMENT, SOLUTION))
    for result in grade(assignment, find_submissions(tmp_path / "students")).submissions:
        wrong = {name for name, verdict in verdicts(result).items() if verdict == "wrong"}
        assert wrong == set(WRONG[result.student][1])
    activation = find_submissions(tmp_path / "students" / "activation.py")
    assert (
        "p is right after the wrong arrays before it" in grade(assignment, activation).submissions[0].checks[0].message
    )


def test_arrays_that_do_not_follow_are_refused(tmp_path: Path) -> None:
    direct = edited("return a @ V, a", "return np.tanh(x @ W) @ V, np.tanh(x @ W)", SOLUTION)
    with pytest.raises(
        BadInput, match=r"follow_on is for .* in forward\(x, W, V\) the solution assigns none of its arrays"
    ):
        read_assignment(write_assignment(tmp_path, ASSIGNMENT, direct))
