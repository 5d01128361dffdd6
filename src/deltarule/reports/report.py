"""Render the report of studies: one self-contained HTML page.

It can be read with scripts switched off; where they run, tables sort, curves answer the pointer, and a slider goes
through the training. S snapshots · N rows · G points along an input
"""

import base64
import hashlib
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.resources import files
from typing import Any

import numpy as np

from deltarule.errors import count_of
from deltarule.problem.problem import Floats, Integers
from deltarule.reports import style
from deltarule.reports.formatting import percent
from deltarule.reports.html_templates import load_template
from deltarule.reports.svg_embed import EmbeddedFigure
from deltarule.reports.verdict_words import count_verdicts, describe_verdict

NUMBER = re.compile(r"""[^\w'"]*([\d¼-¾∞]|(inf|nan)$)""")
"""A cell that begins with a number, possibly after signs; a cell in quotes is text."""


@dataclass(frozen=True)
class TrainingSlider:
    """A small network at several updates of its training, for the slider.

    steps [S]    updates before each snapshot
    tables       by name, of each snapshot the numbers [S, rows, columns]
    labels       of the rows of those tables that have names, by the table's name; `heads`, of the columns
    plane        the answers over two inputs [S, G, G], as whole numbers from 0 to `levels`; empty without
    points       the rows over that plane: across and down from 0 to 1, and the class
    """

    id: str
    steps: Integers
    tables: Mapping[str, Floats]
    labels: Mapping[str, Sequence[str]]
    heads: Mapping[str, Sequence[str]]
    plane: Integers
    levels: int
    points: Sequence[tuple[float, float, int]]


@dataclass(frozen=True)
class Block:
    """A part of a section: a run, a range test or the claims of a study, with its figures.

    facts        names with values
    commands     that repeat it
    assumed      what the report left unsaid: what, value, why
    table        what is listed, rows of cells, the first of them the headings
    claims       judged claims, as `claims.json` lists them
    unfinished   what is missing, where something is
    """

    id: str
    title: str
    about: str = ""
    facts: Sequence[tuple[str, str]] = ()
    commands: Sequence[str] = ()
    assumed: Sequence[tuple[str, str, str]] = ()
    settings: Sequence[tuple[str, str]] = ()
    figures: Sequence[EmbeddedFigure] = ()
    through: TrainingSlider | None = None
    table: Sequence[Sequence[str]] = ()
    claims: Sequence[Mapping[str, Any]] = ()
    notes: Sequence[str] = ()
    unfinished: str = ""


@dataclass(frozen=True)
class Section:
    """A study: everything that was run of it."""

    id: str
    title: str
    about: str
    blocks: Sequence[Block]


@dataclass(frozen=True)
class Report:
    """The content of the page: the records of a folder, by study.

    unfinished   what is missing, in sentences; empty where everything is there
    notes        sentences about all of it
    footer       where it is not of a folder: what drew it
    """

    title: str
    sections: Sequence[Section]
    unfinished: Sequence[str] = ()
    notes: Sequence[str] = ()
    footer: str = ""

    @property
    def claims(self) -> list[tuple[Section, Block, Mapping[str, Any]]]:
        """All judged claims, with links to their place on the page."""
        return [
            (section, block, claim) for section in self.sections for block in section.blocks for claim in block.claims
        ]


def report_page(report: Report) -> str:
    """Render the report as one HTML file without external resources.

    >>> page = report_page(Report("Mine", [], ["there is nothing here yet"]))
    >>> "Unfinished" in page, "http://" in page or "https://" in page
    (True, False)
    """
    script = _script()
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    counts = count_verdicts(claim["verdict"] for _, _, claim in report.claims)
    template = load_template(
        "report.html",
        share=_percent,
        cell=_cell,
        counted=count_of,
        verdict=_describe_claim,
        strength=_strength,
        sides=_sides,
        data=_data,
        through_data=_slider_data,
    )
    return template.render(title=report.title, report=report, script=script, digest=digest, counts=counts)


def _script() -> str:
    return (files("deltarule.reports") / "templates" / "report.js").read_text(encoding="utf-8")


def _slider_data(through: TrainingSlider) -> str:
    """The slider's data for the script; tables as formatted cells, so that rounding happens only here."""
    tables = {
        name: [" ".join(map(_cell, values)) for values in rows.reshape(len(rows), -1).tolist()]
        for name, rows in through.tables.items()
    }
    record = {
        "steps": through.steps.tolist(),
        "tables": tables,
        "plane": [rows.ravel().tolist() for rows in through.plane],
        "levels": through.levels,
        "points": through.points,
        "colors": style.COLORS,
    }
    return _data(record)


def _data(record: Any) -> str:
    """JSON that cannot end the HTML element that contains it."""
    text = json.dumps(record, ensure_ascii=True, allow_nan=False, separators=(",", ":"))
    return text.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")


def _percent(share: float) -> str:
    return percent(share).replace(" ", "\N{NO-BREAK SPACE}")


def _cell(value: float) -> str:
    """A number of a table with its sign."""
    if not np.isfinite(value):
        return ""
    if abs(value) >= 1e6:
        return f"{value:+.1e}"
    return f"{value:+.2f}" if abs(value) >= 0.005 else "0.00"


def _sides(table: Sequence[Sequence[str]]) -> list[str]:
    """The CSS class of each column: texts to the left, numbers to the right."""
    columns = zip(*table[1:], strict=True)
    return ["" if any(map(NUMBER.match, cells)) else "words" for cells in columns]


def _strength(value: float, table: Floats) -> float:
    """The opacity of the color behind a number: at most 0.6, for contrast.

    It is reckoned with the numbers as they are shown, and not rounded: report.js has no others, and rounds otherwise.
    """
    largest = _size(np.abs(table[np.isfinite(table)]).max(initial=0))
    return 0.6 * _size(value) / (largest or 1.0)


def _size(value: float) -> float:
    return abs(float(_cell(value) or 0))


def _describe_claim(claim: Mapping[str, Any]) -> str:
    return describe_verdict(claim["verdict"], claim["conventions"])
