"""What students get, and the public checks that `deltarule check` makes in their hands."""

import json
from pathlib import Path

import numpy as np
import pytest
from grading_examples import ASSIGNMENT, BACKWARD, NEEDED, SOLUTION, edited, write_assignment

from deltarule.grading.assignment import read_assignment
from deltarule.grading.starter import PUBLIC, write_starter
from deltarule.grading.worker import unpack

WRONG = edited(BACKWARD, "return dz @ W.T, x.T @ dz, -dz.sum(axis=0)")


@pytest.fixture
def starter(tmp_path: Path) -> Path:
    text = f'submission = "hw.py"\n{ASSIGNMENT}\n[[manual]]\nname = "Why"\nprompt = "Why so?"\npoints = 3\n'
    documented = SOLUTION.replace("def step(W, dW, rate):\n", 'def step(W, dW, rate):\n    """Change W in place."""\n')
    assignment = read_assignment(write_assignment(tmp_path / "own", text, documented))
    assert write_starter(tmp_path / "hw", assignment) == ["hw.py", "README.md", PUBLIC]
    return tmp_path / "hw"


def test_stubs_and_task(starter: Path) -> None:
    stubs = (starter / "hw.py").read_text()
    assert 'def step(W, dW, rate):\n    """Change W in place."""\n    raise NotImplementedError' in stubs
    assert "@" not in stubs and "draws" not in stubs and compile(stubs, "hw.py", "exec")
    task = (starter / "README.md").read_text()
    assert (
        "Complete `hw.py`: 10 points" in task
        and "gives `z` (5 × 2): 1 point\n" in task
        and "Why: Why so?: 3 points" in task
    )
    assert "`linear_backward(dz, x, W)` gives `dx` (5 × 3), `dW` (3 × 2), `db` (2): 4 points" in task


def test_public_checks_have_other_data(starter: Path) -> None:
    own = read_assignment(starter.parent / "own" / "assignment.toml").checks
    for public, check in zip(unpack((starter / PUBLIC).read_bytes())["checks"], own, strict=True):
        public_arrays, arrays = public["values"] | public["expected"], check.values | check.expected
        assert not any(np.array_equal(public_arrays[name], array) for name, array in arrays.items())


def test_data_that_are_not_drawn_are_made_smaller(tmp_path: Path) -> None:
    values = "X, V, v = np.arange(15.0).reshape(5, 3), np.ones((3, 2)), np.ones(2)\n"
    drawn = SOLUTION[SOLUTION.index("draws") : SOLUTION.index("\n\n\ndef")]
    solution = SOLUTION.replace(drawn, f"{values}x, W, b, y, dz, dW = X, V, v, X[:, :2], X[:, 1:], V")
    write_starter(tmp_path / "hw", read_assignment(write_assignment(tmp_path, ASSIGNMENT, solution)))
    for check in unpack((tmp_path / "hw" / PUBLIC).read_bytes())["checks"]:
        numbers = np.concatenate([np.ravel(one) for one in check["values"].values() if np.ndim(one)])
        assert check["gradient_of"] == "" and numbers.max() < 14 and not np.isin(numbers, [1.0, 13.0]).any()


@pytest.mark.parametrize(
    ("source", "status", "texts"),
    [
        (NEEDED, 0, ["4 of 4 are right"]),
        (None, 1, ["0 of 4 are right", "linear_forward(x, W, b) fails: line", "NotImplementedError"]),
        (
            edited(BACKWARD, "return dz @ W.T, x.T @ dz, -dz.sum(axis=0)"),
            1,
            ["3 of 4", "likely mistake", "fix: change the sign"],
        ),
    ],
)
def test_check_in_a_students_hands(deltarule, starter: Path, source: str | None, status: int, texts: list[str]) -> None:
    if source is not None:
        (starter / "hw.py").write_text(source)
    found, out, _ = deltarule("check", starter / "hw.py")
    assert found == status and all(text in out for text in texts), out


def test_a_students_notebook_is_checked_with_its_commands(deltarule, starter: Path) -> None:
    cells = [{"cell_type": "code", "source": source} for source in ("%matplotlib inline\n!ls", f"{NEEDED}\ndisplay(1)")]
    (starter / "hw.ipynb").write_text(json.dumps({"cells": cells, "nbformat": 4}))
    status, out, _ = deltarule("check", starter / "hw.ipynb")
    assert status == 0 and "4 of 4 are right" in out


def test_bad_public_checks(deltarule, starter: Path) -> None:
    (starter / PUBLIC).write_text(json.dumps({"table": []}))
    status, _, error = deltarule("check", starter / "hw.py")
    assert status == 2 and "holds no public checks" in error
    status, _, error = deltarule("grade", "--with", starter.parent / "own" / "assignment.toml", "--starter", starter)
    assert status == 2 and "already has hw.py" in error
