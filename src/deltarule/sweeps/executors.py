"""Pools of workers for sweeps (this process, local processes, a Dask cluster), and `run_all`, which runs tasks in them.

Each pool has an Executor of the standard library. A task, such as a population, whose worker dies is submitted again.
"""

import logging
import os
import signal
import sys
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import FIRST_COMPLETED, BrokenExecutor, CancelledError, Executor, Future, wait
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, fields, replace
from importlib import import_module
from pathlib import Path
from typing import Any, TypeVar

from deltarule import platforms
from deltarule.errors import BadInput, DeltaruleError, RunFailed, is_out_of_memory, not_installed
from deltarule.problem.validation import whole

MAX_TRIES = 3
"""How often a population is submitted whose worker dies: after the third death, the population itself is at fault."""

NAMES = ("local", "dask")


_MEMORY_ADVICE = "give it more memory, or use fewer workers"

Result = TypeVar("Result")


class InProcessExecutor(Executor):
    """An executor that runs each function at once, in the calling process."""

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> "Future[Any]":
        """Call the function with its arguments, and return a finished future with its result or its exception."""
        future: Future[Any] = Future()
        try:
            future.set_result(fn(*args, **kwargs))
        except Exception as error:
            future.set_exception(error)
        return future


@dataclass(frozen=True)
class Pool:
    """The workers of a sweep: how to reach their executor, and how to restart, limit and watch them.

    Parameters: `executor`, called for each submission; `workers`, how many there are; `restart`, called after a
    worker's death; `threads`, how many a worker may use, None for all; `limit_workers`, called before the first
    submission with the number of populations: idle processes would only take memory, and time to start; `is_gone`,
    whether all workers are gone for good: no future reports that a cluster has ended.
    """

    executor: Callable[[], Executor]
    workers: int
    restart: Callable[[], None]
    threads: int | None
    limit_workers: Callable[[int], None] = lambda populations: None
    is_gone: Callable[[], bool] = lambda: False


@contextmanager
def pool(name: str, workers: int | None = None, address: str | None = None) -> Iterator[Pool]:
    """Open "local" or "dask" workers for the block; `workers` None: this process alone, or as many as Dask starts.

    Parameters: `name`, "local" or "dask"; `workers`, how many processes: if None, "local" uses this process alone, and
    "dask" as many as Dask starts; `address`, that of a running Dask cluster.
    Errors: `BadInput` for another name, numbers that do not fit, workers for a cluster that has its own, and a library
    that is missing.

    >>> with pool("local") as here:
    ...     here.executor().submit(sum, [1, 2]).result()
    3
    """
    if name not in NAMES:
        raise BadInput(f"there is no executor '{name}'; there are: {', '.join(NAMES)}")
    if workers is not None:
        workers = whole("workers", workers)
    if address is not None and name != "dask":
        raise BadInput(f"the address {address} is a Dask cluster's; name the executor dask, too")
    if address is not None and workers is not None:
        raise BadInput(f"workers is {workers}, and the cluster at {address} has its own; leave one of the two out")
    opened = _dask_pool(workers, address) if name == "dask" else _local_pool(workers or 1)
    with opened as worker_pool:
        yield worker_pool


