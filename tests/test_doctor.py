import platform
import sys
from importlib.metadata import version
from pathlib import Path

import numpy
import pytest

from deltarule import doctor
from deltarule.engines.compiled import cache


@pytest.fixture
def without(monkeypatch: pytest.MonkeyPatch) -> None:
    """As if nothing optional were installed: neither to be imported nor to be found."""
    for name in doctor.OPTIONAL:
        monkeypatch.setitem(sys.modules, name, None)
    monkeypatch.setattr(doctor, "_version", lambda name: None if name in doctor.OPTIONAL else version(name))


@pytest.mark.needs("torch")
def test_versions() -> None:
    found = doctor.examine()
    assert found.versions["python"] == platform.python_version() and found.versions["numpy"] == numpy.__version__
    assert found.optional["torch"] == version("torch")


def test_without_optional_libraries(without: None) -> None:
    found = doctor.examine()
    assert set(found.optional.values()) == {None}
    assert found.engines["reference"] is found.engines["compiled"] is None and "PyTorch" in found.engines["autograd"]
    assert any("autograd" in note and "PyTorch" in note for note in found.notes)


def test_without_llvmlite(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("llvmlite", "llvmlite.binding"):
        monkeypatch.setitem(sys.modules, name, None)
    found = doctor.examine()
    assert found.machine.features == () and any("llvmlite" in note for note in found.notes)


def test_blas_of_scipy_is_found() -> None:
    files = [library["filepath"] for library in doctor.examine().blas]
    assert sys.platform == "darwin" or any("scipy" in file for file in files)


def test_wrong_data_folder_is_noted(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("DELTARULE_DATA", str(tmp_path / "nowhere"))
    found = doctor.examine()
    assert found.data_folder == str(tmp_path / "nowhere") and set(found.data.values()) == {None}
    assert any("DELTARULE_DATA" in note and "does not exist" in note for note in found.notes)


def test_caches() -> None:
    assert doctor.examine().caches["compiled programs"] == cache.folder()
