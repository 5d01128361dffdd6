"""How the program ends where it cannot go on."""

import errno
import os
import re
import signal
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path

import pytest
import typer

from deltarule import recipes
from deltarule.cli.app import COMMANDS, GROUPS, command_line
from deltarule.errors import INTERRUPTED, RunFailed
from deltarule.files import write_whole


def failing(monkeypatch, error):
    def fail(*given):
        raise error

    # Not a function that another module may import by its name, here for the first time: that would keep this one.
    monkeypatch.setattr(recipes, "parse_toml", fail)


def made_of(request):
    """What a library makes of a request to end that comes while it calls a function: an error of its own."""
    error = RuntimeError("error calling function")
    error.__cause__ = request
    return error


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("run", "encoder", "--out", "mine"), "what was reached is kept in mine; continue with --resume"),
        (("run", "encoder", "--out", "new"), "nothing is kept yet; start again"),
        (("run", "encoder"), "nothing is kept without --out; start again"),
        (("sweep", "encoder", "--out", "mine"), "what was reached is kept in mine; continue with --resume"),
        (("sweep", "encoder", "--out", "new"), "nothing is kept yet; start again"),
        (("explain", "encoder"), "no file is left half-written; start again"),
    ],
)
@pytest.mark.parametrize(
    ("error", "why"),
    [
        (KeyboardInterrupt(), "interrupted"),
        (made_of(KeyboardInterrupt()), "interrupted"),
        (MemoryError(), "there is not enough memory for this"),
        (RuntimeError("can't start new thread"), "there is not enough memory for this"),
    ],
)
def test_early_end_says_how_to_resume(deltarule, monkeypatch, tmp_path, words, told, error, why):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "mine").mkdir()
    failing(monkeypatch, error)
    assert deltarule(*words) == (1, "", f"deltarule: {why}; {told}\n")


SIGNALLED = """
import atexit, os, sys

class Finder:
    def find_spec(name, *more):
        if name == MODULE:
            os.kill(os.getpid(), NUMBER)

sys.meta_path.insert(0, Finder)
atexit.register(os.kill, os.getpid(), NUMBER)
"""


@pytest.fixture
def signalled(tmp_path):
    """A function: what the program says that gets a signal as it imports a module, and another one as Python ends."""

    def called(number, module, *words):
        begun = SIGNALLED.replace("NUMBER", str(int(number))).replace("MODULE", repr(module))
        (tmp_path / "sitecustomize.py").write_text(begun, encoding="utf-8")  # which Python runs first of all
        command = [sys.executable, "-m", "deltarule", *words]
        environment = {**os.environ, "PYTHONPATH": str(tmp_path)}
        done = subprocess.run(command, capture_output=True, env=environment, encoding="utf-8", check=False)
        return done.returncode, done.stdout, done.stderr

    return called


@pytest.mark.slow
@pytest.mark.skipif(os.name == "nt", reason="there nobody can send one to himself alone")
@pytest.mark.parametrize("name", ["SIGINT", "SIGTERM", "SIGHUP"])
def test_signal_at_start_or_end_is_reported_once(signalled, name):
    number = getattr(signal, name)
    before = f"deltarule: {INTERRUPTED}\n"
    within = "deltarule: interrupted; no file is left half-written; start again\n"
    assert signalled(number, "typer", "list") == (1, "", before)
    # Some versions of Typer import it while they read the words; with the others the command does.
    assert signalled(number, "pydantic", "list") in [(1, "", before), (1, "", within)]
    told = "deltarule: interrupted; nothing is kept without --out; start again\n"
    assert signalled(number, "deltarule.recipes", "run", "encoder") == (1, "", told)
    status, out, err = signalled(number, "", "list")
    assert (status, err) == (0, "") and "encoder" in out


@pytest.mark.slow
def test_signals_are_restored(deltarule):
    before = [signal.getsignal(number) for number in signal.valid_signals()]
    assert deltarule("list")[0] == 0
    assert [signal.getsignal(number) for number in signal.valid_signals()] == before


