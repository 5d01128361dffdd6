"""Ways to cheat: none changes points, reaches the solution, or harms what lies around it."""

import contextlib
import ctypes
import io
import os
import random
import re
import signal
import subprocess
import sys
import tempfile
import time
import unicodedata
from pathlib import Path
from unittest.mock import MagicMock

import numpy as np
import psutil
import pytest
from grading_examples import (
    ASSIGNMENT,
    BACKWARD,
    NEEDED,
    SOLUTION,
    edited,
    grade_files,
    grade_one,
    grade_texts,
    linear_assignment,
    verdicts,
    wait_for_end,
    write_assignment,
    write_files,
)

from deltarule.grading import worker
from deltarule.grading.assignment import read_assignment
from deltarule.grading.grade import _prepare, grade, grade_check
from deltarule.grading.process import Worker
from deltarule.grading.results import class_page, remarks, student_page, to_json, write_results
from deltarule.grading.sandbox import HELD, LIMITS, Sandbox, missing_sandbox
from deltarule.grading.source import unusual_parts
from deltarule.grading.submissions import Submission, find_submissions

HAS_SANDBOX = not missing_sandbox()


def landlock_version() -> int:
    return ctypes.CDLL(None).syscall(444, None, 0, 1) if sys.platform == "linux" else 0


@pytest.mark.skipif(landlock_version() < 3, reason="there is no Landlock")
def test_a_kernel_with_landlock_has_the_sandbox() -> None:
    assert not missing_sandbox()  # otherwise the tests below are skipped


@pytest.fixture(params=["required", "off"])
def mode(request: pytest.FixtureRequest) -> Sandbox:
    """With a sandbox, where the system has one, and without."""
    if request.param == "required" and not HAS_SANDBOX:
        pytest.skip(f"no sandbox: {missing_sandbox()}")
    return request.param


@pytest.fixture
def isolated() -> None:
    """Skip where the system has no sandbox: results then say that a submission could have done this."""
    if not HAS_SANDBOX:
        pytest.skip(f"no sandbox: {missing_sandbox()}")


def in_folder(tmp_path: Path) -> Path:
    """A folder for a grading, beside which a submission finds things."""
    folder = tmp_path / "here"
    folder.mkdir()
    return folder


# Forbidden modules


FORBIDDEN = edited("hint = 4", 'hint = 4\nforbid = ["pandas", "deltarule"]', ASSIGNMENT)
FOUND = "next(path for folder in sys.path if os.path.isdir(path := folder + '/packaging'))"
FORBIDDEN_IMPORTS = {
    "statement": "import packaging",
    "importlib": "packaging = importlib.import_module('packaging')",
    "other spelling": "sys.path[:0] = [path.replace('/lib/', '/lib/./') for path in sys.path]; import packaging",
    "link": f"os.symlink({FOUND}, 'package'); import package as packaging",
    "copy": f"shutil.copytree({FOUND}, 'package'); import package as packaging",
    "child": "packaging = run([sys.executable, '-c', f'import sys; sys.path={sys.path}; import packaging'], **c) and A",
}


def test_forbidden_modules(tmp_path: Path, mode: Sandbox) -> None:
    cheat = """
import importlib, os, shutil, sys
from subprocess import run
class A:
    __version__ = None
c = dict(check=True)
if True:
    {}
    packaging.__version__
    del step
"""
    sources = {name: NEEDED + cheat.format(statement) for name, statement in FORBIDDEN_IMPORTS.items()}
    for text, points in ((ASSIGNMENT, 6), (edited("hint = 4", 'hint = 4\nforbid = ["packaging"]', ASSIGNMENT), 7)):
        folder = tmp_path / str(points)
        folder.mkdir()
        results = grade_texts(folder, sources, text, mode)
        assert {name: result.points for name, result in results.items()} == dict.fromkeys(sources, points)
        assert all("importlib, os" in remarks(result) or "importlib" in remarks(result) for result in results.values())


