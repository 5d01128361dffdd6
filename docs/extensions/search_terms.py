"""What readers search for, and the page that answers: it comes first among the results of the site."""

from docutils import nodes
from sphinx.addnodes import index
from sphinx.application import Sphinx

PAGES = {
    "cite": "index",
    "class weights": "how-to/moving-from-scikit-learn",
    "dead units": "reference/why-not-learning",
    "dropout": "derivations/dropout",
    "early stopping": "how-to/moving-from-scikit-learn",
    "export onnx": "how-to/a-table-of-your-own",
    "faster": "reference/performance",
    "gpu": "reference/engines",
    "learning rate too high": "reference/why-not-learning",
    "missing values": "how-to/a-table-of-your-own",
    "resume": "how-to/resume-a-run",
    "success rate": "how-to/many-seeds",
    "xor": "notebooks/index",
}


def setup(app: Sphinx) -> dict[str, bool]:
    """Have the terms added to the pages."""
    app.connect("doctree-read", _add_terms)
    return {"parallel_read_safe": True}


def _add_terms(app: Sphinx, doctree: nodes.document) -> None:
    """Add main entries of the index: a whole one scores more than any word of a page."""
    terms = [term for term, page in PAGES.items() if page == app.env.docname]
    doctree.append(index(entries=[("single", term, "", "main", None) for term in terms]))
