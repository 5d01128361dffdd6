"""What Linux, macOS and Windows do differently: each difference behind one function, which tests can call for another
system than theirs."""

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

WAITS = (0.01, 0.02, 0.05, 0.1, 0.2, 0.5)
"""Seconds between attempts to replace a file that somebody has open."""

CACHES = "WIN_PD_OVERRIDE_LOCAL_APPDATA" if WINDOWS else "XDG_CACHE_HOME"
"""The variable that names another folder for what programs keep of a user, as platformdirs reads it."""

LONGEST = 200
"""Characters of a path that Windows takes as it is, with room for the names of files in a folder (it allows 259)."""

# What Windows has for devices, whatever ends the name; what it takes in no name; and what it drops from the end of one.
NO_NAME = re.compile(
    r"""(con|conin\$|conout\$|prn|aux|nul|(com|lpt)[0-9¹²³])( *\..*)?|.*[<>:"|?*\0-\x1f].*|.*[. ]""",
    re.IGNORECASE | re.DOTALL,
)

# Network file systems by the names that Linux and macOS have for them.
REMOTE = re.compile(r"nfs\d?|cifs|smb\w*|9p|afs|afpfs|webdav|ceph|lustre|gpfs|beegfs|glusterfs|fuse\.(sshfs|glusterfs)")


def replace(part: Path, path: Path) -> None:
    """Put a file in the place of another one, in one step.

    Windows refuses this as long as anybody has the other one open, and virus scanners and indexers do so for moments:
    there it is tried again for a second.
    Errors: `OSError` of the system.
    """
    for seconds in WAITS if WINDOWS else ():
        try:
            os.replace(part, path)
        except PermissionError:
            time.sleep(seconds)
        else:
            return
    os.replace(part, path)


def may_replace(path: Path) -> bool:
    """Whether who may write in its folder may replace a file: in a sticky one (/tmp) only root and the owners of either
    may."""
    if not hasattr(os, "geteuid"):  # Windows
        return True
    folder = path.parent.stat()
    return not folder.st_mode & stat.S_ISVTX or os.geteuid() in (0, folder.st_uid, path.stat().st_uid)


def keep_permissions(part: Path, before: os.stat_result) -> None:
    """Give a file the owner, group and permissions of the one that it is to replace, as far as the system allows.

    Only root gives files away. What a group was allowed that cannot be kept is for no other group, which gets no more
    of it than everybody has.
    Errors: `OSError` of a disk that knows no permissions.
    """
    mode = before.st_mode & 0o777
    if not hasattr(os, "chown"):  # Windows
        part.chmod(mode)
        return
    with suppress(OSError):
        os.chown(part, -1, before.st_gid)
    if part.stat().st_gid != before.st_gid:
        mode &= 0o707 | (mode & 0o007) << 3
    part.chmod(mode)
    with suppress(OSError):  # last: then the file may be another's, whose permissions are not ours to change
        os.chown(part, before.st_uid, -1)


def full_length(path: Path) -> Path:
    r"""A path that the system takes however long it is: on Windows long ones must be absolute, and begin with \\?\."""
    return Path(_without_limit(str(path))) if WINDOWS else path


def _without_limit(path: str) -> str:
    r"""A path of Windows, where it is long in the form that has no limit.

    >>> print(_without_limit("C:\\results"), _without_limit("C:\\results\\" + "a" * 200)[:20])
    C:\results \\?\C:\results\aaaaa
    """
    whole = ntpath.abspath(path)
    if len(whole) <= LONGEST or whole.startswith("\\\\?\\"):
        return path
    return f"\\\\?\\UNC{whole[1:]}" if whole.startswith("\\\\") else f"\\\\?\\{whole}"


def can_be_named(path: PurePath) -> bool:
    """Whether the system can have a file or a folder of this name, in folders of theirs."""
    parts = path.relative_to(path.anchor).parts
    return not (WINDOWS and any(NO_NAME.fullmatch(part) for part in parts if part != ".."))


def cache_folder() -> Path:
    """The folder for what programs keep of this user; on Windows without the one above it that platformdirs has for
    the program's maker.

    Errors: `RuntimeError` where nobody knows the user's home.

    >>> "deltarule" in cache_folder().parts
    True
    """
    from platformdirs import user_cache_path

    return user_cache_path("deltarule", appauthor=False)


def has_plain_files(folder: PurePath) -> bool:
    """Whether what lies in a folder, by its absolute path without links, is on a disk, or in memory as on one: in /dev
    and /proc are devices, and what processes have open.

    >>> [has_plain_files(PurePath(folder)) for folder in ("/home/me", "/dev/shm/me", "/dev", "/proc/7/fd")]
    [True, True, False, False]
    """
    return folder.is_relative_to("/dev/shm") or not any(map(folder.is_relative_to, ("/dev", "/proc")))


def sqlite_address(file: PurePath, mode: str) -> str:
    """The address by which SQLite opens a file: as one part, because it takes no address with the name of a computer.

    Parameters: `file`, absolute; `mode`, of SQLite: "ro" to read, "rw" to write, "rwc" to write or create.
    """
    return f"file:{quote(str(file), safe='')}?mode={mode}"


