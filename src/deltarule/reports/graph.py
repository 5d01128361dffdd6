"""Draw the computational graph of a trace, with the derivatives on its edges.

What is computed only once is marked: δ, the derivative by the pre-activations of a layer, from which the derivatives by
its weights, its biases and its inputs are computed.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from deltarule.maths.network import Layer
from deltarule.reports import style
from deltarule.reports.formatting import escape_html
from deltarule.tracing.backward import derivative_name
from deltarule.tracing.explanation import Explanation
from deltarule.tracing.expression_text import format_significant
from deltarule.tracing.formulas import is_fused

WIDTH, STEP, TOP = 960, 124, 40
MIDDLE, SIDE = 476, 106
BOX_WIDTH, BOX_HEIGHT = 132, 44
_SUBSCRIPTS = str.maketrans("0123456789", "₀₁₂₃₄₅₆₇₈₉")

_STYLE = f"""
.graph text {{ font-family: "DejaVu Sans", Verdana, Arial, sans-serif; font-size: 13px; fill: {style.BLACK}; }}
.graph .name {{ font-weight: bold; font-size: 15px; }}
.graph .small {{ font-size: 11px; fill: {style.GRAY}; }}
.graph .back, .graph .back tspan {{ fill: {style.BLUE}; }}
.graph .once {{ font-weight: bold; text-decoration: underline; }}
.graph .ground {{ fill: #ffffff; }}
.graph .box {{ fill: #ffffff; stroke: {style.BLACK}; stroke-width: 1.3; }}
.graph .given {{ stroke: {style.GRAY}; stroke-dasharray: 4 2; }}
.graph .mark {{ fill: #fff3c4; stroke: {style.ORANGE}; stroke-width: 1.6; }}
.graph .forth {{ stroke: {style.GRAY}; stroke-width: 1.4; fill: none; }}
.graph .flow {{ stroke: {style.BLUE}; stroke-width: 1.6; fill: none; stroke-dasharray: 6 3; }}
"""


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
    drawing = _GraphDrawing(explanation, links or {})
    drawing.node("x", "data", is_given=True)
    for layer in explanation.problem.network.layers:
        _add_layer(drawing, layer)
    _add_objective(drawing)
    return drawing.to_svg()


def _add_layer(drawing: "_GraphDrawing", layer: Layer) -> None:
    """Add the nodes of a layer, its edges with formulas, and its parameters."""
    quantities, n = drawing.explanation.quantities, layer.number
    if layer.scaling:
        drawing.edge(f"x · scale{n}", "x", f"∂J/∂s{n} · scale{n}")
        drawing.node(f"s{n}", "")
        drawing.parameter(f"scale{n}", f"Σ ∂J/∂s{n} x", 0)
    inputs, delta = drawing.last, f"δ{n}"
    bias = f" + b{n}" if layer.bias else ""
    drawing.edge(f"{inputs} W{n}{bias}", inputs, f"{delta} W{n}ᵀ")
    drawing.node(f"z{n}", "")
    drawing.parameter(f"W{n}", f"{inputs}ᵀ {delta}", -30 if layer.bias else 0)
    if layer.bias:
        drawing.parameter(f"b{n}", f"Σ {delta}", 30)
    if layer.batch_norm:
        drawing.edge("batch norm", f"z{n}", f"∂J/∂n{n} back through batch norm")
        drawing.node(f"n{n}", "")
        drawing.parameter(f"gamma{n}", f"Σ ∂J/∂n{n} zhat{n}", -30)
        drawing.parameter(f"beta{n}", f"Σ ∂J/∂n{n}", 30)
    if n == len(drawing.explanation.problem.network.layers) and drawing.is_fused:
        return  # the output's activation is computed with the loss
    slope = f"∂J/∂a{n} · {layer.activation.name}′"
    if layer.activation.rowwise:
        slope = f"∂J/∂a{n} through the Jacobian of {layer.activation.name}"
    drawing.edge(layer.activation.name, drawing.last, slope)
    drawing.node(f"a{n}", "")
    if f"d{n}" in quantities:
        drawing.edge("dropout", f"a{n}", f"∂J/∂d{n} · keep{n} / (1 − dropout{n})")
        drawing.node(f"d{n}", "")


def _add_objective(drawing: "_GraphDrawing") -> None:
    """Add J at the end, with targets and penalty beside it."""
    problem = drawing.explanation.problem
    loss, n = problem.loss.name.replace("_", " "), len(problem.network.layers)
    if drawing.is_fused:
        total = " Σy" if problem.network.output.rowwise and (drawing.explanation["y"].sum(-1) != 1).any() else ""
        text = f"share · (a{n}{total} − y), in one step"
        drawing.edge(f"{problem.network.output.name}, {loss}", drawing.last, text)
    else:
        drawing.edge(loss, drawing.last, f"share · slope of {loss}")
    drawing.node("J", f"= {format_significant(float(drawing.explanation['J']), 6)}")
    drawing.side_node("y", "targets: data")
    if "R" in drawing.explanation.quantities and problem.penalty is not None:
        drawing.note(
            f"J holds the penalty {problem.penalty.name.replace('_', ' ')} too; its part goes straight to the weights."
        )


@dataclass
class _GraphDrawing:
    """An SVG under construction, whose nodes are stacked from top to bottom."""

    explanation: Explanation
    links: Mapping[str, str]

    def __post_init__(self) -> None:
        self.parts: list[str] = []
        self.y, self.last = TOP, ""
        self.notes: list[str] = []

    @property
    def is_fused(self) -> bool:
        """Whether the output activation and the loss have one derivative together."""
        problem = self.explanation.problem
        return is_fused(problem.loss, problem.network.output)

    def node(self, name: str, remark: str, is_given: bool = False) -> None:
        """Add the next node of the chain, an array with a remark."""
        if self.last:
            self.y += STEP
        self._box(name, MIDDLE, self.y, remark, is_given)
        self.last = name

    def side_node(self, name: str, remark: str) -> None:
        """Add a node to the left of the last one, without a derivative."""
        self._arrow("forth", SIDE + BOX_WIDTH / 2, self.y, MIDDLE - BOX_WIDTH / 2, self.y)
        self._box(name, SIDE, self.y, remark, True)

    def parameter(self, name: str, formula: str, offset: int) -> None:
        """Add a parameter beside the last node, with the formula of its derivative."""
        y = self.y + offset
        left, right = SIDE + BOX_WIDTH / 2, MIDDLE - BOX_WIDTH / 2
        target = self.y + offset / 2.5
        self._arrow("forth", left, y - 4, right, target - 4)
        self._arrow("flow", right, target + 4, left, y + 4)
        self._box(name, SIDE, y, "", False)
        above = offset < 0
        middle = (left + right) / 2
        self._formula(f"∂J/∂{name}", formula, middle, (y + target) / 2 + (-16 if above else 24), "middle")

    def edge(self, operation: str, source: str, formula: str) -> None:
        """Add an edge to the next node: an operation, and the derivative that flows back."""
        top, bottom = self.y + BOX_HEIGHT / 2, self.y + STEP - BOX_HEIGHT / 2
        self._arrow("forth", MIDDLE - 8, top, MIDDLE - 8, bottom)
        self._text(operation, MIDDLE - 20, (top + bottom) / 2 + 4, "end")
        if source == "x":
            return  # nothing flows back to the data
        self._arrow("flow", MIDDLE + 8, bottom, MIDDLE + 8, top)
        name = derivative_name(source)
        y = (top + bottom) / 2 + 4
        if source.startswith("z"):
            self._mark(name, source, y)
            self._formula("", formula, MIDDLE + 24 + 128, y, "start", self._describe_size(name))
        else:
            self._formula(name, formula, MIDDLE + 24, y, "start", self._describe_size(name))

    def note(self, text: str) -> None:
        """Add a line below the legend."""
        self.notes.append(text)

    def to_svg(self) -> str:
        """The complete figure with its legend, as text."""
        y = self.y + BOX_HEIGHT / 2 + 36
        legend = [
            f'<line class="forth" x1="40" y1="{y - 4}" x2="76" y2="{y - 4}" marker-end="url(#forth)"/>',
            f'<text x="86" y="{y}">forward</text>',
            f'<line class="flow" x1="190" y1="{y - 4}" x2="226" y2="{y - 4}" marker-end="url(#flow)"/>',
            f'<text x="236" y="{y}">the derivative that flows back</text>',
            f'<rect class="mark" x="480" y="{y - 15}" width="36" height="21" rx="10"/>',
            f'<text x="526" y="{y}">computed once, used wherever <tspan class="once">underlined</tspan></text>',
        ]
        for index, text in enumerate(self.notes):
            legend.append(f'<text class="small" x="40" y="{y + 24 + 18 * index}">{escape_html(text)}</text>')
        height = y + 24 + 18 * len(self.notes)
        markers = "".join(
            f'<marker id="{name}" viewBox="0 0 10 10" refX="9" refY="5" markerWidth="7" markerHeight="7" orient="auto">'
            f'<path d="M0 0 L10 5 L0 10 z" fill="{color}"/></marker>'
            for name, color in (("forth", style.GRAY), ("flow", style.BLUE))
        )
        role = "group" if self.links else "img"  # an img role would hide its links from screen readers
        title = escape_html(f"Computational graph of {self.explanation.problem.network!r}")
        return (
            f'<svg class="graph" xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height:g}" width="{WIDTH}" '
            f'height="{height:g}" role="{role}"><title>{title}</title><style>{_STYLE}</style><defs>{markers}</defs>\n'
            '<rect class="ground" width="100%" height="100%"/>\n' + "\n".join([*self.parts, *legend]) + "\n</svg>\n"
        )

    def _box(self, name: str, x: float, y: float, remark: str, is_given: bool) -> None:
        """Draw the box of an array around a point, with its name, shape and remark."""
        value = self.explanation[name]
        size = " × ".join(f"{length:,}" for length in value.shape)
        text = ", ".join(filter(None, (size, remark)))
        box = (
            f'<rect class="box{" given" if is_given else ""}" x="{x - BOX_WIDTH / 2}" y="{y - BOX_HEIGHT / 2}" '
            f'width="{BOX_WIDTH}" height="{BOX_HEIGHT}" rx="8"/>'
            f'<text class="name" x="{x}" y="{y - 2}" text-anchor="middle">{_with_subscripts(name)}</text>'
            f'<text class="small" x="{x}" y="{y + 14}" text-anchor="middle">{escape_html(text)}</text>'
        )
        self.parts.append(self._link(name, box))

    def _mark(self, name: str, source: str, y: float) -> None:
        """Draw the marked label "δ = ∂J/∂z" at height y; δ is used twice."""
        text = (
            f'<rect class="mark" x="{MIDDLE + 20}" y="{y - 16}" width="122" height="23" rx="11"/>'
            f'<text class="back" x="{MIDDLE + 81}" y="{y}" text-anchor="middle">'
            f"{_with_subscripts(name)} = ∂J/∂{_with_subscripts(source)}</text>"
        )
        self.parts.append(self._link(name, text))

    def _formula(self, name: str, formula: str, x: float, y: float, anchor: str, below: str = "") -> None:
        """Draw "name = formula" at (x, y), with δ underlined and a small text below."""
        words = [
            f'<tspan class="once">{_with_subscripts(word)}</tspan>' if word.startswith("δ") else _with_subscripts(word)
            for word in formula.split(" ")
        ]
        label = f"{_with_subscripts(name)} = {' '.join(words)}"
        text = f'<text class="back" x="{x}" y="{y}" text-anchor="{anchor}">{label}</text>'
        self.parts.append(self._link(name, text) if name else text)
        if below:
            self.parts.append(f'<text class="small" x="{MIDDLE + 24}" y="{y + 18}">{escape_html(below)}</text>')

    def _describe_size(self, name: str) -> str:
        value = self.explanation[name]
        return f"{' × '.join(map(str, value.shape))}, at most {format_significant(float(np.abs(value).max()))} in size"

    def _text(self, text: str, x: float, y: float, anchor: str) -> None:
        self.parts.append(f'<text x="{x}" y="{y}" text-anchor="{anchor}">{_with_subscripts(text)}</text>')

    def _arrow(self, name: str, x1: float, y1: float, x2: float, y2: float) -> None:
        self.parts.append(
            f'<line class="{name}" x1="{x1:g}" y1="{y1:g}" x2="{x2:g}" y2="{y2:g}" marker-end="url(#{name})"/>'
        )

    def _link(self, name: str, content: str) -> str:
        return f'<a href="{escape_html(self.links[name])}">{content}</a>' if name in self.links else content


def _with_subscripts(text: str) -> str:
    """Escape text for SVG, with the numbers in names as subscripts.

    >>> _with_subscripts("keep1 / (1 − dropout1)")
    'keep₁ / (1 − dropout₁)'
    """
    return re.sub(r"(?<=[^\W\d_])\d+", lambda match: match[0].translate(_SUBSCRIPTS), escape_html(text))
