import itertools
import re

from hypothesis import example, given
from hypothesis import strategies as st

from deltarule.reports.text_fitting import fit_text, text_width

words = st.text("abcdefgh $…", max_size=30).map(lambda text: " ".join(text.split()))


@given(words, st.integers(30, 100))
@example("mean income of households", 60)
@example("x" * 41, 50)
def test_fitted_text_has_room_and_is_as_it_is_where_it_fits(name, points):
    shown = fit_text(name, points, 8).replace(r"\$", "$")
    assert text_width(shown, 8) <= points
    assert re.fullmatch(".*".join(map(re.escape, shown.split("…"))), name) or "…" in name
    if text_width(name, 8) <= points:
        assert shown == name


@given(st.text("abcd", min_size=5, max_size=12), st.lists(st.text("efgh", min_size=1, max_size=30), unique=True))
def test_names_that_differ_behind_a_long_start_are_distinguished(start, ends):
    """Where they differ is shown, whatever they have in common before."""
    shown = [fit_text(8 * start + end, 80, 8) for end in ends]
    for one, other in itertools.combinations(range(len(ends)), 2):
        alike = len(ends[one]) > 6 or len(ends[other]) > 6  # what differs farther on than there is room
        assert alike or shown[one] != shown[other]
