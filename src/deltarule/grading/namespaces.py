"""The first process of a submission, which builds the sandbox for the worker's.

Run as `python -I namespaces.py ROAD USER ROOT CODE PATHS...`, in bubblewrap too; it imports nothing of ours and little
else, as it starts with every submission. With namespaces two processes come before the submission's own: one outside,
and the first in the new PID namespace. When either ends, or the grader, everything inside ends.
"""
# mypy: disable-error-code="attr-defined"
# Only Linux has what this file calls.

import contextlib
import ctypes
import os
import platform
import signal
import struct
import sys
from collections.abc import Sequence

PRIVATE_FOLDER = b"size=64m,nr_inodes=10000,mode=1777"
"""The /tmp of a submission is memory of the grader."""
SHARED_FOLDERS = "/tmp", "/var/tmp", "/dev/shm", "/dev/mqueue", "/run/lock", "/var/crash"
"""Folders in which everybody may write."""
NOBODY = 65534
NAMESPACES = 0x20000 | 0x4000000 | 0x8000000 | 0x20000000 | 0x40000000
"""CLONE_NEWNS (mounts), CLONE_NEWUTS, CLONE_NEWIPC, CLONE_NEWPID and CLONE_NEWNET."""
CLONE_NEWUSER, MS_BIND, MS_REC, MS_PRIVATE, MNT_DETACH = 0x10000000, 0x1000, 0x4000, 0x40000, 2
SYS_MOUNT_SETATTR, AT_FDCWD, AT_RECURSIVE = 442, -100, 0x8000  # the same numbers on every architecture
MOUNT_ATTR_RDONLY, MOUNT_ATTR_NOSUID = 1, 2
PR_SET_PDEATHSIG, PR_SET_DUMPABLE, PR_SET_NO_NEW_PRIVS, CAPABILITY_VERSION = 1, 4, 38, 0x20080522


LANDLOCK = range(444, 447)
"""The system calls that create a set of rules, add one, and apply them."""
READ, WRITE = 1 | 4 | 8, 2 | 1 << 14 | 1 << 15
"""Rights of Landlock: execute, read files and folders; write, truncate and control devices."""
OF_FILES = 1 | 4 | WRITE
SIGNALS_ABI = 6
"""The version of Landlock that keeps signals inside too."""
REFUSED_CALLS = {
    "x86_64": (0xC000003E, 302, (41, 112, 109, 29, 68, 64, 240, 425, 101)),
    "aarch64": (0xC00000B7, 261, (198, 157, 154, 194, 186, 190, 180, 425, 117)),
}
"""By architecture its number, that of prlimit64 (refused for other processes), and those of socket, setsid, setpgid,
shmget, msgget, semget, mq_open, io_uring_setup and, at last, ptrace."""


def main() -> None:
    """Run Python code in a sandbox, and end as it ends."""
    name, number, root, code, *paths = sys.argv[1:]
    user, libc = int(number), ctypes.CDLL(None)
    if name == "namespaces":
        _enter_namespaces(root, paths, user)
    if name in ("namespaces", "landlock", "user"):  # bubblewrap has its own process outside
        _leave_one_outside(0 if name == "namespaces" else user)
    if name in ("namespaces", "bubblewrap"):
        # This is the first process of the PID namespace: when it ends, all others do.
        libc.prctl(PR_SET_DUMPABLE, 0)  # nothing inside can take hold of it
        if child := os.fork():
            _close_pipes()
            while (ended := os.wait())[0] != child:
                pass
            os._exit(os.waitstatus_to_exitcode(ended[1]) % 256)
    libc.prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
    if name in ("landlock", "limits"):
        _apply_landlock(root, paths, is_closed=name == "landlock", is_other_user=user > 0)
    if name in ("landlock", "user") or (name == "limits" and platform.machine() in REFUSED_CALLS):
        _refuse_calls(slice(-1, None) if name == "limits" else slice(None))
    if user:
        _become(user)
    elif name != "limits":  # drop the rights over the namespaces
        libc.capset(struct.pack("II", CAPABILITY_VERSION, 0), bytes(24))
    exec(code, vars(sys.modules["__main__"]))


def _apply_landlock(root: str, paths: Sequence[str], *, is_closed: bool, is_other_user: bool) -> None:
    """Keep this process from all files but the readable paths and `root`."""
    libc = ctypes.CDLL(None, use_errno=True)
    version = libc.syscall(LANDLOCK[0], None, 0, 1)
    if is_closed and version < (1 if is_other_user else SIGNALS_ABI):
        raise OSError(f"Linux has no Landlock of version {SIGNALS_ABI}, which comes with 6.12")
    every = (1 << 13 + (version > 1) + (version > 2) + (version > 4)) - 1
    rules = struct.pack(
        "QQQ",
        every if is_closed else 1 << 11,  # at least one: to make a device
        3 if is_closed and version > 3 else 0,  # TCP
        (3 if is_closed else 2) if version >= SIGNALS_ABI else 0,  # abstract sockets, signals
    )
    if (ruleset := libc.syscall(LANDLOCK[0], rules, len(rules), 0)) < 0:
        return
    for path in [root, *paths] if is_closed else ():
        rights = every if path == root else READ | WRITE if path.startswith("/dev/") else READ
        file = os.open(path, os.O_PATH)
        rule = struct.pack("=Qi", rights & every & (-1 if os.path.isdir(path) else OF_FILES), file)
        libc.syscall(LANDLOCK[1], ruleset, 1, rule, 0)
        os.close(file)
    libc.syscall(LANDLOCK[2], ruleset, 0)
    os.close(ruleset)


