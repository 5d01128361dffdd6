"""Run deltarule as on Windows, as far as another system can simulate it: as a program, in an empty folder.

Only deltarule's modules lose what Windows lacks: other libraries have already chosen their implementation.
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
"""Modules that are programs, or texts of compiled programs."""


class SystemModule:
    """A module of Python as on another system: without the names in `lacks`, and with other values in `has`."""

    def __init__(self, module: ModuleType, lacks: str = "", **has: Any) -> None:
        self.__dict__.update(_module=module, _lacks=lacks.split(), **has)

    def __getattr__(self, name: str) -> Any:
        if name in self._lacks:
            raise AttributeError(f"module '{self._module.__name__}' has no attribute '{name}'")
        return getattr(self._module, name)

    def __setattr__(self, name: str, value: Any) -> None:
        setattr(self._module, name, value)


def become_windows() -> None:
    """Remove what Windows lacks from deltarule's modules, and refuse what Windows refuses."""
    for found in pkgutil.walk_packages(deltarule.__path__, "deltarule."):
        if found.name.rpartition(".")[2] not in NO_MODULES:
            import_module(found.name)
    kernel = SimpleNamespace(SwitchToThread=ctypes.CDLL(None).sched_yield, GetDriveTypeW=lambda drive: 3)
    setattr(ctypes, "windll", SimpleNamespace(kernel32=kernel))  # noqa: B010 (its types are known on Windows alone)
    setattr(ctypes.CDLL, "__init__", _needing_a_name(ctypes.CDLL.__init__))  # noqa: B010 (mypy takes no other assignment)
    setattr(platform, "system", lambda: "Windows")  # noqa: B010 (nor here)
    for name in ("replace", "rename", "unlink", "remove"):
        setattr(os, name, _refused_while_open(getattr(os, name)))
    setattr(shutil, "_use_fd_functions", False)  # noqa: B010 (so that it removes files by their paths)
    others = SystemModule(os, OS, name="nt"), SystemModule(signal, SIGNAL), SystemModule(sys, platform="win32")
    for module in [module for name, module in sys.modules.items() if name.startswith("deltarule")]:
        for other in others:
            for name in [name for name, value in vars(module).items() if value is other._module]:
                setattr(module, name, other)
    sys.modules.update(dict.fromkeys(MODULES.split()))  # whoever imports one of them gets an ImportError
    platforms.WINDOWS, platforms.RETRY_SECONDS = True, (0.01,)
    platforms.full_length = lambda path: path  # it knows paths of Windows alone


def _needing_a_name(init: Callable[..., None]) -> Callable[..., None]:
    """Wrap the constructor of a library: on Windows it needs a name."""

    def wrapped(self: ctypes.CDLL, name: str | None, *arguments: Any, **options: Any) -> None:
        if name is None:
            raise TypeError("argument of type 'NoneType' is not iterable")
        init(self, name, *arguments, **options)

    return wrapped


def _refused_while_open(change: Callable[..., None]) -> Callable[..., None]:
    """Wrap a change of files: Windows refuses it for files that are open or mapped to memory, as Linux lists them."""

    def wrapped(*paths: Any, **options: Any) -> None:
        maps, opened = Path("/proc/self/maps"), Path("/proc/self/fd")
        in_use = {str(one.resolve()) for one in opened.iterdir()} if opened.exists() else set()
        lines = maps.read_text(encoding="utf-8").splitlines() if maps.exists() else []
        in_use |= {line.split(maxsplit=5)[-1] for line in lines}
        for path in paths:
            if os.path.realpath(path) in in_use:
                raise PermissionError(13, "Permission denied", str(path))
        change(*paths, **options)

    return wrapped


def run_everything() -> None:
    """Fit, predict, search, save, load, and overwrite a loaded file; then run commands that read and write files."""
    import warnings

    import numpy as np

    from deltarule import MLPClassifier, PopulationSearchCV, load_model

    warnings.simplefilter("ignore")  # training is too short to converge
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
    """Run a command, which must succeed."""
    from deltarule.cli import main

    sys.argv = ["deltarule", *words]
    try:
        main()
    except SystemExit as end:
        assert not end.code, words


if __name__ == "__main__":
    become_windows()
    run_everything()
