"""Verdicts: what a share of seeds says, what a control run says of a cause, and how many seeds a claim needs."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from deltarule.studies.experiments import Experiments
from deltarule.studies.recipes import load_recipe
from deltarule.studies.verdicts import Evidence, claim, judged, least_seeds, share

Z = 1.959963984540054
"""What a normal number exceeds in 2.5 of 100."""


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
def test_a_control_says_that_a_claim_holds_or_not_or_that_it_cannot_tell(count, told, flipped):
    """Wilson's intervals of 20, 10, 5 and 0 of 20 are 84 to 100 %, 30 to 70 %, 11 to 47 % and 0 to 16 %."""

    @claim("one", says="it falls", report="down", criterion="it falls", needed=0.5)
    def one(experiments):
        return Evidence("it rose", {"": some(0, 20)})

    @one.control("the rate")
    def _(experiments):
        return Evidence("it fell", {"": some(count, 20)})

    verdict = judged(one, Experiments(load_recipe("encoder"), seeds=20))
    assert (verdict.cause, verdict.flipped) == (told, flipped)


@given(st.floats(0.01, 0.999))
def test_the_least_number_of_seeds_is_where_the_interval_of_all_begins_at_what_is_needed(needed):
    """Wilson's interval of n of n begins at n / (n + z²)."""
    wanted = Z * Z * needed / (1 - needed)
    assert math.floor(wanted) <= least_seeds(needed) <= max(math.ceil(wanted), 1)


def test_with_one_seed_less_a_claim_that_holds_for_all_is_undecided():
    assert share(some(35, 35), 0.9).verdict == "agrees"
    assert share(some(34, 34), 0.9).verdict == "undecided"
    assert least_seeds(1.0) is None


def test_what_disagrees_has_an_interval_that_reaches_below_a_tenth():
    """Wilson's interval of 2 of 20 is 3 to 30 %, of 5 of 20 it is 11 to 47 %, of 0 of 4 it is 0 to 49 %."""
    assert [share(some(*one), 0.5).verdict for one in ((2, 20), (5, 20), (0, 4))] == ["disagrees", "mixed", "disagrees"]
