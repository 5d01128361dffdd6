"""Directives whose text is written from records of the program: a function returns Markdown, which the page parses."""

from collections.abc import Callable

from docutils import nodes
from docutils.statemachine import StringList
from sphinx.util.docutils import SphinxDirective


def written_by(write: Callable[..., str], arguments: int = 1) -> type[SphinxDirective]:
    """A directive that shows what the function writes about its arguments."""

    class Written(SphinxDirective):
        required_arguments = arguments
        final_argument_whitespace = True

        def run(self) -> list[nodes.Node]:
            container = nodes.Element()
            self.state.nested_parse(StringList(write(*self.arguments).splitlines()), 0, container)
            return container.children

    return Written
