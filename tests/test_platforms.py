"""Signals end the work, workers end with their sweep, and threads outlive no fork."""

import contextlib
import os
import signal
import subprocess
import sys
import threading
import time
import types
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context

import numpy as np
import psutil
import pytest

from deltarule import create_problem, platforms, sweep, train
from deltarule.problem.network import Network
from deltarule.studies import sweep_study
from deltarule.sweeps.executors import Pool


def termination_signals():
    return [getattr(signal, name) for name in ("SIGTERM", "SIGHUP", "SIGBREAK") if hasattr(signal, name)]


@pytest.mark.parametrize("number", termination_signals())
def test_termination_raises_keyboard_interrupt(number):
    before = signal.getsignal(number)
    with platforms.termination_as_ctrl_c(), pytest.raises(KeyboardInterrupt):
        signal.raise_signal(number)
    assert signal.getsignal(number) == before


@pytest.mark.parametrize("number", termination_signals())
def test_termination_ends_a_training(number):
    problem = create_problem(Network([1, 1]), np.zeros((1, 1)), [0.0])
    with platforms.termination_as_ctrl_c():
        run = train(problem, max_steps=10**9, engine="reference", progress=lambda seen: signal.raise_signal(number))
    assert run.interrupted and 0 < run.steps[0] < 10**9


def test_ignored_signals_stay_ignored(monkeypatch):
    """nohup has SIGHUP ignored, and a shell SIGINT of what runs in the background: SIGTERM ends that, too."""
    hangup = getattr(signal, "SIGHUP", signal.SIGTERM)
    before = {number: signal.signal(number, signal.SIG_IGN) for number in (hangup, signal.SIGINT)}
    try:
        with platforms.termination_as_ctrl_c():
            signal.raise_signal(hangup)
            if hangup != signal.SIGTERM:
                with pytest.raises(KeyboardInterrupt):
                    signal.raise_signal(signal.SIGTERM)
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def test_ignore_termination():
    numbers = [signal.SIGINT, *termination_signals()]
    before = [signal.getsignal(number) for number in numbers]
    try:
        with platforms.termination_as_ctrl_c():
            platforms.ignore_termination()
        assert {signal.getsignal(number) for number in numbers} == {signal.SIG_IGN}
    finally:
        for number, handler in zip(numbers, before, strict=True):
            signal.signal(number, handler)


def test_other_threads_leave_signals_alone():
    before, during = signal.getsignal(signal.SIGTERM), []

    def work():
        with platforms.termination_as_ctrl_c():
            during.append(signal.getsignal(signal.SIGTERM))

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert during == [before]


PARENT = """
import os, sys, time
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from deltarule import platforms
if __name__ == "__main__":
    with ProcessPoolExecutor(1, get_context("spawn"), platforms.exit_with_parent, (os.getpid(),)) as pool:
        print(pool.submit(os.getpid).result(), flush=True)
        pool.submit(time.sleep, 600)
        time.sleep(600)
"""


@pytest.mark.slow
def test_worker_ends_with_its_parent(tmp_path):
    (tmp_path / "parent.py").write_text(PARENT, encoding="utf-8")
    with subprocess.Popen([sys.executable, tmp_path / "parent.py"], stdout=subprocess.PIPE, text=True) as parent:
        worker = psutil.Process(int(parent.stdout.readline()))
        time.sleep(1.2)  # it lives as long as the other one does
        assert worker.is_running() and worker.status() != psutil.STATUS_ZOMBIE
        parent.kill()
    _, alive = psutil.wait_procs([worker], timeout=20)
    assert alive == [] or worker.status() == psutil.STATUS_ZOMBIE


@pytest.mark.slow
def test_spawned_workers_give_the_same_table(tmp_path, monkeypatch):
    """As on Windows and macOS: a worker knows nothing but what it is told."""

    @contextlib.contextmanager
    def spawned(*given):
        with ProcessPoolExecutor(2, get_context("spawn"), platforms.exit_with_parent, (os.getpid(),)) as executor:
            yield Pool(executor.submit, 2, 1)

    def rows():
        table = sweep("encoder", grid, seeds=3, engine="reference")
        return [{name: value for name, value in row.items() if not name.endswith("_seconds")} for row in table.rows()]

    grid = {"network.layers": [[8, 3, 8], [8, 4, 8]], "stopping.max_steps": [50], "optimizer.learning_rate": [1.0, 9.0]}
    expected = rows()
    monkeypatch.setattr(sweep_study, "pool", spawned)
    assert rows() == expected


# --- threads that stay ------------------------------------------------------------------------------------------------

FORKED = """
import os, signal
from deltarule import platforms

parent = platforms.thread_pool(2, "of a test")
print(list(parent.map(abs, [-1, -2])), flush=True)
if not (process := os.fork()):
    signal.alarm(10)  # of one that waits for ever
    own = platforms.thread_pool(2, "of a test")
    os._exit([1, 2, own is parent] != [*own.map(abs, [-1, -2]), False])
print(os.waitstatus_to_exitcode(os.waitpid(process, 0)[1]))
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="there are no forks")
def test_forked_process_has_its_own_threads() -> None:
    done = subprocess.run([sys.executable, "-W", "ignore", "-c", FORKED], capture_output=True, encoding="utf-8")
    assert (done.stdout, done.stderr) == ("[1, 2]\n0\n", "")


def test_thread_pools_serve_one_purpose() -> None:
    """Work of one purpose may wait for work of another, and would wait for ever where both had the same threads."""
    waiting, awaited = platforms.thread_pool(1, "waiting in a test"), platforms.thread_pool(1, "awaited in a test")
    assert waiting.submit(lambda: awaited.submit(threading.get_ident).result()).result(10) != threading.get_ident()
    assert platforms.thread_pool(1, "waiting in a test") is waiting


@pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="there programs do not choose their processors")
def test_processor_count_respects_affinity() -> None:
    allowed = os.sched_getaffinity(0)
    try:
        os.sched_setaffinity(0, {min(allowed)})
        assert platforms.processor_count() == 1
    finally:
        os.sched_setaffinity(0, allowed)
    assert platforms.processor_count() == len(allowed)


LOCKING = """
import sys
from pathlib import Path
from deltarule.platforms import file_lock
with file_lock(Path(sys.argv[1]), lambda: print("waits", flush=True)):
    print("has it", flush=True)
    sys.stdin.read()
"""


def test_a_lock_is_waited_for_and_ends_with_its_process(tmp_path):
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
    command = [sys.executable, "-c", LOCKING, str(tmp_path / "lock")]
    with subprocess.Popen(command, **pipes) as first:
        assert first.stdout.readline() == "has it\n"
        with subprocess.Popen(command, **pipes) as second:
            assert second.stdout.readline() == "waits\n"
            first.kill()
            assert second.communicate("")[0] == "has it\n"


def test_a_lock_on_windows(tmp_path, monkeypatch):
    """The bytes that are locked there, by a module that only Windows has."""
    held = []

    def locking(file, mode, count):
        if held:
            held.pop()  # the other process ends
            raise PermissionError(13, "Permission denied")
        held.append((mode, count))

    monkeypatch.setattr(platforms.sys, "platform", "win32")
    monkeypatch.setitem(sys.modules, "msvcrt", types.SimpleNamespace(locking=locking, LK_NBLCK=2))
    held.append((2, 1))
    waited = []
    with platforms.file_lock(tmp_path / "lock", lambda: waited.append(True)):
        assert (held, waited) == ([(2, 1)], [True])
