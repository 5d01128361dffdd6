import xml.etree.ElementTree as ElementTree

import numpy as np
import pytest
from numpy import exp, log, sqrt

from deltarule.maths.optimizers import OPTIMIZERS
from deltarule.problem.create import create_problem
from deltarule.problem.network import Network
from deltarule.problem.state import initial_state
from deltarule.reports.trace_mathml import entry, format_number, symbol, terms_with_numbers, with_names
from deltarule.tracing.explain import explain_update
from deltarule.tracing.expressions import ZERO, Cases, Comparison, Number, Ref, Series

CHILDREN = {"mfrac": 2, "msup": 2, "msub": 2, "msubsup": 3, "munder": 2, "mover": 2}


def parsed(mathml):
    return ElementTree.fromstring(f"<math>{mathml.replace('&#xA0;', ' ')}</math>")


def read(mathml):
    return "".join(parsed(mathml).itertext())


def check(mathml):
    """It is well formed, and every element has the number of children that a browser needs to set it."""
    for element in parsed(mathml).iter():
        if element.tag in CHILDREN:
            assert len(element) == CHILDREN[element.tag], ElementTree.tostring(element)
        if element.tag in ("mi", "mn", "mo", "mtext"):
            assert all(child.tag == "a" for child in element)


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
def test_every_formula_of_a_trace_is_mathml(optimizer):
    problem = create_problem(
        Network([2, 3, 3, 2], ["elu", "softmax"], "sigmoid", batch_norm=True),
        [[1.0, 2.0], [0.5, -1.0]],
        [[0.0, 1.0], [1.0, 0.0]],
        loss="huber",
        penalty="l1_per_sample",
        strength=0.1,
        optimizer=optimizer,
        schedule="cosine",
        dropout=0.2,
        weights=[1.0, 2.0],
    )
    check_all(explain_update(problem, initial_state(problem)))


def check_all(explanation):
    for one in explanation.quantities.values():
        check(entry(one.name, one.axes))
        if one.rule:
            check(with_names(one.formula))
            for place in one.indices():
                for part in terms_with_numbers(one.rule(*place), lambda ref: f"#{ref.name}"):
                    check(part)


def test_formulas_read_as_they_should():
    x, y = Ref("x1", (0,), -2.0), Ref("y", (), 0.5)
    assert read(with_names(x * (y - x))) == "x1[0]·(y−x1[0])"
    assert read("".join(terms_with_numbers(x * (y - x), lambda ref: "#"))) == "−2·(0.5−(−2))"
    assert read(with_names(log(exp(x) + sqrt(y)))) == "log(ex1[0]+y)"
    assert read(with_names(Cases(((Comparison(x, ">", ZERO), Number(1)),), y))) == "{1if x1[0]>0yelse"
    assert (
        read("".join(terms_with_numbers(Cases(((Comparison(x, ">", ZERO), Number(1)),), y), lambda ref: "#")))
        == "0.5 since −2≤0"
    )


def test_a_long_sum_comes_term_by_term_and_folded():
    tree = Series(("i",), (100,), lambda i: Number(float(i))) + Ref("b", (), 1.0)
    parts = [read(part) for part in terms_with_numbers(tree, lambda ref: "#", sample=50)]
    assert parts[:2] == ["0", "+1"] and parts[-1] == "+1" and parts[-2] == "+99"
    assert "+50" in parts and [part for part in parts if "more" in part] == ["+… 40 more …", "+… 48 more …"]


def test_a_number_is_a_link_with_all_its_digits():
    [part] = terms_with_numbers(Ref("W1", (0, 2), 1 / 3), lambda ref: f"#{ref.name}-{ref.index[1]}")
    [link] = parsed(part).iter("a")
    assert link.attrib == {"href": "#W1-2", "title": "W1[0, 2] = 0.3333333333333333"} and link.text == "0.3333"
    [plain] = terms_with_numbers(Ref("W1", (0, 2), 1 / 3), lambda ref: "")
    assert not list(parsed(plain).iter("a"))


def test_symbols():
    assert read(symbol("∂J/∂W12")) == "∂J∂W12" and parsed(symbol("∂J/∂W12"))[0].tag == "mfrac"
    assert read(symbol("v_W1_new")) == "vW1new"
    assert read(symbol("mean3")) == "μ3" and read(symbol("variance3")) == "σ32" and read(symbol("loss")) == "ℓ"
    assert read(symbol("<b>&")) == "<b>&"
    assert format_number(-1.5) == "−1.5" and format_number(np.nan) == "nan"


def test_a_piece_within_something_else_stands_in_brackets():
    x = Ref("x", (), -2.0)
    piece = Cases(((Comparison(x, ">", ZERO), Number(1)),), x)
    numbers = [read("".join(terms_with_numbers(tree, lambda ref: "#"))) for tree in (sqrt(piece), piece * x)]
    assert numbers == ["(−2 since −2≤0)", "(−2 since −2≤0)·(−2)"]


def test_sum_within_a_sum_has_one_plus_a_term():
    squares = Series(("i",), (2,), lambda i: Ref("W", (i,), 1.0 + i) ** 2)
    terms = terms_with_numbers(Ref("x", (0,), 3.0) + squares, lambda ref: "")
    assert [term.count("+") for term in terms] == [0, 1, 1]
