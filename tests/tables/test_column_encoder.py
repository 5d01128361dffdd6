import sys
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import assume, example, given
from hypothesis import strategies as st
from sklearn.compose import ColumnTransformer
from sklearn.impute import SimpleImputer
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

from deltarule.errors import BadInput
from deltarule.tables.column_encoder import Column, encode_columns, fit_columns
from deltarule.tables.column_types import infer_column_types, reject_extreme_numbers
from deltarule.tables.diagnostics import categories_without_feature, render_diagnostics, unknown_categories
from deltarule.tables.frame import frame_of, select_rows

N, MOST = 60, sys.float_info.max
finite = st.floats(-1e100, 1e100)
RANDOM = np.random.default_rng(0)
COLUMNS: dict[str, tuple[Any, str, str]] = {
    "numbers": (RANDOM.normal(size=N), "number", "numbers"),
    "whole numbers that repeat": (RANDOM.integers(5, size=N), "number", "numbers"),
    "years": (RANDOM.permutation(N) * 3 + 1900, "number", "numbers"),
    "counted rows": (RANDOM.permutation(N) + 1000, "unused", "an identifier: another whole number in every row"),
    "customer_id": (RANDOM.permutation(N) * 7, "unused", "an identifier: another whole number in every row"),
    "keys": ([f"k{n}" for n in range(N)], "unused", "an identifier: another text in every row"),
    "remarks": (
        [f"it was {n}" if n else None for n in range(N)],
        "unused",
        "free text: most rows have a text of their own",
    ),
    "amounts with a slip": (
        [f"{n / 7}" if n else "much" for n in range(N)],
        "unused",
        "texts that look like numbers, but for 'much' in row 0 (counted from 0)",
    ),
    "whole numbers with a slip": (
        [f"{n % 5}" if n else "many" for n in range(N)],
        "category",
        "texts, 6 different, that look like numbers, but for 'many' in row 0 (counted from 0)",
    ),
    "numbers in quotes": (
        [f"{n / 7:.2f}" for n in range(N)],
        "unused",
        "texts that look like numbers, all of them; make numbers of them",
    ),
    "amounts in euros": (
        [f"{n}.50 EUR" for n in range(N)],
        "unused",
        "texts that look like numbers with a sign, such as '0.50 EUR', to be written 0.50",
    ),
    "weights in kilograms": (
        [f"{n % 20 + 60} kg" for n in range(N)],
        "category",
        "texts, 20 different, that look like numbers with a unit, such as '60 kg', to be written 60",
    ),
    "prices in rupees": (
        [f"₹{n}" for n in range(N)],
        "unused",
        "texts that look like numbers with a unit, such as '₹0', to be written 0",
    ),
    "repeated numbers in quotes": (
        [f"{n % 9}.5" for n in range(N)],
        "category",
        "texts, 9 different, that look like numbers, all of them; make numbers of them",
    ),
    "many days that come again": (
        [f"2026-{n % 9 + 1:02}-{n % 7 + 1:02}" for n in range(120)],
        "unused",
        "values that look like dates, which are not read; make numbers of what counts, such as the month",
    ),
    "codes": ([f"0{n % 9}" for n in range(N)], "category", "texts, 9 different"),
    "decimal commas": (
        [f"{n},5" for n in range(N)],
        "unused",
        "texts that look like numbers with a comma, such as '0,5', to be written 0.5",
    ),
    "days": (
        pd.Timestamp("2026-01-01") + pd.to_timedelta(range(N), "D"),
        "unused",
        "values that look like dates, which are not read; make numbers of what counts, such as the month",
    ),
    "days that come again": (
        [f"2026-01-{n % 9 + 1:02}" for n in range(N)],
        "category",
        "texts, 9 different, that look like dates",
    ),
    "long codes": (np.arange(N, dtype=np.uint64) + 2**63, "unused", "an identifier: another text in every row"),
    "color": (["red", "blue", None] * (N // 3), "category", "texts, 2 different"),
    "only sometimes": (["yes", None] * (N // 2), "category", "texts, 1 different"),
    "yes or no": ([True, False] * (N // 2), "category", "texts, 2 different"),
    "constant": ([3.0] * N, "unused", "the same in every row"),
    "hours": (pd.to_timedelta(RANDOM.normal(size=N), "h"), "number", "numbers"),
    "empty": ([None] * N, "unused", "missing in every row"),
}


@pytest.mark.parametrize("name", COLUMNS)
def test_kinds_are_guessed_with_a_reason(name: str) -> None:
    values, kind, why = COLUMNS[name]
    frame = frame_of({name: values, "beside": RANDOM.normal(size=len(values))})
    assert infer_column_types(frame)[name] == (kind, why)
    if kind != "number" or frame[name].dtype.kind == "f":
        assert infer_column_types(frame, {name: "category"})[name] == ("category", "as told")


@pytest.mark.parametrize(
    ("types", "sentence"),
    [
        ({"b": "number"}, "there is no column 'b' to be a number; there are: a"),
        ({"a": "text"}, "the column 'a' cannot be 'text'; choose one of number, category, unused"),
        ({"a": "number"}, "the column 'a' cannot be numbers: it holds 'x' in row 0"),
        ({"a": "unused"}, r"no column is left to learn from \('a': as told\)"),
    ],
)
def test_kinds_that_cannot_be_are_refused(types: dict[str, str], sentence: str) -> None:
    with pytest.raises(BadInput, match=sentence):
        infer_column_types({"a": np.array(["x", "y"], object)}, types)


texts = st.sampled_from(["", "red", "green", "blue"])
numbers = st.floats(-1e4, 1e4).map(lambda number: round(number, 1)) | st.just(float("nan"))


@pytest.mark.slow
@given(st.lists(st.tuples(numbers, texts), min_size=4, max_size=30), st.lists(st.tuples(numbers, texts), min_size=1))
def test_inputs_are_those_of_scikit_learn(rows: list[Any], new: list[Any]) -> None:
    train = frame_of({"size": [one for one, _ in rows], "color": [two for _, two in rows]})
    asked = frame_of({"size": [one for one, _ in new], "color": [two or "pink" for _, two in new]})
    assume(not np.isnan(train["size"]).all())  # such a column is not used
    columns = fit_columns(train, {"size": ("number", ""), "color": ("category", "")})
    size, color = columns
    theirs = ColumnTransformer(
        [
            ("size", make_pipeline(StandardScaler(), SimpleImputer(strategy="median", add_indicator=True)), ["size"]),
            ("color", OneHotEncoder(categories=[list(color.categories)], handle_unknown="ignore"), ["color"]),
        ],
        sparse_threshold=0,
    )
    if not color.categories:
        theirs = theirs.set_params(color="drop")
    theirs.fit(pd.DataFrame(train))
    asked["size"] = asked["size"].clip(*size.clip_range)  # ours are held, which the tests of that are about
    for frame in (train, asked):
        np.testing.assert_allclose(
            encode_columns(columns, frame), theirs.transform(pd.DataFrame(frame)), rtol=1e-7, atol=1e-7
        )
    assert len(size.inputs) + len(color.inputs) == encode_columns(columns, asked).shape[1]


def test_very_large_numbers_are_standardized_too() -> None:
    frame = {"huge": np.array([1e300, -1e300, 0.0])}
    x = encode_columns(fit_columns(frame, {"huge": ("number", "")}), frame)
    np.testing.assert_allclose([x.mean(), x.std()], [0, 1], atol=1e-12)


def test_numbers_may_stand_as_texts() -> None:
    frame = {"a": np.array(["1", "3", ""], object)}
    [column] = fit_columns(frame, infer_column_types(frame, {"a": "number"}))
    assert (column.mean, column.gaps) == (2.0, True)
    assert encode_columns([column], {"a": np.array(["3", ""], object)}).tolist() == [[1, 0], [0, 1]]


def test_an_infinite_text_is_named_where_numbers_are_needed() -> None:
    frame = {"a": np.array(["1", "", "inf", "2"], object)}
    with pytest.raises(BadInput, match="the column 'a' cannot be numbers: it holds 'inf' in row 2"):
        infer_column_types(frame, {"a": "number"})
    with pytest.raises(BadInput, match="the column 'a' holds 'inf' in row 2 .counted from 0., where the model needs"):
        encode_columns([Column("a", "number", "")], frame)


def test_rows_have_the_numbers_of_the_whole_table() -> None:
    """Also where some of them were passed over."""
    frame = {"a": np.array(["1", "2", "oops", "4"], object), "b": np.array([0.0, 1.0, 1.0, 1e200])}
    with pytest.raises(BadInput, match="it holds 'oops' in row 2 "):
        infer_column_types(select_rows(frame, [1, 2, 3]), {"a": "number"})
    with pytest.raises(BadInput, match="'oops' in row 2 "):
        encode_columns([Column("a", "number", "")], select_rows(frame, [1, 2, 3]))
    with pytest.raises(BadInput, match="holds 1e.200 in row 3 "):
        encode_columns([Column("b", "number", "")], select_rows(frame, [1, 3]))
    slips = select_rows({"a": np.array([*"123456789", "x"] * 3, object)}, np.arange(5, 30))
    assert (
        infer_column_types(slips)["a"][1]
        == "texts, 10 different, that look like numbers, but for 'x' in row 9 (counted from 0)"
    )


@given(st.lists(st.floats(-1e300, 1e300), min_size=1), st.lists(st.floats(allow_infinity=False)))
@example([-1e308, 1e308], [])  # around which a width has no finite bounds
def test_numbers_are_held_a_width_outside_of_those_of_training(seen: list[float], new: list[float]) -> None:
    """So that a wild cell does not make an absurd answer; what was seen in training, and lies near it, stays."""
    [column] = fit_columns({"a": np.array([*seen, np.nan])}, {"a": ("number", "")})
    low, high = column.clip_range
    reach = max(seen) - min(seen)
    assert (low, high) == (max(min(seen) - reach, -MOST), min(max(seen) + reach, MOST))
    plain, asked = replace(column, rows=0.0), {"a": np.array([*seen, *np.clip(new, low, high)])}
    np.testing.assert_array_equal(
        encode_columns([column], asked, clip_extremes=True), encode_columns([plain], asked, clip_extremes=True)
    )
    wild = {"a": np.array([*seen, *new])}
    np.testing.assert_array_equal(
        encode_columns([column], wild, clip_extremes=True), encode_columns([column], asked, clip_extremes=True)
    )


def test_of_a_file_that_does_not_say_how_far_numbers_are_held_three_widths_outside() -> None:
    assert Column("a", "number", "", least=1.0, greatest=3.0, rows=9.0).clip_range == (-5.0, 9.0)


def test_what_is_far_in_one_row_of_many_counts_as_the_farthest_that_there_may_be() -> None:
    column, frame = Column("a", "number", ""), {"a": np.array([1e150, -1e150, 2.0])}
    assert encode_columns([column], frame, clip_extremes=True).ravel().tolist() == [1e100, -1e100, 2.0]


@pytest.mark.parametrize("value", [1e308, -1e308])
def test_where_numbers_are_not_held_one_that_is_too_large_is_refused(value: float) -> None:
    """Those of a model that an earlier version has written, without the least and the greatest."""
    column = Column("a", "number", "", mean=0.2, scale=0.1)
    assert encode_columns([column], {"a": np.array([1e9])}) == (1e9 - 0.2) / 0.1
    with pytest.raises(BadInput, match=r"the column 'a' holds -?1e\+308 in row 1 .counted from 0., too large a number"):
        encode_columns([column], {"a": np.array([0.2, value])})


@pytest.mark.parametrize(
    ("values", "is_far"),
    [
        ([0.1, 0.2, 0.3, 0.4, 1e300], True),
        ([0.1, 0.2, np.nan, 0.4, -1e300, 0.5], True),
        ([1.0, 2.0, 2.0, 3.0, 1e101], True),
        ([0.0, 0.0, 0.0, 0.0, 1e300], True),
        ([np.nan, 0.1, 0.2, 0.3, 1e300], True),  # of four numbers one is no quartile
        ([0.0, 0.0, 0.0, 0.0, 1e99], False),
        ([1e300, 2e300, 3e300, -1e300], False),
        *[([1e300, 1e300, 1e300, 1e300, one], False) for one in (-1e300, 0.0, 0.5, 5.0, 1.1e300)],
        ([-1e300] * 4 + [1e300], False),
        ([2e200] * 20 + [1e200], False),  # one of two numbers, in an extreme unit
        ([-1.7e308, 1.7e308, 1e308, 0.0], False),
        ([1e-300, 2e-300, 3e-300, 4e-300, 0.5], False),  # beside the least of numbers none up to 1 does harm
        ([5.0, np.nan], False),
        ([np.nan, np.nan], False),
    ],
)
def test_a_number_that_is_too_large_is_found_among_all_rows(values: list[float], is_far: bool) -> None:
    frame, kinds = {"a": np.array(values)}, {"a": ("number", "")}
    if not is_far:
        return reject_extreme_numbers(frame, kinds)
    sentence = r"the column 'a' holds -?1e\+(101|300) in row 4 .counted from 0., too large a number beside the others"
    with pytest.raises(BadInput, match=sentence):
        reject_extreme_numbers(frame, kinds)


def test_only_frequent_categories_have_an_input() -> None:
    texts = [f"often {n % 510}" for n in range(1530)] + ["twice"] * 2 + ["once"]
    [column] = fit_columns({"a": np.array(texts, object)}, {"a": ("category", "")})
    assert len(column.categories) == 500 and "twice" not in column.categories
    [told] = render_diagnostics(
        categories_without_feature([column], {"a": np.array(["once", *column.categories[:4]], object)})
    )
    assert told.startswith("20 % of the rows have a category of 'a' without a feature of its own (rare or too many; 1 ")
    assert categories_without_feature([column], {"a": np.array(["once", *column.categories[:20]], object)}) == []
    [few] = fit_columns({"a": np.array(["b", "b", "once", "", ""], object)}, {"a": ("category", "")})
    assert few.inputs == ("a=missing", "a=b")


def test_where_there_are_many_rows_fewer_categories_have_an_input() -> None:
    """So that what is made of a table does not outgrow it a hundred times."""
    texts = {name: np.array([f"{n % 600}" for n in range(50_000)], object) for name in "ab"}
    columns = fit_columns(texts, dict.fromkeys("ab", ("category", "")))
    assert [len(column.categories) for column in columns] == [200, 200]
    texts = {"a": np.tile(texts["a"], 20)}
    assert len(fit_columns(texts, {"a": ("category", "")})[0].categories) == 50


def test_large_numbers_have_a_median() -> None:
    [column] = fit_columns({"a": np.linspace(1.6e308, 1.7e308, 20)}, {"a": ("number", "")})
    assert column.fill == pytest.approx(1.65e308)


def test_texts_are_the_categories_that_they_were_in_training() -> None:
    """Where these are all numbers, 2.0 is 2; where they are not, 01 and 1 are two."""
    counted, codes = (Column("a", "category", "", categories=names) for names in (("", "1", "2"), ("01", "1", "1A")))
    texts = {"a": np.array(["1", "01", "1.0", "1A", "x", ""], object)}
    assert encode_columns([counted], texts).argmax(axis=1).tolist() == [1, 1, 1, 0, 0, 0]
    assert encode_columns([counted], texts).sum(axis=1).tolist() == [1, 1, 1, 0, 0, 1]
    assert encode_columns([codes], texts).tolist() == [[0, 1, 0], [1, 0, 0], [0, 0, 0], [0, 0, 1], [0, 0, 0], [0, 0, 0]]
    assert unknown_categories([codes], texts)[0].values["names"] == "missing, '1.0', 'x'"
    numbers = {"a": np.array([1.0, 2.0, np.nan])}
    assert encode_columns([counted], numbers).argmax(axis=1).tolist() == [1, 2, 0]


def test_columns_that_do_not_fit_are_refused() -> None:
    columns = [Column("a", "number", ""), Column("b", "category", "", categories=("x",))]
    with pytest.raises(BadInput, match="the table lacks 'b', which the model was trained with"):
        encode_columns(columns, {"a": np.zeros(2), "c": np.zeros(2)})
    with pytest.raises(
        BadInput, match="the column 'a' holds 'tall' in row 1 .counted from 0., where the model needs a"
    ):
        encode_columns(columns, {"a": np.array(["1.5", "tall"], object), "b": np.zeros(2)})
    with pytest.raises(BadInput, match=r"holds '1,500' in row 2 .*, to be written 1500 or 1\.500$"):
        encode_columns(columns, {"a": np.array(["1", "", "1,500"], object), "b": np.zeros(3)})
    assert encode_columns(columns, {"a": np.array(["", ""], object), "b": np.array(["x", ""], object)}).tolist() == [
        [0, 1],
        [0, 0],
    ]


def test_a_column_that_is_not_used_may_be_missing() -> None:
    columns = [Column("a", "number", ""), Column("id", "unused", "")]
    assert encode_columns(columns, {"a": np.array([2.0])}).tolist() == [[2.0]]


def test_a_column_of_ones_and_zeros_takes_truths_and_the_other_way() -> None:
    bits, truths, texts = (np.array(one * 9, object) for one in ([0.0, 1, 1], [False, True, True], ["0", "1", "1"]))
    number, gaps = {"a": bits.astype(float)}, {"a": np.r_[bits, np.nan].astype(float)}
    asked = {"a": np.array(["TRUE", "False", "1"], object)}
    for frame in (number, gaps):
        columns = fit_columns(frame, {"a": ("number", "")})
        expected = encode_columns(columns, {"a": np.array([1.0, 0, 1])})
        np.testing.assert_array_equal(encode_columns(columns, asked), expected)
    for names in (truths, texts):
        columns = fit_columns(frame_of({"a": names}), {"a": ("category", "")})
        assert encode_columns(columns, asked).tolist() == encode_columns(columns, {"a": np.array([1.0, 0, 1])}).tolist()
        assert encode_columns(columns, asked).tolist() == [[0, 1], [1, 0], [0, 1]] and not unknown_categories(
            columns, asked
        )
    for sizes in ([0.0, 1, 2], [0.0, 0.5, 1]):
        columns = fit_columns({"a": np.array(sizes)}, {"a": ("number", "")})
        with pytest.raises(BadInput, match="holds 'TRUE' in row 0"):
            encode_columns(columns, asked)


NEARLY = "an identifier: another whole number in nearly every row"
ODD = RANDOM.permutation(np.arange(300) * 7.0)


@pytest.mark.parametrize(
    ("name", "values", "kind", "why"),
    [
        ("n", np.where(np.arange(300) == 40, np.nan, np.arange(1.0, 301)), "unused", NEARLY),
        ("n", np.where(np.arange(300) == 299, np.nan, np.arange(1.0, 301)), "unused", NEARLY),
        ("n", np.r_[np.arange(299.0), 40], "unused", NEARLY),
        ("n", np.r_[np.arange(270.0), np.arange(30)], "number", "numbers"),
        ("year", np.r_[1900:1950, 1951:1971].astype(float), "number", "numbers"),  # that leave one out
        *[
            (name, ODD, "unused", NEARLY.replace("nearly ", ""))
            for name in (
                *("CustomerID", "userId", "user-id", "Order Id", "CUSTOMERID", "customerid", "ID_customer"),
                *("CustomerNo", "order_no", "order_number"),
            )
        ],
        ("referrer_id", np.where(ODD < 1000, np.nan, ODD), "number", "numbers"),  # that it is missing may tell much
        ("CustomerID", np.where(ODD < 50, np.nan, ODD), "unused", NEARLY),  # in 8 of 300 rows
        ("CustomerID", np.where(ODD == 7, np.nan, ODD), "unused", NEARLY),
        ("CustomerID", np.where(ODD < 200, 7, ODD), "number", "numbers"),
        *[
            (name, ODD, "number", "numbers")
            for name in (
                *("paid", "MADRID", "idle", "cents", "the number", "atomic_number"),
                *("price_idx", "my_ideal", "order_nonsense"),  # whose beginning alone is an identifier's
            )
        ],
    ],
)
def test_an_identifier_is_one_in_spite_of_a_gap_or_a_repeat(name: str, values: Any, kind: str, why: str) -> None:
    assert infer_column_types({name: values, "beside": np.zeros(len(values)) + ODD[: len(values)]})[name] == (kind, why)


def test_rows_that_are_passed_over_leave_a_column_that_counts_the_rows_an_identifier() -> None:
    frame = {"tree": np.arange(1.0, 121), "x": np.random.default_rng(0).normal(size=120)}
    for left_out in ([50], [0, 119], range(20, 60)):  # of rows without a target, or of a class alone
        for counts in (frame, frame | {"tree": frame["tree"][::-1]}):
            assert infer_column_types(select_rows(counts, ~np.isin(np.arange(120), left_out)))["tree"][0] == "unused"
    years = {"year": np.delete(frame["tree"], 50) + 1900, "x": frame["x"][:119]}  # a file that leaves one out
    assert infer_column_types(years)["year"] == ("number", "numbers")


@given(st.integers(0, 2**32 - 1))
def test_numbers_are_no_identifier_because_many_rows_were_passed_over(seed: int) -> None:
    random = np.random.default_rng(seed)
    frame = {"weight": random.integers(150, 1100, 2000) * 1.0, "x": random.normal(size=2000)}
    some = select_rows(frame, np.isin(np.arange(2000), random.choice(2000, 40, replace=False)))
    assert infer_column_types(some)["weight"] == ("number", "numbers")


@pytest.mark.parametrize("name", ["ID", "Index", "UUID", "Nr"])
def test_the_name_of_an_identifier_may_have_capitals(name: str) -> None:
    values = np.random.default_rng(0).permutation(10_000)[:100] * 1.0
    assert infer_column_types({name: values, "x": np.arange(100) / 7})[name][0] == "unused"


@pytest.mark.parametrize(("rows", "kind"), [(19, "category"), (20, "unused")])
def test_twenty_texts_that_all_differ_are_an_identifier_and_nineteen_are_not(rows: int, kind: str) -> None:
    texts = np.array([f"t{n}" for n in range(rows)], object)
    assert infer_column_types({"a": texts, "x": np.arange(rows) / 7})["a"][0] == kind


@pytest.mark.parametrize(("days", "kind"), [(50, "category"), (51, "unused")])
def test_more_than_fifty_days_are_no_categories(days: int, kind: str) -> None:
    """However often they come again, as other texts may."""
    texts = [f"2026-{1 + n // 28:02}-{1 + n % 28:02}" for n in range(days)] * 4
    frame = {"a": np.array(texts, object), "x": np.arange(len(texts)) / 7}
    assert infer_column_types(frame)["a"][0] == kind
    assert (
        infer_column_types(frame | {"a": np.array([text.replace("-", "of") for text in texts], object)})["a"][0]
        == "category"
    )


def test_gaps_are_no_texts_of_which_half_may_differ() -> None:
    texts = np.array([f"t{n % 60}" for n in range(100)] + [""] * 100, object)
    assert infer_column_types({"a": texts, "x": np.arange(200) / 7})["a"][0] == "unused"


def test_what_programs_write_to_count_rows_is_an_identifier_without_a_warning() -> None:
    """However few rows there are, and wherever some were passed over: the reason is none to warn of.

    Of others it is, such as the rows of a part, or of two tables one below the other.
    """
    beside = {"x": np.array([0.5, 2.0, 2.0, 7.0])}
    for name, first in (("Unnamed: 0", 0), ("Unnamed: 0", 1), ("Unnamed: 0.1", 1)):
        frame = select_rows({name: np.arange(4.0) + first, **beside}, [0, 2, 3])
        assert infer_column_types(frame)[name] == ("unused", "the rows' identifier, which counts them")
    for name, values in (("Unnamed: 0", [1.0, 2.0, 1.0, 2.0]), ("Unnamed: 0.1", [3.0, 17.0, np.nan, 90.0])):
        frame = {name: np.array(values), **beside}
        assert infer_column_types(frame)[name] == ("unused", "an identifier: whole numbers in a column without a name")
        assert infer_column_types(frame, {name: "number"})[name] == ("number", "as told")
    for name, first in (("Unnamed: 0", 0.5), ("step", 0.0), ("Unnamed: 0_score", 0.0), ("Unnamed: 01", 1.0)):
        assert infer_column_types({name: np.arange(4.0) + first, **beside})[name] == ("number", "numbers")
