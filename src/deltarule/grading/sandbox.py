"""The sandbox of a submission: own files, no network and no other processes.

`find_road` finds what this system allows, and `Road.command` starts a command in it:

landlock  Linux's rules for files, and a filter of system calls; for root also an unused user for the submission
limits    nothing but the limits that the worker sets itself
"""

import functools
import os
import platform
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from deltarule.errors import RunFailed
from deltarule.grading import launcher

USERS = range(61200, 64200)
"""Users that hardly any system gives to a person or a service; each process that grades has one."""
Sandbox = Literal["required", "auto", "off"]
HELD = {"landlock": "no network, no files but its own (Landlock)", "limits": "limits"}
"""How code is held, by the name of the road."""
OPEN = "could read and write files of this machine, such as the solution, and use the network"
"""What code can do that only limits hold."""


@dataclass(frozen=True)
class Road:
    """A way to isolate submissions; `reason` says why there is no better one."""

    name: str
    reason: str = ""

    @property
    def is_closed(self) -> bool:
        """Whether a submission reads no file but its own and Python's, and has no network."""
        return self.name == "landlock"

    def command(self, code: str, folder: Path, root: Path, forbidden: Sequence[str] = ()) -> list[str]:
        """The words that start Python code in the sandbox.

        As root the submission's `folder` is given to its user, for reading; `root` is an empty folder for what it
        writes. `forbidden` modules are not there.
        """
        python = [sys.executable, "-I", "-B"]
        if platform.system() != "Linux":
            return [*python, "-c", code]
        user = 0
        if sys.platform != "win32" and os.getuid() == 0 and self.name != "limits":
            user = USERS[os.getpid() % len(USERS)]
            for path in (folder, *folder.rglob("*")):
                os.chown(path, 0, user)
                path.chmod(0o750 if path.is_dir() else 0o640)
            os.chown(root, user, user)
        paths = map(str, [*_python_files(tuple(forbidden)), folder])
        return [*python, launcher.__file__, self.name, str(user), str(root), code, *paths]


@functools.cache
def find_road() -> Road:
    """The first road on which Python can import NumPy here."""
    if platform.system() != "Linux":
        return Road("limits", "only Linux has Landlock")
    with tempfile.TemporaryDirectory(prefix="deltarule-sandbox-") as parent:
        folder, root = Path(parent, "folder"), Path(parent, "root")
        folder.mkdir()
        root.mkdir()
        Path(parent).chmod(0o711)
        words = Road("landlock").command("import numpy", folder, root)
        done = subprocess.run(words, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)
    if done.returncode:
        return Road("limits", [f"status {done.returncode}", *done.stderr.splitlines()][-1])
    return Road("landlock")


def choose_road(sandbox: Sandbox, *, is_required: bool = False) -> Road:
    """How submissions are isolated; raises `RunFailed` where that is not enough.

    That is: without a "required" sandbox, on Linux, which can have one, or if it `is_required` for other reasons.
    """
    road = Road("limits") if sandbox == "off" else find_road()
    is_required = is_required or sandbox == "required" or sys.platform == "linux"
    if sandbox != "off" and is_required and not road.is_closed:
        raise RunFailed(
            f"there is no sandbox here ({road.reason}); use Linux 6.2 or newer, as root 5.13, with Landlock; with "
            f"--sandbox off submissions {OPEN}"
        )
    return road


_LIBRARIES = [Path(sys.base_prefix, "lib"), *map(Path, ("/lib", "/lib64", "/usr/lib", "/usr/lib64", "/usr/local/lib"))]


@functools.cache
def _python_files(forbidden: tuple[str, ...]) -> list[Path]:
    """The paths of Python and its libraries but for forbidden modules."""
    paths = [*_LIBRARIES, *(Path(entry) for entry in sys.path if entry.endswith(("site-packages", "dist-packages")))]
    program = Path(sys.executable)
    paths += [Path(sys.prefix, "pyvenv.cfg"), program.parent, Path("/etc/ld.so.cache")]
    while program.is_symlink():  # the links from one Python to another
        program = Path(os.path.normpath(program.parent / program.readlink()))
        paths += [program] if program.parent not in paths else []
    paths += [Path("/dev", name) for name in ("null", "zero", "random", "urandom")]
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
