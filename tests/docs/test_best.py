"""The page on networks that do better than the reports: its figures are the record's, the recipes what was found."""

import math
import statistics
from pathlib import Path
from typing import Any

import pytest
from scripts import benchmark

from deltarule.json_files import read_json
from deltarule.problem import resolved_configuration
from deltarule.problem.configuration import with_changes
from deltarule.problem.resolved_configuration import configuration_hash
from deltarule.studies.recipes import load_recipe

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "studies" / "best.md").read_text(encoding="utf-8")
RECORD = read_json(ROOT / "docs" / "studies" / "best.json")
BEST = benchmark("best")
WANTED = {"mnist-best": 0.986, "cifar-best": 0.58}


def test_page_is_what_the_record_says() -> None:
    assert BEST.fill_page(PAGE, RECORD) == PAGE


@pytest.mark.parametrize("study", WANTED)
@pytest.mark.parametrize("part", ["search", "test"])
def test_another_record_would_be_seen(study: str, part: str) -> None:
    other = {**RECORD["studies"][study]}
    other[part] = {"rows": other[part]["rows"][1:]} if part == "search" else other[part][1:]
    assert BEST.fill_page(PAGE, {**RECORD, "studies": {**RECORD["studies"], study: other}}) != PAGE


@pytest.mark.parametrize("study", WANTED)
def test_medians_of_five_seeds_reach_what_was_wanted(study: str) -> None:
    for one in RECORD["studies"][study]["test"]:
        assert len(one["test"]) == 5 and statistics.median(one["test"]) >= WANTED[study]


@pytest.mark.parametrize("study", WANTED)
def test_what_was_tested_is_the_recipe_and_all_its_experiments(study: str, monkeypatch: pytest.MonkeyPatch) -> None:
    # The record was made before the compiled engine computed float32 in float32, which raised the version.
    monkeypatch.setitem(resolved_configuration.NUMERICS_VERSIONS, "float32", 1)
    tested = {one["experiment"]: one["hash"] for one in RECORD["studies"][study]["test"]}
    recipes = BEST.variants(load_recipe(study))
    assert tested == {name: configuration_hash(one.configuration) for name, one in recipes.items()}


@pytest.mark.parametrize("study", WANTED)
def test_recipes_are_the_best_that_the_search_found_on_validation_images(study: str) -> None:
    rows = RECORD["studies"][study]["search"]["rows"]
    assert len(rows) == math.prod(len(values) for values in load_recipe(study).configuration.grid.values())
    for recipe in BEST.variants(load_recipe(study)).values():
        found = BEST.best_row(rows, recipe)
        # But for the rows that the search sets aside.
        again = with_changes(recipe.configuration, without_split(found["settings"]))
        assert configuration_hash(again) == configuration_hash(recipe.configuration)


def without_split(settings: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in settings.items() if key != "data.split.validation"}
