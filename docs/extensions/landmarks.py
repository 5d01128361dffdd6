"""Give the theme's side columns names and its captions a level, so that a screen reader tells them apart."""

from pathlib import Path

from sphinx.application import Sphinx

NAMED = {
    '<aside class="sidebar-drawer">': '<aside class="sidebar-drawer" aria-label="All pages">',
    '<aside class="toc-drawer">': '<aside class="toc-drawer" aria-label="This page">',
    '<p class="caption" role="heading">': '<p class="caption" role="heading" aria-level="2">',
}


def name_landmarks(app: Sphinx, exception: Exception | None) -> None:
    """Write them into the pages that were built."""
    if exception is None and app.builder.format == "html":
        for page in Path(app.outdir).rglob("*.html"):
            text = page.read_text(encoding="utf-8")
            named = text
            for bare, full in NAMED.items():
                named = named.replace(bare, full)
            if named != text:
                page.write_text(named, encoding="utf-8")


def setup(app: Sphinx) -> dict[str, bool]:
    """Have Sphinx call it at the end."""
    app.connect("build-finished", name_landmarks)
    return {"parallel_read_safe": True}
