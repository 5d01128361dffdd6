"""`follow_on = true`: what is right after a student's own wrong arrays earns its points."""

from pathlib import Path

import pytest
from grading_examples import edited, verdicts, write_assignment
from refusals import refuses

from deltarule.grading.assignment import read_assignment
from deltarule.grading.grade import grade
from deltarule.grading.submissions import find_submissions

ASSIGNMENT = """
title = "Two layers"
[[checks]]
part = "forward"
call = "forward(x, W, V)"
returns = ["p", "a"]
follow_on = true
[[checks]]
part = "backward"
call = "backward(x, a, dz, V)"
returns = ["dW", "dV", "da"]
follow_on = true
"""
SOLUTION = """
import numpy as np
draws = np.random.default_rng(3)
x, W, V, dz = (draws.normal(size=size) for size in ((5, 3), (3, 4), (4, 2), (5, 2)))
a = np.tanh(x @ W)

def forward(x, W, V):
    a = np.tanh(x @ W)
    return a @ V, a

def backward(x, a, dz, V):
    dV, da = a.T @ dz, dz @ V.T
    return x.T @ (da * (1 - a * a)), dV, da
"""
RIGHT = "import numpy as np\n" + SOLUTION[SOLUTION.index("def forward") :]
WRONG = {
    "nothing": ((), ()),
    "activation": (("np.tanh(x @ W)", "np.sin(x @ W)"), ("a",)),
    "output": (("a @ V", "2 * a @ V"), ("p",)),
    "both": (("return a @ V, a", "return -a @ V, 2 * a"), ("p", "a")),
    "upstream": (("dz @ V.T", "-dz @ V.T"), ("da",)),
    "gradient": (("x.T @ (da", "-x.T @ (da"), ("dW",)),
    "another gradient": (("a.T @ dz", "-a.T @ dz"), ("dV",)),
}


@pytest.mark.slow
def test_what_follows_from_wrong_arrays_is_right(tmp_path: Path) -> None:
    (tmp_path / "students").mkdir()
    for name, (edit, _) in WRONG.items():
        (tmp_path / "students" / f"{name}.py").write_text(edited(*edit, RIGHT) if edit else RIGHT)
    assignment = read_assignment(write_assignment(tmp_path / "assignment", ASSIGNMENT, SOLUTION))
    for result in grade(assignment, find_submissions(tmp_path / "students")).submissions:
        wrong = {name for name, verdict in verdicts(result).items() if verdict == "wrong"}
        assert wrong == set(WRONG[result.student][1])
    activation = find_submissions(tmp_path / "students" / "activation.py")
    assert (
        "p is right after the wrong arrays before it" in grade(assignment, activation).submissions[0].checks[0].message
    )


def test_arrays_that_do_not_follow_are_refused(tmp_path: Path) -> None:
    direct = edited("return a @ V, a", "return np.tanh(x @ W) @ V, np.tanh(x @ W)", SOLUTION)
    with refuses("follow_on", "forward(x, W, V)"):
        read_assignment(write_assignment(tmp_path, ASSIGNMENT, direct))


NOTHING = {
    "zeros": "return 0 * x.T @ x[:, :1] @ V[:1] @ V.T[:, :4] * 0, V * 0, a * 0",
    "constants": "return np.ones((3, 4)), np.ones((4, 2)), np.ones((5, 4))",
    "other constants": "da = np.arange(20.0).reshape(5, 4); return da[:3], da[:4, :2], da",
    "arguments": "da = 2 * a; return x.T @ (da * (1 - a * a)), V, da",
    "noise": "da = np.random.normal(size=a.shape); return x.T @ (da * (1 - a * a)), 0 * V, da",
}


@pytest.mark.slow
def test_nothing_follows_from_what_is_not_computed(tmp_path: Path) -> None:
    (tmp_path / "students").mkdir()
    for name, body in NOTHING.items():
        wrong = edited(
            "    dV, da = a.T @ dz, dz @ V.T\n    return x.T @ (da * (1 - a * a)), dV, da", f"    {body}", RIGHT
        )
        (tmp_path / "students" / f"{name}.py").write_text(wrong)
    assignment = read_assignment(write_assignment(tmp_path / "assignment", ASSIGNMENT, SOLUTION))
    for result in grade(assignment, find_submissions(tmp_path / "students")).submissions:
        assert (result.student, result.points) == (result.student, 2)  # the forward pass alone


EPOCH = """
title = "An epoch"
[[checks]]
part = "backward"
call = "gradient(x, y, w)"
returns = ["g"]
[[checks]]
part = "update"
call = "epoch(x, y, w, 0.1)"
returns = ["w"]
points = 2
"""
EPOCH_SOLUTION = """
import numpy as np
draws = np.random.default_rng(3)
x, w, y = draws.normal(size=(6, 3)), draws.normal(size=3), draws.normal(size=6)
def gradient(x, y, w):
    return x.T @ (x @ w - y) / len(y)
def epoch(x, y, w, rate):
    for i in range(0, len(x), 2):
        w = w - rate * gradient(x[i : i + 2], y[i : i + 2], w)
    return w
"""
EPOCH_RIGHT = "import numpy as np\n" + EPOCH_SOLUTION[EPOCH_SOLUTION.index("def gradient") :]
IN_PLACE = """g = np.zeros(3)
    add(x, y, w, g)
    return g
def add(x, y, w, g):
    g += x.T @ (x @ w - y)"""
