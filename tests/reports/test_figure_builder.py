import itertools
import re
import warnings

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from deltarule.reports import style
from deltarule.reports.comparison_figures import spreads
from deltarule.reports.figures import comparison_curves, object_curves, save
from deltarule.reports.report import Block, Report, Section, report_page
from deltarule.reports.score_figures import confusion_matrix
from deltarule.reports.svg_embed import embed_figure
from deltarule.reports.text_fitting import fit_names, fit_text, text_width, wrap_names, wrap_text

words = st.text("abcdefgh $…", max_size=30).map(lambda text: " ".join(text.split()))


@given(st.lists(words, max_size=6), st.integers(30, 100))
@example(["mean income of households", "mean income of persons", "age"], 60)
@example(["x" * 40, "x" * 41, "x" * 42], 50)
@example(["households 12 of all", "households of all 12"], 56)
@example(["households12 of all", "households 12 of all"], 56)
def test_fitted_names_have_room_and_are_as_they_are_where_they_fit(names, points):
    for name, shown in zip(names, fit_names(names, points, 8), strict=True):
        shown = shown.replace(r"\$", "$")
        assert text_width(shown, 8) <= points
        kept = {".*".join(map(re.escape, text.split("…"))) for text in (shown, re.sub(r"… \d+$", "…", shown))}
        assert any(re.fullmatch(text, name) for text in kept) or "…" in name
        if text_width(name, 8) <= points:
            assert shown == name


@given(st.text("abcd", min_size=5, max_size=12), st.lists(st.text("efgh", min_size=1, max_size=30), unique=True))
def test_names_that_differ_behind_a_long_start_are_distinguished(start, ends):
    """Where they differ is shown, whatever they have in common before."""
    shown = fit_names([8 * start + end for end in ends], 80, 8)
    for one, other in itertools.combinations(range(len(ends)), 2):
        alike = len(ends[one]) > 6 or len(ends[other]) > 6  # what differs farther on than there is room
        assert alike or shown[one] != shown[other]


@given(st.lists(st.one_of(words, st.text("ab 1…", max_size=40)), max_size=20), st.integers(40, 134))
@example(["mean rooms household", "mean rooms house", "mean persons household", "mean persons house"], 40)
@example(["mean rooms household", "mean rooms house", "mean persons household", "mean persons house", "mean… 1"], 40)
def test_no_two_names_look_alike(names, points):
    shown = dict(zip([" ".join(name.split()) for name in names], fit_names(names, points, 8), strict=True))
    assert len(set(shown.values())) == len(shown)


def test_names_that_no_cut_distinguishes_are_numbered():
    names = ["mean rooms household", "mean rooms house", "mean persons household", "mean persons house"]
    assert fit_names(names, 40, 8) == ["mean… 1", "mean r…", "mean… 2", "mean p…"]


def test_a_name_alone_is_cut_at_its_end():
    assert fit_names(["learning rate", "momentum"], 40, 8) == [
        fit_text(name, 40, 8) for name in ("learning rate", "momentum")
    ]
    assert fit_names(["learning rate"], 40, 8) == ["learnin…"]


def test_the_blank_where_names_part_stays():
    assert [one.partition("…")[2] for one in fit_names(["households x_1", "households 1"], 56, 8.5)] == [" x_1", " 1"]


@pytest.mark.parametrize(("width", "lines"), [(26, 4), (7, 4), (4, 4)])
def test_of_wrapped_names_none_look_alike(width, lines):
    long = [f"configuration with a very long name that differs at the end, {number}$" for number in range(6)]
    shown = wrap_names([*long, *long, "short"], width, lines)
    assert len(set(shown)) == 7 and shown[:6] == shown[6:12] and shown[-1] == wrap_text("short", width, lines)
    assert all(rf"{number}\$" in text for number, text in enumerate(shown[:6]))
    assert all(len(line) <= width for text in shown for line in text.replace(r"\$", "$").splitlines())


def test_wrapped_names_of_narrow_letters_have_no_more_lines_than_others():
    names = [f"{'i' * 600}{number}{'i' * 600}" for number in (1, 2)]
    shown = wrap_names(names, 26)
    assert shown[0] != shown[1] and max(len(text.splitlines()) for text in shown) <= 4


@pytest.mark.parametrize(
    ("values", "least"),
    [([1.9405985, 1.940598502, 1.9405985001], 1.9405984), ([1e15, 1e15 + 8], 1e14), ([1.0, 1.0 + 1e-12], 0.99)],
)
def test_numbers_along_an_axis_are_whole(values, least):
    """None of them has to be added to one that stands elsewhere, as 5.0 to 1.9405."""
    for figure in (
        comparison_curves({"a": (range(len(values)), values)}, parameter="rate"),
        spreads({"a": values}, option="rate", quantity="cost"),
    ):
        figure.draw_without_rendering()
        axis = figure.axes[0].yaxis
        low, high = axis.get_view_interval()
        told = [(text.get_text(), at) for text, at in zip(axis.get_ticklabels(), axis.get_ticklocs(), strict=True)]
        assert not axis.get_offset_text().get_text()
        assert all(float(text) == pytest.approx(at, abs=(high - low) / 10) for text, at in told if low <= at <= high)
        assert least < low


@pytest.mark.parametrize("last", [0, 1, 7])
def test_updates_are_whole_numbers_and_each_stands_once(last):
    figure = object_curves([0, last] if last else [0], np.full((2 if last else 1, 1), 0.5), ["a"])
    figure.canvas.draw()
    axes = figure.axes[0]
    low, high = axes.get_xlim()
    shown = [
        text.get_text() for at, text in zip(axes.get_xticks(), axes.get_xticklabels(), strict=True) if low <= at <= high
    ]
    assert "0" in shown and len(set(shown)) == len(shown) and not {"-0", "−0"} & set(shown)


def test_letters_that_the_font_lacks_are_drawn_without_a_warning(tmp_path):
    """A reader of the SVG has fonts of their own."""
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        for figure in (
            object_curves([0, 1], [[0.1], [0.9]], ["日本語クラス"]),
            confusion_matrix([[1]], ["日本語クラス"]),
        ):
            save(figure, tmp_path / "figure")
            assert "日本語" in embed_figure(figure, "figure").svg
        with style.style_context():
            warnings.warn("something else", stacklevel=1)
    assert [str(one.message) for one in told] == ["something else"]


def test_words_keep_their_order_around_names_that_are_written_from_the_right():
    name = "\N{HEBREW LETTER SHIN}\N{HEBREW LETTER MEM}"
    made = embed_figure(object_curves([0, 10], [[0.5], [0.9]], [name]), "one")
    assert f"updates: \u2068{name}\u2069 from 0.5 at 0 to 0.9 at 10." in made.alt
    assert made.hover[0]["curves"][0]["name"] == f"\u2068{name}\u2069" and made.table[0][1] == name
    assert f"\u2068{name}\u2069" in report_page(Report("", [Section("a", "", "", [Block("b", "", figures=[made])])]))
