"""What a person hands to `sweep` from Python: NumPy's numbers are numbers, and what is none is told."""

import numpy as np
import pytest

from deltarule import sweep
from deltarule.errors import BadInput

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


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ({"folds": 2.0}, "folds is 2.0; give a whole number of 2 or more"),
        ({"workers": "2"}, "workers is '2'; give a whole number of 1 or more"),
        ({"seeds": 2.0}, "run.seeds is 2.0; give a whole number from 1 to 1,000,000"),
        ({"grid": {"stopping.max_steps": 3}}, "stopping.max_steps is 3; give a list with at least one value"),
    ],
)
def test_what_is_no_number_is_told(iris, given, told):
    with pytest.raises(BadInput) as error:
        sweep(iris, **{"grid": SHORT} | given)
    assert told in str(error.value)
