"""Call functions written by users."""

import ast
import inspect
import io
import re
import sys
import traceback
import warnings
from collections.abc import Callable, Mapping, Sequence
from contextlib import redirect_stdout, suppress
from itertools import islice
from linecache import getline
from pathlib import Path
from types import FrameType
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
        message = _of_product(error) or re.sub(r"\s+", " ", str(error)).strip()
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


def _of_product(error: BaseException) -> str:
    """A message with the shapes for a failed matrix product; "" for another error.

    NumPy's own message describes the product in terms of gufuncs.
    """
    if not isinstance(error, ValueError) or not str(error).startswith("matmul: "):
        return ""
    trace = error.__traceback__
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    assert trace is not None
    frame = trace.tb_frame
    with suppress(Exception):  # a product written in several lines, or of what cannot be computed again
        line, end, start, stop = next(islice(frame.f_code.co_positions(), trace.tb_lasti // 2, None))
        text = getline(frame.f_code.co_filename, line or 0).encode()[start:stop].decode()
        product = ast.parse(text, mode="eval").body
        sides = [product.left, product.right] if isinstance(product, ast.BinOp) else product.args  # type: ignore[attr-defined]
        first, second = (_shape_in(frame, one) for one in sides) if line == end else ("", "")
        if first and second:
            return (
                f"{text} has the shapes {first} and {second}: the first must have as many columns as the second has "
                "rows; .T exchanges rows and columns"
            )
    return ""


def _shape_in(frame: FrameType, node: ast.expr) -> str:
    """The shape of an expression where a call failed; "" for one with a call that may do something."""
    calls = [one.func for one in ast.walk(node) if isinstance(one, ast.Call)]
    if any(not isinstance(one, ast.Attribute) or not hasattr(np, one.attr) for one in calls):
        return ""
    value = eval(ast.unparse(node), frame.f_globals, frame.f_locals)
    return str(np.shape(value))


def quietly(function: Callable[[], Any]) -> Any:
    with redirect_stdout(io.StringIO()), np.errstate(all="ignore"), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return function()
