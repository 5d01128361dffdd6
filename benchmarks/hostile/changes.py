"""Change good files at random: their bytes, and structures that changes of bytes rarely reach."""

import copy
import json
import sqlite3
from collections.abc import Sequence
from random import Random
from typing import Any

MAX_CHANGED_BYTES = 2**16

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


def change_bytes(content: bytes, random: Random, others: Sequence[bytes]) -> bytes:
    """Make one to eight random changes of a file's bytes, some of them with pieces of other files."""
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
    return bytes(data[:MAX_CHANGED_BYTES])


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


def change_json(content: bytes, random: Random) -> bytes:
    """Replace, rename or remove some random values of a JSON text."""
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
    """Yield every (container, key or index) in nested JSON values."""
    for key in _keys(tree):
        yield tree, key
        yield from _places(tree[key])


def _keys(tree: Any) -> Sequence[Any]:
    """The keys of a dict, the indices of a list, nothing for other values."""
    return list(tree) if isinstance(tree, dict) else range(len(tree)) if isinstance(tree, list) else ()


def change_description(content: bytes, random: Random) -> bytes:
    """Change the JSON in a safetensors file: its header, or our description in it."""
    try:
        size = int.from_bytes(content[:8], "little")
        header = json.loads(content[8 : 8 + size])
        if random.random() < 0.8:
            words = header["__metadata__"]
            words["deltarule"] = change_json(words["deltarule"].encode(), random).decode()
            text = json.dumps(header).encode()
        else:
            text = change_json(content[8 : 8 + size], random)
        return len(text).to_bytes(8, "little") + text + content[8 + size :]
    except (AttributeError, KeyError, TypeError, ValueError, RecursionError):
        return content


def change_store(content: bytes, random: Random) -> bytes:
    """Change cells of the tables of a store, or the tables themselves."""
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
                new_value: Any = change_json(value[0].encode(), random).decode()
            else:
                new_value = random.choice([value for value in VALUES if _fits_sqlite(value)])
            connection.execute(f'UPDATE OR IGNORE {table} SET "{column}" = ?', (new_value,))
        connection.commit()
        return connection.serialize()
    except (sqlite3.Error, IndexError, TypeError, UnicodeError):
        return content
    finally:
        connection.close()


SCHEMA_CHANGES = (
    "DROP TABLE networks",
    "DELETE FROM about",
    "DELETE FROM configurations",
    "ALTER TABLE members RENAME TO others",
    "CREATE VIEW extra AS WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT i FROM n",
    "CREATE TRIGGER t AFTER INSERT ON members BEGIN DELETE FROM members; END",
    "PRAGMA user_version = 1",
    "PRAGMA application_id = 0",
)


def _columns(connection: Any) -> list[tuple[str, str]]:
    """The (table, column) pairs of a database."""
    tables = [name for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
    return [(table, row[1]) for table in tables for row in connection.execute(f"PRAGMA table_info({table})")]


def _fits_sqlite(value: Any) -> bool:
    if isinstance(value, str):
        return value.isprintable() or "\x1b" in value
    return value is None or isinstance(value, float) or (isinstance(value, int) and -(2**63) <= value < 2**63)
