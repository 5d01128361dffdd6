"""The worker process, which calls the code of one submission.

Run as `python -I worker.py`. It imports nothing of deltarule, knows no expected value, and cannot award points: it only
returns what the student's functions return.
"""

import ast
import base64
import builtins
import contextlib
import dis
import itertools
import json
import linecache
import os
import random
import re
import shlex
import shutil
import signal
import sys
import tempfile
import time
import traceback
import types

import numpy as np

MAX_DIMENSIONS = 8
CONTINUES = re.compile(r"[\s)\]}#]|(else|elif|except|finally)\b")
"""Lines that begin no statement of a file."""
BAD_ESCAPE = re.compile(r"\\(?=U(?![0-9a-fA-F]{8})|u(?![0-9a-fA-F]{4})|x(?![0-9a-fA-F]{2})|N(?!\{))")
CELLS = set()
"""The names under which the code of a submission is compiled."""
DEFINITIONS = ast.FunctionDef, ast.ClassDef, ast.Import, ast.ImportFrom, ast.Assign, ast.AnnAssign, ast.If, ast.Try
NOTEBOOK_IMPORTERS = "import_ipynb", "nbimporter", "ipynb", "ipynb.fs", "ipynb.fs.full", "ipynb.fs.defs"
DTYPE = re.compile(r"[<>|=]([fiubc]|U)\d+")
"""Numbers, truth values and texts: no objects, which would run code when they are read."""


def pack(value):
    """Encode a message as a line of JSON."""

    def to_json(part):
        if isinstance(part, np.ndarray | np.generic):
            array = np.ascontiguousarray(part)
            if not DTYPE.fullmatch(array.dtype.str):
                raise TypeError(f"an array of {array.dtype} cannot be sent")
            return {"array": [array.dtype.str, np.shape(part), base64.b64encode(array.tobytes()).decode()]}
        if isinstance(part, dict):
            return {"table": [[to_json(key), to_json(item)] for key, item in part.items()]}
        if isinstance(part, list | tuple):
            return {"tuple" if type(part) is tuple else "list": [to_json(item) for item in part]}
        return part

    return json.dumps(to_json(value)).encode() + b"\n"


def unpack(line):
    """Decode a line that `pack` made; others raise some exception."""

    def from_json(part):
        if not isinstance(part, dict):
            return part
        [(kind, content)] = part.items()
        if kind == "array":
            name, shape, data = content
            if len(shape) > MAX_DIMENSIONS or not DTYPE.fullmatch(name):
                raise ValueError(f"an array of {name} with {len(shape)} dimensions")
            return np.ndarray(shape, name, base64.b64decode(data)).copy()
        if kind == "table":
            return {from_json(key): from_json(item) for key, item in content}
        return (tuple if kind == "tuple" else list)(map(from_json, content))

    return from_json(json.loads(line))


def max_line_bytes(request):
    return request["max_bytes"] * 4 // 3 + 2**16  # what an answer has beside its arrays


def limit(limits):
    """Limit this process's memory, time and file sizes, and its user's processes."""
    try:
        import resource
    except ImportError:
        return
    for name, amount in limits.items():
        with contextlib.suppress(AttributeError, ValueError, OSError):
            resource.setrlimit(getattr(resource, f"RLIMIT_{name}"), (amount, amount))
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)  # a write beyond the limit is an OSError


def refuse_imports(forbidden, hidden):
    """Refuse modules by an audit hook, which cannot be removed.

    `hidden` are the paths of the forbidden modules where the sandbox does not hide them; then no other program may be
    started either. A student's own file may have a forbidden name.
    """
    forbidden = {name for name in forbidden if not os.path.exists(f"{name}.py")}

    def hook(event, arguments):
        name = arguments[0].partition(".")[0] if event == "import" else ""
        is_hidden = event == "open" and os.path.realpath(str(arguments[0])).startswith(hidden)
        if name in forbidden or is_hidden:
            raise ImportError(f"{name or 'module'} is not allowed in this assignment")
        if hidden and event in ("subprocess.Popen", "os.system", "os.exec", "os.posix_spawn"):
            raise PermissionError("other programs are not allowed in this assignment")

    sys.addaudithook(hook)


