import re
import xml.etree.ElementTree as ElementTree

import numpy as np
import pytest
from unproved import unproved

from deltarule.maths.activations import Activation
from deltarule.problem.create import create_problem
from deltarule.problem.network import Network
from deltarule.problem.state import initial_state
from deltarule.reports.graph import WIDTH, computational_graph
from deltarule.tracing.explain import explain_update

SVG = "{http://www.w3.org/2000/svg}"


def explained(network, y=1, **given):
    rng = np.random.default_rng(0)
    x = rng.normal(size=(4, network.inputs))
    targets = np.eye(network.outputs)[rng.integers(0, network.outputs, 4)] * y
    problem = create_problem(network, x, targets, **given)
    return explain_update(problem, initial_state(problem))


def texts(svg):
    """The texts of a figure, with the class that each has."""
    return [(element.get("class"), "".join(element.itertext())) for element in svg.iter(f"{SVG}text")]


def drawn(explanation, **links):
    return ElementTree.fromstring(computational_graph(explanation, **links))


def test_the_boundary_reports_graph():
    svg = drawn(explained(Network([2, 3, 3, 1], "sigmoid", "sigmoid"), loss="naive_binary_cross_entropy"))
    names = [text for kind, text in texts(svg) if kind == "name"]
    assert names == ["x", "z₁", "W₁", "b₁", "a₁", "z₂", "W₂", "b₂", "a₂", "z₃", "W₃", "b₃", "a₃", "J", "y"]
    flows = [text for kind, text in texts(svg) if kind == "back"]
    # The last layer first, as it is computed; the report has the first two the wrong way round.
    assert [flow for flow in flows if "a₃" in flow.split(" = ")[0]] == [
        "∂J/∂a₃ = share · slope of naive binary cross entropy"
    ]
    assert "δ₃ = ∂J/∂z₃" in flows and " = ∂J/∂a₃ · sigmoid′" in flows
    assert "∂J/∂W₃ = a₂ᵀ δ₃" in flows and "∂J/∂b₃ = Σ δ₃" in flows and "∂J/∂a₂ = δ₃ W₃ᵀ" in flows
    assert not any("∂J/∂x" in flow for flow in flows)


def test_what_needs_no_second_computation_is_marked():
    svg = drawn(explained(Network([2, 3, 1], "tanh"), loss="squared_error"))
    marks = [element for element in svg.iter(f"{SVG}rect") if element.get("class") == "mark"]
    assert len(marks) == 2 + 1  # δ of two layers, and the legend
    used = [element.text for element in svg.iter(f"{SVG}tspan") if element.get("class") == "once"]
    # W2, b2 and a1 use δ2; W1 and b1 use δ1.
    assert sorted(used) == ["underlined", "δ₁", "δ₁", "δ₂", "δ₂", "δ₂"]


@pytest.mark.parametrize(
    ("network", "given", "told"),
    [
        (Network([2, 2], output="softmax"), {"loss": "cross_entropy"}, "share · (a₁ − y), in one step"),
        (Network([2, 2], output="softmax"), {"loss": "cross_entropy", "y": 0.5}, "share · (a₁ Σy − y), in one step"),
        (Network([2, 3, 2], "softmax"), {}, "∂J/∂a₁ through the Jacobian of softmax"),
        (Network([2, 3, 2], batch_norm=True), {}, "∂J/∂gamma₁ = Σ ∂J/∂n₁ zhat₁"),
        (Network([2, 3, 2], batch_norm=True), {}, "gamma₁ zhat₁ + beta₁"),
        (Network([2, 3, "tanh", "scaling", 2]), {}, "∂J/∂a₁ = ∂J/∂s₁ · scale₁"),
        (Network([2, 3, {"name": "residual", "skip": "z1"}, 2]), {}, "= ∂J/∂r₁ back through residual"),
        (Network([2, 3, 2]), {"dropout": 0.5}, "∂J/∂a₁ = ∂J/∂d₁ · keep₁ / (1 − dropout₁)"),
        (Network([2, 3, 2], bias=False), {}, "∂J/∂W₂ = a₁ᵀ δ₂"),
        (Network([2, 3, 2]), {"penalty": "l2", "strength": 0.1}, "J holds the penalty l2 too"),
    ],
)
def test_every_kind_of_layer_has_its_edge(network, given, told):
    svg = drawn(explained(network, **given))
    assert any(told in text for _, text in texts(svg))
    biases = [text for kind, text in texts(svg) if kind == "name" and text.startswith("b₁")]
    assert bool(biases) == network.has_biases


def test_nothing_is_drawn_outside_and_no_two_nodes_overlap():
    network = Network([9, 8, 7, 6, 5, 4, 3], batch_norm=True)
    svg = drawn(explained(network, dropout=0.2))
    height = float(svg.get("height"))
    boxes = [
        tuple(float(element.get(key)) for key in ("x", "y", "width", "height"))
        for element in svg.iter(f"{SVG}rect")
        if element.get("class").startswith("box")
    ]
    for place, (x, y, width, tall) in enumerate(boxes):
        assert 0 <= x and x + width <= WIDTH and 0 <= y and y + tall <= height
        for left, top, wide, high in boxes[:place]:
            assert x >= left + wide or left >= x + width or y >= top + high or top >= y + tall


def test_nodes_and_derivatives_lead_to_their_arrays():
    links = {"z1": "#one", "δ1": "#two", "∂J/∂W1": "#three"}
    svg = drawn(explained(Network([1, 1])), links=links)
    assert sorted(element.get("href") for element in svg.iter(f"{SVG}a")) == ["#one", "#three", "#two"]
    assert svg.get("role") == "group" and drawn(explained(Network([1, 1]))).get("role") == "img"


def test_names_are_escaped():
    own = unproved(Activation("<script>&", lambda z: z * z, lambda z, a: 2 * z))
    text = computational_graph(explained(Network([1, 2, 1], own)))
    assert "<script" not in text and re.search(r"&lt;script&gt;&amp;", text)
