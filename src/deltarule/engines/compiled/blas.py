"""Which BLAS multiplies the matrices of large networks: a copy of OpenBLAS of our own, or else SciPy's.

Two things are wrong with the BLAS that NumPy has loaded already. It runs on as many threads as it likes, and then the
bits of a product depend on how it was divided; and on processors that it does not know its kernels leave half of the
speed. Both could be changed only for everybody in the process. So the package scipy-openblas64, where it is installed,
is loaded as a library of our own, for one thread, with the kernels that the processor can run.
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
"""The variable by which a person says what kernels every OpenBLAS shall use."""
WIDE_FEATURES = ("avx512f", "avx512cd", "avx512bw", "avx512dq", "avx512vl")


@dataclass(frozen=True)
class Blas:
    """A BLAS: what it is, in words, its kernels, and the addresses of its gemm for float32 and float64."""

    name: str
    kernels: str
    single: int
    double: int

    def gemm(self, dtype: DTypeLike) -> int:
        """The address of its product of matrices."""
        return self.single if np.dtype(dtype) == np.float32 else self.double


@cache
def blas() -> Blas:
    """The BLAS in use: found once in a process."""
    found = _own_copy() or _of_scipy()
    rescan_libraries()  # who sets the threads of every BLAS in the process sets those of this one, too
    return found


def _own_copy() -> Blas | None:
    """A copy that nobody else uses, or None where there is none to be had."""
    path = _library()
    if path is None or path.resolve() in {Path(one["filepath"]).resolve() for one in _loaded_libraries()}:
        return None  # what somebody else has loaded is theirs: its threads are not ours to set
    with _environment(OPENBLAS_NUM_THREADS="1", **_coretype()):
        try:  # as it is loaded it begins as many threads as it is told
            library = ctypes.CDLL(str(path))
            addresses = [ctypes.cast(library[f"scipy_{letter}gemm_64_"], ctypes.c_void_p).value for letter in "sd"]
            library.scipy_openblas_get_corename64_.restype = ctypes.c_char_p
            kernels = library.scipy_openblas_get_corename64_().decode()
        except (OSError, AttributeError):  # another platform's file, or a version with other names
            return None
    single, double = (int(address or 0) for address in addresses)
    return Blas("OpenBLAS, a copy of our own (scipy-openblas64)", kernels, single, double)


def _of_scipy() -> Blas:
    """The BLAS that SciPy brought; Numba's own products call it, too."""
    import scipy.linalg.cython_blas as capsules
    from numba.extending import get_cython_function_address

    single, double = (get_cython_function_address(capsules.__name__, f"{letter}gemm") for letter in "sd")
    theirs = [one for one in _loaded_libraries() if "scipy" in one["filepath"].replace("numpy", "")]
    return Blas("SciPy's", theirs[-1].get("architecture", "unknown") if theirs else "unknown", single, double)


def _library() -> Path | None:
    from importlib.util import find_spec

    # Not imported: that would load it for everybody. On macOS Accelerate, which SciPy brings there, has faster kernels.
    found = None if sys.platform == "darwin" else find_spec("scipy_openblas64")
    if found is None or found.origin is None:
        return None
    folder = Path(found.origin).parent / "lib"
    files = sorted([*folder.glob("libscipy_openblas*.so*"), *folder.glob("libscipy_openblas*.dll")])
    return files[0] if files else None


def _coretype() -> dict[str, str]:
    """The kernels to ask for, where the ones that OpenBLAS would choose are poorer than the processor."""
    from llvmlite.binding import get_host_cpu_features

    features = get_host_cpu_features()
    chosen = {str(one.get("architecture")) for one in _loaded_libraries() if one["internal_api"] == "openblas"}
    wide = all(features.get(name, False) for name in WIDE_FEATURES)
    if wide and chosen and not chosen & set(WIDE_KERNELS) and CORETYPE not in os.environ:
        return {CORETYPE: "SkylakeX"}
    return {}


def _loaded_libraries() -> list[dict[str, Any]]:
    from threadpoolctl import threadpool_info

    return [one for one in threadpool_info() if one["user_api"] == "blas"]


@contextmanager
def _environment(**values: str) -> Iterator[None]:
    """The environment with some values, which OpenBLAS reads when it is loaded, and as it was afterwards."""
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
