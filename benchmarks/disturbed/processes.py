"""Run commands in processes that are forked from this one, and mount disks for them."""

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

AMPLE_BYTES = 2**28


def start(folder: Path, words: tuple[str, ...], limit: int | None = None) -> int:
    """Start a command in a forked process, which has this one's modules already, and return its process id.

    Parameters: `limit`, the largest size of a file in bytes, or None.
    """
    process = os.fork()
    if process:
        return process
    status = 1
    try:
        os.chdir(folder)
        for stream, name in ((1, "told"), (2, "said")):
            os.dup2(os.open(folder / name, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o666), stream)
        signal.signal(signal.SIGINT, signal.default_int_handler)  # processes in the background may ignore it
        checkpoint.CHECKPOINT_INTERVAL_SECONDS = 0.05  # so that most are disturbed after a checkpoint
        if limit is not None:
            resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))
        sys.argv = ["deltarule", *words]
        try:
            main()
        except SystemExit as ended:
            status = int(ended.code or 0)
        except BaseException:
            sys.excepthook(*sys.exc_info())
        signal.signal(signal.SIGINT, signal.SIG_IGN)  # it has printed its last message
        util._exit_function()  # as at the end of any process: it releases the semaphores of workers
        sys.stderr.flush()
    finally:
        os._exit(status)


def exit_status(process: int) -> int:
    """Wait for a process, and return its exit status, or minus the number of the signal that ended it."""
    return os.waitstatus_to_exitcode(os.waitpid(process, 0)[1])


def is_running(process: int) -> bool:
    """Whether a process, for which nobody has waited yet, is still running."""
    return psutil.Process(process).status() != psutil.STATUS_ZOMBIE


def workers_of(process: int) -> list[psutil.Process]:
    """The worker processes (loky) of a sweep."""
    workers = []
    with suppress(psutil.NoSuchProcess):
        for child in psutil.Process(process).children(recursive=True):
            with suppress(psutil.Error):  # it may end meanwhile
                if "popen_loky" in " ".join(child.cmdline()):
                    workers.append(child)
    return workers


@contextmanager
def mounted(folder: Path, needs_disk: bool) -> Iterator[bool]:
    """Mount a resizable disk (tmpfs) at a folder for the block, if needed and allowed; yield whether it is mounted."""
    options = ["-t", "tmpfs", "-o", f"size={AMPLE_BYTES},mode=755", "tmpfs", str(folder)]
    is_mounted = needs_disk and subprocess.run(["mount", *options], capture_output=True, check=False).returncode == 0
    try:
        yield is_mounted
    finally:
        if is_mounted:
            subprocess.run(["umount", str(folder)], check=True)


def can_forbid_writing() -> bool:
    """Whether writing can be forbidden to this process; for root this needs a disk that can be mounted."""
    with tempfile.TemporaryDirectory() as folder, mounted(Path(folder), os.geteuid() == 0) as is_mounted:
        return is_mounted or os.geteuid() != 0


def set_disk(folder: Path, option: str) -> None:
    """Remount the disk of a folder with an option: "size=" in bytes, "ro" (read-only) or "rw" (writable)."""
    subprocess.run(["mount", "-o", f"remount,{option}", str(folder)], check=True)
