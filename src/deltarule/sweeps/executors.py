"""Pools of workers for sweeps; a task whose worker dies is submitted again."""

import itertools
import logging
import os
import signal
import sys
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import FIRST_COMPLETED, BrokenExecutor, CancelledError, Future, wait
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, fields, replace
from importlib import import_module
from pathlib import Path
from typing import Any, TypeVar

from deltarule import platforms
from deltarule.errors import BadInput, DeltaruleError, RunFailed, not_installed
from deltarule.problem.validation import whole

MAX_TRIES = 3
"""How often a population is submitted whose worker dies: after the third death, the population itself is at fault."""

NAMES = ("local", "dask")

Result = TypeVar("Result")


@dataclass(frozen=True)
class Pool:
    """The workers of a sweep.

    submit    call a function with arguments in a worker; returns a future. A dead worker is replaced before
    threads   how many a worker may use, None for all
    is_gone   whether all workers are gone for good: no future reports that a cluster has ended
    """

    submit: Callable[..., "Future[Any]"]
    workers: int
    threads: int | None
    is_gone: Callable[[], bool] = lambda: False


def _call(function: Callable[..., Any], *arguments: Any) -> "Future[Any]":
    future: Future[Any] = Future()
    future.set_result(function(*arguments))
    return future


IN_PROCESS = Pool(_call, 1, None)
"""The calling process itself, which raises what a function raises."""


@contextmanager
def pool(name: str, workers: int | None = None, address: str | None = None) -> Iterator[Pool]:
    """Open the workers "local" or "dask" of a sweep for the block.

    Without `workers` "local" is this process alone, and "dask" what Dask starts, or the running cluster at `address`.
    """
    if name not in NAMES:
        raise BadInput(f"there is no executor '{name}'; there are: {', '.join(NAMES)}")
    if workers is not None:
        workers = whole("workers", workers)
    if address is not None and name != "dask":
        raise BadInput(f"the address {address} is a Dask cluster's; name the executor dask, too")
    if address is not None and workers is not None:
        raise BadInput(f"workers is {workers}, and the cluster at {address} has its own; leave one of the two out")
    if name == "local" and workers in (None, 1):
        yield IN_PROCESS
        return
    opened = _dask_pool(workers, address) if name == "dask" else _local_pool(workers or 1)
    with opened as worker_pool:
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
def _dask_pool(workers: int | None, address: str | None) -> Iterator[Pool]:
    """The workers of the Dask cluster at an address, or of a new local one."""
    try:
        from distributed import Client, LocalCluster
    except (ImportError, OSError) as error:
        raise not_installed("the executor dask", "Dask", "dask", error) from None
    with ExitStack() as stack:
        cluster: Any = address
        if address is None:
            # Errors are reported in a sentence; that the dashboard's usual port is taken is none.
            options = {"silence_logs": logging.CRITICAL, "preload": __name__, "dashboard_address": "127.0.0.1:0"}
            with _block_ctrl_c():
                cluster = stack.enter_context(LocalCluster(n_workers=workers, threads_per_worker=1, **options))
        try:
            client = stack.enter_context(Client(cluster, timeout=30))
        except (OSError, ValueError) as error:
            if address is None:
                raise RunFailed(f"the workers that Dask started do not answer: {error}; try again") from error
            raise BadInput(f"no Dask scheduler answers at {address}: {error}; check the address") from error
        count = max(1, len(client.scheduler_info(n_workers=-1)["workers"]))
        # The processes of a local cluster share this machine's processors.
        threads = 1 if address is None else None

        def is_gone() -> bool:
            return client.status in ("closing", "closed")  # after trying for 30 seconds to reconnect

        yield Pool(client.get_executor(pure=False, retries=0).submit, count, threads, is_gone)


def dask_setup(worker: Any) -> None:
    _initialize_worker(os.getppid())


def pack_formulas(formulas: Mapping[tuple[str, str], Any]) -> dict[tuple[str, str], Any]:
    """Copy custom formulas, by (kind, name), so that they can be pickled for workers."""
    packed = {}
    for kind_and_name, formula in formulas.items():
        values = {field.name: getattr(formula, field.name) for field in fields(formula)}
        # Its parameters are a read-only mapping, which cannot be pickled.
        tables = {key: dict(value) for key, value in values.items() if isinstance(value, Mapping)}
        packed[kind_and_name] = replace(formula, **tables)
    return packed


def run_all(
    workers: Pool, function: Callable[..., Result], tasks: Iterator[tuple[Any, ...]], error_advice: str = "start again"
) -> Iterator[tuple[Any, Result]]:
    """Call a function on every task in a pool, and yield (task, result) as each ends.

    Raises `RunFailed` for what the function raises in another process, unless it is one of our errors, and for a task
    whose worker dies again and again.
    """
    running: dict[Future[Any], tuple[tuple[Any, ...], int]] = {}
    waiting: Iterator[tuple[tuple[Any, ...], int]] = ((task, 1) for task in tasks)
    max_running = 1 if workers.workers == 1 else 2 * workers.workers  # so that no worker waits for its next task
    while True:
        for task, tries in itertools.islice(waiting, max_running - len(running)):
            running[workers.submit(function, *task)] = task, tries
        if not running:
            return
        done, _ = wait(running, 1.0, FIRST_COMPLETED)
        is_quiet = not done
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
            raise RunFailed(f"the cluster's scheduler has ended; start it once more, or use local; {error_advice}")


def _is_worker_death(error: BaseException) -> bool:
    dask_names = {"KilledWorker", "CommClosedError", "FutureCancelledError"}
    is_gone = isinstance(error, BrokenExecutor | CancelledError)
    return is_gone or bool(dask_names & {kind.__name__ for kind in type(error).__mro__})
