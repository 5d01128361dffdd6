"""The warnings of a fit, and how it may be interrupted."""

import contextlib
import os
import sys
import warnings
from collections.abc import Iterator
from contextvars import ContextVar
from functools import partial
from pathlib import Path
from typing import Any

PACKAGE_FOLDER = str(Path(__file__).parents[2]) + os.sep

# Context variables, because Python's warning filters are shared by all threads.
COMPLETE_FIT_REQUIRED = ContextVar("COMPLETE_FIT_REQUIRED", default=False)
FIT_WARNINGS_SUPPRESSED = ContextVar("FIT_WARNINGS_SUPPRESSED", default=False)


@contextlib.contextmanager
def _set_true(variable: ContextVar[bool]) -> Iterator[None]:
    token = variable.set(True)
    try:
        yield
    finally:
        variable.reset(token)


require_complete_fit = partial(_set_true, COMPLETE_FIT_REQUIRED)
"""Context manager in which Ctrl-C aborts a fit instead of ending it early."""
suppress_fit_warnings = partial(_set_true, FIT_WARNINGS_SUPPRESSED)
"""Context manager without warnings about parameters, which the user did not choose."""


def warn_user(message: str | Warning) -> None:
    """Issue a warning at the position of the nearest caller outside deltarule."""
    frame = sys._getframe(1)
    level = 2
    while frame.f_back is not None and frame.f_code.co_filename.startswith(PACKAGE_FOLDER):
        frame = frame.f_back
        level = level + 1
    warnings.warn(message, stacklevel=level)


def warn_of_parameters(message: str) -> None:
    if not FIT_WARNINGS_SUPPRESSED.get():
        warn_user(message)


@contextlib.contextmanager
def restore_on_error(model: Any) -> Iterator[None]:
    """Restore all attributes of a model if an exception ends its fit.

    The MLPs issue warnings after this block: if they are turned into errors, the fit is still kept.
    """
    attributes = vars(model).copy()  # a shallow copy, because no fit writes into what a model holds
    try:
        yield
    except BaseException:
        model.__dict__ = attributes
        raise
