"""Texts in double quotes are quotations: each stands in a report, but for names of readings and words for verdicts."""

import os
import re
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from deltarule.recipes import load_recipe
from deltarule.reports.claim_verdicts import VERDICTS
from deltarule.studies.claims import STUDIES, claims_of_study

ROOT = Path(__file__).parents[2]
REPORTS = Path(os.environ.get("DELTARULE_REPORTS", ROOT.parent / "shared" / "reports"))
"""The reports as text: `.ci/run` names the folder, and it must be there then. They are not ours to distribute."""
OWN_WORDS = {"right", "about", "none", "auto", "refuted", "live", "lazy", "plain", "xavier"}
"""Words of our own and of the files' formats that stand in quotes."""


def plain(text: str) -> str:
    """Lower-case words without marks of Markdown and LaTeX, so that line breaks and emphasis do not matter."""
    return " ".join(re.sub(r"[*_$\\`|>]", " ", text.lower()).split()).strip(" .,;")


def texts_in(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict | list):
        for part in value.values() if isinstance(value, dict) else value:
            yield from texts_in(part)


def quotations() -> Iterator[tuple[str, str]]:
    """Every text in double quotes of recipes, claims and the studies' pages, and of code that cites a report."""
    for path in ROOT.glob("src/deltarule/studies/*/*.toml"):
        for text in texts_in(tomllib.loads(path.read_text(encoding="utf-8"))):
            yield from ((path.parent.name, one) for one in re.findall(r'"([^"]+)"', text))
    for path in (ROOT / "docs" / "studies").glob("*.md"):
        prose = re.sub(r"```.*?```|<[^>]*>|`[^`]*`", " ", path.read_text(encoding="utf-8"), flags=re.DOTALL)
        yield from ((path.name, one) for one in re.findall(r'"([^"]+)"', prose))
    for path in (ROOT / "src" / "deltarule").rglob("*.py"):
        for sentence in re.findall(
            r'report(?:\'s| says| has| calls)[^."]*"([^"\n]+)"', path.read_text(encoding="utf-8")
        ):
            yield path.name, sentence


@pytest.mark.slow
def test_every_quoted_text_stands_in_a_report():
    if not REPORTS.is_dir() and "DELTARULE_REPORTS" not in os.environ:
        pytest.skip("the reports are not here; DELTARULE_REPORTS names their folder")
    reports = " ".join(plain(path.read_text(encoding="utf-8")) for path in sorted(REPORTS.glob("*.txt")))
    assert len(reports) > 50_000, f"{REPORTS} does not hold the five reports"
    ours = OWN_WORDS | {plain(words) for words, _ in VERDICTS.values()}
    for study in STUDIES:
        ours |= {plain(name) for claim in claims_of_study(load_recipe(study)) for name in claim.readings}
    lacking = {(place, text) for place, text in quotations() if plain(text) not in reports and plain(text) not in ours}
    assert not lacking
