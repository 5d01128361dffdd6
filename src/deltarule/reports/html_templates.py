"""Load the Jinja templates of all HTML reports."""

from collections.abc import Callable
from functools import cache
from typing import TYPE_CHECKING, Any

from deltarule.reports.formatting import visible

if TYPE_CHECKING:
    from jinja2 import Template


@cache
def load_template(name: str, **filters: Callable[..., Any]) -> "Template":
    """Load a template from the folder `templates`, which may call `filters`."""
    from jinja2 import Environment, PackageLoader, StrictUndefined

    environment = Environment(
        loader=PackageLoader("deltarule.reports", "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        finalize=lambda value: visible(value) if type(value) is str else value,
    )
    environment.filters |= filters
    return environment.get_template(name)
