"""The sandbox of a submission: own files, no network and no other processes.

On Linux it consists of Landlock's rules for files, and a filter of system calls; for root also of an unused user.
Elsewhere there is nothing but the limits that the worker sets itself.
"""

import functools
import os
import platform
import secrets
import shutil
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Literal

from deltarule.errors import RunFailed
from deltarule.grading import launcher

USERS = range(61200, 64200)
"""Users that hardly any system gives to a person or a service; each thread that grades has one."""
Sandbox = Literal["required", "auto", "off", "podman", "docker"]
HELD, LIMITS = "no network, no files but its own (Landlock)", "limits"
"""How code is held in the sandbox and without it."""
OPEN = "could read and write files of this machine, such as the solution"
OPEN += ", and use the network" if sys.platform != "linux" else ""  # there the filter of system calls refuses it
"""What code can do that only limits hold."""


def has_sandbox(sandbox: Sandbox, *, is_required: bool = False) -> str:
    """What isolates submissions, "landlock" or a container program, or ""; raises `RunFailed` where one has to.

    They have to be in a "required" sandbox, on Linux, which can have one, or if it `is_required` for other reasons.
    """
    if sandbox in ("podman", "docker"):
        _require_image(sandbox)
        if reason := missing_sandbox(sandbox):
            raise RunFailed(f"{sandbox} cannot run {image_name()}: {reason}; correct this, or leave --container out")
        return sandbox
    reason = "" if sandbox == "off" else missing_sandbox()
    if reason and (is_required or sandbox == "required" or sys.platform == "linux"):
        needed = "use Linux 6.2 or newer, as root 5.13, with Landlock"
        raise RunFailed(f"there is no sandbox here ({reason}); {needed}; with --sandbox off submissions {OPEN}")
    return "" if sandbox == "off" or reason else "landlock"


_PACKAGES = "numpy", "scipy", "matplotlib", "pandas"
NOBODY = 65534
CONTAINER_COPY, CONTAINER_ROOT = "/submission", "/scratch"
CONTAINER_PACKAGES = f"/usr/local/lib/python{sys.version_info.major}.{sys.version_info.minor}/site-packages"


def image_name() -> str:
    versions = f"{sys.version_info.major}.{sys.version_info.minor}-numpy{version('numpy')}"
    return f"deltarule-grade:python{versions}"


def _require_image(program: str) -> None:
    """Build the image of this Python's and NumPy's versions once."""
    if shutil.which(program) is None:
        raise RunFailed(f"there is no program {program} here; install it, or leave --container out")
    if subprocess.run([program, "image", "inspect", image_name()], capture_output=True, check=False).returncode == 0:
        return
    packages = " ".join(f"{name}=={version(name)}" for name in _PACKAGES)
    text = f"FROM python:{sys.version_info.major}.{sys.version_info.minor}-slim\nRUN pip install {packages}\n"
    with tempfile.TemporaryDirectory() as empty:
        words = [program, "build", "--tag", image_name(), "--file", "-", empty]
        built = subprocess.run(words, input=text, capture_output=True, text=True, check=False)
    if built.returncode:
        reason = [f"status {built.returncode}", *built.stderr.strip().splitlines()][-1]
        raise RunFailed(f"{program} cannot build the image {image_name()}: {reason}; see whether {program} runs")


def contained(program: str, name: str, code: str, folder: Path, root: Path, memory_mb: float) -> list[str]:
    """The words that start Python code in a container, which reads the submission's folder and writes into `root`."""
    user: list[str] = []
    if sys.platform != "win32":
        numbers = os.getuid(), os.getgid()
        if numbers[0] == 0:
            numbers = NOBODY, NOBODY
            os.chown(root, *numbers)
        elif program == "podman":
            user = ["--userns=keep-id"]
        user.append(f"--user={numbers[0]}:{numbers[1]}")
    held = ["--network=none", "--read-only", "--cap-drop=ALL", "--security-opt=no-new-privileges"]
    limits = ["--pids-limit=64", f"--memory={memory_mb:.0f}m", "--cpus=1"]  # more needs more programs, as --init does
    folders = [f"--volume={folder}:{CONTAINER_COPY}:ro", f"--volume={root}:{CONTAINER_ROOT}"]
    own = {"HOME": CONTAINER_ROOT, "TMPDIR": CONTAINER_ROOT, "OPENBLAS_NUM_THREADS": "1", "MPLBACKEND": "agg"}
    environment = [f"--env={key}={value}" for key, value in own.items()]
    words = [program, "run", "--rm", "--interactive", f"--name={name}", *held, *limits, *user, *folders, *environment]
    return [*words, image_name(), "python", "-I", "-B", "-c", code]


@functools.cache
def missing_sandbox(isolation: str = "landlock") -> str:
    """Why Python cannot import NumPy in a sandbox here; "" if it can."""
    if isolation == "landlock" and platform.system() != "Linux":
        return "only Linux has Landlock"
    with tempfile.TemporaryDirectory(prefix="deltarule-sandbox-") as name:
        code, folder = "import numpy", Path(name)
        trial = f"deltarule-{secrets.token_hex(8)}"
        is_landlock = isolation == "landlock"
        words = (
            confined(code, folder, folder) if is_landlock else contained(isolation, trial, code, folder, folder, 512)
        )
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
