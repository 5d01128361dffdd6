"""The reader of formulas reads them right: it is what the derivations rest on."""

import numpy as np
import pytest
from blackboard import DoesNotConform, Values
from formulas import contradictions, formulas_of, side, updated
from hypothesis import given
from hypothesis import strategies as st

NUMBERS = {"a": 0.7, "b": -1.3, "\\lambda": 2.1, "z^2": 0.4, "\\hat{m}": 1.9}
NAMES = {"a": 0.7, "b": -1.3, "λ": 2.1, "z^2": 0.4, "hat m": 1.9}

Pair = tuple[str, float]


def combined(inner: st.SearchStrategy[Pair]) -> st.SearchStrategy[Pair]:
    """Formulas made of smaller ones, each written as one writes it, with its value worked out by Python."""
    two = st.tuples(inner, inner)
    return st.one_of(
        two.map(lambda p: (f"{p[0][0]} + ({p[1][0]})", p[0][1] + p[1][1])),
        two.map(lambda p: (f"{p[0][0]} - \\left({p[1][0]}\\right)", p[0][1] - p[1][1])),
        two.map(lambda p: (f"({p[0][0]}) ({p[1][0]})", p[0][1] * p[1][1])),
        two.map(lambda p: (f"({p[0][0]}) \\cdot ({p[1][0]}) a", p[0][1] * p[1][1] * 0.7)),
        inner.map(lambda p: (f"\\frac{{{p[0]}}}{{2 + \\lvert {p[0]} \\rvert}}", p[1] / (2 + abs(p[1])))),
        inner.map(lambda p: (f"\\left({p[0]}\\right)^2", p[1] ** 2)),
        inner.map(lambda p: (f"\\sqrt{{1 + ({p[0]})^2}}", (1 + p[1] ** 2) ** 0.5)),
        inner.map(lambda p: (f"-{{({p[0]})}} / 3", -p[1] / 3)),
        inner.map(lambda p: (f"\\tanh ({p[0]})", float(np.tanh(p[1])))),
        inner.map(
            lambda p: (
                f"\\begin{{cases}} a & {p[0]} > 0 \\\\ b & \\text{{otherwise}} \\end{{cases}}",
                0.7 if p[1] > 0 else -1.3,
            )
        ),
    )


LEAVES = st.sampled_from(list(NUMBERS.items())) | st.integers(0, 9).map(lambda n: (str(n), float(n)))


@given(st.recursive(LEAVES, combined, max_leaves=6))
def test_a_formula_has_the_value_that_python_gives_it(pair: Pair) -> None:
    latex, expected = pair
    assert side(f"y = {latex}", 1, Values(NAMES)) == pytest.approx(expected, rel=1e-9, abs=1e-9)


@pytest.mark.parametrize(
    "text", ["y = a +", "y", "y = (a", "y = \\frac{a}", "y = a)", "y = \\sum a", "y = \\mathbb{2}[a > 0]"]
)
def test_what_cannot_be_read_is_refused(text: str) -> None:
    with pytest.raises((ValueError, IndexError)):
        contradictions(text, Values({**NAMES, "y": 0.0}))


def test_a_letter_without_a_value_is_refused() -> None:
    with pytest.raises(KeyError, match="no value for 'q'"):
        contradictions("a = q", Values(NAMES))


def test_matrices_must_conform() -> None:
    tall, wide = np.ones((3, 2)), np.ones((2, 3))
    names = {"x": tall, "W": wide, "b": np.ones((1, 3)), "y": tall @ wide + 1}
    assert contradictions("y = x W + b", Values(names)) == []
    for wrong in ("y = x W^\\top", "y = W + x", "y = x \\odot W", "y = x", "y = x^2", "y = b + x W"):
        with pytest.raises(DoesNotConform):
            contradictions(wrong, Values(names))


def test_sums_run_from_one_and_indices_count_from_one() -> None:
    values = Values({"x": np.array([1.0, 10.0, 100.0]), "N": 2}, {"i": 3})
    assert side("s = \\sum_{i} x_i", 1, values) == 111
    assert side("s = \\sum_{i=1}^{N} x_i + x_3", 1, values) == 111
    assert len(contradictions("x_i = x_1", values)) == 2


def test_what_an_arrow_changes_is_changed_for_the_formulas_after_it() -> None:
    before = Values({"v": 1.0, "w": 5.0}, after={"v": 3.0, "w": 8.0})
    assert contradictions("v \\leftarrow 3 v", before) == []
    assert contradictions("w \\leftarrow w + v", before) != []
    assert contradictions("w \\leftarrow w + v", updated("v \\leftarrow 3 v", before)) == []


def test_formulas_are_found_with_their_section_and_line(tmp_path) -> None:
    page = tmp_path / "page.md"
    page.write_text("# One\n\n$$\na = b\n$$ (name)\n\n## Two (here)\n\n$$\nc = d\n$$\n", encoding="utf-8")
    first, second = formulas_of(page)
    assert (first.section, first.line, first.text, first.label) == ("One", 3, "a = b", "name")
    assert (second.section, second.line, second.text, second.label) == ("Two (here)", 9, "c = d", "")
