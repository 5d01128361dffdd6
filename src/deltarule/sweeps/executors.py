"""Who does the work: this process, others on this machine (loky), or a cluster (Dask); all as the standard library's
Executor. A worker that dies costs the population that it had, which is done once more."""

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
"""How often a population is begun whose worker dies: a third death is the population's own doing."""

NAMES = ("local", "dask")


_ADVICE = "give it more memory, or use fewer workers"

Result = TypeVar("Result")


class Here(Executor):
    """An executor that does the work at once, in the process that asks for it."""

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> "Future[Any]":
        """Do it."""
        future: Future[Any] = Future()
        try:
            future.set_result(fn(*args, **kwargs))
        except Exception as error:
            future.set_exception(error)
        return future


@dataclass(frozen=True)
class Pool:
    """Where to submit work, how much of it at a time, and how to begin anew when its workers have died.

    Parameters: `executor`, called for each submission; `workers`; `renew`, called after a worker's death; `threads`,
    how many a worker may use, None for all; `cap`, called with how many populations there are before the first is
    submitted: processes with nothing to do would only take memory, and the time to start; `is_gone`, whether nobody is
    left who would do it: of a cluster that has ended no future ever says so.
    """

    executor: Callable[[], Executor]
    workers: int
    renew: Callable[[], None]
    threads: int | None
    cap: Callable[[int], None] = lambda populations: None
    is_gone: Callable[[], bool] = lambda: False


