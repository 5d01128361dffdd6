import re
import xml.etree.ElementTree as ElementTree
from html.parser import HTMLParser

import numpy as np
import pytest
from numpy import exp, log, sqrt
from refusals import refuses

from deltarule.maths.optimizers import OPTIMIZERS
from deltarule.problem.create import create_problem
from deltarule.problem.network import Network
from deltarule.problem.state import initial_state
from deltarule.reports.trace_page import (
    MAX_ROWS,
    MAX_WORKED,
    entry,
    explanation_page,
    format_number,
    symbol,
    terms_with_numbers,
    with_names,
)
from deltarule.tracing.explain import explain, explain_update
from deltarule.tracing.expressions import ZERO, Cases, Comparison, Number, Ref, Series


class Page(HTMLParser):
    """What a browser sees: the ids, the links by what they show, the tags, and the text."""

    def __init__(self, text):
        super().__init__()
        self.ids, self.links, self.tags, self.titles, self.text, self.open = [], [], [], [], "", []
        self.feed(text)

    def handle_starttag(self, tag, attributes):
        given = dict(attributes)
        self.tags.append(tag)
        self.ids += [given["id"]] if "id" in given else []
        self.titles += [given["title"]] if "title" in given else []
        if tag == "a":
            self.links.append((given["href"], given.get("title", "")))
        if tag not in ("meta", "link", "br", "rect", "line", "path"):
            self.open.append(tag)

    def handle_startendtag(self, tag, attributes):
        self.tags.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.text += data


def explained(rows=5, batch_norm=True, **names):
    rng = np.random.default_rng(1)
    problem = create_problem(
        Network([3, 4, 2], "relu", "softmax", batch_norm=batch_norm),
        rng.normal(size=(rows, 3)),
        np.eye(2)[rng.integers(0, 2, rows)],
        loss="cross_entropy",
        penalty="l2",
        strength=0.1,
        optimizer="adam",
        schedule="cosine",
        dropout=0.3,
    )
    return explain_update(problem, initial_state(problem), **names)


@pytest.mark.slow
def test_it_is_one_page_without_scripts_that_loads_nothing():
    text = explanation_page(explained())
    page = Page(text)
    assert page.open == [] and "math" in page.tags and "svg" in page.tags
    assert not {"script", "img", "iframe", "object"} & set(page.tags) and page.tags.count("link") == 1  # an empty icon
    assert """content="default-src 'none'; style-src 'unsafe-inline'; img-src data:">""" in text
    assert re.findall(r"(?:https?:)?//[^\s\"'<]+", text) == ["http://www.w3.org/2000/svg"]
    assert not re.search(r"@import|url\((?!#)|\bon\w+=", text)


@pytest.mark.slow
def test_every_number_links_to_where_it_came_from():
    record = explained()
    text = explanation_page(record)
    page = Page(text)
    assert len(set(page.ids)) == len(page.ids)
    assert all(address.startswith("#") and address[1:] in page.ids for address, _ in page.links)
    numbers = {title.split(" = ")[0]: float(title.split(" = ")[1]) for _, title in page.links if " = " in title}
    for place, value in numbers.items():
        name, _, index = place.partition("[")
        array = record[name]
        assert value == (array[tuple(map(int, index[:-1].split(", ")))] if index else array), place
    for name, one in record.quantities.items():
        if one.rule and one.axes:  # each of its cells leads to its formula
            first = re.search(rf'title="{re.escape(name)}\[0[^"]*"><a href="#(w[^"]+)"', text)
            assert first and first[1] in page.ids, name


@pytest.mark.slow
def test_what_is_folded_is_counted():
    page = Page(explanation_page(explained(rows=40)))
    assert f"… {40 - MAX_ROWS} more rows …" in page.text
    assert re.search(r"… \d+ more …", page.text)
    small = Page(explanation_page(explained()))
    assert "more row" not in small.text and "by the same formula" not in small.text
    wide = explain(Network([20, 9]), np.zeros(189), np.ones((1, 20)), np.ones((1, 9)), "squared_error", "sgd")
    page = Page(explanation_page(wide))  # ∂J/∂W1 and W1_new: 16 of 20 rows are shown, 64 of these entries worked out
    assert page.text.count("… 4 more rows …") == 3
    assert page.text.count(f"… {16 * 9 - MAX_WORKED} more by the same formula …") == 2


@pytest.mark.slow
def test_a_sample_and_a_layer_narrow_the_page():
    record = explained(batch_norm=False)
    whole, one, second = (explanation_page(record, **given) for given in ({}, {"sample": 3}, {"layer": 2}))
    assert "z1[3, 0] = " in one and "z1[2, 0] = " not in one and "W1[2, 0] = " in one
    assert "row 3 of the data alone" in one and len(one) < len(whole)
    assert "z2[0, 0] = " in second and 'title="z1[0, 0]' not in second
    assert "layer 2 alone" in second
    page = Page(second)
    assert all(address[1:] in page.ids for address, _ in page.links)
    with refuses("sample", 5):
        explanation_page(record, sample=5)
    with refuses("layer", 3, 1, 2):
        explanation_page(record, layer=3)


@pytest.mark.slow
def test_names_cannot_become_part_of_the_page():
    evil = '"><script>alert(1)</script>'
    record = explained(title=evil, features=(evil, "<b>", "&amp;"), classes=("<i>", "ok"), notes=(evil,))
    text = explanation_page(record)
    page = Page(text)
    assert "script" not in page.tags and page.tags.count("b") == Page(explanation_page(explained())).tags.count("b")
    assert evil in page.text and evil in page.titles and "&amp;" in page.titles


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
