"""Where others fit than a person: what fits there keep to themselves, and what they leave undone."""

import contextlib
import warnings
from collections.abc import Iterator
from contextvars import ContextVar

WHOLE_OR_NONE = ContextVar("WHOLE_OR_NONE", default=False)
"""Whether a fit that Ctrl-C ends is to be none: of each thread by itself, and only the main one hears of Ctrl-C."""
QUIET = ContextVar("QUIET", default=False)
"""Whether a fit keeps its warnings to itself: of each thread by itself, where Python's switch is one for all."""


@contextlib.contextmanager
def _switched_on(switch: ContextVar[bool]) -> Iterator[None]:
    before = switch.set(True)
    try:
        yield
    finally:
        switch.reset(before)


def whole_or_none() -> contextlib.AbstractContextManager[None]:
    """Where half a training is no model to be kept or compared: Ctrl-C in a fit is a `KeyboardInterrupt` after all."""
    return _switched_on(WHOLE_OR_NONE)


def quietly() -> contextlib.AbstractContextManager[None]:
    """Where nobody chose a fit's parameters, who could mend what its warnings say of them."""
    return _switched_on(QUIET)


def warn(message: str, stacklevel: int) -> None:
    """Warn of parameters, unless nobody chose them."""
    if not QUIET.get():
        warnings.warn(message, stacklevel=stacklevel + 1)
