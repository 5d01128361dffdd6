import math

import numpy as np
import pytest
from hypothesis import given, reject
from hypothesis import strategies as st
from numpy import exp, sqrt

from deltarule.tracing.expression_text import Writer, shown_terms, with_names, with_numbers
from deltarule.tracing.expressions import (
    ZERO,
    Cases,
    Comparison,
    Number,
    Ref,
    Series,
    evaluate,
)

values = st.one_of(st.sampled_from([0.0, 1.0, -1.0, 0.5, -2.0]), st.floats(-3, 3).map(lambda x: round(x, 3)))
leaves = values.map(lambda value: Ref("x", (0,), value)) | values.map(Number)


def series(terms):
    return Series(("i",), (len(terms),), lambda i: terms[i])


@st.composite
def trees(draw, depth=4):
    """Formulas of every kind of node."""
    kind = draw(st.integers(0, 11)) if depth else 0
    if kind < 2:
        return draw(leaves)
    one, two = draw(trees(depth - 1)), draw(trees(depth - 1))
    return {
        2: lambda: one + two,
        3: lambda: one - two,
        4: lambda: one * two,
        5: lambda: one / (two**2 + 2),  # a division by 0 has the sign of that 0, which nobody writes down
        6: lambda: -one,
        7: lambda: one**2,
        8: lambda: exp(one),
        9: lambda: sqrt(np.abs(one)),
        10: lambda: series([one, two, one]),
        11: lambda: Cases(((Comparison(one, ">", ZERO), two),), one * two),
    }[kind]()


class WithoutReasons(Writer):
    """Leaves out why a piece of a formula was chosen."""

    def chosen_case(self, piece, conditions):
        return piece


def calculated(text):
    """What a reader gets who types the formula into a calculator."""
    text = text.replace("·", "*").replace("^", "**").replace("√(|", "sqrt(abs(").replace("|)", "))")
    known = {"exp": np.exp, "sqrt": np.sqrt, "abs": abs, "inf": np.inf, "nan": np.nan}
    with np.errstate(all="ignore"):
        numbers = {name: np.float64(value) if isinstance(value, float) else value for name, value in known.items()}
        return float(eval(text, {"__builtins__": {}}, numbers))


@given(trees())
def test_the_numbers_written_down_give_the_value(tree):
    value = evaluate(tree)
    try:
        found = calculated(WithoutReasons(has_names=False, digits=17).formula(tree))
    except (ZeroDivisionError, OverflowError):  # Python's own numbers do not overflow to infinity
        reject()
    assert found == pytest.approx(value, rel=1e-9, abs=1e-12, nan_ok=True) or not math.isfinite(value)


def test_parentheses_stand_where_they_are_needed_and_nowhere_else():
    a, b, c = (Ref(name, (), value) for name, value in (("a", 2.0), ("b", -3.0), ("c", 4.0)))
    assert with_names((a - (b - c)) / (a * b) ** 2) == "(a - (b - c)) / (a · b)^2"
    assert with_names(a + b + c - a * b * c) == "a + b + c - a · b · c"
    assert with_names(-(a + b) * c) == "-(a + b) · c"
    assert with_numbers(a + b * c) == "2 + (-3) · 4"
    assert with_numbers(b * c + a) == "-3 · 4 + 2"
    assert with_numbers(a - b) == "2 - (-3)"
    assert with_numbers(b**2) == "(-3)^2"
    assert with_numbers(exp(-b)) == "exp(-(-3))"


def test_pieces_report_what_chose_them():
    x = Ref("x", (1,), -2.0)
    sign = Cases(((Comparison(x, ">", ZERO), Number(1)), (Comparison(x, "<", ZERO), Number(-1))), ZERO)
    assert with_names(sign) == "{1 if x[1] > 0, -1 if x[1] < 0, else 0}"
    assert with_numbers(sign * x) == "(-1 since -2 < 0) · (-2)"
    assert with_numbers(Cases(((Comparison(x, ">", ZERO), x),), ZERO)) == "0 since -2 ≤ 0"


@given(count=st.integers(1, 40), most=st.integers(3, 9), sample=st.none() | st.integers(0, 39))
def test_what_is_left_out_of_a_sum_is_counted_and_a_sample_is_not_left_out(count, most, sample):
    sample = None if sample is None or sample >= count else sample
    tree = Series(("i",), (count,), lambda i: Number(float(i)))
    shown = shown_terms(tree, most, sample)
    places = [place[0] for place in shown if isinstance(place, tuple)]
    assert places == sorted(places) and len(places) <= most + 1
    assert len(places) + sum(place for place in shown if isinstance(place, int)) == count
    assert sample is None or sample in places
    for before, gap, after in zip(shown, shown[1:], shown[2:], strict=False):
        if isinstance(gap, int):
            assert after[0] - before[0] - 1 == gap > 0
