"""A function that returns other arrays than it should gets the points of those that fit, with a note."""

from pathlib import Path

from grading_examples import BACKWARD, FORWARD, edited, grade_one, grade_texts, verdicts

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


def test_as_many_arrays_as_wanted_count_in_their_order(tmp_path: Path) -> None:
    result = grade_one(tmp_path, edited(BACKWARD, "return x.T @ dz, dz @ W.T, dz.sum(axis=0)"))
    assert not any(check.notes for check in result.checks)
    assert verdicts(result)["dx"] == "wrong"
