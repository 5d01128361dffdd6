import re
from html.parser import HTMLParser

import numpy as np
import pytest

from deltarule.errors import BadInput
from deltarule.problem.create import create_problem
from deltarule.problem.network import Network
from deltarule.problem.state import initial_state
from deltarule.reports.trace_page import MAX_ROWS, MAX_WORKED, explanation_page
from deltarule.tracing.explain import explain, explain_update


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
    for entry, value in numbers.items():
        name, _, index = entry.partition("[")
        array = record[name]
        assert value == (array[tuple(map(int, index[:-1].split(", ")))] if index else array), entry
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


def test_a_sample_and_a_layer_narrow_the_page():
    record = explained(batch_norm=False)
    whole, one, second = (explanation_page(record, **given) for given in ({}, {"sample": 3}, {"layer": 2}))
    assert "z1[3, 0] = " in one and "z1[2, 0] = " not in one and "W1[2, 0] = " in one
    assert "row 3 of the data alone" in one and len(one) < len(whole)
    assert "z2[0, 0] = " in second and 'title="z1[0, 0]' not in second
    assert "layer 2 alone" in second
    page = Page(second)
    assert all(address[1:] in page.ids for address, _ in page.links)
    with pytest.raises(BadInput, match="sample 5 is not in the batch"):
        explanation_page(record, sample=5)
    with pytest.raises(BadInput, match="there is no layer 3"):
        explanation_page(record, layer=3)


def test_names_cannot_become_part_of_the_page():
    evil = '"><script>alert(1)</script>'
    record = explained(title=evil, features=(evil, "<b>", "&amp;"), classes=("<i>", "ok"), notes=(evil,))
    text = explanation_page(record)
    page = Page(text)
    assert "script" not in page.tags and page.tags.count("b") == Page(explanation_page(explained())).tags.count("b")
    assert evil in page.text and evil in page.titles and "&amp;" in page.titles
