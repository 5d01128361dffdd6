"""Verdicts: what a share of seeds says, what a control run says of a cause, and how many seeds a claim needs."""

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from scipy.stats import binom, binomtest

from deltarule.recipes import load_recipe
from deltarule.studies.claims import RULES, Control, Evidence, claim, is_about, is_as_far_out, until_refuted
from deltarule.studies.experiments import Experiments
from deltarule.studies.verdicts import (
    Reading,
    Verdict,
    combine_verdicts,
    judge_claim,
    judge_reading,
    judge_share,
    looks_up_to,
    min_seeds,
    surviving_verdicts,
)

FALLS = {"says": "it falls", "report": "down", "criterion": "it falls", "needed": 0.5}
FAILS = ("disagrees", "some seeds")


def some(count, of):
    return np.arange(of) < count


@pytest.mark.parametrize(
    ("count", "verdict", "flipped", "claim_only", "control_only"),
    [
        (20, "agrees", True, 0, 20),
        (10, "undecided", False, 0, 10),
        (5, "some seeds", False, 0, 5),
        (0, "disagrees", False, 0, 0),
    ],
)
def test_controls_are_compared_seed_by_seed(count, verdict, flipped, claim_only, control_only):
    @claim("one", **FALLS, controls=[Control("the rate", {"held": count})])
    def one(experiments, held=0):
        return Evidence(some(held, 20))

    [control] = judge_claim(one, Experiments(load_recipe("encoder"), seeds=20)).controls
    found = (control.result.verdict, control.flipped, control.claim_only, control.control_only)
    assert found == (verdict, flipped, claim_only, control_only)


@given(st.integers(1, 40), st.floats(0.01, 0.99))
@example(1, 0.9)
@example(6, 0.5)
@example(5, 0.9)
def test_error_rate_of_verdicts(seeds, needed):
    """Where a claim holds for just what is needed, each end of the interval errs once in forty at most."""
    chances = binom.pmf(np.arange(seeds + 1), seeds, needed)
    verdicts = [judge_share(count, seeds, needed)[2] for count in range(seeds + 1)]
    for wrong in (("agrees",), FAILS):
        assert sum(chances[count] for count, verdict in enumerate(verdicts) if verdict in wrong) <= 0.025 + 1e-9


@pytest.mark.parametrize("limit", [5, 6, 7, 20, 24, 96, 300, 1000])
@pytest.mark.parametrize("needed", [0.05, 0.3, 0.5, 0.9])
def test_error_rate_of_verdicts_over_more_and_more_seeds(limit, needed):
    """Where a claim holds for just what is needed, some look decides once in twenty at most: counted exactly."""
    chances, before, wrong = np.ones(1), 0, 0.0
    for look in looks_up_to(limit):
        chances = np.convolve(chances, binom.pmf(np.arange(look.seeds - before + 1), look.seeds - before, needed))
        before = look.seeds
        verdicts = [judge_share(count, look.seeds, needed, look.confidence)[2] for count in range(look.seeds + 1)]
        decided = ~np.isin(verdicts, ["undecided", "tie"])
        wrong += chances[decided].sum()
        chances[decided] = 0
    assert before == limit and wrong <= 0.05


def test_a_reading_is_judged_at_the_first_look_that_decides_it():
    asked = []

    @claim("one", **FALLS, readings={"all": {"share": 1}, "most": {"share": 0.7}, "late": {"share": 1, "least": 24}})
    def one(experiments, share, least=0):
        asked.append(experiments.seeds)
        holds = 9 - np.arange(experiments.seeds) % 10 < 10 * share
        return Evidence(holds if experiments.seeds >= least else None)

    experiments = Experiments(load_recipe("encoder"), seeds=300)
    readings = judge_claim(one, experiments, looks_up_to(300)).readings
    assert [one.of for one in readings.values()] == [6, 96, 24] and asked == [6, 6, 24, 96, 6, 24]
    assert {one.verdict for one in readings.values()} == {"agrees"}


@pytest.mark.parametrize("count", [0, 3, 11, 17, 20])
def test_intervals_and_p_values_are_scipys(count):
    interval, p_value, verdict = judge_share(count, 20, 0.5)
    expected = binomtest(count, 20, 0.5)
    assert tuple(interval) == pytest.approx(tuple(expected.proportion_ci(0.95)))
    assert p_value == pytest.approx(expected.pvalue)
    assert (verdict == "undecided") == (interval.low < 0.5 < interval.high)


@given(st.integers(1, 60), st.integers(2, 40), st.sampled_from([0.3, 0.5, 0.9]), st.data())
def test_few_seeds_are_not_harsher_than_many_of_the_same_share(of, times, needed, data):
    count = data.draw(st.integers(0, of))
    few, many = (judge_share(k * count, k * of, needed)[2] for k in (1, times))
    assert few not in FAILS or many in FAILS, "what few seeds decide, more of the same decide alike"
    assert few != "disagrees" or many == "disagrees"


@given(st.integers(1, 2000), st.sampled_from([0.3, 0.5, 0.9]), st.data())
def test_a_tie_is_near_the_needed_share_and_undecided_can_still_be_decided(of, needed, data):
    count = data.draw(st.integers(0, of))
    interval, _, verdict = judge_share(count, of, needed)
    is_near = needed - 0.05 <= interval.low and interval.high <= needed + 0.05
    assert (verdict in ("tie", "undecided")) == (interval.low <= needed <= interval.high)
    assert verdict not in ("tie", "undecided") or (verdict == "tie") == is_near


