from dataclasses import replace

import numpy as np
import pytest

from deltarule import load_sweep
from deltarule.errors import BadInput, RunFailed
from deltarule.problem.configuration import parse
from deltarule.studies.sweep_study import sweep
from deltarule.sweeps import worker
from deltarule.sweeps.grid import plan_sweep
from deltarule.sweeps.plan import Source
from deltarule.sweeps.worker import Table, read_completed_rows, train_unit, write_completed_rows
from deltarule.training import checkpoint

RECIPE = """
[data]
name = "iris"
[network]
layers = ["auto", 2, "auto"]
output = "softmax"
[loss]
name = "cross_entropy"
[optimizer]
name = "momentum"
learning_rate = 0.01
[stopping]
max_epochs = 1
"""


@pytest.fixture
def recipe(tmp_path):
    path = tmp_path / "mine.toml"
    path.write_text(RECIPE, encoding="utf-8")
    return path


def test_rows_are_written_as_often_as_checkpoints(recipe, tmp_path, monkeypatch):
    written = []

    def write(file, table):
        written.append(len(table))
        whole(file, table)

    whole = worker.write_completed_rows
    monkeypatch.setattr(worker, "write_completed_rows", write)
    found = sweep(recipe, {"stopping.max_epochs": list(range(1, 51))}, out=tmp_path / "out")
    assert len(found) == 50 and written == [50], "of a training that takes less than ten seconds there is one"


@pytest.mark.parametrize("keep", ["none", "best", "all"])
def test_a_training_goes_on_from_the_rows_of_its_checkpoint(recipe, tmp_path, monkeypatch, keep):
    given = {"stopping.max_epochs": list(range(1, 31)), "optimizer.learning_rate": [0.1, 0.01]}
    expected = sweep(recipe, given, out=tmp_path / "expected", keep=keep)
    monkeypatch.setattr(checkpoint, "CHECKPOINT_INTERVAL_SECONDS", -1.0)
    monkeypatch.setattr(checkpoint, "MAX_CHECKPOINT_TIME_SHARE", np.inf)
    whole = checkpoint.save_arrays

    def write(file, arrays, about):
        whole(file, arrays, about)
        if arrays["active step"] == 20:
            raise RunFailed("killed right after a checkpoint")

    monkeypatch.setattr(checkpoint, "save_arrays", write)
    out = tmp_path / "out"
    with pytest.raises(RunFailed, match="killed"):
        sweep(recipe, given, out=out, keep=keep)
    assert list(out.glob("checkpoints/*.rows")) and not len(load_sweep(out))
    monkeypatch.setattr(checkpoint, "save_arrays", whole)
    found = sweep(recipe, given, out=out, keep=keep, resume=True)
    for row, wanted in zip(found.rows(), expected.rows(), strict=True):
        assert {**row, "train_seconds": 0} == {**wanted, "train_seconds": 0}
    assert [row["key"] for row in found.kept()] == [row["key"] for row in expected.kept()]
    for row in found.kept():
        np.testing.assert_array_equal(found.network(row["key"]).theta, expected.network(row["key"]).theta)


@pytest.fixture
def done(tmp_path):
    """A function that does the work on a population of one: of what is changed in it, in the folder of this name."""
    table = {"data": {"name": "xor"}, "network": {"layers": [2, 1]}, "stopping": {"max_steps": 1}}
    source = Source(tmp_path)
    [unit] = plan_sweep(parse(table), source).units

    def called(name="checkpoints", **changed):
        given = {"keep": "none", "ranked": "train", "folder": tmp_path / name}
        return train_unit(replace(unit, **changed), np.array([0]), source, **given)

    return called


def test_a_worker_that_has_other_data_says_so(done):
    told = "^the rows of xor are not those that the sweep was planned with; give all workers the same files, and start"
    with pytest.raises(RunFailed, match=told):
        done(data="0" * 64)


def test_where_there_can_be_no_folder_for_checkpoints_a_training_goes_without(done, tmp_path):
    (tmp_path / "file").touch()
    assert len(done("file/checkpoints").table) == 1


def test_rows_of_a_damaged_file_are_told(tmp_path):
    for table in (Table(weights={"of no row": (np.zeros(1), np.zeros(0))}), Table(key=["a"])):
        write_completed_rows(tmp_path / "a.rows", table)
        with pytest.raises(
            BadInput, match="a.rows is damaged .its columns do not fit each other.; delete it, and start"
        ):
            read_completed_rows(tmp_path / "a.rows")
