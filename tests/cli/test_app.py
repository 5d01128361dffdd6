"""How the program ends where it cannot go on."""

import errno
import json
import os
import re
import signal
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
import pytest
import typer
from hypothesis import given
from hypothesis import strategies as st

from deltarule import TabularRegressor
from deltarule.cli.app import MIN_BOXES, app
from deltarule.cli.options import number, whole_number
from deltarule.errors import INTERRUPTED, RunFailed
from deltarule.files import write_whole
from deltarule.studies import recipes


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
        (("run", "encoder", "--out", "mine"), "what was reached is kept in mine; go on with --resume"),
        (("run", "encoder", "--out", "new"), "nothing is kept yet; start again"),
        (("run", "encoder", "--out", "too long" * 50), "nothing is kept yet; start again"),
        (("run", "encoder"), "nothing is kept without --out; start again"),
        (("sweep", "encoder", "--out", "mine"), "what was reached is kept in mine; go on with --resume"),
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
def test_it_says_what_is_kept_and_how_to_resume(deltarule, monkeypatch, tmp_path, words, told, error, why):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "mine").mkdir()
    failing(monkeypatch, error)
    assert deltarule(*words) == (1, "", f"deltarule: {why}; {told}\n")


SIGNALLED = """
import atexit, os, sys

class Finder:
    def find_spec(name, *more):
        if name == MODULE:
            exec("os.kill(os.getpid(), NUMBER)")  # as it may come while a dataclass is made of text

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
def test_an_end_that_comes_while_the_program_begins_or_ends_is_reported_once(signalled, name):
    number = getattr(signal, name)
    before = f"deltarule: {INTERRUPTED}\n"
    within = "deltarule: interrupted; no file is left half-written; start again\n"
    assert signalled(number, "typer", "list") == (1, "", before)
    # Some versions of Typer import it while they read the words; with the others the command does.
    assert signalled(number, "pydantic", "list") in [(1, "", before), (1, "", within)]
    told = "deltarule: interrupted; nothing is kept without --out; start again\n"
    assert signalled(number, "deltarule.studies.recipes", "run", "encoder") == (1, "", told)
    status, out, err = signalled(number, "", "list")
    assert (status, err) == (0, "") and "encoder" in out


def test_called_from_python_it_leaves_signals_as_they_were(deltarule):
    before = [signal.getsignal(number) for number in signal.valid_signals()]
    assert deltarule("list")[0] == 0
    assert [signal.getsignal(number) for number in signal.valid_signals()] == before


@pytest.mark.parametrize("words", [("explain", "encoder"), ("run", "encoder"), ("sweep", "encoder")])
def test_after_a_full_disk_only_what_can_resume_says_so(deltarule, monkeypatch, tmp_path, words):
    def full(*given):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(RunFailed) as refused:
        write_whole(tmp_path / "file", b"")
    failing(monkeypatch, refused.value)
    status, out, err = deltarule(*words)
    assert (status, out) == (1, "") and "free some space, and start again" in err
    assert err.endswith(", or go on with --resume where there is a checkpoint\n") == (words[0] != "explain")


EVERY = typer.main.get_command(app).commands


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        ((), "no command is given; give one, as in deltarule list (see 'deltarule --help')"),
        (("run", "encoder", "--seeds", "nan"), "--seeds is nan; give a whole number (see 'deltarule run --help')"),
        (("run", "encoder", "--seed", "0x10"), "--seed is 0x10; give a whole number (see 'deltarule run --help')"),
        (
            ("sweep", "encoder", "--folds", "\x1b["),
            r"--folds is \x1b[; give a whole number (see 'deltarule sweep --help')",
        ),
        (("lr-range", "encoder", "--to", "1,5"), "--to is 1,5; give a number (see 'deltarule lr-range --help')"),
        (
            ("train", "x.csv", "--target", "y", "--task", "Classify"),
            "--task 'Classify' is not one of 'auto', 'classify', 'regress' (see 'deltarule train --help')",
        ),
        (("predict", "", "x.csv"), "MODEL is \"\"; give one (see 'deltarule predict --help')"),
        (("reproduce", "--out="), "--out is \"\"; give one, as DIR (see 'deltarule reproduce --help')"),
    ],
)
def test_a_wrong_word_is_reported_with_what_is_allowed(deltarule, words, sentence):
    status, _, err = deltarule(*words)
    assert status == 2 and err.splitlines()[-1] == f"deltarule: {sentence}"


@pytest.mark.slow
@given(st.text() | st.integers().map(str) | st.floats().map(str) | st.sampled_from(["1_000", " 3", "0x10", "١٢"]))
def test_numbers_are_those_of_python(word):
    for read, kind in ((whole_number, int), (number, float)):
        try:
            expected = kind(word)
        except ValueError:
            with pytest.raises(typer.BadParameter):
                read(word)
        else:
            assert repr(read(word)) == repr(expected)  # nan is not itself


@pytest.mark.parametrize("name", EVERY)
def test_an_empty_word_is_refused_for_what_it_stands(deltarule, tmp_path, monkeypatch, name):
    monkeypatch.chdir(tmp_path)
    arguments = [one for one in EVERY[name].params if one.param_type_name == "argument"]
    options = [one.opts[0] for one in EVERY[name].params if one.param_type_name == "option" and not one.is_flag]
    asked = [(arguments[0].metavar, [""] * len(arguments))] if arguments else []
    for called, words in (*asked, *((option, [option, ""]) for option in options)):
        status, out, err = deltarule(name, *words)
        assert (status, out, err.count("\n")) == (2, "", 1), words
        assert err.startswith((f'deltarule: {called} is ""; give ', f"deltarule: {called} '' is not one of ")), words
    assert not any(tmp_path.iterdir())


@pytest.mark.parametrize("name", ["", *EVERY])
def test_help_reports_no_value_where_none_is_taken_and_no_type_of_python(deltarule, monkeypatch, name):
    monkeypatch.setenv("COLUMNS", "200")
    status, out, err = deltarule(*([name] if name else []), "--help")
    assert (status, err) == (0, "") and "--help" in out
    assert not [odd for odd in ("<bool>", "BOOLEAN", "<list[", "[[", "<str>", "<path>") if odd in out]
    assert ("[STUDY]..." in out, "[NAME]..." in out) == (name in ("reproduce", "warm"), name == "data")
    of_a_study = name in ("show", "run", "sweep", "explain", "gradcheck", "claims", "lr-range")
    assert ("Name of a study" in out) == of_a_study


@pytest.mark.parametrize("name", ["", *EVERY])
@pytest.mark.parametrize("width", [32, 40, 50, MIN_BOXES - 1, MIN_BOXES])
def test_help_names_every_option_whole_at_any_width(deltarule, monkeypatch, name, width):
    # TEXT and PATH are what Typer before 0.27 calls the types of arguments in its boxes, and only there.
    said = {}
    for columns in (200, width):
        monkeypatch.setenv("COLUMNS", str(columns))
        status, said[columns], err = deltarule(*([name] if name else []), "--help")
        assert (status, err) == (0, "")
    wide, narrow = ({*re.findall(r"--[a-z-]+|[A-Z]{2,}[=:][A-Z]+|[A-Z]{2,}", one)} for one in (said[200], said[width]))
    assert wide - {"TEXT", "PATH"} <= narrow and max(map(len, said[width].splitlines())) <= width
    wide, narrow = ({*re.findall(r"[^\s│╭╮╰╯─:-]+", one)} for one in (said[200], said[width]))
    assert narrow <= wide
    assert "…" not in said[width]


@pytest.mark.slow
@pytest.mark.skipif(os.name == "nt", reason="there Python has no terminal to give a program")
@pytest.mark.parametrize("words", [("run", "nosuchstudy_of_mine"), ("run", "encoder", "--nosuchoption")])
def test_an_error_is_in_whole_words_on_a_terminal_and_one_line_elsewhere(words):
    command = [sys.executable, "-m", "deltarule", *words]
    piped = subprocess.run(command, capture_output=True, encoding="utf-8", check=False).stderr
    reader, terminal = os.openpty()
    done = subprocess.run(command, stderr=terminal, env={**os.environ, "COLUMNS": "40"}, check=False)
    os.close(terminal)
    said = os.read(reader, 10_000).decode("utf-8")
    os.close(reader)
    assert done.returncode == 2 and piped.count("\n") == 1
    assert max(map(len, said.splitlines())) <= 40 and said.split() == piped.split()


SIZES = ("COLUMNS", "LINES", "TERMINAL_WIDTH")


@pytest.mark.sampled(4)
@pytest.mark.parametrize("name", SIZES)
@pytest.mark.parametrize("words", [("list",), ("list", "--help")])
def test_a_size_that_no_screen_has_is_as_none(name, words):
    environment = {key: value for key, value in os.environ.items() if key not in SIZES}

    def said(**more):
        command = [sys.executable, "-m", "deltarule", *words]
        done = subprocess.run(command, capture_output=True, env=environment | more, encoding="utf-8", check=False)
        return done.returncode, done.stdout, done.stderr

    expected = said()
    assert expected[0] == 0 and expected[1] and expected[2] == ""
    assert [said(**{name: value}) for value in ("0", "²", "9" * 20)] == [expected] * 3
    assert (said(**{name: "40"}) == expected) == (name == "LINES" or (name, words) == ("TERMINAL_WIDTH", ("list",)))


@pytest.mark.parametrize("status", [0, 3, None])
def test_code_that_ends_the_program_is_not_taken_for_our_end(deltarule, monkeypatch, status):
    failing(monkeypatch, SystemExit(status))
    status, out, err = deltarule("run", "encoder")
    assert (status, out) == (2, "") and "the code that was run ended the program; take the call of exit out" in err


@pytest.mark.parametrize("words", [("list",), ("list", "--json")])
def test_who_stops_reading_hears_no_more(words):
    reads, writes = os.pipe()
    os.close(reads)
    command = [sys.executable, "-m", "deltarule", *words]
    with os.fdopen(writes, "wb") as pipe:
        done = subprocess.run(command, stdout=pipe, stderr=subprocess.PIPE, text=True, check=False)
    assert (done.returncode, done.stderr) == (1, "")


@pytest.mark.parametrize("kind", [RuntimeError, EOFError])
def test_a_bug_is_not_taken_for_anything_else(deltarule, monkeypatch, kind):
    failing(monkeypatch, kind("a bug"))
    with pytest.raises(kind, match="a bug"):
        deltarule("run", "encoder")


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="a disk that is always full is Linux's")
@pytest.mark.parametrize("words", [("list",), ("show", "encoder", "--json")])
def test_output_that_finds_no_room_is_reported(words):
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
@pytest.mark.parametrize("encoding", ["ascii", "latin-1", "utf-8", "cp037"])
def test_data_are_utf_8_whatever_the_locale(deltarule, cities, encoding):
    assert deltarule("sweep", cities / "cities.toml", "--out", cities / "out")[0] == 0
    for form in ("csv", "json"):
        words = [sys.executable, "-m", "deltarule", "sweep", "--table", str(cities / "out"), "--format", form]
        done = subprocess.run(words, capture_output=True, env={**os.environ, "PYTHONIOENCODING": encoding}, check=True)
        assert done.stdout.decode("utf-8") == deltarule(*words[3:])[1]
        assert "Zürich" in done.stdout.decode("utf-8") and b"\r" not in done.stdout


@pytest.mark.skipif(os.name == "nt", reason="there Python has no terminal to give a program")
@pytest.mark.parametrize("encoding", ["ascii", "latin-1", "utf-8"])
def test_json_on_a_terminal_is_json_whatever_the_encoding(encoding):
    record = {"name": "é😀猫\x7f\ud800"}
    code = f"from deltarule.cli.terminal import print_json; print_json({record!a})"
    reader, terminal = os.openpty()
    environment = {**os.environ, "PYTHONIOENCODING": encoding}
    subprocess.run([sys.executable, "-c", code], stdout=terminal, env=environment, check=True)
    os.close(terminal)
    said = os.read(reader, 1000).decode(encoding)
    os.close(reader)
    assert json.loads(said) == record and ("猫" in said) == (encoding == "utf-8")


@pytest.mark.slow
@pytest.mark.skipif(os.name == "nt", reason="there no shell closes a stream")
@pytest.mark.parametrize("closed", [">&-", "2>&-", ">&- 2>&-"])
def test_a_closed_stream_ends_no_command(cities, closed):
    program = f"'{sys.executable}' -m deltarule"
    done = subprocess.run(
        f"{program} sweep cities.toml --out out {closed}", shell=True, cwd=cities, capture_output=True
    )
    assert done.returncode == 0 and b"Traceback" not in done.stderr
    assert (cities / "out" / "report.html").exists()
    done = subprocess.run(f"{program} list {closed}; {program} show nothing {closed}", shell=True, capture_output=True)
    assert done.returncode == 2 and b"Traceback" not in done.stderr and done.stderr.count(b"\n") <= 1


@pytest.fixture(scope="module")
def here(tmp_path_factory):
    """A table, a model of it, and a folder that nobody but root may enter."""
    with tempfile.TemporaryDirectory() as name:  # which every user may enter, as those of pytest may not
        folder = Path(name)
        rows = np.random.default_rng(0).normal(size=(20, 2))
        np.savetxt(folder / "table.csv", rows, delimiter=",", header="x,y", comments="")
        MODEL.fit({"x": rows[:, 0]}, rows[:, 1]).save(folder / "model.safetensors")
        (folder / "closed").mkdir(mode=0)
        folder.chmod(0o777)
        yield folder


MODEL = TabularRegressor(random_state=0)
LONG = "x" * 300 + ".csv"
COMMANDS = [
    ("run", "PATH"),
    ("run", "encoder", "--out", "PATH"),
    ("run", "mnist", "--data", "PATH"),
    ("sweep", "--table", "PATH"),
    ("sweep", "encoder", "--out", "PATH"),
    ("explain", "encoder", "--html", "PATH"),
    ("explain", "encoder", "--graph", "PATH"),
    ("train", "PATH", "--target", "y"),
    ("train", "table.csv", "--target", "y", "--out", "PATH"),
    ("predict", "PATH", "table.csv"),
    ("predict", "model.safetensors", "PATH"),
    ("predict", "model.safetensors", "table.csv", "--out", "PATH"),
    ("evaluate", "model.safetensors", "PATH"),
    ("export", "PATH", "--to", "script"),
    ("export", "model.safetensors", "--to", "script", "--out", "PATH"),
    ("claims", "encoder", "--claims", "PATH"),
    ("claims", "encoder", "--out", "PATH"),
    ("report", "PATH"),
    ("data", "check", "--data", "PATH"),
]


@pytest.mark.skipif(os.name == "nt", reason="there it is not too long, but not there")
@pytest.mark.parametrize("words", COMMANDS, ids=" ".join)
def test_a_name_that_no_file_can_have_gets_a_sentence(deltarule, here, monkeypatch, words):
    monkeypatch.chdir(here)
    status, out, err = deltarule(*(LONG if word == "PATH" else word for word in words))
    assert status == 2 and out == "" and os.strerror(errno.ENAMETOOLONG) in err and err.count("\n") == 1


STEPS_DOWN = """
import contextlib, io, json, os, sys
from deltarule.cli import main

