"""This version reads the files of every released version as that version did."""

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
NEAR = {"rtol": 1e-9, "atol": 1e-12}  # the last digits of an exponential depend on the processor


@pytest.fixture(scope="module")
def writer():
    return module_at(HERE / "write_files.py")


@pytest.fixture(params=VERSIONS, ids=lambda folder: folder.name)
def folder(request, tmp_path):
    """A copy of a version's files, so that nothing is written into the originals."""
    return shutil.copytree(request.param, tmp_path / "files")


def test_files_of_a_version_exist():
    assert VERSIONS


def test_models_of_earlier_versions_predict_the_same(folder, writer):
    expected_results = read_json(folder / "told.json")
    x, _ = load_iris(return_X_y=True)
    np.testing.assert_allclose(
        load_model(folder / "model.safetensors").predict_proba(x[::50]), expected_results["model"], **NEAR
    )
    table, _ = writer.flowers()
    few = {name: column[::20] for name, column in table.items()}
    np.testing.assert_allclose(
        load_model(folder / "table.safetensors").predict_proba(few), expected_results["table"], **NEAR
    )


@pytest.mark.slow
def test_a_run_of_an_earlier_version_is_read_and_reported(folder):
    expected_results = read_json(folder / "told.json")["run"]
    run = read_run(folder / "run")
    losses = np.array(expected_results["losses"])[:, 0]
    expected = dict(zip(expected_results["steps"], losses.tolist(), strict=True))
    assert run.losses(0, max_count=1000) == expected
    for name in ("run", "sweep"):
        report = report_of(folder / name)
        assert report.unfinished == [] and len(report.sections) == 1


def test_a_store_of_an_earlier_version_is_resumed_without_training_anything_again(folder):
    expected_results = read_json(folder / "told.json")["sweep"]

    def found():
        with closing(load_sweep(folder / "sweep")) as table:
            return [row | {"theta": table.network(row["key"]).theta.tolist()} for row in table.rows()]

    assert found() == expected_results
    sweep(folder / "mine.toml", out=folder / "sweep", keep="all", resume=True).close()
    assert found() == expected_results  # including the seconds that it took then
    assert (folder / "sweep" / FILE).is_file()


def test_a_checkpoint_of_an_earlier_version_resumes_to_the_same_losses(folder, writer):
    expected_results = read_json(folder / "told.json")["checkpoint"]
    first = []
    run = writer.trained(
        checkpoint=folder / "checkpoint.safetensors", resume=True, progress=lambda seen: first.append(seen.step)
    )
    assert first[0] > expected_results["step"] >= writer.INTERRUPTED_AT
    np.testing.assert_allclose(run.history.objective, np.array(expected_results["losses"], float), **NEAR)
