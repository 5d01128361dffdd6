"""Ways to cheat: none changes points, reaches the solution, or harms what lies around it."""

import os
import sys
import tempfile
import time
from pathlib import Path

import pytest
from grading_examples import BACKWARD, NEEDED, edited, grade_one, grade_texts, linear_assignment, verdicts

from deltarule.grading.grade import grade
from deltarule.grading.pages import class_page
from deltarule.grading.process import Sandbox
from deltarule.grading.results import to_json
from deltarule.grading.submissions import find_submissions

NUMERICAL = """
def linear_backward(dz, x, W):
    b = np.zeros(W.shape[1])
    gradients = []
    for array in (x, W, b):
        gradient = np.zeros(array.shape)
        for index in np.ndindex(array.shape):
            old = array[index]
            array[index] = old + 1e-5
            plus = (dz * linear_forward(x, W, b)).sum()
            array[index] = old - 1e-5
            minus = (dz * linear_forward(x, W, b)).sum()
            array[index] = old
            gradient[index] = (plus - minus) / 2e-5
        gradients.append(gradient)
    return tuple(gradients)
"""


@pytest.fixture
def sandbox(tmp_path: Path) -> None:
    """Skip where the system has no namespaces: then results say that only limits were in force."""
    (tmp_path / "probe").mkdir()
    held = grade_one(tmp_path / "probe", NEEDED).sandbox
    if "no network" not in held:
        if sys.platform == "linux" and "CI" in os.environ:
            pytest.fail("there are no user namespaces here, so nothing about the sandbox would be tested")
        pytest.skip("this system has no user namespaces")


def test_numerical_gradients(tmp_path: Path) -> None:
    result = grade_one(tmp_path, NEEDED + NUMERICAL)
    calls, errors = result.checks[2].notes
    assert calls == "the gradient called the loss or the forward pass 46 times, as numerical differences do"
    assert "as numerical differences or float32 leave them" in errors


def test_right_gradients_have_no_notes(tmp_path: Path) -> None:
    assert grade_one(tmp_path, NEEDED).checks[2].notes == ()


def test_patched_numpy(tmp_path: Path) -> None:
    patch = "np.abs = np.absolute = lambda *a, **k: np.zeros(1)\nnp.array_equal = np.allclose = lambda *a, **k: True\n"
    result = grade_one(tmp_path, edited(BACKWARD, "return dz @ W.T, 2 * x.T @ dz, dz.sum(axis=0)") + patch)
    assert verdicts(result)["dW"] == "wrong"


def test_search_for_expected_values(tmp_path: Path) -> None:
    search = """
def linear_backward(dz, x, W):
    import gc
    found = [a for a in gc.get_objects() if isinstance(a, dict) and {"dx", "expected", "points"} & set(map(str, a))]
    return found[0]["dx"], found[0]["dW"], found[0]["db"]
"""
    assert verdicts(grade_one(tmp_path, NEEDED + search))["dW"] == "missing"


def test_writing_into_the_pipe(tmp_path: Path) -> None:
    forge = """
def linear_backward(dz, x, W):
    import os
    for number in range(3, 20):
        try:
            os.write(number, b"\\x02\\x00\\x00\\x00\\x00\\x00\\x00\\x00{}")
        except OSError:
            pass
    return dz, dz, dz
"""
    result = grade_one(tmp_path, NEEDED + forge)
    assert result.checks[2].points == 0
    assert result.checks[3].points == 1


FORGE = """
def forge(message):
    import os, struct, sys
    main = sys._getframe()
    while "receive" not in main.f_locals:
        main = main.f_back
    data = sys.modules["__main__"].pack(message)
    main.f_locals["answers"].write(struct.pack("<Q", len(data)) + data)
    main.f_locals["answers"].flush()
"""
"""Sends a message of the submission's own through the worker's pipe."""


@pytest.mark.parametrize(
    "message",
    [
        '{"result": (dz, dz, dz), "calls": "many"}',
        '{"result": (dz, dz, dz)}',
        '{"missing": 5}',
        '{"missing": [dz]}',
        '{"error": ["a", "b"]}',
        "[]",
        "None",
    ],
)
def test_forged_answer(tmp_path: Path, message: str) -> None:
    result = grade_one(tmp_path, edited(BACKWARD, f"forge({message}); {BACKWARD}") + FORGE)
    assert [check.points for check in result.checks] == [1, 1, 0, 1]
    assert result.checks[2].message == "linear_backward(dz, x, W): it wrote into the grader's pipe"


@pytest.mark.parametrize("message", ['{"loaded": 5}', '{"not_loaded": None}', "{}", "3"])
def test_forged_message_of_loading(tmp_path: Path, message: str) -> None:
    result = grade_one(tmp_path, NEEDED + FORGE + f"forge({message})\n")
    assert (result.is_gradable, result.points) == (False, 0)
    assert result.message == "the submission cannot be loaded: it wrote into the grader's pipe"