class TimeLimit(BaseException):
    """A statement took too long while the submission was loaded."""


def clock():
    """Seconds in which this process did not wait for a processor, as the launcher's file of the system says."""
    with contextlib.suppress(NameError, OSError, IndexError, ValueError):
        return time.monotonic() - int(os.pread(SCHEDULE, 100, 0).split()[1]) / 1e9  # noqa: F821
    return time.monotonic()


def set_timer(seconds):
    end = clock() + seconds

    def stop_statement(*_):
        left = end - clock()
        if left > 0.01:
            signal.setitimer(signal.ITIMER_REAL, left, 0.5)
            return
        raise TimeLimit("it took too long, and what it had done until then counts")

    if hasattr(signal, "setitimer"):  # elsewhere the grader ends the process, and has only definitions run
        signal.signal(signal.SIGALRM, stop_statement)
        signal.setitimer(signal.ITIMER_REAL, seconds, 0.5 if seconds else 0)  # again, for code that catches everything


class Pool:
    """A pool of `multiprocessing` that does everything in this process, as a sandbox has no semaphores."""

    def __init__(self, processes=None, initializer=None, initargs=(), *_, **__):
        if initializer:
            initializer(*initargs)

    def apply(self, function, args=(), kwds=None):
        return function(*args, **kwds or {})

    def map(self, function, items, *_, **__):
        return list(map(function, items))

    def starmap(self, function, items, *_, **__):
        return list(itertools.starmap(function, items))

    imap = imap_unordered = map

    def __getattr__(self, name):
        if not name.endswith("_async"):
            return lambda *_: None  # close, join, terminate
        return lambda *arguments: types.SimpleNamespace(
            get=lambda *_: getattr(self, name[:-6])(*arguments), wait=lambda *_: None, ready=lambda: True
        )

    def __enter__(self):
        return self

    def __exit__(self, *_):
        pass


def replace_processes():
    """Let a submission's pools be `Pool`, and its other processes threads."""
    import concurrent.futures
    import multiprocessing.dummy
    import multiprocessing.pool

    for name in ("Process", "Queue", "JoinableQueue", "Pipe", "Manager", "Value", "Array", "Lock", "RLock", "Event"):
        setattr(multiprocessing, name, getattr(multiprocessing.dummy, name))
    multiprocessing.Pool = multiprocessing.pool.Pool = multiprocessing.pool.ThreadPool = Pool
    multiprocessing.get_context = lambda *_: multiprocessing
    multiprocessing.set_start_method = lambda *_, **__: None
    concurrent.futures.ProcessPoolExecutor = concurrent.futures.ThreadPoolExecutor


class Shell:
    """What notebooks ask IPython for, but for what only shows something."""

    def __init__(self, namespace):
        self.namespace = namespace

    def run_cell_magic(self, name, line, cell):
        if name in ("writefile", "file"):
            with open(line.split()[-1], "a" if "-a" in line else "w", encoding="utf-8") as file:
                file.write(cell)

    def run_line_magic(self, name, line, *_):
        if name == "run":
            file = next(word for word in shlex.split(line) if not word.startswith("-"))
            file = file.removesuffix(".ipynb").removesuffix(".py") + ".py"  # beside a notebook lies its code
            with open(file, encoding="utf-8") as opened:
                exec(compile(opened.read(), file, "exec"), self.namespace)

    def __getattr__(self, name):  # system, getoutput, and all else that a notebook sets up
        return lambda *_, **__: []


