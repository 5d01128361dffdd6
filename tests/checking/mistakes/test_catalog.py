"""Each mistake of examples.md is made in a program, and named."""

import ast
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from deltarule import Network, check_gradient, check_update, check_vjp
from deltarule.checking.catalog import KINDS

PAGE = Path(__file__).parents[3] / "docs" / "reference" / "mistakes.md"
EXAMPLES = dict(
    re.findall(
        r"^## `(\w+)`\n\n```diff\n(.*?)^```$",
        Path(__file__).with_name("examples.md").read_text(encoding="utf-8"),
        re.MULTILINE | re.DOTALL,
    )
)
PROGRAMS = (Path(__file__).parent / "programs.py").read_text(encoding="utf-8")
STATEMENTS = [ast.get_source_segment(PROGRAMS, statement) or "" for statement in ast.parse(PROGRAMS).body]


def test_page_has_the_table_of_kinds() -> None:
    rows = [f"| `{code}` | {kind.meaning}{kind.needs and f' Needs `{kind.needs}`.'} |" for code, kind in KINDS.items()]
    assert "\n".join(rows) in PAGE.read_text(encoding="utf-8"), rows
    assert list(EXAMPLES) == list(KINDS)


def with_mistake(code: str) -> tuple[str, dict[str, Any]]:
    """The name of the program in which an example makes its mistake, and all that the programs define with it."""
    lines = [(line[0], line[1:].strip()) for line in EXAMPLES[code].splitlines()]
    wrong, right = ([text for sign, text in lines if sign == one] for one in "-+")
    for number, source in enumerate(STATEMENTS):
        body = source.splitlines()
        places = [i for i in range(len(body)) if [line.strip() for line in body[i : i + len(right)]] == right]
        if places and source.startswith(("def ", "class ")):
            [first] = places
            indent = " " * (len(body[first]) - len(body[first].lstrip()))
            body[first : first + len(right)] = [indent + line for line in wrong]
            namespace: dict[str, Any] = {}
            for other in [*STATEMENTS[:number], "\n".join(body), *STATEMENTS[number + 1 :]]:
                exec(other, namespace)
            return re.split(r"\W", source)[1], namespace
    raise AssertionError(f"no program has the lines {right}")


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


@pytest.mark.parametrize("code", KINDS)
def test_mistake_is_named_given_what_it_needs(code: str) -> None:
    program, page = with_mistake(code)
    like: dict[str, Any] = {}
    if KINDS[code].needs == "like":
        network, targets = NETWORKS[program]
        like = {"like": network, "x": page["x"], "y": page[targets]}
    report = CHECKS[program](page, like)
    assert report.verdict == ("not proved" if code == "accumulated" else "WRONG")  # adding up may be meant
    assert code in [mistake.code for mistake in report.diagnosis] and len(report.diagnosis) <= 2