def test_copies_of_forbidden_modules_are_left_out(tmp_path: Path) -> None:
    folder = tmp_path / "submissions" / "anna"
    (folder / "torch").mkdir(parents=True)
    (folder / "torch" / "__init__.py").write_text("")
    copy = Path(worker.__file__).read_text().replace("namespace", "names") + "# mine"
    (folder / "renamed.py").write_text(copy)
    (folder / "autograd.py").write_text("class Value: pass\n")  # a file of one's own may have such a name
    imports = "".join(f"if True:\n    import {name}\n    del {function}\n" for name, function in UNLIKE.items())
    (folder / "main.py").write_text(NEEDED + imports)
    text = edited("hint = 4", 'hint = 4\nforbid = ["torch", "deltarule", "autograd"]', ASSIGNMENT)
    assignment = read_assignment(write_assignment(tmp_path / "assignment", text))
    [result] = grade(assignment, find_submissions(tmp_path / "submissions", "main.py")).submissions
    assert verdicts(result) == dict.fromkeys(("z", "dx", "dW", "db", "W"), "right") | {"J": "missing"}
    assert result.notes[-1] == "left out, as copies of forbidden modules: 2 files such as renamed.py"


UNLIKE = {"torch": "step", "renamed": "linear_backward", "autograd": "loss"}


def test_ordinary_code_has_nothing_unusual() -> None:
    source = (
        "import os, sys\nfrom pathlib import Path\nsys.path.append(os.path.dirname(__file__))\nsignal = frame = np.pi"
    )
    usual = "np.random.seed(0)\nself.W = 0.123456\nscale = 1e-12\nplt.rcParams['a'] = 1\nprint('solution of y = 0')\n"
    assert unusual_parts([("a.py", f"{source}\n{usual}{NEEDED}")]) == []


def test_imports_are_reported(tmp_path: Path) -> None:
    record = grade_files(tmp_path, {"anna.py": NEEDED + "import PIL.Image, json, cv2 as c  # d, e\n"})
    assert record.submissions[0].notes == ("imports PIL, cv2",)
    assert "imports PIL, cv2" in class_page(record)


# Answers that are not computed


FORGE = """
import os, signal, subprocess, sys

def pipe():
    main = sys._getframe()
    while "answers" not in main.f_locals:
        main = main.f_back
    return main.f_locals["answers"]

def forge(message):
    pipe().write(sys.modules["__main__"].pack(message))
    pipe().flush()
"""
"""Sends a message of the submission's own through the worker's pipe."""


PATCH = """
np.abs = np.absolute = lambda *a, **k: np.zeros(1)
np.array_equal = np.allclose = lambda *a, **k: True
"""
SEARCH_EXPECTED = """
def linear_backward(dz, x, W):
    import gc
    found = [a for a in gc.get_objects() if isinstance(a, dict) and {"dx", "expected", "points"} & set(map(str, a))]
    return found[0]["dx"], found[0]["dW"], found[0]["db"]
"""
SEARCH_LATER = """
def linear_forward(x, W, b):
    import gc
    found = [a for a in gc.get_objects() if isinstance(a, dict) and "dz" in a]
    return found[0]["dz"] if found else x @ W + b
"""
WRITE_PIPES = r"""
def linear_backward(dz, x, W):
    import os
    for number in range(3, 20):
        try:
            os.write(number, b"{}\n")
        except OSError:
            pass
    return dz, dz, dz
"""
HOARD = """
try:
    hoard = bytearray(8 * 2**30)
except MemoryError:
    hoard = None
assert hoard is None
"""


def in_backward(statement: str) -> str:
    """A right submission whose backward pass runs a statement first."""
    return edited(BACKWARD, f"{statement}; {BACKWARD}") + FORGE


WRITTEN = "linear_backward(dz, x, W): it wrote into the grader's pipe"
NOT_LOADED = "it wrote into the grader's pipe"
CHEATS = {
    "patched NumPy": (
        edited("x.T @ dz,", "2 * x.T @ dz,") + PATCH,
        [1, 1, 2, 1],
        "dx is right; dW is wrong; db is right",
    ),
    "search for expected values": (NEEDED + SEARCH_EXPECTED, [1, 1, 0, 1], "linear_backward(dz, x, W) fails"),
    "search for later values": (NEEDED + SEARCH_LATER, [1, 1, 4, 1], "z is right"),
    "forged errors": (in_backward('forge({"result": (dz, dz, dz), "errors": "many"})'), [1, 1, 0, 1], WRITTEN),
    "forged null": (in_backward("forge(None)"), [1, 1, 0, 1], WRITTEN),
    "write into all pipes": (NEEDED + WRITE_PIPES, [1, 1, 0, 1], WRITTEN),
    "forged loading": (NEEDED + FORGE + "if True: forge({'errors': [5]})", [0, 0, 0, 0], NOT_LOADED),
    "number for loading": (NEEDED + FORGE + "if True: forge(3)", [0, 0, 0, 0], NOT_LOADED),
    "large array": (
        edited("return dz @ W.T,", "return np.zeros((4000, 4000)),"),
        [1, 1, 3, 1],
        "dx is not an array of numbers",
    ),
    "memory": (NEEDED + HOARD, [1, 1, 4, 1], ""),
    "exit": (in_backward("os._exit(0)"), [1, 1, 0, 1], "linear_backward(dz, x, W): it ended its process"),
    "kill the group": (in_backward("os.killpg(0, signal.SIGKILL)"), [1, 1, 0, 1], "linear_backward(dz, x, W)"),
}
"""Sources with the points of the four checks, and a sentence of the result."""


