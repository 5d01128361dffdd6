"""Functions that differ by operating system: files, folders, drives, signals, threads, forks; tests simulate others."""

import ntpath
import os
import re
import signal
import stat
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from functools import cache
from pathlib import Path, PurePath
from types import FrameType
from typing import Any
from urllib.parse import quote

WINDOWS = os.name == "nt"

RETRY_SECONDS = (0.01, 0.02, 0.05, 0.1, 0.2, 0.5)
"""Seconds between attempts to replace a file that another program has open."""

CACHE_VARIABLE = "WIN_PD_OVERRIDE_LOCAL_APPDATA" if WINDOWS else "XDG_CACHE_HOME"
"""The environment variable that moves the user's cache folder, as platformdirs reads it."""

MAX_PATH_CHARACTERS = 200
"""Longer paths of folders are passed to Windows in another form: it allows 259 characters, a file's name included."""

# Names of Windows devices with any ending, characters that no name may have, and endings that Windows drops.
INVALID_WINDOWS_NAME = re.compile(
    r"""(con|conin\$|conout\$|prn|aux|nul|(com|lpt)[0-9¹²³])( *\..*)?|.*[<>:"|?*\0-\x1f].*|.*[. ]""",
    re.IGNORECASE | re.DOTALL,
)

# Names that Linux and macOS have for network file systems.
REMOTE_FILE_SYSTEM = re.compile(
    r"nfs\d?|cifs|smb\w*|9p|afs|afpfs|webdav|ceph|lustre|gpfs|beegfs|glusterfs|fuse\.(sshfs|glusterfs)"
)


def replace(part: Path, path: Path) -> None:
    """Replace the file at `path` by `part`, its new version, in one step.

    Windows refuses this while another program has the file open, as virus scanners and indexers do for moments, so
    there it is tried again for a second.
    Errors: `OSError` of the system.
    """
    for seconds in RETRY_SECONDS if WINDOWS else ():
        try:
            os.replace(part, path)
        except PermissionError:
            time.sleep(seconds)
        else:
            return
    os.replace(part, path)


def may_replace(path: Path) -> bool:
    """Whether this process may replace a file in a writable folder: in a sticky one (/tmp) only root and owners may."""
    if not hasattr(os, "geteuid"):  # Windows
        return True
    folder = path.parent.stat()
    return not folder.st_mode & stat.S_ISVTX or os.geteuid() in (0, folder.st_uid, path.stat().st_uid)


def keep_permissions(part: Path, old: os.stat_result) -> None:
    """Give a file the owner, group and permissions of the `old` one that it will replace, as far as the system allows.

    Only root can change the owner. If the group cannot be kept, the file's new group gets only the permissions that
    everybody has.
    Errors: `OSError` of a disk without permissions.
    """
    mode = old.st_mode & 0o777
    if not hasattr(os, "chown"):  # Windows
        part.chmod(mode)
        return
    with suppress(OSError):
        os.chown(part, -1, old.st_gid)
    if part.stat().st_gid != old.st_gid:
        mode &= 0o707 | (mode & 0o007) << 3
    part.chmod(mode)
    with suppress(OSError):  # last: afterwards the file may belong to another user
        os.chown(part, old.st_uid, -1)


def full_length(path: Path) -> Path:
    r"""The path in a form that may have any length: on Windows long ones must be absolute and begin with \\?\."""
    return Path(_without_limit(str(path))) if WINDOWS else path


def _without_limit(path: str) -> str:
    r"""A Windows path, in the form without a length limit if it is long.

    >>> print(_without_limit("C:\\results"), _without_limit("C:\\results\\" + "a" * 200)[:20])
    C:\results \\?\C:\results\aaaaa
    """
    whole = ntpath.abspath(path)
    if len(whole) <= MAX_PATH_CHARACTERS or whole.startswith("\\\\?\\"):
        return path
    return f"\\\\?\\UNC{whole[1:]}" if whole.startswith("\\\\") else f"\\\\?\\{whole}"


