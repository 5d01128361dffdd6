"""Code in a container: the command's text, what is said without one, and a run where there is a container program."""

import shutil
import subprocess
from pathlib import Path

import pytest
from grading_examples import NEEDED, grade_one

from deltarule.errors import RunFailed
from deltarule.grading.sandbox import contained, has_sandbox, image_name

PROGRAMS = ("podman", "docker")


def runs(program: str) -> bool:
    found = shutil.which(program)
    return found is not None and subprocess.run([found, "info"], capture_output=True, check=False).returncode == 0


@pytest.mark.parametrize("program", PROGRAMS)
def test_the_command(tmp_path: Path, program: str) -> None:
    (tmp_path / "root").mkdir()
    words = contained(program, "deltarule-1", "print(1)", tmp_path / "copy", tmp_path / "root", 512.0)
    assert words[:3] == [program, "run", "--rm"] and words[-6:] == [
        image_name(),
        "python",
        "-I",
        "-B",
        "-c",
        "print(1)",
    ]
    needed = {"--network=none", "--read-only", "--cap-drop=ALL", "--security-opt=no-new-privileges", "--memory=512m"}
    assert needed | {"--pids-limit=64", "--name=deltarule-1", f"--volume={tmp_path / 'copy'}:/submission:ro"} <= {
        *words
    }
    assert (
        not any(word.startswith(f"--user=0{end}") for word in words for end in ("", ":"))
        and "--privileged" not in words
    )


@pytest.mark.parametrize("program", PROGRAMS)
def test_with_and_without_a_container(tmp_path: Path, program: str) -> None:
    if runs(program):
        assert grade_one(tmp_path, NEEDED, sandbox=program).points == 7
    else:
        with pytest.raises(RunFailed, match=f"no program {program} here|cannot build the image"):
            has_sandbox(program)
