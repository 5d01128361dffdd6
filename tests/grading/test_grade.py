"""Grading: points by array, no follow-on errors, named mistakes, and submissions that do not work."""

import os
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest
from grading_examples import (
    ASSIGNMENT,
    BACKWARD,
    FORWARD,
    NEEDED,
    SOLUTION,
    edited,
    grade_one,
    grade_texts,
    verdicts,
    write_assignment,
)
from refusals import refuses

from deltarule.grading.assignment import read_assignment
from deltarule.grading.grade import grade
from deltarule.grading.submissions import find_submissions


def test_right_submission(tmp_path: Path) -> None:
    result = grade_one(tmp_path, NEEDED)
    assert result.points == 7
    assert set(verdicts(result).values()) == {"right"}
    assert not any(check.mistakes or check.notes for check in result.checks)


def test_wrong_arrays(tmp_path: Path) -> None:
    result = grade_one(tmp_path, edited(BACKWARD, "return dz @ W.T, (x.T @ dz).T, dz.mean(axis=0)"))
    assert verdicts(result) | {"dW": "wrong", "db": "wrong"} == verdicts(result)
    assert result.points == 4
    backward = result.checks[2]
    assert backward.message == "dx is right; dW has the shape (2, 3), and should have (3, 2); db is wrong"
    assert {mistake.code for mistake in backward.mistakes} == {"transposed", "mean_twice"}


def test_a_factor_is_explained_by_counts(tmp_path: Path) -> None:
    factors = {"a": ("5 / 4", "1.25 times what it should be, as 5 / 4: "), "b": ("3 / 5", "as 3 / 5: ")}
    wrong = "return dz @ W.T, FACTOR * x.T @ dz, dz.sum(axis=0)"
    sources = {name: edited(BACKWARD, wrong.replace("FACTOR", factor)) for name, (factor, _) in factors.items()}
    for name, result in grade_texts(tmp_path, sources).items():
        [mistake] = result.checks[2].mistakes
        assert mistake.code == "factor" and factors[name][1] in mistake.sentence


def test_no_follow_on_errors(tmp_path: Path) -> None:
    result = grade_one(tmp_path, edited(FORWARD, "return x @ W - b"))
    assert verdicts(result) == {"z": "wrong"} | dict.fromkeys(("J", "dx", "dW", "db", "W"), "right")
    assert result.checks[1].message == "J is right with your own linear_forward"


def test_other_forms_of_right_values(tmp_path: Path) -> None:
    sources = {
        "dictionary": edited(BACKWARD, 'return {"dW": x.T @ dz, "db": dz.sum(0), "dx": dz @ W.T}'),
        "lists": edited(BACKWARD, "return (dz @ W.T).tolist(), (x.T @ dz).tolist(), dz.sum(0, keepdims=True)"),
        "returned update": edited("W -= rate * dW", "return W - rate * dW"),
        "output": "print('x' * 10**7)\n" + edited(FORWARD, "print('y' * 10**7); return x @ W + b"),
    }
    results = grade_texts(tmp_path, sources)
    assert {name: one.points for name, one in results.items()} == dict.fromkeys(sources, 7)


def test_layer_classes(tmp_path: Path) -> None:
    text = """
title = "A layer"
[[checks]]
part = "backward"
setup = "layer = Linear(W, b); layer.forward(x)"
call = "layer.backward(dz)"
returns = { dx = "result", dW = "layer.dW" }
gradient_of = "Linear(W, b).forward(x)"
by = ["x", "W"]
upstream = "dz"
"""
    layer = """
class Linear:
    def __init__(self, W, b):
        self.W, self.b = W, b
    def forward(self, x):
        self.x = x
        return x @ self.W + self.b
    def backward(self, dz):
        self.dW = self.x.T @ dz
        return dz @ self.W.T
"""
    folder = tmp_path / "assignment"
    folder.mkdir()
    data = "import numpy as np\nx, W, b, dz = np.ones((4, 3)), np.eye(3, 2), np.zeros(2), np.ones((4, 2))\n"
    (folder / "solution.py").write_text(data + layer)
    (folder / "assignment.toml").write_text(text)
    students = tmp_path / "students"
    students.mkdir()
    (students / "right.py").write_text(layer)
    (students / "wrong.py").write_text(layer.replace("self.x.T @ dz", "-self.x.T @ dz"))
    record = grade(read_assignment(folder / "assignment.toml"), find_submissions(students))
    right, wrong = record.submissions
    assert right.points == 2
    assert verdicts(wrong) == {"dx": "right", "dW": "wrong"}
    assert wrong.checks[0].mistakes[0].code == "sign"


