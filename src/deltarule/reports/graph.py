"""Draw the computational graph of a trace, with the derivatives on its edges.

What is computed only once is marked: δ, the derivative by the pre-activations of a layer, from which the derivatives by
its weights, its biases and its inputs are computed. This file places what `templates/graph.svg` draws.
"""

import re
from collections.abc import Mapping
from typing import Any

import numpy as np

from deltarule.maths.network import Layer
from deltarule.reports import style
from deltarule.reports.formatting import load_template
from deltarule.tracing.backward import derivative_name
from deltarule.tracing.explanation import Explanation
from deltarule.tracing.expression_text import format_significant
from deltarule.tracing.formulas import is_fused

WIDTH, STEP, TOP = 960, 124, 40
MIDDLE, SIDE = 476, 106
BOX_WIDTH, BOX_HEIGHT = 132, 44
_SUBSCRIPTS = str.maketrans("0123456789", "₀₁₂₃₄₅₆₇₈₉")


def computational_graph(explanation: Explanation, links: Mapping[str, str] | None = None) -> str:
    """Draw the computational graph of a trace as SVG text.

    Parameters
    ----------
    links : the addresses to which nodes and derivatives link, by the names of their arrays.

    Returns
    -------
    An SVG as text.

    References
    ----------
    The boundary report's graph, whose first line has ∂J/∂a₃ and ∂J/∂z₃ the wrong way round.

    Examples
    --------
    >>> import deltarule
    >>> explained = deltarule.explain(deltarule.Network([1, 1]), [1.0, 0.0], [[2.0]], [3.0], "squared_error")
    >>> svg = computational_graph(explained)
    >>> svg.startswith("<svg"), "∂J/∂W₁" in svg
    (True, True)
    """
    graph = _Graph(explanation)
    graph.node("x", "data", is_given=True)
    for layer in explanation.problem.network.layers:
        _add_layer(graph, layer)
    _add_objective(graph)
    template = load_template("graph.svg", subscripts=_with_subscripts)
    return template.render(graph=graph, links=links or {}, style=style, sizes=(WIDTH, BOX_WIDTH, BOX_HEIGHT))


def _add_layer(graph: "_Graph", layer: Layer) -> None:
    """Add the nodes of a layer, its edges with formulas, and its parameters."""
    quantities, n = graph.explanation.quantities, layer.number
    if layer.scaling:
        graph.edge(f"x · scale{n}", "x", f"∂J/∂s{n} · scale{n}")
        graph.node(f"s{n}", "")
        graph.parameter(f"scale{n}", f"Σ ∂J/∂s{n} x", 0)
    inputs, delta = graph.last, f"δ{n}"
    bias = f" + b{n}" if layer.bias else ""
    graph.edge(f"{inputs} W{n}{bias}", inputs, f"{delta} W{n}ᵀ")
    graph.node(f"z{n}", "")
    graph.parameter(f"W{n}", f"{inputs}ᵀ {delta}", -30 if layer.bias else 0)
    if layer.bias:
        graph.parameter(f"b{n}", f"Σ {delta}", 30)
    if layer.batch_norm:
        graph.edge("batch norm", f"z{n}", f"∂J/∂n{n} back through batch norm")
        graph.node(f"n{n}", "")
        graph.parameter(f"gamma{n}", f"Σ ∂J/∂n{n} zhat{n}", -30)
        graph.parameter(f"beta{n}", f"Σ ∂J/∂n{n}", 30)
    if n == len(graph.explanation.problem.network.layers) and graph.is_fused:
        return  # the output's activation is computed with the loss
    slope = f"∂J/∂a{n} · {layer.activation.name}′"
    if layer.activation.rowwise:
        slope = f"∂J/∂a{n} through the Jacobian of {layer.activation.name}"
    graph.edge(layer.activation.name, graph.last, slope)
    graph.node(f"a{n}", "")
    if f"d{n}" in quantities:
        graph.edge("dropout", f"a{n}", f"∂J/∂d{n} · keep{n} / (1 − dropout{n})")
        graph.node(f"d{n}", "")


