"""Lines of a script as one step: what stands before runs once, what stands behind never."""

from pathlib import Path

import numpy as np
import pytest

from deltarule import check_update
from deltarule.checking.report import CodeReport
from deltarule.checking.user_code.script_steps import read_script_step
from deltarule.errors import BadInput

SCRIPT = """\
import numpy as np

rng = np.random.default_rng(0)
w = 0.3
lr = 0.1
V = rng.normal(size=(2, 2))
count = [0]
batches = [(np.array([1.0, 2.0]), np.array([0.5, -1.0]))]
for epoch in range(10**9):
    for x, y in batches:
        count.append(epoch)
        a = V @ x
        e = ((w * a - y) ** 2).sum() / 2
        d = w * a - y
        V -= lr * np.outer(w * d, x)
        w = w - lr * (d * a).sum()
while True:
    pass
"""


def check(
    folder: Path, source: str, first: int = 11, last: int = 16, loss: str = "e", names: str = "w,V"
) -> CodeReport:
    path = folder / "script.py"
    path.write_text(source, encoding="utf-8")
    script = read_script_step(path, first, last, loss, names.split(","))
    return check_update(script.step, script.loss, script.parameters, script.learning_rate)


def test_step_in_a_loop_is_checked_as_it_stands(tmp_path: Path) -> None:
    report = check(tmp_path, SCRIPT)
    assert report.ok and [array.name for array in report.arrays] == ["w", "V"], str(report)


def test_mistake_in_a_step_is_named(tmp_path: Path) -> None:
    report = check(tmp_path, SCRIPT.replace("(d * a).sum()", "(d * x).sum()"))
    assert [mistake.code for mistake in report.diagnosis] == ["wrong_input"]
    assert "line 13 of script.py" in report.diagnosis[0].sentence


def test_loss_changes_nothing(tmp_path: Path) -> None:
    path = tmp_path / "script.py"
    path.write_text(SCRIPT, encoding="utf-8")
    script = read_script_step(path, 11, 16, "e + 0 * len(count)", ["V"])
    before = script.parameters()["V"].copy()
    assert script.loss() == script.loss() and np.array_equal(script.parameters()["V"], before)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"first": 19}, "no whole statements"),
        ({"loss": "e +"}, "invalid syntax"),
        ({"loss": "d"}, "a loss is one number"),
        ({"names": "w,W"}, "has no W before line 11"),
        ({"source": SCRIPT.replace("count = [0]", "count = [0] + 1")}, "script.py before line 11 raised TypeError"),
    ],
)
def test_bad_lines_are_refused(tmp_path: Path, changes: dict[str, object], message: str) -> None:
    with pytest.raises(BadInput, match=message):
        check(tmp_path, **({"source": SCRIPT} | changes))
