"""What other systems do differently, simulated on this one; and what this one does, for real."""

import contextlib
import ctypes
import os
import signal
import sqlite3
import subprocess
import sys
import tempfile
import threading
import time
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path, PurePosixPath, PureWindowsPath
from types import SimpleNamespace
from urllib.parse import urlsplit

import numpy as np
import platformdirs
import psutil
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from platformdirs.windows import Windows

from deltarule import create_problem, load_sweep, platforms, sweep, train
from deltarule.data.cache import cache_folder
from deltarule.engines.compiled import cache
from deltarule.errors import BadInput, RunFailed
from deltarule.files import ABANDONED_SECONDS, check_can_write, is_same_file, make_folder, write_whole
from deltarule.json_files import read_json
from deltarule.problem.network import Network
from deltarule.sweeps import store_connection
from deltarule.sweeps import sweep as sweeping
from deltarule.sweeps.executors import Pool
from deltarule.sweeps.store import Store

# --- replacing a file that somebody has open -------------------------------------------------------------------------


@pytest.fixture
def refused(monkeypatch):
    """Windows: `os.replace` is refused so many times, as it is while a virus scanner has the file open."""
    left, real = [0], os.replace

    def replace(part, path):
        if left[0]:
            left[0] -= 1
            raise PermissionError(13, "Permission denied")
        real(part, path)

    monkeypatch.setattr(os, "replace", replace)
    monkeypatch.setattr(platforms, "WINDOWS", True)
    monkeypatch.setattr(platforms, "full_length", lambda path: path)  # it knows paths of Windows alone

    def times(count):
        left[0] = count

    return times


def test_a_file_that_is_open_for_a_moment_is_replaced_nevertheless(refused, tmp_path):
    write_whole(tmp_path / "file", "old")
    refused(len(platforms.RETRY_SECONDS))
    write_whole(tmp_path / "file", "new")
    assert (tmp_path / "file").read_text(encoding="utf-8") == "new" and len(list(tmp_path.iterdir())) == 1


def test_a_file_that_stays_open_is_reported_and_stays(refused, tmp_path):
    write_whole(tmp_path / "file", "old")
    refused(1000)
    with pytest.raises(BadInput, match="file cannot be written: another program has it open; close it there"):
        write_whole(tmp_path / "file", "new")
    assert (tmp_path / "file").read_text(encoding="utf-8") == "old" and len(list(tmp_path.iterdir())) == 1


def test_elsewhere_what_is_refused_is_refused_at_once(refused, tmp_path, monkeypatch):
    monkeypatch.setattr(platforms, "WINDOWS", False)
    refused(1)
    with pytest.raises(BadInput, match="choose a folder that exists and that you may write"):
        write_whole(tmp_path / "file", "new")
    write_whole(tmp_path / "file", "new")


def test_a_new_file_that_windows_refuses_is_open_in_no_program(refused, tmp_path):
    """It is the folder that may not be written."""
    refused(1000)
    with pytest.raises(
        BadInput, match="file cannot be written: .*; choose a folder that exists and that you may write"
    ):
        write_whole(tmp_path / "file", "new")
    assert list(tmp_path.iterdir()) == []


# --- owners and permissions -------------------------------------------------------------------------------------------


if sys.platform != "win32":

    @given(st.integers(0, 0o777))
    @example(0o660)
    def test_the_permissions_of_a_group_that_cannot_be_kept_are_given_to_no_other(mode):
        before = os.stat_result((mode, 0, 0, 1, os.geteuid(), 2**30, 0, 0, 0, 0))
        with tempfile.TemporaryDirectory() as folder:
            part = Path(folder) / "part"
            part.touch()
            if os.geteuid() == 0:  # who could give it to any group
                os.chown(part, 65534, -1)
                Path(folder).chmod(0o755)
                os.seteuid(65534)
                try:
                    platforms.keep_permissions(part, before)
                finally:
                    os.seteuid(0)
            else:
                platforms.keep_permissions(part, before)
            found = part.stat().st_mode & 0o777
        assert found & 0o707 == mode & 0o707
        assert found >> 3 & 0o7 == mode >> 3 & mode & 0o7


