"""The line that shows how long a check has been at work."""

import io
import sys
import threading
from types import SimpleNamespace

import pytest

from deltarule.checking.elapsed_time import show_elapsed_time


class Stream(io.StringIO):
    """A text stream that may be a terminal, and says when something was written."""

    def __init__(self, *, is_terminal: bool) -> None:
        super().__init__()
        self.is_terminal, self.written = is_terminal, threading.Event()

    def isatty(self) -> bool:
        return self.is_terminal

    def flush(self) -> None:
        self.written.set()


@pytest.mark.parametrize("is_notebook", [False, True])
def test_a_long_check_shows_its_seconds_and_removes_them_at_the_end(
    monkeypatch: pytest.MonkeyPatch, is_notebook: bool
) -> None:
    stream = Stream(is_terminal=not is_notebook)
    monkeypatch.setattr(sys, "stderr", stream)
    if is_notebook:
        shell = SimpleNamespace(kernel=object())
        monkeypatch.setitem(sys.modules, "IPython", SimpleNamespace(get_ipython=lambda: shell))
    with show_elapsed_time("the gradient is checked", delay_seconds=0):
        assert stream.written.wait(60)
    lines = stream.getvalue().split("\r")
    assert lines[1] == "the gradient is checked: 0 s" and lines[-2].strip() == lines[-1] == ""


def test_a_file_gets_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    stream = Stream(is_terminal=False)
    monkeypatch.setattr(sys, "stderr", stream)
    with show_elapsed_time("the gradient is checked", delay_seconds=0):
        assert not stream.written.wait(0.01)
