"""How claims tell figures over seeds in words."""

from collections.abc import Mapping
from typing import Any

import numpy as np


def by_convention(told: Mapping[str, str]) -> str:
    """What is told of each convention, a line each."""
    return "\n".join(f"{name}: {text}" for name, text in told.items())


def middle(values: Any) -> str:
    """The median, for people; "none" where it is not finite.

    >>> middle([0.69147, 0.7, 0.2]), middle([9192.5]), middle([1, np.inf, np.inf])
    ('0.6915', '9,192', 'none')
    """
    median = float(np.median(values))
    if not np.isfinite(median):
        return "none"
    return f"{median:,.0f}" if abs(median) >= 1000 else f"{median:.4g}"


def percent(holds: Any) -> str:
    """A share of the members, for people."""
    return f"{100 * np.mean(holds):.0f} %"


def accuracies(values: Any) -> str:
    """The median of accuracies, for people.

    >>> accuracies([0.9175, 0.92, 0.5])
    '91.75 %'
    """
    return f"{100 * np.median(values):.2f} %"