BROKEN = {
    "syntax": (
        "def linear_forward(x, W, b)\n",
        "line 1, `def linear_forward(x, W, b)`: SyntaxError: expected ':'",
    ),
    "exit": ("import sys\nsys.exit(0)\n", "line 2, `sys.exit(0)`: SystemExit"),
}


def test_code_that_does_not_load(tmp_path: Path) -> None:
    for name, result in grade_texts(tmp_path, {name: source for name, (source, _) in BROKEN.items()}).items():
        assert not result.is_gradable and result.points == 0
        assert BROKEN[name][1] in result.message


def test_a_function_with_wrong_syntax_says_where(tmp_path: Path) -> None:
    result = grade_one(tmp_path, edited("def linear_backward(dz, x, W):", "def linear_backward(dz, x, W)"))
    assert result.checks[2].message.startswith(
        "linear_backward cannot be run: line 12, `def linear_backward(dz, x, W)`: "
    )
    assert "SyntaxError: expected ':'" in result.checks[2].message


def test_a_windows_path_in_a_docstring_is_one_error_and_costs_nothing(tmp_path: Path) -> None:
    docstring = '"""Homework, from C:\\Users\\ada\nand nothing\nelse\n"""\n'
    result = grade_one(tmp_path, docstring + NEEDED)
    assert result.points == 7
    assert result.message.count("SyntaxError") == 1 and "truncated \\UXXXXXXXX escape" in result.message


POOLS = """
import multiprocessing as mp
from concurrent.futures import ProcessPoolExecutor

def linear_forward(x, W, b):
    with ProcessPoolExecutor(mp.cpu_count()) as pool:
        return np.array(list(pool.map(W.T.dot, x))) + b

def linear_backward(dz, x, W):
    queue = mp.Queue()
    other = mp.Process(target=lambda: queue.put(dz.sum(axis=0)))
    other.start()
    with mp.get_context("spawn").Pool(2) as pool:
        dW = sum(pool.starmap(np.outer, zip(x, dz)))
        dx = pool.map_async(W.dot, dz).get()
    return np.array(dx), dW, queue.get()
"""


def test_pools_of_processes_run_in_the_submissions_own(tmp_path: Path) -> None:
    result = grade_one(tmp_path, NEEDED + POOLS)
    assert result.points == 7, [check.message for check in result.checks]


def test_no_line_of_the_solution_is_shown(tmp_path: Path) -> None:
    wrong = "for a, b in zip(x, dz): dW = np.outer(a, b)\n    return dz @ W.T, dW, dz.sum(axis=0)"
    result = grade_one(tmp_path, edited(BACKWARD, wrong))
    [mistake] = result.checks[2].mistakes
    assert mistake.code == "last_sample" and "solution" not in mistake.sentence and "line" not in mistake.sentence


def test_failing_line(tmp_path: Path) -> None:
    result = grade_one(tmp_path, "data = open('mnist.npz')\n" + NEEDED)
    assert result.points == 7
    assert result.message.startswith("while it was loaded: line 1, `data = open('mnist.npz')`: FileNotFoundError")


def test_missing_function(tmp_path: Path) -> None:
    result = grade_one(tmp_path, NEEDED.replace("def step", "def my_step"))
    assert result.checks[3].message == "step(W, dW, 0.1) fails: NameError: name 'step' is not defined; you have my_step"
    assert result.points == 6


BAD_RESULTS = {
    "raise ValueError('shapes')": "fails: line 13, `raise ValueError('shapes')`: ValueError",
    "return object(), None, 'text'": "dx is not an array of numbers of the shape (5, 3)",
    "return 1": "dx is not returned",
    "import os; os._exit(0)": "linear_backward(dz, x, W): it ended its process",
    "return dz @ W.T, x.T @ dz * float('nan'), dz.sum(0)": "dx is right; dW holds NaN or infinity",
    "return np.zeros((0, *x.shape)), dz, dz": "dx has another shape, and should have (5, 3)",
    "return {'dx': [[1.0], [2.0, 3.0]]}": "dx is not an array of numbers",
    "raise ValueError('\\ud800')": "fails: line 13, `raise ValueError('\\ud800')`: ValueError",
}


def test_bad_results_of_a_function(tmp_path: Path) -> None:
    results = grade_texts(tmp_path, {f"s{i}": edited(BACKWARD, body) for i, body in enumerate(BAD_RESULTS)})
    for result, message in zip(results.values(), BAD_RESULTS.values(), strict=True):
        assert message in result.checks[2].message
        assert [check.points for check in result.checks if check.part != "backward"] == [1, 1, 1]


