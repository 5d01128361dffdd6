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
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
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


@dataclass(frozen=True)
class Start:
    """The words that start Python code, and their environment.

    folder     where the code finds its submission
    hidden     paths of forbidden modules that it must not open, where no sandbox hides them
    container  the name of its container, or ""
    """

    words: list[str]
    environment: dict[str, str]
    folder: str
    hidden: tuple[str, ...] = ()
    container: str = ""


def start(
    isolation: str, code: str, folder: Path, root: Path, forbidden: tuple[str, ...] = (), memory_mb: float = 512.0
) -> Start:
    """How Python code starts that reads a submission's `folder`, and writes into `root`, an empty one."""
    is_contained = isolation not in ("", "landlock")
    home = CONTAINER_ROOT if is_contained else str(root)
    variables = dict.fromkeys(("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS"), "1")
    variables |= {"HOME": home, "TMPDIR": home, "MPLBACKEND": "agg", "USER": "nobody"}
    if is_contained:
        name = f"deltarule-{secrets.token_hex(8)}"
        words = _contained([isolation, "run", f"--name={name}"], folder, root, memory_mb, variables)
        hidden = tuple(f"{CONTAINER_PACKAGES}/{module}" for module in forbidden)
        return Start([*words, "python", "-I", "-B", "-c", code], dict(os.environ), CONTAINER_COPY, hidden, name)
    environment = variables | {name: os.environ[name] for name in ("SYSTEMROOT", "PATH") if name in os.environ}
    if isolation:
        return Start(_confined(code, folder, root, forbidden), environment, str(folder))
    return Start(_limited(code), environment, str(folder), tuple(map(str, module_paths(forbidden))))


def _contained(begin: list[str], folder: Path, root: Path, memory_mb: float, variables: Mapping[str, str]) -> list[str]:
    """The words up to the image of a container that reads the submission's folder and writes into `root`."""
    user: list[str] = []
    if sys.platform != "win32":
        numbers = os.getuid(), os.getgid()
        if numbers[0] == 0:
            numbers = NOBODY, NOBODY
            os.chown(root, *numbers)
        elif begin[0] == "podman":
            user = ["--userns=keep-id"]
        user.append(f"--user={numbers[0]}:{numbers[1]}")
    held = ["--network=none", "--read-only", "--cap-drop=ALL", "--security-opt=no-new-privileges"]
    limits = ["--pids-limit=64", f"--memory={memory_mb:.0f}m", "--cpus=1"]  # more needs more programs, as --init does
    folders = [f"--volume={folder}:{CONTAINER_COPY}:ro", f"--volume={root}:{CONTAINER_ROOT}"]
    environment = [f"--env={key}={value}" for key, value in variables.items()]
    return [*begin, "--rm", "--interactive", *held, *limits, *user, *folders, *environment, image_name()]


@functools.cache
def missing_sandbox(isolation: str = "landlock") -> str:
    """Why Python cannot import NumPy in a sandbox here; "" if it can."""
    if isolation == "landlock" and platform.system() != "Linux":
        return "only Linux has Landlock"
    with tempfile.TemporaryDirectory(prefix="deltarule-sandbox-") as name:
        begin = start(isolation, "import numpy", Path(name), Path(name))
        done = subprocess.run(
            begin.words, env=begin.environment, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False
        )
    return [f"status {done.returncode}", *done.stderr.splitlines()][-1] if done.returncode else ""


def _confined(code: str, folder: Path, root: Path, forbidden: Sequence[str] = ()) -> list[str]:
    """The words that start Python code in the sandbox.

    It reads the submission's `folder`, and writes into `root`, an empty one; `forbidden` modules are not there.
    """
    user = own_user()
    if sys.platform != "win32" and user:
        os.chown(root, user, user)
    paths = map(str, [*_python_files(tuple(forbidden)), folder])
    return [sys.executable, "-I", "-B", launcher.__file__, str(user), str(root), code, *paths]


def _limited(code: str) -> list[str]:
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
            children = [child for child in path.iterdir() if not (child.is_symlink() and child.resolve() in above)]
            for child in children:
                yield from allowed(child)
        elif path.exists() and path.resolve() not in hidden:
            yield path

    return list(dict.fromkeys(file for path in paths for file in allowed(path)))


@functools.cache
def module_paths(names: tuple[str, ...]) -> list[Path]:
    """Where modules lie, in all folders of packages of this Python and the system's."""
    folders = {*map(Path, sys.path), *(path for library in _LIBRARIES for path in library.glob("python3*/*-packages"))}
    paths = [path for folder in folders for name in names for path in (folder / name, *folder.glob(f"{name}.*"))]
    return sorted({path.resolve() for path in paths if path.exists()})
