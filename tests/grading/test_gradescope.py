"""Gradescope's container, built in a folder: with and without Landlock, as root and as another user."""

import ctypes
import json
import os
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from tempfile import mkdtemp
from typing import Any
from zipfile import ZipFile

import numpy as np
import pytest
from grading_examples import ASSIGNMENT, BACKWARD, NEEDED, SOLUTION, edited, wait_for_end, write_assignment
from refusals import refuses

from deltarule.grading.assignment import read_assignment, write_gradescope_zip

pytestmark = [pytest.mark.slow, pytest.mark.skipif(sys.platform != "linux", reason="Gradescope's containers are Linux")]
LANDLOCK = 444
REFUSE = """
import ctypes, os, struct, sys
code = [(0x20, 0, 0, 0)]
for call in eval(sys.argv.pop(1)):
    code += [(0x15, 0, 1, call), (0x06, 0, 0, 0x50001)]
code += [(0x06, 0, 0, 0x7FFF0000)]
filter = ctypes.create_string_buffer(b"".join(struct.pack("HBBI", *line) for line in code))
program = struct.pack("HxxxxxxP", len(code), ctypes.addressof(filter))
prctl = ctypes.CDLL(None, use_errno=True).prctl
assert prctl(38, 1, 0, 0, 0) == 0 and prctl(22, 2, program) == 0, os.strerror(ctypes.get_errno())
os.execv(sys.argv[1], sys.argv[1:])
"""
"""Starts a command without some system calls, as containers filter them."""
ORDINARY = 64321
HAS_LANDLOCK = sys.platform == "linux" and ctypes.CDLL(None).syscall(LANDLOCK, None, 0, 1) >= 3
CHEAT = (
    edited(BACKWARD, "return dz, dz, dz")
    + """
import os, pathlib, subprocess, sys
here = "AUTOGRADER"
for path in (here + "/source/assignment/solution.py", here + "/source/assignment/hw 3.toml"):
    try:
        exec(pathlib.Path(path).read_text())
    except (OSError, SyntaxError):
        pass
try:
    pathlib.Path(here + "/results/results.json").write_text('{"score": 100}')
except OSError:
    pass
subprocess.Popen([sys.executable, "-c", "import time; time.sleep(100)", here])
"""
)


@pytest.fixture(scope="module")
def container() -> Iterator[Path]:
    """An /autograder of which setup.sh has run, in a folder that all users can enter."""
    folder = Path(mkdtemp(prefix="autograder-", dir="/tmp"))
    folder.chmod(0o755)
    archive = folder / "autograder.zip"
    mine = write_assignment(folder / "mine", f'files = ["settings.toml", "requirements.txt"]\n{ASSIGNMENT}')
    for name in ("settings.toml", "requirements.txt"):  # no name of the autograder's own, and no second assignment
        (folder / "mine" / name).write_text("rate = 0.1\n")
    write_gradescope_zip(archive, read_assignment(mine.rename(mine.with_name("hw 3.toml"))))
    with ZipFile(archive) as packed:
        names = set(packed.namelist())
        packed.extractall(folder / "source")
    own = {f"assignment/{name}" for name in ("hw 3.toml", "settings.toml", "requirements.txt", "solution.py")}
    assert own | {"deltarule/__main__.py", "deltarule/grading/messages.txt"} <= names
    assert "numpy" in (folder / "source" / "requirements.txt").read_text()
    (folder / "source" / "requirements.txt").write_text("")  # there is no index here
    for script in ("setup.sh", "run_autograder"):
        text = (folder / "source" / script).read_text().replace("/autograder/", f"{folder}/")
        (folder / script).write_text(text.replace("cd /autograder", f"cd {folder}"))
        (folder / script).chmod(0o755)
    tools = folder / "tools"
    tools.mkdir()
    (tools / "apt-get").symlink_to("/bin/true")
    (tools / "python3").symlink_to("/bin/false")  # as one that is older than ours
    (tools / "python3.12").symlink_to(sys.executable)
    environment = {"PATH": f"{tools}:/usr/bin:/bin", "PIP_NO_INDEX": "1"}
    subprocess.run([folder / "setup.sh"], env=environment, check=True, stdout=subprocess.DEVNULL)
    [packages] = (folder / "venv").glob("lib/python*/site-packages")
    paths = [path for path in sys.path if path.endswith("-packages")]
    (packages / "libraries.pth").write_text("\n".join(paths))  # without an index, the libraries of this environment
    yield folder
    subprocess.run(["rm", "-rf", folder], check=True)