# --- names ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("path", "form"),
    [
        (r"C:\short", r"C:\short"),
        (r"results\encoder", r"results\encoder"),
        ("C:\\" + "a" * 300, "\\\\?\\C:\\" + "a" * 300),
        ("C:\\" + "a" * 300 + "\\..\\" + "b" * 300, "\\\\?\\C:\\" + "b" * 300),  # this form knows no ".."
        ("C:/" + "a" * 300, "\\\\?\\C:\\" + "a" * 300),
        ("\\\\server\\share\\" + "a" * 300, "\\\\?\\UNC\\server\\share\\" + "a" * 300),
        ("\\\\?\\C:\\" + "a" * 300, "\\\\?\\C:\\" + "a" * 300),
    ],
)
def test_a_long_path_of_windows_has_the_form_without_a_limit(path, form):
    assert platforms._without_limit(path) == form


def test_what_has_a_limit_is_the_whole_path(monkeypatch):
    monkeypatch.setattr(platforms.ntpath, "abspath", lambda path: "C:\\" + "a" * 250 + "\\" + path)
    assert platforms._without_limit("out") == "\\\\?\\C:\\" + "a" * 250 + "\\out"


def test_a_path_of_this_system_stays(tmp_path):
    assert platforms.full_length(Path("results")) == Path("results")


@pytest.mark.parametrize(
    ("name", "is_one"),
    [
        *((name, True) for name in ("a.csv", "a.b.c", ".a", "console", "com10", "δ", "a b", "nul-1.csv", "conin")),
        *((name, False) for name in ("12:30", "a?", "a|b", '"', "a\n", "CON", "aux.csv", "NUL .x", "lpt1", "a.", "a ")),
        *((name, False) for name in ("a\nb\nc", "COM¹", "lpt³.txt", "CONIN$", "conout$.csv")),
    ],
)
def test_a_name_that_windows_cannot_have_is_refused_before_the_work(tmp_path, monkeypatch, name, is_one):
    if os.name != "nt":
        check_can_write(tmp_path / name)
    monkeypatch.setattr(platforms, "WINDOWS", True)
    monkeypatch.setattr(platforms, "full_length", lambda path: path)  # it knows paths of Windows alone
    for check in (check_can_write, make_folder):
        if is_one:
            check(tmp_path / name)
        else:
            with pytest.raises(BadInput, match="no name that a file or a folder can have on Windows; choose"):
                check(tmp_path / name)


def test_the_folder_above_has_a_name_on_windows(tmp_path, monkeypatch):
    monkeypatch.setattr(platforms, "WINDOWS", True)
    monkeypatch.setattr(platforms, "full_length", lambda path: path)
    assert make_folder(tmp_path / "..").samefile(tmp_path.parent)


@pytest.mark.parametrize(
    "place", ["{}", r"C:\{}", r"C:{}", r"\\server\share$\{}", r"\\?\C:\{}", r"..\{}\..\.a", r"C:\a\{}\x.csv"]
)
@pytest.mark.parametrize(("part", "is_one"), [("console", True), ("CON", False), ("b.", False), ("nul.txt", False)])
def test_each_folder_of_a_path_has_a_name_on_windows(monkeypatch, place, part, is_one):
    monkeypatch.setattr(platforms, "WINDOWS", True)
    assert platforms.is_valid_name(PureWindowsPath(place.format(part))) is is_one


def test_a_folder_below_a_device_is_refused_before_it_is_made(tmp_path, monkeypatch):
    monkeypatch.setattr(platforms, "WINDOWS", True)
    monkeypatch.setattr(platforms, "full_length", lambda path: path)
    with pytest.raises(BadInput, match="x is no name that a file or a folder can have on Windows; choose"):
        make_folder(tmp_path / "sub" / "CON" / "x")
    assert list(tmp_path.iterdir()) == []


def test_a_path_that_the_system_cannot_follow_is_one_sentence(tmp_path, monkeypatch):
    """As Windows may have it of long ones."""

    def realpath(path):
        raise OSError(234, "More data is available")

    monkeypatch.setattr(os.path, "realpath", realpath)
    path = tmp_path / "file"
    for attempt in (check_can_write, lambda path: write_whole(path, ""), lambda path: is_same_file(path, tmp_path)):
        with pytest.raises(BadInput, match="cannot be used: More data is available; check the name, and that you may"):
            attempt(path)
    assert list(tmp_path.iterdir()) == []


