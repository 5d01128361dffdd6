import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from deltarule.export.training_script.arrays import MAX_LITERAL_NUMBERS, UNPACK_FUNCTION, Arrays


def read_back(text, ending, tmp_path_factory):
    """What an array is once the script that holds it has run."""
    path = tmp_path_factory.mktemp("script") / "script.py"
    imports = "import base64, zlib\nfrom pathlib import Path\nimport numpy as np\n"
    path.write_text(f"{imports}{UNPACK_FUNCTION}\n{text}\n{ending}", encoding="utf-8")
    names = {"__file__": str(path)}
    exec(compile(path.read_text(encoding="utf-8"), path, "exec"), names)
    return names["x"]


@given(
    dtype=st.sampled_from(["float64", "float32"]),
    data=st.data(),
)
def test_every_bit_comes_back(tmp_path_factory, dtype, data):
    width = {"float64": 64, "float32": 32}[dtype]
    numbers = st.floats(width=width, allow_nan=False, allow_infinity=False)
    array = data.draw(arrays.arrays(dtype, st.tuples(st.integers(1, 30), st.integers(1, 60)), elements=numbers))
    kept = Arrays(np.dtype(dtype))
    text = kept.assignment("x", array)
    found = read_back(text, kept.packed_lines(), tmp_path_factory)
    assert found.dtype == dtype and np.array_equal(found, array)
    assert kept.has_packed == text.endswith('packed("x")')
    assert kept.has_packed <= (array.size > MAX_LITERAL_NUMBERS)
    assert max(map(len, (text + kept.packed_lines()).splitlines())) <= 120


@pytest.mark.parametrize("array", [[[1, -1]], [[2, 0], [0, 0]], [[1, 2], [0, 1]], [[0, 1], [1, 0]]], ids=str)
def test_what_only_resembles_zeros_or_an_identity_is_written_out(array, tmp_path_factory):
    """Zeros by its sum, an identity by its trace or its rows."""
    found = read_back(Arrays(np.dtype("float64")).assignment("x", np.array(array)), "", tmp_path_factory)
    assert found.tolist() == array


@pytest.mark.parametrize("dtype", ["float64", "float32"])
def test_what_is_simple_is_written_simply(dtype):
    kept = Arrays(np.dtype(dtype))
    assert kept.assignment("x", np.eye(50)).startswith("x = np.eye(50")
    assert kept.assignment("b", np.zeros((1, 5000))).startswith("b = np.zeros((1, 5000)")
    assert not kept.has_packed and kept.packed_lines() == ""