@contextmanager
def pool(name: str, workers: int | None = None, address: str | None = None) -> Iterator[Pool]:
    """The workers of a name, until the block ends.

    Parameters: `name`, "local" or "dask"; `workers`, how many processes: of "local" 1, which is this one, if None; of
    "dask" as many as Dask starts; `address`, a running cluster's.
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
    opened = _dask(workers, address) if name == "dask" else _local(workers or 1)
    with opened as found:
        yield found


@contextmanager
def _local(workers: int) -> Iterator[Pool]:
    if workers == 1:
        yield Pool(Here, 1, lambda: None, None)
        return
    from joblib.externals.loky import ProcessPoolExecutor

    threads = max(1, platforms.processor_count() // workers)
    running: list[Any] = []
    most = workers

    def cap(populations: int) -> None:
        nonlocal most
        most = max(1, min(workers, populations))

    def executor() -> Executor:
        if not running:
            with _ctrl_c_held():
                running.append(ProcessPoolExecutor(max_workers=most, initializer=_begin, initargs=(os.getpid(),)))
                running[0].submit(os.getpid)  # with which all workers begin
        found: Executor = running[0]
        return found

    def stop() -> None:
        for one in running:
            one.shutdown(wait=True, kill_workers=True)
        running.clear()

    try:
        yield Pool(executor, workers, stop, threads, cap)
    finally:
        stop()


@contextmanager
def _ctrl_c_held() -> Iterator[None]:
    """Hold Ctrl-C back from processes that begin within, for good: who started them ends them.

    A terminal sends it to all, and one that still loads its libraries would print where it was. Here it comes later,
    but where there are other threads, which Python hears it through.
    """
    if sys.platform != "win32":
        # Where these have to begin first they let it through again.
        for module in ("multiprocessing", "joblib.externals.loky.backend"):
            import_module(f"{module}.resource_tracker").ensure_running()
        before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        if sys.platform != "win32":
            signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _begin(parent: int) -> None:
    """Begin as a worker. One that outlived a killed sweep would train beside those who go on with it.

    It says nothing itself: what fails comes back, and is told in a sentence. Where memory ends it would print what
    Python and its libraries have to say of that.
    """
    platforms.exit_with_parent(parent)
    sys.stdout = sys.stderr = Path(os.devnull).open("w", encoding="utf-8")


@contextmanager
def _dask(workers: int | None, address: str | None) -> Iterator[Pool]:
    try:
        from distributed import Client, LocalCluster
    except (ImportError, OSError) as error:
        raise not_installed("the executor dask", "Dask", "dask", error) from None
    with ExitStack() as stack:
        where: Any = address
        if address is None:
            # What fails is told in a sentence; that a second cluster finds the page's usual port taken is no failure.
            quiet = {"silence_logs": logging.CRITICAL, "preload": __name__, "dashboard_address": "127.0.0.1:0"}
            with _ctrl_c_held():
                where = stack.enter_context(LocalCluster(n_workers=workers, threads_per_worker=1, **quiet))
        try:
            client = stack.enter_context(Client(where, timeout=30))
        except (OSError, ValueError) as error:
            if address is None:
                raise RunFailed(f"the workers that Dask started do not answer: {error}; try again") from error
            raise BadInput(f"no Dask scheduler answers at {address}: {error}; check the address") from error
        count = max(1, len(client.scheduler_info(n_workers=-1)["workers"]))
        # A process each: those of one machine share its processors.
        threads = 1 if address is None else None

        def is_gone() -> bool:
            return client.status in ("closing", "closed")  # after it has tried for 30 seconds to connect again

        yield Pool(lambda: client.get_executor(pure=False, retries=0), count, lambda: None, threads, is_gone=is_gone)


def dask_setup(worker: Any) -> None:
    """Begin as a worker of our own cluster: Dask calls this by its name."""
    _begin(os.getppid())


def pack_formulas(formulas: Mapping[tuple[str, str], Any]) -> dict[tuple[str, str], Any]:
    """Formulas of one's own, by kind and name, as they can be sent to another process, which takes them over.

    Errors: `BadInput` for one that cannot.

    >>> pack_formulas({})
    {}
    """
    from joblib.externals.loky.backend.reduction import dumps

    sent = {}
    for (kind, name), formula in formulas.items():
        values = {one.name: getattr(formula, one.name) for one in fields(formula)}
        # Its parameters are a table that nobody can change, and that cannot be sent.
        tables = {key: dict(value) for key, value in values.items() if isinstance(value, Mapping)}
        sent[kind, name] = replace(formula, **tables)
        try:
            dumps(sent[kind, name])
        except Exception as error:  # of whatever it holds
            raise BadInput(
                f"the {kind} '{name}' cannot be sent to other processes ({error}); leave workers and executor out"
            ) from error
    return sent


def run_all(
    given: Pool, work: Callable[..., Result], tasks: Iterator[tuple[Any, ...]], kept: str = "start again"
) -> Iterator[tuple[Any, Result]]:
    """Do every task, some at a time, and give each with its result as soon as it is there.

    Parameters: `work`, called with each task's values; `tasks`; `kept`, what is told where memory or a worker is at
    fault: what is kept, and how to go on.
    Errors: what the work raises, with a note of what is kept; `RunFailed` for it where it fails in another process, and
    for a task whose worker dies again and again, or has too little memory.

    >>> with pool("local") as here:
    ...     [(task, result) for task, result in run_all(here, pow, iter([(2, 3), (2, 5)]))]
    [((2, 3), 8), ((2, 5), 32)]
    """
    running: dict[Future[Any], tuple[tuple[Any, ...], int]] = {}
    again: list[tuple[tuple[Any, ...], int]] = []
    at_once = 1 if given.workers == 1 else 2 * given.workers  # so that no worker waits for its next task
    left = True
    while left or running or again:
        while len(running) < at_once and (again or left):
            task, tries = again.pop() if again else (next(tasks, ()), 1)
            if not task:
                left = False
                break
            _check_there(given, kept)
            running[_submit(given, work, task)] = task, tries
        # How long is waited before another look at whether anybody is left to do the work.
        done, _ = wait(running, 1.0, FIRST_COMPLETED)
        if running and not done:
            _check_there(given, kept)
        for future in done:
            task, tries = running.pop(future)
            error = CancelledError() if future.cancelled() else future.exception()
            if error is None:
                yield task, future.result()
            elif is_out_of_memory(error):
                raise RunFailed(f"a population needs more memory than its worker has; {_ADVICE}; {kept}") from error
            elif isinstance(error, DeltaruleError) or isinstance(given.executor(), Here):
                error.add_note(kept)
                raise error
            elif not _is_death(error):  # what libraries raise where memory ends has a hundred names
                raise RunFailed(
                    f"a population failed in its worker ({type(error).__name__}: {error}); mend what raised it, or "
                    f"where memory has ended {_ADVICE}; {kept}"
                ) from error
            elif tries == MAX_TRIES:
                raise RunFailed(
                    f"a population's worker died {tries} times ({type(error).__name__}); {_ADVICE}; {kept}"
                ) from error
            else:
                again.append((task, tries + 1))


def _check_there(given: Pool, kept: str) -> None:
    if given.is_gone():
        raise RunFailed(f"the cluster's scheduler has ended; start it once more, or use local; {kept}")


def _submit(given: Pool, work: Callable[..., Any], task: tuple[Any, ...]) -> "Future[Any]":
    try:
        return given.executor().submit(work, *task)
    except BrokenExecutor:  # loky ends all of its workers when one of them dies
        given.renew()
        return given.executor().submit(work, *task)


def _is_death(error: BaseException) -> bool:
    """Whether an exception says that a worker is gone, and not that its work failed."""
    of_dask = {"KilledWorker", "CommClosedError", "FutureCancelledError"}
    gone = isinstance(error, BrokenExecutor | CancelledError)
    return gone or bool(of_dask & {kind.__name__ for kind in type(error).__mro__})
