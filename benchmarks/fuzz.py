"""Damaged and hostile files by the hundred thousand: each parser takes them, or refuses them in one sentence.

    python benchmarks/fuzz.py [TARGET ...] [--inputs 1000000] [--seed 0] [--out DIR] [--json]

Every input is a good file that was changed: bytes, whole numbers, pieces of other files, and where a file has a
structure (JSON, a recipe, a model's description, a store's rows) also that, so that what is wrong lies deep inside.
With atheris installed (`pip install atheris`; Linux), half of the changes are its own, and libFuzzer keeps the inputs
that reach code that none reached before. A finding is any error but `DeltaruleError`, a warning, a refusal that is not
one printable sentence, and an input that takes more than two seconds or half a gigabyte. Status 1 where there are
findings; --out keeps what they were found with.
"""

import argparse
import atexit
import copy
import gzip
import io
import json
import logging
import lzma
import os
import resource
import shutil
import subprocess
import sys
import tarfile
import tempfile
import time
import traceback
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from random import Random
from typing import Any

MOST_SECONDS, MOST_BYTES = 2.0, 2**29
FEWEST = 40
WORTH = 10_000
"""Inputs from which on it pays to have a process of its own that libFuzzer guides."""
LONGEST_SENTENCE = 1000
LARGEST_INPUT = 2**16

Change = Callable[[bytes, Random], bytes]


@dataclass(frozen=True)
class Target:
    """A parser: good files to begin with, what reads one, and its share of the inputs.

    change   of the structure of a file, where it has one that bytes seldom reach
    """

    name: str
    good: Callable[[], list[bytes]]
    read: Callable[[bytes], object]
    share: int
    change: Change | None = None


@dataclass
class Found:
    """What was found in a target: how many inputs, how many of them were refused, and each finding once."""

    target: str
    inputs: int = 0
    refused: int = 0
    seconds: float = 0.0
    slowest: float = 0.0
    findings: dict[str, bytes] = field(default_factory=dict)


# --- changing bytes ---------------------------------------------------------------------------------------------------

NUMBERS = (
    0,
    1,
    2,
    0x7F,
    0x80,
    0xFF,
    2**15 - 1,
    2**15,
    2**16 - 1,
    2**31 - 1,
    2**31,
    2**32 - 1,
    2**63 - 1,
    2**63,
    2**64 - 1,
)
WORDS = (
    *(b"nan", b"inf", b"-inf", b"1e400", b"1e-400", b"-0", b"0x10", b"1_000", b"9" * 400, b"null", b"true", b'"', b"'"),
    *(
        b",",
        b";",
        b"\n",
        b"\r",
        b"\t",
        b"\0",
        b"\x1b[31m",
        b"<script>",
        b"[",
        b"]",
        b"{",
        b"}",
        b"=",
        b"..",
        b"/",
        b"%s",
    ),
    *(
        b"\xff\xfe",
        b"\xef\xbb\xbf",
        b"\xed\xa0\x80",
        "\u202e".encode(),
        "é".encode(),
        b"\\ud800",
        b"__class__",
        b"[[",
        b"]]",
    ),
)


def changed(content: bytes, random: Random, others: Sequence[bytes]) -> bytes:
    """A file with one to eight changes."""
    data = bytearray(content)
    for _ in range(min(8, 1 + int(random.expovariate(0.7)))):
        at = random.randrange(len(data) + 1)
        kind = random.randrange(9)
        if kind == 0 and at < len(data):
            data[at] ^= 1 << random.randrange(8)
        elif kind == 1 and at < len(data):
            data[at] = random.randrange(256)
        elif kind == 2:
            size = random.choice((1, 2, 4, 8))
            number = random.choice(NUMBERS) % 256**size
            data[at : at + size] = number.to_bytes(size, random.choice(("little", "big")))
        elif kind == 3:
            del data[at : at + random.choice((1, 4, 64, 1024))]
        elif kind == 4:
            data[at:at] = data[at : at + random.choice((1, 16, 256))]
        elif kind == 5:
            data[at:at] = random.choice(WORDS)
        elif kind == 6:
            data[at:at] = random.randbytes(random.choice((1, 3, 17)))
        elif kind == 7:
            other = random.choice(others)
            start = random.randrange(len(other) + 1)
            data[at : at + random.choice((0, 16))] = other[start : start + random.choice((4, 64, 512))]
        else:
            del data[at:]
    return bytes(data[:LARGEST_INPUT])


