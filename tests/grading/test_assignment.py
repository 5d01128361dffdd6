"""Reading an assignment: its solution is run and proved, and what is wrong with it is said in one sentence."""

from pathlib import Path

import numpy as np
import pytest
from grading_examples import ASSIGNMENT, BACKWARD, SOLUTION, edited, linear_assignment, write_assignment

from deltarule.errors import BadInput
from deltarule.grading.assignment import read_assignment


def test_expected_values(tmp_path: Path) -> None:
    assignment = linear_assignment(tmp_path)
    names = assignment.names
    forward, _, backward, update = assignment.checks
    assert np.array_equal(forward.expected["z"], names["x"] @ names["W"] + names["b"])
    assert np.array_equal(backward.expected["dW"], names["x"].T @ names["dz"])
    assert np.array_equal(update.expected["W"], names["W"] - 0.1 * names["dW"])
    assert assignment.max_points == 7


@pytest.mark.parametrize(
    ("right", "wrong", "sentence"),
    [
        ('title = "A linear layer"', 'title = "A linear layer"\ncolour = 1', "there is no key 'colour'"),
        ("hint = 4", "hint = 7", "hint is 7; give 0 nothing, 1 which array, 2 which mistake, 3 its line, 4 the fix"),
        ('part = "update"', 'part = "optimizer"', "give forward, loss, backward or update"),
        ("points = [1, 2, 1]", "points = [1, 2]", "check 3: points has 2 numbers for 3 arrays; give one for each"),
        ('by = ["x", "W", "b"]', 'by = ["x", "W"]', "check 3: by names 2 parameters for 3 arrays; name one for each"),
        (
            "step(W, dW, 0.1)",
            "step(W, dW, rate)",
            "check 4: the solution fails in step(W, dW, rate): NameError: name 'rate'",
        ),
        ("step(W, dW, 0.1)", "step(W, dW", "check 4: '(' was never closed (step(W, dW, line 1)"),
        ("step(W, dW, 0.1)", "step(W, dW)", "check 4: the solution fails in step(W, dW): TypeError"),
        ('returns = ["z"]', 'returns = ["z", "cache"]', "check 1: the solution does not give 'z' as finite numbers"),
        ('upstream = "dz"', 'upstream = "dy"', "check 3: the solution does not define 'dy' as an array"),
        ("[[checks]]", "[[checks", "is not TOML"),
    ],
)
def test_bad_assignment(tmp_path: Path, right: str, wrong: str, sentence: str) -> None:
    path = write_assignment(tmp_path, edited(right, wrong, ASSIGNMENT))
    with pytest.raises(BadInput) as error:
        read_assignment(path)
    assert sentence in str(error.value)


@pytest.mark.parametrize(
    ("backward", "sentence"),
    [
        (
            "return dz @ W.T, 2 * x.T @ dz, dz.sum(axis=0)",
            "check 3: the solution's gradient is wrong: the gradient",
        ),
        ("return dz @ W.T, x.T @ dz, dz.sum(axis=0) + [0, 0.01]", "check 3: the solution's gradient is wrong"),
    ],
)
def test_wrong_solution(tmp_path: Path, backward: str, sentence: str) -> None:
    path = write_assignment(tmp_path, solution=edited(BACKWARD, backward, SOLUTION))
    with pytest.raises(BadInput, match=sentence):
        read_assignment(path)
