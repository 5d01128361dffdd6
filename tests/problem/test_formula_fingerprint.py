"""What a formula does has one digest in every process, and another one as soon as any of its numbers is another."""

import functools
import os
import subprocess
import sys
from collections import deque
from collections.abc import Callable, Iterator
from fractions import Fraction
from logging import getLogger
from operator import itemgetter
from pathlib import Path
from threading import Lock
from types import ModuleType
from typing import Any

import numpy as np
import pytest
from scipy.interpolate import CubicSpline

from deltarule.problem.formula_fingerprint import formula_digest

FILE = """
import functools
import numpy as np
import helpers
K = 2.0
TABLE = np.array([1.0, 2.0])
def inner(z):
    return K * z
def formula(z, power=3):
    return inner(z) ** power + helpers.slope * TABLE.sum() if "a" in {"a", "b", "c"} else np.tanh(z)
def made(k):
    return lambda z: k * z
def decorated(f):
    @functools.wraps(f)
    def both(z):
        return 2 * f(z)
    return both
class Formula:
    slope = 0.5
    def __init__(self):
        self.weights = [1.0, (2, 3)]
    def __call__(self, z):
        return self.slope * self.weights[0] * z
def again(z, n=3):
    return z if n == 0 else again(2 * z, n - 1)
object_ = Formula()
lambda_ = made(2.0)
partial = functools.partial(formula, power=2)
twice = decorated(inner)
vector = np.vectorize(inner)
method = object_.__call__
def attributed(z):
    attributed.calls += 1
    return attributed.k * z
attributed.k = 1.5
attributed.calls = 0
class Slopes:
    @property
    def slope(self):
        "A property's docstring."
        return 2.5
    @functools.cached_property
    def other(self):
        return 3.5
    @slope.setter
    def slope(self, slope):
        self.power = 6.5 * slope
class Times(type):
    def __mul__(cls, z):
        return 7.5 * z
class Factor(metaclass=Times):
    pass
slopes = Slopes()
def properties(z):
    slopes.slope = 2
    return slopes.slope * z + slopes.other + slopes.power + Factor * z
@functools.singledispatch
def dispatched(z):
    return 4.5 * z
ufunc = np.frompyfunc(lambda z: 5.5 * z, 1, 1)
import pack.inner.const
import pack.inner.const as renamed
def dotted(z):
    return pack.inner.const.K * z
def imported(z):
    from pack.inner.const import K
    return z * K
def imported_module(z):
    import pack.inner.const as const
    return const.K * z
def held(module):
    return lambda z: module.K * z
in_closure = held(renamed)
import profile  # of one's own, though Python has one of this name
def shadowing(z):
    return profile.slope * z
def documented(z):
    def deep(z):
        "An inner function's docstring."
        return z[:, None].sum(axis=None)
    class Inner:
        "An inner class's docstring."
        slopes = [slope for slope in (1.0, 2.0) if slope]
    return deep(z) * Inner.slopes[0]
class Key:
    pass
keyed = {Key(): 1.0, Key(): 2.0, np.tanh: 3.0}
def keys(z):
    return sum(keyed.values()) * z
"""
NAMES = ("formula", "lambda_", "object_", "again", "partial", "twice", "vector", "method", "attributed", "properties")
NAMES += ("dispatched", "ufunc", "dotted", "imported", "imported_module", "in_closure", "relative", "shadowing")
NAMES += ("documented", "keys")
OF_A_PACKAGE = {"dotted", "imported", "imported_module", "in_closure", "relative"}
RELATIVE = """
def relative(z):
    from .const import K
    return K * z
"""
SAID = f"""
import sys
sys.path.insert(0, sys.argv[1])
import mine
from pack.inner.formula import relative
mine.relative = relative
from deltarule.problem.formula_fingerprint import formula_digest
print(*(formula_digest(getattr(mine, name)) for name in {NAMES}))
"""


def digests(folder: Path, text: str = FILE, seed: str = "0", **changed: str) -> list[str]:
    """What another process finds."""
    files = {"mine": text, "helpers": "slope = 1.0", "profile": "slope = 1.0", "const": "K = 1.0", "formula": RELATIVE}
    (folder / "pack" / "inner").mkdir(parents=True, exist_ok=True)
    for name, content in (files | changed).items():
        place = folder / "pack" / "inner" if name in ("const", "formula") else folder
        (place / f"{name}.py").write_text(content, encoding="utf-8")
    environment = os.environ | {"PYTHONHASHSEED": seed, "PYTHONDONTWRITEBYTECODE": "1"}
    command = [sys.executable, "-c", SAID, str(folder)]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    return done.stdout.split()


