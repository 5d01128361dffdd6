"""Test lanes: whether the complete or the fast lane runs, and how many examples a property test takes there."""

from hypothesis import settings

COMPLETE_EXAMPLES = 25
FAST_EXAMPLES = 10
"""Default number of examples of a property test in each lane. In CI they are the same every time."""


def everything() -> bool:
    """Whether the complete lane runs."""
    return settings.default.max_examples == COMPLETE_EXAMPLES


def examples(count: int) -> int:
    """The number of examples of a property test: `count` in the complete lane, a fifth of it in the fast one."""
    return count if everything() else max(1, count // 5)
