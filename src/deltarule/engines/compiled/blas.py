"""Find the BLAS that multiplies the matrices of large networks: a private copy of OpenBLAS, or else SciPy's.

Two things are wrong with the BLAS that NumPy has already loaded. It chooses its number of threads, and the bits of a
product depend on how it was divided; and on processors that it does not know, its kernels reach only half of the speed.
Both could be changed only for the whole process. So the package scipy-openblas64, if it is installed, is loaded as a
private library, for one thread, with the kernels that the processor can run.
"""

import ctypes
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import DTypeLike

from deltarule.blas_threads import rescan_libraries

WIDE_KERNELS = ("SkylakeX", "Cooperlake", "SapphireRapids", "Zen4", "Zen5")
"""OpenBLAS's names for kernels of 512 bits."""
CORETYPE = "OPENBLAS_CORETYPE"
"""The environment variable with which a user selects the kernels of every OpenBLAS."""
WIDE_FEATURES = ("avx512f", "avx512cd", "avx512bw", "avx512dq", "avx512vl")


@dataclass(frozen=True)
class Blas:
    """A BLAS: a description, the name of its kernels, and the addresses of its gemm for float32 and float64."""

    name: str
    kernels: str
    single: int
    double: int

    def gemm(self, dtype: DTypeLike) -> int:
        """Return the address of its matrix product for a dtype."""
        return self.single if np.dtype(dtype) == np.float32 else self.double


@cache
def blas() -> Blas:
    """Return the BLAS for large networks, OpenBLAS or else SciPy's; the first call in a process loads it."""
    loaded = _load_private_copy() or _scipy_blas()
    rescan_libraries()  # code that sets the threads of every BLAS in the process must find this one, too
    return loaded


def _load_private_copy() -> Blas | None:
    """Load and return scipy-openblas64 with one thread; None if it is missing, or other code has loaded it."""
    path = _find_library()
    if path is None or path.resolve() in {Path(one["filepath"]).resolve() for one in _loaded_libraries()}:
        return None  # if other code has loaded it, its threads are not ours to set
    with _environment(OPENBLAS_NUM_THREADS="1", **_coretype()):
        try:  # it starts its threads when it is loaded
            library = ctypes.CDLL(str(path))
            addresses = [ctypes.cast(library[f"scipy_{letter}gemm_64_"], ctypes.c_void_p).value for letter in "sd"]
            library.scipy_openblas_get_corename64_.restype = ctypes.c_char_p
            kernels = library.scipy_openblas_get_corename64_().decode()
        except (OSError, AttributeError):  # another platform's file, or a version with other names
            return None
    single, double = (int(address or 0) for address in addresses)
    return Blas("OpenBLAS, a copy of our own (scipy-openblas64)", kernels, single, double)


def _scipy_blas() -> Blas:
    """Return the BLAS of SciPy, which Numba's own products call, too."""
    import scipy.linalg.cython_blas as capsules
    from numba.extending import get_cython_function_address

    single, double = (get_cython_function_address(capsules.__name__, f"{letter}gemm") for letter in "sd")
    libraries = [one for one in _loaded_libraries() if "scipy" in one["filepath"].replace("numpy", "")]
    return Blas("SciPy's", libraries[-1].get("architecture", "unknown") if libraries else "unknown", single, double)


def _find_library() -> Path | None:
    """Return the library file of the package scipy-openblas64; None on macOS, or if it is not installed."""
    from importlib.util import find_spec

    # Not imported: that would load it for the whole process. On macOS SciPy's Accelerate has faster kernels.
    spec = None if sys.platform == "darwin" else find_spec("scipy_openblas64")
    if spec is None or spec.origin is None:
        return None
    folder = Path(spec.origin).parent / "lib"
    files = sorted([*folder.glob("libscipy_openblas*.so*"), *folder.glob("libscipy_openblas*.dll")])
    return files[0] if files else None


def _coretype() -> dict[str, str]:
    """Return {OPENBLAS_CORETYPE: name} to select 512-bit kernels where OpenBLAS overlooks them, else {}."""
    from llvmlite.binding import get_host_cpu_features

    features = get_host_cpu_features()
    kernels = {str(one.get("architecture")) for one in _loaded_libraries() if one["internal_api"] == "openblas"}
    has_wide = all(features.get(name, False) for name in WIDE_FEATURES)
    if has_wide and kernels and not kernels & set(WIDE_KERNELS) and CORETYPE not in os.environ:
        return {CORETYPE: "SkylakeX"}
    return {}


def _loaded_libraries() -> list[dict[str, Any]]:
    """Return what threadpoolctl reports of each BLAS that the process has loaded."""
    from threadpoolctl import threadpool_info

    return [one for one in threadpool_info() if one["user_api"] == "blas"]


@contextmanager
def _environment(**values: str) -> Iterator[None]:
    """Set environment variables within the context, for OpenBLAS to read when it is loaded; restore them afterwards."""
    before = {name: os.environ.get(name) for name in values}
    os.environ.update(values)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value
