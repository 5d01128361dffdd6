import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from contextlib import nullcontext, suppress
from threading import Barrier
from types import FrameType
from typing import Any

import numpy as np
import pytest
import threadpoolctl

from deltarule import blas_threads
from deltarule.blas_threads import one_blas_thread

assert np.__version__  # NumPy brings the first BLAS


def limits() -> set[int]:
    return {one["num_threads"] for one in threadpoolctl.threadpool_info() if one["user_api"] == "blas"}


LATE = """
import numpy  # which brings the first
from threadpoolctl import threadpool_info
from deltarule.blas_threads import one_blas_thread

with one_blas_thread():
    before = len(threadpool_info())
    import scipy.linalg

    with one_blas_thread():
        print(len(threadpool_info()) - before, *{one["num_threads"] for one in threadpool_info()})
"""


@pytest.mark.slow
def test_later_blas_is_limited_too() -> None:
    """Within a training, too, which imports SciPy when it needs it."""
    several = {**os.environ, "OPENBLAS_NUM_THREADS": "2"}
    done = subprocess.run([sys.executable, "-c", LATE], capture_output=True, encoding="utf-8", check=True, env=several)
    more, *threads = done.stdout.split()
    assert int(more) == (1 if sys.platform != "darwin" else 0) and set(threads) <= {"1"}


def test_limit_holds_until_the_last_user_has_left() -> None:
    with threadpoolctl.threadpool_limits(2, user_api="blas"):
        before = limits()
        first, second = one_blas_thread(), one_blas_thread()
        first.__enter__()
        second.__enter__()
        first.__exit__(None, None, None)
        assert limits() <= {1}
        second.__exit__(None, None, None)
        assert limits() == before


def test_any_thread_may_limit_blas() -> None:
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
def test_ctrl_c_restores_every_limit(outside: Any) -> None:
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
