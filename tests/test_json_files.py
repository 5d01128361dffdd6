"""Records survive JSON, and what is not JSON is refused."""

import json
import tempfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from deltarule.errors import BadInput
from deltarule.json_files import read_json, to_jsonable, write_json

json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=10,
)


@given(json_values)
def test_round_trip(record: object) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "record.json"
        write_json(path, record)
        path.read_bytes().decode("utf-8", errors="strict")
        assert read_json(path) == record


@dataclass(frozen=True)
class Member:
    seed: np.int64
    weights: np.ndarray
    out: Path


def test_records_become_plain_values() -> None:
    member = Member(np.int64(3), np.array([[1, 2]]), Path("out"))
    record = {"z": member, "a": (np.float32(0.5), np.bool_(True)), 7: np.array(2.5)}
    plain = to_jsonable(record)
    assert plain == {"z": {"seed": 3, "weights": [[1, 2]], "out": "out"}, "a": [0.5, True], "7": 2.5}
    assert list(plain) == ["z", "a", "7"]
    assert type(plain["z"]["seed"]) is int
    assert type(plain["a"][1]) is bool


@given(hnp.arrays("float64", hnp.array_shapes(min_dims=0, min_side=0)))
def test_nonfinite_numbers_become_null(array: np.ndarray) -> None:
    plain = json.loads(json.dumps(to_jsonable({"array": array}), allow_nan=False))["array"]
    back = np.array(plain, dtype=np.float64).reshape(array.shape)  # null becomes nan
    np.testing.assert_array_equal(back, np.where(np.isfinite(array), array, np.nan))


@pytest.mark.parametrize("record", [{1, 2}, 1j, np.array([1j]), Member, {(1, 2): 3}, {1.5: 2}, b"bytes"])
def test_unsupported_values_are_refused(record: object) -> None:
    with pytest.raises(TypeError, match="JSON has no form for"):
        to_jsonable(record)


@pytest.mark.parametrize(
    "content", [b"", b"{", b"[1, NaN]", b"-Infinity", b"\xff\xfe", b"[" * 100_000, b"1" * 5000, b'{"a": 1} 2']
)
def test_invalid_json_is_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "file"
    path.write_bytes(content)
    with pytest.raises(BadInput, match=r"^[^\n]*file is not JSON \([^\n]*\); correct it or write it again$"):
        read_json(path)


def test_byte_order_mark_is_ignored(tmp_path: Path) -> None:
    """As older editors on Windows write UTF-8."""
    (tmp_path / "record.json").write_bytes(b'\xef\xbb\xbf{"steps": 3}')
    assert read_json(tmp_path / "record.json") == {"steps": 3}
