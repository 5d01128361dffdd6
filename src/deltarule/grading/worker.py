"""The worker process, which calls the code of one submission.

Run as `python -I worker.py`. It imports nothing of deltarule, knows no expected value, and cannot award points: it only
returns what the student's functions return. A message is a JSON text and its arrays in NumPy's format, without pickles.
"""

import ast
import builtins
import contextlib
import ctypes
import functools
import io
import json
import os
import signal
import struct
import sys
import traceback

import numpy as np

MAX_MESSAGE_BYTES = 2**28
"""An answer of a submission, 256 MB: many times the arrays of any exercise, and little of the grader's memory."""
TEMPORARY_FOLDER_BYTES = 2**26
"""What a submission can write to each folder in memory, 64 MB, so that it cannot fill the grader's memory."""
LIMITS = "limits"
ISOLATED = "limits, no network, read-only files"
"""How code is held without a sandbox, and with one."""

CLONE_NEWNS, CLONE_NEWUSER, CLONE_NEWPID, CLONE_NEWNET = 0x20000, 0x10000000, 0x20000000, 0x40000000
MS_BIND, MS_REC, MS_PRIVATE, MOUNT_ATTR_RDONLY, AT_RECURSIVE, AT_FDCWD = 0x1000, 0x4000, 0x40000, 1, 0x8000, -100
SYS_MOUNT_SETATTR = 442  # the same number on every architecture
PR_SET_PDEATHSIG, PR_SET_NO_NEW_PRIVS, CAPABILITY_VERSION = 1, 38, 0x20080522


def pack(value):
    """Encode a message as bytes of JSON and arrays."""
    arrays = []

    def to_json(part):
        if isinstance(part, np.ndarray | np.generic):
            arrays.append(np.asarray(part))
            return {"array": len(arrays) - 1}
        if isinstance(part, dict):
            return {"table": [[to_json(key), to_json(item)] for key, item in part.items()]}
        if isinstance(part, list | tuple):
            return {type(part).__name__ if type(part) in (list, tuple) else "list": [to_json(item) for item in part]}
        return part

    file = io.BytesIO()
    text = json.dumps(to_json(value)).encode()
    file.write(struct.pack("<QQ", len(text), len(arrays)) + text)
    for array in arrays:
        np.lib.format.write_array(file, array, allow_pickle=False)
    return file.getvalue()


def unpack(data):
    """Decode the bytes that `pack` made; raises `ValueError` for others."""
    file = io.BytesIO(data)
    size, count = struct.unpack("<QQ", file.read(16))
    value = json.loads(file.read(size))
    arrays = [np.lib.format.read_array(file, allow_pickle=False) for _ in range(count)]

    def from_json(part):
        if not isinstance(part, dict):
            return part
        kind, content = next(iter(part.items()))
        if kind == "array":
            return arrays[content]
        if kind == "table":
            return {from_json(key): from_json(item) for key, item in content}
        return (tuple if kind == "tuple" else list)(map(from_json, content))

    return from_json(value)


