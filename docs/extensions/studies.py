"""What the pages of the studies show of records: directives such as ```{claims} encoder``` and ```{all-claims}```.

Nothing of it stands in the pages: it is made of the published results, the recipes and the lists of statements.
"""

import csv
from collections.abc import Iterator
from html import escape
from pathlib import Path
from typing import Any

from docutils import nodes
from sphinx.application import Sphinx
from sphinx.util.docutils import SphinxDirective

from deltarule.errors import count_of
from deltarule.json_files import to_jsonable
from deltarule.recipes import load_recipe
from deltarule.reports.claim_verdicts import (
    VERDICTS,
    describe_condition,
    describe_figure,
    describe_finding,
    describe_share,
    describe_verdict,
    list_verdicts,
)
from deltarule.reports.formatting import percent
from deltarule.studies.claim_results import published_results
from deltarule.studies.claims import STUDIES
from deltarule.studies.verdicts import DECIDED, Verdict, surviving_verdicts

JUDGED = Path(__file__).parents[1] / "studies" / "results" / "encoder-conventions-judged.csv"
"""What `benchmarks/encoder_conventions.py` has written."""
Table = list[list[str]]
"""Rows of cells, the head first."""


def all_verdicts() -> list[tuple[str, Verdict]]:
    """Every published verdict, with its study."""
    return [(study, one) for study in STUDIES for one in published_results(load_recipe(study)).claims]


def page_of(study: str) -> str:
    """The name of a study's page, without its ending."""
    return "boundary" if study.startswith("boundary") else study


def command_of(study: str, id: str) -> str:
    """The command that prints what stands beside a claim."""
    return f"deltarule claims {study} --only {id} --as-published"


def readings_table(claim: dict[str, Any]) -> Table:
    """A row for each reading: its seeds, their share, the shares of the conditions, and the medians of the figures."""
    readings = claim["readings"].values()
    conditions = list(dict.fromkeys(name for one in readings for name in one["conditions"]))
    figures = list(dict.fromkeys(name for one in readings for name in one["figures"]))
    rows = [["reading", "verdict", "share of seeds", *conditions, *figures, "remark"]]
    for name, one in claim["readings"].items():
        cells = [name, VERDICTS[one["verdict"]][0], describe_share(one)]
        cells += [describe_condition(one, part) if part in one["conditions"] else "" for part in conditions]
        cells += [describe_figure(one["figures"][part]) if part in one["figures"] else "" for part in figures]
        rows.append([*cells, one["remark"]])
    kept = [index for index in range(len(rows[0])) if any(row[index] for row in rows[1:])]
    return [[row[index] for index in kept] for row in rows]


def conventions_of(id: str) -> str:
    """Under how many of the encoder report's possible costs a claim holds, if that was judged."""
    with JUDGED.open(encoding="utf-8", newline="") as file:
        verdicts = [row[id] for row in csv.DictReader(file) if id in row]
    return f"It is supported under {verdicts.count('agrees')} of {len(verdicts)} costs." if verdicts else ""


def remarks_on(claim: dict[str, Any]) -> Iterator[str]:
    """Sentences on a claim: what contradicts it, its controls, why its criterion changed."""
    if claim["remark"]:
        yield f"{claim['remark']}."
    if conventions := conventions_of(claim["id"]):
        yield conventions
    if claim["contradicts_itself"]:
        yield f"The report contradicts itself: {claim['contradicts_itself']}."
    for control in claim["controls"]:
        yield f"Control: {describe_finding(control)}, {describe_share(control['result'])} of the seeds."
    if claim["changed"]:
        yield f"The criterion was changed after there were results: {claim['changed']}."


def counts() -> str:
    """How many claims have which verdict, and how many verdicts survive Holm's correction."""
    found = all_verdicts()
    survive = surviving_verdicts(one for _, one in found)
    decided = [one.verdict in DECIDED for _, one in found]
    falling = [
        one.id for (_, one), is_decided, stands in zip(found, decided, survive, strict=True) if is_decided > stands
    ]
    readings = sum(one.p_value is not None for _, verdict in found for one in verdict.readings.values())
    exceptions = f" These do not: {', '.join(falling)}." if falling else ""
    return (
        f"{len(found)} claims: {list_verdicts(one.verdict for _, one in found)}. {sum(decided)} verdicts are decided, "
        f"and {sum(survive)} of them stand after Holm's correction over all {readings:,} readings.{exceptions}"
    )


