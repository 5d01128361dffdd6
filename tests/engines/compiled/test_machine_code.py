"""A program is printed and compiled once, for all threads and processes of a computer."""

import os
import shutil
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from deltarule.engines.compiled import cache
from deltarule.engines.compiled.machine_code import compiled
from deltarule.files import temporary_folder

TRAINING = """
import sys
from deltarule import Network, create_problem, platforms, train
from deltarule.engines.compiled import machine_code, texts

platforms.cache_folder = lambda: platforms.Path(sys.argv[1])
if sys.argv[2] == "loads":
    machine_code.compile_text = texts.resolve_name = None
problem = create_problem(Network([1, 3, 1]), [[0.0], [1.0]], [1.0, 3.0], learning_rate=0.1, members=20)
print(train(problem, max_steps=9, engine="compiled", history_every=0).state.theta.tobytes().hex())
"""


def trained(folder: Path, how: str, before: str = "") -> str:
    return subprocess.run(
        [sys.executable, "-c", before + TRAINING, folder, how],
        capture_output=True,
        text=True,
        check=True,
        env=os.environ,
    ).stdout


@pytest.mark.slow
def test_a_second_process_prints_and_compiles_nothing_but_what_is_damaged(tmp_path) -> None:
    expected = trained(tmp_path, "compiles")
    assert trained(tmp_path, "loads") == expected
    for file in (tmp_path / "programs").glob("deltarule_*"):
        file.write_bytes(file.read_bytes()[:-1])
    assert trained(tmp_path, "compiles") == expected


SLOWLY = """
import time
from deltarule.engines.compiled import machine_code, texts

def slowly(function):
    def called(*given):
        time.sleep(1)
        print("made", file=sys.stderr)
        return function(*given)
    return called

import sys
texts.resolve_name = lambda name, found=texts.resolve_name: slowly(found(name))
machine_code.compile_text = slowly(machine_code.compile_text)
"""


@pytest.mark.slow
def test_of_two_processes_at_a_time_one_prints_and_compiles(tmp_path) -> None:
    processes = [
        subprocess.Popen(
            [sys.executable, "-c", SLOWLY + TRAINING, tmp_path, "compiles"],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for _ in range(2)
    ]
    (first, made), (second, made_too) = (process.communicate() for process in processes)
    assert first == second != ""
    assert (made + made_too).count("made") == 2


def test_what_was_used_longest_ago_is_removed(tmp_path, monkeypatch) -> None:
    monkeypatch.setattr(cache, "folder", lambda: tmp_path)
    for age, name in enumerate(["deltarule_1.ll", "deltarule_2.o", "deltarule_3.o", "another"]):
        cache.once(name, lambda: b"x" * 1000)
        os.utime(tmp_path / name, (10**9 - age, 10**9 - age))
    cache.remove_unused(4000)
    assert len(list(tmp_path.glob("deltarule_*"))) == 3
    assert cache.once("deltarule_3.o", lambda: b"") == b"x" * 1000  # used now
    cache.remove_unused(3000)
    assert [path.name for path in tmp_path.glob("deltarule_*")] == ["deltarule_3.o"]
    assert (tmp_path / "another").exists()


FULL = """
import resource
resource.setrlimit(resource.RLIMIT_FSIZE, (4_000, 4_000))
"""


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="there no process can be given a smallest disk")
def test_a_disk_that_takes_no_more_stops_no_training(tmp_path, monkeypatch) -> None:
    programs, temporary = tmp_path / "full" / "programs", tmp_path / "temporary"
    temporary.mkdir()
    monkeypatch.setenv("TMPDIR", str(temporary))
    expected = trained(tmp_path / "any", "compiles")
    assert trained(tmp_path / "full", "compiles", FULL) == expected
    assert not list(programs.glob("deltarule_*"))
    shutil.rmtree(programs)
    programs.write_bytes(b"")  # so that nothing can be written there
    assert trained(tmp_path / "full", "compiles") == expected
    assert not list(temporary.iterdir()), "a temporary folder goes with its process"


def test_programs_need_no_home(monkeypatch) -> None:
    for name in ("HOME", "XDG_CACHE_HOME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(os, "getuid", lambda: 2**30, raising=False)  # whom nobody knows
    assert sys.platform == "win32" or cache.folder.__wrapped__() == temporary_folder()


def test_threads_that_compile_a_text_at_a_time_share_its_code() -> None:
    text = "define void @nothing(i64 %x) {\nentry:\n  ret void\n}\n"
    with ThreadPoolExecutor(8) as pool:
        functions = list(pool.map(lambda _: compiled(text, "nothing", 1), range(8)))
    assert len({id(function) for function in functions}) == 1