# --- changing structures ----------------------------------------------------------------------------------------------

VALUES: tuple[Any, ...] = (
    *(None, True, False, 0, 1, -1, 3, 2**31, 2**53 + 1, 2**63, 2**64, 10**30, 0.5, -0.5, 1e-320, 1e30, 1e308, -1e308),
    *(
        float("nan"),
        float("inf"),
        "",
        "a",
        "nan",
        "auto",
        "none",
        "adam",
        "\x1b[31m",
        "<b>",
        "../..",
        "\ud800",
        "x" * 300,
    ),
    *([], [0], [1, 2], ["a"], [[]], [None], {}, {"name": "a"}, {"name": "step", "every": 0}, {"pairs": [[1]]}),
)


def changed_json(content: bytes, random: Random) -> bytes:
    """JSON with some of its values put in the place of others, given new keys, or left out."""
    try:
        tree = json.loads(content)
    except (ValueError, RecursionError):
        return content
    for _ in range(1 + random.randrange(3)):
        places = list(_places(tree))
        if not places:
            return json.dumps(random.choice(VALUES)).encode()
        holder, key = random.choice(places)
        kind = random.randrange(6)
        if kind == 0:
            del holder[key]
        elif kind == 1 and isinstance(holder, dict):
            holder[random.choice(["", "name", "\x1b[2J", key + "x"])] = holder.pop(key)
        elif kind == 2:
            other, where = random.choice(places)
            holder[key] = json.loads(json.dumps(other[where])) if where in _keys(other) else None
        else:
            holder[key] = copy.deepcopy(random.choice(VALUES))
    return json.dumps(tree).encode()


def _places(tree: Any) -> Any:
    for key in _keys(tree):
        yield tree, key
        yield from _places(tree[key])


def _keys(tree: Any) -> Sequence[Any]:
    return list(tree) if isinstance(tree, dict) else range(len(tree)) if isinstance(tree, list) else ()


def _changed_description(content: bytes, random: Random) -> bytes:
    """A safetensors file whose JSON, the header's or ours in it, is another."""
    try:
        size = int.from_bytes(content[:8], "little")
        header = json.loads(content[8 : 8 + size])
        if random.random() < 0.8:
            words = header["__metadata__"]
            words["deltarule"] = changed_json(words["deltarule"].encode(), random).decode()
            text = json.dumps(header).encode()
        else:
            text = changed_json(content[8 : 8 + size], random)
        return len(text).to_bytes(8, "little") + text + content[8 + size :]
    except (AttributeError, KeyError, TypeError, ValueError, RecursionError):
        return content


def _changed_store(content: bytes, random: Random) -> bytes:
    """A store with cells of its tables, or its tables themselves, changed."""
    import sqlite3

    connection = sqlite3.connect(":memory:")
    try:
        connection.deserialize(content)
        connection.execute("PRAGMA journal_mode=OFF")
        if random.random() < 0.15:
            connection.execute(random.choice(SCHEMA_CHANGES))
        for _ in range(1 + random.randrange(2)):
            table, column = random.choice(_columns(connection))
            value = connection.execute(f'SELECT "{column}" FROM {table} ORDER BY random() LIMIT 1').fetchone()
            if isinstance(value and value[0], str) and random.random() < 0.7:
                given: Any = changed_json(value[0].encode(), random).decode()
            else:
                given = random.choice([one for one in VALUES if _fits_sqlite(one)])
            connection.execute(f'UPDATE OR IGNORE {table} SET "{column}" = ?', (given,))
        connection.commit()
        return connection.serialize()
    except (sqlite3.Error, IndexError, TypeError, UnicodeError):
        return content
    finally:
        connection.close()


