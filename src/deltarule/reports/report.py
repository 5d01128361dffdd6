"""Render the report of studies as one HTML page, which works without scripts.

S snapshots · N rows · G points along an input
"""

import base64
import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.resources import files
from typing import Any

import numpy as np

from deltarule.errors import count_of
from deltarule.problem.problem import Floats, Integers
from deltarule.reports import style
from deltarule.reports.chart import Chart
from deltarule.reports.claim_verdicts import (
    count_verdicts,
    describe_control,
    describe_readings,
    describe_shares,
    describe_verdict,
)
from deltarule.reports.formatting import load_template, percent
from deltarule.reports.svg_embed import embed_figure
from deltarule.reports.table import Table


@dataclass(frozen=True)
class TrainingSlider:
    """A small network at several updates of its training, for the slider.

    steps [S]    step of each snapshot
    tables       numbers [S, rows, columns] of all snapshots, by the name of the table
    labels       names of the rows, for tables whose rows have names, by the name of the table; `heads`, of the columns
    plane        predictions over two inputs [S, G, G], as whole numbers from 0 to `levels`; may be empty
    points       data rows over that plane: position across and down from 0 to 1, and class
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
class ReportBlock:
    """A part of a section: a run, a range test or claims, with its figures.

    facts        names with values
    commands     commands that repeat it
    assumed      assumptions where the report is silent: subject, value, reason
    through      the slider through the training
    claims       judged claims, as `claims.json` lists them
    unfinished   what is missing, empty if nothing is
    """

    id: str
    title: str
    about: str = ""
    facts: Sequence[tuple[str, str]] = ()
    commands: Sequence[str] = ()
    assumed: Sequence[tuple[str, str, str]] = ()
    settings: Sequence[tuple[str, str]] = ()
    figures: Sequence[Chart] = ()
    through: TrainingSlider | None = None
    table: Table | None = None
    claims: Sequence[Mapping[str, Any]] = ()
    notes: Sequence[str] = ()
    unfinished: str = ""


@dataclass(frozen=True)
class ReportSection:
    """A section of the report: all blocks of a study."""

    id: str
    title: str
    about: str
    blocks: Sequence[ReportBlock]


@dataclass(frozen=True)
class Report:
    """The content of the page: the records of a folder, by study.

    unfinished   sentences on what is missing; empty if nothing is
    notes        sentences about the whole report
    footer       what drew the page, if it is not a report of a folder
    """

    title: str
    sections: Sequence[ReportSection]
    unfinished: Sequence[str] = ()
    notes: Sequence[str] = ()
    footer: str = ""

    @property
    def claims(self) -> list[tuple[ReportSection, ReportBlock, Mapping[str, Any]]]:
        return [
            (section, block, claim) for section in self.sections for block in section.blocks for claim in block.claims
        ]


def report_page(report: Report) -> str:
    """Render the report as one HTML file without external resources."""
    script = (files("deltarule.reports") / "templates" / "report.js").read_text(encoding="utf-8")
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    counts = count_verdicts(claim["verdict"] for _, _, claim in report.claims)
    template = load_template(
        "report.html",
        embedded=embed_figure,
        share=percent,
        cell=_format_cell,
        counted=count_of,
        verdict=describe_verdict,
        shares=describe_shares,
        ours=describe_readings,
        control=describe_control,
        data=_json_for_html,
        through_data=_slider_data,
    )
    return template.render(title=report.title, report=report, script=script, digest=digest, counts=counts)


def _slider_data(slider: TrainingSlider) -> str:
    """The slider's data for the script, as JSON with formatted cells."""
    tables = {
        name: [" ".join(map(_format_cell, values)) for values in rows.reshape(len(rows), -1).tolist()]
        for name, rows in slider.tables.items()
    }
    record = {
        "steps": slider.steps.tolist(),
        "tables": tables,
        "plane": [rows.ravel().tolist() for rows in slider.plane],
        "levels": slider.levels,
        "points": slider.points,
        "colors": style.COLORS,
    }
    return _json_for_html(record)


def _json_for_html(record: Any) -> str:
    text = json.dumps(record, ensure_ascii=True, allow_nan=False, separators=(",", ":"))
    return text.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")


def _format_cell(value: float) -> str:
    if not np.isfinite(value):
        return ""
    return f"{value:+z.2f}" if abs(value) < 1e6 else f"{value:+.1e}"
