"""Workers in processes of their own, some of which die."""

import os
import signal
import subprocess
import sys
import time
from contextlib import ExitStack, suppress

import distributed
import psutil
import pytest
from distributed import LocalCluster
from refusals import refuses
from tables_by_hand import without_seconds

from deltarule import register_activation, sweep
from deltarule.errors import BadInput, RunFailed
from deltarule.json_files import read_json
from deltarule.problem import registry
from deltarule.recipes import load_recipe
from deltarule.sweeps import grid
from deltarule.sweeps.executors import MAX_TRIES, pool, run_all
from deltarule.sweeps.store_connection import FILE

# What a worker does here is an expression: functions of a test's module cannot be imported by another process.
DIES = f"__import__('os').kill(__import__('os').getpid(), {int(signal.SIGTERM if os.name == 'nt' else signal.SIGKILL)})"


@pytest.mark.parametrize("workers", [1, 2])
def test_every_task_is_done_once(workers):
    with pool(workers) as given:
        done = dict(run_all(given, pow, ((number, 2) for number in range(20))))
    assert done == {(number, 2): number**2 for number in range(20)}


@pytest.mark.parametrize("workers", [1, 2])
def test_error_of_a_task_is_raised(workers):
    with pool(workers) as given, refuses("missing.json"):
        list(run_all(given, read_json, iter([("missing.json",)])))


@pytest.mark.parametrize(
    ("error", "named"),
    [("SystemError('of a library')", "SystemError: of a library"), ("MemoryError()", "MemoryError")],
)
def test_failure_in_a_worker_says_what_is_kept(error, named):
    with pool(2) as given, refuses(named, "all is kept", error=RunFailed):
        list(run_all(given, eval, iter([(f"(_ for _ in ()).throw({error})",)]), "all is kept"))


@pytest.mark.parametrize(
    ("words", "told"),
    [
        ({"address": "nowhere"}, "no Dask scheduler answers at nowhere"),
        ({"workers": 3, "address": "tcp://there:8786"}, "^workers is 3, and the cluster at"),
    ],
)
def test_wrong_workers_are_refused(words, told):
    with pytest.raises(BadInput, match=told), pool(**words):
        pass


def test_task_that_kills_its_workers_is_given_up():
    with pool(2) as given, refuses(MAX_TRIES, error=RunFailed):
        list(run_all(given, eval, iter([(DIES,)])))


def test_workers_print_nothing(capfd):
    """Where memory ends, Python and its libraries would; what fails comes back to be told."""
    prints = "print('out') or print('err', file=__import__('sys').stderr) or __import__('warnings').warn('of it') or 3"
    with pool(2) as given:
        assert [result for _, result in run_all(given, eval, iter([(prints,)]))] == [3]
    assert capfd.readouterr() == ("", "")


@pytest.fixture
def recipe(tmp_path):
    text = (
        '[data]\nname = "digits"\n[network]\nlayers = ["auto", 16, "auto"]\noutput = "softmax"\n'
        '[loss]\nname = "cross_entropy"\n[optimizer]\nbatch_size = 32\n[stopping]\nmax_epochs = 6\n[run]\nseeds = 4\n'
        '[grid]\n"optimizer.learning_rate" = [0.1, 0.01, 0.001, 0.0001]\n'
    )
    (tmp_path / "mine.toml").write_text(text, encoding="utf-8")
    return load_recipe(tmp_path / "mine.toml")


def workers_of(this):
    """The processes that this one has started to do work."""
    found = []
    for one in psutil.Process(this).children(recursive=True):
        line = ""
        with suppress(psutil.Error):  # it has ended meanwhile
            line = " ".join(one.cmdline())
        if ("loky" in line and "resource_tracker" not in line) or "spawn_main" in line:
            found.append(one)
    return found


@pytest.mark.parametrize("on_dask", [False, True])
def test_killed_worker_changes_nothing(recipe, tmp_path, monkeypatch, on_dask):
    monkeypatch.setattr(grid, "MAX_MEMBERS", 2)
    expected = without_seconds(sweep(recipe, engine="reference"))
    killed = []

    def kill(seen):
        if seen.done >= 4 and not killed:
            killed.append(workers_of(os.getpid())[-1])
            killed[0].kill()

    with ExitStack() as stack:
        workers = {"workers": 2}
        if on_dask:
            cluster = stack.enter_context(LocalCluster(n_workers=2, threads_per_worker=1, dashboard_address=None))
            workers = {"address": cluster.scheduler_address}
        table = sweep(recipe, out=tmp_path / "out", engine="reference", keep=True, progress=kill, **workers)
    assert len(killed) == 1 and len(table) == 16
    assert without_seconds(table) == expected
    assert len(table.network(table.best(1)[0]["key"]).theta) == 64 * 16 + 16 + 160 + 10


