"""The first process of a submission, which confines itself and then becomes the worker.

Run as `python -I launcher.py USER ROOT CODE PATHS...`. It imports nothing of ours and little else, as it starts with
every submission. Its child runs the code, in a process group that nothing can leave; this process stays outside the
sandbox, and ends the group when the code ends, when the grader asks for it by SIGTERM, or when the grader dies.
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

PR_SET_PDEATHSIG, PR_SET_KEEPCAPS, PR_SET_SECCOMP, PR_SET_NO_NEW_PRIVS, PR_CAP_AMBIENT = 1, 8, 22, 38, 47
CAP_DAC_READ_SEARCH = 2
CAPABILITY_VERSION = 0x20080522

LANDLOCK = range(444, 447)
"""The system calls that create a set of rules, add one, and apply them."""
READ, WRITE = 1 | 4 | 8, 2 | 1 << 14 | 1 << 15
"""Rights of Landlock: execute, read files and folders; write, truncate and control devices."""
OF_FILES = 1 | 4 | WRITE

REFUSED = "ptrace kill tkill tgkill rt_sigqueueinfo rt_tgsigqueueinfo pidfd_send_signal "
REFUSED += "socket setsid setpgid shmget msgget semget mq_open io_uring_setup open_by_handle_at"
"""Calls that reach other processes, as one user's are not kept apart otherwise, other machines, or what outlives a
process."""
UNHEEDED = "chmod fchmodat fchmodat2 utimensat"
"""Calls that Landlock cannot refuse; they do nothing, as copying a file ends with them."""
CALLS = {
    "x86_64": (0xC000003E, "101 62 200 234 129 297 424  41 112 109 29 68 64 240 425 304  90 268 452 280  302 72"),
    "aarch64": (0xC00000B7, "117 129 130 131 138 240 424  198 157 154 194 186 190 180 425 265  -1 53 452 88  261 25"),
}
"""An architecture's number, and its numbers of all these calls, of prlimit64 and fcntl; -1 for what it lacks."""
LOAD, EQUAL, AT_LEAST, RETURN = 0x20, 0x15, 0x35, 0x06
REFUSE, DO_NOTHING, ALLOW = (RETURN, 0, 0, 0x50001), (RETURN, 0, 0, 0x50000), (RETURN, 0, 0, 0x7FFF0000)
F_SETOWN, F_SETOWN_EX = 8, 15


def main() -> None:
    """Run Python code in the sandbox."""
    user, root, code, *paths = sys.argv[1:]
    libc = ctypes.CDLL(None)
    _leave_one_outside(libc)
    vars(sys.modules["__main__"])["SCHEDULE"] = os.open("/proc/self/schedstat", os.O_RDONLY)  # for the code's clock
    libc.prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
    _apply_landlock(root, paths, is_other_user=user != "0")
    _filter_calls()
    if user != "0":  # who may read what root may; Landlock rules
        libc.prctl(PR_SET_KEEPCAPS, 1)
        os.setgroups([])
        os.setresgid(*[int(user)] * 3)
        os.setresuid(*[int(user)] * 3)
        rights = 1 << CAP_DAC_READ_SEARCH
        libc.capset(struct.pack("II", CAPABILITY_VERSION, 0), struct.pack("6I", rights, rights, rights, 0, 0, 0))
        libc.prctl(PR_CAP_AMBIENT, 2, CAP_DAC_READ_SEARCH, 0, 0)  # of child processes too
    libc.prctl(PR_SET_PDEATHSIG, signal.SIGKILL)  # a change of the user has cleared it
    exec(code, vars(sys.modules["__main__"]))


def _leave_one_outside(libc: ctypes.CDLL) -> None:
    """Continue in a child; here, wait for its end or SIGTERM, and end its group."""
    expected = {signal.SIGTERM, signal.SIGCHLD}
    signal.pthread_sigmask(signal.SIG_BLOCK, expected)
    grader = os.getppid()
    libc.prctl(PR_SET_PDEATHSIG, signal.SIGTERM)  # when the grader dies
    if (child := os.fork()) == 0:
        os.setpgid(0, 0)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, expected)
        libc.prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
        return
    with contextlib.suppress(OSError):  # the child has done it
        os.setpgid(child, child)
    for stream in (0, 1, 2):
        os.close(stream)
    if os.getppid() == grader:
        signal.sigwait(expected)
    os.killpg(child, signal.SIGKILL)  # before the child is waited for, so that no other group has its number
    os._exit(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) % 256)


def _apply_landlock(root: str, paths: Sequence[str], *, is_other_user: bool) -> None:
    """Keep this process from files elsewhere, and from tracing others."""
    libc = ctypes.CDLL(None, use_errno=True)
    version = libc.syscall(LANDLOCK[0], None, 0, 1)
    if version < (1 if is_other_user else 3):  # 3 can refuse an ordinary user to truncate files
        if root == "/":  # all files are allowed, and other processes kept apart as far as the system can
            return
        raise OSError("Linux has no Landlock, or that of before Linux 6.2")
    every = (1 << 13 + (version > 1) + (version > 2) + (version > 4)) - 1
    ruleset = libc.syscall(LANDLOCK[0], struct.pack("Q", every), 8, 0)
    for path in [root, *paths]:
        rights = every if path == root else READ | WRITE if path.startswith("/dev/") else READ
        file = os.open(path, os.O_PATH)
        rule = struct.pack("=Qi", rights & every & (-1 if os.path.isdir(path) else OF_FILES), file)
        libc.syscall(LANDLOCK[1], ruleset, 1, rule, 0)
        os.close(file)
    libc.syscall(LANDLOCK[2], ruleset, 0)
    os.close(ruleset)


def _filter_calls() -> None:
    """Refuse system calls, and what reaches other processes by arguments."""
    architecture, text = CALLS[platform.machine()]
    numbers = dict(zip(f"{REFUSED} {UNHEEDED} prlimit64 fcntl".split(), map(int, text.split()), strict=True))
    load_number = (LOAD, 0, 0, 0)
    lines = [(LOAD, 0, 0, 4), (EQUAL, 1, 0, architecture), REFUSE, load_number, (AT_LEAST, 0, 1, 0x40000000), REFUSE]
    for calls, decision in ((REFUSED, REFUSE), (UNHEEDED, DO_NOTHING)):
        for number in (numbers[name] for name in calls.split() if numbers[name] >= 0):
            lines += [(EQUAL, 0, 1, number), decision]
    # Limits of this process alone (0), and no process that is to be signalled by a file.
    lines += [(EQUAL, 0, 4, numbers["prlimit64"]), (LOAD, 0, 0, 16), (EQUAL, 1, 0, 0), REFUSE, load_number]
    lines += [(EQUAL, 0, 5, numbers["fcntl"]), (LOAD, 0, 0, 24)]
    lines += [(EQUAL, 0, 1, F_SETOWN), REFUSE, (EQUAL, 0, 1, F_SETOWN_EX), REFUSE, ALLOW]
    program = ctypes.create_string_buffer(b"".join(struct.pack("HBBI", *line) for line in lines))
    ctypes.CDLL(None).prctl(PR_SET_SECCOMP, 2, struct.pack("HxxxxxxP", len(lines), ctypes.addressof(program)))


if __name__ == "__main__":
    main()
