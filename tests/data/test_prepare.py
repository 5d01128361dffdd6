import pytest

from deltarule.data.bundled import digits
from deltarule.data.prepare import prepared
from deltarule.errors import RunFailed
from deltarule.problem.configuration import parse
from deltarule.training.populations import problem_of_seeds

TABLE = {
    "data": {"name": "mnist", "offline": "digits"},
    "network": {"layers": ["auto", "auto"]},
    "stopping": {"max_steps": 1},
}


@pytest.fixture(autouse=True)
def no_network_and_no_cache(tmp_path, monkeypatch):
    """Downloads go to a port where nobody answers, and the cache is a folder that is empty."""
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "http_proxy", "https_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    for name in ("XDG_CACHE_HOME", "HOME", "LOCALAPPDATA"):
        monkeypatch.setenv(name, str(tmp_path / "cache"))
    for name in ("NO_PROXY", "no_proxy", "DELTARULE_DATA"):
        monkeypatch.delenv(name, raising=False)


def test_the_offline_default_takes_the_place_and_says_so(tmp_path):
    dataset = prepared(parse(TABLE), tmp_path)
    assert dataset.name == "digits" and dataset.digest == digits().digest
    assert "mnist is not on this machine and could not be downloaded, so this is digits" in dataset.remark
    assert dataset.remark in problem_of_seeds([parse(TABLE)], dataset).notes


@pytest.mark.parametrize("named", ["option", "variable"])
def test_nothing_takes_the_place_of_data_whose_folder_is_named(tmp_path, monkeypatch, named):
    if named == "variable":
        monkeypatch.setenv("DELTARULE_DATA", str(tmp_path))
    with pytest.raises(RunFailed, match="could not be downloaded"):
        prepared(parse(TABLE), tmp_path, tmp_path if named == "option" else None)


def test_without_an_offline_default_a_failed_download_is_told(tmp_path):
    with pytest.raises(RunFailed, match="could not be downloaded"):
        prepared(parse({**TABLE, "data": {"name": "mnist"}}), tmp_path)
