"""Call functions written by users."""

import inspect
import io
import re
import sys
import traceback
import warnings
from collections.abc import Callable, Mapping, Sequence
from contextlib import redirect_stdout
from pathlib import Path
from typing import Any

import numpy as np

from deltarule.errors import BadInput, DeltaruleError, is_interruption, is_out_of_memory


def call_user_function(function: Callable[..., Any], args: Sequence[Any], kwargs: Mapping[str, Any], name: str) -> Any:
    """Call a user's function and turn its exceptions into `BadInput`."""
    handled_before = sys.exception()
    try:
        result = function(*args, **kwargs)
    except DeltaruleError:
        raise
    except (Exception, SystemExit) as error:  # sys.exit(0) would pass for a check that found nothing wrong
        if is_interruption(error, handled_before) or is_out_of_memory(error):
            raise
        message = re.sub(r"\s+", " ", str(error)).strip()
        # A SyntaxError names its line itself.
        line = "" if isinstance(error, SyntaxError) else _failing_line(error)
        raise BadInput(f"{name} raised {type(error).__name__}{': ' if message else ''}{message}{line}") from error
    if inspect.iscoroutine(result):
        result.close()
        raise BadInput(f"{name} is an async function; give a plain one")
    return result


def _failing_line(error: BaseException) -> str:
    frames = traceback.extract_tb(error.__traceback__)[1:] or traceback.extract_tb(error.__traceback__)
    own = [frame for frame in frames if "site-packages" not in frame.filename and frame.filename[0] != "<"]
    last = (own or frames)[-1]
    return f" ({Path(last.filename).name}, line {last.lineno})"


def quietly(function: Callable[[], Any]) -> Any:
    with redirect_stdout(io.StringIO()), np.errstate(all="ignore"), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return function()