def _refuse_calls(part: slice) -> None:
    """Refuse some of the system calls, such as sockets, by a filter."""
    architecture, prlimit, calls = REFUSED_CALLS[platform.machine()]
    refuse = (0x06, 0, 0, 0x50001)  # EPERM
    lines = [(0x20, 0, 0, 4), (0x15, 1, 0, architecture), refuse, (0x20, 0, 0, 0), (0x35, 0, 1, 0x40000000), refuse]
    for call in calls[part]:
        lines += [(0x15, 0, 1, call), refuse]
    lines += [(0x15, 0, 3, prlimit), (0x20, 0, 0, 16), (0x15, 1, 0, 0), refuse, (0x06, 0, 0, 0x7FFF0000)]
    program = ctypes.create_string_buffer(b"".join(struct.pack("HBBI", *line) for line in lines))
    ctypes.CDLL(None).prctl(22, 2, struct.pack("HxxxxxxP", len(lines), ctypes.addressof(program)))


def _leave_one_outside(user: int) -> None:
    """Continue in a child; here, wait for it or SIGTERM, and end what is left."""
    prctl = ctypes.CDLL(None).prctl
    prctl(PR_SET_PDEATHSIG, signal.SIGTERM)  # when the grader dies
    expected = {signal.SIGTERM, signal.SIGCHLD}
    signal.pthread_sigmask(signal.SIG_BLOCK, expected)
    if child := os.fork():
        _close_pipes()
        is_ended = signal.sigwait(expected) == signal.SIGTERM
        if is_ended:
            os.kill(child, signal.SIGKILL)
        status = os.waitpid(child, 0)[1]
        if user:
            _end_user(user)
        elif is_ended:
            os.killpg(0, signal.SIGKILL)
        os._exit(os.waitstatus_to_exitcode(status) % 256)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, expected)
    prctl(PR_SET_PDEATHSIG, signal.SIGKILL)


def _enter_namespaces(root: str, paths: Sequence[str], user: int) -> None:
    """Enter new namespaces with nothing but the paths, for reading, and an empty /tmp."""
    libc = ctypes.CDLL(None, use_errno=True)

    def call(function: str, *arguments: object) -> None:
        if getattr(libc, function)(*arguments) != 0:
            raise OSError(ctypes.get_errno(), f"{function}: {os.strerror(ctypes.get_errno())}")

    def mount(source: str, target: str, kind: bytes | None, flags: int, options: bytes | None = None) -> None:
        call("mount", os.fsencode(source), os.fsencode(target), kind, ctypes.c_ulong(flags), options)

    def set_attributes(target: str, how: int, added: int, removed: int) -> None:
        attributes = struct.pack("QQQQ", added, removed, 0, 0)
        call("syscall", SYS_MOUNT_SETATTR, AT_FDCWD, os.fsencode(target), how, attributes, len(attributes))

    owner, group = os.getuid(), os.getgid()
    call("unshare", NAMESPACES | (0 if user else CLONE_NEWUSER))
    if not user:
        maps = {"setgroups": "deny", "uid_map": f"{NOBODY} {owner} 1", "gid_map": f"{NOBODY} {group} 1"}
        for name, text in maps.items():
            with open(f"/proc/self/{name}", "w") as file:
                file.write(text)
    mount("none", "/", None, MS_REC | MS_PRIVATE)
    mount("tmpfs", root, b"tmpfs", 0, b"size=1m,mode=755")
    private = f"{root}/tmp"
    os.mkdir(private)
    mount("tmpfs", private, b"tmpfs", 0, PRIVATE_FOLDER)
    for path in paths:
        target = f"{root}{path}"
        if os.path.isdir(path):
            os.makedirs(target, exist_ok=True)
        elif not os.path.exists(target):
            os.makedirs(os.path.dirname(target), exist_ok=True)
            os.close(os.open(target, os.O_CREAT))
        mount(path, target, None, MS_BIND | MS_REC)
    set_attributes(root, AT_RECURSIVE, MOUNT_ATTR_RDONLY | MOUNT_ATTR_NOSUID, 0)
    set_attributes(private, 0, 0, MOUNT_ATTR_RDONLY)
    os.chdir(root)
    call("pivot_root", b".", b".")
    call("umount2", b".", MNT_DETACH)
    os.chdir("/")


def _become(user: int) -> None:
    os.setgroups([])
    os.setresgid(user, user, user)
    os.setresuid(user, user, user)


def _end_user(user: int) -> None:
    """End all processes of a user, and remove its files from folders for everybody."""
    if killer := os.fork():
        os.waitpid(killer, 0)
    else:
        _become(user)
        with contextlib.suppress(ProcessLookupError):
            os.kill(-1, signal.SIGKILL)  # all at once, so that none can start another before it ends
        os._exit(0)
    import shutil

    for folder in filter(os.path.isdir, SHARED_FOLDERS):
        for entry in os.scandir(folder):
            if entry.stat(follow_symlinks=False).st_uid == user:
                remove = shutil.rmtree if entry.is_dir(follow_symlinks=False) else os.unlink
                remove(entry.path)


def _close_pipes() -> None:
    os.close(0)
    os.close(1)


if __name__ == "__main__":
    main()
