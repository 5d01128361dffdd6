from typing import Any

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from deltarule.tables.column_encoder import Column, encode_columns, fit_columns
from deltarule.tables.column_types import infer_column_types
from deltarule.tables.diagnostics import (
    columns_of_kind,
    missing_codes,
    render_diagnostics,
    suggested_divisions,
    unknown_categories,
    unusual_numbers,
)
from deltarule.tables.frame import frame_of

finite = st.floats(-1e100, 1e100)
NUMBER = "number"
RANDOM = np.random.default_rng(0)


def fitted(frame: Any, kinds: dict[str, str]) -> tuple[Column, ...]:
    return fit_columns(frame, [Column(name, kind) for name, kind in kinds.items()])


def test_unknown_categories() -> None:
    columns = [Column("a", "category", "", categories=("1", "2")), Column("b", "number", "")]
    assert [*unknown_categories(columns, {"a": np.array([1.0, 2.0])})] == []
    [unknown] = unknown_categories(columns, {"a": np.array([1.0, 3.5, 3.5, np.nan])})
    assert (unknown.column, unknown.values) == ("a", {"rows": "3 rows", "names": "missing, '3.5'"})


@given(st.lists(st.floats(-1e300, 1e300), min_size=1), st.lists(st.floats(-1e300, 1e300)))
def test_numbers_far_outside_the_training_range(seen: list[float], new: list[float]) -> None:
    [column] = fitted({"a": np.array(seen)}, {"a": NUMBER})
    least, width = min(seen), max(seen) - min(seen)
    assume(width < 1e300)
    assert [*unusual_numbers([column], {"a": np.array(seen)})] == []
    assert [*unusual_numbers([column], {"a": np.array([least - 0.9 * width, max(seen) + 0.9 * width])})] == []
    far = [one for one in new if one < least - width or one > max(seen) + width]
    told = [*unusual_numbers([column], {"a": np.array(new)})]
    assert len(told) == (len(far) * len(seen) > len(new))
    assert not told or (told[0].code, told[0].values["rows"].split()[0]) == ("out-of-range", f"{len(far):,}")


def test_wrong_unit_and_newly_missing_numbers() -> None:
    frame = {
        "fare": np.array([0.0, 7.25, 512.0]),
        "class": np.array([1.0, 3.0, 2.0]),
        "age": np.array([3.0, np.nan, 9]),
    }
    columns = fitted(frame, dict.fromkeys(frame, NUMBER))
    assert [*unusual_numbers(columns, frame)] == [*unusual_numbers(columns, {})] == []
    texts = np.array(["7250000", "8", "", "-1e6"], object)
    new = {"fare": texts, "class": np.full(4, np.nan), "age": np.full(4, np.nan)}
    assert render_diagnostics(unusual_numbers(columns, new)) == [
        "the column 'fare' has numbers far outside the training range, 0 to 512, in 2 rows: such as 7250000; they are "
        "clipped to -512 to 1024",
        "the column 'fare' is missing in 1 of 4 rows but never was in training; imputed with the training median, 7.25",
        "the column 'class' is missing in 4 of 4 rows but never was in training; imputed with the training median, 2",
    ]


@pytest.mark.parametrize("many", [50, 1000])
@pytest.mark.parametrize("draw", ["standard_cauchy", "pareto"])
def test_heavy_tails_are_not_unusual(draw: str, many: int) -> None:
    """Of laws of which a number may be larger than all before it together."""
    random, told = np.random.default_rng(0), 0
    for _ in range(200):
        values = getattr(random, draw)(*[1.0] * (draw == "pareto"), size=200 + many)
        [column] = fitted({"a": values[:200]}, {"a": NUMBER})
        told += bool([*unusual_numbers([column], {"a": values[200:]})])
    assert told / 200 < 0.2


def test_constant_column_that_changes() -> None:
    [column] = fitted({"a": np.array([5.0, np.nan, 5.0])}, {"a": NUMBER})
    assert [*unusual_numbers([column], {"a": np.array([5.0, np.nan])})] == []
    assert render_diagnostics(unusual_numbers([column], {"a": np.array([5000.0])})) == [
        "the column 'a' has numbers far outside the training range, 5 to 5, in 1 row: such as 5000; they are clipped "
        "to 5 to 5"
    ]
    assert encode_columns([column], {"a": np.array([5000.0, 5.0])})[:, 0].tolist() == [0, 0]


def test_unused_columns_of_one_reason_are_one_sentence() -> None:
    columns = [Column(name, "unused", "texts, 'a{b}' among them") for name in "abcd"]
    columns += [Column("id", "unused", "an identifier", "identifier"), Column("size", "number", "numbers")]
    assert render_diagnostics(columns_of_kind(columns, "unused", "unused")) == [
        "the column 'a' is not used: texts, 'a{b}' among them; likewise 'b', 'c', 'd'",
        "the column 'id' is not used: an identifier",
    ]
    assert [found.column for found in columns_of_kind(columns, "unused", "unused", ["identifier"])] == ["id"]


def test_many_columns_are_one_sentence() -> None:
    names = [f"c{n}" for n in range(7)]
    texts = {name: np.array(["red", "red", "blue"], object) for name in names}
    colors = fitted(texts, dict.fromkeys(names, "category"))
    [sentence] = render_diagnostics(unknown_categories(colors, texts))
    assert sentence.startswith("the column 'c0' has categories without")
    assert sentence.endswith("in 1 row: 'blue'; likewise 'c1', 'c2', 'c3', 'c4', 'c5' and 1 more")
    assert len(render_diagnostics(unknown_categories(colors[:3], texts))) == 3


@pytest.mark.parametrize(
    ("others", "codes", "expected"),
    [
        (RANDOM.normal(20, 5, 200), [-9999], ["-9999"]),
        (RANDOM.normal(20, 5, 200), [-999, -9999], ["-9999", "-999"]),
        (RANDOM.integers(18, 75, 200), [99], ["99"]),
        (RANDOM.integers(0, 30, 200), [999], ["999"]),
        (RANDOM.integers(18, 98, 200), [99], []),
        (RANDOM.integers(0, 9, 200), [10], []),
        (RANDOM.integers(0, 2, 200), [99], []),  # too few others
        (RANDOM.lognormal(0, 2, 200), [], []),
        (RANDOM.integers(1, 30, 200), [-1], []),
    ],
)
def test_codes_for_missing_values(others: Any, codes: list[float], expected: list[str]) -> None:
    frame = frame_of({"a": np.r_[others, np.repeat(codes, 9)].astype(float)})
    columns = fit_columns(frame, infer_column_types(frame, {"a": "number"}).values())
    assert [each.values["code"] for each in missing_codes(columns, frame)] == expected


def test_identifiers_that_repeat_and_order_of_time() -> None:
    days = [f"2021-01-{n // 4 + 1:02}" for n in range(120)]
    table = {"patient": [f"P{n % 6}" for n in range(120)], "PatientID": np.arange(120) % 40, "when": days}
    frame = frame_of(table | {"color": ["red", "blue"] * 60, "later": days[::-1]})
    columns = fit_columns(frame, infer_column_types(frame).values())
    found = [(each.code, each.column, each.values["times"]) for each in suggested_divisions(columns, frame)]
    assert found == [
        ("repeating-identifier", "patient", 20),
        ("repeating-identifier", "PatientID", 3),
        ("in-order-of-time", "when", 4),
    ]
