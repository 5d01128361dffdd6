"""Two processes that grade submissions, and end at once with the grader or when it is interrupted."""

import multiprocessing
import os
import signal
import sys
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ProcessPoolExecutor, wait
from multiprocessing.connection import wait as wait_for_any
from typing import Any, TypeVar

from deltarule.grading.process import end_running

Result = TypeVar("Result")
POLL_SECONDS = 0.1


def run_in_pool(
    function: Callable[..., Result],
    jobs: Sequence[tuple[Any, ...]],
    goes_on: Callable[[Sequence[Future[Result]]], bool],
) -> list[Future[Result]]:
    """Call a function with each job's arguments in two processes.

    goes_on : looks at all results ten times a second, and says whether others are waited for

    Where they are not, and where a process has ended itself, the exception of what has no result is
    `BrokenProcessPool`.
    """
    context = multiprocessing.get_context("spawn" if sys.platform == "win32" else "forkserver")
    if sys.platform != "win32":
        context.set_forkserver_preload([function.__module__])  # so that a process starts at once
    ends, stop = context.Pipe(duplex=False)
    futures: list[Future[Result]] = []
    with ends, stop, ProcessPoolExecutor(min(2, len(jobs) or 1), context, _begin, (ends,)) as processes:
        try:
            futures += [processes.submit(function, *job) for job in jobs]
            while wait(futures, POLL_SECONDS).not_done and goes_on(futures):
                pass
        finally:
            if not all(future.done() for future in futures):
                stop.close()
    return futures


def _begin(ends: Any) -> None:
    """Let this process end, with what it runs, when the grader has ended or closed its end of a pipe.

    ends : the other end of the pipe, a `Connection` or, on Windows, a `PipeConnection`
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # a terminal sends Ctrl-C to all processes; the grader decides
    grader = multiprocessing.parent_process()

    def end() -> None:
        wait_for_any([ends, *([grader.sentinel] if grader is not None else [])])
        end_running()
        os._exit(1)

    threading.Thread(target=end, daemon=True).start()
