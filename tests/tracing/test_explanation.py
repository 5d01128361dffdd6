import re

import numpy as np
import pytest

from deltarule.problem.create import create_problem
from deltarule.problem.network import Network
from deltarule.problem.state import initial_state
from deltarule.tracing.explain import explain_update
from deltarule.tracing.explanation import caution, explanation_record


def explained(sizes=(30, 40, 3), rows=20, **names):
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(rows, sizes[0])), rng.random((rows, sizes[-1]))
    problem = create_problem(Network(sizes, "sigmoid"), x, y, optimizer="adam")
    return explain_update(problem, initial_state(problem), **names)


@pytest.mark.parametrize("width", [60, 80, 200])
def test_no_line_is_wider_than_the_screen(width):
    assert max(map(len, explained().text(width=width).splitlines())) <= width


def test_every_array_is_there_and_what_is_folded_is_counted():
    record = explained()
    text = record.text()
    for name, one in record.quantities.items():
        assert re.search(rf"^{re.escape(name)}[ :]", text, re.MULTILINE), name
        shown = re.search(rf"^{re.escape(name)} \[.*\n((?:  .*\n)*)", text, re.MULTILINE)
        if one.value.ndim == 2 and len(set(one.value.ravel())) > 1:
            header, *rest = shown[1].splitlines()
            columns = len(header.split())
            rows = len([line for line in rest if re.match(r" +\d+  ", line)])
            left_out = re.search(
                r"… (?:(\d+) more rows?)?(?: and )?(?:(\d+) more columns?)? …$", shown[1], re.MULTILINE
            )
            more = [int(count or 0) for count in left_out.groups()] if left_out else [0, 0]
            assert (rows + more[0], columns + more[1]) == one.value.shape, name


def test_a_sample_and_a_layer_narrow_what_is_shown():
    record = explained(sizes=(2, 3, 1), rows=4)
    one = record.text(sample=2)
    z1 = re.search(r"^z1 \[.*\n((?:  .*\n)*)", one, re.MULTILINE)[1].splitlines()
    assert z1[1].split()[0] == "2" and len([line for line in z1 if re.match(r"  \d", line)]) == 1
    assert "z1[2, 0] = " in one and "z1[0, 0] = " not in one
    assert "Σ_i x[i, d] · δ1[i, j]" in one
    second = record.text(layer=2)
    assert re.search(r"^z2 \[", second, re.MULTILINE) and not re.search(r"^(z1|x|W1|α)\b", second, re.MULTILINE)


def test_names_are_shortened_and_cannot_break_the_lines():
    classes = ("a\nb", "a very long name of a class", "c")
    features = [f"input {place}" for place in range(30)]
    text = explained(classes=classes, features=features).text()
    y = re.search(r"^y \[.*\n(.*)\n", text, re.MULTILINE)[1]
    assert "a\\nb" in y and "a very long…" in y
    assert "input 0" in re.search(r"^x \[.*\n(.*)\n", text, re.MULTILINE)[1]
    assert "input 0" in re.search(r"^W1 \[.*\n((?:  .*\n)*)", text, re.MULTILINE)[1]


def test_a_notebook_shows_the_text_with_names_escaped():
    record = explained(sizes=(2, 1), rows=2, features=["<b>", "&"])
    html = record._repr_html_()
    assert html.startswith("<pre>") and "&lt;b&gt;" in html and "<b>" not in html


def test_a_gradient_that_is_not_the_derivative_is_said_in_the_first_line():
    network, x, y = Network([2, 2, 1], "sigmoid"), [[0.0, 1.0]], [1.0]
    problem = create_problem(network, x, y, loss="naive_binary_cross_entropy")
    wrong = explain_update(problem, initial_state(problem), title="a study")
    assert wrong.text().splitlines()[0] == "Caution: the gradient below is not the derivative of J. The loss"
    assert caution(wrong) in explanation_record(wrong, None, None)["notes"]
    assert explained(title="a study").text().startswith("a study")
