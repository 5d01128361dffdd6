"""The block of a report for judged claims."""

import shlex
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from deltarule.errors import count_of
from deltarule.json_files import read_json
from deltarule.problem.error_messages import as_toml
from deltarule.reports import comparison_figures
from deltarule.reports.chart import Chart
from deltarule.reports.report import Block
from deltarule.studies.recipes import bundled_studies, load_recipe
from deltarule.studies.verdicts import CONFIDENCE

StudyBlock = tuple[str, Block]
"""A study's name, and a block of its section in the report."""


def format_setting(value: Any) -> str:
    return value if isinstance(value, str) else as_toml(value)


def study_arguments(record: Mapping[str, Any]) -> list[str]:
    """The command-line arguments that name a record's study and experiments."""
    is_bundled = record["study"] in {name for name, _, _ in bundled_studies()}
    name = record["study"] if is_bundled else f"{record['study']}.toml"
    experiments = record["experiment"].split(", ") if record["experiment"] else []
    return [name, *(argument for one in experiments for argument in ("--experiment", one))]


def set_arguments(settings: Mapping[str, Any]) -> list[str]:
    """The command-line arguments `--set key=value` for settings by dotted key."""
    return [argument for key, value in settings.items() for argument in ("--set", f"{key}={as_toml(value)}")]


def claims_block(folder: Path, id: str) -> StudyBlock | None:
    """Draw the block of `claims.json` in a folder, with its study's name."""
    results = read_json(folder / "claims.json")
    claims = results["claims"]
    study = str(results["study"])
    # A reproduction writes claims.json for a study without claims, too; if it has left out all, a note says so.
    if not claims and not results.get("notes"):
        return None
    drawn: list[Chart] = []
    judged = [
        (", ".join(filter(None, [claim["id"], name])), reading, claim["needed"])
        for claim in claims
        for name, reading in claim["readings"].items()
        if reading["interval"] is not None
    ]
    if judged:
        names, readings, needed = zip(*judged, strict=True)
        shares = [reading["count"] / reading["of"] for reading in readings]
        intervals = [reading["interval"] for reading in readings]
        drawn.append(comparison_figures.shares_with_needed(names, shares, intervals, needed, confidence=CONFIDENCE))
    made = results["made"]
    versions = ", ".join(f"{name} {number}" for name, number in made["versions"].items())
    machine = f"{made['processor']}, {count_of(made['threads'], 'thread')}, {made['dtype']}"
    known = study in {name for name, _, _ in bundled_studies()}
    has_run = (folder / "run.json").is_file()
    seeds = f"{'up to ' if results.get('sequential') else ''}{count_of(results['seeds'], 'seed')}"
    of_seeds = [] if results.get("sequential") else ["--seeds", str(results["seeds"])]
    block = Block(
        id=id,
        title=f"Claims of {study}",
        facts=[
            ("data", str(results["data"])),
            *([("judged", f"{results['date']}, over {seeds}, in {results['seconds']:,.0f} s")] if claims else []),
            ("by", "; ".join(filter(None, (results["engine"] and f"{results['engine']} engine", machine, versions)))),
        ],
        commands=[shlex.join(["deltarule", "claims", study, *of_seeds])] if known else (),
        assumed=[(one.what, format_setting(one.value), one.why) for one in load_recipe(study).configuration.assumption]
        if known and not has_run
        else (),
        figures=drawn,
        claims=claims,
        notes=[f"{note}." for note in results.get("notes", ())],
    )
    return study, block