def enterable(command: Sequence[str]) -> list[str]:
    """The command in a file system where all users can enter the folders of Python, such as /root."""
    needed = [path.resolve() for path in map(Path, (sys.prefix, sys.base_prefix, *sys.path)) if path.is_dir()]
    closed = {p for path in needed for p in (path, *path.parents) if not p.stat().st_mode & 0o001}
    if not closed:
        return list(command)
    [top] = [one for one in closed if not any(parent in closed for parent in one.parents)]
    lines = ["set -e", "copy=$(mktemp -d)", f"mount --rbind {top} $copy", f"mount -t tmpfs -o mode=755 none {top}"]
    for path in sorted({path for path in needed if path.is_relative_to(top)}):
        lines.append(f'[ -e {path}/. ] && [ -n "$(ls -A {path})" ] || {{ mkdir -p {path}; ')
        lines[-1] += f"mount --rbind $copy/{path.relative_to(top)} {path}; }}"
    return ["unshare", "-m", "sh", "-c", "\n".join([*lines, 'exec "$@"']), "sh", *command]


def run_in(container: Path, source: str, user: int, refused: Sequence[int]) -> tuple[dict[str, Any], str]:
    """The results of a submission, and what the autograder printed."""
    for name in ("submission", "results"):
        (container / name).mkdir(exist_ok=True)
    (container / "submission" / "main.py").write_text(source.replace("AUTOGRADER", str(container)))
    for path in (
        container,
        *container.glob("[rs]*"),
        *container.glob("source/**/*"),
        *container.glob("submission/*"),
        *container.glob("results/*"),
    ):
        os.chown(path, user, user)
    command = [str(container / "run_autograder")]
    if user:
        command = ["setpriv", f"--reuid={user}", f"--regid={user}", "--clear-groups", *command]
    if refused:
        command = [sys.executable, "-I", "-c", REFUSE, str(refused), "/usr/bin/env", *command]
    done = subprocess.run(
        enterable(command) if user else command,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
        env={"PATH": "/usr/bin:/bin", "HOME": "/tmp", "OMP_NUM_THREADS": "1"},
    )
    return json.loads((container / "results" / "results.json").read_text()), done.stdout


@pytest.mark.parametrize("refused", [[], [LANDLOCK]], ids=["Landlock", "neither"])
@pytest.mark.parametrize("user", [0, ORDINARY])
def test_container(container: Path, user: int, refused: list[int]) -> None:
    if os.getuid() != 0 or not HAS_LANDLOCK:
        pytest.skip("only root can be another user, and the sandbox needs Landlock")
    right, output = run_in(container, NEEDED, user, refused)
    if refused:
        assert right["score"] == 0 and "tell your teacher" in right["output"]
        [hidden] = right["tests"]
        assert hidden["visibility"] == "hidden" and "there is no sandbox here" in hidden["output"]
        return
    cheat, _ = run_in(container, CHEAT, user, refused)
    assert (right["score"], cheat["score"]) == (7, 3), output
    wait_for_end("time.sleep(100)")


@pytest.mark.parametrize("crash", ["1 / 0", "import os; os.kill(os.getpid(), 11)"])
def test_crash_leaves_results(container: Path, crash: str) -> None:
    source = (container / "source" / "assignment" / "solution.py").read_text()
    (container / "source" / "assignment" / "solution.py").write_text(crash)
    try:
        results, _ = run_in(container, NEEDED, 0, [])
    finally:
        (container / "source" / "assignment" / "solution.py").write_text(source)
    assert results["score"] == 0 and "tell your teacher" in results["output"]
    [hidden] = results["tests"]
    assert hidden["visibility"] == "hidden" and ("division by zero" if "/" in crash else "139") in hidden["output"]


def test_failed_setup_is_repeated_to_the_teacher(container: Path) -> None:
    (container / "venv").rename(container / "hidden")
    try:
        environment = {"PATH": f"{container / 'none'}:/usr/bin:/bin"}
        (container / "none").mkdir()
        for name in ("apt-get", "python3", "python3.11", "python3.12", "python3.13"):
            (container / "none" / name).symlink_to("/bin/false")
        done = subprocess.run([container / "setup.sh"], env=environment, check=False, capture_output=True, text=True)
        results, _ = run_in(container, NEEDED, 0, [])
    finally:
        (container / "hidden").rename(container / "venv")
        (container / "setup.failed").unlink(missing_ok=True)
    assert done.returncode == 1 and done.stdout.startswith("setup.sh could not install deltarule")
    assert done.stdout.strip() in results["tests"][0]["output"]


def test_solution_that_needs_other_files(tmp_path: Path) -> None:
    loading = SOLUTION + '\nfrom pathlib import Path\ny = np.load(Path(__file__).with_name("y.npy"))\n'
    np.save(tmp_path / "y.npy", np.ones((5, 2)))
    assignment = read_assignment(write_assignment(tmp_path, solution=loading))
    with refuses("y.npy"):
        write_gradescope_zip(tmp_path / "autograder.zip", assignment)
