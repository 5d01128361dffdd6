"""Targets for the output of commands: stores of sweeps, folders of runs, and the reports made from them."""

import json
import os
import sys
from functools import cache
from pathlib import Path
from random import Random

from hostile.changes import change_description, change_json, change_store
from hostile.target import Target, check_refusal, scratch, write_scratch

SWEPT = b"""[data]
name = "xor"
split = {test = 5}
[network]
layers = [2, 2, 1]
output = "sigmoid"
[loss]
name = "binary_cross_entropy"
[stopping]
max_steps = 3
"""


@cache
def _stores() -> list[bytes]:
    from deltarule.recipes import load_recipe
    from deltarule.studies.sweep_study import sweep

    folder = scratch() / "good-store"
    table = sweep(
        load_recipe(write_scratch("sweep.toml", SWEPT)),
        {"optimizer.learning_rate": [0.1, 1e9]},
        seeds=2,
        out=folder,
        keep=True,
    )
    table.close()
    return [(folder / "sweep.sqlite").read_bytes()]


def _read_store(content: bytes) -> None:
    from deltarule.sweeps.result import load_sweep

    for ending in ("-wal", "-shm", "-journal"):
        (scratch() / "store" / f"sweep.sqlite{ending}").unlink(missing_ok=True)
    table = load_sweep(write_scratch("store/sweep.sqlite", content).parent)
    try:
        len(table), table.diverged
        for row in table.rows():
            try:
                table.network(row["key"]).outputs([[0.5, 0.5]])
            except Exception as error:
                check_refusal(error)
        table.best(3), table.configurations(3)
    finally:
        table.close()


@cache
def _run_folder() -> dict[str, bytes]:
    """The files of a small run."""
    from deltarule.cli.app import command_line

    folder = scratch() / "good-run"
    recipe = write_scratch("run.toml", SWEPT.replace(b"max_steps = 3", b"max_steps = 4"))
    with Path(os.devnull).open("w", encoding="utf-8") as nothing:
        stdout, sys.stdout = sys.stdout, nothing
        try:
            command_line()(["run", str(recipe), "--out", str(folder), "--seeds", "2"], standalone_mode=False)
            command_line()(["lr-range", str(recipe), "--out", str(folder), "--steps", "20"], standalone_mode=False)
        finally:
            sys.stdout = stdout
    claim = {"study": "encoder", "data": "one_hot", "date": "2026-01-01", "seeds": 2, "engine": "reference"}
    judged = {"id": "E1", "text": "t", "verdict": "agrees", "share": 0.5, "interval": [0.1, 0.9], "needed": 0.5}
    more: dict[str, bytes] = {
        "claims.json": json.dumps({**claim, "seconds": 1, "versions": {"a": "1"}, "claims": [judged]}).encode()
    }
    return {path.name: path.read_bytes() for path in sorted(folder.iterdir()) if path.suffix != ".svg"} | more


REPORTED = ("run.json", "recipe.json", "arrays.safetensors", "portrait.safetensors", "claims.json", "lr_range.json")


def _reported() -> list[bytes]:
    """Each file that a report reads, with its name in the first line."""
    return [name.encode() + b"\n" + _run_folder()[name] for name in REPORTED]


def _change_reported(content: bytes, random: Random) -> bytes:
    """Change the structure of a file that a report reads, after the name in its first line."""
    name, _, rest = content.partition(b"\n")
    inside = change_description if name.endswith(b"safetensors") else change_json
    return name + b"\n" + inside(rest, random)


def _read_report(content: bytes) -> None:
    from deltarule.reports.report import report_page
    from deltarule.studies.report.page import report_of

    name, _, rest = content.partition(b"\n")
    changed_name = name.decode("ascii", "replace")
    if changed_name not in REPORTED:
        return
    together = REPORTED[:4] if changed_name in REPORTED[:4] else (changed_name,)
    for other in REPORTED:
        (scratch() / "report" / other).unlink(missing_ok=True)
    for other in together:
        write_scratch(f"report/{other}", rest if other == changed_name else _run_folder()[other])
    report_page(report_of(scratch() / "report"))


TARGETS = (
    Target("store", _stores, _read_store, 2, change_store),
    Target("report", _reported, _read_report, 0, _change_reported),
)
