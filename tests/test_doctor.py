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
    usable = {one.name: one.usable for one in found.engines}
    assert usable == {"reference": True, "compiled": True, "autograd": False}
    assert any("autograd" in note and "PyTorch" in note for note in found.notes)


def test_without_numba(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("numba", "llvmlite", "llvmlite.binding"):
        monkeypatch.setitem(sys.modules, name, None)
    found = doctor.examine()
    assert found.matrices is None and found.machine.features == () and not found.machine.avx512
    assert any("Numba" in note for note in found.notes)


def test_blas_names_its_package() -> None:
    owners = {one.whose for one in doctor.examine().blas}
    loaded = {"numpy", "scipy"} if sys.platform != "darwin" else set()
    assert loaded <= owners
    assert doctor._package_of_library(Path("site-packages/numpy.libs/libopenblas.so")) == "numpy"
    assert doctor._package_of_library(Path("lib/libblas.so.3")) == "libblas.so.3"


def test_wrong_data_folder_is_noted(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("DELTARULE_DATA", str(tmp_path / "nowhere"))
    found = doctor.examine()
    assert found.data_folder == str(tmp_path / "nowhere")
    assert any("DELTARULE_DATA" in note and "does not exist" in note for note in found.notes)


def test_caches(tmp_path: Path) -> None:
    (tmp_path / "inner").mkdir()
    (tmp_path / "a").write_bytes(b"1234")
    (tmp_path / "inner" / "b").write_bytes(b"56")
    one = doctor._measure_cache("something", tmp_path)
    assert (one.files, one.bytes) == (2, 6)
    assert doctor._measure_cache("nothing", tmp_path / "nowhere").bytes == 0
    assert doctor.examine().caches[0].folder == str(cache.folder())
