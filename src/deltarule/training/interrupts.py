"""Ctrl-C during training: the first one ends the training at the next chunk, the second one acts at once."""

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from deltarule.errors import RunFailed


@contextmanager
def interrupts() -> Iterator[Callable[[], bool]]:
    """Record the first Ctrl-C instead of raising it; a second one raises `KeyboardInterrupt` at once.

    Yields a function that says whether Ctrl-C was pressed. Training asks it between chunks, and once more after the
    last one, because Ctrl-C may come during that chunk.
    """
    is_requested = is_immediate = False

    def note(number: int, frame: Any) -> None:
        nonlocal is_requested, is_immediate
        if is_requested:
            is_immediate = True
            signal.signal(signal.SIGINT, before)  # now: the exception may cut the `finally` short
            raise KeyboardInterrupt
        is_requested = True

    # Signals reach the main thread alone; and a handler that is not Python's could not be put back.
    if threading.current_thread() is not threading.main_thread() or signal.getsignal(signal.SIGINT) is None:
        yield lambda: False
        return
    before = signal.signal(signal.SIGINT, note)
    try:
        yield lambda: is_requested
    except (RuntimeError, SystemError) as error:
        # Python could not raise it, as in a callback of a compiler, which failed with an error of its own.
        if is_immediate and not isinstance(error, RunFailed):
            raise KeyboardInterrupt from error
        raise
    finally:
        signal.signal(signal.SIGINT, before)
