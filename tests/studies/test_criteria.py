"""Stored results: judged by the criteria that stand beside the claims, and shown on the pages."""

from pathlib import Path

import numpy as np
import pytest
from pydantic import TypeAdapter

from deltarule.json_files import read_json
from deltarule.reports.table import table
from deltarule.reports.verdicts import verdicts_in_markdown
from deltarule.studies.claim_results import StudyResults, claims_of_study
from deltarule.studies.recipes import bundled_studies, load_recipe
from deltarule.studies.verdicts import combine_verdicts, describe_control, share

STUDIES = [name for name, _, _ in bundled_studies() if claims_of_study(load_recipe(name))]


def test_every_study_has_results():
    assert all((load_recipe(name).folder / "results.json").exists() for name in STUDIES)


@pytest.mark.parametrize("study", STUDIES)
def test_stored_criteria_are_the_claims(study):
    recipe = load_recipe(study)
    results = TypeAdapter(StudyResults).validate_python(read_json(recipe.folder / "results.json"))
    judged = {verdict.id: verdict for verdict in results.claims}
    assert results.seeds >= recipe.configuration.study.seeds
    for claim in claims_of_study(recipe):
        one = judged[claim.id]
        assert one.criterion == claim.criterion, f"{claim.id} was judged by another criterion: judge the study again"
        assert (one.needed, one.claim, one.changed) == (claim.needed, claim.says, claim.changed)
        if one.verdict not in ("agrees", "not testable here"):
            assert one.control is not None and one.cause, f"{claim.id} needs its control run and a sentence"
            in_control = combine_verdicts({name: share.verdict for name, share in one.control.items()})
            assert one.cause == describe_control(claim.cause, in_control)
            assert one.flipped == (in_control == "agrees")


@pytest.mark.parametrize("study", STUDIES)
def test_stored_verdicts_follow_from_the_counts(study):
    for one in read_json(load_recipe(study).folder / "results.json")["claims"]:
        for stored in [*one["conventions"].values(), *(one["control"] or {}).values()]:
            anew = share(np.arange(stored["of"]) < stored["count"], one["needed"])
            assert stored["verdict"] == anew.verdict and stored["interval"] == pytest.approx(list(anew.interval))
        in_conventions = {name: stored["verdict"] for name, stored in one["conventions"].items()}
        assert one["verdict"] == combine_verdicts(in_conventions)


@pytest.mark.parametrize("study", STUDIES)
def test_pages_show_verdicts_and_assumptions(study):
    recipe, name = load_recipe(study), "boundary" if study.startswith("boundary") else study
    page = (Path(__file__).parents[2] / "docs" / "studies" / f"{name}.md").read_text(encoding="utf-8")
    assert verdicts_in_markdown(read_json(recipe.folder / "results.json")) in page
    for one in recipe.configuration.assumption:
        assert table([one.what, str(one.value), one.why], []).markdown().splitlines()[0] in page