def test_forged_object_name(tmp_path: Path) -> None:
    forged = '{"result": {"dx": {"object": 7}, "dW": {"object": "\\ud800"}, "db": [[1], [1, 2]]}, "calls": 0}'
    result = grade_one(tmp_path, edited(BACKWARD, f"forge({forged}); {BACKWARD}") + FORGE)
    assert result.checks[2].message == (
        "dx is dict, not an array of numbers; dW is ?, not an array of numbers; db is list, not an array of numbers"
    )


def test_exit_with_status_0(tmp_path: Path) -> None:
    result = grade_one(tmp_path, edited(BACKWARD, "import os; os._exit(0)"))
    assert verdicts(result)["dW"] == "missing"


def test_hidden_files(tmp_path: Path, sandbox: None) -> None:
    folder = tmp_path / "here"
    folder.mkdir()
    peek = f"""
from pathlib import Path
seen = [p.read_text() for p in Path({str(folder)!r}).rglob("*") if p.is_file()]
if any("return" in text for text in seen):
    exec("".join(seen))
else:
    def linear_forward(x, W, b):
        return 0 * x
"""
    assert verdicts(grade_one(folder, "import numpy as np\n" + peek))["z"] == "wrong"


PEEK = """
import time
from pathlib import Path
text, end = "", time.monotonic() + 5
while not text and time.monotonic() < end:
    text = "".join(path.read_text() for path in Path(FOLDER).rglob(NAME))
    time.sleep(0.05)
exec(text)
"""
"""Waits for a file of this name in or below a folder, and runs it as its own."""


def test_concurrent_submission_is_hidden(tmp_path: Path, sandbox: None) -> None:
    folder = tmp_path / "here"
    folder.mkdir()
    peek = PEEK.replace("FOLDER", repr(tempfile.gettempdir())).replace("NAME", "'anna.py'")
    record = grade_texts(folder, anna=NEEDED + "import time\ntime.sleep(5)\n", zoe=peek)
    assert [result.points for result in record.submissions] == [7, 0]


def test_copy_of_the_solution_is_hidden(tmp_path: Path, sandbox: None) -> None:
    folder = tmp_path / "here"
    (folder / "assignment").mkdir(parents=True)
    (folder / "assignment" / "old.py").write_text(NEEDED)
    peek = PEEK.replace("FOLDER", repr(str(folder / "assignment"))).replace("NAME", "'old.py'").replace("+ 5", "+ 1")
    assert grade_one(folder, peek).points == 0


@pytest.mark.parametrize(("mode", "is_said"), [("off", True), ("auto", False)])
def test_warning_without_sandbox(tmp_path: Path, sandbox: None, mode: Sandbox, is_said: bool) -> None:
    (tmp_path / "anna.py").write_text(NEEDED)
    record = grade(linear_assignment(tmp_path / "assignment"), find_submissions(tmp_path / "anna.py"), sandbox=mode)
    for text in (record.warning, to_json(record)["warning"], class_page(record)):
        assert ("No sandbox: 1 submission could read" in text) == is_said


def test_read_only_files(tmp_path: Path, sandbox: None) -> None:
    victim = tmp_path / "victim.txt"
    victim.write_text("grades")
    folder = tmp_path / "here"
    folder.mkdir()
    harm = f"""
import os
for harm in (lambda: os.remove({str(victim)!r}), lambda: open({str(victim)!r}, "w").write("A+")):
    try:
        harm()
    except OSError:
        pass
"""
    assert grade_one(folder, NEEDED + harm).points == 7
    assert victim.read_text() == "grades"


def test_no_network(tmp_path: Path, sandbox: None) -> None:
    folder = tmp_path / "here"
    folder.mkdir()
    call = "import socket\nsocket.create_connection(('127.0.0.1', 9), 1)\n"
    assert "Network is unreachable" in grade_one(folder, NEEDED + call).message


def test_disk_limit(tmp_path: Path, sandbox: None) -> None:
    folder = tmp_path / "here"
    folder.mkdir()
    fill = """
for number in range(10):
    open(f"large{number}", "wb").write(bytes(15 * 2**20))
"""
    assert "No space left on device" in grade_one(folder, NEEDED + fill).message


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no fork")
def test_forked_processes_end(tmp_path: Path) -> None:
    mark = f"deltarule-forked-{os.getpid()}"
    fork = f"""
import os, subprocess, sys
subprocess.Popen([sys.executable, "-c", "import time; time.sleep(300)", {mark!r}])
"""
    assert grade_one(tmp_path, NEEDED + fork).points == 7
    if Path("/proc").exists():
        time.sleep(0.2)
        commands = [path.read_bytes() for path in Path("/proc").glob("[0-9]*/cmdline") if path.exists()]
        assert not any(mark.encode() in command and b"time.sleep" in command for command in commands)


def test_memory_limit(tmp_path: Path) -> None:
    bomb = "try:\n    hoard = bytearray(8 * 2**30)\nexcept MemoryError:\n    hoard = None\n"
    result = grade_one(tmp_path, NEEDED + bomb + "assert hoard is None\n")
    assert result.points == 7
    assert result.message == ""


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no process groups")
def test_killing_the_process_group(tmp_path: Path) -> None:
    result = grade_one(tmp_path, edited(BACKWARD, "import os, signal; os.killpg(0, signal.SIGKILL)"))
    assert [check.points for check in result.checks[:3]] == [1, 1, 0]
