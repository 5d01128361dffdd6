"""Types of columns: each code with its type, and what may be declared."""

from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from deltarule.errors import BadInput
from deltarule.tables.column_types import infer_column_types, levels_of
from deltarule.tables.frame import frame_of, select_rows

N = 60
RANDOM = np.random.default_rng(0)
ODD = RANDOM.permutation(np.arange(300) * 7.0)
COLUMNS: dict[str, tuple[Any, str, str]] = {
    "numbers": (RANDOM.normal(size=N), "number", "number"),
    "whole numbers that repeat": (RANDOM.integers(5, size=N), "number", "number"),
    "years": (RANDOM.permutation(N) * 3 + 1900, "number", "number"),
    "annual": (np.arange(1900.0, 1900 + N), "number", "number"),
    "week": (np.arange(N), "number", "number"),
    "week_id": (np.arange(N), "unused", "identifier"),
    "counted rows": (RANDOM.permutation(N) + 1000, "unused", "identifier"),
    "customer_id": (RANDOM.permutation(N) * 7, "unused", "identifier"),
    "keys": ([f"k{n}" for n in range(N)], "unused", "identifier"),
    "remarks": ([f"it was {n}" if n else None for n in range(N)], "unused", "text"),
    "amounts with a slip": ([f"{n / 7}" if n else "much" for n in range(N)], "unused", "nearly-numbers"),
    "whole numbers with a slip": ([f"{n % 5}" if n else "many" for n in range(N)], "category", "nearly-numbers"),
    "numbers in quotes": ([f"{n / 7:.2f}" for n in range(N)], "unused", "numeric-texts"),
    "dollars": ([f"${n},{n + 100}.50" for n in range(1, N + 1)], "unused", "numeric-texts"),
    "euros and dollars": ([f"{'$€'[n % 2]}{n}" for n in range(N)], "unused", "mixed-forms"),
    "numbers of too many digits": (np.arange(N) * 7.0 + 2**53, "unused", "identifier"),
    "repeated numbers in quotes": ([f"{n % 9}.5" for n in range(N)], "category", "numeric-texts"),
    "amounts with decimal commas": ([f"{n % 7 + 1}.{n + 100},5" for n in range(N)], "unused", "commas"),
    "decimal commas": ([f"{n},5" for n in range(N)], "unused", "commas"),
    "versions": ([f"{n % 3 + 1}.{n % 12}" for n in range(N)], "category", "codes"),
    "codes": ([f"0{n % 9}" for n in range(N)], "category", "codes"),
    "color": (["red", "blue", None] * (N // 3), "category", "category"),
    "only sometimes": (["yes", None] * (N // 2), "category", "category"),
    "yes or no": ([True, False] * (N // 2), "category", "category"),
    "constant": ([3.0] * N, "unused", "constant"),
    "hours": (pd.to_timedelta(RANDOM.normal(size=N), "h"), "number", "number"),
    "empty": ([None] * N, "unused", "empty"),
}


@pytest.mark.parametrize("name", COLUMNS)
def test_inferred_types(name: str) -> None:
    values, kind, code = COLUMNS[name]
    frame = frame_of({name: values, "beside": RANDOM.normal(size=len(values))})
    inferred = infer_column_types(frame)[name]
    assert (inferred.kind, inferred.code) == (kind, code)
    declared = infer_column_types(frame, {name: "category"})[name]
    assert (declared.kind, declared.why, declared.code) == ("category", "as declared", "declared")


def test_texts_among_numbers_are_named() -> None:
    texts = np.array([*map(str, range(9)), "much", "much", "1,5", "little"], object)
    assert infer_column_types({"a": texts})["a"].why.startswith("numbers, but for texts such as 'much' and 'little'; ")


@pytest.mark.parametrize(
    ("types", "sentence"),
    [
        ({"b": "number"}, "there is no column 'b' to be a number; there are: a"),
        ({"a": "big"}, "the column 'a' cannot be 'big'; choose one of number, category, text, unused, or an order"),
        ({"a": "x<x"}, "the column 'a' cannot be 'x<x'"),
        ({"a": ["z", "y"]}, "the column 'a' holds 'x', which z < y lacks; add it"),
        ({"a": "number"}, "the column 'a' cannot be numbers: it holds 'x'; replace it"),
        ({"a": "unused"}, r"no column is left to learn from \('a': as declared\)"),
    ],
)
def test_bad_declarations_are_refused(types: dict[str, str], sentence: str) -> None:
    with pytest.raises(BadInput, match=sentence):
        infer_column_types({"a": np.array(["x", "y"], object)}, types)


@pytest.mark.parametrize(
    ("name", "values", "kind"),
    [
        ("n", np.where(np.arange(300) == 40, np.nan, np.arange(1.0, 301)), "unused"),
        ("n", np.r_[np.arange(299.0), 40], "unused"),
        ("n", np.r_[np.arange(270.0), np.arange(30)], "number"),
        ("year", np.r_[1900:1950, 1951:1971].astype(float), "number"),  # that leave one out
        *[(name, ODD, "unused") for name in ("CustomerID", "userId", "user-id", "Order Id", "ID", "Nr", "order_no")],
        *[(name, ODD, "number") for name in ("paid", "MADRID", "idle", "atomic_number", "price_idx", "order_nonsense")],
        ("referrer_id", np.where(ODD < 1000, np.nan, ODD), "number"),  # that it is missing may tell much
        ("CustomerID", np.where(ODD < 50, np.nan, ODD), "unused"),  # in 8 of 300 rows
        ("CustomerID", np.where(ODD < 200, 7, ODD), "number"),
    ],
)
def test_identifiers(name: str, values: Any, kind: str) -> None:
    assert infer_column_types({name: values, "beside": ODD[: len(values)] + 0.5})[name].kind == kind


@given(st.integers(0, 2**32 - 1))
def test_numbers_of_few_rows_are_no_identifier(seed: int) -> None:
    random = np.random.default_rng(seed)
    frame = {"weight": random.integers(150, 1100, 2000) * 1.0, "x": random.normal(size=2000)}
    some = select_rows(frame, np.isin(np.arange(2000), random.choice(2000, 40, replace=False)))
    assert infer_column_types(some)["weight"].kind == "number"


@pytest.mark.parametrize(("rows", "kind"), [(19, "category"), (20, "unused")])
def test_twenty_different_texts_are_an_identifier(rows: int, kind: str) -> None:
    texts = np.array([f"t{n}" for n in range(rows)], object)
    assert infer_column_types({"a": texts, "x": np.arange(rows) / 7})["a"].kind == kind


def test_row_numbers_of_pandas() -> None:
    beside = {"x": np.array([0.5, 2.0, 2.0, 7.0])}
    for name, first in (("Unnamed: 0", 0), ("Unnamed: 0", 1), ("Unnamed: 0.1", 1)):
        frame = {name: np.array([0.0, 2.0, 3.0, 5.0]) + first, **beside}
        assert infer_column_types(frame)[name].code == "row-numbers"
    for values in ([1.0, 2.0, 1.0, 2.0], [3.0, 17.0, np.nan, 90.0]):
        frame = {"Unnamed: 0": np.array(values), **beside}
        assert infer_column_types(frame)["Unnamed: 0"].code == "row-numbers"
        assert infer_column_types(frame, {"Unnamed: 0": "number"})["Unnamed: 0"].kind == "number"
    assert infer_column_types({"Unnamed: 0": np.arange(4.0) + 0.5, **beside})["Unnamed: 0"].kind == "number"


@pytest.mark.parametrize("kind", ["<5<5-10<>10", "<5 < 5-10 < >10"])
def test_an_order_may_have_signs_in_its_levels(kind: str) -> None:
    levels = ("<5", "5-10", ">10")
    frame = {"age": np.array([*levels, ""], object)}
    assert levels_of(kind) == (levels if " " in kind else ())
    [column] = infer_column_types(frame, {"age": levels}).values()
    assert (column.kind, column.levels) == ("number", levels)


def test_titles_are_free_text_and_keys_are_identifiers() -> None:
    titles = np.array([f"a house with {n} rooms" for n in range(30)], object)
    keys = np.array([f"key-{n}" for n in range(30)], object)
    found = infer_column_types({"title": titles, "key": keys, "size": np.arange(30) % 7 + 0.5})
    assert (found["title"].code, found["key"].code) == ("text", "identifier")