def is_valid_name(path: PurePath) -> bool:
    """Whether the system allows the names of a file and its folders."""
    parts = path.relative_to(path.anchor).parts
    return not (WINDOWS and any(INVALID_WINDOWS_NAME.fullmatch(part) for part in parts if part != ".."))


def cache_folder() -> Path:
    """The user's cache folder for deltarule; on Windows without platformdirs' extra level for the author.

    Errors: `RuntimeError` if the user's home folder is unknown.

    >>> "deltarule" in cache_folder().parts
    True
    """
    from platformdirs import user_cache_path

    return user_cache_path("deltarule", appauthor=False)


def has_plain_files(folder: PurePath) -> bool:
    """Whether a folder (absolute, links resolved) holds ordinary files: /dev and /proc hold devices and open files.

    >>> [has_plain_files(PurePath(folder)) for folder in ("/home/me", "/dev/shm/me", "/dev", "/proc/7/fd")]
    [True, True, False, False]
    """
    return folder.is_relative_to("/dev/shm") or not any(map(folder.is_relative_to, ("/dev", "/proc")))


def sqlite_address(file: PurePath, mode: str) -> str:
    """The URI by which SQLite opens a file; percent-encoded, because SQLite takes no URI with a host name.

    Parameters: `file`, absolute; `mode`, of SQLite: "ro" to read, "rw" to write, "rwc" to write or create.
    """
    return f"file:{quote(str(file), safe='')}?mode={mode}"


def is_remote(folder: Path) -> bool:
    """Whether a folder is on a network drive, where SQLite's readers and writer cannot share memory."""
    if WINDOWS:
        return _is_remote_drive(ntpath.splitdrive(str(folder.absolute()))[0])
    mounts = ""
    if sys.platform == "darwin":
        mount = ["/sbin/mount"]
        mounts = subprocess.run(mount, capture_output=True, encoding="utf-8", errors="replace", check=False).stdout
    else:
        with suppress(OSError):
            mounts = Path("/proc/self/mounts").read_text(encoding="utf-8", errors="replace")
    return _is_remote_mount(mounts, folder.resolve())


def _is_remote_drive(drive: str) -> bool:
    r"""Whether a Windows drive is a network share, by its name (\\server\share) or by a letter."""
    plain = drive.removeprefix("\\\\?\\")
    if plain.startswith(("\\\\", "UNC\\")):
        return True
    import ctypes

    kernel = getattr(ctypes, "windll").kernel32  # noqa: B009 (its types are known on Windows alone)
    return bool(kernel.GetDriveTypeW(f"{plain}\\") == 4)  # DRIVE_REMOTE_FILE_SYSTEM


def _is_remote_mount(mounts: str, folder: PurePath) -> bool:
    """Whether the innermost mount that contains a folder is a network file system.

    Parameters: `mounts`, what Linux has in /proc/self/mounts, or what `mount` prints on macOS.

    >>> mounts = "/dev/sda1 / ext4 rw 0 0\\nserver:/a /mnt/my\\\\040disk nfs4 rw 0 0\\n"
    >>> _is_remote_mount(mounts, PurePath("/mnt/my disk/out")), _is_remote_mount(mounts, PurePath("/mnt"))
    (True, False)
    """
    innermost, file_system = "", ""
    for line in mounts.splitlines():
        of_macos = re.fullmatch(r".* on (/.*) \((\w+)[,)].*", line)
        if of_macos:
            mount_point, type_of_mount = of_macos.groups()
        else:
            words = line.split()
            if len(words) < 3:
                continue
            mount_point = re.sub(r"\\([0-7]{3})", lambda octal: chr(int(octal[1], 8)), words[1])
            type_of_mount = words[2]
        if folder.is_relative_to(mount_point) and len(mount_point) >= len(innermost):
            innermost, file_system = mount_point, type_of_mount
    return REMOTE_FILE_SYSTEM.fullmatch(file_system) is not None


