"""The sandbox of a submission: own files, no network and no other processes.

`find_road` finds what this system allows, and `Road.command` starts a command in it. The first road that works is
taken:

bubblewrap   for an ordinary user with `bwrap`, which may make namespaces where others may not
namespaces   our own, of users too or, for root, with an unused user for the submission
landlock     rules for files and signals, and a filter of system calls; for root with an unused user
user         for root without these, as in some containers: an unused user, whose processes all end
limits       nothing but the limits that the worker sets itself
"""

import functools
import os
import platform
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from deltarule.errors import RunFailed
from deltarule.grading import namespaces

USERS = range(61200, 64200)
"""Users that hardly any system gives to a person or a service; each process that grades has one."""
Sandbox = Literal["required", "auto", "off"]
ROADS = {
    "bubblewrap": ("no network, no files but its own (bubblewrap)", ""),
    "namespaces": ("no network, no files but its own (namespaces)", ""),
    "landlock": ("no network, no files but its own (Landlock)", ""),
    "user": ("another user, limits", "could read what all users of this machine can, and use the network"),
    "limits": ("limits", "could read and write files of this machine, such as the solution, and use the network"),
}
"""How code is held, and what it can do that it should not, by the name of the road."""


@dataclass(frozen=True)
class Road:
    """A way to isolate submissions; `reason` says why there are no namespaces."""

    name: str
    reason: str = ""

    @property
    def has_namespaces(self) -> bool:
        return self.name in ("bubblewrap", "namespaces")

    @property
    def is_closed(self) -> bool:
        """Whether a submission reads no file but its own and Python's, and has no network."""
        return not ROADS[self.name][1]

    def command(self, code: str, folder: Path, root: Path, forbidden: Sequence[str] = ()) -> list[str]:
        """The words that start Python code in the sandbox.

        As root the submission's `folder` is given to its user, for reading. In `root`, an empty folder of the grader's,
        the new file system is built, or the submission writes its files. `forbidden` modules are not there.
        """
        python = [sys.executable, "-I", "-B"]
        if platform.system() != "Linux":
            return [*python, "-c", code]
        paths = [str(path) for path in [*_python_files(tuple(forbidden)), folder]]
        if self.name == "bubblewrap":
            words = ["bwrap", "--unshare-all", "--die-with-parent", "--as-pid-1", "--cap-drop", "ALL"]
            words += ["--uid", "65534", "--gid", "65534", "--size", str(2**26), "--tmpfs", "/tmp"]
            for name in paths:
                words += ["--dev-bind" if name.startswith("/dev/") else "--ro-bind", name, name]
            source = Path(namespaces.__file__).read_text(encoding="utf-8")
            return [*words, "--remount-ro", "/", "--", *python, "-c", source, self.name, "0", "", code]
        user = 0
        if sys.platform != "win32" and os.getuid() == 0 and self.name != "limits":
            user = USERS[os.getpid() % len(USERS)]
            for path in (folder, *folder.rglob("*")):
                os.chown(path, 0, user)
                path.chmod(0o750 if path.is_dir() else 0o640)
            if not self.has_namespaces:
                os.chown(root, user, user)
        return [*python, namespaces.__file__, self.name, str(user), str(root), code, *paths]


@functools.cache
def find_road() -> Road:
    """The first road on which Python can import NumPy here."""
    reason = "only Linux has namespaces"
    if sys.platform == "linux":
        as_user = ["bubblewrap", "namespaces"] if shutil.which("bwrap") else ["namespaces"]
        reason = ""
        for name in ["namespaces", "landlock", "user"] if os.getuid() == 0 else [*as_user, "landlock"]:
            problem = _try_road(Road(name), "import numpy")
            if not problem:
                return Road(name, reason)
            reason = reason or problem
    return Road("limits", reason)


def choose_road(sandbox: Sandbox, files: Sequence[Path] = (), results: Path | None = None) -> Road:
    """How submissions are isolated; raises `RunFailed` where that is not enough.

    That is: without a "required" sandbox; on Linux, which can have one; and if a single submission, with its `results`,
    could read the solution's `files` or write the results.
    """
    road = Road("limits") if sandbox == "off" else find_road()
    if sandbox == "off" or (road.is_closed and results is None):
        return road
    if results is not None and (road.name == "limits" or _can_reach(road, files, results)):
        folders = results.resolve().parent, files[0].parent
        raise RunFailed(
            f"the submission could read the solution or write the results, without a sandbox ({road.reason}); grade as "
            f"root after 'chmod -R go= {folders[0]} {folders[1]}', or allow namespaces, or give --sandbox off"
        )
    if sandbox == "required" or (results is None and sys.platform == "linux"):
        raise RunFailed(
            f"there is no sandbox here ({road.reason}); install bubblewrap, allow user namespaces, or use Linux 6.12 "
            f"with Landlock; with --sandbox off submissions {ROADS['limits'][1]}"
        )
    return road


def _can_reach(road: Road, files: Sequence[Path], results: Path) -> bool:
    new = results.resolve().parent / f"reached-{os.getpid()}"
    opened = [f"open({str(path)!r}, {mode!r})" for path, mode in [(new, "x"), *((path, "r") for path in files)]]
    code = "".join(f"try:\n    {one}\nexcept OSError:\n    pass\nelse:\n    raise SystemExit(1)\n" for one in opened)
    try:
        return bool(_try_road(road, code))
    finally:
        new.unlink(missing_ok=True)


def _try_road(road: Road, code: str) -> str:
    """Why code fails in a sandbox, or ""."""
    with tempfile.TemporaryDirectory(prefix="deltarule-sandbox-") as name:
        folder, root = Path(name, "folder"), Path(name, "root")
        folder.mkdir()
        root.mkdir()
        Path(name).chmod(0o711)
        words = road.command(code, folder, root)
        done = subprocess.run(words, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)
    lines = done.stderr.splitlines() or [f"status {done.returncode}"]
    return lines[-1] if done.returncode else ""


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
