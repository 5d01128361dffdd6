"""Write the stored verdicts into the pages of the studies: `python benchmarks/study_pages.py`.

Each page has the lines `<!-- verdicts NAME -->` and `<!-- end -->`; what stands between them is replaced.
"""

import re
from pathlib import Path

from encoder_conventions import support

from deltarule.json_files import to_jsonable
from deltarule.reports.table import table
from deltarule.reports.verdicts import describe_verdict, list_verdicts, verdicts_in_markdown
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
            describe_verdict(one.verdict, to_jsonable(one)["readings"]) + conventions_of(one.id),
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
