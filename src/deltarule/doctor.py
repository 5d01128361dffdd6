"""Report what is installed on this computer and what deltarule uses of it."""

import os
import platform
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from deltarule import platforms
from deltarule.errors import BadInput, DeltaruleError

REQUIRED = ("numpy", "scipy", "scikit-learn", "pandas", "llvmlite", "threadpoolctl")
OPTIONAL = ("torch", "jax", "onnx", "onnxruntime", "pyarrow", "openpyxl", "dask")
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
class Findings:
    """The report; its fields are the JSON object of `deltarule doctor --json`.

    machine, versions   the computer; versions of Python, deltarule and the required libraries
    optional            versions of optional libraries, None for those that are not installed
    engines             None for each engine that can be used, else the reason why not
    blas                the loaded BLAS libraries, as threadpoolctl describes them
    data_folder, data   the folder of DELTARULE_DATA or None; the places of published data sets, or None
    bundled             data sets that need no file
    caches, notes       cache folders by content; a sentence for each problem
    """

    machine: Machine
    versions: Mapping[str, str | None]
    optional: Mapping[str, str | None]
    engines: Mapping[str, str | None]
    blas: tuple[Mapping[str, Any], ...]
    data_folder: str | None
    data: Mapping[str, str | None]
    bundled: tuple[str, ...]
    caches: Mapping[str, Path]
    notes: tuple[str, ...]


def examine() -> Findings:
    """Examine this computer; nothing is changed, and no optional library is needed."""
    from deltarule.data.cache import VARIABLE, cache_folder, find
    from deltarule.data.load import names
    from deltarule.data.published import PUBLISHED
    from deltarule.engines.compiled.cache import folder
    from deltarule.engines.selection import engine

    engines: dict[str, str | None] = dict.fromkeys(("reference", "compiled", "cuda", "autograd"))
    notes = []
    for name in engines:
        try:
            engine(name)
        except BadInput as error:
            engines[name] = str(error)
            notes.append(f"the engine {name} is not usable: {error}")
    data: dict[str, str | None] = dict.fromkeys(PUBLISHED)
    for name, published in PUBLISHED.items():
        try:
            place = find(published)
            data[name] = None if place is None else str(place)
        except DeltaruleError as error:
            notes.append(f"{name}: {error}")
    caches = {}
    for content, locate in (("compiled programs", folder), ("data", cache_folder)):
        try:
            caches[content] = locate()
        except (DeltaruleError, OSError) as error:
            notes.append(f"there is no cache for {content}: {error}")
    return Findings(
        machine=machine(),
        versions=versions(),
        optional=optional_versions(),
        engines=engines,
        blas=loaded_blas(),
        data_folder=os.environ.get(VARIABLE),
        data=data,
        bundled=tuple(name for name, _ in names() if name not in PUBLISHED),
        caches=caches,
        notes=tuple(notes),
    )


def versions() -> dict[str, str | None]:
    return {"python": platform.python_version(), **{name: _version(name) for name in ("deltarule", *REQUIRED)}}


def optional_versions() -> dict[str, str | None]:
    return {name: _version(name) for name in OPTIONAL}


def machine() -> Machine:
    """The processor and the operating system of this computer."""
    try:
        from llvmlite.binding import get_host_cpu_features

        features: dict[str, bool] = get_host_cpu_features()
    except (ImportError, OSError):  # a damaged llvmlite, which is reported as an engine that is not usable
        features = {}
    return Machine(
        processor=processor_name(),
        processors=platforms.processor_count(),
        features=tuple(name for name in REPORTED_FEATURES if features.get(name)),
        avx512=all(features.get(name) for name in AVX512),
        system=platform.system(),
    )


def processor_name() -> str:
    """The processor's name: on Linux as its maker writes it."""
    about = Path("/proc/cpuinfo")
    lines = about.read_text(encoding="utf-8", errors="replace").splitlines() if about.exists() else []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor() or platform.machine()


def loaded_blas() -> tuple[Mapping[str, Any], ...]:
    import scipy.linalg  # noqa: F401  # loads SciPy's BLAS
    from threadpoolctl import threadpool_info

    return tuple(library for library in threadpool_info() if library["user_api"] == "blas")


def _version(name: str) -> str | None:
    try:
        return version(name)
    except PackageNotFoundError:
        return None