def isolate(hidden, work):
    """Continue in a child process without network and with limited file access.

    The calling process never returns: it waits for the child, and exits with its status. Works only on Linux with user
    namespaces, in a process with a single thread; raises `OSError` elsewhere.
    """
    libc = ctypes.CDLL(None, use_errno=True)

    def raise_if_failed(result):
        if result != 0:
            raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))

    user, group, inside = os.getuid(), os.getgid(), 1000  # no root inside, which could undo all this
    raise_if_failed(libc.unshare(CLONE_NEWUSER | CLONE_NEWNS | CLONE_NEWPID | CLONE_NEWNET))
    for name, text in (("setgroups", "deny"), ("uid_map", f"{inside} {user} 1"), ("gid_map", f"{inside} {group} 1")):
        with open(f"/proc/self/{name}", "w") as file:  # noqa: PTH123 - pathlib is not needed for anything else here
            file.write(text)
    raise_if_failed(libc.mount(b"none", b"/", None, MS_REC | MS_PRIVATE, None))
    attributes = struct.pack("QQQQ", MOUNT_ATTR_RDONLY, 0, 0, 0)
    raise_if_failed(libc.syscall(SYS_MOUNT_SETATTR, AT_FDCWD, b"/", AT_RECURSIVE, attributes, len(attributes)))
    # The work folder's files move into memory, where their size is limited.
    paths = [os.path.join(parent, name) for parent, _, names in os.walk(work) for name in names]  # noqa: PTH118
    files = {path: open(path, "rb").read() for path in paths}  # noqa: PTH123
    options = f"size={TEMPORARY_FOLDER_BYTES},mode=700".encode()
    for path in [*sorted(hidden, key=len), work]:  # outer folders first, in which nothing else exists any more
        if path == work:
            os.makedirs(work, exist_ok=True)  # noqa: PTH103
        if os.path.isdir(path):  # noqa: PTH112
            raise_if_failed(libc.mount(b"tmpfs", os.fsencode(path), b"tmpfs", 0, options))
        elif os.path.exists(path):  # noqa: PTH110
            raise_if_failed(libc.mount(b"/dev/null", os.fsencode(path), None, MS_BIND, None))
    for path, content in files.items():
        os.makedirs(os.path.dirname(path), exist_ok=True)  # noqa: PTH103, PTH120
        with open(path, "wb") as file:  # noqa: PTH123
            file.write(content)
    child = os.fork()  # the first process of the new PID namespace: when it ends, so does all that it started
    if child:
        os._exit(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) & 0xFF)
    libc.prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    libc.prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
    header, none = struct.pack("II", CAPABILITY_VERSION, 0), bytes(24)
    raise_if_failed(libc.capset(header, none))  # drop the capabilities that the mounts needed
    os.chdir(work)


def limit(memory_bytes, cpu_seconds, file_bytes, processes):
    """Limit this process's memory, CPU time, file sizes and further processes."""
    try:
        import resource
    except ImportError:
        return
    others = 0  # other processes of this user, which the limit counts too outside a user namespace
    with contextlib.suppress(OSError):
        others = sum(entry.name.isdigit() and entry.stat().st_uid == os.getuid() for entry in os.scandir("/proc"))
    for name, amount in (
        ("RLIMIT_AS", memory_bytes),
        ("RLIMIT_CPU", cpu_seconds),
        ("RLIMIT_FSIZE", file_bytes),
        ("RLIMIT_NPROC", others + processes),
        ("RLIMIT_CORE", 0),
    ):
        with contextlib.suppress(AttributeError, ValueError, OSError):
            resource.setrlimit(getattr(resource, name), (amount, amount))
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)  # a write beyond the limit is an OSError


def read_source(path):
    """The Python source of a submission, also from a notebook."""
    with open(path, encoding="utf-8-sig") as file:  # noqa: PTH123
        text = file.read()
    if not path.endswith(".ipynb"):
        return text
    cells = [cell for cell in json.loads(text)["cells"] if cell["cell_type"] == "code"]
    lines = "\n".join("".join(cell["source"]) for cell in cells).splitlines()
    return "\n".join("pass" if line.lstrip()[:1] in ("%", "!") else line for line in lines)


def load(path):
    """Run a submission and return its names and the text of its first error.

    After a statement that fails, such as one that reads a missing file, the next ones still run.
    """
    source = read_source(path)
    file = os.path.basename(path)  # noqa: PTH119
    namespace = {"__name__": "submission", "__file__": file, "__builtins__": builtins}
    message = ""
    tree = ast.parse(source, file)
    for statement in tree.body:
        try:
            exec(compile(ast.Module([statement], []), file, "exec"), namespace)
        except Exception as error:
            message = message or describe(error, file)
    return namespace, message


