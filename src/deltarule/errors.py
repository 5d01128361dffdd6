"""The two ways in which deltarule says no, each in one sentence."""

import errno
import re
import reprlib
from typing import Any

INTERRUPTED = "interrupted as it began or ended, with every file whole; start it again"
"""The message for Ctrl-C outside of a command; a command knows what is kept."""
DISK_TROUBLE = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO}
"""What goes wrong with a disk, not with what the user asked for."""

FREE_SPACE = "free some space, and start again"

LONGEST = 1000
"""Characters of a message: more than a screen of text nobody reads."""

COMMANDS = (
    r"\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u206f\ud800-\udfff\ufff9-\ufffb\ufffe\uffff"
)
"""Characters that only command, a terminal's cursor, the direction of writing or notes between the lines, or that no
file of XML may hold.

Others that are not seen are part of words: the joiners of Persian ones and of emoji, spaces of every width.
"""
WITHOUT_WIDTH = r"\xad\u200b\u2060-\u2064\ufeff\U000e0000-\U000e007f"
"""What takes no room, so that two names that differ by it look alike; in texts it does no harm."""
_SHORT = reprlib.Repr()
_SHORT.maxstring = _SHORT.maxother = 80
BREAKS = re.compile(rf"[\t\n{COMMANDS}{WITHOUT_WIDTH}]")


class DeltaruleError(Exception):
    r"""Anything deltarule refuses or fails at; its text is one sentence for the person who reads it.

    Names from files stand in it, so it is one line, and nothing in it commands a terminal.

    >>> print(DeltaruleError("there is no column 'a\x1b[2J'"))
    there is no column 'a\x1b[2J'
    """

    def __str__(self) -> str:
        text = one_line(super().__str__())
        return text if len(text) <= LONGEST else f"{text[: LONGEST // 2]} … {text[3 - LONGEST // 2 :]}"


class BadInput(DeltaruleError, ValueError):
    """What was given cannot be used; the command line ends with status 2.

    >>> raise BadInput("a layer has 0 units; give every layer at least 1")
    Traceback (most recent call last):
        ...
    deltarule.errors.BadInput: a layer has 0 units; give every layer at least 1
    """


class RunFailed(DeltaruleError, RuntimeError):
    """What was asked is possible but did not work out; the command line ends with status 1."""


def one_line(text: object) -> str:
    r"""A sentence in which names from a file stand, without the line breaks and controls that these may hold, and with
    what nobody could see in them.

    >>> print(one_line("red \x1b[31m"))
    red \x1b[31m
    """
    return BREAKS.sub(lambda found: found[0].encode("unicode_escape").decode("ascii"), str(text))


def short_repr(value: Any) -> str:
    """What was given, as Python writes it, cut where it is long: a sentence is to be read.

    >>> short_repr([0.5]), short_repr("validation half_mean_squared_error"), len(short_repr(10**400)) < 100
    ('[0.5]', "'validation half_mean_squared_error'", True)
    """
    try:
        return _SHORT.repr(value)
    except ValueError:  # Python writes out no number of more than 4,300 digits
        return f"of the type {type(value).__name__} and too long to be shown"


def count_of(count: int, what: str) -> str:
    """So many things, in words.

    >>> count_of(1, "network"), count_of(2000, "seed")
    ('1 network', '2,000 seeds')
    """
    return f"{count:,} {what}" if count == 1 else f"{count:,} {what}s"


def not_installed(what: str, library: str, extra: str, error: Exception | None = None) -> BadInput:
    """What is to be said where an optional library is lacking, and how to get it.

    Parameters: `what` needs it; `library`; `extra`, of this package, that brings it; `error`, what its import has
    raised: where that found it, it is there, and lacks something itself.

    >>> print(not_installed("ONNX", "onnx", "onnx"))
    ONNX needs onnx, which is not installed; install it with: pip install "deltarule[onnx]"
    >>> print(not_installed("ONNX", "onnx", "onnx", OSError("no such library")))
    ONNX needs onnx, which cannot be loaded (no such library); install it anew: pip install "deltarule[onnx]"
    """
    why, cure = "is not installed", "install it with"
    if error is not None and not isinstance(error, ModuleNotFoundError):
        why, cure = f"cannot be loaded ({one_line(str(error)).rstrip('.')})", "install it anew"
    return BadInput(f'{what} needs {library}, which {why}; {cure}: pip install "deltarule[{extra}]"')


NO_ROOM = ("can't start new thread", "failed to map segment from shared object", "Cannot allocate memory")
"""What threads, libraries that are loaded, and the system say where no memory is left."""


def is_interruption(error: BaseException, outside: BaseException | None = None) -> bool:
    """Whether an error is a request to end, or what a library made of one that came while it was at work.

    Parameters: `error`; `outside`, what the caller was handling before the work began, which has no part in it.

    >>> try:
    ...     try:
    ...         raise KeyboardInterrupt
    ...     except KeyboardInterrupt as request:
    ...         raise ValueError("a function failed") from request
    ... except ValueError as error:
    ...     is_interruption(error), is_interruption(ValueError())
    (True, False)
    """
    if error is outside or isinstance(error, DeltaruleError):  # which has been told
        return False
    before = error.__cause__ or (None if error.__suppress_context__ else error.__context__)
    return isinstance(error, KeyboardInterrupt) or (before is not None and is_interruption(before, outside))


def is_out_of_memory(error: BaseException) -> bool:
    """Whether an error says that memory ran out: that there is none for a thread has no type of its own.

    >>> is_out_of_memory(MemoryError()), is_out_of_memory(RuntimeError("can't start new thread"))
    (True, True)
    """
    return isinstance(error, MemoryError) or any(words in str(error) for words in NO_ROOM)
