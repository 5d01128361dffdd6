"""Lists of names on pages, as made from the records: ```{names} activations``` of MyST."""

import inspect
from collections.abc import Mapping
from typing import Any

from sphinx.application import Sphinx
from written import written_by

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


def setup(app: Sphinx) -> dict[str, bool]:
    """Add the directive."""
    app.add_directive("names", written_by(names_of))
    return {"parallel_read_safe": True}
