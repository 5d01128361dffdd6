"""Warnings that point at the user's line, however many calls of deltarule lie between."""

import os
import sys
import warnings
from pathlib import Path

PACKAGE_FOLDER = str(Path(__file__).parents[1]) + os.sep


def warn_user(message: str | Warning) -> None:
    """Warn at the first frame outside deltarule: a user's call, or that of a library such as scikit-learn.

    Parameters
    ----------
    message : str or Warning
        A text for a `UserWarning`, or a warning.
    """
    frame, level = sys._getframe(1), 2
    while frame.f_back is not None and frame.f_code.co_filename.startswith(PACKAGE_FOLDER):
        frame, level = frame.f_back, level + 1
    warnings.warn(message, stacklevel=level)
