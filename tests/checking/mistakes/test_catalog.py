"""Each mistake of the catalog is made in a program, and named."""

import ast
import linecache
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from deltarule import Network, check_gradient, check_update, check_vjp
from deltarule.checking import repair
from deltarule.checking.catalog import KINDS, Kind
from deltarule.checking.repair import naming

PROGRAMS = (Path(__file__).parent / "programs.py").read_text(encoding="utf-8")
STATEMENTS = [ast.get_source_segment(PROGRAMS, statement) or "" for statement in ast.parse(PROGRAMS).body]


def test_names_of_corrections_are_those_of_the_catalog() -> None:
    source = Path(naming.__file__).read_text(encoding="utf-8")
    codes = set(re.findall(r'"([a-z]+(?:_[a-z]+)+)"', source)) - {"batch_size"}
    assert codes and codes <= set(KINDS)


def with_mistake(kind: Kind) -> tuple[str, dict[str, Any]]:
    """The name of the program in which a mistake is made, and all that the programs define with it."""
    wrong, right = kind.wrong.splitlines(), kind.right.splitlines()
    for number, source in enumerate(STATEMENTS):
        body = source.splitlines()
        places = [i for i in range(len(body)) if [line.strip() for line in body[i : i + len(right)]] == right]
        if places and source.startswith(("def ", "class ")):
            [first] = places
            indent = " " * (len(body[first]) - len(body[first].lstrip()))
            body[first : first + len(right)] = [indent + line for line in wrong]
            namespace: dict[str, Any] = {}
            for i, other in enumerate([*STATEMENTS[:number], "\n".join(body), *STATEMENTS[number + 1 :]]):
                run_from_file(other, f"<{i}>", namespace)
            return re.split(r"\W", source)[1], namespace
    raise AssertionError(f"no program has the lines {right}")


def run_from_file(source: str, name: str, namespace: dict[str, Any]) -> None:
    """Run a source so that its lines can be read again, as those of a file."""
    linecache.cache[name] = (len(source), None, source.splitlines(keepends=True), name)
    exec(compile(source, name, "exec"), namespace)


def normalized(page: dict[str, Any]) -> list[Any]:
    W1, b1, W2, b2 = page["weights"](4, 5, 3)
    return [W1, b1, 1 + b1, 0.5 * b1, W2, b2]


def stepped(page: dict[str, Any]) -> Any:
    for velocity in ("vW1", "vb1", "vW2", "vb2"):
        page[velocity][...] = 0  # the programs may have made steps before
    return check_update(page["step"], page["loss_now"], page["script"], page["rate"], momentum=page["beta"])


def adamw(page: dict[str, Any]) -> Any:
    net = page["AdamW"]()
    x, t = page["x"], page["t"]
    return check_update(net.step, lambda: ((x @ net.theta - t) ** 2).mean() / 2, net.theta, page["rate"])


CHECKS: dict[str, Callable[[dict[str, Any], dict[str, Any]], Any]] = {
    "classify": lambda page, like: check_gradient(page["classify"], None, page["weights"](4, 4, 4, 3), **like),
    "decide": lambda page, like: check_gradient(page["decide"], None, page["weights"](4, 6, 1), **like),
    "normalized": lambda page, like: check_gradient(page["normalized"], None, normalized(page), **like),
    "dropped": lambda page, like: check_gradient(page["dropped"], None, page["weights"](4, 5, 3), **like),
    "rectified": lambda page, like: check_gradient(page["rectified"], None, page["weights"](4, 5, 3)),
    "padded": lambda page, like: check_gradient(page["padded"], None, [*page["weights"](4, 3)[:1], np.ones(3)]),
    "recurrent": lambda page, like: check_gradient(
        page["recurrent"], None, page["weights"](4, 3)[:1] + page["weights"](3, 3)[:1]
    ),
    "convolved": lambda page, like: check_gradient(
        page["convolved"], None, [page["x"][:3, 1].copy(), page["x"][:3, 2].copy()]
    ),
    "robust": lambda page, like: check_gradient(page["robust"], None, [page["x"][0] + 1, np.array([2.0])]),
    "hinge": lambda page, like: check_gradient(page["hinge"], None, page["weights"](4, 3)),
    "indexed": lambda page, like: check_gradient(page["indexed"], None, page["weights"](4, 3)),
    "step": lambda page, like: stepped(page),
    "AdamW": lambda page, like: adamw(page),
    "Net": lambda page, like: page["net_report"](),
    "softmax_layer": lambda page, like: check_vjp(page["softmax_layer"], None, page["x"]),
    "tanh_layer": lambda page, like: check_vjp(page["tanh_layer"], None, page["x"]),
}
NETWORKS = {
    "classify": (Network([4, 4, 4, 3], "tanh", "softmax"), "y"),
    "decide": (Network([4, 6, 1], "tanh", "sigmoid"), "t"),
}


@pytest.mark.parametrize("program", CHECKS)
def test_programs_are_right_before_they_are_changed(program: str) -> None:
    page: dict[str, Any] = {}
    exec(PROGRAMS, page)
    assert CHECKS[program](page, {}).ok


@pytest.mark.slow
@pytest.mark.parametrize("code", KINDS)
def test_mistake_is_named_given_what_it_needs(code: str) -> None:
    program, page = with_mistake(KINDS[code])
    like: dict[str, Any] = {}
    if KINDS[code].needs == "like":
        network, targets = NETWORKS[program]
        like = {"like": network, "x": page["x"], "y": page[targets]}
    report = CHECKS[program](page, like)
    if code not in [mistake.code for mistake in report.diagnosis]:  # numbers alone do not show it: the correction does
        repair.SECONDS = 5.0
        report = CHECKS[program](page, like)
    assert report.verdict == ("not proved" if code == "accumulated" else "WRONG")  # adding up may be meant
    assert code in [mistake.code for mistake in report.diagnosis] and len(report.diagnosis) <= 2
