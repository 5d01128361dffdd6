"""Draw the computational graph of a trace, with the derivatives on its edges.

Marked is δ, the derivative by a layer's pre-activations: computed once, it gives the layer's other derivatives.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

import numpy as np

from deltarule.maths.activations import Activation
from deltarule.maths.network import PlacedLayer, numbered
from deltarule.reports import style
from deltarule.reports.formatting import load_template
from deltarule.tracing.backward import derivative_name
from deltarule.tracing.explanation import Explanation
from deltarule.tracing.expression_text import format_significant
from deltarule.tracing.layers import about, about_value

WIDTH = 960
_SUBSCRIPTS = str.maketrans("0123456789", "₀₁₂₃₄₅₆₇₈₉")


def computational_graph(explanation: Explanation, links: Mapping[str, str] | None = None) -> str:
    """Draw the computational graph of a trace as SVG text.

    `links` are the addresses to which nodes and derivatives link, by the names of their arrays.

    Source: the boundary report's graph, whose first line has ∂J/∂a₃ and ∂J/∂z₃ the wrong way round.

    >>> import deltarule
    >>> explained = deltarule.explain(deltarule.Network([1, 1]), [1.0, 0.0], [[2.0]], [3.0], "squared_error")
    >>> svg = computational_graph(explained)
    >>> svg.startswith("<svg"), "∂J/∂W₁" in svg
    (True, True)
    """
    problem = explanation.problem
    notes = []
    fused = problem.loss.fused_with(problem.network.output) is not None
    nodes = [_Node("x", "", "")]
    for layer in problem.network.layers:
        nodes += _layer_nodes(explanation, layer, nodes[-1].name)
    if not fused:  # else the output's activation is computed with the loss
        nodes.append(_activation_node(problem.network.depth, problem.network.output))
    nodes.append(_objective_node(explanation, fused))
    if "R" in explanation.quantities and problem.penalty is not None:
        penalty = problem.penalty.name.replace("_", " ")
        notes.append(f"J holds the penalty {penalty} too; its part goes straight to the weights.")

    template = load_template("graph.svg", subscripts=_with_subscripts, derivative=derivative_name)
    return template.render(
        title=f"Computational graph of {problem.network!r}",
        nodes=nodes,
        size=lambda name: " × ".join(f"{length:,}" for length in explanation[name].shape),
        largest=lambda name: format_significant(float(np.abs(explanation[name]).max())),
        objective=format_significant(float(explanation["J"]), 6),
        notes=notes,
        links=links or {},
        style=style,
        width=WIDTH,
    )


@dataclass(frozen=True)
class _Node:
    """An array of the chain.

    operation   computes it from the array above
    formula     of the derivative by the array above
    parameters  names, and formulas of their derivatives
    """

    name: str
    operation: str
    formula: str
    parameters: list[tuple[str, str]] = field(default_factory=list)


def _layer_nodes(explanation: Explanation, placed: PlacedLayer, inputs: str) -> Iterator[_Node]:
    """The nodes of a layer, with its formula and the formulas of its derivatives."""
    n, delta = placed.number, derivative_name(placed.name)
    if isinstance(placed.formula, Activation):
        yield _activation_node(n, placed.formula)
        return
    if placed.name not in explanation.quantities:  # dropout of nothing
        return

    def back(part: str) -> str:
        sentence = about(placed, part, inputs).split(", ")[0].removesuffix(" over the samples")
        return f"{delta} {sentence}" if sentence.startswith("back through") else sentence

    arrays = [(numbered(symbol, n), back(symbol)) for symbol in placed.layer.arrays]
    through = f"{delta} · keep{n} / (1 − dropout{n})" if "keep" in placed.layer.given else back("x")
    yield _Node(placed.name, about_value(placed, inputs).split(", ")[0], through, arrays)


def _activation_node(n: int, activation: Activation) -> _Node:
    through = f"through the Jacobian of {activation.name}" if activation.rowwise else f"· {activation.name}′"
    return _Node(f"a{n}", activation.name, f"∂J/∂a{n} {through}")


def _objective_node(explanation: Explanation, fused: bool) -> _Node:
    """The node of the objective; fused, with the derivative through the output."""
    problem = explanation.problem
    loss = problem.loss.name.replace("_", " ")
    output = problem.network.output
    if not fused:
        return _Node("J", loss, f"share · slope of {loss}")
    total = " Σy" if output.rowwise and (explanation["y"].sum(-1) != 1).any() else ""
    formula = f"share · (a{problem.network.depth}{total} − y), in one step"
    return _Node("J", f"{output.name}, {loss}", formula)


def _with_subscripts(text: str) -> str:
    """Write the numbers in names as subscripts.

    >>> _with_subscripts("keep1 / (1 − dropout1)")
    'keep₁ / (1 − dropout₁)'
    """
    return re.sub(r"(?<=[^\W\d_])\d+", lambda match: match[0].translate(_SUBSCRIPTS), text)