def _add_objective(graph: "_Graph") -> None:
    """Add J at the end, with targets and penalty beside it."""
    problem = graph.explanation.problem
    loss, n = problem.loss.name.replace("_", " "), len(problem.network.layers)
    if graph.is_fused:
        total = " Σy" if problem.network.output.rowwise and (graph.explanation["y"].sum(-1) != 1).any() else ""
        text = f"share · (a{n}{total} − y), in one step"
        graph.edge(f"{problem.network.output.name}, {loss}", graph.last, text)
    else:
        graph.edge(loss, graph.last, f"share · slope of {loss}")
    graph.node("J", f"= {format_significant(float(graph.explanation['J']), 6)}")
    graph.side_node("y", "targets: data")
    if "R" in graph.explanation.quantities and problem.penalty is not None:
        penalty = problem.penalty.name.replace("_", " ")
        graph.notes.append(f"J holds the penalty {penalty} too; its part goes straight to the weights.")


class _Graph:
    """Nodes from top to bottom, with arrows and formulas between them."""

    def __init__(self, explanation: Explanation) -> None:
        self.explanation = explanation
        self.y, self.last = TOP, ""
        self.boxes, self.arrows, self.operations = list[Any](), list[Any](), list[Any]()
        self.marks, self.formulas, self.remarks = list[Any](), list[Any](), list[Any]()
        self.notes = list[str]()
        problem = explanation.problem
        self.is_fused = is_fused(problem.loss, problem.network.output)
        self.title = f"Computational graph of {problem.network!r}"

    @property
    def legend_y(self) -> float:
        """The height of the legend, below the last node."""
        return self.y + BOX_HEIGHT / 2 + 36

    def node(self, name: str, remark: str, is_given: bool = False) -> None:
        """Add the next node of the chain, an array with a remark."""
        self.y += STEP if self.last else 0
        self._box(name, MIDDLE, self.y, remark, is_given)
        self.last = name

    def side_node(self, name: str, remark: str) -> None:
        """Add a node to the left of the last one, without a derivative."""
        self.arrows.append(("forth", SIDE + BOX_WIDTH / 2, self.y, MIDDLE - BOX_WIDTH / 2, self.y))
        self._box(name, SIDE, self.y, remark, True)

    def parameter(self, name: str, formula: str, offset: int) -> None:
        """Add a parameter beside the last node, with the formula of its derivative."""
        y, target = self.y + offset, self.y + offset / 2.5
        left, right = SIDE + BOX_WIDTH / 2, MIDDLE - BOX_WIDTH / 2
        self.arrows.append(("forth", left, y - 4, right, target - 4))
        self.arrows.append(("flow", right, target + 4, left, y + 4))
        self._box(name, SIDE, y, "", False)
        height = (y + target) / 2 + (-16 if offset < 0 else 24)
        self.formulas.append((f"∂J/∂{name}", formula, (left + right) / 2, height, "middle"))

    def edge(self, operation: str, source: str, formula: str) -> None:
        """Add an edge to the next node: an operation, and the derivative that flows back."""
        top, bottom = self.y + BOX_HEIGHT / 2, self.y + STEP - BOX_HEIGHT / 2
        y = (top + bottom) / 2 + 4
        self.arrows.append(("forth", MIDDLE - 8, top, MIDDLE - 8, bottom))
        self.operations.append((operation, MIDDLE - 20, y))
        if source == "x":
            return  # nothing flows back to the data
        self.arrows.append(("flow", MIDDLE + 8, bottom, MIDDLE + 8, top))
        name, is_delta = derivative_name(source), source.startswith("z")
        if is_delta:
            self.marks.append((name, source, MIDDLE + 20, y))
        x = MIDDLE + 24 + (128 if is_delta else 0)
        self.formulas.append(("" if is_delta else name, formula, x, y, "start"))
        value = self.explanation[name]
        largest = format_significant(float(np.abs(value).max()))
        self.remarks.append((f"{' × '.join(map(str, value.shape))}, at most {largest} in size", MIDDLE + 24, y + 18))

    def _box(self, name: str, x: float, y: float, remark: str, is_given: bool) -> None:
        size = " × ".join(f"{length:,}" for length in self.explanation[name].shape)
        self.boxes.append((name, ", ".join(filter(None, (size, remark))), x, y, is_given))


def _with_subscripts(text: str) -> str:
    """Write the numbers in names as subscripts.

    >>> _with_subscripts("keep1 / (1 − dropout1)")
    'keep₁ / (1 − dropout₁)'
    """
    return re.sub(r"(?<=[^\W\d_])\d+", lambda match: match[0].translate(_SUBSCRIPTS), text)
