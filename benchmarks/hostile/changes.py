"""Changes of good files: of their bytes, and of the structures that bytes seldom reach."""

import copy
import json
import sqlite3
from collections.abc import Sequence
from random import Random
from typing import Any

LARGEST = 2**16

NUMBERS = (
    *(0, 1, 2, 0x7F, 0x80, 0xFF, 2**15 - 1, 2**15, 2**16 - 1),
    *(2**31 - 1, 2**31, 2**32 - 1, 2**63 - 1, 2**63, 2**64 - 1),
)
WORDS = (
    *(b"nan", b"inf", b"-inf", b"1e400", b"1e-400", b"-0", b"0x10", b"1_000", b"9" * 400, b"null", b"true"),
    *(
        b'"',
        b"'",
        b",",
        b";",
        b"\n",
        b"\r",
        b"\t",
        b"\0",
        b"[",
        b"]",
        b"[[",
        b"]]",
        b"{",
        b"}",
        b"=",
        b"..",
        b"/",
        b"%s",
    ),
    *(b"\x1b[31m", b"<script>", b"__class__", b"\\ud800", b"\xff\xfe", b"\xef\xbb\xbf", b"\xed\xa0\x80"),
    *("\u202e".encode(), "é".encode()),
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
    return bytes(data[:LARGEST])


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


def changed_description(content: bytes, random: Random) -> bytes:
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


def changed_store(content: bytes, random: Random) -> bytes:
    """A store with cells of its tables, or its tables themselves, changed."""

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
