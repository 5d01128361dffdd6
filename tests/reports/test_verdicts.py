"""Verdicts in words, on the terminal and in Markdown."""

import io
import re

import pytest
from rich.console import Console

from deltarule.json_files import read_json
from deltarule.reports.verdicts import VERDICT_WORDS, describe_verdict, judged_claims, verdicts_in_markdown
from deltarule.stats.intervals import Interval
from deltarule.studies.recipes import load_recipe
from deltarule.studies.verdicts import VERDICTS, Share, Verdict

STUDIES = ("encoder", "encoder-relu", "boundary-linear", "boundary-xor", "mnist", "cifar")


def test_every_verdict_has_words():
    assert set(VERDICT_WORDS) == set(VERDICTS)


@pytest.mark.parametrize("study", STUDIES)
def test_a_stored_mixed_claim_counts_the_readings_that_support_it(study):
    for claim in read_json(load_recipe(study).folder / "results.json")["claims"]:
        words = describe_verdict(claim["verdict"], claim["conventions"])
        readings = [share["verdict"] for share in claim["conventions"].values()]
        if claim["verdict"] != "mixed":
            assert words == VERDICT_WORDS[claim["verdict"]]
        elif "agrees" in readings:
            assert words.endswith(f"{readings.count('agrees')} of {len(readings)} readings")
        else:
            assert words == "supported for some seeds only"


def verdict(**given):
    usual = {
        "id": "encoder-1",
        "claim": "converges in about 3,000 iterations: [bold]every[/bold] object is right :smile:",
        "report": "about 3,000",
        "ours": "2,890 (median)",
        "share": 0.93,
        "interval": Interval(0.8627, 0.9657),
        "verdict": "agrees",
        "contradicts_itself": "",
        "cause": "",
        "criterion": "",
        "needed": 0.8,
    }
    return Verdict(**{**usual, **given})


CLAIMS = [
    verdict(conventions={"sum": Share(2, 100, None, "disagrees"), "mean": Share(93, 100, None, "agrees")}),
    verdict(id="boundary-5", verdict="disagrees", contradicts_itself="epoch 1,500 of 1,000", cause="the sum"),
    verdict(id="cifar-1", verdict="not testable here", share=None, interval=None, ours="the data are not there"),
]


def words(text):
    return set(re.findall(r"\w+", text))


@pytest.mark.parametrize("width", [50, 80, 200])
def test_claims_show_the_whole_record_at_any_width(width):
    file = io.StringIO()
    Console(file=file, width=width, highlight=False, markup=False, emoji=False).print(*judged_claims(CLAIMS), sep="\n")
    text = file.getvalue()
    assert max(map(len, text.splitlines())) <= width and "86.3 to 96.6 %" in text
    for one in CLAIMS:
        for told in (one.id, one.claim, one.report, one.ours, one.contradicts_itself, one.cause):
            assert words(told) <= words(text), told
    assert "mean (the best of 2 conventions)" in " ".join(text.split())
    assert "3 claims: 1 supported, 1 not supported, 1 not testable here" in " ".join(text.split())


def share(count, of=100):
    return {"count": count, "of": of, "interval": [count / of - 0.01, count / of + 0.01], "verdict": "mixed"}


STORED = {
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


@pytest.mark.parametrize(
    ("given", "told"),
    [
        (
            {"cause": "the rate", "control": {"": share(97)}, "control_ours": "all right"},
            "- **boundary-1**: the rate. Control: all right; 97 % (96 to 98) of the seeds.",
        ),
        ({}, "| boundary-1 | It learns. | 100 % | 98 % | 50 % (40 to 60) | **supported for some seeds only** |"),
        ({"conventions": {"sum": share(20), "mean": share(50)}}, "| sum: 20 % (19 to 21); mean: 50 % (49 to 51) |"),
        (
            {"conventions": {"a": share(1999, 2000), "b": share(1, 500)}},
            "| a: 99.95 % (99 to 101); b: 0.2 % (-1 to 1) |",
        ),
        ({"share": None, "verdict": "not testable here"}, "| 98 % | none | **not testable here** |"),
        ({"contradicts_itself": "text and figure"}, "the report contradicts itself: text and figure."),
        ({"changed": "a slip"}, "the criterion was changed after there were results: a slip."),
        ({"ours": "sum: 1\nmean: 2"}, "| sum: 1<br>mean: 2 |"),
    ],
)
def test_markdown_has_the_verdict_and_its_remarks(given, told):
    assert told in verdicts_in_markdown({"claims": [STORED | given]})