def load(cells, file, package, seconds, skipped):
    """Run the cells of a submission; return its names and its first errors' text.

    After a statement that fails, such as one that reads a missing file, the next ones still run. One that does not end
    in time is stopped, and from then on only definitions run. The number of each statement is written into a file, from
    which the grader learns which ones to skip: those that ended the process, or could not be stopped.
    """
    errors = []
    end = clock() + seconds
    numbers = itertools.count()
    progress = os.open(os.path.join(os.environ["HOME"], ".statement"), os.O_CREAT | os.O_WRONLY)
    functions = {}
    name = "__main__" if file.endswith(".ipynb") else "submission"
    namespace = {"__name__": name, "__file__": file, "__package__": package, "__builtins__": builtins}
    builtins.display = print
    builtins.get_ipython = lambda: Shell(namespace)  # for imported notebooks too
    for name, source in cells:
        linecache.cache[name] = len(source), None, source.splitlines(keepends=True), name
        CELLS.add(name)
        for statement in parse(source, name, errors):
            number, left = next(numbers), end - clock()
            if number in skipped or (left <= 0 and not isinstance(statement, DEFINITIONS)):
                continue
            os.lseek(progress, 0, os.SEEK_SET)
            os.write(progress, b"%9d" % number)
            try:
                set_timer(max(left, 1.0 if left > -8 else 0.1))  # an import, or one of many trainings
                exec(compile(ast.Module([statement], []), name, "exec"), namespace)
                functions |= {key: namespace[key] for key in names_of(statement) if callable(namespace.get(key))}
            except BaseException as error:  # exit() too: what was defined until then counts
                set_timer(0)
                errors.append(describe(error))
            finally:
                set_timer(0)
    os.close(progress)
    for name, function in functions.items():  # a later value of the same name, as in `loss = loss(x, y)`
        if not callable(namespace.get(name, callable)):
            namespace[name] = function
    return namespace, errors[:3]


def names_of(statement):
    """The names of functions that a statement defines or imports."""
    if isinstance(statement, ast.ImportFrom):
        return [alias.asname or alias.name for alias in statement.names]
    return [statement.name] if isinstance(statement, ast.FunctionDef) else []


def parse(source, name, errors):
    """The statements of a source, or of those of its blocks that parse."""
    try:
        return ast.parse(source, name).body
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        repaired = BAD_ESCAPE.sub(r"\\\\", source)  # as of C:\Users in a docstring
        if "(unicode error)" in str(error) and repaired != source:
            errors.append(describe(error))
            return parse(repaired, name, errors)
        lines = source.split("\n")
    begins = [i for i, line in enumerate(lines) if line.strip() and not CONTINUES.match(line)]
    statements = []
    k = 0
    while k < len(begins):
        problem = None
        for following in range(k + 1, min(k + 100, len(begins)) + 1):
            block = lines[begins[k] : begins[following] if following < len(begins) else None]
            try:
                statements += ast.parse("\n" * begins[k] + "\n".join(block), name).body
                break
            except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
                problem = problem or error
        else:
            errors.append(describe(problem))
            following = k + 1
        k = following
    return statements


def describe(error):
    """The cell, line, type and text of an error."""
    steps = list(traceback.walk_tb(error.__traceback__))
    frames = [(frame.f_code.co_filename, line) for frame, line in steps if frame.f_code.co_filename in CELLS]
    cell, line = frames[-1] if frames else ("", 0)
    try:
        text = "" if is_raised_by_submission(error) else str(error)
    except BaseException:  # a stranger's
        text = ""
    if isinstance(error, SyntaxError) and error.filename in CELLS:
        cell, line, text = error.filename, error.lineno or 0, error.msg
    return [cell, line, type(error).__name__, text[:500]]


def is_raised_by_submission(error):
    """Whether code that is neither NumPy's nor Python's own raised an error by a statement."""
    step = error.__traceback__
    while step and step.tb_next:
        step = step.tb_next
    if step is None or step.tb_frame.f_code.co_filename.startswith((sys.prefix, sys.base_prefix)):
        return False
    code = step.tb_frame.f_code.co_code
    return dis.opname[code[step.tb_lasti]] == "RAISE_VARARGS" and step.tb_frame.f_code.co_filename != __file__


def to_arrays(value, max_bytes):
    """Convert a result to arrays in dictionaries and lists."""
    if value is None or isinstance(value, str):
        return value
    if isinstance(value, dict):
        return {str(key): to_arrays(item, max_bytes) for key, item in value.items()}
    if hasattr(value, "detach"):
        value = value.detach()
    try:
        array = np.array(value)
    except Exception:  # a stranger's object, or arrays of several shapes
        array = np.array(None)
    if array.dtype.kind in "fiubc" and array.nbytes <= max_bytes and array.ndim <= MAX_DIMENSIONS:
        return array
    if isinstance(value, list | tuple) and array.dtype.kind == "O":
        return [to_arrays(item, max_bytes) for item in value]
    return "an object"


