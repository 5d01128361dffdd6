"""Formulas as MathML, which browsers draw by themselves: a page needs no script and no network to be read."""

import re
from typing import Any

from docutils import nodes
from latex2mathml.converter import convert
from sphinx.application import Sphinx
from sphinx.util.math import get_node_equation_number

_FENCE = re.compile(r"(?<!\\left)(?<!\\right)\\([lr])(vert|Vert|floor)")
_MINUS_AFTER = re.compile(r"(&#x0003D;|&#x00028;|&#x02190;)</mo><mo>&#x02212;</mo>")


def setup(app: Sphinx) -> dict[str, bool]:
    """Make MathML the form of formulas in HTML, for Sphinx."""
    app.add_html_math_renderer("mathml", (inline, None), (display, None))
    return {"parallel_read_safe": True, "parallel_write_safe": True}


def inline(writer: Any, node: nodes.math) -> None:
    """Write a formula that stands in a sentence."""
    writer.body.append(mathml(node.astext()))
    raise nodes.SkipNode


def display(writer: Any, node: nodes.math_block) -> None:
    """Write a formula that stands for itself; one with a label gets its number and a link to itself.

    What is quoted as wrong gets none: it has the number of where it is quoted from.
    """
    writer.body.append('<div class="math">')  # what has the id is around it
    writer.body.append(mathml(node.astext(), display="block"))
    if node["number"] and not node["label"].startswith("wrong"):
        writer.body.append(f'<span class="eqno">({get_node_equation_number(writer, node)})')
        writer.add_permalink_ref(node, "Link to this equation")
        writer.body.append("</span>")
    writer.body.append("</div>\n")
    raise nodes.SkipNode


def mathml(latex: str, display: str = "inline") -> str:
    """LaTeX as MathML, with what the converter leaves open: which bars open and close, and which minus is a sign.

    >>> mathml(r"-1").count("prefix"), mathml(r"x = -1").count("prefix"), mathml(r"x - 1").count("prefix")
    (0, 1, 0)
    >>> mathml(r"\\lvert x \\rvert").count('form="postfix"')
    1
    """
    fenced = _FENCE.sub(lambda m: rf"\{'left' if m[1] == 'l' else 'right'}\{m[1]}{m[2]}", latex)
    spaced = re.sub(r"(?<=[\w})]) \\log ", r" \\,\\log ", re.sub(r"\\log (?!\\left|\()", r"\\log \\,", fenced))
    return _MINUS_AFTER.sub(r'\1</mo><mo form="prefix">&#x02212;</mo>', convert(spaced, display=display))
