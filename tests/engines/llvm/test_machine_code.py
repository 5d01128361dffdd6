"""Machine code is compiled once, for all threads and processes of a computer."""

import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from deltarule.engines.llvm.machine_code import compiled

TRAINING = """
import sys
from deltarule import Network, create_problem, platforms, train
from deltarule.engines.llvm import machine_code

platforms.cache_folder = lambda: platforms.Path(sys.argv[1])
if sys.argv[2] == "loads":
    machine_code.compile_text = None
problem = create_problem(Network([1, 3, 1]), [[0.0], [1.0]], [1.0, 3.0], learning_rate=0.1, members=20)
print(train(problem, max_steps=9, engine="llvm", history_every=0).state.theta.tobytes().hex())
"""


def trained(folder: Path, how: str) -> str:
    return subprocess.run(
        [sys.executable, "-c", TRAINING, folder, how], capture_output=True, text=True, check=True, env=os.environ
    ).stdout


def test_a_second_process_compiles_nothing_but_what_is_damaged(tmp_path) -> None:
    expected = trained(tmp_path, "compiles")
    assert trained(tmp_path, "loads") == expected
    for file in (tmp_path / "programs").glob("*.o"):
        file.write_bytes(file.read_bytes()[:-1])
    assert trained(tmp_path, "compiles") == expected


def test_threads_that_compile_a_text_at_a_time_share_its_code() -> None:
    text = "define void @nothing(i64 %x) {\nentry:\n  ret void\n}\n"
    with ThreadPoolExecutor(8) as pool:
        functions = list(pool.map(lambda _: compiled(text, "nothing", 1), range(8)))
    assert len({id(function) for function in functions}) == 1
