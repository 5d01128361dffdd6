"""`deltarule sweep`: train every combination of a recipe's grid."""

import csv
import re
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from deltarule.cli import options
from deltarule.cli.options import option
from deltarule.cli.output import Result, data_output, show_progress
from deltarule.cli.output_paths import Output
from deltarule.errors import BadInput

if TYPE_CHECKING:
    from deltarule.sweeps.result import Sweep

Study = Annotated[str | None, options.STUDY]
Out = Annotated[
    Path | None,
    option("--out", "Folder of the store; without it nothing is kept.", "DIR"),
    Output("store", is_folder=True),
]
Vary = Annotated[
    list[str] | None, option("--vary", "Values of a key, in place of the recipe's grid; repeatable.", "KEY=V,V,V")
]
Folds = Annotated[int | None, option("--folds", "Cross-validate each network on K folds.", "K")]
Keep = Annotated[bool, option("--keep", "Store the weights of all networks, too.")]
RankBy = Annotated[str | None, option("--rank-by", "Metric of the scores; default accuracy, or R².", "METRIC")]
Address = Annotated[str | None, option("--address", "Train on the Dask cluster at this address.", "A")]
Workers = Annotated[int | None, option("--workers", "Train in N processes of this machine.", "N")]
Shard = Annotated[str | None, option("--shard", "Train only the 3rd of 16 parts of the grid.", "3/16")]
Merge = Annotated[
    list[Path] | None, option("--merge", "Collect the stores of this folder and others in --out; repeatable.", "DIR")
]
TableOf = Annotated[Path | None, option("--table", "Print the table of this folder's store as CSV or JSON.", "DIR")]


def sweep(
    study: Study = None,
    experiment: options.ExperimentNames = None,
    set: options.Settings = None,
    vary: Vary = None,
    out: Out = None,
    resume: options.Resume = False,
    folds: Folds = None,
    seeds: options.Seeds = None,
    keep: Keep = False,
    engine: options.EngineName = None,
    rank_by: RankBy = None,
    address: Address = None,
    workers: Workers = None,
    shard: Shard = None,
    data: options.Data = None,
    merge: Merge = None,
    table: TableOf = None,
    json: options.Json = False,
) -> Result | None:
    """Train every combination of a recipe's grid, and print the best.

    With --table, print the table of an earlier sweep; with --merge, collect those of several.
    """
    from deltarule.recipes import parse_setting
    from deltarule.studies.sweep_study import sweep as run_sweep
    from deltarule.sweeps.sweep import merge_sweeps

    if table is not None:
        if study is not None or out is not None:
            raise BadInput("--table prints a sweep that is stored; leave the study and --out out")
        return _print_table(table, json)
    if merge is not None:
        if out is None:
            raise BadInput("the stores of --merge are collected in a folder; name it with --out")
        return _result(merge_sweeps([*merge, *([Path(study)] if study else [])], out), out)
    if study is None:
        raise BadInput("no study is named; say what to sweep, or name the folder of a sweep with --table")
    options.check_resume(resume, out)
    recipe = options.chosen_recipe(study, experiment, set, seeds=seeds)
    grid = dict(parse_setting("{}{}[{}]".format(*text.partition("="))) for text in vary or ())
    with show_progress(recipe.name) as progress:
        done = run_sweep(
            recipe,
            grid or None,
            out=out,
            resume=resume,
            folds=folds,
            keep=keep,
            engine=engine,
            rank_by=rank_by,
            address=address,
            workers=workers,
            shard=_parse_shard(shard),
            data_dir=data,
            progress=progress,
        )
    return _result(done, out)


def _print_table(folder: Path, as_json: bool) -> Result | None:
    """Print the table of a stored sweep."""
    from deltarule.sweeps.result import load_sweep
    from deltarule.sweeps.table_rows import as_cell

    stored = load_sweep(folder)
    rows = list(stored.rows())
    if as_json:
        return Result({"study": stored.name, "metric": stored.metric, "ranked": stored.ranked, "rows": rows})
    writer = csv.DictWriter(data_output(), rows[0] if rows else (), lineterminator="\n")
    if rows:
        writer.writeheader()
    writer.writerows({name: as_cell(value) for name, value in row.items()} for row in rows)
    return None


def _result(done: "Sweep", out: Path | None) -> Result:
    """Draw the report of a sweep that has a folder, and print its best configurations."""
    from deltarule.reports.summaries import best_configurations
    from deltarule.studies.report.page import write_report
    from deltarule.studies.sweep_study import sweep_outcome

    outcome = sweep_outcome(done, out)
    if out is not None:
        write_report(out)
    return Result(outcome, best_configurations(outcome))


def _parse_shard(text: str | None) -> tuple[int, int]:
    if text is None:
        return 1, 1
    match = re.fullmatch(r"(\d+)/(\d+)", text)
    if match is None or not 1 <= int(match[1]) <= int(match[2]):
        raise BadInput(f"--shard is {text!r}; give a part and the number of parts, as 3/16")
    return int(match[1]), int(match[2])