@contextmanager
def _local_pool(workers: int) -> Iterator[Pool]:
    """Processes of this machine (loky) that share its processors; for one worker, the calling process itself."""
    if workers == 1:
        yield Pool(InProcessExecutor, 1, lambda: None, None)
        return
    from joblib.externals.loky import ProcessPoolExecutor

    threads = max(1, platforms.processor_count() // workers)
    running: list[Any] = []
    max_workers = workers

    def limit_workers(populations: int) -> None:
        nonlocal max_workers
        max_workers = max(1, min(workers, populations))

    def running_executor() -> Executor:
        """The running executor, started if there is none."""
        if not running:
            with _block_ctrl_c():
                running.append(
                    ProcessPoolExecutor(
                        max_workers=max_workers, initializer=_initialize_worker, initargs=(os.getpid(),)
                    )
                )
                running[0].submit(os.getpid)  # the first submission starts all workers
        executor: Executor = running[0]
        return executor

    def stop_workers() -> None:
        for executor in running:
            executor.shutdown(wait=True, kill_workers=True)
        running.clear()

    try:
        yield Pool(running_executor, workers, stop_workers, threads, limit_workers)
    finally:
        stop_workers()


@contextmanager
def _block_ctrl_c() -> Iterator[None]:
    """Block Ctrl-C (SIGINT) for good in the processes that are started within the block; the parent ends them.

    A terminal sends it to all processes, and one that still loads its libraries would print a traceback. The calling
    process receives it after the block, or at once if it has other threads, through which Python receives it.
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
    """Make this worker process exit with its parent, and silence its output.

    A worker that outlived a killed sweep would train beside those that resume it. Errors are returned and reported by
    the parent; without memory, a worker would also print what Python and its libraries say of that.
    """
    platforms.exit_with_parent(parent_pid)
    sys.stdout = sys.stderr = Path(os.devnull).open("w", encoding="utf-8")


@contextmanager
def _dask_pool(workers: int | None, address: str | None) -> Iterator[Pool]:
    """The workers of the Dask cluster at an address; if None, of a new local one (`workers` None: Dask's default)."""
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

        yield Pool(lambda: client.get_executor(pure=False, retries=0), count, lambda: None, threads, is_gone=is_gone)


def dask_setup(worker: Any) -> None:
    """Initialize a worker process of a local Dask cluster; Dask calls this function by its name."""
    _initialize_worker(os.getppid())


def pack_formulas(formulas: Mapping[tuple[str, str], Any]) -> dict[tuple[str, str], Any]:
    """Copy custom formulas, by (kind, name), so that they can be pickled for workers; raise `BadInput` if one cannot.

    Errors: `BadInput` for a formula that cannot be pickled.

    >>> pack_formulas({})
    {}
    """
    from joblib.externals.loky.backend.reduction import dumps

    packed = {}
    for (kind, name), formula in formulas.items():
        values = {field.name: getattr(formula, field.name) for field in fields(formula)}
        # Its parameters are a read-only mapping, which cannot be pickled.
        tables = {key: dict(value) for key, value in values.items() if isinstance(value, Mapping)}
        packed[kind, name] = replace(formula, **tables)
        try:
            dumps(packed[kind, name])
        except Exception as error:  # any, from the values that it holds
            raise BadInput(
                f"the {kind} '{name}' cannot be sent to other processes ({error}); leave workers and executor out"
            ) from error
    return packed


def run_all(
    workers: Pool, function: Callable[..., Result], tasks: Iterator[tuple[Any, ...]], error_advice: str = "start again"
) -> Iterator[tuple[Any, Result]]:
    """Call a function on every task (a tuple of arguments) in a pool, and yield (task, result) as each one is done.

    Parameters: `function`, called with the values of a task as its arguments; `tasks`, tuples of arguments;
    `error_advice`, the end of error messages: what is kept, and how to resume.
    Errors: what the function raises, with the advice as a note; `RunFailed` for what it raises in another process, and
    for a task whose worker dies again and again, or has too little memory.

    >>> with pool("local") as here:
    ...     [(task, result) for task, result in run_all(here, pow, iter([(2, 3), (2, 5)]))]
    [((2, 3), 8), ((2, 5), 32)]
    """
    running: dict[Future[Any], tuple[tuple[Any, ...], int]] = {}
    retries: list[tuple[tuple[Any, ...], int]] = []
    max_running = 1 if workers.workers == 1 else 2 * workers.workers  # so that no worker waits for its next task
    has_more_tasks = True
    while has_more_tasks or running or retries:
        while len(running) < max_running and (retries or has_more_tasks):
            task, tries = retries.pop() if retries else (next(tasks, ()), 1)
            if not task:
                has_more_tasks = False
                break
            _check_workers(workers, error_advice)
            running[_submit(workers, function, task)] = task, tries
        # After a second without a result, check whether any worker is left.
        done, _ = wait(running, 1.0, FIRST_COMPLETED)
        if running and not done:
            _check_workers(workers, error_advice)
        for future in done:
            task, tries = running.pop(future)
            error = CancelledError() if future.cancelled() else future.exception()
            if error is None:
                yield task, future.result()
            elif is_out_of_memory(error):
                raise RunFailed(
                    f"a population needs more memory than its worker has; {_MEMORY_ADVICE}; {error_advice}"
                ) from error
            elif isinstance(error, DeltaruleError) or isinstance(workers.executor(), InProcessExecutor):
                error.add_note(error_advice)
                raise error
            elif not _is_worker_death(error):  # libraries raise all kinds of exceptions when memory is exhausted
                raise RunFailed(
                    f"a population failed in its worker ({type(error).__name__}: {error}); mend what raised it, or "
                    f"where memory has ended {_MEMORY_ADVICE}; {error_advice}"
                ) from error
            elif tries == MAX_TRIES:
                raise RunFailed(
                    f"a population's worker died {tries} times ({type(error).__name__}); {_MEMORY_ADVICE}; "
                    f"{error_advice}"
                ) from error
            else:
                retries.append((task, tries + 1))


def _check_workers(workers: Pool, error_advice: str) -> None:
    """Raise `RunFailed` if the cluster of the workers has ended."""
    if workers.is_gone():
        raise RunFailed(f"the cluster's scheduler has ended; start it once more, or use local; {error_advice}")


def _submit(workers: Pool, function: Callable[..., Any], task: tuple[Any, ...]) -> "Future[Any]":
    """Submit a task, after a restart of all workers if one of them died, and return its future."""
    try:
        return workers.executor().submit(function, *task)
    except BrokenExecutor:  # loky ends all of its workers when one of them dies
        workers.restart()
        return workers.executor().submit(function, *task)


def _is_worker_death(error: BaseException) -> bool:
    """Whether an exception means that a worker is gone, rather than that its task failed."""
    dask_names = {"KilledWorker", "CommClosedError", "FutureCancelledError"}
    is_gone = isinstance(error, BrokenExecutor | CancelledError)
    return is_gone or bool(dask_names & {kind.__name__ for kind in type(error).__mro__})