def evaluate_table(expressions, here, call, size):
    """What the expressions give; of a call that returns nothing, the arguments stand for its result."""
    results = [here["result"]]
    error = None
    node = ast.parse(call, mode="eval").body
    if here["result"] is None and isinstance(node, ast.Call):
        arguments = [here.get(argument.id) for argument in node.args if isinstance(argument, ast.Name)]
        results += [tuple(arguments), *arguments]
    for result in results:
        try:
            names = here | {"result": result}
            return {name: to_arrays(eval(expression, names), size) for name, expression in expressions.items()}
        except Exception as problem:
            error = error or problem
    raise error


def own_trees(name):
    """The parts of a file of the submission that were compiled each on its own; none of files of others."""
    source = "".join(linecache.getlines(name))
    if name in CELLS:
        return [ast.Module([statement], []) for statement in parse(source, name, [])]
    return [ast.parse(source)] if name.startswith(os.getcwd()) else []


def answer(namespace, request, context=None):
    """Call a submission's function with values for this call alone, in a context that may disturb it."""
    here = namespace | request["values"]
    size = request["max_bytes"]
    try:
        with context or contextlib.nullcontext():
            exec(request["setup"], here)
            here["result"] = eval(request["call"], here)
        returned = request["returns"]
        if isinstance(returned, dict):
            result = evaluate_table(returned, here, request["call"], size)
        elif here["result"] is None:  # an update in place
            result = {name: to_arrays(here.get(name), size) for name in returned}
        else:
            result = to_arrays(here["result"], size)
        return {"result": result, "errors": [], "numeric": sorted(context.kinds) if context else []}
    except BaseException as error:
        return {"result": None, "errors": [describe(error)]}


def main():
    """Load a submission, and answer requests for calls until there are no more."""
    requests, answers = os.fdopen(os.dup(0), "rb"), os.fdopen(os.dup(1), "wb")
    with open(os.devnull, "r+b") as nothing:  # what a submission prints goes nowhere
        for stream in (0, 1, 2):
            os.dup2(nothing.fileno(), stream)

    def send(answer):
        answers.write(pack(answer))
        answers.flush()

    begin = unpack(requests.readline())
    # What is written beside the code is for this process alone.
    folder = shutil.copytree(begin["folder"], os.path.join(tempfile.mkdtemp(), "submission"))
    os.chdir(os.path.join(folder, os.path.dirname(begin["file"])))
    limit(begin["limits"])
    refuse_imports(begin["forbidden"], begin["hidden"])
    for generator in (random, np.random):
        generator.seed(1847)  # what a submission draws without a seed of its own is the same every time it is graded
    for name in NOTEBOOK_IMPORTERS:  # beside a notebook lies its code, which is imported without them
        sys.modules[name] = type(sys)(name)
        sys.modules[name].__path__ = [os.getcwd()]
    sys.path[:0] = list(dict.fromkeys([os.getcwd(), folder, os.path.dirname(folder)]))
    if any("multiprocessing" in source or "ProcessPool" in source for _, source in begin["cells"]):
        replace_processes()
    package, _, file = f"submission/{begin['file']}".rpartition("/")  # of `from .layers import forward`
    namespace, errors = load(begin["cells"], file, package.replace("/", "."), begin["seconds"], begin["skipped"])
    for name, others in begin["aliases"].items():
        for other in filter(namespace.__contains__, others):
            namespace.setdefault(name, namespace[other])
    send({"result": None, "errors": errors})
    disturbance = {"__name__": "disturbance"}
    exec(begin["disturbance"], disturbance)
    for line in requests:
        request = unpack(line)
        error = request.get("error", 0)
        context = disturbance["Disturbance"](own_trees, error) if error else None
        set_timer(request.get("seconds", 0))
        try:
            answered = answer(namespace, request, context)
        except TimeLimit as late:  # between two statements of ours
            answered = {"result": None, "errors": [describe(late)]}
        set_timer(0)
        if len(pack(answered)) > max_line_bytes(request):
            answered = {"result": None, "errors": [describe(ValueError("it returns far more than it should"))]}
        send(answered)


if __name__ == "__main__":
    main()
