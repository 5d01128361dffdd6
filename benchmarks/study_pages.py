"""Write the stored verdicts into the pages of the studies: `python benchmarks/study_pages.py`.

Each page has the lines `<!-- verdicts NAME -->` and `<!-- end -->`; what stands between them is replaced.
"""

import re
from pathlib import Path

from encoder_conventions import support

from deltarule.json_files import to_jsonable
from deltarule.reports.table import table
from deltarule.reports.verdicts import (
    describe_control,
    describe_figures,
    describe_share,
    describe_verdict,
    list_verdicts,
)
from deltarule.studies.claim_results import STUDIES, stored_results
from deltarule.studies.recipes import load_recipe
from deltarule.studies.verdicts import Verdict, surviving_verdicts

PAGES = Path(__file__).parents[1] / "docs" / "studies"


def page_of(study: str) -> str:
    """The name of a study's page, without its ending."""
    return "boundary" if study.startswith("boundary") else study


def replaced(text: str, name: str, block: str) -> str:
    """A page's text with another block between its marks."""
    mark = f"<!-- {name} -->"
    pattern = re.compile(f"{re.escape(mark)}.*?<!-- end -->", re.DOTALL)
    assert pattern.search(text), f"the page lacks {mark}"
    return pattern.sub(lambda _: f"{mark}\n\n{block}\n\n<!-- end -->", text)


def all_verdicts() -> list[tuple[str, Verdict]]:
    """Every stored verdict, with its study."""
    return [(study, one) for study in STUDIES for one in stored_results(load_recipe(study)).claims]


def verdicts_in_markdown(claims: list[dict]) -> str:
    """Format the claims of a study's results.json as a Markdown table with remarks below it."""
    headers = ["claim", "its figure", "verdict", "share of seeds, and ours"]
    rows = [
        [
            f"**{claim['id']}**: {claim['claim']}",
            claim["report"],
            f"**{describe_verdict(claim)}**",
            "\n".join(filter(None, [*(described_reading(*one) for one in claim["readings"].items()), claim["remark"]])),
        ]
        for claim in claims
    ]
    changed: dict[str, list[str]] = {}
    for claim in claims:
        if claim["changed"]:
            changed.setdefault(claim["changed"], []).append(claim["id"])
    reasons = [line for claim in claims for line in remarks_on(claim)]
    if changed:
        reasons.append("- Criteria that were changed after there were results:")
        reasons += [f"  - **{', '.join(ids)}**: {reason}." for reason, ids in changed.items()]
    return "\n\n".join([table(headers, rows).markdown(), *(["\n".join(reasons)] if reasons else [])])


def remarks_on(claim: dict) -> list[str]:
    """Lines of a Markdown list on a claim: a contradiction, the control run."""
    lines = []
    if claim["contradicts_itself"]:
        lines.append(f"- **{claim['id']}**: the report contradicts itself: {claim['contradicts_itself']}.")
    if claim["control"]:
        lines.append(f"- **{claim['id']}**, control: {describe_control(claim['control'])}.")
    return lines


def described_reading(name: str, reading: dict) -> str:
    """The share of seeds under a reading, and what was measured."""
    text = "; ".join(filter(None, [describe_share(reading), describe_figures(reading)]))
    return f"{name}: {text}" if name else text


def conventions_of(id: str) -> str:
    """Under how many cost conventions a claim of the encoder holds, in words."""
    counted = support(id) if id.startswith("encoder-") and not id.startswith("encoder-relu") else None
    return f"; under {counted[0]} of {counted[1]} cost conventions" if counted else ""


def front_table() -> str:
    """One table of all claims, and how many verdicts survive Holm's correction."""
    found = all_verdicts()
    survive = surviving_verdicts(one for _, one in found)
    rows = [
        [
            f"[{one.id}]({page_of(study)}.md)",
            "XOR" if study == "boundary-xor" else "linear" if study == "boundary-linear" else "",
            one.claim,
            describe_verdict(to_jsonable(one)) + conventions_of(one.id),
            "yes" if stands else "",
        ]
        for (study, one), stands in zip(found, survive, strict=True)
    ]
    decided = [one.verdict in ("agrees", "disagrees", "some seeds", "mixed") for _, one in found]
    readings = sum(one.p_value is not None for _, verdict in found for one in verdict.readings.values())
    counts = list_verdicts(one.verdict for _, one in found)
    summary = (
        f"{len(found)} claims: {counts}. Of {sum(decided)} verdicts that decide something, {sum(survive)} stand if all "
        f"{readings:,} readings are corrected together."
    )
    return f"{summary}\n\n" + table(["claim", "points", "the report", "verdict", "stands"], rows).markdown()


def main() -> None:
    """Write the front page, and the tables of each study's page."""
    index = PAGES / "index.md"
    index.write_text(replaced(index.read_text(encoding="utf-8"), "claims", front_table()), encoding="utf-8")
    for study in STUDIES:
        page, results = PAGES / f"{page_of(study)}.md", stored_results(load_recipe(study))
        block = verdicts_in_markdown(to_jsonable(results)["claims"])
        page.write_text(replaced(page.read_text(encoding="utf-8"), f"verdicts {study}", block), encoding="utf-8")


if __name__ == "__main__":
    main()
