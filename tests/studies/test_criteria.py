"""Criteria are fixed before results: claims.py says what criteria.json holds, and what results.json was judged by."""

from pathlib import Path

import numpy as np
import pytest

from deltarule.json_files import read_json
from deltarule.reports import markdown
from deltarule.studies.claim_results import claims_of_study, criteria_of
from deltarule.studies.recipes import bundled_studies, load_recipe
from deltarule.studies.verdicts import VERDICTS, combine_verdicts, describe_control, share

STUDIES = [name for name, _, _ in bundled_studies() if claims_of_study(load_recipe(name))]


def test_every_study_is_judged():
    assert all((load_recipe(name).folder / "results.json").exists() for name in STUDIES)


def test_there_are_studies_with_claims():
    assert {"encoder", "encoder-relu", "boundary-linear", "boundary-xor"} <= set(STUDIES)


@pytest.mark.parametrize("study", STUDIES)
def test_every_criterion_was_fixed_and_a_changed_one_has_its_reason(study):
    recipe = load_recipe(study)
    fixed = criteria_of(recipe)
    for claim in claims_of_study(recipe):
        digests = fixed[claim.id] if isinstance(fixed[claim.id], list) else [fixed[claim.id]]
        assert claim.digest == digests[-1], f"{claim.id} is judged by another criterion than the one that was fixed"
        assert (len(digests) > 1) == bool(claim.changed), f"{claim.id} was changed: it needs its reason"
    assert set(fixed) == {claim.id for claim in claims_of_study(recipe)}


@pytest.mark.parametrize("study", STUDIES)
def test_every_claim_has_a_result_judged_by_its_criterion(study):
    recipe = load_recipe(study)
    results = read_json(recipe.folder / "results.json")
    judged = {one["id"]: one for one in results["claims"]}
    assert results["seeds"] >= recipe.configuration.study.seeds
    for claim in claims_of_study(recipe):
        one = judged[claim.id]
        assert one["digest"] == claim.digest, f"{claim.id} was judged by another criterion: judge the study again"
        assert one["verdict"] in VERDICTS and one["claim"] == claim.says
        if one["verdict"] not in ("agrees", "not testable here"):
            assert one["control"] is not None and one["cause"], f"{claim.id} needs its control run and a sentence"
            in_control = combine_verdicts({name: share["verdict"] for name, share in one["control"].items()})
            assert one["cause"] == describe_control(claim.cause, in_control)
            assert one["flipped"] == (in_control == "agrees")


@pytest.mark.parametrize("study", STUDIES)
def test_every_stored_verdict_is_what_its_seeds_say(study):
    for one in read_json(load_recipe(study).folder / "results.json")["claims"]:
        for stored in [*one["conventions"].values(), *(one["control"] or {}).values()]:
            anew = share(np.arange(stored["of"]) < stored["count"], one["needed"])
            assert stored["verdict"] == anew.verdict and stored["interval"] == pytest.approx(list(anew.interval))
        in_conventions = {name: stored["verdict"] for name, stored in one["conventions"].items()}
        assert one["verdict"] == combine_verdicts(in_conventions)


@pytest.mark.parametrize("study", STUDIES)
def test_a_digest_tells_the_claims_apart(study):
    claims = claims_of_study(load_recipe(study))
    assert len({claim.digest for claim in claims}) == len(claims)


@pytest.mark.parametrize("study", STUDIES)
def test_the_page_shows_the_stored_verdicts_and_the_assumptions(study):
    recipe, name = load_recipe(study), "boundary" if study.startswith("boundary") else study
    page = (Path(__file__).parents[2] / "docs" / "studies" / f"{name}.md").read_text(encoding="utf-8")
    assert markdown.verdicts(read_json(recipe.folder / "results.json")) in page
    rows = [[one.what, str(one.value), one.why] for one in recipe.configuration.assumption]
    assert markdown.table(["left unsaid", "assumed", "why"], rows) in page