def said(words, path):
    sys.argv = ["deltarule", *(path if word == "PATH" else word for word in words)]
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        try:
            main()
        except SystemExit as end:
            return end.code, out.getvalue(), err.getvalue()
        except BaseException as error:
            return repr(error), "", ""

commands, paths = json.load(sys.stdin)
for words in commands:
    said(words, "x" * 300 + ".csv")  # loads whatever is needed: another user may not be allowed to read Python's files
os.geteuid() or os.seteuid(65534)  # root may enter every folder
json.dump([[said(words, path) for path in paths] for words in commands], sys.stdout)
"""


@pytest.mark.slow
@pytest.mark.skipif(os.name == "nt", reason="there everybody may enter what he has made")
def test_a_folder_that_one_may_not_enter_gets_a_sentence(here):
    asked = json.dumps([COMMANDS, ["closed/file.csv", "closed"]])
    words = [sys.executable, "-c", STEPS_DOWN]
    done = subprocess.run(words, input=asked, capture_output=True, cwd=here, encoding="utf-8", check=True)
    for words, [inside, itself] in zip(COMMANDS, json.loads(done.stdout), strict=True):
        for status, out, err in (inside, itself):
            assert (status, out, err.count("\n")) == (2, "", 1), words
        assert os.strerror(errno.EACCES) in inside[2], words


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="there are no pipes with a name")
def test_a_pipe_is_called_a_pipe(deltarule, here, monkeypatch, tmp_path):
    monkeypatch.chdir(here)
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "piped.toml").write_text(CITIES.replace("cities.csv", "pipe"), encoding="utf-8")
    told = f"{tmp_path / 'pipe'} is a pipe or a device; save what comes from it as a CSV"
    for words in (("train", tmp_path / "pipe", "--target", "y"), ("run", tmp_path / "piped.toml")):
        status, out, err = deltarule(*words)
        assert (status, out) == (2, "") and told in err and err.count("\n") == 1
