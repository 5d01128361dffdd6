import itertools
import re

from hypothesis import example, given
from hypothesis import strategies as st

from deltarule.reports.text_fitting import fit_names, text_width

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
        kept = {".*".join(map(re.escape, text.split("…"))) for text in (shown, re.sub(r" \d+$", "", shown))}
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
    assert fit_names(names, 40, 8) == ["m…old 1", "m…use 1", "m…old 2", "m…use 2"]