def describe(error, file):
    """Describe an exception and its line in the submission."""
    frames = [frame for frame in traceback.extract_tb(error.__traceback__) if frame.filename == file]
    line = error.lineno if isinstance(error, SyntaxError) else frames[-1].lineno if frames else None
    where = f"line {line}: " if line else ""
    text = (error.msg if isinstance(error, SyntaxError) else str(error)) or ""
    return f"{where}{type(error).__name__}: {text}".rstrip(": ")[:500]


@contextlib.contextmanager
def counted_calls(namespace, counted):
    """Count the calls of the functions named in `counted`, within this context."""
    calls = dict.fromkeys(counted, 0)
    originals = {name: namespace[name] for name in counted if callable(namespace.get(name))}

    def count_calls(name, function):
        @functools.wraps(function)
        def call(*args, **options):
            calls[name] += 1
            return function(*args, **options)

        return call

    namespace.update({name: count_calls(name, function) for name, function in originals.items()})
    try:
        yield calls
    finally:
        namespace.update(originals)


def to_arrays(value, depth=0):
    """Convert a result to arrays in dictionaries and tuples."""
    if value is None or isinstance(value, str):
        return value
    if isinstance(value, dict) and depth < 3:
        return {str(key): to_arrays(item, depth + 1) for key, item in value.items()}
    if isinstance(value, tuple) and depth < 3:
        return tuple(to_arrays(item, depth + 1) for item in value)
    if hasattr(value, "detach"):
        value = value.detach()
    try:
        array = np.array(value)
    except Exception:
        array = None
    if array is None or array.dtype.kind not in "fiubc":
        if isinstance(value, list) and depth < 3:
            return [to_arrays(item, depth + 1) for item in value]
        return {"object": type(value).__name__}
    return array


def answer(namespace, request):
    """Call a submission's function as requested and return the answer."""
    missing = [name for name in request["functions"] if name not in namespace]
    if missing:
        return {"missing": missing}
    here = namespace | request["values"]
    try:
        exec(request["setup"], here)
        with counted_calls(namespace, request["counted"]) as calls:
            here["result"] = eval(request["call"], here)
        returned = request["returns"]
        if isinstance(returned, dict):
            result = {name: to_arrays(eval(expression, here)) for name, expression in returned.items()}
        elif here["result"] is None:  # an update in place
            result = {name: to_arrays(here.get(name)) for name in returned}
        else:
            result = to_arrays(here["result"])
        return {"result": result, "calls": sum(calls.values())}
    except Exception as error:
        return {"error": describe(error, namespace["__file__"])}


def main():
    """Load a submission, and answer requests for calls until there are no more."""
    requests, answers = os.fdopen(os.dup(0), "rb"), os.fdopen(os.dup(1), "wb")
    with open(os.devnull, "r+b") as nothing:  # noqa: PTH123 - what a submission prints goes nowhere
        for stream in (0, 1, 2):
            os.dup2(nothing.fileno(), stream)

    def send(value):
        data = pack(value)
        answers.write(struct.pack("<Q", len(data)) + data)
        answers.flush()

    def receive():
        head = requests.read(8)
        return unpack(requests.read(struct.unpack("<Q", head)[0])) if len(head) == 8 else None

    begin = receive()
    os.chdir(begin["work"])
    sandbox = LIMITS
    if begin["sandbox"] != "off":
        try:
            isolate(begin["hidden"], begin["work"])
            sandbox = ISOLATED
        except (OSError, AttributeError) as error:
            if begin["sandbox"] == "required":
                send({"refused": str(error)})
                return
    limit(*begin["limits"])
    sys.path.insert(0, begin["work"])
    send({"sandbox": sandbox})
    try:
        namespace, message = load(begin["file"])
    except BaseException as error:
        send({"not_loaded": describe(error, os.path.basename(begin["file"]))})  # noqa: PTH119
        return
    send({"loaded": message})
    while (request := receive()) is not None:
        send(answer(namespace, request))


if __name__ == "__main__":
    main()
