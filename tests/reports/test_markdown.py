"""Tables of the pages: what the records say, in Markdown that a reader's tool takes as a table."""

from hypothesis import given
from hypothesis import strategies as st

from deltarule.reports import markdown

TEXTS = st.text(st.characters(blacklist_categories=["Cs", "Cc", "Zl", "Zp"]))


@given(st.integers(1, 4).flatmap(lambda n: st.lists(st.lists(TEXTS, min_size=n, max_size=n), min_size=1)))
def test_every_line_has_as_many_cells_as_the_header(rows):
    headers = [f"column {number}" for number in range(len(rows[0]))]
    lines = markdown.table(headers, rows).splitlines()
    assert len(lines) == 2 + len(rows)
    for line in lines:
        assert line.replace("\\|", "").count("|") == len(headers) + 1


def test_several_lines_stay_in_their_cell():
    assert markdown.table(["ours"], [["sum: 1\nmean: 2"]]).endswith("\n| sum: 1<br>mean: 2 |")


def share(count, of=100):
    return {"count": count, "of": of, "interval": [count / of - 0.01, count / of + 0.01], "verdict": "mixed"}


def verdict(**given):
    usual = {
        "id": "boundary-1",
        "claim": "It learns.",
        "report": "100 %",
        "ours": "98 %",
        "share": 0.5,
        "interval": [0.4, 0.6],
        "verdict": "mixed",
        "contradicts_itself": "",
        "changed": "",
        "cause": "",
        "conventions": {"": share(50)},
        "control": None,
        "control_ours": "",
    }
    return {**usual, **given}


def test_a_claim_that_fails_is_followed_by_its_cause_and_control():
    told = markdown.verdicts({"claims": [verdict(cause="the rate", control={"": share(97)}, control_ours="all right")]})
    assert "| boundary-1 | It learns. | 100 % | 98 % | 50 % (40 to 60) | **supported for some seeds only** |" in told
    assert told.endswith("- **boundary-1**: the rate. Control: all right; 97 % (96 to 98) of the seeds.")


def test_every_convention_has_its_share():
    told = markdown.verdicts({"claims": [verdict(conventions={"sum": share(20), "mean": share(50)})]})
    assert "| sum: 20 % (19 to 21); mean: 50 % (49 to 51) |" in told


def test_a_claim_that_cannot_be_tested_has_no_seeds():
    untested = verdict(share=None, interval=None, conventions={}, verdict="not testable here")
    assert "| 98 % | none | **not testable here** |" in markdown.verdicts({"claims": [untested]})


def test_flags_and_changed_criteria_are_reported():
    told = markdown.verdicts({"claims": [verdict(contradicts_itself="text and figure", changed="a slip")]})
    assert "the report contradicts itself: text and figure." in told
    assert "the criterion was changed after there were results: a slip." in told


def test_all_and_no_seeds_are_said_of_all_and_none_alone():
    told = markdown.verdicts({"claims": [verdict(conventions={"sum": share(1999, 2000), "mean": share(1, 500)})]})
    assert "| sum: 99.95 % (99 to 101); mean: 0.2 % (-1 to 1) |" in told