def test_all_that_is_kept_of_a_user_is_in_one_folder_on_windows(tmp_path, monkeypatch):
    monkeypatch.setattr(platformdirs, "PlatformDirs", Windows)
    monkeypatch.chdir(tmp_path)
    named = str(tmp_path) if os.name == "nt" else "C:\\caches"  # elsewhere the name of a folder as any
    monkeypatch.setenv("WIN_PD_OVERRIDE_LOCAL_APPDATA", named)
    folder = tmp_path / named / "deltarule" / "Cache"
    assert (cache_folder().absolute(), cache.folder.__wrapped__()) == (folder / "data", folder / "programs")


@pytest.mark.parametrize("name", ["plain", "with space", "100%", "a?b#c", "δ.sqlite", "file:x?mode=ro"])
def test_sqlite_opens_files_of_all_names(tmp_path, name):
    if os.name == "nt" and not name.isidentifier():
        name = "allowed"
    for mode in ("rwc", "ro"):
        with contextlib.closing(
            sqlite3.connect(platforms.sqlite_address(tmp_path / name, mode), uri=True)
        ) as connection:
            if mode == "rwc":
                connection.execute("CREATE TABLE t (n)")
            assert connection.execute("SELECT count(*) FROM t").fetchone() == (0,)
    assert [path.name for path in tmp_path.iterdir()] == [name]


@pytest.mark.parametrize("path", [r"\\server\share\sweep.sqlite", r"C:\out\sweep.sqlite", r"\\?\C:\out\sweep.sqlite"])
def test_an_address_for_sqlite_names_no_computer(path):
    assert urlsplit(platforms.sqlite_address(PureWindowsPath(path), "ro")).netloc == ""


