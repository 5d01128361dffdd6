"""Malicious files: each is refused in one sentence; nothing in it is executed, and memory stays bounded."""

import gzip
import json
import os
import pickle  # noqa: TID251  (only written here, to see that nothing reads it)
import sqlite3
import stat
import struct
import subprocess
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from deltarule.array_files import load_arrays, save_arrays
from deltarule.data.cache import DataFolder
from deltarule.data.images import read_images
from deltarule.data.published import MNIST
from deltarule.data.table_file import read_table
from deltarule.errors import BadInput
from deltarule.estimators.model_file import load_model
from deltarule.json_files import read_json
from deltarule.recipes import load_recipe
from deltarule.sweeps.result import load_sweep
from deltarule.sweeps.store import Store
from deltarule.sweeps.store_connection import FILE
from deltarule.tables.reader import read_frame

posix = pytest.mark.skipif(sys.platform == "win32", reason="Windows has other permissions and no devices")


def assert_refused(call: Callable[[], Any], message: str) -> None:
    """Assert that a call raises `BadInput` with a part of its message, which must be printable."""
    with pytest.raises(BadInput) as error:
        call()
    assert message in str(error.value) and str(error.value).isprintable()


# --- compressed images -----------------------------------------------------------------------------------------------


def gzip_bomb(gigabytes: int) -> bytes:
    """Gigabytes of zeros, compressed a thousandfold by gzip; concatenated pieces are one stream."""
    return gzip.compress(bytes(2**24), 9, mtime=0) * (64 * gigabytes)


@pytest.mark.slow
def test_compressed_file_is_read_up_to_a_limit(tmp_path: Path) -> None:
    for name in MNIST.files:
        (tmp_path / f"{name}.gz").write_bytes(gzip_bomb(1))
    place = DataFolder(tmp_path, {name: tmp_path / f"{name}.gz" for name in MNIST.files})
    assert_refused(lambda: read_images(MNIST, place), "is not the published train-images-idx3-ubyte")


# --- arrays ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("shape", ["(1000000000000, 1)", "(-1, 2)", "(4294967296, 4294967296)", "([2], 2)"])
def test_wrong_array_shape_is_refused(tmp_path: Path, shape: str) -> None:
    header = f"{{'descr': '<f8', 'fortran_order': False, 'shape': {shape}}}".encode()
    array = b"\x93NUMPY\x01\x00" + struct.pack("<H", len(header)) + header + bytes(64)
    with zipfile.ZipFile(tmp_path / "t.npz", "w") as archive:
        archive.writestr("x.npy", array)
        archive.writestr("y.npy", array)
    with pytest.raises(BadInput):
        read_table(tmp_path / "t.npz")


HEADERS: list[dict[str, Any] | bytes] = [
    {"a": {"dtype": "F64", "shape": [2**32, 2**32], "data_offsets": [0, 8]}},
    {"a": {"dtype": "F64", "shape": [1], "data_offsets": [0, 2**63]}},
    {"a": {"dtype": "F64", "shape": [1], "data_offsets": [8, 0]}},
    {"a": {"dtype": "F64", "shape": [-1], "data_offsets": [0, 8]}},
    {"a": {"dtype": "O", "shape": [1], "data_offsets": [0, 8]}},
    {name: {"dtype": "F64", "shape": [1], "data_offsets": [0, 8]} for name in "ab"},
    b"[" * 100_000,
]


@pytest.mark.parametrize("header", HEADERS, ids=range(len(HEADERS)))
def test_inconsistent_safetensors_header_is_refused(tmp_path: Path, header: dict[str, Any] | bytes) -> None:
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    for size in (len(text), 2**63 - 1, 2**64 - 1):
        (tmp_path / "m.safetensors").write_bytes(struct.pack("<Q", size) + text + bytes(8))
        assert_refused(lambda: load_arrays(tmp_path / "m.safetensors"), "m.safetensors")
        assert_refused(lambda: load_model(tmp_path / "m.safetensors"), "m.safetensors")


# --- recipes and JSON ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("layers", ["[2, 10_000_000_000, 1]", "[2, 1_000_000, 1_000_000, 1]"])
def test_network_larger_than_memory_is_one_sentence(tmp_path: Path, deltarule, layers: str) -> None:
    (tmp_path / "r.toml").write_text(
        f'[data]\nname = "xor"\n[network]\nlayers = {layers}\n[stopping]\nmax_steps = 1\n', encoding="utf-8"
    )
    status, _, err = deltarule("run", tmp_path / "r.toml")
    assert status == 1 and "not enough memory" in err and err.count("\n") == 1


# --- stores ----------------------------------------------------------------------------------------------------------


@pytest.fixture
def store(tmp_path: Path) -> Path:
    with Store(tmp_path / "s") as written:
        written.write_notes(name="n", metric="accuracy", ranked="test", notes=[], grid=[], base={})
    return tmp_path / "s"


