"""Format numbers, names and text; load the templates of pages."""

from collections.abc import Callable, Sequence
from functools import cache
from typing import TYPE_CHECKING, Any

import numpy as np

from deltarule.errors import visible

if TYPE_CHECKING:
    from jinja2 import Template

    from deltarule.problem.problem import Problem


def row_names(classes: Sequence[str]) -> list[str]:
    """Name rows by their classes, with row numbers if classes repeat."""
    if len(set(classes)) == len(classes):
        return list(classes)
    return [f"row {index} (class {name})" for index, name in enumerate(classes)]


def format_signed(value: float) -> str:
    """Format a weight with its sign in at most 7 characters."""
    size = abs(value)
    if size == 0:
        return "0.0"
    if not 0.00095 <= size < 9999.5:
        return f"{value:+.0e}".replace("+nan", "nan")
    places = 3 if size < 0.0995 else 2 if size < 0.995 else 1 if size < 99.95 else 0
    return f"{value:+.{places}f}"


def percent(share: float, digits: int = 3, form: str = "g") -> str:
    """Format a share as a percentage, 0 or 100 only for exactly none or all.

    `digits` are significant, or decimals if `form`, the format code, is "f"; more are added if needed.

    >>> percent(0.625), percent(0.9998), percent(1.0)
    ('62.5 %', '99.98 %', '100 %')
    """
    text = f"{100 * share:.{digits}{form}}"
    return percent(share, digits + 1, form) if 0 < share < 1 and float(text) in (0, 100) else f"{text} %"


def format_score(score: float | None, digits: int = 4) -> str:
    """Format a score with some decimals, or four significant digits if it is large.

    >>> format_score(0.97), format_score(-5.9e105), format_score(None)
    ('0.9700', '-5.9e+105', '–')
    """
    if score is None or np.isnan(score):
        return "–"
    return f"{score:z.{digits}f}" if abs(score) < 1e6 else f"{score:.4g}"


def format_quantity(value: float) -> str:
    """Four digits, and thousands with commas: 180,800, as prices are written.

    >>> [format_quantity(value) for value in (180_837.4, 5.25149, 1e-7, -2e18)]
    ['180,800', '5.251', '1e-07', '-2e+18']
    """
    text = f"{value:.4g}"
    return f"{float(text):,.0f}" if 1e4 <= abs(value) < 1e15 else text


def member_names(problem: "Problem") -> list[str]:
    """Name members by the hyperparameters in which they differ, or by number."""
    numbers = {
        "seed": problem.seeds,
        "data seed": problem.data_seeds,
        "dropout seed": problem.dropout_seeds,
        **problem.numbers,
        **problem.schedule_numbers,
        "strength": problem.strength,
        "dropout": problem.dropout,
        "initial scale": problem.initial_scale,
    }
    varying: dict[str, np.ndarray] = {}
    for name, values in numbers.items():
        is_known = any(np.array_equal(values, other) for other in varying.values())
        if (values != values[:1]).any() and not is_known:
            varying[name.replace("_", " ")] = values
    texts = [
        [f"{name} {_format_per_layer(values[k])}" for name, values in varying.items()] for k in range(problem.members)
    ]
    if not varying or len({*map(tuple, texts)}) < len(texts):
        texts = [[f"member {member}", *text] for member, text in enumerate(texts)]
    return list(map(", ".join, texts))


def _format_per_layer(value: np.ndarray) -> str:
    return "/".join(str(n) if isinstance(n, int) else f"{n:g}" for n in np.atleast_1d(value).tolist())


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
