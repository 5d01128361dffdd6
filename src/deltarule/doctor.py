"""Report what is installed on this computer and what deltarule uses of it."""

import os
import platform
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import TYPE_CHECKING, Any

from deltarule import platforms
from deltarule.errors import BadInput, DeltaruleError

if TYPE_CHECKING:
    from deltarule.data.published import Published

REQUIRED = ("numpy", "scipy", "scikit-learn", "pandas", "numba", "llvmlite", "threadpoolctl")
OPTIONAL = ("torch", "jax", "onnx", "onnxruntime", "pyarrow", "dask", "optuna")
AVX512 = ("avx512f", "avx512cd", "avx512bw", "avx512dq", "avx512vl")
REPORTED_FEATURES = ("sse4.2", "avx", "avx2", "fma", *AVX512, "avx512bf16", "neon", "sve")
"""Features of processors that change how fast deltarule is."""


@dataclass(frozen=True)
class Machine:
    """The processor and operating system of a computer."""

    processor: str
    processors: int
    features: tuple[str, ...]
    avx512: bool
    system: str


@dataclass(frozen=True)
class EngineFound:
    """An engine: its name, whether it can be used, and if not, the reason."""

    name: str
    usable: bool
    why: str


@dataclass(frozen=True)
class BlasFound:
    """A loaded BLAS library with its package, version, kernels and threads."""

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
    """A cache folder of deltarule with the number and bytes of its files."""

    what: str
    folder: str
    files: int
    bytes: int


@dataclass(frozen=True)
class Findings:
    """The report; its fields are the JSON object of `deltarule doctor --json`.

    machine, versions   the computer; versions of Python, deltarule and the required libraries
    optional            versions of optional libraries, None for those that are not installed
    engines, blas       the engines; the BLAS libraries of NumPy, SciPy and others
    matrices            BLAS of the compiled engine: name, kernels, threads; None if the engine is not usable
    data_folder, data   the folder of DELTARULE_DATA or None; published data sets and their folders
    bundled             data sets that need no file
    caches, notes       cache folders; a sentence for each problem
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
    """
    from deltarule.data.cache import VARIABLE, cache_folder
    from deltarule.data.load import names
    from deltarule.data.published import PUBLISHED
    from deltarule.engines.compiled.cache import folder

    engines = tuple(map(_check_engine, ("reference", "compiled", "autograd")))
    data = tuple(map(_find_data_set, PUBLISHED.values()))
    notes = [f"the engine {engine.name} is not usable: {engine.why}" for engine in engines if not engine.usable]
    notes += [f"{one.name}: {one.problem}" for one in data if one.problem]
    caches = []
    for content, locate in (("compiled programs", folder), ("data", cache_folder)):
        try:
            caches.append(_measure_cache(content, locate()))
        except (DeltaruleError, OSError) as error:
            notes.append(f"there is no cache for {content}: {error}")
    return Findings(
        machine=machine(),
        versions=versions(),
        optional=optional_versions(),
        engines=engines,
        blas=_loaded_blas(),
        matrices=compiled_engine_blas(),
        data_folder=os.environ.get(VARIABLE),
        data=data,
        bundled=tuple(name for name, _ in names() if name not in PUBLISHED),
        caches=tuple(caches),
        notes=tuple(notes),
    )


def versions() -> dict[str, str | None]:
    """The versions of Python, deltarule and its required libraries."""
    return {"python": platform.python_version(), **{name: _version(name) for name in ("deltarule", *REQUIRED)}}


def optional_versions() -> dict[str, str | None]:
    """The versions of optional libraries; None if not installed."""
    return {name: _version(name) for name in OPTIONAL}


def machine() -> Machine:
    """The processor and the operating system of this computer."""
    try:
        from llvmlite.binding import get_host_cpu_features

        features: dict[str, bool] = get_host_cpu_features()
    except (ImportError, OSError):  # without Numba
        features = {}
    return Machine(
        processor=processor_name(),
        processors=platforms.processor_count(),
        features=tuple(name for name in REPORTED_FEATURES if features.get(name)),
        avx512=all(features.get(name) for name in AVX512),
        system=platform.system(),
    )


def processor_name() -> str:
    """The processor's name as its maker writes it."""
    try:
        if platform.system() == "Linux":
            lines = Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace").splitlines()
            names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
            return names[0] if names else platform.machine()
        if platform.system() == "Darwin":
            command = ["sysctl", "-n", "machdep.cpu.brand_string"]
            return subprocess.run(command, capture_output=True, encoding="utf-8", check=True).stdout.strip()
    except (OSError, subprocess.CalledProcessError):
        pass
    return platform.processor() or platform.machine()


def _version(name: str) -> str | None:
    try:
        return version(name)
    except PackageNotFoundError:
        return None


def _check_engine(name: str) -> EngineFound:
    from deltarule.engines.selection import engine

    try:
        engine(name)
    except BadInput as error:
        return EngineFound(name, False, str(error))
    return EngineFound(name, True, "")


def _loaded_blas() -> tuple[BlasFound, ...]:
    """The BLAS libraries that are loaded in this process."""
    import scipy.linalg  # noqa: F401  # loads SciPy's BLAS
    from threadpoolctl import threadpool_info

    return tuple(
        BlasFound(
            whose=_package_of_library(Path(library["filepath"])),
            library=library["internal_api"],
            version=library["version"],
            kernels=library.get("architecture"),
            threads=library["num_threads"],
        )
        for library in threadpool_info()
        if library["user_api"] == "blas"
    )


def _package_of_library(file: Path) -> str:
    parts = [part.removesuffix(".libs") for part in file.parts]
    return next((part for part in reversed(parts) if part in ("numpy", "scipy", "torch")), file.name)


def compiled_engine_blas() -> dict[str, Any] | None:
    """The BLAS of the compiled engine, or None if the engine is not usable."""
    if not _check_engine("compiled").usable:
        return None
    from deltarule.engines.compiled.engine import available_processors

    kernels = [library.kernels for library in _loaded_blas() if library.whose == "scipy"]
    return {"name": "SciPy's", "kernels": kernels[-1] if kernels else "unknown", "threads": available_processors()}


def _find_data_set(published: "Published") -> DataFound:
    from deltarule.data.cache import find

    try:
        path = find(published)
    except DeltaruleError as error:
        return DataFound(published.name, None, str(error))
    return DataFound(published.name, None if path is None else str(path), "")


def _measure_cache(content: str, folder: Path) -> Cache:
    sizes = [path.stat().st_size for path in folder.rglob("*") if path.is_file()]
    return Cache(content, str(folder), len(sizes), sum(sizes))
