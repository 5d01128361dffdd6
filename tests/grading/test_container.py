"""Code in a container: the command's text, what is said without one, and a run where there is a container program."""

import re
from pathlib import Path

import pytest
from grading_examples import ASSIGNMENT, BACKWARD, NEEDED, edited, grade_texts

from deltarule.errors import RunFailed
from deltarule.grading.sandbox import has_sandbox, image_name, start

PROGRAMS = ("podman", "docker")


HARM = """
import os, shutil, socket, sys
sys.path[:0] = [path.replace("/lib/", "/lib/./") for path in sys.path]
{}
"""
HARMS = (
    "open('/submission/student.py', 'w')",
    "socket.create_connection(('127.0.0.1', 9), 1); socket.create_connection(('1.1.1.1', 53), 3)",
    "import pip",
    "[open(f'/scratch/large{i}', 'wb').write(bytes(17 * 2**20)) for i in range(2)]",
)


@pytest.mark.parametrize("program", PROGRAMS)
def test_the_command(tmp_path: Path, program: str) -> None:
    (tmp_path / "root").mkdir()
    begin = start(program, "print(1)", tmp_path / "copy", tmp_path / "root", ("torch",))
    assert begin.words[:2] == [program, "run"]
    assert begin.words[-6:] == [image_name(), "python", "-I", "-B", "-c", "print(1)"]
    needed = {"--network=none", "--read-only", "--cap-drop=ALL", "--security-opt=no-new-privileges", "--memory=512m"}
    needed |= {"--pids-limit=64", f"--name={begin.container}", f"--volume={tmp_path / 'copy'}:{begin.folder}:ro"}
    assert needed <= set(begin.words) and begin.hidden[0].endswith("/site-packages/torch")
    assert "--privileged" not in begin.words and not any(word.startswith("--user=0") for word in begin.words)


@pytest.mark.parametrize("program", PROGRAMS)
def test_with_and_without_a_container(tmp_path: Path, program: str) -> None:
    try:
        has_sandbox(program)
    except RunFailed as error:  # whoever has the program and its image tests them
        assert re.match(rf"there is no program {program} here|{program} cannot (?:build|run) ", str(error))
        return
    text = edited("hint = 4", 'hint = 4\nforbid = ["pip"]', ASSIGNMENT)
    sources = {f"harm{i}": NEEDED + HARM.format(harm) for i, harm in enumerate(HARMS)}
    sources |= {"ada": edited(BACKWARD, "os._exit(0)"), "zoe": NEEDED}
    ended, *harmless, right = grade_texts(tmp_path, sources, text, program).values()
    assert (ended.points, right.points) == (3, 7)
    assert [(one.points, "Error" in one.message) for one in harmless] == [(7, True)] * len(HARMS)
