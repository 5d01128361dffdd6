"""Notebooks as pages: what stands in their cells, and the outputs that are kept in them."""

import json
from typing import Any

from docutils import nodes
from myst_parser.parsers.sphinx_ import MystParser
from sphinx.application import Sphinx


class NotebookParser(MystParser):
    """Reads a notebook as the Markdown page that it would be."""

    supported = ("notebook",)

    def parse(self, inputstring: str, document: nodes.document) -> None:
        """Parse what `page_of` makes of it."""
        super().parse(page_of(json.loads(inputstring)), document)


def page_of(notebook: dict[str, Any]) -> str:
    """The Markdown of a notebook.

    >>> cell = {"cell_type": "code", "source": ["1 + 1"], "outputs": [{"data": {"text/plain": ["2"]}}]}
    >>> print(page_of({"cells": [{"cell_type": "markdown", "source": ["# Title"]}, cell]}))
    # Title
    <BLANKLINE>
    ~~~~~python
    1 + 1
    ~~~~~
    <BLANKLINE>
    ~~~~~text
    2
    ~~~~~
    """
    parts = []
    for cell in notebook["cells"]:
        text = "".join(cell["source"])
        parts.append(text if cell["cell_type"] == "markdown" else _block("python", text))
        parts += filter(None, map(_output, cell.get("outputs", ())))
    return "\n\n".join(parts)


def _output(output: dict[str, Any]) -> str:
    data = output.get("data", {})
    if "text/html" in data:
        html = "".join(data["text/html"])
        return _block("{raw} html", f'<div style="overflow-x: auto">{html}</div>')  # on a phone it slides, not the page
    text = "".join(data.get("text/plain", output.get("text", "")))
    return _block("text", text.rstrip("\n")) if text else ""


def _block(kind: str, text: str) -> str:
    return f"~~~~~{kind}\n{text}\n~~~~~"


def setup(app: Sphinx) -> dict[str, bool]:
    """Tell Sphinx about notebooks."""
    app.add_source_suffix(".ipynb", "notebook")
    app.add_source_parser(NotebookParser)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