SCHEMA_CHANGES = (
    "DROP TABLE networks",
    "DELETE FROM about",
    "DELETE FROM bases",
    "ALTER TABLE members RENAME TO others",
    "CREATE VIEW extra AS WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT i FROM n",
    "CREATE TRIGGER t AFTER INSERT ON members BEGIN DELETE FROM members; END",
    "PRAGMA user_version = 2",
    "PRAGMA application_id = 0",
)


def _columns(connection: Any) -> list[tuple[str, str]]:
    tables = [name for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
    return [(table, row[1]) for table in tables for row in connection.execute(f"PRAGMA table_info({table})")]


def _fits_sqlite(value: Any) -> bool:
    if isinstance(value, str):
        return value.isprintable() or "\x1b" in value
    return value is None or isinstance(value, float) or (isinstance(value, int) and -(2**63) <= value < 2**63)


# --- good files and their parsers -------------------------------------------------------------------------------------


@cache
def _folder() -> Path:
    folder = Path(tempfile.mkdtemp(prefix="fuzz-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return folder


def _written(name: str, content: bytes) -> Path:
    path = _folder() / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    return path


def _bytes_of(name: str, write: Callable[[Path], object]) -> bytes:
    path = _folder() / name
    path.parent.mkdir(parents=True, exist_ok=True)
    write(path)
    return path.read_bytes()


def _arrays() -> list[bytes]:
    import numpy as np

    from deltarule.files import save_arrays

    sets: list[dict[str, Any]] = [
        {"theta": np.zeros((2, 3)), "steps": np.arange(3), "flag": np.array([True])},
        {"a": np.float32([1.5]), "b": np.zeros(0, np.uint8)},
        {},
    ]
    return [_bytes_of("good.safetensors", lambda path, one=one: save_arrays(path, one, {"step": 7})) for one in sets]


def _read_arrays(content: bytes) -> None:
    from deltarule.files import load_arrays

    load_arrays(_written("a.safetensors", content))


@cache
def _models() -> list[bytes]:
    import numpy as np

    from deltarule.estimators.classifier import MLPClassifier
    from deltarule.estimators.regressor import MLPRegressor
    from deltarule.estimators.tabular import TabularClassifier, TabularRegressor

    x = np.random.default_rng(0).normal(size=(60, 2))
    table = {"size": x[:, 0], "color": np.where(x[:, 1] > 0, "red", "blue").astype(object)}
    names = np.where(x[:, 0] > 0, "yes", "no").astype(object)
    few: dict[str, Any] = {"max_iter": 2, "random_state": 0}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # that little was trained, on little
        made = [
            MLPClassifier((2,), batch_norm=True, **few).fit(x, names),
            MLPRegressor(hidden_layer_sizes=(2,), **few).fit(x, x),
            TabularClassifier(random_state=0).fit(table, names),
            TabularRegressor(random_state=0).fit(table, x[:, 0]),
        ]
    for model in made[2:]:
        model.target_ = "y"
    return [_bytes_of("good.safetensors", model.save) for model in made]


def _read_model(content: bytes) -> None:
    import numpy as np

    from deltarule.estimators.model_file import load_model
    from deltarule.estimators.tabular import BaseTabular

    model = load_model(_written("m.safetensors", content))
    if isinstance(model, BaseTabular):
        model.predict({str(column.name): [0.5, None] for column in model.columns_})
    else:
        model.predict(np.zeros((1, model.n_features_in_)))


RECIPE = b"""[study]
title = "Mine"
[data]
name = {name = "one_hot", size = 4}
split = {validation = 0.25, seed = 3}
scale = "unit"
[network]
layers = ["auto", 3, "auto"]
activation = ["tanh"]
output = "softmax"
dropout = 0.1
[loss]
name = "cross_entropy"
penalty = "l2"
strength = 1e-4
[optimizer]
name = {name = "adam", beta1 = 0.9}
learning_rate = 0.5
schedule = {name = "step", every = 10, factor = 0.5}
[stopping]
max_steps = 30
patience = 5
[run]
seeds = [0, 1, 18446744073709551615]
[grid]
"optimizer.learning_rate" = [0.1, 1]
[[experiment]]
name = "wide"
about = "More units."
set = {"network.layers" = [4, 9, 4]}
[[assumption]]
what = "batch"
value = "full"
why = "It is not said."
"""


def _recipes() -> list[bytes]:
    from deltarule.studies.recipes import STUDIES

    return [RECIPE, *(file.read_bytes() for file in sorted(STUDIES.glob("*/recipe.toml")))]


def _read_recipe(content: bytes) -> None:
    from deltarule.studies.recipes import explain_recipe, load_recipe

    explain_recipe(load_recipe(_written("r.toml", content)))


def _recipe_trees() -> list[bytes]:
    import tomllib

    return [json.dumps(tomllib.loads(text.decode())).encode() for text in _recipes()]


def _read_recipe_tree(content: bytes) -> None:
    from deltarule.problem.configuration import parse
    from deltarule.problem.resolved import configuration_hash, resolved

    try:
        tree = json.loads(content)
    except (ValueError, RecursionError):
        return
    if isinstance(tree, dict):
        configuration = parse(tree)
        resolved(configuration)
        configuration_hash(configuration)


SETTINGS = (b"optimizer.learning_rate=5", b"network.layers=[64, 8, 10]", b'data.name="iris"', b"run.engine=auto")


def _read_setting(content: bytes) -> None:
    from deltarule.studies.recipes import load_recipe, parse_setting, with_settings

    try:
        text = content.decode("utf-8", "surrogateescape")
    except UnicodeDecodeError:
        return
    with_settings(load_recipe("digits"), dict([parse_setting(text)]))


def _idx_files() -> list[bytes]:
    import numpy as np

    from deltarule.data.idx import to_idx

    return [to_idx(np.arange(12, dtype=np.uint8).reshape(shape)) for shape in ((12,), (3, 2, 2), (0, 4, 3))[:2]]


def _read_idx(content: bytes) -> None:
    from deltarule.data.images import checked
    from deltarule.data.published import MNIST

    for file in MNIST.files[:2]:
        checked(MNIST, file, content, "f")


def _compressed() -> list[bytes]:
    content = bytes(range(200))
    return [content, gzip.compress(content, mtime=0), lzma.compress(content), gzip.compress(b"", mtime=0)]


def _read_compressed(content: bytes) -> None:
    from deltarule.data.compressed import decompressed

    assert len(decompressed(_written("c", content), most=1000)) <= 1001


def _archives() -> list[bytes]:
    from deltarule.data.published import CIFAR10

    made = []
    for kind, form in ((":", tarfile.PAX_FORMAT), (":gz", tarfile.GNU_FORMAT), (":", tarfile.GNU_FORMAT)):
        buffer = io.BytesIO()
        with tarfile.open(fileobj=buffer, mode=f"w{kind}", format=form) as tar:  # type: ignore[call-overload]
            for file in CIFAR10.files:
                member = tarfile.TarInfo(f"cifar-10-batches-bin/{file.name}")
                member.size = 3073
                member.pax_headers = {"comment": "x"}
                tar.addfile(member, io.BytesIO(bytes(3073)))
        made.append(buffer.getvalue())
    return made


def _read_archive(content: bytes) -> None:
    from deltarule.data.cache import Place
    from deltarule.data.images import read
    from deltarule.data.published import CIFAR10

    read(CIFAR10, Place(_folder(), {}, archive=_written("cifar.tar", content)))


TABLES = (
    b"weight,length,kind\n150,7,apple\n120,19,banana\n1e3,-2,apple\n",
    b'"a b",y\r\n"1","x,1"\r\n2,"q""q"\r\n',
    b"x,y\n1,1\n2,2\n3,1\n4,2\n\n",
    b"\xef\xbb\xbfx,kind,y\n1,red,0.5\n,blue,1.5\nNA,?,2.5\n",
)


def _read_csv(content: bytes) -> None:
    from deltarule.data.tables import read_table

    path = _written("t.csv", content)
    for target in ("kind", "y"):
        try:
            read_table(path, target)
        except Exception as error:
            _refused(error)


def _read_frame(content: bytes) -> None:
    from deltarule.data.frame import frame_of, read_frame

    for name in ("t.csv", "t.tsv"):
        try:
            frame_of(read_frame(_written(name, content)))
        except Exception as error:
            _refused(error)


def _npz_files() -> list[bytes]:
    import numpy as np

    made = []
    for save in (np.savez, np.savez_compressed):
        for y in (np.array([0, 1, 1]), np.array(["a", "b", "a"]), np.zeros((3, 2))):
            buffer = io.BytesIO()
            save(buffer, x=np.arange(6.0).reshape(3, 2), y=y)
            made.append(buffer.getvalue())
    return made


def _read_npz(content: bytes) -> None:
    from deltarule.data.tables import read_table

    read_table(_written("t.npz", content))


def _parquet_files() -> list[bytes]:
    import pyarrow
    from pyarrow import parquet

    columns = {"x": [1.5, None, 2.0], "n": [1, 2, 3], "kind": ["a", "b", None], "flag": [True, False, None]}
    made = []
    for table, compression in (
        (pyarrow.table(columns), "snappy"),
        (pyarrow.table(columns), "none"),
        (pyarrow.table({"l": [[1, 2], None, []], "s": [{"a": 1}, {"a": None}, None]}), "none"),
    ):
        buffer = io.BytesIO()
        parquet.write_table(table, buffer, compression=compression)
        made.append(buffer.getvalue())
    return made


def _read_parquet(content: bytes) -> None:
    from deltarule.data.frame import read_frame

    read_frame(_written("t.parquet", content))


def _read_json(content: bytes) -> None:
    from deltarule.files import read_json, to_jsonable

    to_jsonable(read_json(_written("r.json", content)))


@cache
def _stores() -> list[bytes]:
    from deltarule.studies.recipes import load_recipe
    from deltarule.studies.sweeping import sweep

    folder = _folder() / "good-store"
    table = sweep(
        load_recipe(_written("sweep.toml", SWEPT)),
        {"optimizer.learning_rate": [0.1, 1e9]},
        seeds=2,
        out=folder,
        keep="all",
    )
    table.close()
    return [(folder / "sweep.sqlite").read_bytes()]


SWEPT = b"""[data]
name = "xor"
split = {test = 5}
[network]
layers = [2, 2, 1]
output = "sigmoid"
[loss]
name = "binary_cross_entropy"
[stopping]
max_steps = 3
"""


def _read_store(content: bytes) -> None:
    from deltarule.sweeps.result import load_sweep

    for ending in ("-wal", "-shm", "-journal"):
        (_folder() / "store" / f"sweep.sqlite{ending}").unlink(missing_ok=True)
    table = load_sweep(_written("store/sweep.sqlite", content).parent)
    try:
        len(table), table.diverged
        for row in table.rows():
            try:
                table.network(row["key"]).outputs([[0.5, 0.5]])
            except Exception as error:
                _refused(error)
        table.best(3), table.configurations(3)
    finally:
        table.close()


@cache
def _run_folder() -> dict[str, bytes]:
    """The files of a small run."""
    from deltarule.cli.app import app

    folder = _folder() / "good-run"
    recipe = _written("run.toml", SWEPT.replace(b"max_steps = 3", b"max_steps = 4"))
    with Path(os.devnull).open("w", encoding="utf-8") as nothing:
        stdout, sys.stdout = sys.stdout, nothing
        try:
            app(["run", str(recipe), "--out", str(folder), "--seeds", "2"], standalone_mode=False)
            app(["lr-range", str(recipe), "--out", str(folder), "--steps", "20"], standalone_mode=False)
        finally:
            sys.stdout = stdout
    claim = {"study": "encoder", "data": "one_hot", "date": "2026-01-01", "seeds": 2, "engine": "reference"}
    judged = {"id": "E1", "text": "t", "verdict": "agrees", "share": 0.5, "interval": [0.1, 0.9], "needed": 0.5}
    more: dict[str, bytes] = {
        "claims.json": json.dumps({**claim, "seconds": 1, "versions": {"a": "1"}, "claims": [judged]}).encode()
    }
    return {path.name: path.read_bytes() for path in sorted(folder.iterdir()) if path.suffix != ".svg"} | more


def _run_recipe() -> list[bytes]:
    return [_run_folder()["recipe.json"]]


def _run_arrays() -> list[bytes]:
    return [_run_folder()["arrays.safetensors"]]


def _read_run_of(name: str) -> Callable[[bytes], None]:
    def read(content: bytes) -> None:
        from deltarule.studies.stored import read_run

        for other, kept in _run_folder().items():
            if other in ("run.json", "recipe.json", "arrays.safetensors"):
                _written(f"run/{other}", content if other == name else kept)
        stored = read_run(_folder() / "run")
        stored.losses(0)

    return read


REPORTED = ("run.json", "recipe.json", "arrays.safetensors", "portrait.safetensors", "claims.json", "lr_range.json")


def _reported() -> list[bytes]:
    return [name.encode() + b"\n" + _run_folder()[name] for name in REPORTED]


def _changed_reported(content: bytes, random: Random) -> bytes:
    name, _, rest = content.partition(b"\n")
    inside = _changed_description if name.endswith(b"safetensors") else changed_json
    return name + b"\n" + inside(rest, random)


def _read_report(content: bytes) -> None:
    from deltarule.reports.report import report_page
    from deltarule.studies.reporting import report_of

    name, _, rest = content.partition(b"\n")
    changed_name = name.decode("ascii", "replace")
    if changed_name not in REPORTED:
        return
    together = REPORTED[:4] if changed_name in REPORTED[:4] else (changed_name,)
    for other in REPORTED:
        (_folder() / "report" / other).unlink(missing_ok=True)
    for other in together:
        _written(f"report/{other}", rest if other == changed_name else _run_folder()[other])
    report_page(report_of(_folder() / "report"))


@cache
def _checkpoints() -> list[bytes]:
    path = _folder() / "good.checkpoint"
    _trained(path, resume=False)
    return [path.read_bytes()]


def _trained(checkpoint: Path, resume: bool) -> None:
    from deltarule.engines.reference import ReferenceEngine
    from deltarule.problem.create import create_problem
    from deltarule.problem.network import Network
    from deltarule.training.train import train

    problem = create_problem(
        Network([1, 2, 1], batch_norm=True), [[0.0], [1.0]], [0.0, 1.0], optimizer="adam", seeds=range(2)
    )
    train(problem, max_steps=4, engine=ReferenceEngine(), checkpoint=checkpoint, resume=resume)


def _read_checkpoint(content: bytes) -> None:
    _trained(_written("c.checkpoint", content), resume=True)


TARGETS = (
    Target("arrays", _arrays, _read_arrays, 150, _changed_description),
    Target("model", _models, _read_model, 50, _changed_description),
    Target("recipe", _recipes, _read_recipe, 12),
    Target("recipe-tree", _recipe_trees, _read_recipe_tree, 30, changed_json),
    Target("setting", lambda: list(SETTINGS), _read_setting, 6),
    Target("json", lambda: _recipe_trees()[:2], _read_json, 100, changed_json),
    Target("idx", _idx_files, _read_idx, 200),
    Target("compressed", _compressed, _read_compressed, 120),
    Target("archive", _archives, _read_archive, 50),
    Target("csv", lambda: list(TABLES), _read_csv, 100),
    Target("frame", lambda: list(TABLES), _read_frame, 80),
    Target("npz", _npz_files, _read_npz, 70),
    Target("parquet", _parquet_files, _read_parquet, 30),
    Target("store", _stores, _read_store, 2, _changed_store),
    Target("checkpoint", _checkpoints, _read_checkpoint, 1, _changed_description),
    Target("run-recipe", _run_recipe, _read_run_of("recipe.json"), 1, changed_json),
    Target("run-arrays", _run_arrays, _read_run_of("arrays.safetensors"), 1, _changed_description),
    Target("report", _reported, _read_report, 0, _changed_reported),
)
"""Shares by what an input costs: a few bytes are read in microseconds, figures are drawn in a second."""


# --- trying ----------------------------------------------------------------------------------------------------------


def _refused(error: BaseException) -> None:
    """Pass over a refusal as it should be; anything else is raised."""
    from deltarule.errors import DeltaruleError

    if not isinstance(error, DeltaruleError):
        raise error
    told = str(error)
    if not told.isprintable() or not 0 < len(told) <= LONGEST_SENTENCE:
        raise AssertionError(f"no sentence for people: {told[:300]!r}") from error


def try_one(target: Target, content: bytes, found: Found) -> None:
    """Read one input, and note what came of it."""
    found.inputs += 1
    memory, started = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, time.process_time()
    try:
        target.read(content)
    except (KeyboardInterrupt, SystemExit):
        raise
    except BaseException as error:  # Rust's panics are no Exception
        try:
            _refused(error)
            found.refused += 1
        except BaseException as other:
            _note(found, f"{type(other).__name__} {_where(other)}: {str(other)[:300]!r}", content)
    seconds = time.process_time() - started
    grown = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - memory) * (1 if sys.platform == "darwin" else 1024)
    found.seconds += seconds
    found.slowest = max(found.slowest, seconds)
    if seconds > MOST_SECONDS:
        _note(found, f"slow: {seconds:.0f} s", content)
    if grown > MOST_BYTES:
        _note(found, f"large: {grown / 2**20:.0f} MiB", content)


def _note(found: Found, what: str, content: bytes) -> None:
    place = what.partition(": ")[0]
    if not any(one.partition(": ")[0] == place for one in found.findings):
        found.findings[what] = content


def _where(error: BaseException) -> str:
    """The last line of ours that an error passed through, so that each finding is told once."""
    ours = [
        frame for frame in traceback.extract_tb(error.__traceback__) if f"{os.sep}deltarule{os.sep}" in frame.filename
    ]
    return f"{Path(ours[-1].filename).name}:{ours[-1].lineno}" if ours else "outside"


def fuzz(target: Target, inputs: int, seed: int) -> Found:
    """Try so many changed files; the same for the same seed."""
    found, random, good = Found(target.name), Random(f"{seed} {target.name}"), target.good()
    for content in good[:inputs]:
        try_one(target, content, found)
    with quiet():
        for _ in range(found.inputs, inputs):
            try_one(target, one_of(target, good, random), found)
    return found


def one_of(target: Target, good: Sequence[bytes], random: Random) -> bytes:
    """A changed file: of its structure, of its bytes, or of both."""
    content = random.choice(good)
    if target.change is not None and random.random() < 0.7:
        content = target.change(content, random)
        if random.random() < 0.8:
            return content
    return changed(content, random, good)


class quiet:
    """Warnings are errors, so that none gets to the user unexplained; nothing is logged."""

    def __enter__(self) -> None:
        self.caught = warnings.catch_warnings()
        self.caught.__enter__()
        warnings.simplefilter("error")
        warnings.simplefilter("ignore", UserWarning)  # ours, in sentences
        warnings.simplefilter("ignore", ResourceWarning)
        logging.disable(logging.CRITICAL)

    def __exit__(self, *about: Any) -> None:
        logging.disable(logging.NOTSET)
        self.caught.__exit__(*about)


# --- with atheris ----------------------------------------------------------------------------------------------------

INSTRUMENTED = ["deltarule", "tomllib", "csv", "tarfile", "zipfile"]


def guided(target: Target, inputs: int, seed: int) -> Found:
    """As `fuzz`, in a process of its own that libFuzzer guides."""
    with tempfile.TemporaryDirectory() as folder:
        words = [sys.executable, __file__, target.name, "--inputs", str(inputs), "--seed", str(seed), "--child", folder]
        own = os.environ | {"TMPDIR": folder}  # libFuzzer ends a process without tidying up
        child = subprocess.run(words, capture_output=True, text=True, errors="replace", env=own)
        try:
            record = json.loads((Path(folder) / "found.json").read_text(encoding="utf-8"))
        except OSError:
            raise SystemExit(f"the process of {target.name} died:\n{child.stderr[-3000:]}") from None
    findings = {what: bytes.fromhex(content) for what, content in record.pop("findings").items()}
    return Found(**record, findings=findings)


def _child(name: str, inputs: int, seed: int, folder: Path) -> None:
    import atheris

    target = _by_name(name)
    random, found = Random(seed), Found(target.name)
    with atheris.instrument_imports(include=INSTRUMENTED, enable_loader_override=False):
        good = target.good()
        for content in good:  # what it imports is instrumented too
            try_one(target, content, found)
    corpus = folder / "corpus"
    corpus.mkdir()
    for number, content in enumerate(good):
        (corpus / str(number)).write_bytes(content[:LARGEST_INPUT])

    def one(content: bytes) -> None:
        with quiet():
            try_one(target, content, found)
        if found.inputs >= inputs:
            record = {**found.__dict__, "findings": {what: one.hex() for what, one in found.findings.items()}}
            (folder / "found.json").write_text(json.dumps(record), encoding="utf-8")
            os._exit(0)

    def mutate(content: bytes, largest: int, chosen: int) -> bytes:
        if random.random() < 0.5:
            return one_of(target, [content, *good[:3]], random)[:largest]
        return bytes(atheris.Mutate(content, len(content) or 1))[:largest]

    arguments = [sys.argv[0], f"-seed={seed + 1}", f"-max_len={LARGEST_INPUT}", "-rss_limit_mb=0", "-verbosity=0"]
    atheris.Setup([*arguments, str(corpus)], one, custom_mutator=mutate)
    atheris.Fuzz()


def _by_name(name: str) -> Target:
    return next(target for target in TARGETS if target.name == name)


def inputs_of(total: int, targets: Sequence[Target]) -> dict[str, int]:
    """How many inputs each target gets of them all: its share, and some at least."""
    shares = sum(target.share for target in targets)
    return {target.name: max(FEWEST, round(total * target.share / shares)) for target in targets}


def told(every: Sequence[Found], kind: str) -> str:
    """The counts as a table, and the findings."""
    lines = [f"{'target':12s} {'inputs':>9s} {'refused':>9s} {'CPU s':>7s} {'slowest':>8s}  findings"]
    for one in every:
        counts = f"{one.inputs:>9,} {one.refused:>9,} {one.seconds:>7.1f} {one.slowest:>7.2f}s"
        lines.append(f"{one.target:12s} {counts}  {len(one.findings)}")
        lines += [f"  {what}" for what in one.findings]
    inputs, findings = sum(one.inputs for one in every), sum(len(one.findings) for one in every)
    return "\n".join([*lines, f"{inputs:,} inputs over {len(every)} parsers, {kind}: {findings} findings"])


def main() -> int:
    """Try every target, print the counts; status 1 where there are findings."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("targets", nargs="*", metavar="TARGET", choices=[[], *(target.name for target in TARGETS)])
    parser.add_argument("--inputs", type=int, default=1_000_000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path)
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--child", type=Path, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.child:
        _child(given.targets[0], given.inputs, given.seed, given.child)
    targets = [_by_name(name) for name in given.targets] or list(TARGETS)
    has_atheris = find_spec("atheris") is not None
    every: list[Found] = []
    for name, inputs in inputs_of(given.inputs, targets).items():
        every.append((guided if has_atheris and inputs >= WORTH else fuzz)(_by_name(name), inputs, given.seed))
        print(told(every[-1:], "").splitlines()[1], file=sys.stderr, flush=True)
        for number, content in enumerate(every[-1].findings.values()):
            if given.out is not None:
                given.out.mkdir(parents=True, exist_ok=True)
                (given.out / f"{name}-{number}").write_bytes(content)
    kind = "half of them made by libFuzzer" if has_atheris else "made by changing good files"
    if given.json:
        print(json.dumps([{**one.__dict__, "findings": list(one.findings)} for one in every], indent=2))
    else:
        print(told(every, kind))
    return 1 if any(one.findings for one in every) else 0


if __name__ == "__main__":
    sys.exit(main())
