"""Give the pages of lessons their data, script, style and exercises, so that they work in the site."""

from pathlib import Path
from typing import Any

from sphinx.application import Sphinx

from deltarule.learn.pages import LESSONS, file_name, lesson_parts, lesson_style, write_exercises

PAGES = {f"learn/{file_name(name).removesuffix('.html')}": name for name in LESSONS}


def add_parts(app: Sphinx, pagename: str, templatename: str, context: dict[str, Any], doctree: Any) -> None:
    """Add them to the end of a lesson's page."""
    if pagename in PAGES and "body" in context:
        context["body"] += f"<style>\n{lesson_style()}</style>\n{lesson_parts(PAGES[pagename])}"


def add_exercises(app: Sphinx, exception: Exception | None) -> None:
    """Write the exercises beside the pages, unless the build has failed."""
    if exception is None and app.builder.format == "html":
        for name in LESSONS:
            write_exercises(Path(app.outdir) / "learn", name)


def setup(app: Sphinx) -> dict[str, Any]:
    """Have Sphinx call it for each page, and at the end."""
    app.connect("html-page-context", add_parts)
    app.connect("build-finished", add_exercises)
    return {"parallel_read_safe": True}