@pytest.mark.parametrize(
    "statement",
    [
        "CREATE TRIGGER t AFTER INSERT ON members BEGIN DELETE FROM members; END",
        "CREATE VIEW v AS WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT i FROM n",
        "DROP TABLE networks",
        "ALTER TABLE members ADD COLUMN more",
    ],
)
def test_store_with_triggers_is_refused(store: Path, statement: str) -> None:
    with sqlite3.connect(store / FILE) as connection:
        connection.execute(statement)
    connection.close()
    assert_refused(lambda: load_sweep(store), "or has triggers")
    assert_refused(lambda: Store(store), "or has triggers")


@pytest.mark.parametrize("ranked", ["test_score FROM members; --", "(SELECT 1)", 3, None])
def test_texts_of_a_store_are_not_executed(store: Path, ranked: Any) -> None:
    with sqlite3.connect(store / FILE) as connection:
        connection.execute("UPDATE about SET value = ? WHERE name = 'ranked'", (json.dumps(ranked),))
    connection.close()
    assert_refused(lambda: load_sweep(store), "somebody has changed it")


# --- nothing in a file is executed ------------------------------------------------------------------------------------


class Payload:
    """An object that creates the file `mark` when it is unpickled."""

    def __init__(self, mark: Path) -> None:
        self.mark = mark

    def __reduce__(self) -> tuple[Any, ...]:
        return Path.touch, (self.mark,)


def test_no_reader_unpickles_anything(tmp_path: Path) -> None:
    mark, content = tmp_path / "mark", pickle.dumps(Payload(tmp_path / "mark"))
    pickle.loads(content)
    assert mark.exists(), "the payload works"
    mark.unlink()
    evil = np.empty((2, 1), object)
    evil[:] = Payload(mark)
    np.savez(tmp_path / "t.npz", x=evil, y=evil)
    for name in ("m.safetensors", "t.csv", "t.parquet", "r.toml", "r.json", "data_batch_1.bin", "plain.npz"):
        (tmp_path / name).write_bytes(content)
    reads: list[Callable[[], Any]] = [
        lambda: read_table(tmp_path / "t.npz"),
        lambda: read_table(tmp_path / "plain.npz"),
        lambda: load_model(tmp_path / "m.safetensors"),
        lambda: read_frame(tmp_path / "t.csv"),
        lambda: read_frame(tmp_path / "t.parquet"),
        lambda: load_recipe(tmp_path / "r.toml"),
        lambda: read_json(tmp_path / "r.json"),
    ]
    for read in reads:
        with pytest.raises(BadInput):
            read()
    assert not mark.exists()


def test_code_in_place_of_values_is_not_evaluated(tmp_path: Path) -> None:
    mark = tmp_path / "mark"
    code = f"__import__('pathlib').Path({str(mark)!r}).touch()"
    (tmp_path / "t.csv").write_text(f'x,y\n"{code}",1\n"=1+1",2\n', encoding="utf-8")
    assert read_frame(tmp_path / "t.csv")["x"].tolist() == [code, "=1+1"]
    save_arrays(tmp_path / "m.safetensors", {}, {"format": 1, "kind": code})
    with pytest.raises(BadInput):
        load_model(tmp_path / "m.safetensors")
    (tmp_path / "r.toml").write_text(f'[data]\nname = "{code}"\n', encoding="utf-8")
    with pytest.raises(BadInput):
        load_recipe(tmp_path / "r.toml")
    assert not mark.exists()


# --- compiled programs -----------------------------------------------------------------------------------------------


CACHED = """
import sys
from deltarule import Network, create_problem, train
from deltarule.engines.compiled import cache
train(create_problem(Network([1, 1]), [[0.0]], [1.0], seeds=range(2)), max_steps=2, engine="compiled")
programs = list(cache.folder().rglob("*.o"))  # a temporary folder is deleted with its process
print(oct(cache.folder().stat().st_mode), len(programs), cache.folder())
"""


@pytest.mark.slow
@posix
def test_compiled_programs_are_private(tmp_path: Path) -> None:
    environment = os.environ | {"XDG_CACHE_HOME": str(tmp_path)}
    done = subprocess.run(
        [sys.executable, "-c", CACHED], capture_output=True, encoding="utf-8", env=environment, check=True
    )
    mode, program_count, _ = done.stdout.split()
    assert stat.S_IMODE(int(mode, 8)) == 0o700
    assert int(program_count), "compiled programs are stored"


@pytest.mark.needs("pyarrow")
def test_parquet_with_inconsistent_levels_does_not_end_the_process() -> None:
    # PyArrow 26 ends the process when it reads single columns here: "Definition level histogram size mismatch".
    assert_refused(
        lambda: read_frame(Path(__file__).with_name("hostile") / "levels.parquet"), "is no Parquet file, or damaged"
    )
