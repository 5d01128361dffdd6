"""Lower bounds for the time of contenders: the matrix products alone, and the encoder as a C program.

Both use as many threads as the compiled engine. The products are made by SciPy's BLAS: only a contender with faster
products, such as tiles, can take less time.
"""

import ctypes
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Sequence
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from bench.contenders import Contender, LeftOut, describe_threads
from bench.workloads import penalty_strength
from deltarule import platforms
from deltarule.maths.network import views
from deltarule.problem.problem import Floats, Problem
from deltarule.problem.state import initial_state


def products(problem: Problem) -> Contender:
    """The contender that makes only the matrix products of each update of all members, into preallocated arrays."""
    threads = platforms.available_processors()
    theta, rows = initial_state(problem).theta, problem.batch_rows(0)
    if problem.members % threads == 0 or problem.members >= 4 * threads:  # as the engine divides its work
        parts, division = [(part, rows) for part in np.array_split(theta, threads)], "over members"
    else:
        parts = [(theta, len(part)) for part in np.array_split(np.arange(rows), threads)]
        division = "over rows, without waiting"
    by_thread = [_Products(problem, part, count, gemm_address(problem.dtype)) for part, count in parts]

    def advance(n: int) -> None:
        """Make the products of n updates."""
        _run_in_parallel(lambda part: part.multiply(n), by_thread)

    about = f"SciPy's BLAS, {describe_threads(threads)} {division}"
    return Contender("products alone", about, problem.members, advance)


@cache
def gemm_address(dtype: np.dtype[Any]) -> int:
    """Return the address of the matrix product of SciPy's BLAS for a dtype."""
    from scipy.linalg import cython_blas

    capsule = cython_blas.__pyx_capi__["sgemm" if dtype == np.float32 else "dgemm"]
    name, pointer = ctypes.pythonapi.PyCapsule_GetName, ctypes.pythonapi.PyCapsule_GetPointer
    name.restype, name.argtypes = ctypes.c_char_p, [ctypes.py_object]
    pointer.restype, pointer.argtypes = ctypes.c_void_p, [ctypes.py_object, ctypes.c_char_p]
    return int(pointer(capsule, name(capsule)))


class _Products:
    """The products of some members on some rows of a batch: xW forward, xᵀδ and δWᵀ back, without δWᵀ of layer 1.

    Each is a call of BLAS's function with prepared arguments, without the interpreter's lock; `gemm`, its address.
    """

    def __init__(self, problem: Problem, theta: Floats, rows: int, gemm: int) -> None:
        entries, sizes = problem.network.entries, problem.network.sizes
        self.gemm = ctypes.CFUNCTYPE(None, *[ctypes.c_void_p] * 13)(gemm)
        self.arrays: list[Any] = [theta]  # kept alive, because the calls hold only addresses
        of_sides = sizes[:-1], sizes[1:]
        x, z = ([np.ones((rows, size), problem.dtype) for size in of_side] for of_side in of_sides)
        back, g = [np.empty_like(inputs) for inputs in x], views(np.zeros_like(theta[0]), entries)
        self.arrays += [x, z, back, g]
        self.calls = []
        for member in theta:
            W = [views(member, entries)[f"W{n}"] for n in range(1, len(sizes))]
            self.calls += [self._gemm_arguments(x[i], W[i], z[i]) for i in range(len(W))]
            for i in reversed(range(len(W))):
                self.calls.append(self._gemm_arguments(x[i].T, z[i], g[f"W{i + 1}"]))
                self.calls += [self._gemm_arguments(z[i], W[i].T, back[i])] if i else []

    def multiply(self, n: int) -> None:
        """Make the products of n updates."""
        gemm, calls = self.gemm, self.calls
        for _ in range(n):
            for call in calls:
                gemm(*call)

    def _gemm_arguments(self, a: Floats, b: Floats, out: Floats) -> tuple[int, ...]:
        """The arguments (addresses) for BLAS to compute out = a b; as it stores matrices by columns, outᵀ = bᵀ aᵀ."""
        (m, shared), columns = a.shape, b.shape[1]
        transposed = [not matrix.flags.c_contiguous for matrix in (b, a)]
        width = [matrix.shape[0] if flag else matrix.shape[1] for matrix, flag in zip((b, a), transposed, strict=True)]
        letters = [ord("T") if flag else ord("N") for flag in transposed]
        # A BLAS with 32-bit integers reads their lower half.
        integers = np.array([*letters, columns, m, shared, *width, columns], np.int64)
        factors = np.array([1, 0], out.dtype)
        self.arrays += [integers, factors]
        at = [_address(integers[i:]) for i in range(len(integers))]
        one, zero = _address(factors), _address(factors[1:])
        return (*at[:5], one, _address(b), at[5], _address(a), at[6], zero, _address(out), at[7])


