"""Programs whose functions are linked before they are optimized, beside functions of the user's own."""

import gc
import os
import subprocess
import sys

import numba
import numpy as np
import pytest
from numba import njit
from numba.core.codegen import JITCodeLibrary
from numba.core.errors import NumbaError
from numba.core.registry import cpu_target

from deltarule.engines.compiled.cache import load
from deltarule.engines.compiled.codegen_formulas import read_program_sources


def program(body):
    return "\n".join([*read_program_sources("linking.py", "simd_math.py"), body])


SUM_OF_SQUARES = program("""
@njit(**INNER)
def square(x):
    return x * x


@njit(**INNER)
def squares(values, made):
    for i in range(len(values)):
        made[i] = square(values[i])
    return made


@entry
def advance(values, made):
    return squares(values, made).sum() + square(2.0)
""")

WITHOUT_TYPE = program("""
@entry
def advance(values):
    return values + "text"
""")


def test_a_program_calls_functions_that_call_functions():
    assert load(SUM_OF_SQUARES)(np.array([1.0, 2.0]), np.empty(2)) == 9.0


def test_a_function_of_the_user_shares_what_a_program_uses_of_numba():
    load(SUM_OF_SQUARES)(np.array([1.0, 2.0]), np.empty(2))

    @njit
    def total(values):
        return np.empty(len(values)).size + values.sum()

    assert total(np.array([1.0, 2.0])) == 5.0


@pytest.mark.parametrize("collects", [True, False])
def test_a_program_that_cannot_be_compiled_leaves_numba_and_garbage_collection_as_they_were(collects):
    was_enabled = gc.isenabled()
    (gc.enable if collects else gc.disable)()
    try:
        with pytest.raises(NumbaError):
            load(WITHOUT_TYPE)(np.zeros(2))
        assert gc.isenabled() == collects
    finally:
        (gc.enable if was_enabled else gc.disable)()
    assert cpu_target.target_context.codegen()._library_class is JITCodeLibrary


NEWER = """
import sys, numba, numpy as np
numba.__version__ = sys.argv[1]
from deltarule.engines.compiled.engine import CompiledEngine
from deltarule.problem.create import create_problem
from deltarule.problem.network import Network
from deltarule.problem.state import initial_state
x = np.eye(8)
problem = create_problem(Network([8, 3, 8], "sigmoid", "sigmoid"), x, x, loss="binary_cross_entropy", seeds=range(4))
print(CompiledEngine().advance(problem, initial_state(problem), 30)[0].theta.tobytes().hex())
"""


@pytest.mark.slow
def test_a_numba_that_is_not_known_yet_compiles_its_own_way_to_the_same_bits(tmp_path):
    """Linking uses classes inside Numba that may be others in its next version."""
    found = [
        subprocess.run(
            [sys.executable, "-c", NEWER, version],
            env={**os.environ, "XDG_CACHE_HOME": str(tmp_path / version), "LOCALAPPDATA": str(tmp_path / version)},
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for version in (numba.__version__, "99.0.0")
    ]
    assert found[0] == found[1]
