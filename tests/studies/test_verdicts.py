"""Verdicts: what a share of seeds says, what a control run says of a cause, and how many seeds a claim needs."""

import math

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from scipy.stats import binom

from deltarule.errors import BadInput
from deltarule.studies.experiments import Experiments
from deltarule.studies.recipes import load_recipe
from deltarule.studies.verdicts import Evidence, claim, combine_verdicts, judge_claim, min_seeds, share

FALLS = {"says": "it falls", "report": "down", "criterion": "it falls", "needed": 0.5}


def some(count, of):
    return np.arange(of) < count


@pytest.mark.parametrize(
    ("count", "told", "flipped"),
    [
        (20, "the rate: in a control run that changes this, the claim holds", True),
        (
            10,
            "supposed: the rate; in a control run that changes this, the seeds do not tell whether the claim holds",
            False,
        ),
        (5, "supposed: the rate; in a control run that changes this, the claim still does not hold", False),
        (0, "supposed: the rate; in a control run that changes this, the claim still does not hold", False),
    ],
)
def test_control_sentences(count, told, flipped):
    """The intervals of 20, 10, 5 and 0 of 20 are 87 to 100 %, 31 to 69 %, 11 to 44 % and 0 to 13 %."""

    @claim("one", **FALLS, cause="the rate", control={"held": count})
    def one(experiments, held=0):
        return Evidence("it fell", {"": some(held, 20)})

    verdict = judge_claim(one, Experiments(load_recipe("encoder"), seeds=20))
    assert (verdict.cause, verdict.flipped) == (told, flipped)


@given(st.integers(1, 40), st.floats(0.01, 0.99))
@example(1, 0.9)
@example(4, 0.5)
@example(7, 0.5)
@example(5, 0.9)
def test_error_rate_of_verdicts(seeds, needed):
    """Where a claim holds for just what is needed, it must not fail; for a little less, it must not agree."""
    chances = binom.pmf(np.arange(seeds + 1), seeds, needed)
    verdicts = [share(some(count, seeds), needed).verdict for count in range(seeds + 1)]
    for wrong in (("agrees",), ("disagrees", "mixed")):
        assert sum(chances[count] for count, verdict in enumerate(verdicts) if verdict in wrong) <= 1 / 16 + 1e-9


@pytest.mark.parametrize(("count", "of", "needed"), [(4, 4, 0.5), (6, 7, 0.5), (2, 2, 0.25), (1, 1, 1 / 16)])
def test_exact_error_probability_decides(count, of, needed):
    """Of seven, six or all: 8 of 128."""
    assert share(some(count, of), needed).verdict == "agrees"
    assert share(some(of - count, of), 1 - needed).verdict in ("disagrees", "mixed")
    assert share(some(count - 1, of), needed).verdict == "undecided"


def test_verdicts_if_all_seeds_are_needed():
    assert [share(some(count, 5), 1).verdict for count in (5, 4, 0)] == ["undecided", "mixed", "disagrees"]


@given(st.floats(0.01, 0.999))
@example(0.5)
def test_min_seeds(needed):
    """If the share were just what is needed, all n would hold with its n-th power."""
    wanted = math.log(1 / 16) / math.log(needed)
    assert math.floor(wanted) <= min_seeds(needed) <= max(math.ceil(wanted), 1)


def test_one_seed_too_few_is_undecided():
    assert share(some(27, 27), 0.9).verdict == "agrees"
    assert share(some(26, 26), 0.9).verdict == "undecided"
    assert min_seeds(1.0) is None


def test_disagrees_or_mixed():
    """The interval of 2 of 20 is 2 to 27 %, of 5 of 20 it is 11 to 44 %, of 0 of 4 it is 0 to 50 %."""
    assert [share(some(*one), 0.5).verdict for one in ((2, 20), (5, 20), (0, 4))] == ["disagrees", "mixed", "disagrees"]


def test_undecided_claims_run_controls():
    @claim("one", **FALLS, cause="the rate", control={"held": 20})
    def one(experiments, held=10):
        return Evidence(f"{held} times", {"": some(held, 20)})

    verdict = judge_claim(one, Experiments(load_recipe("encoder"), seeds=20))
    assert (verdict.verdict, verdict.control_ours, verdict.flipped) == ("undecided", "20 times", True)


@pytest.mark.parametrize("needed", [0, 1.5])
def test_needed_share_is_checked(needed):
    with pytest.raises(BadInput, match="above 0, up to 1"):
        claim("one", **{**FALLS, "needed": needed})(lambda experiments: None)


@pytest.mark.parametrize(
    ("verdicts", "expected"),
    [
        (("agrees", "undecided"), "undecided"),
        (("disagrees", "undecided"), "undecided"),
        (("agrees", "disagrees"), "mixed"),
        (("agrees", "undecided", "disagrees"), "mixed"),
        (("agrees", "mixed"), "mixed"),
        (("undecided", "mixed"), "mixed"),
        (("disagrees", "mixed"), "mixed"),
        (("agrees", "agrees"), "agrees"),
        ((), "not testable here"),
    ],
)
def test_combined_verdicts(verdicts, expected):
    assert combine_verdicts({str(place): one for place, one in enumerate(verdicts)}) == expected


@pytest.mark.parametrize(("conventions", "seeds", "truth"), [(2, 100, 0.85), (4, 30, 0.85), (4, 100, 0.9)])
def test_true_claims_are_rarely_refuted(conventions, seeds, truth):
    random = np.random.default_rng(0)
    found = [
        combine_verdicts({str(place): share(row < truth, 0.8).verdict for place, row in enumerate(tries)})
        for tries in random.random((400, conventions, seeds))
    ]
    assert np.mean([one in ("mixed", "disagrees") for one in found]) <= conventions / 16