def test_number_of_workers_changes_no_bit(tmp_path):
    """Some of these are trained far longer than others: each worker's part alone would ask for another engine."""
    text = (
        '[data]\nname = "iris"\nscale = "standardize"\n[network]\nlayers = ["auto", 8, "auto"]\nactivation = "tanh"\n'
        'output = "softmax"\n[loss]\nname = "cross_entropy"\n[optimizer]\nname = "momentum"\nbatch_size = 16\n'
        '[stopping]\nmax_epochs = 600\n[run]\nseeds = 5\n[grid]\n"optimizer.learning_rate" = [0.3, 0.1, 0.01, 0.001]\n'
    )
    (tmp_path / "mine.toml").write_text(text, encoding="utf-8")
    rates = [{"optimizer.learning_rate": rate, "stopping.max_epochs": n} for rate, n in ((0.1, 600), (0.2, 1))]
    for settings, workers in ((None, 4), (rates, 2)):
        alone = sweep(tmp_path / "mine.toml", settings)
        assert without_seconds(sweep(tmp_path / "mine.toml", settings, workers=workers)) == without_seconds(alone)


def test_end_of_the_cluster_is_reported(monkeypatch):
    """Of what was submitted nothing is heard any more: it would be waited for without end."""
    connect = distributed.Client
    monkeypatch.setattr(distributed, "Client", lambda at, timeout: connect(at, timeout=2))  # and looks for it as long
    tasks = ((f"__import__('time').sleep({seconds})",) for seconds in (0, 60, 60))
    told = "^the cluster's scheduler has ended; start it again, or name no address; all is kept$"
    with (
        LocalCluster(n_workers=1, threads_per_worker=1, dashboard_address=None) as cluster,
        pool(address=cluster.scheduler_address) as given,
    ):
        done = run_all(given, eval, tasks, "all is kept")
        next(done)
        cluster.close()
        with pytest.raises(RunFailed, match=told):
            next(done)


@pytest.mark.skipif(os.name == "nt", reason="there Ctrl-C cannot be sent to a group of processes alone")
def test_ctrl_c_ends_a_sweep(recipe, tmp_path):
    """A terminal sends it to the workers too, and each of them would tell where it was."""
    command = [sys.executable, "-m", "deltarule", "sweep", str(tmp_path / "mine.toml"), "--out", str(tmp_path / "out")]
    command += ["--workers", "2", "--set", "stopping.max_epochs=100000"]
    given = {"stderr": subprocess.PIPE, "encoding": "utf-8", "start_new_session": True}
    with subprocess.Popen(command, **given) as process:
        try:
            while not (tmp_path / "out" / FILE).exists():  # by then the workers are there
                time.sleep(0.1)
            time.sleep(1)  # until they train
            workers = workers_of(process.pid)
            os.killpg(process.pid, signal.SIGINT)
            told = process.communicate(timeout=60)[1]
        finally:
            process.kill()
    assert process.returncode == 1
    assert told.splitlines()[-1].startswith("deltarule: interrupted with 0 of 16 rows done; what was reached is kept")
    assert "Traceback" not in told
    assert len(workers) == 2 and not psutil.wait_procs(workers, timeout=60)[1]


@pytest.fixture
def mine():
    """Registers a function of this test as the activation "mine": other processes have it from here alone."""

    def registered(factor):
        if "mine" in registry.names("activation"):
            registry.remove("activation", "mine")
        register_activation(
            "mine", lambda z, k: k * factor * z * z, lambda z, a, k: 2 * k * factor * z, parameters={"k": 1.0}
        )

    yield registered
    registry.remove("activation", "mine")


OWN = (
    '[data]\nname = "iris"\nscale = "standardize"\n[network]\nlayers = ["auto", 3, "auto"]\noutput = "softmax"\n'
    'activation = {name = "mine", k = 0.5}\n[loss]\nname = "cross_entropy"\n[stopping]\nmax_steps = 20\n'
    '[grid]\n"network.layers" = [["auto", 3, "auto"], ["auto", 4, "auto"]]\n'
)


def test_custom_formulas_go_to_workers(tmp_path, mine):
    (tmp_path / "mine.toml").write_text(OWN, encoding="utf-8")
    tables = []
    for factor in (1.0, -0.5):
        mine(factor)
        tables.append(without_seconds(sweep(tmp_path / "mine.toml")))
        assert without_seconds(sweep(tmp_path / "mine.toml", workers=2)) == tables[-1]
    assert tables[0] != tables[1]


def test_living_worker_gets_the_formula_of_each_sweep(tmp_path, mine):
    (tmp_path / "mine.toml").write_text(OWN, encoding="utf-8")
    with LocalCluster(n_workers=1, threads_per_worker=1, dashboard_address=None) as cluster:
        for factor in (1.0, -0.5):
            mine(factor)
            given = {"address": cluster.scheduler_address}
            alone = without_seconds(sweep(tmp_path / "mine.toml", engine="reference"))
            assert without_seconds(sweep(tmp_path / "mine.toml", engine="reference", **given)) == alone