EPOCHS = {
    "right": ("/ len(y)", "/ len(y)", 3),
    "no mean": (" / len(y)", "", 2),
    "twice": ("/ len(y)", "/ len(y) * 2", 2),
    "its own mistake too": ("w = w - rate * gradient", "w = w + rate * 2 * gradient", 1),
    "both": ("return w", "return 3 * w", 1),
    "zeros": ("return x.T @ (x @ w - y)", "return 0 * w", 0),
    "constants": ("return x.T @ (x @ w - y) / len(y)", "return np.ones(3)", 0),
    "a random gradient": ("/ len(y)", "/ len(y) + np.random.normal()", 0),
    "endless": ("return x.T @ (x @ w - y) / len(y)", "\n    while True: pass", 0),
    "by an accumulator": ("return x.T @ (x @ w - y) / len(y)", IN_PLACE, 2),
}


@pytest.mark.slow
def test_a_wrong_function_costs_no_points_of_those_that_call_it(tmp_path: Path) -> None:
    (tmp_path / "students").mkdir()
    for name, (right, wrong, _) in EPOCHS.items():
        source = edited(right, wrong, EPOCH_RIGHT)
        source = edited("x.T @ (x @ w - y) / len(y)", "-x.T @ (x @ w - y)", source) if name == "both" else source
        (tmp_path / "students" / f"{name}.py").write_text(source)
    text = EPOCH.replace("[[checks]]", "time_limit_seconds = 1\n[[checks]]", 1)
    assignment = read_assignment(write_assignment(tmp_path / "assignment", text, EPOCH_SOLUTION))
    results = grade(assignment, find_submissions(tmp_path / "students")).submissions
    expected = {name: points for name, (_, _, points) in EPOCHS.items()} | {"both": 0}
    assert {result.student: result.points for result in results} == expected
    [no_mean] = [result for result in results if result.student == "no mean"]
    assert no_mean.checks[1].message == "w is right with your own gradient"


TRAINER = """
title = "A trainer"
[[checks]]
part = "backward"
setup = "net = Trainer(w, 0.1)"
call = "net.gradient(x, y)"
returns = ["g"]
[[checks]]
part = "update"
setup = "net = Trainer(w, 0.1)"
call = "net.step(x, y)"
returns = { w = "net.params['w']", count = "net.count" }
points = 1
[[checks]]
part = "update"
setup = "net = Trainer(w, 0.1)"
call = "net.fit(x, y)"
returns = { losses = "result", w = "net.params['w']" }
points = [1, 2]
"""
TRAINER_CLASS = """
class Trainer:
    def __init__(self, w, rate):
        self.params = {"w": w.copy()}
        self.rate = rate
        self.count = 0

    def gradient(self, x, y):
        return x.T @ (x @ self.params["w"] - y) / len(y)

    def step(self, x, y):
        self.params["w"] -= self.rate * self.gradient(x, y)
        self.count += 1

    def fit(self, x, y):
        losses = []
        for i in range(0, len(x), 2):
            self.step(x[i : i + 2], y[i : i + 2])
            losses.append(self.count * np.mean((x @ self.params["w"] - y) ** 2))
        return np.array(losses)
"""
TRAINER_SOLUTION = EPOCH_SOLUTION[: EPOCH_SOLUTION.index("def gradient")] + TRAINER_CLASS
TRAINERS = {
    "right": ("/ len(y)", "/ len(y)", 6),
    "no mean": (" / len(y)", "", 5),
    "a wrong step": ("-= self.rate", "-= 2 * self.rate", 5),
    "its own mistake in fit too": ("self.count * np.mean", "np.mean", 5),
    "a wrong count": ("self.count += 1", "self.count += 2", 4),  # nothing follows from what does not change
    "other names": ('self.params["w"] - y) / len(y)', 'self.params["w"] - y)', 5),
    "zeros": ('return x.T @ (x @ self.params["w"] - y) / len(y)', "return 0 * x[0]", 1),
}


@pytest.mark.slow
def test_a_wrong_method_costs_no_points_of_those_that_call_it(tmp_path: Path) -> None:
    (tmp_path / "students").mkdir()
    for name, (right, wrong, _) in TRAINERS.items():
        source = "import numpy as np\n" + edited(right, wrong, TRAINER_CLASS)
        source = source.replace("self.rate", "self.learning_rate") if name == "other names" else source
        (tmp_path / "students" / f"{name}.py").write_text(source)
    assignment = read_assignment(write_assignment(tmp_path / "assignment", TRAINER, TRAINER_SOLUTION))
    results = grade(assignment, find_submissions(tmp_path / "students")).submissions
    expected = {name: points for name, (_, _, points) in TRAINERS.items()}
    assert {result.student: result.points for result in results} == expected
    [no_mean] = [result for result in results if result.student == "no mean"]
    for array in no_mean.checks[2].arrays:
        assert array.message == f"{array.name} is right with your own Trainer.gradient, Trainer.step"