def test_a_digest_is_the_same_in_every_process_and_ignores_comments(tmp_path: Path) -> None:
    before = digests(tmp_path)
    assert len(set(before)) == len(NAMES)
    commented = FILE.replace("def inner(z):", 'def inner(z):\n    "A docstring."\n    # a comment\n')
    commented = commented.replace("def documented(z):", 'def documented(z):\n    "A docstring."\n')
    for whose in ("inner function's", "inner class's", "property's"):
        commented = commented.replace(f"An {whose}", f"Another {whose}").replace(f"A {whose}", f"Another {whose}")
    commented = commented.replace('        "Another inner class\'s docstring."\n', "")
    commented = commented.replace("def imported(z):", "def imported(z):\n    pass").replace("calls = 0", "calls = 9")
    assert digests(tmp_path, "\n\n" + commented, seed="1") == before


@pytest.mark.parametrize(
    ("old", "new", "others"),
    [
        ("K = 2.0", "K = 2.5", {"formula", "partial", "twice", "vector"}),
        ("np.array([1.0, 2.0])", "np.array([1.0, 2.5])", {"formula", "partial"}),
        ("return K * z", "return K + z", {"formula", "partial", "twice", "vector"}),
        ("power=3", "power=4", {"formula", "partial"}),
        ("power=2", "power=5", {"partial"}),
        ("made(2.0)", "made(2.5)", {"lambda_"}),
        ("return 2 * f(z)", "return 3 * f(z)", {"twice"}),
        ("slope = 0.5", "slope = 0.6", {"object_", "method"}),
        ("(2, 3)", "(2, 4)", {"object_", "method"}),
        ("again(2 * z", "again(3 * z", {"again"}),
        ("attributed.k = 1.5", "attributed.k = 2", {"attributed"}),
        ("return 2.5", "return 3", {"properties"}),
        ("return 3.5", "return 4", {"properties"}),
        ("6.5 * slope", "7 * slope", {"properties"}),
        ("return 7.5 * z", "return 8 * z", {"properties"}),
        ("return 4.5 * z", "return 5 * z", {"dispatched"}),
        ("lambda z: 5.5 * z", "lambda z: 6 * z", {"ufunc"}),
        ("(1.0, 2.0) if slope", "(1.0, 3.0) if slope", {"documented"}),
        ("axis=None", "axis=0", {"documented"}),
        ("Key(): 2.0", "Key(): 4.0", {"keys"}),
    ],
)
def test_a_changed_number_changes_the_digest(tmp_path: Path, old: str, new: str, others: set[str]) -> None:
    pairs = zip(NAMES, digests(tmp_path), digests(tmp_path, FILE.replace(old, new)), strict=True)
    assert {name for name, before, after in pairs if before != after} == others


@pytest.mark.parametrize(
    ("module", "text", "others"),
    [
        ("helpers", "slope = 2.0", {"formula", "partial"}),
        ("profile", "slope = 2.0", {"shadowing"}),
        ("const", "K = 2.0", OF_A_PACKAGE),
    ],
)
def test_a_number_in_a_users_module_is_part_of_the_digest(
    tmp_path: Path, module: str, text: str, others: set[str]
) -> None:
    pairs = zip(NAMES, digests(tmp_path), digests(tmp_path, **{module: text}), strict=True)
    assert {name for name, before, after in pairs if before != after} == others


def test_a_function_without_source_has_a_digest() -> None:
    found = []
    for text in ("z * z", "z + z", "z * z"):
        space: dict[str, Any] = {}
        exec(f"def formula(z): return {text}", space)
        found.append(formula_digest(space["formula"]))
    assert found[0] == found[2] != found[1]


@pytest.mark.parametrize(
    ("one", "other"), [(np.exp, np.tanh), (np.where, np.sum), (len, abs), (np.float32, np.float64)]
)
def test_functions_of_libraries_are_identified_by_name(one: Callable[..., Any], other: Callable[..., Any]) -> None:
    assert formula_digest(one) == formula_digest(one) != formula_digest(other)
    assert formula_digest(functools.partial(one)) != formula_digest(functools.partial(other))


class Slotted:
    """An object without a `__dict__`."""

    __slots__ = ("k",)

    def __init__(self, k: float) -> None:
        self.k = k

    def __call__(self, z: float) -> float:
        return self.k * z


@pytest.mark.parametrize(
    ("one", "same", "other"),
    [
        (Slotted(2.0), Slotted(2.0), Slotted(-3.0)),
        (deque([1]), deque([1]), deque([2])),
        (Fraction(1, 3), Fraction(1, 3), Fraction(2, 3)),
        (np.array([1, "a"], object), np.array([1, "a"], object), np.array([1, "b"], object)),
        (itemgetter(1), itemgetter(1), itemgetter(2)),
        ([1, 2].index, [1, 2].index, [1, 3].index),
        (CubicSpline([0, 1, 2], [0, 1, 0]), CubicSpline([0, 1, 2], [0, 1, 0]), CubicSpline([0, 1, 2], [0, 1, 1])),
    ],
)
def test_the_state_of_objects_is_part_of_the_digest(one: Any, same: Any, other: Any) -> None:
    assert formula_digest(one) == formula_digest(same) != formula_digest(other)