def encoder_in_c(problem: Problem) -> Contender:
    """The contender that trains the encoder by a C program with members in SIMD lanes; `LeftOut` without a compiler."""
    program, compiler = _compile_encoder(problem.dtype.name)
    block = 256 // problem.dtype.itemsize  # LANES · REGISTERS; lanes without a member repeat the last one
    members, threads = problem.members, platforms.available_processors()
    filled = np.minimum(np.arange(-(-members // block) * block), members - 1)
    start = np.ascontiguousarray(initial_state(problem).theta[filled].T)
    x, y = np.ascontiguousarray(problem.x), np.ascontiguousarray(problem.y)
    bounds = np.linspace(0, len(filled) // block, min(threads, len(filled) // block) + 1).astype(int) * block
    rate, decay = float(problem.numbers["learning_rate"][0]), penalty_strength(problem)

    def advance(n: int) -> Floats:
        """The parameters θ [K, P] after n updates from the start."""
        theta, objective = start.copy(), np.empty((n, len(filled)), problem.dtype)

        def train_span(span: tuple[int, int]) -> None:
            """Train the members (columns of `theta`) from a first one to before an end."""
            data = _address(x), _address(y)
            program(_address(theta), len(filled), *span, *data, rate, decay, n, _address(objective))

        _run_in_parallel(train_span, list(zip(bounds[:-1].tolist(), bounds[1:].tolist(), strict=True)))
        return np.ascontiguousarray(theta[:, :members].T)

    return Contender("SIMD C", f"{compiler}, {describe_threads(len(bounds) - 1)}", members, advance)


@cache
def _compile_encoder(dtype: str) -> tuple[Callable[..., None], str]:
    """Compile and load encoder.c; return its function, and the compiler's version; `LeftOut` if this fails."""
    source = Path(__file__).with_name("encoder.c")
    compiler = next(filter(None, map(shutil.which, ("gcc", "clang", "cc"))), None)
    if compiler is None:
        raise LeftOut("the system has no C compiler")
    single = ["-DFLOAT32"] if dtype == "float32" else []
    # The library stays loaded when its file is gone; Windows keeps the file.
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        target = Path(folder) / "encoder.so"
        # Clang on ARM has only the second of these options.
        for options in ("-O3", "-march=native"), ("-O3", "-mcpu=native"):
            command = [compiler, *options, *single, "-shared", "-fPIC", "-o", str(target), str(source)]
            if subprocess.run(command, capture_output=True, check=False).returncode == 0:
                break
        else:
            raise LeftOut(f"{compiler} does not compile the program")
        advance = ctypes.CDLL(str(target)).advance
    number = ctypes.c_float if dtype == "float32" else ctypes.c_double
    whole, array = ctypes.c_int64, ctypes.c_void_p
    advance.argtypes = [array, whole, whole, whole, array, array, number, number, whole, array]
    advance.restype = None
    return advance, _version(compiler)


def _version(compiler: str) -> str:
    """The compiler's name and version, such as "gcc 12.2.0"."""
    command = [compiler, "-dumpfullversion", "-dumpversion"]  # Clang and old GCCs know only the second
    done = subprocess.run(command, capture_output=True, encoding="utf-8", errors="replace", check=False)
    return f"{Path(compiler).stem} {done.stdout.strip()}".strip()


def _address(array: Floats) -> int:
    return int(array.ctypes.data)


def _run_in_parallel(function: Callable[[Any], None], parts: Sequence[Any]) -> None:
    """Call a function on each part, in a thread for each."""
    if len(parts) == 1:
        function(parts[0])
    else:
        list(platforms.thread_pool(len(parts), "floor").map(function, parts))
