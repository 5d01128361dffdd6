import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from contextlib import nullcontext, suppress
from threading import Barrier, local
from types import FrameType
from typing import Any

import numpy as np
import pytest
import threadpoolctl

from deltarule import blas_threads, platforms
from deltarule.blas_threads import one_blas_thread

assert np.__version__  # NumPy brings the first BLAS


def limits() -> set[int]:
    return {one["num_threads"] for one in threadpoolctl.threadpool_info() if one["user_api"] == "blas"}


def test_blas_has_one_thread_inside_and_what_it_had_outside() -> None:
    with threadpoolctl.threadpool_limits(2, user_api="blas"):
        before = limits()
        with one_blas_thread():
            assert limits() <= {1}
            with one_blas_thread():
                assert limits() <= {1}
            assert limits() <= {1}
        assert limits() == before


LATE = """
import numpy  # which brings the first
from threadpoolctl import threadpool_info, threadpool_limits
from deltarule.blas_threads import one_blas_thread

with one_blas_thread():
    before = len(threadpool_info())
import scipy.linalg

with threadpool_limits(2, user_api="blas"), one_blas_thread():
    print(len(threadpool_info()) - before, *{one["num_threads"] for one in threadpool_info()})
"""


def test_a_blas_that_was_loaded_since_has_one_thread_too() -> None:
    done = subprocess.run([sys.executable, "-c", LATE], capture_output=True, encoding="utf-8", check=True)
    more, *threads = done.stdout.split()
    assert int(more) == (1 if sys.platform != "darwin" else 0) and set(threads) <= {"1"}


def test_the_limit_holds_until_the_last_thread_has_left() -> None:
    with threadpoolctl.threadpool_limits(2, user_api="blas"):
        before = limits()
        first, second = one_blas_thread(), one_blas_thread()
        first.__enter__()
        second.__enter__()
        first.__exit__(None, None, None)
        assert limits() <= {1}
        second.__exit__(None, None, None)
        assert limits() == before


def test_any_thread_may_hold_blas_whoever_did_before() -> None:
    """threadpoolctl lets the first thread alone that set OpenBLAS's limit set it again, as long as it lives."""
    together = Barrier(2)

    def inside() -> set[int]:
        with one_blas_thread():
            together.wait()
            seen = limits()
            together.wait()  # the limit is the process's: nobody lifts it while another looks
        return seen

    with ThreadPoolExecutor(2) as pool:
        with threadpoolctl.threadpool_limits(2, user_api="blas"):
            before = limits()
            alone = {1 for _ in before}  # none at all where NumPy has no BLAS that can be told, as on macOS
            for _ in range(3):
                assert [one.result() for one in [pool.submit(inside), pool.submit(inside)]] == [alone, alone]
                assert limits() == before
                with one_blas_thread():
                    assert limits() == alone
        with threadpoolctl.threadpool_limits(3, user_api="blas"):  # and it is ours no longer
            assert limits() == {3 for _ in before}


@pytest.mark.parametrize("outside", [nullcontext, one_blas_thread])
def test_what_ctrl_c_breaks_off_leaves_every_limit_as_it_was(outside: Any) -> None:
    """Python sees to signals as it begins a function and after one of C: the exception comes at each of these."""
    left, profiled = 1, sys.getprofile()

    def press(frame: FrameType, event: str, argument: Any) -> None:
        nonlocal left
        left -= frame.f_code.co_filename == blas_threads.__file__ and event in ("call", "c_return")
        if left == 0:
            raise KeyboardInterrupt

    with threadpoolctl.threadpool_limits(2, user_api="blas"):
        before, places = limits(), 0
        while left == int(places == 0):
            places += 1
            with outside():
                held, left = limits(), places
                with suppress(KeyboardInterrupt):
                    sys.setprofile(press)
                    with one_blas_thread():
                        pass
                sys.setprofile(profiled)
                assert limits() == held
            assert limits() == before
    assert places > 10


FORKED = """
import os, signal, threading, time
import numpy as np
from threadpoolctl import threadpool_info, threadpool_limits
from deltarule.blas_threads import one_blas_thread

def limit():
    return max(one["num_threads"] for one in threadpool_info() if one["user_api"] == "blas")

def serve():
    while serving:
        with one_blas_thread():  # and no product: OpenBLAS's own lock may be caught in a fork
            time.sleep(1e-4)

def child():
    signal.alarm(10)  # of one that waits for ever
    with one_blas_thread():
        np.ones((30, 30)) @ np.ones((30, 30))
    return limit()

threadpool_limits(2, user_api="blas")
serving, seen = True, set()
threads = [threading.Thread(target=serve) for _ in range(4)]
for one in threads:
    one.start()
for _ in range(20):
    if not (process := os.fork()):
        os._exit(child())
    seen.add(os.waitstatus_to_exitcode(os.waitpid(process, 0)[1]))
with one_blas_thread():
    if not (process := os.fork()):
        os._exit(10 * child() + (limit() == 1))
    seen.add(os.waitstatus_to_exitcode(os.waitpid(process, 0)[1]))
serving = False
for one in threads:
    one.join()
print(sorted(seen), limit())
"""


