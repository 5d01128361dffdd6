"""Report what is installed on this computer and what deltarule uses of it."""

import os
import platform
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from deltarule import platforms
from deltarule.errors import BadInput, DeltaruleError

REQUIRED = ("numpy", "scipy", "scikit-learn", "numba", "llvmlite", "scipy-openblas64", "threadpoolctl")
OPTIONAL = {
    "torch": "the autograd engine, and a second implementation for gradient checks",
    "jax": "a peer in deltarule bench",
    "onnx": "models in ONNX's form",
    "onnxruntime": "running models in ONNX's form",
    "pandas": "tables with named columns",
    "pyarrow": "tables in Parquet's form",
    "dask": "work on more than one machine",
    "optuna": "searching for good settings",
}
AVX512 = ("avx512f", "avx512cd", "avx512bw", "avx512dq", "avx512vl")
REPORTED_FEATURES = ("sse4.2", "avx", "avx2", "fma", *AVX512, "avx512bf16", "neon", "sve")
"""Features of processors that change how fast deltarule is."""


@dataclass(frozen=True)
class Machine:
    """A computer: name and features of the processor, processors that this process may use, operating system."""

    processor: str
    processors: int
    features: tuple[str, ...]
    avx512: bool
    system: str


@dataclass(frozen=True)
class EngineFound:
    """An engine: its name, whether it can be used, and if not, why."""

    name: str
    usable: bool
    why: str


@dataclass(frozen=True)
class BlasFound:
    """A loaded BLAS library: the package that brought it, its version, kernels and number of threads."""

    whose: str
    library: str
    version: str | None
    kernels: str | None
    threads: int


@dataclass(frozen=True)
class DataFound:
    """A published data set: where it is, or None; and what is wrong with it, or ""."""

    name: str
    place: str | None
    problem: str


@dataclass(frozen=True)
class Cache:
    """A cache folder of deltarule with the number and bytes of its files; it may be deleted at any time."""

    what: str
    folder: str
    files: int
    bytes: int


@dataclass(frozen=True)
class Findings:
    """The report; its fields are the JSON object of `deltarule doctor --json`.

    machine, versions   the computer; Python, deltarule and the libraries that it needs
    optional            optional libraries, None for what is not installed
    engines, blas       what can compute; what multiplies matrices in NumPy, SciPy and others
    matrices            what multiplies them in the compiled engine: name, kernels, threads; None where it is not usable
    data_folder, data   the folder of DELTARULE_DATA or None; published data sets, and whether they are there
    bundled             data sets that need no file
    caches, notes       folders that are filled by themselves; what is not as it should be, a sentence each
    """

    machine: Machine
    versions: Mapping[str, str | None]
    optional: Mapping[str, str | None]
    engines: tuple[EngineFound, ...]
    blas: tuple[BlasFound, ...]
    matrices: Mapping[str, Any] | None
    data_folder: str | None
    data: tuple[DataFound, ...]
    bundled: tuple[str, ...]
    caches: tuple[Cache, ...]
    notes: tuple[str, ...]


def examine() -> Findings:
    """Examine this computer; nothing is changed, and no optional library is needed.

    >>> found = examine()
    >>> found.engines[0]
    EngineFound(name='reference', usable=True, why='')
    >>> found.machine.processors > 0
    True
    """
    engines = tuple(_engine(name) for name in ("reference", "compiled", "autograd"))
    multiplies = matrices()
    data_folder, data, bundled = _data_folders()
    notes = [f"the engine {engine.name} is not usable: {engine.why}" for engine in engines if not engine.usable]
    notes += [f"{one.name}: {one.problem}" for one in data if one.problem]
    notes += _slow_kernels(machine(), multiplies)
    caches, missing = _caches()
    notes += missing
    return Findings(
        machine=machine(),
        versions=versions(),
        optional=optional_versions(),
        engines=engines,
        blas=_blas(),
        matrices=multiplies,
        data_folder=data_folder,
        data=data,
        bundled=bundled,
        caches=caches,
        notes=tuple(notes),
    )


def versions() -> dict[str, str | None]:
    """The versions of Python, deltarule and its required libraries; None if not installed.

    >>> versions()["python"] == platform.python_version()
    True
    """
    required = {name: _version(name) for name in REQUIRED}
    return {"python": platform.python_version(), "deltarule": _version("deltarule"), **required}


def optional_versions() -> dict[str, str | None]:
    """The versions of optional libraries; None if not installed."""
    return {name: _version(name) for name in OPTIONAL}


