"""Show the elapsed time of a long computation on a terminal or in a notebook."""

import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module
from time import perf_counter
from typing import TextIO

DELAY_SECONDS = 2.0
"""A shorter check shows nothing."""
INTERVAL_SECONDS = 1.0
"""Whole seconds are shown, so that a shorter interval would show the same number again."""


@contextmanager
def show_elapsed_time(text: str, delay_seconds: float = DELAY_SECONDS) -> Iterator[None]:
    """Show `text` and the elapsed seconds on stderr while a block runs."""
    stream = sys.stderr
    if not _is_watched(stream):
        yield
        return
    ended = threading.Event()
    thread = threading.Thread(target=_show_until_ended, args=(stream, text, delay_seconds, ended), daemon=True)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()


def _is_watched(stream: TextIO | None) -> bool:
    if stream is None or stream.isatty():
        return stream is not None
    shell = import_module("IPython").get_ipython() if sys.modules.get("IPython") else None
    return getattr(shell, "kernel", None) is not None


def _show_until_ended(stream: TextIO, text: str, delay_seconds: float, ended: threading.Event) -> None:
    """Write `text` and the elapsed seconds to one line until `ended` is set."""
    begin, line = perf_counter(), ""
    is_over = ended.wait(delay_seconds)
    while not is_over:
        line = f"{text}: {perf_counter() - begin:.0f} s"
        stream.write(f"\r{line}")
        stream.flush()
        is_over = ended.wait(INTERVAL_SECONDS)
    if line:
        stream.write(f"\r{' ' * len(line)}\r")
        stream.flush()