def is_remote(folder: Path) -> bool:
    """Whether a folder lies on another computer: there SQLite's readers and its writer cannot share memory."""
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
    r"""Whether a drive of Windows is a share, by its name (\\server\share) or by a letter."""
    plain = drive.removeprefix("\\\\?\\")
    if plain.startswith(("\\\\", "UNC\\")):
        return True
    import ctypes

    kernel = getattr(ctypes, "windll").kernel32  # noqa: B009 (its types are known on Windows alone)
    return bool(kernel.GetDriveTypeW(f"{plain}\\") == 4)  # DRIVE_REMOTE


def _is_remote_mount(mounts: str, folder: PurePath) -> bool:
    """Whether the innermost mount over a folder is a network's.

    Parameters: `mounts`, what Linux has in /proc/self/mounts, or what `mount` prints on macOS.

    >>> mounts = "/dev/sda1 / ext4 rw 0 0\\nserver:/a /mnt/my\\\\040disk nfs4 rw 0 0\\n"
    >>> _is_remote_mount(mounts, PurePath("/mnt/my disk/out")), _is_remote_mount(mounts, PurePath("/mnt"))
    (True, False)
    """
    inner, kind = "", ""
    for line in mounts.splitlines():
        of_macos = re.fullmatch(r".* on (/.*) \((\w+)[,)].*", line)
        if of_macos:
            place, found = of_macos.groups()
        else:
            words = line.split()
            if len(words) < 3:
                continue
            place = re.sub(r"\\([0-7]{3})", lambda octal: chr(int(octal[1], 8)), words[1])
            found = words[2]
        if folder.is_relative_to(place) and len(place) >= len(inner):
            inner, kind = place, found
    return REMOTE.fullmatch(kind) is not None


@contextmanager
def endings_as_ctrl_c() -> Iterator[None]:
    """Handle every request to terminate like Ctrl-C: `kill`, a scheduler, a closed terminal, Ctrl-Break on Windows.

    Signals that the program was started to ignore, as by `nohup`, stay ignored.
    """

    def end(number: int, frame: FrameType | None) -> None:
        ctrl_c = signal.getsignal(signal.SIGINT)
        if not callable(ctrl_c):  # ignored, as a shell has it for what runs in the background
            raise KeyboardInterrupt
        ctrl_c(signal.SIGINT, frame)

    if threading.current_thread() is not threading.main_thread():
        yield  # signals reach the main thread alone
        return
    taken = {number: signal.signal(number, end) for number in _endings() if signal.getsignal(number) == signal.SIG_DFL}
    try:
        yield
    finally:
        for number, before in taken.items():
            if signal.getsignal(number) == end:  # and is not ignored for good
                signal.signal(number, before)


def ignore_endings() -> None:
    """Ignore from now on every request to end, also of Ctrl-C: the process is about to, and Python would complain."""
    if threading.current_thread() is threading.main_thread():
        for number in (signal.SIGINT, *_endings()):
            signal.signal(number, signal.SIG_IGN)


def _endings() -> list[signal.Signals]:
    """The requests to end that this system has beside Ctrl-C."""
    return [getattr(signal, name) for name in ("SIGTERM", "SIGHUP", "SIGBREAK") if hasattr(signal, name)]


def processors() -> int:
    """How many processors the system lets this process use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def threads(count: int, purpose: str) -> ThreadPoolExecutor:
    """Return the thread pool of this process for one purpose, made at the first call and kept.

    Every pool of the library comes from here. Work that waits for other work needs a purpose of its own: in one pool
    both could wait forever.
    """
    return _threads(count, purpose, os.getpid())


@cache
def _threads(count: int, purpose: str, process: int) -> ThreadPoolExecutor:
    """One pool per process number: a forked process has none of its parent's threads."""
    return ThreadPoolExecutor(count, thread_name_prefix=f"deltarule-{purpose}")


def end_with(parent: int) -> None:
    """End this process within a second of the end of the one that started it, however that ended.

    Parameters: `parent`, the other's number.
    """
    threading.Thread(target=_outlive_not, args=(parent,), daemon=True).start()


def _outlive_not(parent: int) -> None:
    if WINDOWS:  # where the number of a parent that is gone stays
        from multiprocessing import parent_process

        started_by = parent_process()
        if started_by is not None:
            started_by.join()
            os._exit(1)
        return
    while os.getppid() == parent:
        time.sleep(0.5)
    os._exit(1)


def forks_wait_for(lock: Any, in_child: Callable[[], None] | None = None) -> None:
    """Have what a lock guards whole in every process that is forked off, where only the thread that forked goes on.

    Parameters: `lock`, an RLock that is held for moments; `in_child`, called there, with the lock.
    """

    def renew() -> None:
        if in_child is not None:
            in_child()
        lock.release()

    if hasattr(os, "register_at_fork"):  # not on Windows, which has no forks
        os.register_at_fork(before=lock.acquire, after_in_parent=lock.release, after_in_child=renew)


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
        if self.current.acquire(blocking=False):
            self.current.release()
        else:  # its owner is a thread that the child does not have
            self.current = threading.RLock()
