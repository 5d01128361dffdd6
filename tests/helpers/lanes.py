"""What tests ask of the lane in which they run."""

from hypothesis import settings

COMPLETE_EXAMPLES = 50
FAST_EXAMPLES = 10
"""Examples of a property test that does not say how many it needs, in each of the lanes."""


def everything() -> bool:
    """Whether the complete lane runs."""
    return settings.default.max_examples == COMPLETE_EXAMPLES


def examples(count: int) -> int:
    """So many examples in the complete lane, a fifth of them in the fast one."""
    return max(1, count * settings.default.max_examples // COMPLETE_EXAMPLES)
