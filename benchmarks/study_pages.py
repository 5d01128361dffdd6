"""Write the stored verdicts into the pages of the studies: `python benchmarks/study_pages.py`.

Each page has the lines `<!-- verdicts NAME -->` and `<!-- end -->`; what stands between them is replaced.
"""

import re
from pathlib import Path

from encoder_conventions import support
from stored_results import CONTROL_IS_OPEN, stored_results

from deltarule.json_files import to_jsonable
from deltarule.reports.formatting import percent
from deltarule.reports.table import table
from deltarule.reports.verdicts import (
    describe_condition,
    describe_figure,
    describe_finding,
    describe_share,
    describe_verdict,
    list_verdicts,
)
from deltarule.studies.claims import STUDIES
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
    return [(study, one) for study in STUDIES for one in stored_results(study).claims]


def verdicts_in_markdown(claims: list[dict]) -> str:
    """Format the claims of a study's stored results as a Markdown table with remarks below it."""
    headers = ["claim", "verdict", "share of seeds, and ours"]
    rows = [[described_claim(claim), f"**{describe_verdict(claim)}**", described_readings(claim)] for claim in claims]
    remarks = [line for claim in claims for line in remarks_on(claim)]
    waiting = [claim["id"] for claim in claims if is_open(claim)]
    if waiting:
        study = waiting[0].rpartition("-")[0]
        remarks.append(
            f"- Not judged yet: `deltarule claims {study} --only {','.join(waiting)} --out my-{study}` goes on with"
            " what is open, and after Ctrl-C the same with `--resume`."
        )
    changed = ", ".join(claim["id"] for claim in claims if claim["changed"])
    if changed:
        remarks.append(f"- Criteria [changed](errata.md) after there were results: {changed}.")
    return "\n\n".join([table(headers, rows).markdown(), *(["\n".join(remarks)] if remarks else [])])


def is_open(claim: dict) -> bool:
    """Whether a claim has a criterion and no verdict, or a control that is not trained."""
    has_criterion = not claim["criterion"].startswith("none")
    return has_criterion and (claim["verdict"] == "no verdict" or CONTROL_IS_OPEN in claim["remark"])


def described_claim(claim: dict) -> str:
    """A claim in our words, the report's figure where these do not contain it, and the criterion."""
    figure = [] if claim["report"] in claim["claim"] else [f"Figure: {claim['report']}"]
    return "\n".join([f"**{claim['id']}**: {claim['claim']}", *figure, f"Criterion: {claim['criterion']}"])


def remarks_on(claim: dict) -> list[str]:
    """Lines of a Markdown list on a claim: a contradiction, the control run."""
    lines = []
    if claim["contradicts_itself"]:
        lines.append(f"- **{claim['id']}**: the report contradicts itself: {claim['contradicts_itself']}.")
    if claim["control"]:
        control = claim["control"]
        share = share_in_markdown(control["result"])
        lines.append(f"- **{claim['id']}**, control: {describe_finding(control)}, {share} of the seeds.")
    return lines


def described_readings(claim: dict) -> str:
    """A line for each reading; what several have measured alike is named once, above them."""
    readings = claim["readings"]
    names = {("seeds", *one["conditions"], *one["figures"]) for one in readings.values()}
    shared = len(readings) > 1 and len(names) == 1
    needed = claim["needed"]
    lines = [f"*{'; '.join(*names).replace('seeds', f'seeds, needed {percent(needed)}', 1)}*"] if shared else []
    lines += [described_reading(name, one, None if shared else needed) for name, one in readings.items()]
    return "\n".join(filter(None, [*lines, claim["remark"]]))


def described_reading(name: str, reading: dict, needed: float | None) -> str:
    """The share of seeds under a reading, that of each condition, and the medians.

    needed : the share that is needed; None if a line above says it and names the others.
    """
    values = {part: describe_condition(reading, part) for part in reading["conditions"]}
    values |= {part: median_in_markdown(figure) for part, figure in reading["figures"].items()}
    parts = [value if needed is None else f"{part} {value}" for part, value in values.items()]
    text = "; ".join(filter(None, [share_in_markdown(reading, needed), *parts, reading["remark"]]))
    return f"{name}: {text}" if name else text


def share_in_markdown(reading: dict, needed: float | None = None) -> str:
    """The share of seeds with its interval, as 93 % (86–97)."""
    return describe_share(reading, needed).replace(" to ", "–")


def median_in_markdown(figure: dict) -> str:
    """A median with its interval, as 252 (242–263)."""
    text = describe_figure(figure, digits=3)
    return text if "-" in text else text.replace(" to ", "–")


def unsaid_in_markdown(study: str) -> str:
    """What a report leaves unsaid, as its recipe assumes it."""
    assumptions = load_recipe(study).configuration.assumption
    rows = [[one.what, str(one.value), one.why] for one in assumptions]
    return table(["left unsaid", "assumed", "why"], rows).markdown()


def conventions_of(id: str) -> str:
    """Under how many cost conventions a claim of the encoder holds, in words."""
    counted = support(id) if id.startswith("encoder-") and not id.startswith("encoder-relu") else None
    return f"; under {counted[0]} of {counted[1]} cost conventions" if counted else ""


def counts() -> str:
    """How many claims have which verdict, and how many verdicts survive Holm's correction."""
    found = all_verdicts()
    survive = surviving_verdicts(one for _, one in found)
    decided = [one.verdict in ("agrees", "disagrees", "some seeds", "mixed") for _, one in found]
    falling = [
        f"{one.id} of {study}"
        for (study, one), decides, stands in zip(found, decided, survive, strict=True)
        if decides and not stands
    ]
    readings = sum(one.p_value is not None for _, verdict in found for one in verdict.readings.values())
    exceptions = f" These do not: {', '.join(falling)}." if falling else ""
    return (
        f"**{len(found)} claims**: {list_verdicts(one.verdict for _, one in found)}. {sum(decided)} "
        f"verdicts are decided, and {sum(survive)} of them stand after Holm's correction over all {readings:,} "
        f"readings.{exceptions}"
    )


def front_table() -> str:
    """One table of all claims."""
    rows = [
        [
            f"[{one.id}]({page_of(study)}.md)",
            one.claim,
            describe_verdict(to_jsonable(one)) + conventions_of(one.id),
        ]
        for study, one in all_verdicts()
    ]
    return table(["claim", "the report", "verdict"], rows).markdown()


def main() -> None:
    """Write the index of the studies, and the tables of each study's page."""
    index = PAGES / "index.md"
    text = replaced(index.read_text(encoding="utf-8"), "counts", counts())
    index.write_text(replaced(text, "claims", front_table()), encoding="utf-8")
    for study in STUDIES:
        page, results = PAGES / f"{page_of(study)}.md", stored_results(study)
        block = verdicts_in_markdown(to_jsonable(results)["claims"])
        text = replaced(page.read_text(encoding="utf-8"), f"verdicts {study}", block)
        page.write_text(replaced(text, f"unsaid {study}", unsaid_in_markdown(study)), encoding="utf-8")


if __name__ == "__main__":
    main()
