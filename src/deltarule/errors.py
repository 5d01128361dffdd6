"""Errors for users and helpers for their messages."""

import errno
import re
import reprlib
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

INTERRUPTED = "interrupted during startup or shutdown; all files are intact, run it again"
"""The message for Ctrl-C while the program starts or ends; a command has another message."""
DISK_TROUBLE = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO}
"""System errors of a full or failing disk, which are no mistake of the user."""

FREE_SPACE = "free some space, and start again"

MAX_MESSAGE_CHARACTERS = 1000
"""Longest message in characters: nobody reads more than a screen of text."""

CONTROL_CHARACTERS = (
    r"\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u206f\ud800-\udfff\ufff9-\ufffb\ufffe\uffff"
)
"""Control characters (for a regular expression) that move a cursor, turn the direction of writing, or are not XML.

Other invisible characters are parts of words: the joiners of Persian and of emoji, spaces of every width.
"""
ZERO_WIDTH = r"\xad\u200b\u2060-\u2064\ufeff\U000e0000-\U000e007f"
"""Characters without width: names that differ only by them look alike. They do no harm in running text."""
_SHORT_REPR = reprlib.Repr()
_SHORT_REPR.maxstring = _SHORT_REPR.maxother = 80
ESCAPED = re.compile(rf"[\t\n{CONTROL_CHARACTERS}{ZERO_WIDTH}]")
"""Characters that are escaped in a message."""


def visible(text: str) -> str:
    r"""Replace each control character by \ufffd: text cannot move a cursor.

    >>> visible("red \x1b[31m alert").count("\ufffd"), visible("plain")
    (1, 'plain')
    """
    return re.sub(f"[{CONTROL_CHARACTERS}]", "\ufffd", text)


class DeltaruleError(Exception):
    r"""Base class of deltarule's errors; the message is one sentence for the user.

    It may contain names from files, so line breaks and control characters are escaped.

    Examples
    --------
    >>> from deltarule import DeltaruleError
    >>> print(DeltaruleError("there is no column 'a\x1b[2J'"))
    there is no column 'a\x1b[2J'
    """

    def __str__(self) -> str:
        """The message as one line, shortened in the middle if it is very long."""
        text = one_line(super().__str__())
        half = MAX_MESSAGE_CHARACTERS // 2
        return text if len(text) <= MAX_MESSAGE_CHARACTERS else f"{text[:half]} … {text[3 - half :]}"


class BadInput(DeltaruleError, ValueError):
    """An argument, option or file cannot be used (a `ValueError`); the command line ends with status 2.

    Examples
    --------
    >>> from deltarule import BadInput
    >>> raise BadInput("a layer has 0 units; give every layer at least 1")
    Traceback (most recent call last):
        ...
    deltarule.errors.BadInput: a layer has 0 units; give every layer at least 1
    """


class RunFailed(DeltaruleError, RuntimeError):
    """A valid request failed (a `RuntimeError`); the command line ends with status 1.

    Examples
    --------
    >>> import numpy as np
    >>> from deltarule import RunFailed, check_gradient
    >>> try:
    ...     check_gradient(lambda w: w @ w, lambda w: w, np.array([1.0, 2.0]), hint=0).raise_if_wrong()
    ... except RunFailed as error:
    ...     print(str(error)[:15])
    gradient: WRONG
    """


def one_line(text: object) -> str:
    r"""Escape line breaks, control characters and invisible characters."""
    return ESCAPED.sub(lambda match: match[0].encode("unicode_escape").decode("ascii"), str(text))


def short_repr(value: Any) -> str:
    """`repr` of a value, shortened to fit into a sentence."""
    try:
        return _SHORT_REPR.repr(value)
    except ValueError:  # Python writes out no number of more than 4,300 digits
        return f"of the type {type(value).__name__} and too long to be shown"


def count_of(count: int, noun: str) -> str:
    """A count and its noun, in the plural except for 1."""
    return f"{count:,} {noun}" if count == 1 else f"{count:,} {noun}s"


def not_installed(feature: str, library: str, extra: str, error: Exception | None = None) -> BadInput:
    """The error that `feature` needs an optional library.

    An `error` of its import other than ModuleNotFoundError means that it is there but cannot be loaded.
    """
    why, cure = "is not installed", "install it with"
    if error is not None and not isinstance(error, ModuleNotFoundError):
        why, cure = f"cannot be loaded ({one_line(str(error)).rstrip('.')})", "install it anew"
    return BadInput(f'{feature} needs {library}, which {why}; {cure}: pip install "deltarule[{extra}]"')


OUT_OF_MEMORY_TEXTS = ("can't start new thread", "failed to map segment from shared object", "Cannot allocate memory")
"""What threads, the loader of libraries and the system say when memory runs out."""


def is_interruption(error: BaseException, handled_before: BaseException | None = None) -> bool:
    """Whether an error is, or was caused by, a KeyboardInterrupt.

    The exception that the caller was handling before the work began is ignored.
    """
    if error is handled_before or isinstance(error, DeltaruleError):  # reported already
        return False
    cause = error.__cause__ or (None if error.__suppress_context__ else error.__context__)
    return isinstance(error, KeyboardInterrupt) or (cause is not None and is_interruption(cause, handled_before))


def is_out_of_memory(error: BaseException) -> bool:
    """Whether an error says that memory ran out."""
    return isinstance(error, MemoryError) or any(words in str(error) for words in OUT_OF_MEMORY_TEXTS)


@contextmanager
def collect_warnings(notes: list[str]) -> Iterator[None]:
    """Append what is warned of to notes, once each, instead of showing it."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", UserWarning)
        yield
    texts = [str(one.message).rstrip(".") for one in caught if issubclass(one.category, UserWarning)]
    notes += [text for text in dict.fromkeys(texts) if text not in notes]
