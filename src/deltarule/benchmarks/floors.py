"""Lower bounds for other contenders: the matrix products alone, and the encoder as a C program.

Both use as many threads as the compiled engine. The products are those of the BLAS that it uses: who makes them by it
cannot be faster, only who has faster ones, such as tiles.
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

from deltarule import platforms
from deltarule.benchmarks.contenders import Contender, LeftOut, describe_threads
from deltarule.benchmarks.workloads import penalty_strength
from deltarule.engines.compiled.blas import blas
from deltarule.engines.compiled.engine import available_processors
from deltarule.maths.network import views
from deltarule.problem.problem import Floats, Problem
from deltarule.problem.state import initial_state


def products(problem: Problem) -> Contender:
    """Only the matrix products of each update, of all members, into preallocated arrays."""
    library, threads = blas(), available_processors()
    theta, rows = initial_state(problem).theta, problem.batch_rows(0)
    if problem.members % threads == 0 or problem.members >= 4 * threads:  # as the engine divides its work
        parts, how = [(part, rows) for part in np.array_split(theta, threads)], "over members"
    else:
        parts = [(theta, len(part)) for part in np.array_split(np.arange(rows), threads)]
        how = "over rows, without waiting"
    made = [_Products(problem, part, count, library.gemm(problem.dtype)) for part, count in parts]

    def advance(n: int) -> None:
        _in_parallel(lambda part: part.work(n), made)

    about = f"our BLAS, {describe_threads(threads)} {how}"
    return Contender("products alone", about, problem.members, advance)


class _Products:
    """The products of some members on some rows of a batch: xW forward, xᵀδ and δWᵀ back, without δWᵀ of layer 1.

    Each is a call with its arguments made beforehand: BLAS's own function, without the interpreter's lock.
    """

    def __init__(self, problem: Problem, theta: Floats, rows: int, gemm: int) -> None:
        layers, entries = problem.network.layers, problem.network.entries
        self.gemm = ctypes.CFUNCTYPE(None, *[ctypes.c_void_p] * 13)(gemm)
        self.kept: list[Any] = [theta]  # the calls hold addresses alone
        sizes = [layer.inputs for layer in layers], [layer.units for layer in layers]
        x, z = ([np.ones((rows, size), problem.dtype) for size in of] for of in sizes)
        back, g = [np.empty_like(one) for one in x], views(np.zeros_like(theta[0]), entries)
        self.kept += [x, z, back, g]
        self.calls = []
        for member in theta:
            W = [views(member, entries)[f"W{layer.number}"] for layer in layers]
            self.calls += [self._call(x[i], W[i], z[i]) for i in range(len(layers))]
            for i in reversed(range(len(layers))):
                self.calls.append(self._call(x[i].T, z[i], g[f"W{i + 1}"]))
                self.calls += [self._call(z[i], W[i].T, back[i])] if i else []

    def work(self, n: int) -> None:
        gemm, calls = self.gemm, self.calls
        for _ in range(n):
            for call in calls:
                gemm(*call)

    def _call(self, a: Floats, b: Floats, out: Floats) -> tuple[int, ...]:
        """Compute out = a b by BLAS, which stores matrices by columns: outᵀ = bᵀ aᵀ, arguments by address."""
        (m, shared), columns = a.shape, b.shape[1]
        turned = [not one.flags.c_contiguous for one in (b, a)]
        width = [one.shape[0] if flag else one.shape[1] for one, flag in zip((b, a), turned, strict=True)]
        letters = [ord("T") if flag else ord("N") for flag in turned]
        whole = np.array([*letters, columns, m, shared, *width, columns], np.int64)  # 32-bit ones read the lower half
        number = np.array([1, 0], out.dtype)
        self.kept += [whole, number]
        at, (one, zero) = [_at(whole[i:]) for i in range(len(whole))], (_at(number), _at(number[1:]))
        return (*at[:5], one, _at(b), at[5], _at(a), at[6], zero, _at(out), at[7])


def encoder(problem: Problem) -> Contender:
    """The encoder as a C program with members in SIMD lanes, compiled for this processor."""
    program, compiler = _program(problem.dtype.name)
    block = 256 // problem.dtype.itemsize  # LANES · REGISTERS; lanes without a member repeat the last one
    members, threads = problem.members, available_processors()
    filled = np.minimum(np.arange(-(-members // block) * block), members - 1)
    start = np.ascontiguousarray(initial_state(problem).theta[filled].T)
    x, y = np.ascontiguousarray(problem.x), np.ascontiguousarray(problem.y)
    bounds = np.linspace(0, len(filled) // block, min(threads, len(filled) // block) + 1).astype(int) * block
    rate, decay = float(problem.numbers["learning_rate"][0]), penalty_strength(problem)

    def advance(n: int) -> Floats:
        theta, objective = start.copy(), np.empty((n, len(filled)), problem.dtype)

        def part(span: tuple[int, int]) -> None:
            program(_at(theta), len(filled), *span, _at(x), _at(y), rate, decay, n, _at(objective))

        _in_parallel(part, list(zip(bounds[:-1].tolist(), bounds[1:].tolist(), strict=True)))
        return np.ascontiguousarray(theta[:, :members].T)

    return Contender("SIMD C", f"{compiler}, {describe_threads(len(bounds) - 1)}", members, advance)


@cache
def _program(dtype: str) -> tuple[Callable[..., None], str]:
    """The compiled program and the compiler's name; raises `LeftOut` without a compiler."""
    source = Path(__file__).with_name("encoder.c")
    compiler = next(filter(None, map(shutil.which, ("gcc", "clang", "cc"))), None)
    if compiler is None:
        raise LeftOut("the system has no C compiler")
    single = ["-DFLOAT32"] if dtype == "float32" else []
    # The library stays loaded when its file is gone; Windows keeps the file.
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        target = Path(folder) / "encoder.so"
        # What the system's compiler is asked for; Clang on ARM has only the second.
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
    asked = [compiler, "-dumpfullversion", "-dumpversion"]  # Clang and old GCCs know the second alone
    done = subprocess.run(asked, capture_output=True, encoding="utf-8", errors="replace", check=False)
    return f"{Path(compiler).stem} {done.stdout.strip()}".strip()


def _at(array: Floats) -> int:
    return int(array.ctypes.data)


def _in_parallel(work: Callable[[Any], None], parts: Sequence[Any]) -> None:
    """Run the parts in parallel, one thread each."""
    if len(parts) == 1:
        work(parts[0])
    else:
        list(platforms.thread_pool(len(parts), "floor").map(work, parts))
