"""How Sphinx builds these pages: `python -m sphinx -W docs build/docs`."""

import sys
from pathlib import Path

import deltarule

sys.path.insert(0, str(Path(__file__).parent / "extensions"))

project = "deltarule"
release = deltarule.__version__
copyright = "the deltarule developers"

extensions = [
    "myst_parser",
    "sphinx.ext.autodoc",
    "sphinx.ext.viewcode",
    "docstrings",
    "landmarks",
    "assignments",
    "commands",
    "lessons",
    "live_pages",
    "mathml",
    "mistakes",
    "names",
    "notebooks",
    "recorded",
    "search_terms",
    "settings",
    "studies",
]
exclude_patterns = ["extensions"]

myst_enable_extensions = ["dollarmath"]
myst_heading_anchors = 3  # so that [a link](#to-a-heading) works as it does where the repository is read

html_math_renderer = "mathml"
html_theme = "furo"
html_title = f"deltarule {release}"
html_static_path = ["static"]
html_css_files = ["deltarule.css"]
html_copy_source = False
html_search_scorer = str(Path(__file__).with_name("scorer.js"))

autodoc_member_order = "bysource"
autodoc_preserve_defaults = True
add_module_names = False
maximum_signature_line_length = 90  # of a longer one each parameter has a line of its own
