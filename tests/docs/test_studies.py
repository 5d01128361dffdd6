"""The studies' pages, which are made of records."""

from pathlib import Path

import pytest
from scripts import module_at

from deltarule.json_files import to_jsonable
from deltarule.recipes import bundled_studies, load_recipe
from deltarule.studies.claim_results import published_results
from deltarule.studies.claims import claims_of_study

STUDIES = [name for name, _, _ in bundled_studies() if claims_of_study(load_recipe(name))]
PAGES = Path(__file__).parents[2] / "docs" / "studies"
studies = module_at(PAGES.parent / "extensions" / "studies.py")


@pytest.mark.parametrize("study", STUDIES)
def test_pages_show_claims_statements_and_assumptions(study):
    text = (PAGES / f"{studies.page_of(study)}.md").read_text(encoding="utf-8")
    for name in ("claims", "unsaid"):
        assert f"```{{{name}}} {study}\n```" in text
    for claim in to_jsonable(published_results(load_recipe(study)))["claims"]:
        head, *rows = studies.readings_table(claim)
        assert [row[0] for row in rows] == list(filter(None, claim["readings"])) or len(rows) == 1 == len(
            claim["readings"]
        )
        assert all(len(cell) <= 200 for row in (head, *rows) for cell in row), claim["id"]
        assert all(len(row) == len(head) for row in rows)
