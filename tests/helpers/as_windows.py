"""deltarule at work as on Windows, as far as another system can show it: run as a program, in an empty folder.

Of deltarule's modules alone is taken away what Windows lacks: libraries of others have chosen already how they work.
"""

import ctypes
import os
import pkgutil
import platform
import shutil
import signal
import sys
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import filelock  # noqa: F401 (it looks for fcntl)

import deltarule
from deltarule import platforms

OS = """chown fchown fork getegid geteuid getgid getgrouplist getloadavg getpgid getpgrp getpriority getuid killpg
lchown mkfifo nice openpty pathconf pipe2 posix_fallocate posix_spawn pread pwrite sched_getaffinity sched_setaffinity
sched_yield sendfile setpgid setpriority setsid statvfs sync sysconf uname wait wait3 wait4 O_CLOEXEC O_DIRECTORY
O_NOFOLLOW O_NONBLOCK O_SYNC"""
SIGNAL = "SIGALRM SIGCHLD SIGHUP SIGKILL SIGUSR1 SIGUSR2 alarm pause pthread_kill pthread_sigmask setitimer sigwait"
MODULES = "fcntl grp pwd resource termios"
NO_MODULES = ("__main__", "simd_math", "simd_math_float32", "gemm_tiles", "block_ops", "large_ops")
"""Programs, and the heads of compiled ones."""


class Other:
    """A module of Python's as another system has it."""

    def __init__(self, module: ModuleType, lacks: str = "", **has: Any) -> None:
        self.__dict__.update(_module=module, _lacks=lacks.split(), **has)

    def __getattr__(self, name: str) -> Any:
        if name in self._lacks:
            raise AttributeError(f"module '{self._module.__name__}' has no attribute '{name}'")
        return getattr(self._module, name)

    def __setattr__(self, name: str, value: Any) -> None:
        setattr(self._module, name, value)


def become_windows() -> None:
    """Take away what Windows lacks, and refuse what it refuses."""
    for found in pkgutil.walk_packages(deltarule.__path__, "deltarule."):
        if found.name.rpartition(".")[2] not in NO_MODULES:
            import_module(found.name)
    kernel = SimpleNamespace(SwitchToThread=ctypes.CDLL(None).sched_yield, GetDriveTypeW=lambda drive: 3)
    setattr(ctypes, "windll", SimpleNamespace(kernel32=kernel))  # noqa: B010 (its types are known on Windows alone)
    setattr(ctypes.CDLL, "__init__", _of_a_name(ctypes.CDLL.__init__))  # noqa: B010 (mypy takes no other assignment)
    setattr(platform, "system", lambda: "Windows")  # noqa: B010 (nor here)
    for name in ("replace", "rename", "unlink", "remove"):
        setattr(os, name, _refused_while_open(getattr(os, name)))
    setattr(shutil, "_use_fd_functions", False)  # noqa: B010 (so that it removes files by their paths)
    others = Other(os, OS, name="nt"), Other(signal, SIGNAL), Other(sys, platform="win32")
    for module in [module for name, module in sys.modules.items() if name.startswith("deltarule")]:
        for other in others:
            for name in [name for name, value in vars(module).items() if value is other._module]:
                setattr(module, name, other)
    sys.modules.update(dict.fromkeys(MODULES.split()))  # whoever imports one of them gets an ImportError
    platforms.WINDOWS, platforms.RETRY_SECONDS = True, (0.01,)
    platforms.full_length = lambda path: path  # it knows paths of Windows alone


def _of_a_name(init: Callable[..., None]) -> Callable[..., None]:
    """There a library has a name."""

    def made(self: ctypes.CDLL, name: str | None, *more: Any, **how: Any) -> None:
        if name is None:
            raise TypeError("argument of type 'NoneType' is not iterable")
        init(self, name, *more, **how)

    return made


def _refused_while_open(change: Callable[..., None]) -> Callable[..., None]:
    """There no file is replaced or removed that is open, or in somebody's memory; Linux tells which are."""

    def changed(*paths: Any, **how: Any) -> None:
        maps, opened = Path("/proc/self/maps"), Path("/proc/self/fd")
        in_use = {str(one.resolve()) for one in opened.iterdir()} if opened.exists() else set()
        lines = maps.read_text(encoding="utf-8").splitlines() if maps.exists() else []
        in_use |= {line.split(maxsplit=5)[-1] for line in lines}
        for path in paths:
            if os.path.realpath(path) in in_use:
                raise PermissionError(13, "Permission denied", str(path))
        change(*paths, **how)

    return changed


def work() -> None:
    """Fit, predict, search, save and load, write over what was loaded; then what the commands do with files."""
    import warnings

    import numpy as np

    from deltarule import MLPClassifier, PopulationSearchCV, load_model

    warnings.simplefilter("ignore")  # of so short a training
    rng = np.random.default_rng(0)
    x = rng.normal(size=(6000, 64))
    y = x[:, :10].argmax(1)
    model = MLPClassifier(max_iter=2, early_stopping=True, random_state=0).fit(x, y)
    assert model.score(x, y) > 0.2
    for _ in range(2):
        model.save("model.safetensors")
        again = load_model("model.safetensors")
        assert (again.predict(x) == model.predict(x)).all()
    few = MLPClassifier(hidden_layer_sizes=(8,), max_iter=3, early_stopping=True)
    assert PopulationSearchCV(few, {"alpha": [0.1, 0.001]}, cv=2).fit(x[:500], y[:500]).best_score_ >= 0
    np.savetxt("table.csv", np.c_[x[:200, :2], x[:200, 0] > 0], "%g", ",", header="a,b,y", comments="")
    short = ("--set", "stopping.max_steps=20", "--set", "run.seeds=2")
    for words in (
        ("run", "encoder", "--out", "run", *short),
        ("run", "encoder", "--out", "run", "--resume", *short),
        ("report", "run"),
        ("sweep", "encoder", "--out", "sweep", *short),
        ("sweep", "encoder", "--out", "sweep", "--resume", *short),
        ("sweep", "--table", "sweep"),
        ("sweep", "encoder", *short),
        ("explain", "encoder", "--html", "page.html", "--graph", "graph.svg"),
        ("train", "table.csv", "--target", "y", "--out", "table.safetensors"),
        ("predict", "table.safetensors", "table.csv", "--out", "answers.csv"),
        ("export", "table.safetensors", "--to", "script"),
        ("doctor",),
    ):
        _call(*words)


def _call(*words: str) -> None:
    from deltarule.cli import main

    sys.argv = ["deltarule", *words]
    try:
        main()
    except SystemExit as end:
        assert not end.code, words


if __name__ == "__main__":
    become_windows()
    work()
