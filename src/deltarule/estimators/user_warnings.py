"""Warn with the position of the user's line."""

import os
import sys
import warnings
from pathlib import Path

PACKAGE_FOLDER = str(Path(__file__).parents[1]) + os.sep


def warn_user(message: str | Warning) -> None:
    """Issue a warning at the position of the nearest caller outside deltarule.

    Parameters
    ----------
    message : str or Warning
        A text for a `UserWarning`, or a warning.
    """
    frame, level = sys._getframe(1), 2
    while frame.f_back is not None and frame.f_code.co_filename.startswith(PACKAGE_FOLDER):
        frame, level = frame.f_back, level + 1
    warnings.warn(message, stacklevel=level)
