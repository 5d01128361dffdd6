"""Every formula on the pages of docs/derivations is true; those that are quoted as wrong are wrong."""

import re
from collections.abc import Iterator
from functools import cache
from itertools import product
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
import sympy
from blackboard import DoesNotConform, Values
from formulas import Formula, contradictions, formulas_of, side, updated
from scripts import module_at

from deltarule.problem import registry

PAGES = sorted((Path(__file__).parents[2] / "docs" / "derivations").glob("*.md"))
FORMULAS = [formula for page in PAGES for formula in formulas_of(page)]
SLOPE = re.compile(r"\\frac\{\\partial (v|a|\\ell)\}\{\\partial (\w)\} = ")
SECTIONS = sorted({(formula.page, formula.section) for formula in FORMULAS})


def module(page: str) -> ModuleType:
    """The values of a page, which stand beside it."""
    return module_at(PAGES[0].parent / f"{page}.py")


@cache
def values_of(page: str, section: str) -> list[Values]:
    assert section in module(page).VALUES, f"{page}.md has formulas in '{section}', and {page}.py no values for them"
    return list(module(page).VALUES[section]())


@cache
def of_section(page: str, section: str) -> list[Formula]:
    return [formula for formula in FORMULAS if (formula.page, formula.section) == (page, section)]


def worked_through(page: str, section: str) -> Iterator[tuple[Formula, Values]]:
    """Each formula of a section, with the values that hold there: an arrow changes what comes after it."""
    for values in values_of(page, section):
        for formula in of_section(page, section):
            yield formula, values
            if not formula.label.startswith("wrong"):
                values = updated(formula.text, values)


def is_true(text: str, values: Values) -> bool:
    try:
        return not contradictions(text, values)
    except DoesNotConform:
        return False


@pytest.mark.sampled(4)
@pytest.mark.parametrize(("page", "section"), SECTIONS)
def test_formulas_are_true(page: str, section: str) -> None:
    checked = set()
    for formula, values in worked_through(page, section):
        if formula.label.startswith("wrong"):
            assert not is_true(formula.text, values), f"line {formula.line} of {page}.md is said to be wrong"
        else:
            assert contradictions(formula.text, values) == [], f"line {formula.line} of {page}.md: {formula.text}"
        checked.add(formula)
    assert checked == set(of_section(page, section))


def slips(text: str) -> Iterator[str]:
    """The formula with one slip each: another sign or number, an exchanged relation, a transposition left out."""
    exchanged = {"+": "-", "-": "+", "<": ">", ">": "<", "\\top": "", "'": "", "\\odot": "", "\\Delta": "\\psi"}
    for match in re.finditer(r"\\[A-Za-z]+|\d+(?:\.\d+)?|[-+<>']", text):
        token = match[0]
        other = str(float(token) + 1) if token[0].isdigit() else exchanged.get(token)
        if other is not None:
            yield text[: match.start()] + f" {other} " + text[match.end() :]


def is_noticed(slip: str, place: int, page: str, section: str) -> bool:
    here = len(of_section(page, section))
    for at, (_, values) in enumerate(worked_through(page, section)):
        if at % here == place:
            try:
                with np.errstate(all="ignore"):
                    if contradictions(slip, values):
                        return True
            except (DoesNotConform, IndexError, KeyError, TypeError, ValueError):  # it can no longer be worked out
                return True
    return False


@pytest.mark.parametrize(("page", "section"), SECTIONS)
def test_any_slip_of_the_pen_would_be_noticed(page: str, section: str) -> None:
    unnoticed = [
        slip
        for place, formula in enumerate(of_section(page, section))
        if not formula.label.startswith("wrong")
        for slip in slips(formula.text)
        if not is_noticed(slip, place, page, section)
    ]
    assert unnoticed == []


@pytest.mark.parametrize(
    "formula",
    [
        formula
        for formula in FORMULAS
        if formula.page in ("activations", "losses", "penalties")
        and SLOPE.match(formula.text)
        and formula.section not in ("Activations", "Label smoothing", "Naive binary cross-entropy")
    ],
    ids=lambda formula: f"{formula.page}-{formula.section}",
)
def test_slopes_are_what_sympy_finds(formula: Formula) -> None:
    """∂a/∂z of an activation, ∂ℓ/∂p of a loss, ∂v/∂w of a penalty: differentiated from the formula above it."""
    letter, variable = SLOPE.match(formula.text).groups()
    values = module(formula.page).symbolic(formula.section)
    function, *_ = [one for one in of_section(formula.page, formula.section) if one.text.startswith(f"{letter} = ")]
    value = side(function.text, 1, values)
    expected = sympy.diff(value, values.names[variable])
    values = values.with_names(**{"ℓ" if letter == r"\ell" else letter: value})
    for place in range(1, formula.text.count("=") + 1):
        assert vanishes(side(formula.text, place, values) - expected)


def vanishes(expression: sympy.Expr) -> bool:
    """Whether an expression is 0: for every number, or where SymPy cannot simplify (at kinks), exactly at many."""
    if sympy.simplify(expression) == 0:
        return True
    letters = sorted(expression.free_symbols, key=str)
    tried = [
        [sympy.Rational(number, 7 + place) for number in (-19, -2, 1, 5, 33) if number > 0 or not letter.is_positive]
        for place, letter in enumerate(letters)
    ]
    return all(expression.subs(dict(zip(letters, point, strict=True))) == 0 for point in product(*tried))


def test_vanishing_is_distinguished_from_nearly_vanishing() -> None:
    p, y = sympy.symbols("p y", positive=True)
    assert vanishes(sympy.Abs(p - y) - sympy.Piecewise((p - y, p > y), (y - p, True)))
    assert not vanishes(
        sympy.Abs(p - y) - sympy.Piecewise((p - y, p > y), ((y - p) * sympy.Rational(10005, 10000), True))
    )


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_no_formula_escapes(page: Path) -> None:
    """What is displayed is what is checked; sentences hold letters and expressions, and no equations."""
    text = page.read_text(encoding="utf-8")
    assert text.count("$$") == 2 * len(formulas_of(page))
    assert not re.search(r"```\s*\{?math|\\\[|\\begin\{(align|equation)", text)
    for inline in re.findall(r"(?<!\$)\$([^$]+)\$(?!\$)", re.sub(r"\$\$.*?\$\$", "", text, flags=re.DOTALL)):
        assert not re.search(r"=|\\leftarrow|\\approx", inline), inline


@pytest.mark.parametrize(
    ("page", "kind"),
    [("losses", "loss"), ("penalties", "penalty"), ("optimizers", "optimizer"), ("schedules", "schedule")]
    + [("activations", "activation"), ("initial-weights", "initializer")],
)
def test_every_formula_of_the_package_is_on_its_page(page: str, kind: str) -> None:
    text = (PAGES[0].parent / f"{page}.md").read_text(encoding="utf-8").lower().replace("-", "_").replace(" ", "_")
    assert [name for name in registry.names(kind) if name not in text] == []