def test_cheats(tmp_path: Path, mode: Sandbox) -> None:
    results = grade_texts(tmp_path, {name: source for name, (source, _, _) in CHEATS.items()}, sandbox=mode)
    for name, (_, points, sentence) in CHEATS.items():
        result = results[name]
        assert (name, [check.points for check in result.checks]) == (name, points)
        assert sentence in " ".join([result.message, *(check.message for check in result.checks)])
        assert not result.message or sentence == NOT_LOADED
        assert remarks(result) or name == "memory"  # which harms nobody


def test_holding_the_pipe(tmp_path: Path, mode: Sandbox) -> None:
    holder = "[sys.executable, '-c', 'import time; time.sleep(300)'], start_new_session=True"
    source = in_backward(f"subprocess.Popen({holder}, pass_fds=[pipe().fileno()]); os._exit(0)")
    started = time.monotonic()
    result = grade_one(tmp_path, source, sandbox=mode)
    assert time.monotonic() - started < 200  # seconds: nobody waited for it
    assert [check.points for check in result.checks] == [1, 1, 0, 1]


def test_killing_everything(tmp_path: Path, isolated: None) -> None:
    result = grade_one(tmp_path, in_backward("os.kill(-1, signal.SIGKILL)"))
    assert [check.points for check in result.checks] == [1, 1, 0, 1]


LETTERS = "''.join(chr(97 + int(10 * abs(value))) for value in dz.flat)"
DIGITS = "int(99 * abs(dz[0, 0]))"
LEAKS = {
    "numbers": "raise ValueError(f'the shapes (5, 3) differ: {dz.tolist()}')",
    "letters": f"raise ValueError({LETTERS})",
    "a type": f"raise type({LETTERS}, (Exception,), {{}})",
    "a name": f"raise NameError('name ' + repr({LETTERS}) + ' is not defined')",
    "a shape": "return np.zeros((0, *(int(1e5 * abs(value)) for value in dz.flat[:3]))), dz, dz",
    "a short shape": "return np.zeros((0, *(int(30 + 100 * abs(value)) for value in dz.flat[:3]))), dz, dz",
    "many lengths": "return np.zeros((0, *(int(1 + 4 * (value > 0)) for value in dz.flat[:7]))), dz, dz",
    "NumPy's text": "raise ValueError(f'axis {DIGITS} is out of bounds for array of dimension 2')",
    "NumPy's text in a variable": "e = ValueError(f'axis {DIGITS} is out of bounds for array of dimension 2'); raise e",
    "NumPy's own error": "return np.zeros(DIGITS) + np.zeros(1 + DIGITS)",
    "an index": "return dz[DIGITS + 7]",
    "a class": f"return type({LETTERS}, (), {{}})(), dz, dz",
}


def test_values_do_not_leave_in_messages(tmp_path: Path) -> None:
    sources = {name: edited(BACKWARD, leak.replace("DIGITS", DIGITS)) for name, leak in LEAKS.items()}
    record = grade_files(tmp_path, {f"{name}.py": source for name, source in sources.items()})
    dz = linear_assignment(tmp_path / "values").names["dz"]
    letters = "".join(chr(97 + int(10 * abs(value))) for value in dz.flat)
    for result in record.submissions:
        message = result.checks[2].message
        assert "line 13, `" in message or "dx is not an array" in message or "dx has another shape" in message
        assert not re.search(rf"(?<!\d){int(99 * abs(dz[0, 0]))}(?!\d)", message)
        assert "not shown" in remarks(result) or "is no array" in remarks(result)  # for the teacher
        page = student_page(record, result)
        assert letters[:5] not in page and str(int(1e5 * abs(dz[0, 0]))) not in page


