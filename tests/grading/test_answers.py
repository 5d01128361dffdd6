"""A function that returns other arrays than it should gets the points of those that fit, with a note."""

from pathlib import Path

import numpy as np
from grading_examples import ASSIGNMENT, BACKWARD, FORWARD, edited, grade_one, grade_texts, verdicts

from deltarule.grading.checks import fit_arrays

ALONE = edited("linear_forward(x, W, b) - y", "x @ W + b - y")
"""A correct submission whose functions do not call one another."""
OTHERS = {
    "other keys": (BACKWARD, 'return {"x": dz @ W.T, "grad_W": x.T @ dz, "dL/db": dz.sum(0)}'),
    "an extra array": (BACKWARD, "dW = x.T @ dz; n = 2 * dW; dx = dz @ W.T; db = dz.sum(0); return dx, dW, n, db"),
    "an extra array without names": (BACKWARD, "return dz @ W.T, x.T @ dz, dz.sum(0), 3.0"),
    "another order and an extra": (BACKWARD, "return 3.0, dz.sum(0), dz @ W.T, x.T @ dz"),
    "a cache": (FORWARD, "return x @ W + b, (x, W, b)"),
    "a dictionary of one": (FORWARD, 'return {"out": x @ W + b}'),
    "two arrays of one shape": (FORWARD, "h = x @ W; z = h + b; return z, h"),
    "the last of one shape": (FORWARD, "h = x @ W; return h, h + b"),
}


def test_arrays_are_found_by_name_or_shape(tmp_path: Path) -> None:
    for result in grade_texts(tmp_path, {name: edited(*edit, ALONE) for name, edit in OTHERS.items()}).values():
        assert (result.student, result.points) == (result.student, 7)
        [note] = [note for check in result.checks for note in check.notes]
        assert note.startswith("returns other arrays than it should")


def test_a_function_that_returns_one_of_its_arrays_loses_the_others_alone(tmp_path: Path) -> None:
    result = grade_one(tmp_path, edited(BACKWARD, "return x.T @ dz"))
    assert [verdicts(result)[name] for name in ("dx", "dW", "db")] == ["missing", "right", "missing"]


def test_a_wrong_array_under_another_name_is_wrong(tmp_path: Path) -> None:
    result = grade_one(tmp_path, edited(BACKWARD, 'return {"W": -x.T @ dz, "b": dz.sum(0), "x": dz @ W.T}'))
    assert [verdicts(result)[name] for name in ("dx", "dW", "db")] == ["right", "wrong", "right"]
    assert result.checks[2].mistakes[0].code == "sign"


def test_arrays_in_another_order_are_found_by_shape(tmp_path: Path) -> None:
    table = ASSIGNMENT.replace('["dx", "dW", "db"]', '{ dx = "result[0]", dW = "result[1]", db = "result[2]" }')
    sources = {name: edited(BACKWARD, f"return {text}") for name, text in TABLES.items()}
    for text in (ASSIGNMENT, table):
        for result in grade_texts(tmp_path / str(len(text)), sources, text).values():
            assert (result.student, result.points) == (result.student, 7)
            assert result.checks[2].notes[0].startswith("returns other arrays than it should")


TABLES = {
    "another order": "x.T @ dz, dz @ W.T, dz.sum(axis=0)",
    "by name": '{"dW": x.T @ dz, "dx": dz @ W.T, "db": dz.sum(axis=0)}, None',
    "nested": "dz @ W.T, [x.T @ dz, dz.sum(axis=0)], None",
}


def test_arrays_of_one_shape_count_in_their_order_or_by_their_names() -> None:
    expected = {"dW": np.zeros((2, 2)), "dV": np.zeros((2, 2))}
    first, second = np.eye(2), 2 * np.eye(2)
    for names, right in ((["a @ b", "c"], first), (["dW", "dV"], first), (["dV", "dW"], second), (["dV", "dV"], first)):
        arrays, is_other = fit_arrays([first, second], names, expected)
        assert arrays["dW"] is right and is_other == (right is second)


def test_an_array_that_is_not_returned_loses_its_own_points_alone(tmp_path: Path) -> None:
    table = ASSIGNMENT.replace('["dx", "dW", "db"]', '{ dx = "result[0]", dW = "result[1]", db = "result[2]" }')
    result = grade_one(tmp_path, edited(BACKWARD, "dx, dW = dz @ W.T, x.T @ dz; return dx, dW"), table)
    assert [verdicts(result)[name] for name in ("dx", "dW", "db")] == ["right", "right", "missing"]
