"""Verdicts in words, on the terminal and in Markdown."""

import io
import re

import numpy as np
import pytest
from rich.console import Console

from deltarule.reports import claim_verdicts
from deltarule.reports.claim_verdicts import (
    count_verdicts,
    describe_condition,
    describe_figure,
    describe_figures,
    describe_share,
    describe_verdict,
    judged_claims,
)
from deltarule.stats.intervals import exact_share_interval
from deltarule.studies import verdicts
from deltarule.studies.claims import Evidence
from deltarule.studies.verdicts import ControlResult, Verdict, combine_verdicts, judge_reading


@pytest.mark.parametrize(
    ("codes", "described"),
    [
        (["undecided"], "undecided (too few seeds)"),
        (["agrees", "agrees"], "2 held, 0 refuted, 0 open of 2 readings: supported"),
        (["compatible", "disagrees", "disagrees"], "1 held, 2 refuted, 0 open of 3 readings: depends on the reading"),
        (["agrees", "some seeds", "tie"], "1 held, 1 refuted, 1 open of 3 readings: depends on the reading"),
        (["agrees", "undecided"], "1 held, 0 refuted, 1 open of 2 readings: supported where decided"),
        (
            ["disagrees", "some seeds", "tie", "no verdict"],
            "0 held, 2 refuted, 2 open of 4 readings: not supported where decided",
        ),
        (["tie", "tie"], "0 held, 0 refuted, 2 open of 2 readings: a tie"),
        (["no verdict", "no verdict"], "figures without a verdict"),
    ],
)
def test_a_verdict_follows_the_count_of_its_readings(codes, described):
    readings = {str(index): {"verdict": code} for index, code in enumerate(codes)}
    assert describe_verdict({"verdict": combine_verdicts(codes), "readings": readings}) == described


def test_readings_are_counted_as_they_are_judged():
    assert {*claim_verdicts.HELD} == verdicts.HOLDS and {*claim_verdicts.REFUTED} == verdicts.REFUTED


def test_share_and_condition_are_described():
    assert (
        describe_share({"count": 93, "of": 100, "interval": [0.86, 0.97]}, 0.9) == "93 % of 100 (86 to 97), needed 90 %"
    )
    reading = {"of": 100, "conditions": {"stops": 93}, "parts": {"stops": "agrees"}}
    assert describe_condition(reading, "stops") == "93 % (supported)"


def test_a_condition_has_an_interval_of_the_readings_confidence():
    """Clopper and Pearson at 95 % for 93 of 100: 86 to 97; at 99 %: 84 to 98 (tables of the binomial law)."""
    for confidence, text in [(0.95, "86 to 97"), (0.99, "84 to 98")]:
        for count in (0, 50, 100):
            interval = exact_share_interval(count, 100, confidence)
            reading = {"of": 100, "count": count, "interval": interval, "conditions": {"stops": 93}}
            assert describe_condition(reading, "stops") == f"93 % ({text})"


def test_supported_claims_are_counted_first():
    counts = count_verdicts(["mixed", "agrees", "agrees"])
    assert [*counts.values()] == [("supported", 2), ("depends on the reading", 1)]


def test_reading_is_described_in_one_line():
    figures = {"epochs": {"median": 233.0, "low": 229.0, "high": None}}
    reading = {"of": 100, "conditions": {"stops": 93}, "figures": figures, "remark": "4 of 6 inside"}
    assert describe_figures(reading) == "stops 93 %; epochs 233 (229 to none); 4 of 6 inside"


@pytest.mark.parametrize(("of", "none"), [(20, False), (999, False), (1000, True), (5000, True)])
def test_none_of_many_seeds_cannot_hold(of, none):
    shown = [describe_share(vars(judge_reading(Evidence(np.arange(of) < count), 0.5))) for count in (0, 1)]
    assert ["cannot hold under this reading" in text for text in shown] == [none, False]


def verdict(**given):
    usual = {
        "id": "encoder-1",
        "claim": "converges in about 3,000 iterations: [bold]every[/bold] object is right :smile:",
        "report": "about 3,000",
        "verdict": "agrees",
        "criterion": "within a factor √2 of 3,000 every object is right",
        "needed": 0.8,
    }
    return Verdict(**{**usual, **given})


def reading(count):
    return judge_reading(Evidence(np.arange(100) < count, {"iterations": np.arange(100.0)}, "as told"), 0.8)


CLAIMS = [
    verdict(verdict="mixed", readings={"sum": reading(2), "mean": reading(93)}, changed="a slip"),
    verdict(
        id="boundary-xor-5",
        verdict="disagrees",
        contradicts_itself="epoch 1,500 of 1,000",
        controls=(ControlResult("sum", "another rate", reading(93), 0, 91, flipped=True),),
    ),
    verdict(id="cifar-1", verdict="not testable here", remark="the data are not there"),
]


def words(text):
    return set(re.findall(r"\w+", text))


@pytest.mark.parametrize("width", [50, 80, 200])
def test_claims_show_the_whole_record_at_any_width(width):
    file = io.StringIO()
    Console(file=file, width=width, highlight=False, markup=False, emoji=False).print(*judged_claims(CLAIMS), sep="\n")
    text = file.getvalue()
    assert max(map(len, text.splitlines())) <= width
    flat = " ".join(text.split())
    for one in CLAIMS:
        for told in (one.id, one.claim, one.report, one.remark, one.criterion, one.contradicts_itself):
            assert words(told) <= words(text), told
    for told in (
        "sum: 2 % of 100 (0 to 7), needed 80 %",
        "mean: 93 % of 100 (86 to 97), needed 80 %",
        "iterations 49.5 (39 to 60)",
        "1 held, 1 refuted, 0 open of 2 readings: depends on the reading",
        'another rate (beside "sum")',
    ):
        assert told in flat, told
    assert "3 claims: 1 not supported, 1 depends on the reading, 1 not testable here" in flat


@pytest.mark.parametrize("value", [1e11, -3.2e12, 2.0142e27, 7.7e300])
def test_no_figure_is_longer_than_it_is_precise(value):
    text = describe_figure({"median": value, "low": value, "high": None})
    assert len(text.partition(" (")[0]) <= 15 and text.endswith(" to none)")
    mantissa, _, power = text.partition(" (")[0].replace(",", "").partition(" × 10")
    tens = int("".join(str("⁰¹²³⁴⁵⁶⁷⁸⁹".index(digit)) for digit in power) or 0)
    assert float(mantissa) * 10.0**tens == pytest.approx(value, rel=0.05)
