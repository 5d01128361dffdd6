"""The encoding of columns: standardized numbers, one-hot categories, and what is refused."""

from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from sklearn.compose import ColumnTransformer
from sklearn.feature_extraction.text import CountVectorizer
from sklearn.impute import SimpleImputer
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

from deltarule.errors import BadInput
from deltarule.tables.column_encoder import Column, encode_columns, fit_columns
from deltarule.tables.column_types import infer_column_types
from deltarule.tables.diagnostics import unknown_categories
from deltarule.tables.frame import Frame, frame_of
from deltarule.tables.reader import read_frame

NUMBER, CATEGORY = "number", "category"


def fitted(frame: Any, kinds: dict[str, str]) -> tuple[Column, ...]:
    return fit_columns(frame, [Column(name, kind) for name, kind in kinds.items()])


texts = st.sampled_from(["", "red", "green", "blue"])
numbers = st.floats(-1e4, 1e4).map(lambda number: round(number, 1)) | st.just(float("nan"))


@pytest.mark.slow
@given(st.lists(st.tuples(numbers, texts), min_size=4, max_size=30), st.lists(st.tuples(numbers, texts), min_size=1))
def test_inputs_are_those_of_scikit_learn(rows: list[Any], new: list[Any]) -> None:
    train = frame_of({"size": [one for one, _ in rows], "color": [two for _, two in rows]})
    asked = frame_of({"size": [one for one, _ in new], "color": [two or "pink" for _, two in new]})
    assume(not np.isnan(train["size"]).all())  # such a column is not used
    columns = fitted(train, {"size": NUMBER, "color": CATEGORY})
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


def test_numbers_may_be_texts() -> None:
    [column] = fitted({"a": np.array(["1", "3", ""], object)}, {"a": NUMBER})
    assert (column.mean, column.gaps) == (2.0, True)
    assert encode_columns([column], {"a": np.array(["3", ""], object)}).tolist() == [[1, 0], [0, 1]]


@given(st.lists(st.floats(-1e300, 1e300), min_size=1), st.lists(st.floats(allow_infinity=False)))
def test_numbers_are_clipped_a_width_outside_the_training_range(seen: list[float], new: list[float]) -> None:
    [column] = fitted({"a": np.array([*seen, np.nan])}, {"a": NUMBER})
    low, high = column.clip_range
    reach = max(seen) - min(seen)
    assert (low, high) == (min(seen) - reach, max(seen) + reach)
    plain, asked = replace(column, rows=0.0), {"a": np.array([*seen, *np.clip(new, low, high)])}
    np.testing.assert_array_equal(encode_columns([column], asked), encode_columns([plain], asked))
    wild = {"a": np.array([*seen, *new])}
    np.testing.assert_array_equal(encode_columns([column], wild), encode_columns([column], asked))


def test_only_frequent_categories_have_an_input() -> None:
    often = [f"often {n % 510}" for n in range(1530)] + ["twice"] * 2 + ["once"]
    [column] = fitted({"a": np.array(often, object)}, {"a": CATEGORY})
    assert len(column.categories) == 500 and "twice" not in column.categories
    [few] = fitted({"a": np.array(["b", "b", "once", "", ""], object)}, {"a": CATEGORY})
    assert few.inputs == ("a=missing", "a=b")


def test_fewer_categories_of_many_rows_have_an_input() -> None:
    frame = {name: np.array([f"{n % 600}" for n in range(50_000)], object) for name in "ab"}
    columns = fitted(frame, dict.fromkeys("ab", CATEGORY))
    assert [len(column.categories) for column in columns] == [200, 200]
    assert len(fitted({"a": np.tile(frame["a"], 20)}, {"a": CATEGORY})[0].categories) == 50


