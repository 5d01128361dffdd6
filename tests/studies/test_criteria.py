"""Stored results: judged by the criteria that stand beside the claims, and shown on the pages."""

import re
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import pytest

from deltarule.recipes import bundled_studies, load_recipe
from deltarule.studies import claim_results
from deltarule.studies.claim_results import PUBLISHED, outdated_claims, published_results, published_text
from deltarule.studies.claims import RULES, claims_of_study
from deltarule.studies.verdicts import CONFIDENCE, combine_verdicts, judge_share, looks_up_to, verdict_by_rule

STUDIES = [name for name, _, _ in bundled_studies() if claims_of_study(load_recipe(name))]
PAGES = Path(__file__).parents[2] / "docs" / "studies"


@pytest.mark.parametrize("study", STUDIES)
def test_stored_claims_were_judged_by_their_criteria(study):
    recipe = load_recipe(study)
    waiting = []
    for verdict, claim in zip(published_results(recipe).claims, claims_of_study(recipe), strict=True):
        assert (verdict.id, verdict.claim, verdict.criterion) == (claim.id, claim.says, claim.criterion)
        assert list(verdict.readings) in ([], list(claim.readings)), f"judge {claim.id} again"
        if not verdict.readings:
            waiting.append(claim.id)
            assert verdict.verdict == "no verdict" and "not judged again yet" in verdict.remark
    assert set(outdated_claims(recipe)) <= set(waiting), "judge them again"


@pytest.mark.parametrize("changed", [{"criterion": "other"}, {"needed": 0.7}, {"readings": {"other": {}}}])
def test_a_claim_with_another_criterion_is_outdated(changed, monkeypatch):
    recipe = load_recipe("encoder")
    first, *others = claims_of_study(recipe)
    assert outdated_claims(recipe) == ()
    monkeypatch.setattr(claim_results, "claims_of_study", lambda _: (replace(first, **changed), *others))
    assert outdated_claims(recipe) == (first.id,)


@pytest.mark.parametrize("study", STUDIES)
def test_a_record_is_written_as_it_was_read(study):
    recipe = load_recipe(study)
    stored = (recipe.folder / PUBLISHED).read_text(encoding="utf-8")
    assert published_text(recipe, published_results(recipe)) == stored


@pytest.mark.parametrize("study", STUDIES)
def test_stored_verdicts_follow_from_the_counts(study):
    results = published_results(load_recipe(study))
    for verdict in results.claims:
        controls = [control.result for control in verdict.controls]
        for reading in [*verdict.readings.values(), *controls]:
            if reading.interval is not None:
                looks = [CONFIDENCE, *(look.confidence for look in looks_up_to(results.seeds))]
                judged = [judge_share(reading.count, reading.of, verdict.needed, one) for one in looks]
                [(_, p_value, code), *_] = [one for one in judged if tuple(reading.interval) == pytest.approx(one[0])]
                expected = verdict_by_rule(code, verdict.rule)
                assert (reading.verdict, reading.p_value) == (expected, pytest.approx(p_value))
        if verdict.readings:
            codes = [one.verdict for one in verdict.readings.values()]
            assert verdict.verdict == combine_verdicts(codes, verdict.rule)


@pytest.mark.slow
def test_statements_name_claims_that_are_there():
    """Every claim is named by a line, and every name is a claim's."""
    ids = {claim.id for study in STUDIES for claim in claims_of_study(load_recipe(study))}
    files = (load_recipe(study).folder / "statements.csv" for study in STUDIES)
    lines = [line for file in files if file.is_file() for line in file.read_text(encoding="utf-8").splitlines()]
    named = set(re.findall(r"\b(?:boundary-(?:linear|xor)|encoder-relu|encoder|mnist|cifar)-\d+", "\n".join(lines)))
    assert named <= ids and ids - named == set()


def test_claims_have_ids_of_their_own():
    ids = [claim.id for study in STUDIES for claim in claims_of_study(load_recipe(study))]
    assert len(set(ids)) == len(ids)


@pytest.mark.parametrize("study", STUDIES)
def test_claims_stand_in_order(study):
    numbers = [int(claim.id.rpartition("-")[2]) for claim in claims_of_study(load_recipe(study))]
    assert all(first < second for first, second in pairwise(numbers))


@pytest.mark.parametrize("study", STUDIES)
def test_errata_name_every_changed_criterion(study):
    """In a list such as "boundary-xor-7, 14" the later numbers stand alone; older lists name both boundary studies."""
    text = (PAGES / "errata.md").read_text(encoding="utf-8")
    changed = [claim.id.rpartition("-") for claim in claims_of_study(load_recipe(study)) if claim.changed]
    for name, _, number in changed:
        names = "|".join({name, re.sub("-(linear|xor)$", "", name)})
        lists = re.findall(rf"(?<![a-z-])(?:{names})-(\d+(?:(?:, | and |; )\d+)*)", text)
        assert number in re.findall(r"\d+", " ".join(lists)), f"{name}-{number}"


def test_the_rule_stands_in_the_criteria():
    """Every row, with the share that it asks for, and every claim of the studies under one of them."""
    text = (PAGES / "criteria.md").read_text(encoding="utf-8").partition("## One rule")[2].partition("\n## ")[0]
    claims = [claim for study in STUDIES for claim in claims_of_study(load_recipe(study))]
    for row, needed in RULES.items():
        [share] = re.findall(rf"^\| {row} \|.*\| (.*?) \|$", text, re.MULTILINE)
        if row in ("figures", "not testable", "arithmetic"):
            assert share == "–"
        else:
            assert share == {0.05: "5 %", 0.5: "more than half", 0.9: "90 %"}[needed]
    for claim in claims:
        assert claim.rule in RULES and claim.needed == RULES[claim.rule], claim.id
        assert claim.criterion.startswith("none: ") == (claim.rule in ("figures", "not testable")), claim.id


@pytest.mark.parametrize("page", ["README.md", "docs/studies/index.md"])
def test_pages_say_how_many_criteria_were_changed_afterwards(page):
    claims = [claim for study in STUDIES for claim in claims_of_study(load_recipe(study))]
    changed = sum(bool(claim.changed) for claim in claims)
    text = " ".join((PAGES.parents[1] / page).read_text(encoding="utf-8").split())
    assert f"{changed} of the {len(claims)} criteria were changed after there were results" in text
    assert re.search("(five|Five) student reports", text)