@pytest.mark.slow
@pytest.mark.parametrize("encoding", ["cp1252"])
def test_another_encoding_of_screen_and_files_changes_nothing(tmp_path, encoding):
    """As Windows has them: what is written is UTF-8 nevertheless, and what the screen lacks is replaced."""
    recipe = '[study]\ntitle = "δ = ∂J/∂z 🎉"\n[data]\nname = "xor"\n[network]\nlayers = [2, 3, 1]\n'
    (tmp_path / "δ.toml").write_text(recipe + "[stopping]\nmax_steps = 3\n", encoding="utf-8")
    words = [sys.executable, "-X", "warn_default_encoding", "-m", "deltarule", "run", "δ.toml", "--out", "δ out"]
    other = {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0", "PYTHONIOENCODING": encoding}
    done = subprocess.run(words, cwd=tmp_path, env=os.environ | other, capture_output=True, check=False)
    told = done.stderr.decode(encoding)
    assert done.returncode == 0 and f"{os.sep}src{os.sep}deltarule" not in told  # no EncodingWarning of ours
    assert read_json(tmp_path / "δ out" / "recipe.json")["title"] == "δ = ∂J/∂z 🎉"


# --- drives ----------------------------------------------------------------------------------------------------------

LINUX = """/dev/vda / ext4 rw 0 0
proc /proc proc rw 0 0
server:/home /home nfs4 rw,vers=4.2 0 0
/dev/vdb /home/fast ext4 rw 0 0
//nas/all /mnt/all\\040of\\040us cifs rw 0 0
me@server:/ /mnt/remote fuse.sshfs rw 0 0
server:/volume /mnt/volume fuse.glusterfs rw 0 0
/dev/vdc /mnt/twice ext4 rw 0 0
server:/over /mnt/twice nfs4 rw 0 0
nonsense
"""
MACOS = """/dev/disk3s1s1 on / (apfs, sealed, local, read-only, journaled)
//me@nas._smb._tcp.local/all on /Volumes/all of us (smbfs, nodev, nosuid, mounted by me)
/dev/disk4 on /Volumes/USB (exfat, local)
"""


@pytest.mark.parametrize(
    ("mounts", "folder", "is_remote"),
    [
        (LINUX, "/tmp/out", False),
        (LINUX, "/home/me/out", True),
        (LINUX, "/home/fast/out", False),
        (LINUX, "/homes", False),
        (LINUX, "/mnt/all of us/out", True),
        (LINUX, "/mnt/remote", True),
        (LINUX, "/mnt/volume/out", True),
        (LINUX, "/mnt/twice/out", True),
        (MACOS, "/Users/me/out", False),
        (MACOS, "/Volumes/all of us/out", True),
        (MACOS, "/Volumes/USB/out", False),
        ("", "/tmp", False),
    ],
)
def test_a_network_drive_is_known_by_its_mount(mounts, folder, is_remote):
    assert platforms._is_remote_mount(mounts, PurePosixPath(folder)) is is_remote


def test_a_network_drive_of_windows_is_known_by_its_name_or_its_kind(monkeypatch):
    kinds = {"C:\\": 3, "Z:\\": 4}
    kernel = SimpleNamespace(GetDriveTypeW=kinds.__getitem__)
    monkeypatch.setattr(ctypes, "windll", SimpleNamespace(kernel32=kernel), raising=False)
    drives = [r"\\server\share", r"\\?\UNC\server\share", "Z:", "\\\\?\\Z:", "C:", "\\\\?\\C:"]
    assert [platforms._is_remote_drive(drive) for drive in drives] == [True, True, True, True, False, False]


def test_a_folder_of_this_machine_is_on_it(tmp_path):
    assert not platforms.is_remote(tmp_path)


@pytest.mark.skipif(os.name == "nt", reason="there a drive has a name or a letter")
def test_a_link_to_a_folder_of_another_computer_is_not_on_this_one(tmp_path, monkeypatch):
    (tmp_path / "there").mkdir()
    (tmp_path / "link").symlink_to("there")
    monkeypatch.setattr(platforms, "_is_remote_mount", lambda mounts, folder: folder.name == "there")
    assert platforms.is_remote(tmp_path / "link")


def test_on_a_network_drive_a_store_shares_no_memory_and_loses_nothing(tmp_path, monkeypatch):
    monkeypatch.setattr(platforms, "is_remote", lambda folder: True)
    seen = set()

    def look(progress):
        with contextlib.closing(sqlite3.connect(tmp_path / "sweep.sqlite")) as reading:
            seen.add(reading.execute("PRAGMA journal_mode").fetchone()[0])
            assert reading.execute("SELECT count(*) FROM members").fetchone()[0] == progress.done

    grid = {"optimizer.learning_rate": [1.0, 2.0], "network.layers": [[8, 3, 8], [8, 4, 8]]}
    settings = {"out": tmp_path, "seeds": 2, "engine": "reference", "progress": look}
    table = sweep("encoder", grid | {"stopping.max_steps": [20]}, **settings)
    assert len(table) == 8 and seen == {"delete"} and not list(tmp_path.glob("sweep.sqlite-*"))
    table.close()
    with contextlib.closing(load_sweep(tmp_path)) as table:
        assert len(table) == 8


def test_a_store_that_another_program_keeps_to_itself_is_reported_and_stays(tmp_path, monkeypatch):
    monkeypatch.setattr(platforms, "is_remote", lambda folder: True)
    monkeypatch.setattr(store_connection, "PATIENCE_SECONDS", 0.1)
    with Store(tmp_path) as store:
        store.write_notes(name="mine")
        with contextlib.closing(sqlite3.connect(tmp_path / "sweep.sqlite", isolation_level=None)) as other:
            other.execute("BEGIN EXCLUSIVE")
            with pytest.raises(RunFailed, match="has been in use by another program.* go on with --resume"):
                store.write_notes(name="yours")
        assert store.about() == {"name": "mine"}


# --- signals and processes -------------------------------------------------------------------------------------------


def requests():
    return [getattr(signal, name) for name in ("SIGTERM", "SIGHUP", "SIGBREAK") if hasattr(signal, name)]


@pytest.mark.parametrize("number", requests())
def test_a_request_to_end_is_ctrl_c(number):
    before = signal.getsignal(number)
    with platforms.termination_as_ctrl_c(), pytest.raises(KeyboardInterrupt):
        signal.raise_signal(number)
    assert signal.getsignal(number) == before


@pytest.mark.parametrize("number", requests())
def test_a_request_to_end_ends_a_training_as_ctrl_c_does(number):
    problem = create_problem(Network([1, 1]), np.zeros((1, 1)), [0.0])
    with platforms.termination_as_ctrl_c():
        run = train(problem, max_steps=10**9, engine="reference", progress=lambda seen: signal.raise_signal(number))
    assert run.interrupted and 0 < run.steps[0] < 10**9


def test_what_is_to_be_ignored_is_ignored(monkeypatch):
    """nohup has SIGHUP ignored, and a shell SIGINT of what runs in the background: SIGTERM ends that, too."""
    hangup = getattr(signal, "SIGHUP", signal.SIGTERM)
    before = {number: signal.signal(number, signal.SIG_IGN) for number in (hangup, signal.SIGINT)}
    try:
        with platforms.termination_as_ctrl_c():
            signal.raise_signal(hangup)
            if hangup != signal.SIGTERM:
                with pytest.raises(KeyboardInterrupt):
                    signal.raise_signal(signal.SIGTERM)
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def test_what_is_ignored_for_good_stays_so():
    numbers = [signal.SIGINT, *requests()]
    before = [signal.getsignal(number) for number in numbers]
    try:
        with platforms.termination_as_ctrl_c():
            platforms.ignore_termination()
        assert {signal.getsignal(number) for number in numbers} == {signal.SIG_IGN}
    finally:
        for number, handler in zip(numbers, before, strict=True):
            signal.signal(number, handler)


def test_in_another_thread_signals_are_left_alone():
    before, during = signal.getsignal(signal.SIGTERM), []

    def work():
        with platforms.termination_as_ctrl_c():
            during.append(signal.getsignal(signal.SIGTERM))

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert during == [before]


PARENT = """
import os, sys, time
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from deltarule import platforms
if __name__ == "__main__":
    with ProcessPoolExecutor(1, get_context("spawn"), platforms.exit_with_parent, (os.getpid(),)) as pool:
        print(pool.submit(os.getpid).result(), flush=True)
        pool.submit(time.sleep, 600)
        time.sleep(600)
"""


@pytest.mark.slow
def test_a_worker_ends_with_the_one_that_started_it(tmp_path):
    (tmp_path / "parent.py").write_text(PARENT, encoding="utf-8")
    with subprocess.Popen([sys.executable, tmp_path / "parent.py"], stdout=subprocess.PIPE, text=True) as parent:
        worker = psutil.Process(int(parent.stdout.readline()))
        time.sleep(1.2)  # it lives as long as the other one does
        assert worker.is_running() and worker.status() != psutil.STATUS_ZOMBIE
        parent.kill()
    _, alive = psutil.wait_procs([worker], timeout=20)
    assert alive == [] or worker.status() == psutil.STATUS_ZOMBIE


@pytest.mark.slow
def test_workers_that_are_spawned_give_the_same_table(tmp_path, monkeypatch):
    """As on Windows and macOS: a worker knows nothing but what it is told."""

    @contextlib.contextmanager
    def spawned(*given):
        with ProcessPoolExecutor(2, get_context("spawn"), platforms.exit_with_parent, (os.getpid(),)) as executor:
            yield Pool(lambda: executor, 2, lambda: None, 1)

    def rows():
        table = sweep("encoder", grid, seeds=3, engine="reference")
        return [{name: value for name, value in row.items() if not name.endswith("_seconds")} for row in table.rows()]

    grid = {"network.layers": [[8, 3, 8], [8, 4, 8]], "stopping.max_steps": [50], "optimizer.learning_rate": [1.0, 9.0]}
    expected = rows()
    monkeypatch.setattr(sweeping, "pool", spawned)
    assert rows() == expected


# --- Windows as a whole -----------------------------------------------------------------------------------------------


@pytest.mark.slow
@pytest.mark.skipif(os.name == "nt", reason="there all tests are this one")
def test_whatever_windows_lacks_and_refuses_fits_predicts_searches_and_writes(tmp_path):
    program = Path(__file__).parent / "helpers" / "as_windows.py"
    # More than one thread: what is for one alone asks the system for less.
    environment = {**os.environ, "OMP_NUM_THREADS": "2", "OPENBLAS_NUM_THREADS": "2"}
    done = subprocess.run(
        [sys.executable, program], cwd=tmp_path, env=environment, capture_output=True, encoding="utf-8", check=False
    )
    assert done.returncode == 0, done.stderr
    assert not list(tmp_path.rglob("*.part"))


# --- what killed processes leave -------------------------------------------------------------------------------------


def test_what_a_killed_process_has_left_of_a_file_is_removed_in_time(tmp_path):
    old, new, other = (tmp_path / name for name in (".deltarule-1.part", ".deltarule-2.part", "mine.part"))
    for path in (old, new, other):
        path.write_bytes(b"half")
    for path in (old, other):
        os.utime(path, (time.time() - ABANDONED_SECONDS - 60,) * 2)
    make_folder(tmp_path)
    assert sorted(tmp_path.iterdir()) == [new, other]


def test_a_part_is_as_old_as_the_clock_of_its_disk_has_it(tmp_path, monkeypatch):
    """Which may be another computer's, and behind."""
    (tmp_path / ".deltarule-1.part").write_bytes(b"half")
    now = time.time()
    monkeypatch.setattr(time, "time", lambda: now + 2 * ABANDONED_SECONDS)
    make_folder(tmp_path)
    assert list(tmp_path.iterdir()) == [tmp_path / ".deltarule-1.part"]


def test_locks_work_where_there_are_no_forks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(os, "register_at_fork", raising=False)
    platforms.hold_lock_across_fork(threading.RLock())
    with platforms.ForkSafeLock().current:
        pass


FORKED_WHILE_HELD = """
import os, signal, threading
from deltarule import platforms

mine, theirs = platforms.ForkSafeLock(), platforms.ForkSafeLock()
is_held, may_end = threading.Event(), threading.Event()

def hold():
    with theirs.current:
        is_held.set()
        may_end.wait()

thread = threading.Thread(target=hold)
thread.start()
is_held.wait()
with mine.current:
    process = os.fork()
    if not process:
        signal.alarm(10)  # a lock that stays held ends the child
        with theirs.current, mine.current:
            pass
if not process:
    os._exit(0)
may_end.set()
thread.join()
print(os.waitstatus_to_exitcode(os.waitpid(process, 0)[1]))
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="there are no forks")
def test_a_lock_that_another_thread_holds_is_free_in_a_forked_process() -> None:
    command = [sys.executable, "-W", "ignore", "-c", FORKED_WHILE_HELD]
    done = subprocess.run(command, capture_output=True, encoding="utf-8", check=False)
    assert (done.stdout, done.stderr) == ("0\n", "")


# --- threads that stay ------------------------------------------------------------------------------------------------

FORKED = """
import os, signal
from deltarule import platforms

parent = platforms.thread_pool(2, "of a test")
print(list(parent.map(abs, [-1, -2])), flush=True)
if not (process := os.fork()):
    signal.alarm(10)  # of one that waits for ever
    own = platforms.thread_pool(2, "of a test")
    os._exit([1, 2, own is parent] != [*own.map(abs, [-1, -2]), False])
print(os.waitstatus_to_exitcode(os.waitpid(process, 0)[1]))
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="there are no forks")
def test_a_forked_process_has_threads_of_its_own() -> None:
    done = subprocess.run([sys.executable, "-W", "ignore", "-c", FORKED], capture_output=True, encoding="utf-8")
    assert (done.stdout, done.stderr) == ("[1, 2]\n0\n", "")


def test_threads_stay_and_serve_one_purpose() -> None:
    """Work of one purpose may wait for work of another, and would wait for ever where both had the same threads."""
    waiting, awaited = platforms.thread_pool(1, "waiting in a test"), platforms.thread_pool(1, "awaited in a test")
    assert waiting.submit(lambda: awaited.submit(threading.get_ident).result()).result(10) != threading.get_ident()
    assert platforms.thread_pool(1, "waiting in a test") is waiting


@pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="there programs do not choose their processors")
def test_processors_are_those_that_the_system_allows() -> None:
    allowed = os.sched_getaffinity(0)
    try:
        os.sched_setaffinity(0, {min(allowed)})
        assert platforms.processor_count() == 1
    finally:
        os.sched_setaffinity(0, allowed)
    assert platforms.processor_count() == len(allowed)
