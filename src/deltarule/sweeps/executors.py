"""Pools of workers for sweeps; a task whose worker dies is submitted again."""

import itertools
import math
import os
import signal
import sys
import time
import warnings
from collections.abc import Callable, Iterator
from concurrent.futures import FIRST_COMPLETED, BrokenExecutor, CancelledError, Future, wait
from contextlib import contextmanager
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any, TypeVar

from deltarule import platforms
from deltarule.errors import BadInput, DeltaruleError, RunFailed, not_installed
from deltarule.problem.validation import whole

NO_WORKERS_SECONDS = 10.0
"""How long a cluster may have no workers before it is said."""
MAX_TRIES = 3
"""How often a population is submitted whose worker dies: after the third death, the population itself is at fault."""

Result = TypeVar("Result")


@dataclass(frozen=True)
class Pool:
    """The workers of a sweep.

    submit    call a function with arguments in a worker; returns a future. A dead worker is replaced before
    threads   how many a worker may use, None for all
    is_gone   whether all workers are gone for good: no future reports that a cluster has ended
    lacks     the cluster, while it has no worker
    """

    submit: Callable[..., "Future[Any]"]
    workers: int
    threads: int | None
    is_gone: Callable[[], bool] = lambda: False
    lacks: Callable[[], str] = lambda: ""


def _call(function: Callable[..., Any], *arguments: Any) -> "Future[Any]":
    future: Future[Any] = Future()
    future.set_result(function(*arguments))
    return future


IN_PROCESS = Pool(_call, 1, None)
"""The calling process itself, which raises what a function raises."""


@contextmanager
def pool(workers: int | None = None, address: str | None = None) -> Iterator[Pool]:
    """Open the workers of a sweep for the block.

    Without arguments this is the calling process alone; otherwise `workers` processes of this machine, or those of the
    Dask cluster at an address.
    """
    if workers is not None:
        workers = whole("workers", workers)
        if address is not None:
            raise BadInput(f"workers is {workers}, and the cluster at {address} has its own; leave one of the two out")
    if address is None and workers in (None, 1):
        yield IN_PROCESS
        return
    with _local_pool(workers or 1) if address is None else _dask_pool(address) as worker_pool:
        yield worker_pool


@contextmanager
def _local_pool(workers: int) -> Iterator[Pool]:
    """Processes of this machine (loky) that share its processors."""
    from joblib.externals.loky import ProcessPoolExecutor

    def start() -> Any:
        with _block_ctrl_c():
            executor = ProcessPoolExecutor(workers, initializer=_initialize_worker, initargs=(os.getpid(),))
            executor.submit(os.getpid)  # the first submission starts all workers
        return executor

    executor = start()

    def submit(function: Callable[..., Any], *arguments: Any) -> "Future[Any]":
        """Start a new executor and submit once more if the workers have died."""
        nonlocal executor
        try:
            return executor.submit(function, *arguments)
        except BrokenExecutor:  # loky ends all of its workers when one of them dies
            executor.shutdown(wait=True, kill_workers=True)
            executor = start()
            return executor.submit(function, *arguments)

    try:
        yield Pool(submit, workers, max(1, platforms.processor_count() // workers))
    finally:
        executor.shutdown(wait=True, kill_workers=True)


@contextmanager
def _block_ctrl_c() -> Iterator[None]:
    """Block Ctrl-C (SIGINT) in the processes that are started within the block.

    A terminal sends it to all processes, and one that still loads its libraries would print a traceback.
    """
    if sys.platform != "win32":
        # Started first, because starting them unblocks the signal again.
        for module in ("multiprocessing", "joblib.externals.loky.backend"):
            import_module(f"{module}.resource_tracker").ensure_running()
        before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        if sys.platform != "win32":
            signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _initialize_worker(parent_pid: int) -> None:
    platforms.exit_with_parent(parent_pid)  # else it would train beside those that resume a killed sweep
    # Errors are reported by the parent; without memory, Python and its libraries would print more.
    sys.stdout = sys.stderr = Path(os.devnull).open("w", encoding="utf-8")


@contextmanager
def _dask_pool(address: str) -> Iterator[Pool]:
    """Connect within 30 seconds and count the cluster's workers, at least one."""
    try:
        from distributed import Client
    except (ImportError, OSError) as error:
        raise not_installed("a cluster", "Dask", "dask", error) from None
    try:
        client = Client(address, timeout=30)
    except (OSError, ValueError) as error:
        raise BadInput(f"no Dask scheduler answers at {address}: {error}; check the address") from error
    with client:
        count = max(1, len(client.scheduler_info(n_workers=-1)["workers"]))

        def is_gone() -> bool:
            return client.status in ("closing", "closed")  # after trying for 30 seconds to reconnect

        def lacks() -> str:
            return "" if client.scheduler_info(n_workers=-1).get("workers") else address

        yield Pool(client.get_executor(pure=False, retries=0).submit, count, None, is_gone, lacks)


def run_all(
    workers: Pool, function: Callable[..., Result], tasks: Iterator[tuple[Any, ...]], error_advice: str = "start again"
) -> Iterator[tuple[Any, Result]]:
    """Call a function on every task in a pool, and yield (task, result) as each ends.

    Raises `RunFailed` for what the function raises in another process, unless it is one of our errors, and for a task
    whose worker dies again and again.
    """
    running: dict[Future[Any], tuple[tuple[Any, ...], int]] = {}
    waiting: Iterator[tuple[tuple[Any, ...], int]] = ((task, 1) for task in tasks)
    lacking_since = time.monotonic()
    max_running = 1 if workers.workers == 1 else 2 * workers.workers  # so that no worker waits for its next task
    while True:
        for task, tries in itertools.islice(waiting, max_running - len(running)):
            running[workers.submit(function, *task)] = task, tries
        if not running:
            return
        done, _ = wait(running, 1.0, FIRST_COMPLETED)
        is_quiet = not done
        now = time.monotonic()
        if done or not workers.lacks():
            lacking_since = now
        elif now > lacking_since + NO_WORKERS_SECONDS:
            warnings.warn(f"no workers: waiting for {workers.lacks()}", stacklevel=2)
            lacking_since = math.inf
        for future in done:
            task, tries = running.pop(future)
            error = CancelledError() if future.cancelled() else future.exception()
            if error is None:
                yield task, future.result()
            elif isinstance(error, DeltaruleError):
                raise error
            elif _is_worker_death(error) and tries < MAX_TRIES:
                waiting = itertools.chain([(task, tries + 1)], waiting)
                is_quiet = True
            else:
                died = f"'s worker died {tries} times" if _is_worker_death(error) else " failed in its worker"
                raise RunFailed(
                    f"a population{died} ({type(error).__name__}: {error}); if memory has ended, give it more, or use "
                    f"fewer workers; {error_advice}"
                ) from error
        if is_quiet and workers.is_gone():
            raise RunFailed(f"the cluster's scheduler has ended; start it again, or name no address; {error_advice}")


def _is_worker_death(error: BaseException) -> bool:
    dask_names = {"KilledWorker", "CommClosedError", "FutureCancelledError"}
    is_gone = isinstance(error, BrokenExecutor | CancelledError)
    return is_gone or bool(dask_names & {kind.__name__ for kind in type(error).__mro__})