@pytest.mark.parametrize("words", [("explain", "encoder"), ("run", "encoder"), ("sweep", "encoder")])
def test_full_disk_mentions_resume_where_possible(deltarule, monkeypatch, tmp_path, words):
    def full(*given):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(RunFailed) as refused:
        write_whole(tmp_path / "file", b"")
    failing(monkeypatch, refused.value)
    status, out, err = deltarule(*words)
    assert (status, out) == (1, "") and "free some space, and start again" in err
    assert err.endswith(", or continue with --resume where there is a checkpoint\n") == (words[0] != "explain")


def test_version_is_printed(deltarule):
    assert deltarule("--version") == (0, f"deltarule {version('deltarule')}\n", "")


def test_help_groups_commands_each_group_with_an_example(deltarule):
    _, out, _ = deltarule("--help")
    places = [out.index(title) for title in GROUPS]
    assert places == sorted(places)
    for title, group in GROUPS.items():
        assert re.fullmatch(r".+: deltarule ([\w-]+)( .+)?", title)[1] in group


def test_short_help_is_the_long_one(deltarule):
    for command in ((), ("run",)):
        assert deltarule(*command, "-h") == deltarule(*command, "--help")


@pytest.mark.slow
def test_quiet_prints_one_line(deltarule):
    status, out, err = deltarule("list")
    assert (status, err) == (0, "")
    assert deltarule("list", "--quiet") == (0, out.splitlines(keepends=True)[-1], "")


@pytest.mark.slow
@pytest.mark.parametrize(
    ("words", "line"),
    [
        ("check encoder --seed 0", r"gradient of [\d,]+ entries: right"),
        ("lr-range encoder --seed 0 --steps 50", r"Suggested learning rate: \S+"),
        ("run encoder --seeds 2 --set stopping.max_steps=20 --why", r"solved  0 of 2: .*"),
        ("run encoder --seeds 2 --set stopping.max_steps=20 --set optimizer.batch_size=100", r"solved  0 of 2: .*"),
        ("run encoder --seeds 2 --set stopping.max_steps=20 --out folder", r"solved  0 of 2: .*"),
        ("run boundary-linear --seed 0 --set optimizer.learning_rate=1e300", r"solved  0 of 1, .*"),
    ],
)
def test_quiet_prints_the_result_and_not_the_remark_below_it(deltarule, monkeypatch, tmp_path, words, line):
    monkeypatch.chdir(tmp_path)
    status, out, err = deltarule(*words.split(), "--quiet")
    assert (status, err) == (0, "") and re.fullmatch(line + "\n", out)


@pytest.mark.slow
def test_quiet_leaves_out_notes_but_no_errors(deltarule, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "slip.py").write_text(
        "import numpy as np\ndef f():\n    return lambda w: (w**2).sum(), lambda w: w**3, np.array([1.0, 2.0])\n"
    )
    words = "check", "--function", "slip:f"
    assert "Running the code" in deltarule(*words)[2]
    assert deltarule(*words, "--quiet") == (1, "gradient: WRONG\n", "")
    assert "there is no study" in deltarule("run", "nothing", "--quiet")[2]


@pytest.mark.slow
def test_shells_are_told_how_to_complete():
    words = {"COMP_WORDS": "deltarule gr", "COMP_CWORD": "1", "_DELTARULE_COMPLETE": "complete_bash"}
    command = [sys.executable, "-c", "from deltarule.cli import program; program()"]
    done = subprocess.run(command, env={**os.environ, **words}, capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["grade"]


def test_a_command_imports_no_other_command_and_draws_nothing_unasked():
    words = ["deltarule", "run", "encoder", "--set", "stopping.max_steps=1", "--quiet"]
    script = f"import atexit, sys; sys.argv = {words}; atexit.register(lambda: print(*sys.modules)); "
    script += "from deltarule.cli import program; program()"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    modules = {*done.stdout.split()}
    places = {place.partition(":")[0] for place in COMMANDS.values()}
    assert modules & places == {"deltarule.cli.run"}
    assert "deltarule.reports.figures" not in modules


EVERY = typer.main.get_command(command_line()).commands


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (("run", "encoder", "--seeds", "nan"), "Invalid value for '--seeds': .*"),
        (("run", "encoder", "--folds", "\x1b["), "No such option: --folds.*"),
        (("run", "encoder", "\x1b["), r".*unexpected extra argument.*\\x1b\[.*"),
        (("run",), "Missing argument 'STUDY'"),
        (("train", "x.csv", "--target", "y", "--task", "Foo"), ".*'Foo' is not one of 'auto', 'classify', 'regress'"),
    ],
)
def test_wrong_usage_is_one_sentence(deltarule, words, sentence):
    status, _, err = deltarule(*words)
    assert status == 2 and re.fullmatch(rf"deltarule: {sentence} \(see 'deltarule {words[0]} --help'\)\n", err)


