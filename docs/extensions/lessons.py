"""Give the pages of lessons their data, script and style, so that their figures and worksheets work in the site."""

from typing import Any

from sphinx.application import Sphinx

from deltarule.learn.pages import LESSONS, file_name, lesson_parts, lesson_style

PAGES = {f"learn/{file_name(name).removesuffix('.html')}": name for name in LESSONS}


def add_parts(app: Sphinx, pagename: str, templatename: str, context: dict[str, Any], doctree: Any) -> None:
    """Add them to the end of a lesson's page."""
    if pagename in PAGES and "body" in context:
        context["body"] += f"<style>\n{lesson_style()}</style>\n{lesson_parts(PAGES[pagename])}"


def setup(app: Sphinx) -> dict[str, Any]:
    """Have Sphinx call it for each page."""
    app.connect("html-page-context", add_parts)
    return {"parallel_read_safe": True}