def test_categories_are_those_of_training() -> None:
    counted, codes = (Column("a", "category", "", categories=names) for names in (("", "1", "2"), ("01", "1", "1A")))
    frame = {"a": np.array(["1", "01", "1.0", "1A", "x", ""], object)}
    assert encode_columns([counted], frame).tolist() == [[0, 1, 0], [0] * 3, [0, 1, 0], [0] * 3, [0] * 3, [1, 0, 0]]
    assert encode_columns([codes], frame).tolist() == [[0, 1, 0], [1, 0, 0], [0, 1, 0], [0, 0, 1], [0] * 3, [0] * 3]
    assert [*unknown_categories([codes], frame)][0].values["names"] == "missing, 'x'"
    assert encode_columns([counted], {"a": np.array([1.0, 2.0, np.nan])}).argmax(axis=1).tolist() == [1, 2, 0]


@pytest.mark.parametrize(
    ("frame", "sentence"),
    [
        ({"a": np.zeros(2)}, "the table lacks 'b', which the model needs"),
        ({"a": np.array(["1.5", "tall"], object)}, "the column 'a' holds 'tall', where the"),
        ({"a": np.array(["1", "inf"], object)}, "the column 'a' holds 'inf', where the"),
        ({"a": np.array([1.0, -np.inf])}, "the column 'a' holds -inf, where the"),
    ],
)
def test_columns_that_do_not_fit_are_refused(frame: Any, sentence: str) -> None:
    columns = [Column("a", "number", ""), Column("b", "category", "", categories=("x",)), Column("id", "unused", "")]
    with pytest.raises(BadInput, match=sentence):
        encode_columns(columns if "lacks" in sentence else columns[::2], frame)


def columns_of_file(folder: Path, cells: list[str]) -> tuple[tuple[Column, ...], Frame]:
    (folder / "t.csv").write_text("a\n" + "".join(f'"{cell}"\n' for cell in cells), encoding="utf-8")
    frame = read_frame(folder / "t.csv")
    return fit_columns(frame, infer_column_types(frame).values()), frame


@pytest.mark.parametrize(
    ("trained", "new", "sentence"),
    [
        ("{}%", "0.{}", "'a' were in % in training and are without a unit here; write them as in training"),
        ("0.{}", "{}%", "'a' were without a unit in training and are in % here"),
        ("{} kg", "{} lb", "'a' were in kg in training and are in lb here"),
        ("£{}", "€{}", "'a' were in £ in training and are in € here"),
        ("1:{}", "{} min", "'a' were in h:m in training and are in min here"),
        ("{} kg", "{}", None),
        ("{}", "{} kg", None),
        ("£{}", "{}", None),
        ("£{}k", "£0.{}m", None),
    ],
)
@pytest.mark.filterwarnings("ignore:the texts of the column")
def test_other_units_are_refused(tmp_path: Path, trained: str, new: str, sentence: str | None) -> None:
    columns, _ = columns_of_file(tmp_path, [trained.format(n) for n in range(10, 59, 2)])
    _, frame = columns_of_file(tmp_path, [new.format(n) for n in range(10, 59, 2)])
    with nullcontext() if sentence is None else pytest.raises(BadInput, match=sentence):
        encode_columns(columns, frame)
    in_memory = frame_of({"a": [0.5]})  # which has no signs
    with pytest.raises(BadInput) if "%" in trained else nullcontext():
        encode_columns(columns, in_memory)


def test_whole_numbers_that_would_lose_digits_are_codes(tmp_path: Path) -> None:
    codes = [2**60 + n % 4 for n in range(40)]
    for frame in (frame_of({"a": codes}), frame_of(pd.DataFrame({"a": codes}))):
        assert fit_columns(frame, infer_column_types(frame).values())[0].categories == tuple(map(str, sorted({*codes})))
    for cells in (list(map(str, codes)), ["4E2", "402", "3E1", "7"] * 9):
        assert columns_of_file(tmp_path, cells)[0][0].categories == tuple(sorted({*cells}))
    assert columns_of_file(tmp_path, ["4e+02", "3E-1", "4.0E2"] * 9)[0][0].kind == "number"


