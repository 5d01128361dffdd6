"""Write the page that trains by itself into the site, as `live/play.html`; stories are chosen behind its `#`.

```` ```{stories} ```` lists links to all stories, on a page one folder below the top.
"""

from html import escape
from pathlib import Path
from typing import Any

from sphinx.application import Sphinx
from written import written_by

from deltarule.playground.own_page import write_page
from deltarule.playground.play import recipe_to_play
from deltarule.playground.settings import list_stories


def write_live_page(app: Sphinx, exception: Exception | None) -> None:
    """Write the page, unless the build has failed."""
    if exception is None and app.builder.format == "html":
        write_page(recipe_to_play(), Path(app.outdir) / "live" / "play.html")


def stories() -> str:
    """The list of links."""
    links = [
        f'<li><a href="../live/play.html#story={story["name"].partition("-")[2]}">{escape(story["title"])}</a></li>'
        for story in list_stories()
    ]
    return "\n".join(["<ul>", *links, "</ul>"])


def setup(app: Sphinx) -> dict[str, Any]:
    """Have Sphinx write it at the end."""
    app.connect("build-finished", write_live_page)
    app.add_directive("stories", written_by(stories, arguments=0))
    return {"parallel_read_safe": True}