OWN_TEXTS = {
    "dz + np.ones(4)": "ValueError: operands could not be broadcast together with shapes (5,2) (4,)",
    "dz + delta": "NameError: name 'delta' is not defined",
    "dz.Q": "AttributeError: 'numpy.ndarray' object has no attribute 'Q'",
    "linear_forward(x)": "TypeError: linear_forward() missing 2 required positional arguments: 'W' and 'b'",
    "open('mnist.npz')": "FileNotFoundError: [Errno 2] No such file or directory: 'mnist.npz'",
    "np.zeros(1234).reshape(5, 2)": "ValueError: cannot reshape array of size 1234 into shape (5,2)",
}


def test_own_texts_of_numpy_and_python_are_shown(tmp_path: Path) -> None:
    sources = {f"s{i}": edited(BACKWARD, statement) for i, statement in enumerate(OWN_TEXTS)}
    for result, (statement, text) in zip(grade_texts(tmp_path, sources).values(), OWN_TEXTS.items(), strict=True):
        assert result.checks[2].message == f"linear_backward(dz, x, W) fails: line 13, `{statement}`: {text}"


def test_constants_of_hidden_data(tmp_path: Path) -> None:
    text = edited("hint = 4", "hint = 4\nhidden = true", ASSIGNMENT)
    path = write_assignment(tmp_path / "assignment", text, edited("default_rng(20)", "default_rng(seed)", SOLUTION))
    (tmp_path / "submissions").mkdir()
    (tmp_path / "submissions" / "anna.py").write_text(edited(BACKWARD, "return dz @ W.T, x.T @ dz, dz"))
    [submission] = find_submissions(tmp_path / "submissions")
    salt = _prepare(read_assignment(path), submission, tmp_path / "copy")[0].salt
    drawn = read_assignment(path, salt).checks[2].expected["dW"].tolist()  # if a first version had seen its values
    copied = edited(BACKWARD, f"return dz @ W.T, np.array({drawn!r}), dz.sum(axis=0)")
    (tmp_path / "submissions" / "anna.py").write_text(copied)
    (tmp_path / "submissions" / "carl.py").write_text(NEEDED)
    (tmp_path / "submissions" / "dora").mkdir()
    from_file = edited(BACKWARD, "return dz @ W.T, np.load('data.npy'), dz.sum(axis=0)")
    (tmp_path / "submissions" / "dora" / "hw.py").write_text(from_file)
    np.save(tmp_path / "submissions" / "dora" / "data.npy", drawn)
    for _ in range(2):
        record = grade(read_assignment(path), find_submissions(tmp_path / "submissions"))
        assert [result.points for result in record.submissions] == [5, 7, 5]
        said = [": the same on other values" in remarks(result) for result in record.submissions]
        assert said == [True, False, True]


