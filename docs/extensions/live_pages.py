"""Write the page that trains by itself into the site, as `live/play.html`; stories are chosen behind its `#`."""

from pathlib import Path
from typing import Any

from sphinx.application import Sphinx

from deltarule.playground.own_page import write_page
from deltarule.playground.play import recipe_to_play


def write_live_page(app: Sphinx, exception: Exception | None) -> None:
    """Write the page, unless the build has failed."""
    if exception is None and app.builder.format == "html":
        write_page(recipe_to_play(), Path(app.outdir) / "live" / "play.html")


def setup(app: Sphinx) -> dict[str, Any]:
    """Have Sphinx write it at the end."""
    app.connect("build-finished", write_live_page)
    return {"parallel_read_safe": True}