@pytest.mark.parametrize("name", EVERY)
def test_help(deltarule, name):
    status, out, err = deltarule(name, "--help")
    assert (status, err) == (0, "") and "--help" in out


@pytest.mark.parametrize("status", [0, 3, None])
def test_exit_in_user_code_is_an_error(deltarule, monkeypatch, status):
    failing(monkeypatch, SystemExit(status))
    status, out, err = deltarule("run", "encoder")
    assert (status, out) == (2, "") and "the code that was run ended the program; take the call of exit out" in err


@pytest.mark.slow
@pytest.mark.parametrize("words", [("list",), ("list", "--json")])
def test_closed_pipe_is_silent(words):
    reads, writes = os.pipe()
    os.close(reads)
    command = [sys.executable, "-m", "deltarule", *words]
    with os.fdopen(writes, "wb") as pipe:
        done = subprocess.run(command, stdout=pipe, stderr=subprocess.PIPE, text=True, check=False)
    assert (done.returncode, done.stderr) == (1, "")


def test_bug_is_raised(deltarule, monkeypatch):
    failing(monkeypatch, RuntimeError("a bug"))
    with pytest.raises(RuntimeError, match="a bug"):
        deltarule("run", "encoder")


def test_system_error_is_one_line(deltarule, monkeypatch):
    failing(monkeypatch, PermissionError(errno.EACCES, "Permission denied", "closed/file.csv"))
    error = "deltarule: [Errno 13] Permission denied: 'closed/file.csv'\n"
    assert deltarule("run", "encoder") == (1, "", error)


@pytest.mark.slow
@pytest.mark.skipif(not Path("/dev/full").exists(), reason="a disk that is always full is Linux's")
@pytest.mark.parametrize("words", [("list",), ("show", "encoder", "--json")])
def test_full_output_is_reported(words):
    with Path("/dev/full").open("w", encoding="utf-8") as full:
        done = subprocess.run(
            [sys.executable, "-m", "deltarule", *words], stdout=full, stderr=subprocess.PIPE, text=True, check=False
        )
    no_space = os.strerror(28)
    assert done.returncode == 1
    assert done.stderr.startswith(f"deltarule: the output could not be written: {no_space}; free some space")
    assert done.stderr.count("\n") == 1


CITIES = """
[data]
file = "cities.csv"
target = "city"
[network]
layers = ["auto", "auto"]
output = "softmax"
[loss]
name = "cross_entropy"
[stopping]
max_steps = 1
[grid]
"data.target" = ["Zürich", "Zörich"]
"""


@pytest.fixture
def cities(tmp_path):
    (tmp_path / "cities.toml").write_text(CITIES, encoding="utf-8")
    rows = "".join(f"{n},{n % 2},{n % 3}\n" for n in range(12))
    (tmp_path / "cities.csv").write_text(f"size,Zürich,Zörich\n{rows}", encoding="utf-8")
    return tmp_path


@pytest.mark.slow
@pytest.mark.parametrize("encoding", ["ascii", "utf-8"])
def test_data_are_utf_8_in_any_locale(deltarule, cities, encoding):
    assert deltarule("sweep", cities / "cities.toml", "--out", cities / "out")[0] == 0
    for form in ([], ["--json"]):
        words = [sys.executable, "-m", "deltarule", "sweep", "--table", str(cities / "out"), *form]
        done = subprocess.run(words, capture_output=True, env={**os.environ, "PYTHONIOENCODING": encoding}, check=True)
        assert done.stdout.decode("utf-8") == deltarule(*words[3:])[1]
        assert "Zürich" in done.stdout.decode("utf-8") and b"\r" not in done.stdout