def as_html(table: Table) -> nodes.raw:
    """A table that slides where the screen is narrow."""
    head, *rows = ["".join(f"<{kind}>{escape(cell)}</{kind}>" for cell in row) for kind, row in _cells(table)]
    body = "".join(f"<tr>{row}</tr>" for row in rows)
    text = f'<div style="overflow-x: auto"><table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></div>'
    return nodes.raw("", text, format="html")


def _cells(table: Table) -> Iterator[tuple[str, list[str]]]:
    for index, row in enumerate(table):
        yield ("td" if index else "th"), row


def folded(summary: str, *parts: nodes.Node) -> list[nodes.Node]:
    """What is shown when the summary is opened."""
    opening = f"<details><summary>{escape(summary)}</summary>"
    return [nodes.raw("", opening, format="html"), *parts, nodes.raw("", "</details>", format="html")]


def paragraph(text: str, bold: str = "") -> nodes.paragraph:
    """A paragraph that may begin in bold."""
    return nodes.paragraph("", "", *([nodes.strong("", bold)] if bold else []), nodes.Text(text))


class Claims(SphinxDirective):
    """Each claim of a study: what the report says, the verdict, the criterion, the command, and folded its readings."""

    required_arguments = 1

    def run(self) -> list[nodes.Node]:
        study = self.arguments[0]
        results = to_jsonable(published_results(load_recipe(study)))
        return [node for claim in results["claims"] for node in self._claim(study, claim)]

    def _claim(self, study: str, claim: dict[str, Any]) -> Iterator[nodes.Node]:
        target = nodes.target("", "", ids=[claim["id"]], names=[claim["id"]])
        self.state.document.note_explicit_target(target)
        figure = "" if claim["report"] in claim["claim"] else f" (figure: {claim['report']})"
        needed = (
            f", {percent(claim['needed'])} of the seeds needed"
            if claim["rule"] not in ("figures", "not testable")
            else ""
        )
        yield target
        yield paragraph(f": {claim['claim']}{figure}", claim["id"])
        yield paragraph(f" ({claim['rule']}{needed}). Criterion: {claim['criterion']}.", describe_verdict(claim))
        yield nodes.literal_block("", command_of(study, claim["id"]), language="sh")
        table, remarks = readings_table(claim), [paragraph(text) for text in remarks_on(claim)]
        if claim["readings"] or remarks:
            yield from folded(
                count_of(len(claim["readings"]), "reading"), *([as_html(table)] if table[1:] else []), *remarks
            )


class AllClaims(SphinxDirective):
    """How many claims have which verdict, and one table of all."""

    def run(self) -> list[nodes.Node]:
        rows = []
        for study, one in all_verdicts():
            link = f'<a href="{page_of(study)}.html#{one.id}">{one.id}</a>'
            cells = f"<td>{link}</td><td>{escape(one.claim)}</td><td>{escape(describe_verdict(to_jsonable(one)))}</td>"
            rows.append(f"<tr>{cells}</tr>")
        head = "<thead><tr><th>claim</th><th>the report</th><th>verdict</th></tr></thead>"
        table = f'<div style="overflow-x: auto"><table>{head}<tbody>{"".join(rows)}</tbody></table></div>'
        return [paragraph(counts()), nodes.raw("", table, format="html")]


class Statements(SphinxDirective):
    """Every statement of a report that can be checked, and which claim judges it."""

    required_arguments = 1

    def run(self) -> list[nodes.Node]:
        rows = statements_of(self.arguments[0])
        return folded(f"{count_of(len(rows), 'line')}", as_html([["statement", "judged"], *rows]))


def statements_of(study: str) -> Table:
    """The lines of the statements beside a study's recipe."""
    path = load_recipe(study).folder / "statements.csv"
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.reader(file))


class Unsaid(SphinxDirective):
    """What a report leaves unsaid, as the recipe assumes it."""

    required_arguments = 1

    def run(self) -> list[nodes.Node]:
        assumptions = load_recipe(self.arguments[0]).configuration.assumption
        rows = [[one.what, str(one.value), one.why] for one in assumptions]
        return folded(count_of(len(rows), "assumption"), as_html([["left unsaid", "assumed", "why"], *rows]))


def setup(app: Sphinx) -> dict[str, bool]:
    """Tell Sphinx about the directives."""
    for name, directive in (
        ("claims", Claims),
        ("all-claims", AllClaims),
        ("statements", Statements),
        ("unsaid", Unsaid),
    ):
        app.add_directive(name, directive)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