@contextmanager
def termination_as_ctrl_c() -> Iterator[None]:
    """Handle termination signals (`kill`, a scheduler, a closed terminal, Ctrl-Break) like Ctrl-C in a `with` block.

    Signals that were ignored when the program started, as under `nohup`, stay ignored.
    """

    def handle_as_ctrl_c(number: int, frame: FrameType | None) -> None:
        """Call the handler of Ctrl-C, or raise KeyboardInterrupt if there is none."""
        ctrl_c = signal.getsignal(signal.SIGINT)
        if not callable(ctrl_c):  # ignored, as by a shell for background jobs
            raise KeyboardInterrupt
        ctrl_c(signal.SIGINT, frame)

    if threading.current_thread() is not threading.main_thread():
        yield  # only the main thread receives signals
        return
    previous = {
        number: signal.signal(number, handle_as_ctrl_c)
        for number in _termination_signals()
        if signal.getsignal(number) == signal.SIG_DFL
    }
    try:
        yield
    finally:
        for number, handler in previous.items():
            if signal.getsignal(number) == handle_as_ctrl_c:  # not after `ignore_termination`
                signal.signal(number, handler)


def ignore_termination() -> None:
    """Ignore Ctrl-C and termination signals from now on, because the process is about to end anyway."""
    if threading.current_thread() is threading.main_thread():
        for number in (signal.SIGINT, *_termination_signals()):
            signal.signal(number, signal.SIG_IGN)


def _termination_signals() -> list[signal.Signals]:
    """The termination signals of this system, without Ctrl-C."""
    return [getattr(signal, name) for name in ("SIGTERM", "SIGHUP", "SIGBREAK") if hasattr(signal, name)]


def processor_count() -> int:
    """The number of processors that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def thread_pool(count: int, purpose: str) -> ThreadPoolExecutor:
    """The pool of `count` threads of this process for one purpose, created on first use.

    Every pool of the library comes from here. Work that waits for other work needs its own purpose: in one pool
    both could wait forever.
    """
    return _thread_pool_of(count, purpose, os.getpid())


@cache
def _thread_pool_of(count: int, purpose: str, process_id: int) -> ThreadPoolExecutor:
    """Create one pool per process, because a forked process has none of its parent's threads."""
    return ThreadPoolExecutor(count, thread_name_prefix=f"deltarule-{purpose}")


def exit_with_parent(parent_id: int) -> None:
    """Start a thread that ends this process within a second of the end of its parent, however the parent ended.

    Parameters: `parent_id`, the process number of the parent.
    """
    threading.Thread(target=_exit_after, args=(parent_id,), daemon=True).start()


def _exit_after(parent_id: int) -> None:
    """Wait until the parent process has ended, then end this process at once with status 1."""
    if WINDOWS:  # where getppid still gives the number of an ended parent
        from multiprocessing import parent_process

        started_by = parent_process()
        if started_by is not None:
            started_by.join()
            os._exit(1)
        return
    while os.getppid() == parent_id:
        time.sleep(0.5)
    os._exit(1)


def hold_lock_across_fork(lock: Any, in_child: Callable[[], None] | None = None) -> None:
    """From now on hold a lock during every fork, so that the child sees no half-finished change of what it guards.

    Only the thread that forks lives on in the child.

    Parameters: `lock`, an RLock that is held for moments; `in_child`, called in the child while the lock is held.
    """

    def release_in_child() -> None:
        if in_child is not None:
            in_child()
        lock.release()

    if hasattr(os, "register_at_fork"):  # not on Windows, which has no forks
        os.register_at_fork(before=lock.acquire, after_in_parent=lock.release, after_in_child=release_in_child)


class ForkSafeLock:
    """A re-entrant lock that is free in a forked process, even if another thread of the parent held it.

    A fork does not wait for the lock, however long it is held, so what it guards may be half done in the child. Use
    `with lock.current:`: Python acquires and releases that lock in C, where Ctrl-C cannot come in between.
    """

    def __init__(self) -> None:
        self.current = threading.RLock()
        if hasattr(os, "register_at_fork"):  # not on Windows, which has no forks
            os.register_at_fork(after_in_child=self._replace_if_held_elsewhere)

    def _replace_if_held_elsewhere(self) -> None:
        """In a forked process, replace the lock if a thread of the parent held it."""
        if self.current.acquire(blocking=False):
            self.current.release()
        else:  # its owner is a thread that the child does not have
            self.current = threading.RLock()
