"""What a person hands to `sweep` from Python: NumPy's numbers are numbers, and what is none is told."""

import numpy as np
import pytest

from deltarule import sweep

SHORT = {"stopping.max_steps": [1]}


def rows(table):
    return [(row["key"], row["fold"], row["seed"], row["stopping.max_steps"]) for row in table.rows()]


@pytest.fixture(scope="module")
def iris(tmp_path_factory):
    file = tmp_path_factory.mktemp("recipe") / "mine.toml"
    file.write_text(
        '[data]\nname = "iris"\n[network]\nlayers = ["auto", "auto"]\n[stopping]\nmax_steps = 1\n', encoding="utf-8"
    )
    return file


@pytest.mark.parametrize(
    ("given", "plain"),
    [
        ({"seeds": np.arange(3)}, {"seeds": [0, 1, 2]}),
        ({"seeds": [np.uint64(4), np.uint64(2**64 - 1)]}, {"seeds": [4, 2**64 - 1]}),
        ({"folds": np.int64(2)}, {"folds": 2}),
        ({"grid": {"stopping.max_steps": np.arange(1, 4)}}, {"grid": {"stopping.max_steps": [1, 2, 3]}}),
    ],
)
def test_sweep_accepts_numpy_numbers(iris, tmp_path, given, plain):
    one = sweep(iris, **{"grid": SHORT, "out": tmp_path / "one"} | given)
    other = sweep(iris, **{"grid": SHORT, "out": tmp_path / "other"} | plain)
    assert rows(one) == rows(other)
