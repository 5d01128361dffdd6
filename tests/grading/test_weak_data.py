"""A teacher learns before the grading what the data cannot tell."""

from pathlib import Path

import pytest
from grading_examples import write_assignment

from deltarule.grading.assignment import read_assignment
from deltarule.grading.weak_data import weak_data

ASSIGNMENT = """
title = "Ridge"
[[checks]]
part = "loss"
call = "loss(x, y, w, strength)"
returns = ["J"]

[[checks]]
part = "backward"
call = "backward(x, y, w, strength)"
returns = ["dw"]
gradient_of = "loss(x, y, w, strength)"
by = ["w"]
"""
SOLUTION = """
import numpy as np

draws = np.random.default_rng(3)
x, y, w, strength = draws.normal(size=(4, 3)), draws.normal(size=4), draws.normal(size=3), 0.3


def predict(x, w):
    return x @ w


def loss(x, y, w, strength):
    return ((predict(x, w) - y) ** 2).mean() / 2 + strength / 2 * (w**2).sum()


def backward(x, y, w, strength):
    return x.T @ (predict(x, w) - y) / len(x) + strength * w
"""


def sentences(folder: Path, right: str = "", wrong: str = "") -> str:
    assert right in SOLUTION
    path = write_assignment(folder, ASSIGNMENT, SOLUTION.replace(right, wrong) if right else SOLUTION)
    return "\n".join(weak_data(read_assignment(path)))


@pytest.mark.slow
def test_good_data(tmp_path: Path) -> None:
    assert sentences(tmp_path) == ""


@pytest.mark.parametrize(
    ("right", "wrong", "expected"),
    [
        ("(4, 3)), draws.normal(size=4)", "(1, 3)), draws.normal(size=1)", "cannot tell the mean missing (`/ len(x)`"),
        (
            "(4, 3)), draws.normal(size=4)",
            "(1, 3)), draws.normal(size=1)",
            "`sum` in place of `mean` from right in loss",
        ),
        ("draws.normal(size=3), 0.3", "draws.normal(size=3), 0.0", "`+ strength * w` left out"),
        ("draws.normal(size=3), 0.3", "draws.normal(size=3), 0.0", "a wrong sign before `strength * w`"),
        ("draws.normal(size=3), 0.3", "draws.normal(size=3), 1.0", "`strength *` left out"),
        ("draws.normal(size=4), draws.normal(size=3)", "2**0.5 * np.ones(4), np.zeros(3)", "J is right for"),
        ("draws.normal(size=4), draws.normal(size=3)", "np.zeros(4), np.zeros(3)", "returns its argument w"),
    ],
)
def test_weak_data(tmp_path: Path, right: str, wrong: str, expected: str) -> None:
    assert expected in sentences(tmp_path, right, wrong)


@pytest.mark.slow
def test_a_mistake_that_never_ends(tmp_path: Path) -> None:
    right = "    return x.T @ (predict(x, w) - y) / len(x) + strength * w"
    loop = (
        "    i, dw = 0, 0 * w\n    while i < len(x):\n        dw = dw + x[i] * (x[i] @ w - y[i])\n        i = i + 1\n"
    )
    assert sentences(tmp_path, right, f"{loop}    return dw / len(x) + strength * w") == ""