def machine() -> Machine:
    """The description of this computer.

    >>> machine().system == platform.system()
    True
    """
    features = _features()
    return Machine(
        processor=_processor(),
        processors=platforms.processor_count(),
        features=tuple(name for name in REPORTED_FEATURES if features.get(name)),
        avx512=all(features.get(name) for name in AVX512),
        system=platform.system(),
    )


def _processor() -> str:
    """The processor's name as its maker writes it; Python knows it only on some systems."""
    try:
        if platform.system() == "Linux":
            lines = Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace").splitlines()
            names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
            return names[0] if names else platform.machine()
        if platform.system() == "Darwin":
            asked = ["sysctl", "-n", "machdep.cpu.brand_string"]
            return subprocess.run(asked, capture_output=True, encoding="utf-8", check=True).stdout.strip()
    except (OSError, subprocess.CalledProcessError):
        pass
    return platform.processor() or platform.machine()


def _features() -> dict[str, bool]:
    """The processor's features by LLVM's names; empty without Numba."""
    try:
        from llvmlite.binding import get_host_cpu_features
    except (ImportError, OSError):
        return {}
    found: dict[str, bool] = get_host_cpu_features()
    return found


def _version(name: str) -> str | None:
    try:
        return version(name)
    except PackageNotFoundError:
        return None


def _engine(name: str) -> EngineFound:
    from deltarule.engines.selection import engine

    try:
        engine(name)
    except BadInput as error:
        return EngineFound(name, False, str(error))
    return EngineFound(name, True, "")


def _blas() -> tuple[BlasFound, ...]:
    import scipy.linalg  # noqa: F401  # loads SciPy's own
    from threadpoolctl import threadpool_info

    return tuple(
        BlasFound(
            whose=_owner(Path(one["filepath"])),
            library=one["internal_api"],
            version=one["version"],
            kernels=one.get("architecture"),
            threads=one["num_threads"],
        )
        for one in threadpool_info()
        if one["user_api"] == "blas"
    )


def _owner(file: Path) -> str:
    """The package that brought a library: wheels keep theirs in package.libs or package/.dylibs."""
    packages = [
        part for part in file.parts if part.removesuffix(".libs") in ("numpy", "scipy", "torch", "scipy_openblas64")
    ]
    return packages[-1].removesuffix(".libs") if packages else file.name


def matrices() -> dict[str, Any] | None:
    """The BLAS of the compiled engine: name, kernels, threads; None if the engine is not usable."""
    if not _engine("compiled").usable:
        return None
    from deltarule.engines.compiled.blas import blas
    from deltarule.engines.compiled.engine import available_processors

    found = blas()
    return {"name": found.name, "kernels": found.kernels, "threads": available_processors()}


def _slow_kernels(computer: Machine, matrices: Mapping[str, Any] | None) -> list[str]:
    from deltarule.engines.compiled.blas import CORETYPE, WIDE_KERNELS

    if matrices is None or not computer.avx512 or matrices["kernels"] in WIDE_KERNELS:
        return []
    asked = os.environ.get(CORETYPE)
    cure = f"without {CORETYPE}={asked} in the environment" if asked else "with: pip install scipy-openblas64"
    return [
        f"the processor has AVX-512, and the compiled engine's BLAS does not use it ({matrices['kernels']} kernels); "
        f"large networks train faster {cure}"
    ]


def _data_folders() -> tuple[str | None, tuple[DataFound, ...], tuple[str, ...]]:
    from deltarule.data.cache import VARIABLE, find
    from deltarule.data.load import names
    from deltarule.data.published import PUBLISHED

    found = []
    for one in PUBLISHED.values():
        try:
            place = find(one)
            found.append(DataFound(one.name, None if place is None else str(place), ""))
        except DeltaruleError as error:
            found.append(DataFound(one.name, None, str(error)))
    return os.environ.get(VARIABLE), tuple(found), tuple(name for name, _ in names() if name not in PUBLISHED)


def _caches() -> tuple[tuple[Cache, ...], list[str]]:
    """The cache folders, and a sentence for each that cannot be had."""
    from deltarule.data.cache import cache_folder
    from deltarule.engines.compiled.cache import folder

    found, missing = [], []
    for what, place in (("compiled programs", folder), ("data", cache_folder)):
        try:
            found.append(_cache(what, place()))
        except (DeltaruleError, OSError) as error:
            missing.append(f"there is no cache for {what}: {error}")
    return tuple(found), missing


def _cache(what: str, folder: Path) -> Cache:
    sizes = [path.stat().st_size for path in folder.rglob("*") if path.is_file()]
    return Cache(what, str(folder), len(sizes), sum(sizes))
