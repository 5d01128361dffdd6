"""Arrays survive safetensors files bit for bit, and damaged files are refused."""

import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from refusals import refuses

from deltarule.array_files import load_arrays, save_arrays
from deltarule.errors import BadInput

DTYPES = ["int64", "uint8", "bool", "float32", "float64"]


def arrays() -> st.SearchStrategy[np.ndarray]:
    shapes = hnp.array_shapes(min_dims=0, max_dims=3, min_side=0, max_side=4)
    return st.sampled_from(DTYPES).flatmap(lambda dtype: hnp.arrays(dtype, shapes))


METADATA = st.dictionaries(st.text(), st.integers() | st.text() | st.lists(st.booleans()), max_size=3)


@given(st.dictionaries(st.text().filter(lambda name: name != "__metadata__"), arrays(), max_size=4), METADATA)
def test_round_trip(named: dict[str, np.ndarray], metadata: dict[str, object]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "state.safetensors"
        save_arrays(path, named, metadata)
        back, metadata_back = load_arrays(path)
    assert list(back) == sorted(named)
    for name, array in named.items():
        assert (back[name].dtype, back[name].shape) == (array.dtype, array.shape)
        assert back[name].tobytes() == array.tobytes()
        assert back[name].flags.writeable
    assert metadata_back == metadata


@given(
    members=st.integers(1, 4), inputs=st.integers(1, 4), units=st.integers(1, 4), rest=st.integers(0, 5), data=st.data()
)
def test_views_are_saved_with_their_own_numbers(
    members: int, inputs: int, units: int, rest: int, data: st.DataObject
) -> None:
    theta = np.arange(members * (inputs * units + rest), dtype=np.float64).reshape(members, -1)
    start = data.draw(st.integers(0, rest))
    weights = theta[:, start : start + inputs * units].reshape(members, inputs, units)
    views = {"W": weights, "W.T": weights.swapaxes(-1, -2), "backwards": theta[:, ::-1], "every other": theta[::2, ::2]}
    with tempfile.TemporaryDirectory() as folder:
        save_arrays(Path(folder) / "file", views, {})
        back, _ = load_arrays(Path(folder) / "file")
    for name, view in views.items():
        np.testing.assert_array_equal(back[name], view)


def test_equal_content_gives_equal_bytes(tmp_path: Path) -> None:
    path = tmp_path / "file"
    named = {"b": np.ones(3), "a": np.zeros((2, 2), "float32"), "c": np.arange(2)}
    save_arrays(path, named, {"z": 1, "a": [0.5]})
    first = path.read_bytes()
    save_arrays(path, dict(reversed(named.items())), {"z": 1, "a": [0.5]})
    assert path.read_bytes() == first
    program = (
        "import sys, numpy as np; from deltarule.array_files import save_arrays\n"
        "save_arrays(sys.argv[1], {'c': np.arange(2), 'b': np.ones(3), 'a': np.zeros((2, 2), 'float32')},"
        " {'z': 1, 'a': [0.5]})"
    )
    subprocess.run([sys.executable, "-c", program, path], check=True, env=os.environ | {"PYTHONHASHSEED": "7"})
    assert path.read_bytes() == first


@pytest.mark.parametrize("array", [np.array([1j]), np.array(["text"]), np.array([None])])
def test_unsupported_array_is_named(tmp_path: Path, array: np.ndarray) -> None:
    path = tmp_path / "file"
    with refuses("good float64", f"bad {array.dtype}"):
        save_arrays(path, {"good": np.zeros(2), "bad": array}, {})
    assert list(tmp_path.iterdir()) == []


def whole_file() -> bytes:
    with tempfile.TemporaryDirectory() as folder:
        save_arrays(Path(folder) / "file", {"theta": np.arange(6.0).reshape(2, 3), "step": np.array(3)}, {"k": [1, 2]})
        return (Path(folder) / "file").read_bytes()


WHOLE = whole_file()


@given(st.integers(0, len(WHOLE) - 1))
def test_truncated_file_is_refused(size: int) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "cut"
        path.write_bytes(WHOLE[:size])
        with refuses(path):
            load_arrays(path)


def safetensors_bytes(header: object, data: bytes = b"") -> bytes:
    text = json.dumps(header).encode()
    return len(text).to_bytes(8, "little") + text + data


HOSTILE = {
    "text": b"I am no safetensors file at all",
    "a header of 2**63 bytes": b"\xff" * 100,
    "a shape larger than memory": safetensors_bytes({"a": {"dtype": "F64", "shape": [2**62], "data_offsets": [0, 8]}}),
    "an empty shape of overflowing size": safetensors_bytes(
        {"a": {"dtype": "F64", "shape": [0, 2**62, 2**60], "data_offsets": [0, 0]}}
    ),
    "offsets outside the file": safetensors_bytes({"a": {"dtype": "U8", "shape": [9], "data_offsets": [0, 9]}}),
    "a type NumPy lacks": safetensors_bytes({"a": {"dtype": "BF16", "shape": [1], "data_offsets": [0, 2]}}, b"12"),
    "a list as header": safetensors_bytes([1, 2]),
}


@pytest.mark.parametrize("content", HOSTILE.values(), ids=HOSTILE.keys())
def test_hostile_file_is_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "file"
    path.write_bytes(content)
    with pytest.raises(BadInput, match=r"^[^\n]*is damaged or no safetensors file[^\n]*; write it again$"):
        load_arrays(path)


@pytest.mark.parametrize(
    "metadata",
    [
        None,
        {},
        {"other": "1"},
        {"deltarule": "{"},
        {"deltarule": "[1]"},
        {"deltarule": "[" * 100_000},
    ],
)
def test_file_of_another_program_is_refused(tmp_path: Path, metadata: dict[str, str] | None) -> None:
    path = tmp_path / "file"
    path.write_bytes(safetensors_bytes({"__metadata__": metadata}))
    with refuses(path):
        load_arrays(path)