def test_time_limit(tmp_path: Path) -> None:
    text = edited("time_limit_seconds = 5", "time_limit_seconds = 1", ASSIGNMENT)
    result = grade_one(tmp_path, edited(FORWARD, "\n    while True:\n        pass"), text)
    assert result.checks[0].message == "linear_forward(x, W, b): it did not end within 1 seconds"
    assert verdicts(result)["dW"] == verdicts(result)["W"] == "right"


@pytest.mark.slow
@pytest.mark.skipif(
    not Path("/proc/self/schedstat").exists(), reason="the system does not say how long a process waits"
)
def test_a_busy_machine_takes_no_points(tmp_path: Path) -> None:
    """The function needs most of its time, and gets a fraction of a processor."""
    text = edited("time_limit_seconds = 5", "time_limit_seconds = 1", ASSIGNMENT)
    text = text[: text.index('[[checks]]\npart = "loss"')]
    burn = "import time\n    end = time.process_time() + 0.5\n    while time.process_time() < end: pass\n    "
    busy = [subprocess.Popen([sys.executable, "-c", "while True: pass"]) for _ in range(4 * (os.cpu_count() or 1))]
    try:
        result = grade_one(tmp_path, edited(FORWARD, f"{burn}{FORWARD}"), text)
    finally:
        for process in busy:
            process.kill()
            process.wait()
    assert verdicts(result)["z"] == "right"


def test_draws_without_a_seed_are_the_same_every_time(tmp_path: Path) -> None:
    draws = {"numpy": "np.random.normal()", "python": "__import__('random').random()"}
    sources = {f"{name}{i}": edited(FORWARD, f"{FORWARD} + {draw}") for name, draw in draws.items() for i in "12"}
    results = grade_texts(tmp_path, sources)
    for name in draws:
        first, second = (results[f"{name}{i}"].checks[0].arrays[0] for i in "12")
        assert first == second and first.verdict == "wrong"


@pytest.mark.slow
def test_the_graders_own_folder_is_not_named_as_left_behind(tmp_path: Path) -> None:
    write_assignment(tmp_path)
    (tmp_path / "ada.py").write_text(NEEDED, encoding="utf-8")
    words = ["grade", "ada.py", "--with", "assignment.toml", "--sandbox", "off", "--json"]
    with tempfile.TemporaryDirectory() as shared:  # not tmp_path: a socket's path is short
        environment = {**os.environ, "TMPDIR": shared}
        command = [sys.executable, "-m", "deltarule", *words]
        done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=True)
    assert "No sandbox" in done.stdout
    assert f"{shared}/" not in done.stdout


def test_empty_folder(tmp_path: Path) -> None:
    with refuses(tmp_path, ".py", ".ipynb"):
        find_submissions(tmp_path)


def test_students_share_no_files(tmp_path: Path) -> None:
    writer = NEEDED + "\nopen('shared.txt', 'w').write('1')\n"
    reader = NEEDED + "\nopen('shared.txt').read()\n"
    results = grade_texts(tmp_path, {"anna": writer, "bert": reader})
    assert results["bert"].message.startswith("while it was loaded: line")


def test_links_are_ignored(tmp_path: Path) -> None:
    (tmp_path / "anna.py").write_text(NEEDED)
    (tmp_path / "link.py").symlink_to(tmp_path / "anna.py")
    assert [submission.student for submission in find_submissions(tmp_path)] == ["anna"]


def test_crash_during_diagnosis_costs_no_points(tmp_path: Path) -> None:
    crashing = """
import multiprocessing, os
W0, is_main = W.copy(), multiprocessing.parent_process() is None
def linear_forward(x, W, b):
    if not is_main and not np.array_equal(W, W0):
        os.abort()
    return x @ W + b
"""
    assignment = read_assignment(write_assignment(tmp_path / "assignment", solution=SOLUTION + crashing))
    students = tmp_path / "students"
    students.mkdir()
    wrong = edited(BACKWARD, "return dz @ W.T, -x.T @ dz, dz.sum(axis=0)")
    once = "\nimport pathlib\n(pathlib.Path.home() / 'mark').touch(exist_ok=False)\n"
    (students / "anna.py").write_text(wrong + once)
    (students / "bert.py").write_text(NEEDED)
    anna, bert = grade(assignment, find_submissions(students)).submissions
    assert (anna.points, bert.points, anna.message, bert.message) == (5, 7, "", "")  # each run has its own copy
    assert "dW is wrong" in anna.checks[2].message and not anna.checks[2].mistakes