@pytest.mark.skipif(sys.platform != "linux", reason="NumPy for macOS has no BLAS that can be told, Windows no forks")
def test_a_forked_process_waits_for_no_thread_of_its_parent_nor_keeps_its_limit() -> None:
    """Once it has used ours it has the limit of the thread that forked: here 2 outside of it, and 1 inside."""
    done = subprocess.run([sys.executable, "-W", "ignore", "-c", FORKED], capture_output=True, encoding="utf-8")
    assert (done.stdout, done.stderr) == ("[2, 11] 2\n", "")


CAUGHT = """
import os, signal, threading, time
from deltarule import blas_threads
from deltarule.engines.compiled import cache
from deltarule.problem import batches
from deltarule.reports import style

def hold():
    with lock:
        held.set()
        time.sleep(0.2)

guards = blas_threads, batches._order_cache, cache._loading, style._drawing
for guard, name in zip(guards, ("_lock", "_lock", "current", "current"), strict=True):
    lock = getattr(guard, name)
    held = threading.Event()
    threading.Thread(target=hold).start()
    held.wait()
    if not (process := os.fork()):
        signal.alarm(5)  # of one that waits for ever
        os._exit(not getattr(guard, name).acquire())
    print(os.waitstatus_to_exitcode(os.waitpid(process, 0)[1]), lock.acquire())
    lock.release()
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="there are no forks")
def test_no_lock_is_caught_in_a_fork() -> None:
    done = subprocess.run([sys.executable, "-W", "ignore", "-c", CAUGHT], capture_output=True, encoding="utf-8")
    assert (done.stdout, done.stderr) == (4 * "0 True\n", "")


HELD = """
import os, threading, time
import numpy
from threadpoolctl import threadpool_limits
from deltarule import blas_threads

def hold():
    with blas_threads.one_blas_thread():
        held.set()
        time.sleep(0.5)

def refuse(*_):
    os._exit(1)  # OpenBLAS is asked in the fork, of itself

threadpool_limits(2, user_api="blas")
before = blas_threads.blas_threads()
held = threading.Event()
threading.Thread(target=hold).start()
held.wait()
os.register_at_fork(before=lambda: setattr(blas_threads, "_set_limit", refuse))
if not (process := os.fork()):
    os._exit(10 * before + blas_threads.blas_threads())
os._exit(os.waitstatus_to_exitcode(os.waitpid(process, 0)[1]))
"""


@pytest.mark.skipif(sys.platform != "linux", reason="NumPy for macOS has no BLAS that can be told, Windows no forks")
def test_a_fork_asks_nothing_of_a_blas_whose_lock_another_thread_may_hold() -> None:
    assert subprocess.run([sys.executable, "-W", "ignore", "-c", HELD]).returncode == 21


class OfEachThread:
    """An OpenBLAS whose limit is each thread's own, as OpenMP has it; pip's packages bring none."""

    internal_api, threading_layer = "openblas", "openmp"

    def __init__(self) -> None:
        self.own = local()

    @property
    def num_threads(self) -> int:
        return getattr(self.own, "limit", 4)

    def set_num_threads(self, threads: int) -> None:
        self.own.limit = threads


def test_where_a_limit_is_each_threads_own_each_thread_sets_it(monkeypatch: pytest.MonkeyPatch) -> None:
    library = OfEachThread()
    monkeypatch.setattr(blas_threads, "_libraries", lambda: [library])
    monkeypatch.setattr(platforms, "WINDOWS", False)  # where it is the process's

    def inside() -> list[int]:
        seen = [library.num_threads]
        with one_blas_thread():
            with one_blas_thread():
                seen.append(library.num_threads)
            seen.append(library.num_threads)
        return [*seen, library.num_threads]

    with one_blas_thread(), ThreadPoolExecutor(1) as pool:
        assert pool.submit(inside).result() == [4, 1, 1, 4]
        assert inside() == [1, 1, 1, 1]
    assert library.num_threads == 4
