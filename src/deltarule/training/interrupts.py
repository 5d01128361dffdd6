"""Handle Ctrl-C during training."""

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from deltarule.errors import RunFailed


@contextmanager
def interrupts() -> Iterator[Callable[[], bool]]:
    """Record the first Ctrl-C within this context instead of raising it.

    Yields a function that returns whether Ctrl-C was pressed. Training calls it between chunks, and once more after the
    last one, because Ctrl-C may come during that chunk.
    """
    is_requested = is_immediate = False

    def handle_signal(number: int, frame: Any) -> None:
        nonlocal is_requested, is_immediate
        if is_requested:
            is_immediate = True
            signal.signal(signal.SIGINT, before)  # now: the exception may cut the `finally` short
            raise KeyboardInterrupt
        is_requested = True

    # Only the main thread receives signals; and a handler that is not Python's could not be restored.
    if threading.current_thread() is not threading.main_thread() or signal.getsignal(signal.SIGINT) is None:
        yield lambda: False
        return
    before = signal.signal(signal.SIGINT, handle_signal)
    try:
        yield lambda: is_requested
    except (RuntimeError, SystemError) as error:
        # Python could not raise it, for instance in a callback of a compiler, which failed with another error.
        if is_immediate and not isinstance(error, RunFailed):
            raise KeyboardInterrupt from error
        raise
    finally:
        signal.signal(signal.SIGINT, before)
