"""A formula has one digest in every process, and another one as soon as one of its numbers changes."""

import functools
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
from numpy import tanh
from scipy.special import erf

from deltarule.problem.formula_fingerprint import formula_digest, reads_only_fixed

FILE = """
import functools
import numpy as np
K = 2.0
TABLE = np.array([1.0, 2.0])
def inner(z):
    return K * z
def formula(z, power=3):
    return inner(z) ** power + TABLE.sum() if "a" in {"a", "b", "c"} else np.tanh(z)
def made(k):
    return lambda z: k * z
def decorated(f):
    @functools.wraps(f)
    def both(z):
        return 2 * f(z)
    return both
class Formula:
    def __init__(self):
        self.weights = [1.0, (2, 3)]
    def __call__(self, z):
        return 0.5 * self.weights[0] * z
def again(z, n=3):
    return z if n == 0 else again(2 * z, n - 1)
def nested(z):
    def deep(z):
        "An inner function's docstring."
        return 4.5 * z
    return deep(z)
callable_object = Formula()
from_closure = made(2.0)
partial = functools.partial(formula, power=2)
twice = decorated(inner)
vector = np.vectorize(inner)
method = callable_object.__call__
"""
NAMES = (
    "formula",
    "from_closure",
    "callable_object",
    "again",
    "partial",
    "twice",
    "vector",
    "method",
    "nested",
)
PROGRAM = f"""
import sys
sys.path.insert(0, sys.argv[1])
import mine
from deltarule.problem.formula_fingerprint import formula_digest
print(*(formula_digest(getattr(mine, name)) for name in {NAMES}))
"""


def digests(folder: Path, text: str = FILE, seed: str = "0") -> list[str]:
    """The digests that another process computes."""
    (folder / "mine.py").write_text(text, encoding="utf-8")
    environment = os.environ | {"PYTHONHASHSEED": seed, "PYTHONDONTWRITEBYTECODE": "1"}
    command = [sys.executable, "-c", PROGRAM, str(folder)]
    return subprocess.run(command, env=environment, capture_output=True, text=True, check=True).stdout.split()


def test_digest_is_the_same_in_every_process_and_ignores_comments(tmp_path: Path) -> None:
    before = digests(tmp_path)
    assert len(set(before)) == len(NAMES)
    commented = FILE.replace("def inner(z):", 'def inner(z):\n    "A docstring."\n    # a comment\n')
    commented = commented.replace("An inner function's", "Another")
    assert digests(tmp_path, "\n\n" + commented, seed="1") == before


@pytest.mark.parametrize(
    ("old", "new", "others"),
    [
        ("K = 2.0", "K = 2.5", {"formula", "partial", "twice", "vector"}),
        ("np.array([1.0, 2.0])", "np.array([1.0, 2.5])", {"formula", "partial"}),
        ("return K * z", "return K + z", {"formula", "partial", "twice", "vector"}),
        ("power=3", "power=4", {"formula", "partial"}),
        ("power=2", "power=5", {"partial"}),
        ("made(2.0)", "made(2.5)", {"from_closure"}),
        ("return 2 * f(z)", "return 3 * f(z)", {"twice"}),
        ("return 0.5", "return 0.6", {"callable_object", "method"}),
        ("(2, 3)", "(2, 4)", {"callable_object", "method"}),
        ("again(2 * z", "again(3 * z", {"again"}),
        ("4.5 * z", "5 * z", {"nested"}),
    ],
)
def test_changed_number_changes_the_digest(tmp_path: Path, old: str, new: str, others: set[str]) -> None:
    pairs = zip(NAMES, digests(tmp_path), digests(tmp_path, FILE.replace(old, new)), strict=True)
    assert {name for name, before, after in pairs if before != after} == others


@pytest.mark.parametrize(
    ("one", "other"), [(np.exp, np.tanh), (np.where, np.sum), (len, abs), (np.float32, np.float64)]
)
def test_functions_of_libraries_are_identified_by_name(one: Callable[..., Any], other: Callable[..., Any]) -> None:
    assert formula_digest(one) == formula_digest(one) != formula_digest(other)


class Settings:
    scale = 2.0

    def method(self, z: Any) -> Any:
        return self.scale * z


SCALE, TABLE, NUMBERS, MINE = 2.0, np.array([1.0, 2.0]), [1.0], ModuleType("mine")
HALVED = np.frompyfunc(lambda z: z / SCALE, 1, 1)
READING: dict[str, tuple[Callable[..., Any], bool]] = {
    "a global": (lambda z: SCALE * z, True),
    "a function's": (lambda z: deeper(z), True),
    "a library's function": (lambda z: np.tanh(z) * 2, True),
    "a library's function by its name": (lambda z: erf(z) * tanh(z), True),
    "a Python function as a ufunc": (lambda z: HALVED(z), False),
    "an array": (lambda z: TABLE.sum() * z, True),
    "a list": (lambda z: NUMBERS[0] * z, False),
    "a class": (lambda z: Settings.scale * z, False),
    "a module": (lambda z: MINE.K * z, False),
    "an import": (lambda z: __import__("mine").K * z + imported(z), False),
    "a partial": (functools.partial(lambda table, z: table * z, 2.0), False),
    "a method": (Settings().method, False),
    "a vectorized function": (np.vectorize(lambda z: SCALE * z), False),
}


def deeper(z: Any) -> Any:
    return SCALE * z


def imported(z: Any) -> Any:
    import mine  # type: ignore[import-not-found]

    return mine.K * z


@pytest.mark.parametrize("case", READING)
def test_what_a_formula_reads_is_known_where_nothing_changes_in_place(
    case: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    formula, is_fixed = READING[case]
    first: dict[int, tuple[Any, ...]] = {}
    second: dict[int, tuple[Any, ...]] = {}
    assert reads_only_fixed((formula,), first) == reads_only_fixed((formula,), second) == is_fixed
    assert first == second
    monkeypatch.setitem(globals(), "SCALE", 7.25)
    third: dict[int, tuple[Any, ...]] = {}
    assert reads_only_fixed((formula,), third) == is_fixed
    assert (first != third) == (case in ("a global", "a function's")) or not is_fixed


def test_an_array_that_changes_in_place_is_another_one() -> None:
    table = np.array([1.0, 2.0])
    first: dict[int, tuple[Any, ...]] = {}
    second: dict[int, tuple[Any, ...]] = {}
    assert reads_only_fixed((lambda z: table.sum() * z,), first)
    table[0] = 3.0
    assert reads_only_fixed((lambda z: table.sum() * z,), second)
    assert first[id(table)][1] != second[id(table)][1]


def test_large_arrays_count_with_their_bytes():
    """Such as the images from which a function draws: number by number they would take minutes."""
    images = np.arange(200_000.0).reshape(200, 1000)
    changed = images.copy()
    changed[-1, -1] += 1e-9

    def reading(array):
        return lambda step: array[step]

    digests = [formula_digest(reading(array)) for array in (images, images.copy(), changed, images.reshape(-1, 500))]
    assert digests[0] == digests[1]
    assert len(set(digests)) == 3
