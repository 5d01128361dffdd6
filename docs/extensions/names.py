"""Lists of names on pages, as made from the records: ```{names} activations``` of MyST."""

import inspect
from collections.abc import Mapping
from typing import Any

from docutils import nodes
from docutils.statemachine import StringList
from sphinx.application import Sphinx
from sphinx.util.docutils import SphinxDirective

from deltarule.data.load import LOADERS
from deltarule.maths.activations import ACTIVATIONS
from deltarule.maths.initializers import INITIALIZERS
from deltarule.maths.losses import LOSSES
from deltarule.maths.optimizers import OPTIMIZERS
from deltarule.maths.penalties import PENALTIES
from deltarule.maths.schedules import SCHEDULES
from deltarule.problem.error_messages import as_toml
from deltarule.stats.metrics import METRICS

KINDS: Mapping[str, Mapping[str, Any]] = {
    "data sets": LOADERS,
    "activations": ACTIVATIONS,
    "losses": LOSSES,
    "penalties": PENALTIES,
    "initializers": INITIALIZERS,
    "optimizers": OPTIMIZERS,
    "schedules": SCHEDULES,
    "metrics": METRICS,
}


def names_of(kind: str) -> str:
    """The names of a kind as Markdown, each with its parameters and their defaults."""
    parts = []
    for name, record in KINDS[kind].items():
        if kind == "data sets":
            given = inspect.signature(record).parameters
            parameters = {key: one.default for key, one in given.items() if key != "data_dir"}
        else:
            parameters = getattr(record, "parameters", {})
        listed = ", ".join(f"`{key} = {as_toml(value)}`" for key, value in parameters.items())
        parts.append(f"`{name}`" + (f" ({listed})" if listed else ""))
    return ", ".join(parts)


class Names(SphinxDirective):
    """The list of a kind, as a paragraph."""

    required_arguments = 1
    final_argument_whitespace = True

    def run(self) -> list[nodes.Node]:
        """Parse the list as Markdown, like the page around it."""
        container = nodes.Element()
        self.state.nested_parse(StringList([names_of(self.arguments[0])]), 0, container)
        return container.children


def setup(app: Sphinx) -> dict[str, bool]:
    """Add the directive."""
    app.add_directive("names", Names)
    return {"parallel_read_safe": True}
