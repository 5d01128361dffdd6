"""The formulas of a page, read as what they say: what is printed is what is tested.

A formula stands between `$$` and `$$`. It is read here, in the subset of LaTeX that our derivations are written in, and
both of its sides are worked out from given values: numbers, arrays, or SymPy's expressions. The rules are those of
a blackboard:

    a b         a product; of two matrices the matrix product, so that shapes must conform
    a ⊙ b       the product entry by entry
    a + b       of equal shapes; a row [1, H] is added to every row of [B, H], as biases are
    W^1, f'     a name, if the values have one that is written so; otherwise a power
    a_i         a name, if the values have one that is written so; otherwise an entry (counted from 1)
    ∂J/∂W       a name of its own
    m ← …       left of the arrow stand the values after an update, right of it those before

A formula with a free index is worked out for each of its values.
"""

import re
from dataclasses import dataclass, replace
from itertools import product
from pathlib import Path
from typing import Any

from blackboard import Values, equal
from latex import equations


@dataclass(frozen=True)
class Formula:
    """What stands between `$$` and `$$`, with its page, the heading above it, its line, and its label if it has one."""

    page: str
    section: str
    line: int
    text: str
    label: str = ""


def formulas_of(page: Path) -> list[Formula]:
    """The formulas of a Markdown page, in their order."""
    text = page.read_text(encoding="utf-8")
    found = []
    for match in re.finditer(r"^\$\$(.*?)\$\$(?: \(([^)\n]+)\))?$", text, re.MULTILINE | re.DOTALL):
        before = text[: match.start()]
        sections = re.findall(r"^#{1,3} (.+)$", before, re.MULTILINE)
        found.append(Formula(page.stem, sections[-1], before.count("\n") + 1, match[1].strip(), match[2] or ""))
    return found


def contradictions(text: str, values: Values) -> list[str]:
    """Where a formula is not true of some values: a sentence for each; none if it is true.

    >>> contradictions(r"a = \\frac{1}{1 + e^{-z}}", Values({"a": 0.5, "z": 0.0}))
    []
    >>> from numpy import array
    >>> contradictions(r"y_i = 2 x_i", Values({"x": array([1.0, 1.0]), "y": array([2.0, 2.1])}, {"i": 2}))
    ['left 2.1, right 2.0 (i = 2)']

    Raises `DoesNotConform` where shapes do not fit, `KeyError` for a name that has no value.
    """
    found = []
    for equation in equations(text):
        free = sorted(letter for letter in equation.letters & set(values.ranges) if letter not in values.names)
        for numbers in product(*(range(1, values.ranges[letter] + 1) for letter in free)):
            index = dict(zip(free, numbers, strict=True))
            here = values.with_names(**index)
            left = replace(here, names={**values.after, **index}) if equation.changes else here
            first, *others = [side(here if place else left) for place, side in enumerate(equation.sides)]
            for other in others:
                if not equal(first, other):
                    where = ", ".join(f"{letter} = {number}" for letter, number in index.items())
                    found.append(f"left {first}, right {other}" + f" ({where})" * bool(where))
    return found


def updated(text: str, values: Values) -> Values:
    """The values after a formula: what stands left of an arrow has become what it becomes.

    >>> updated(r"v \\leftarrow 2 v", Values({"v": 1.0}, after={"v": 2.0})).names
    {'v': 2.0}
    """
    changed = [equation.changes for equation in equations(text) if equation.changes]
    return values.with_names(**{name: values.after[name] for name in changed})


def side(text: str, place: int, values: Values) -> Any:
    """What stands at one of the sides of the equals signs, 0 for the leftmost.

    >>> side("J = 3 x", 1, Values({"x": 2.0}))
    6.0
    """
    [equation] = equations(text)
    return equation.sides[place](values)
