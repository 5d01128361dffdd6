"""Fuzz every parser for some seconds, as benchmarks/fuzz.py does for hours; and earlier findings."""

import json
import sqlite3
import struct
from collections.abc import Callable
from functools import cache
from random import Random
from types import ModuleType
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

# Without "report": an input takes almost a second; tests/studies/report/test_page.py tests it.
TARGETS = (
    *("arrays", "model", "recipe", "recipe-tree", "setting", "json", "csv", "frame"),
    *("npz", "parquet", "store", "checkpoint"),
)


def findings(fuzz: ModuleType, name: str, content: bytes) -> dict[str, bytes]:
    """What goes wrong when a parser, by name, reads some content: it is slow if it is so twice."""
    target = next(target for target in fuzz.TARGETS if target.name == name)
    warm(fuzz, target)
    for _ in range(2):  # other threads of the process count as its time
        found = fuzz.Found(name)
        with fuzz.strict_warnings():
            fuzz.try_input(target, content, found)
        if not any(message.startswith("slow") for message in found.findings):
            break
    assert found.inputs == 1
    return found.findings


@cache
def valid_files(target: Any) -> list[bytes]:
    """The valid files of a parser, made once."""
    return target.good()


@cache
def warm(fuzz: ModuleType, target: Any) -> None:
    """Read a valid file first, so that imports are not counted as time of another file."""
    with fuzz.strict_warnings():
        fuzz.try_input(target, valid_files(target)[0], fuzz.Found(target.name))


@pytest.mark.filterwarnings("ignore::UserWarning")  # that categories are new, in a sentence
def test_every_parser_accepts_its_valid_files(fuzz: ModuleType) -> None:
    assert {target.name for target in fuzz.TARGETS} == {*TARGETS, "report"}
    for target in fuzz.TARGETS:
        for content in valid_files(target) if target.name != "report" else ():
            found = fuzz.Found(target.name)
            fuzz.try_input(target, content, found)
            assert not found.findings
            assert not found.refused


@pytest.mark.parametrize("name", TARGETS)
@given(seed=st.integers(0, 2**64))
def test_a_changed_file_is_read_or_refused_in_a_sentence(fuzz: ModuleType, name: str, seed: int) -> None:
    target = next(one for one in fuzz.TARGETS if one.name == name)
    assert not findings(fuzz, name, fuzz.random_change(target, valid_files(target), Random(seed)))


@pytest.mark.parametrize("name", TARGETS)
@given(content=st.binary(max_size=300))
def test_any_bytes_are_read_or_refused_in_a_sentence(fuzz: ModuleType, name: str, content: bytes) -> None:
    assert not findings(fuzz, name, content)


# --- earlier findings -------------------------------------------------------------------------------------------------


def in_description(change: Callable[[dict[str, Any]], object]) -> Callable[[bytes], bytes]:
    """Return a function that changes deltarule's description in a safetensors file."""

    def changed(content: bytes) -> bytes:
        size = struct.unpack("<Q", content[:8])[0]
        header = json.loads(content[8 : 8 + size])
        words = json.loads(header["__metadata__"]["deltarule"])
        change(words)
        header["__metadata__"]["deltarule"] = json.dumps(words)
        text = json.dumps(header).encode()
        return struct.pack("<Q", len(text)) + text + content[8 + size :]

    return changed


def in_store(statement: str) -> Callable[[bytes], bytes]:
    """Return a function that runs an SQL statement on a sweep's store."""

    def changed(content: bytes) -> bytes:
        connection = sqlite3.connect(":memory:")
        connection.deserialize(content)
        connection.execute("PRAGMA journal_mode=OFF")
        connection.execute(statement)
        connection.commit()
        return connection.serialize()

    return changed


def in_json(change: Callable[[dict[str, Any]], object]) -> Callable[[bytes], bytes]:
    """Return a function that changes the content of a JSON file."""

    def changed(content: bytes) -> bytes:
        tree = json.loads(content)
        change(tree)
        return json.dumps(tree).encode()

    return changed


FOUND: list[tuple[str, Callable[[bytes], bytes]]] = [
    ("model", in_description(lambda words: words.update(kind=[]))),
    ("model", in_description(lambda words: words.update(classes="a"))),
    ("checkpoint", in_description(lambda words: words.update(seconds=None))),
    ("checkpoint", in_description(lambda words: words.pop("seconds"))),
    ("checkpoint", in_description(lambda words: words.update(reasons=["", "done"]))),
    ("checkpoint", lambda content: content.replace(b"history objective", b"history objectivf")),
    ("checkpoint", lambda content: content.replace(b"state theta", b"state thetb")),
    ("store", in_store("UPDATE about SET value = ''")),
    ("store", in_store("UPDATE about SET value = x'80'")),
    ("store", in_store("UPDATE configurations SET settings = '{'")),
    ("store", in_store("UPDATE configurations SET keys = '{'")),
    ("store", in_store("UPDATE networks SET dtype = '-1.0e+308'")),
    ("store", in_store("UPDATE networks SET theta = 0.5")),
    ("store", in_store("UPDATE networks SET theta = substr(theta, 9)")),
    ("store", in_store("UPDATE members SET seed = 'none'")),
    ("store", in_store("UPDATE members SET test_score = 'high'")),
    ("store", lambda content: content[:30000] + bytes(5000) + content[35000:]),
    ("setting", lambda _: b"data.name=\xa4\xc8"),
    ("frame", lambda _: b'"a"b\tc\n1\t2\n'),
    ("json", lambda _: b'{"a": 1e400}'),
]


@pytest.mark.parametrize("number", range(len(FOUND)))
def test_earlier_findings_stay_fixed(fuzz: ModuleType, number: int) -> None:
    name, change = FOUND[number]
    before = valid_files(next(one for one in fuzz.TARGETS if one.name == name))[0]
    assert change(before) != before
    assert not findings(fuzz, name, change(before))