def test_all_conditions_must_hold():
    reading = judge_reading(
        Evidence({"a": some(60, 100), "b": ~some(40, 100)}, {"loss": [*[1.0] * 40, *[np.inf] * 60]}), 0.5
    )
    assert (reading.count, reading.conditions) == (20, {"a": 60, "b": 60})
    assert (reading.figures["loss"].median, reading.figures["loss"].low) == (None, 1.0)


def test_what_needs_no_seeds():
    assert judge_reading(Evidence(True), 0.5).verdict == "agrees"
    assert judge_reading(Evidence(None, {"hours": [3.0]}), 0.5).verdict == "no verdict"


@pytest.mark.parametrize(
    ("verdicts", "expected"),
    [
        (("agrees", "undecided"), "agrees where decided"),
        (("compatible", "tie"), "agrees where decided"),
        (("agrees", "no verdict"), "agrees where decided"),
        (("disagrees", "undecided"), "disagrees where decided"),
        (("tie", "some seeds", "disagrees"), "disagrees where decided"),
        (("agrees", "disagrees"), "mixed"),
        (("agrees", "undecided", "disagrees"), "mixed"),
        (("agrees", "tie", "disagrees"), "mixed"),
        (("agrees", "some seeds"), "mixed"),
        (("tie", "tie"), "tie"),
        (("tie", "undecided"), "undecided"),
        (("no verdict", "tie"), "undecided"),
        (("no verdict", "no verdict"), "no verdict"),
        (("disagrees", "some seeds"), "some seeds"),
        (("compatible", "agrees"), "compatible"),
        (("agrees", "agrees"), "agrees"),
        ((), "not testable here"),
    ],
)
def test_combined_verdicts(verdicts, expected):
    assert combine_verdicts(verdicts) == expected


@given(st.lists(st.floats(0, 1), min_size=1, max_size=12))
def test_surviving_verdicts_are_those_of_holm(p_values):
    """Each claim has one reading that is not supported, with a p-value of its own."""
    readings = [Reading(0, 9, None, p, "disagrees") for p in p_values]
    verdicts = [Verdict("", "", "", "", 0.5, "disagrees", {"": reading}) for reading in readings]
    order, rejected = np.argsort(p_values), np.zeros(len(p_values), bool)
    for rank, index in enumerate(order):
        if p_values[index] > 0.05 / (len(p_values) - rank):
            break
        rejected[index] = True
    assert surviving_verdicts(verdicts) == tuple(rejected)


def test_figure_is_far_out_on_its_rarer_side():
    values = [1.0, 2.0, 3.0, np.inf]
    assert is_as_far_out(values, 2.5).tolist() == [True, True, False, False]
    assert not is_as_far_out(values, 0.5).any()


@pytest.mark.parametrize("needed", [0.3, 0.5, 0.8, 0.9])
def test_fewer_seeds_than_the_least_support_no_claim(needed):
    least = min_seeds(needed)
    assert judge_share(least, least, needed)[2] == "agrees"
    assert all(judge_share(of, of, needed)[2] != "agrees" for of in range(1, least))


def test_no_number_of_seeds_shows_that_all_do():
    assert min_seeds(1) is None


def test_about_is_within_a_factor_of_root_two():
    assert is_about([0.7, 0.71, 1.41, 1.42], 1.0).tolist() == [False, True, True, False]


# --- the rule --------------------------------------------------------------------------------------------------------


def judged(rule, shares, seeds=300, **given):
    """The verdict on a claim of a rule, with a reading for each share of the seeds for which it holds."""
    readings = {f"reading {share}": {"share": share} for share in shares}

    @claim("one", **{**FALLS, "needed": RULES[rule]}, rule=rule, readings=readings, **given)
    def one(experiments, share):
        return Evidence(some(round(share * experiments.seeds), experiments.seeds))

    return judge_claim(one, Experiments(load_recipe("encoder"), seeds=seeds), looks_up_to(seeds))


@pytest.mark.parametrize(
    ("rule", "share", "verdict"),
    [
        ("one network", 0.3, "compatible"),
        ("one network", 0.0, "disagrees"),
        ("one mean of five", 0.3, "compatible"),
        ("what happens", 0.75, "some seeds"),
        ("what happens", 1.0, "agrees"),
        ("comparison", 0.75, "agrees"),
        ("images", 0.7, "undecided"),
        ("images", 1.0, "agrees"),
        ("not testable", 1.0, "not testable"),
    ],
)
def test_a_claim_is_judged_by_its_row(rule, share, verdict):
    result = judged(rule, [share])
    assert (result.verdict, result.rule) == (verdict, rule)
    assert (result.readings[f"reading {share}"].of == 6) or rule != "images"


@pytest.mark.parametrize(("chose", "is_said"), [("reading 0.3", True), ("reading 0.4", False), ("", False)])
def test_what_only_its_own_figures_chose_is_no_support(chose, is_said):
    result = judged("one network", [0.3, 0.0], chose=chose)
    assert result.verdict == "mixed" and ("that is no support" in result.remark) == is_said
    assert "no support" not in judged("one network", [0.3, 0.4], chose=chose).remark


def test_stages_end_where_no_seed_is_left():
    asked = []

    def judge(stage):
        asked.append(stage)
        return Evidence({"a": some(2, 3), "b": np.array([stage < 2, False, True])}, {"stage": [stage]})

    def none_left(stage):
        return Evidence(some(0, 3), {"stage": [stage]})

    assert until_refuted([1, 2, 3], judge).figures == {"stage": [2]} and asked == [1, 2]
    assert until_refuted([1, 2], lambda stage: Evidence(some(1, 3), {"stage": [stage]})).figures == {"stage": [2]}
    assert until_refuted([5, 6], none_left).figures == {"stage": [5]}
