"""Files that each released version has written are read by this one as by the one that wrote them."""

import shutil
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest
from scripts import module_at
from sklearn.datasets import load_iris

from deltarule import load_model, load_sweep, sweep
from deltarule.json_files import read_json
from deltarule.studies.report.page import report_of
from deltarule.studies.run_records import read_run
from deltarule.sweeps.store_connection import FILE

HERE = Path(__file__).parent
VERSIONS = sorted(path for path in (HERE / "files").iterdir())
NEAR = {"rtol": 1e-9, "atol": 1e-12}  # of an exponential in the last digits, another processor's is another one


@pytest.fixture(scope="module")
def writer():
    return module_at(HERE / "write_files.py")


@pytest.fixture(params=VERSIONS, ids=lambda folder: folder.name)
def folder(request, tmp_path):
    """A copy, so that nothing is written into the files that are kept."""
    return shutil.copytree(request.param, tmp_path / "files")


def test_there_is_a_version():
    assert VERSIONS


def test_models_answer_as_they_did(folder, writer):
    told = read_json(folder / "told.json")
    x, _ = load_iris(return_X_y=True)
    np.testing.assert_allclose(load_model(folder / "model.safetensors").predict_proba(x[::50]), told["model"], **NEAR)
    table, _ = writer.flowers()
    few = {name: column[::20] for name, column in table.items()}
    np.testing.assert_allclose(load_model(folder / "table.safetensors").predict_proba(few), told["table"], **NEAR)


@pytest.mark.slow
def test_a_run_is_read_and_drawn(folder):
    told = read_json(folder / "told.json")["run"]
    run = read_run(folder / "run")
    losses = np.array(told["losses"])[:, 0]
    expected = dict(zip(told["steps"], losses.tolist(), strict=True))
    assert run.losses(0, max_count=1000) == expected
    for name in ("run", "sweep"):
        report = report_of(folder / name)
        assert report.unfinished == [] and len(report.sections) == 1


def test_a_store_is_read_and_gone_on_with_and_nothing_in_it_is_trained_again(folder):
    told = read_json(folder / "told.json")["sweep"]

    def found():
        with closing(load_sweep(folder / "sweep")) as table:
            return [row | {"theta": table.network(row["key"]).theta.tolist()} for row in table.rows()]

    assert found() == told
    sweep(folder / "mine.toml", out=folder / "sweep", keep="all", resume=True).close()
    assert found() == told  # with the seconds that it took then
    assert (folder / "sweep" / FILE).is_file()


def test_a_checkpoint_is_gone_on_with_to_what_it_would_have_come_to(folder, writer):
    told = read_json(folder / "told.json")["checkpoint"]
    first = []
    run = writer.trained(
        checkpoint=folder / "checkpoint.safetensors", resume=True, progress=lambda seen: first.append(seen.step)
    )
    assert first[0] > told["step"] >= writer.INTERRUPTED_AT
    np.testing.assert_allclose(run.history.objective, np.array(told["losses"], float), **NEAR)