def test_objects_that_cannot_be_copied_are_identified_by_type() -> None:
    log = getLogger("a formula's")
    before = formula_digest([log, Lock()])
    getLogger("somebody else's").setLevel("DEBUG")
    assert formula_digest([log, Lock()]) == before


def test_helpers_that_share_helpers_are_described_once() -> None:
    depth, text = 40, "def f0(z): return z\n"
    text += "".join(f"def f{n}(z): return f{n - 1}(f{n - 1}(z)) + g{n - 1}(z)\n" for n in range(1, depth))
    text += "".join(f"def g{n}(z): return f{n}(z)\n" for n in range(depth))
    known: dict[str, Any] = {"__name__": "__main__"}
    exec(text, known)
    assert len(formula_digest(known[f"f{depth - 1}"])) == 64  # 2^40 descriptions would never end


def test_attributes_that_a_function_sets_are_not_part_of_its_digest() -> None:
    """A cache and a counter change no number; `scale` does, and is read."""

    def formula(z: Any) -> Any:
        formula.calls += 1  # type: ignore[attr-defined]
        return formula.cache.setdefault(z, formula.scale * z)  # type: ignore[attr-defined]

    formula.__dict__.update(calls=0, cache={}, scale=(1.5, 2), unread=1)
    before = formula_digest(formula)
    formula(1)
    formula.__dict__.update(unread=2)
    assert formula_digest(formula) == before
    formula.__dict__.update(scale=(1.5, 3))
    assert formula_digest(formula) != before


def of_text(text: str) -> Any:
    space: dict[str, Any] = {"__name__": "__main__"}
    exec(text, space)
    return space["formula"]


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder of one's own modules, which are forgotten afterwards."""
    monkeypatch.syspath_prepend(tmp_path)
    known = set(sys.modules)
    yield tmp_path
    for name in set(sys.modules) - known:
        del sys.modules[name]


def test_a_digest_is_the_same_before_and_after_an_import(folder: Path) -> None:
    (folder / "late_pack").mkdir()
    (folder / "late_pack" / "__init__.py").write_text("K = 1.0\n", encoding="utf-8")
    formula = of_text("def formula(z):\n    from late_pack import K, const\n    return K * const.SLOPE * z")
    found = []
    for slope in ("2.0", "2.25"):  # of other lengths: Python knows a file by its time and its length
        (folder / "late_pack" / "const.py").write_text(f"SLOPE = {slope}\n", encoding="utf-8")
        found.append(formula_digest(formula))
        assert formula(1) == float(slope) and formula_digest(formula) == found[-1]
        for name in ("late_pack", "late_pack.const"):
            del sys.modules[name]
    assert found[0] != found[1]


@pytest.mark.parametrize("content", ["raise SystemExit(3)", "1 / 0", "import nothing_of_this_name"])
def test_a_failing_import_is_ignored(folder: Path, content: str) -> None:
    (folder / "refusing.py").write_text(content, encoding="utf-8")
    assert len(formula_digest(of_text("def formula(z):\n    import refusing\n    return z"))) == 64


def test_a_library_that_a_function_imports_is_not_loaded(folder: Path) -> None:
    for name in ("site-packages", "own"):
        (folder / name).mkdir()
        (folder / name / f"of_{name[:3]}.py").write_text("K = 1\n", encoding="utf-8")
        sys.path.insert(0, str(folder / name))  # taken back with the fixture's own
    formula_digest(of_text("def formula(z):\n    import of_sit, of_own\n    return z"))
    assert "of_own" in sys.modules and "of_sit" not in sys.modules


def test_a_script_is_the_users_even_if_an_installed_program_runs_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys.modules["__main__"], "__file__", "/usr/lib/site-packages/runner/__main__.py", raising=False)
    assert formula_digest(of_text("def formula(z): return z")) != formula_digest(
        of_text("def formula(z): return 2 * z")
    )


def test_a_library_named_like_a_standard_module_is_not_the_users(monkeypatch: pytest.MonkeyPatch) -> None:
    module = ModuleType("profile")
    module.__file__ = "/home/site-packages/profile.py"
    monkeypatch.setitem(sys.modules, "profile", module)
    found = []
    for number in (1, 2):
        exec(f"def slope(z): return {number} * z", vars(module))
        found.append(formula_digest(module.slope))
    assert found[0] == found[1], "it is known by its name"
