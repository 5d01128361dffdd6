"""The sandbox of a submission: own files, no network and no other processes.

`find_road` finds what this system allows, and `Road.command` starts a command in it. The first road that works is
taken:

bubblewrap   for an ordinary user with `bwrap`, which may make namespaces where others may not
namespaces   our own, of users too or, for root, with an unused user for the submission
user         for root without namespaces, as in most containers: an unused user, whose processes all end
limits       nothing but the limits that the worker sets itself
"""

import functools
import itertools
import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from deltarule.errors import RunFailed
from deltarule.grading import namespaces

USERS = range(61200, 64200)
"""Users that hardly any system gives to a person or a service; concurrent submissions have different ones."""
_NUMBERS = itertools.count(os.getpid())
Sandbox = Literal["required", "auto", "off"]
ROADS = {
    "bubblewrap": ("no network, no files but its own (bubblewrap)", ""),
    "namespaces": ("no network, no files but its own (namespaces)", ""),
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
        """Whether a submission sees no file but its own and Python's, and no network."""
        return self.name in ("bubblewrap", "namespaces")

    def command(self, code: str, folder: Path, root: Path) -> list[str]:
        """The words that start Python code in the sandbox.

        As root the submission's `folder` is given to its user, for reading. In `root`, an empty folder of the grader's,
        the new file system is built.
        """
        python = [sys.executable, "-I", "-B"]
        if self.name == "limits":
            return [*python, "-c", code]
        paths = [str(one) for one in dict.fromkeys([*_python_files(), folder])]
        if self.name == "bubblewrap":
            words = ["bwrap", "--unshare-all", "--die-with-parent", "--as-pid-1", "--cap-drop", "ALL"]
            words += ["--uid", "65534", "--gid", "65534", "--size", str(2**26), "--tmpfs", "/tmp"]
            for name in paths:
                words += ["--dev-bind" if name.startswith("/dev/") else "--ro-bind", name, name]
            source = Path(namespaces.__file__).read_text(encoding="utf-8")
            return [*words, "--remount-ro", "/", "--", *python, "-c", source, json.dumps([self.name, 0, "", [], code])]
        user = 0
        if sys.platform != "win32" and os.getuid() == 0:
            user = USERS[next(_NUMBERS) % len(USERS)]
            for path in (folder, *folder.rglob("*")):
                os.chown(path, 0, user)
                path.chmod(0o750 if path.is_dir() else 0o640)
        return [*python, namespaces.__file__, json.dumps([self.name, user, str(root), paths, code])]


@functools.cache
def find_road() -> Road:
    """The first road on which Python can import NumPy here."""
    reason = "only Linux has namespaces"
    if sys.platform == "linux":
        as_user = ["bubblewrap", "namespaces"] if shutil.which("bwrap") else ["namespaces"]
        reason = ""
        for name in ["namespaces", "user"] if os.getuid() == 0 else as_user:
            problem = _try_road(Road(name), "import numpy")
            if not problem:
                return Road(name, reason)
            reason = reason or problem
    return Road("limits", reason)


def choose_road(sandbox: Sandbox) -> Road:
    """How submissions are isolated; raises `RunFailed` without a "required" sandbox."""
    road = Road("limits") if sandbox == "off" else find_road()
    if sandbox == "required" and not road.has_namespaces:
        raise RunFailed(
            f"there is no sandbox here ({road.reason}); install bubblewrap or allow namespaces, or give --sandbox auto"
        )
    return road


def require_unreachable(road: Road, files: Sequence[Path], results: Path) -> None:
    """Raise `RunFailed` if a submission could read the solution or write results."""
    folders = results.resolve().parent, files[0].parent
    asked = [(str(folders[0]), os.W_OK), *((str(path), os.R_OK) for path in files)]
    code = f"import os, sys; sys.exit(any(os.access(*one) for one in {asked}))"
    if road.name == "limits" or _try_road(road, code):
        raise RunFailed(
            f"the submission could read the solution or write the results, without a sandbox ({road.reason}); grade as "
            f"root after 'chmod -R go= {folders[0]} {folders[1]}', or allow namespaces, or give --sandbox off"
        )


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


@functools.cache
def _python_files() -> list[Path]:
    """Python, its libraries, those of the system, and a few devices."""
    paths = [Path(sys.base_prefix, "lib"), *map(Path, ("/lib", "/lib64", "/usr/lib", "/usr/lib64", "/usr/local/lib"))]
    paths += [Path(entry) for entry in sys.path if entry.endswith(("site-packages", "dist-packages"))]
    program = Path(sys.executable)
    paths += [Path(sys.prefix, "pyvenv.cfg"), program.parent, Path("/etc/ld.so.cache")]
    while program.is_symlink():  # the links from one Python to another
        program = Path(os.path.normpath(program.parent / program.readlink()))
        paths += [program] if program.parent not in paths else []
    paths += [Path("/dev", name) for name in ("null", "zero", "random", "urandom")]
    return [path for path in paths if path.exists()]