def forged_messages(right: bytes, count: int) -> list[bytes]:
    """Messages that differ from a right one in a few bytes."""
    choose = random.Random(5)
    shapes = ["[1, -1]", "[9e99]", "[99999999999]", f"[{', '.join(['1'] * 64)}]", "3"]
    texts = [f'{{"array": ["<f8", {shape}, "AAAA"]}}' for shape in shapes]
    texts += ["[" * 5000, '{"table": []}', '{"array": ["|O8", [3], ""]}', '{"list": 3}', "9" * 5000, "{}", ""]
    messages = [text.encode() for text in texts]
    while len(messages) < count:
        message = bytearray(right)
        for _ in range(choose.choice([1, 2, 8])):
            message[choose.randrange(len(message) // 2)] = choose.randrange(256)
        cut = choose.choice([len(message), choose.randrange(len(message))])
        messages.append(bytes(message[:cut]))
    return messages


def test_forged_messages(tmp_path: Path) -> None:
    assignment = linear_assignment(tmp_path)
    check = assignment.checks[2]
    arrays = tuple(np.zeros_like(array) for array in check.expected.values())
    right = worker.pack({"result": arrays, "errors": []})
    refused = 0
    for message in forged_messages(right, 500):
        process = MagicMock(stdout=io.BytesIO(message + b"\n"), returncode=None, pid=2**30)
        process.wait.return_value = 0
        running = Worker(Submission("anna", "a.py", {}), tmp_path, assignment, isolation="")
        running.process = process
        result = grade_check(check, assignment, running)
        assert result.points == 0
        refused += "it wrote into the grader's pipe" in result.message
    assert refused > 120


# Files, network and processes


SEARCH = """
import os
text, end = "", time.monotonic() + SECONDS
while not text and time.monotonic() < end:
    for parent, _, names in os.walk(FOLDER):
        for name in names:
            if name in NAMES:
                text = open(os.path.join(parent, name)).read()
exec(text)
"""
"""Waits for a file of one of these names below a folder, and runs it as its own."""


def search(folder: Path, names: list[str], seconds: int = 1) -> str:
    """The source of a submission that looks for others' code."""
    source = "import time\n" + SEARCH.replace("FOLDER", repr(str(folder))).replace("NAMES", repr(names))
    return source.replace("SECONDS", str(seconds))


def test_solution_is_hidden(tmp_path: Path, isolated: None) -> None:
    folder = in_folder(tmp_path)
    names = ["old.py", "solution.py", ".git/old.py"]
    write_files(folder / "copies", dict.fromkeys(names, NEEDED))
    sources = {f"s{i}": search(tmp_path, [Path(name).name]) for i, name in enumerate(names)}
    for sandbox, points in (("auto", 0), ("off", 7)):
        results = grade_texts(in_folder(folder) if points else folder, sources, sandbox=sandbox)
        assert [result.points for result in results.values()] == [points] * 3


def test_concurrent_submission_is_hidden(tmp_path: Path, isolated: None) -> None:
    sources = {"anna": NEEDED + "__import__('time').sleep(4)\n", "zoe": search(Path("/tmp"), ["anna.py"], 3)}
    assert [result.points for result in grade_texts(tmp_path, sources).values()] == [7, 0]


HARMS = [
    "os.remove(VICTIM)",
    "open(VICTIM, 'w').write('A+')",
    "open(np.__file__, 'a')",
    "open('/new', 'w')",
    "os.kill(1, 9)",
    "os.kill(os.getppid(), 9)",
    "os.kill(0, 9)",
    "os.setsid()",
    "__import__('resource').prlimit(os.getppid(), 0, (1, 1))",
    "__import__('fcntl').fcntl(0, 8, os.getppid())",
    "os.listdir('/proc')",
    "os.listdir('/')",
    "open('/etc/passwd')",
    "open(os.path.dirname(VICTIM) + '/solution.py')",
    "os.link(VICTIM, 'mine')",
    "__import__('socket').create_connection(('127.0.0.1', 9), 1)",
    "__import__('socket').socket(__import__('socket').AF_UNIX).connect('/run/dbus/system_bus_socket')",
    "[open(f'/tmp/large{i}', 'wb').write(bytes(15 * 2**20)) for i in range(10)]",
    "ctypes.CDLL(None, use_errno=True).mount(b'/', b'/tmp', None, 4096, None) == 0 or open('/proc/1/maps')",
    "ctypes.CDLL(None).ptrace(16, 1, 0, 0) == 0 or open('/proc/1/mem')",
]


def test_harm_fails(tmp_path: Path, isolated: None) -> None:
    victim = tmp_path / "victim.txt"
    victim.write_text("grades")
    sources = {
        f"s{i:02}": NEEDED + "import ctypes, os\n" + harm.replace("VICTIM", repr(str(victim))) + "\n"
        for i, harm in enumerate(HARMS)
    }
    for harm, result in zip(HARMS, grade_texts(in_folder(tmp_path), sources).values(), strict=True):
        assert (harm, result.points, "Error" in result.message) == (harm, 7, True)
    assert victim.read_text() == "grades"


FILL = """
import itertools, os, tempfile
for i in itertools.count():
    open(os.path.join(tempfile.gettempdir(), str(i)), "wb").write(bytes(SIZE))
"""


def test_what_is_written_has_a_limit(tmp_path: Path) -> None:
    sources = {
        f"s{i}": edited("W -= rate * dW", FILL.replace("\n", "\n    ").replace("SIZE", size))
        for i, size in enumerate(("15 * 2**20", "1"))
    }
    for result in grade_texts(tmp_path, sources).values():
        assert result.points == 6 and "it wrote more than 128 MB or 20000 files" in result.checks[3].message
        assert "it wrote more than" in remarks(result)


WRITES = """
import os
is_first = not open(__file__).read().endswith("changed") and not os.path.exists("own.txt")
open("own.txt", "w").close()
open(__file__, "a").write("# changed")
"""


def test_what_is_written_beside_the_code_is_for_one_process_alone(tmp_path: Path, isolated: None) -> None:
    source = edited("W -= rate", "W -= is_first * rate", edited("return np.mean", "os._exit(0); return np.mean"))
    result = grade_one(in_folder(tmp_path), source + WRITES)
    assert (verdicts(result)["J"], verdicts(result)["W"], result.message) == ("missing", "right", "")


@pytest.mark.parametrize(("sandbox", "said"), [("off", "could read and write files"), ("auto", "")])
def test_warning_without_sandbox(tmp_path: Path, isolated: None, sandbox: Sandbox, said: str) -> None:
    record = grade_files(tmp_path, {"anna.py": NEEDED}, sandbox=sandbox)
    is_isolated = not said
    for text in (record.warning, to_json(record)["warning"], class_page(record)):
        assert ("No sandbox: submissions could read" in text) != is_isolated
    assert record.sandbox == (HELD if is_isolated else LIMITS)


SURVIVE = """
import ctypes, os, signal, subprocess, sys
code = "import ctypes, signal, time; ctypes.CDLL(None).prctl(1, 0); signal.signal(signal.SIGTERM, signal.SIG_IGN); "
code += "time.sleep(300)"
ctypes.CDLL(None).prctl(1, 0)
for i in range(3):
    subprocess.Popen([sys.executable, "-c", code, MARK])
"""


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no fork")
def test_processes_end(tmp_path: Path, mode: Sandbox) -> None:
    mark = f"deltarule-forked-{os.getpid()}-{mode}"
    source = NEEDED + SURVIVE.replace("MARK", repr(mark))
    assert grade_one(tmp_path, source, sandbox=mode).points == 7
    wait_for_end(mark)


def kill_pool(grader: subprocess.Popen[bytes]) -> None:
    for child in psutil.Process(grader.pid).children(recursive=True):
        with contextlib.suppress(psutil.Error):  # it has ended with the others
            if "forkserver" in " ".join(child.cmdline()):
                child.kill()


KILLS = {
    "the grader": lambda grader: grader.kill(),
    "its group": lambda grader: os.killpg(grader.pid, signal.SIGKILL),
    "a process of its pool": kill_pool,
}


@pytest.mark.parametrize("killed", KILLS)
def test_nothing_outlives_a_killed_grader(tmp_path: Path, isolated: None, killed: str) -> None:
    mark = f"deltarule-orphan-{os.getpid()}-{len(killed)}"
    (tmp_path / "anna.py").write_text(NEEDED + SURVIVE.replace("MARK", repr(mark)) + "if True:\n    while True: pass\n")
    words = [
        sys.executable,
        "-m",
        "deltarule",
        "grade",
        tmp_path / "anna.py",
        "--with",
        write_assignment(tmp_path / "a"),
    ]
    grader = subprocess.Popen(words, start_new_session=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        while not any(mark in one.info["cmdline"] for one in psutil.process_iter(["cmdline"]) if one.info["cmdline"]):
            assert grader.poll() is None
            time.sleep(0.05)
        KILLS[killed](grader)
    finally:
        grader.kill()
        grader.wait()
    wait_for_end(mark)


def test_limit_of_processes(tmp_path: Path, isolated: None) -> None:
    bomb = """
import os, time
children = 0
try:
    for children in range(500):
        if os.fork() == 0:
            time.sleep(60)
except OSError:
    pass
assert children < 80
"""
    result = grade_one(tmp_path, NEEDED + bomb)
    assert (result.points, result.message) == (7, "")


def odd_names() -> list[bytes]:
    """Names of files that systems and students make."""
    choose = random.Random(3)
    marks = [text.encode() for text in ("é", "e\u0301", "\u202e")]
    letters = [bytes([one]) for one in range(1, 256) if one != ord("/")] + marks
    names = [*b"Anna anna ANNA con =1+1 -rf ~ '\" %s {}".split(), b"a b", "Ä".encode(), "A\u0308".encode()]
    while len(names) < 60:
        name = b"".join(choose.choices(letters, k=choose.choice([1, 3, 20, 60])))
        names += [name] if name[:1] not in b"._" and name not in names else []
    return names


@pytest.mark.skipif(sys.platform != "linux", reason="other systems have no such file names")
def test_odd_file_names(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    temporary = tmp_path / "tmp"
    temporary.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(temporary))
    submissions = tmp_path / "submissions"
    submissions.mkdir()
    for name in odd_names():
        Path(os.fsdecode(os.fsencode(submissions) + b"/" + name + b".py")).write_text(NEEDED)
    record = grade(linear_assignment(tmp_path / "assignment"), find_submissions(submissions))
    assert len(record.submissions) == 60 and {result.points for result in record.submissions} == {7}
    write_results(tmp_path / "out", record)
    pages = [page.name for page in (tmp_path / "out" / "students").iterdir()]
    assert len({unicodedata.normalize("NFC", page).casefold() for page in pages}) == 60
    assert all(path.name.startswith("pymp-") for path in temporary.iterdir())  # the grader's own, until it ends
