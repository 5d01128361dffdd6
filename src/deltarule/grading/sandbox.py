"""The sandbox of a submission: own files, no network and no other processes.

On Linux it consists of Landlock's rules for files, and a filter of system calls; for root also of an unused user.
Elsewhere there is nothing but the limits that the worker sets itself.
"""

import functools
import os
import platform
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Literal

from deltarule.errors import RunFailed
from deltarule.grading import launcher

USERS = range(61200, 64200)
"""Users that hardly any system gives to a person or a service; each thread that grades has one."""
Sandbox = Literal["required", "auto", "off"]
HELD, LIMITS = "no network, no files but its own (Landlock)", "limits"
"""How code is held in the sandbox and without it."""
OPEN = "could read and write files of this machine, such as the solution"
OPEN += ", and use the network" if sys.platform != "linux" else ""  # there the filter of system calls refuses it
"""What code can do that only limits hold."""


def has_sandbox(sandbox: Sandbox, *, is_required: bool = False) -> bool:
    """Whether submissions are isolated; raises `RunFailed` where they have to be.

    They have to be in a "required" sandbox, on Linux, which can have one, or if it `is_required` for other reasons.
    """
    reason = "" if sandbox == "off" else missing_sandbox()
    if reason and (is_required or sandbox == "required" or sys.platform == "linux"):
        needed = "use Linux 6.2 or newer, as root 5.13, with Landlock"
        raise RunFailed(f"there is no sandbox here ({reason}); {needed}; with --sandbox off submissions {OPEN}")
    return sandbox != "off" and not reason


@functools.cache
def missing_sandbox() -> str:
    """Why Python cannot import NumPy in a sandbox here; "" if it can."""
    if platform.system() != "Linux":
        return "only Linux has Landlock"
    with tempfile.TemporaryDirectory(prefix="deltarule-sandbox-") as name:
        words = confined("import numpy", Path(name), Path(name))
        done = subprocess.run(words, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)
    return [f"status {done.returncode}", *done.stderr.splitlines()][-1] if done.returncode else ""


def confined(code: str, folder: Path, root: Path, forbidden: Sequence[str] = ()) -> list[str]:
    """The words that start Python code in the sandbox.

    It reads the submission's `folder`, and writes into `root`, an empty one; `forbidden` modules are not there.
    """
    user = own_user()
    if sys.platform != "win32" and user:
        os.chown(root, user, user)
    paths = map(str, [*_python_files(tuple(forbidden)), folder])
    return [sys.executable, "-I", "-B", launcher.__file__, str(user), str(root), code, *paths]


def limited(code: str) -> list[str]:
    """The words that start Python code which only cannot reach other processes, on Linux."""
    is_linux = platform.system() == "Linux" and platform.machine() in launcher.CALLS
    return [sys.executable, "-I", "-B", *([launcher.__file__, "0", "/"] if is_linux else ["-c"]), code]


def own_user() -> int:
    """The user whom only this thread's submissions have, for root; else 0."""
    return USERS[threading.get_native_id() % len(USERS)] if sys.platform != "win32" and os.getuid() == 0 else 0


_LIBRARIES = [Path(sys.base_prefix, "lib"), *map(Path, ("/lib", "/lib64", "/usr/lib", "/usr/lib64", "/usr/local/lib"))]


@functools.cache
def _python_files(forbidden: tuple[str, ...]) -> list[Path]:
    """The paths of Python and its libraries but for forbidden modules."""
    packages = [Path(entry) for entry in sys.path if entry.endswith(("site-packages", "dist-packages"))]
    devices = [Path("/dev", name) for name in ("null", "zero", "random", "urandom")]
    paths = [*_LIBRARIES, Path(sys.prefix), Path(sys.base_prefix), *packages, Path("/etc/ld.so.cache"), *devices]
    hidden = set(module_paths(forbidden))
    above = {folder for path in hidden for folder in path.parents}

    def allowed(path: Path) -> Iterator[Path]:
        if path.resolve() in above:
            children = [one for one in path.iterdir() if not (one.is_symlink() and one.resolve() in above)]
            for child in children:
                yield from allowed(child)
        elif path.exists() and path.resolve() not in hidden:
            yield path

    return list(dict.fromkeys(one for path in paths for one in allowed(path)))


@functools.cache
def module_paths(names: tuple[str, ...]) -> list[Path]:
    """Where modules lie, in all folders of packages of this Python and the system's."""
    folders = {*map(Path, sys.path), *(path for library in _LIBRARIES for path in library.glob("python3*/*-packages"))}
    found = [path for folder in folders for name in names for path in (folder / name, *folder.glob(f"{name}.*"))]
    return sorted({path.resolve() for path in found if path.exists()})
