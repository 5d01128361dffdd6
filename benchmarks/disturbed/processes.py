"""Commands as processes, forked from this one, and disks of their own."""

import os
import resource
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from multiprocessing import util
from pathlib import Path

import psutil

from deltarule.cli import main
from deltarule.training import checkpoint

ROOMY = 2**28


def start(folder: Path, words: tuple[str, ...], limit: int | None = None) -> int:
    """A command in a process of its own, which has all of this one's modules already; gives its number."""
    process = os.fork()
    if process:
        return process
    status = 1
    try:
        os.chdir(folder)
        for stream, name in ((1, "told"), (2, "said")):
            os.dup2(os.open(folder / name, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o666), stream)
        signal.signal(signal.SIGINT, signal.default_int_handler)  # what runs in the background may ignore it
        checkpoint.CHECKPOINT_INTERVAL_SECONDS = 0.05  # so that most are disturbed with a checkpoint behind them
        if limit is not None:
            resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))
        sys.argv = ["deltarule", *words]
        try:
            main()
        except SystemExit as ended:
            status = int(ended.code or 0)
        except BaseException:
            sys.excepthook(*sys.exc_info())
        signal.signal(signal.SIGINT, signal.SIG_IGN)  # it has said its last word
        util._exit_function()  # as at the end of any process: it gives back the semaphores of workers
        sys.stderr.flush()
    finally:
        os._exit(status)


def ended(process: int) -> int:
    """The status of a process when it ends; a signal counts as minus its number."""
    return os.waitstatus_to_exitcode(os.waitpid(process, 0)[1])


def is_running(process: int) -> bool:
    """Whether a process has not ended; one that has, waits for `ended`."""
    return psutil.Process(process).status() != psutil.STATUS_ZOMBIE


def workers_of(process: int) -> list[psutil.Process]:
    """The processes that a sweep has started to do work."""
    found = []
    with suppress(psutil.NoSuchProcess):
        for one in psutil.Process(process).children(recursive=True):
            with suppress(psutil.Error):  # it may end while it is looked at
                if "popen_loky" in " ".join(one.cmdline()):
                    found.append(one)
    return found


@contextmanager
def mounted(folder: Path, wanted: bool) -> Iterator[bool]:
    """A disk of its own for a folder, whose size can be changed, where it may be mounted; gives whether it is."""
    options = ["-t", "tmpfs", "-o", f"size={ROOMY},mode=755", "tmpfs", str(folder)]
    is_mounted = wanted and subprocess.run(["mount", *options], capture_output=True, check=False).returncode == 0
    try:
        yield is_mounted
    finally:
        if is_mounted:
            subprocess.run(["umount", str(folder)], check=True)


def can_forbid() -> bool:
    """Whether this process can be kept from writing: root is by a disk alone, which may have to be mounted."""
    with tempfile.TemporaryDirectory() as folder, mounted(Path(folder), os.geteuid() == 0) as is_mounted:
        return is_mounted or os.geteuid() != 0


def set_disk(folder: Path, option: str) -> None:
    """Change the disk of a folder: its size, in bytes; "ro" to be read only, "rw" to be written, too."""
    subprocess.run(["mount", "-o", f"remount,{option}", str(folder)], check=True)