HEAVY = np.exp(np.random.default_rng(0).normal(0, 2, 400))


@pytest.mark.parametrize("factor", [1e-300, 1e-10, 1e150])
def test_pieces_do_not_depend_on_the_unit(factor: float) -> None:
    x = [
        encode_columns(fit_columns(frame, [Column("a", "number")], in_pieces=True), frame)
        for frame in (frame_of({"a": HEAVY}), frame_of({"a": HEAVY * factor}))
    ]
    np.testing.assert_allclose(*x, rtol=1e-6, atol=1e-9)


@given(st.lists(st.floats(-1e6, 1e6), min_size=40, max_size=60), st.booleans())
def test_pieces_of_a_number_add_up_to_it(values: list[float], has_gap: bool) -> None:
    frame = frame_of({"a": [*values, *([np.nan] if has_gap else [])]})
    [column] = fit_columns(frame, [Column("a", NUMBER)], in_pieces=True)
    x = encode_columns([column], frame)
    assert x.shape[1] == len(column.inputs)
    if column.knots:
        rises = np.diff(column.knots) * (x[:, 1 : len(column.knots)] + 1) / 2
        np.testing.assert_allclose(column.knots[0] + rises.sum(axis=1), x[:, 0], atol=1e-9)


def test_wide_tables_and_flags_have_no_pieces() -> None:
    random = np.random.default_rng(0)
    wide = frame_of({f"x{n}": random.normal(size=60) for n in range(20)})
    flag = frame_of({"flag": random.integers(2, size=60)})
    for frame in (wide, flag):
        columns = fit_columns(frame, [Column(name, NUMBER) for name in frame], in_pieces=True)
        assert not any(column.knots for column in columns)


@pytest.mark.parametrize(("first", "second"), [("2021-12-31", "2022-01-01"), ("2020-02-27", "2024-02-27")])
def test_the_season_returns(first: str, second: str) -> None:
    days = np.array([first, second, "2022-07-01", "2023-04-01"], object)
    columns = infer_column_types({"when": days}).values()
    fitted = fit_columns({"when": days}, columns)
    names = [name for column in fitted for name in column.inputs]
    x = encode_columns(fitted, {"when": days})
    season = x[:, [names.index("when: days, sine"), names.index("when: days, cosine")]]
    assert np.linalg.norm(season[0] - season[1]) < 0.03 < 0.5 < np.linalg.norm(season[0] - season[2])
    np.testing.assert_allclose(np.linalg.norm(season, axis=1), 1)


@given(st.permutations(["small", "medium", "large"]), st.lists(st.sampled_from(["small", "medium", "large", ""])))
def test_levels_are_numbers_in_their_order(levels: list[str], cells: list[str]) -> None:
    frame = {"size": np.array([*cells, *levels], object)}
    [declared] = infer_column_types(frame, {"size": levels}).values()
    [column] = fit_columns(frame, [declared])
    numbers = {"size": np.array([levels.index(cell) if cell else np.nan for cell in frame["size"]])}
    [number] = fit_columns(numbers, [Column("size", NUMBER)])
    np.testing.assert_array_equal(encode_columns([column], frame), encode_columns([number], numbers))
    [unknown, *_] = encode_columns([column], {"size": np.array(["huge"], object)})[0]
    assert unknown == encode_columns([column], {"size": np.array([""], object)})[0, 0]


def test_inputs_of_a_text_are_its_frequent_words() -> None:
    texts = ["Red house", "a red, old boat", "the HOUSE", "house", "rEd red red"] * 3 + ["once"]
    frame = frame_of({"title": texts})
    [column] = fit_columns(frame, [Column("title", "text")])
    assert column.inputs == ("title: house", "title: red")  # the others are in fewer than five rows
    counted = CountVectorizer(binary=True, vocabulary=["house", "red"]).transform([*texts, "", "new"]).toarray()
    np.testing.assert_array_equal(encode_columns([column], frame_of({"title": [*texts, "", "new"]})), counted)
