"""The blocks of a report for judged claims, for the variants of a study, and for a sweep."""

import contextlib
import shlex
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from deltarule.errors import count_of
from deltarule.json_files import read_json
from deltarule.problem.error_messages import as_toml
from deltarule.recipes import bundled_folders, load_recipe
from deltarule.reports import comparison_figures, figures, sweep_figures
from deltarule.reports.chart import Chart
from deltarule.reports.formatting import format_score, percent
from deltarule.reports.report import ReportBlock
from deltarule.reports.table import Table, table
from deltarule.stats.effects import Effects, effects, format_value, last_key, mean_unless_diverged
from deltarule.stats.ranking import Ranking, ranking
from deltarule.studies.variants import Variant, comparisons
from deltarule.studies.verdicts import CONFIDENCE
from deltarule.sweeps.result import load_sweep

StudyBlock = tuple[str, ReportBlock]
"""A study's name, and a block of its section in the report."""


def format_setting(value: Any) -> str:
    return value if isinstance(value, str) else as_toml(value)


def study_arguments(record: Mapping[str, Any]) -> list[str]:
    """The command-line arguments that name a record's study and experiments."""
    name = record["study"] if record["study"] in bundled_folders() else f"{record['study']}.toml"
    experiments = record["experiment"].split(", ") if record["experiment"] else []
    return [name, *(argument for experiment in experiments for argument in ("--experiment", experiment))]


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
    facts = [("data", str(results["data"])), ("by", _maker(results))]
    seeds, of_seeds = count_of(results["seeds"], "seed"), ["--seeds", str(results["seeds"])]
    if results.get("sequential"):
        seeds, of_seeds = f"up to {seeds}", []
    if claims:
        facts.insert(1, ("judged", f"{results['date']}, over {seeds}, in {results['seconds']:,.0f} s"))
    is_bundled = study in bundled_folders()
    has_run = (folder / "run.json").is_file()  # its block lists what is assumed
    assumptions = load_recipe(study).configuration.assumption if is_bundled and not has_run else ()
    block = ReportBlock(
        id=id,
        title=f"Claims of {study}",
        facts=facts,
        commands=[shlex.join(["deltarule", "claims", study, *of_seeds])] if is_bundled else (),
        assumed=[(row.what, format_setting(row.value), row.why) for row in assumptions],
        figures=_shares_of_claims(claims),
        claims=claims,
        notes=[f"{note}." for note in results.get("notes", ())],
    )
    return study, block


def _maker(results: Mapping[str, Any]) -> str:
    """The engine, machine and libraries that judged claims."""
    made = results["made"]
    engine = results["engine"] and f"{results['engine']} engine"
    machine = f"{made['processor']}, {count_of(made['threads'], 'thread')}, {made['dtype']}"
    versions = ", ".join(f"{name} {number}" for name, number in made["versions"].items())
    return "; ".join(filter(None, (engine, machine, versions)))


def _shares_of_claims(claims: Sequence[Mapping[str, Any]]) -> list[Chart]:
    """The shares of seeds that meet the criteria, beside those that are needed, if there are any."""
    judged = [
        (", ".join(filter(None, [claim["id"], name])), reading, claim["needed"])
        for claim in claims
        for name, reading in claim["readings"].items()
        if reading["interval"] is not None
    ]
    if not judged:
        return []
    names, readings, needed = zip(*judged, strict=True)
    shares = [reading["count"] / reading["of"] for reading in readings]
    intervals = [reading["interval"] for reading in readings]
    return [comparison_figures.shares_with_needed(names, shares, intervals, needed, confidence=CONFIDENCE)]


def variants_block(study: str, variants: Sequence[Variant], id: str) -> StudyBlock:
    """Draw the block of a study's variants: a table, and figures of comparisons."""
    # A figure has no room for more values of a key.
    compared = {key: values for key, values in comparisons(variants).items() if len(values) <= 10}
    drawn = [chart for key, values in compared.items() for chart in _comparison_figures(key, values)]
    count = count_of(len(variants), "variant")
    text = f"{count}, each over its seeds; figures compare those that differ in one setting alone."
    columns = ["variant", "networks", "updates", "converged", "by update", "objective", "accuracy", "seconds each"]
    listed = table(columns, [[variant.name, *_result_cells(variant)] for variant in variants])
    listed = listed.without_empty_columns()  # sweeps store no accuracy, for example
    return study, ReportBlock(id, f"Variants of {study} beside one another", text, table=listed, figures=drawn)


def _comparison_figures(key: str, compared: Mapping[str, Variant]) -> Iterator[Chart]:
    section, _, last = key.partition(".")
    name = section if last == "name" else last.replace("_", " ")
    variants = {value.replace("_", " "): variant for value, variant in compared.items()}
    # The values of these keys change what the objective measures.
    if key not in ("loss.name", "loss.reduction", "loss.penalty", "data.rows"):
        curves = {
            value: (variant.looks, variant.curve)
            for value, variant in variants.items()
            if np.isfinite(variant.curve).any()
        }
        if len(curves) > 1:
            yield figures.comparison_curves(curves, parameter=name, quantity="median objective")
    if any(np.isfinite(variant.converged).any() for variant in variants.values()):
        limit = max(int(variant.steps.max()) for variant in variants.values())
        updates = {value: variant.converged for value, variant in variants.items()}
        yield comparison_figures.spreads(updates, option=name, quantity="updates to converge", limit=limit)


def _result_cells(variant: Variant) -> list[str]:
    """The cells of a variant's results, in the order of the table's columns."""
    converged = np.isfinite(variant.converged)
    accuracy = variant.accuracy[np.isfinite(variant.accuracy)]
    objective = float(np.median(np.where(np.isfinite(variant.objective), variant.objective, np.inf)))
    return [
        f"{len(variant.steps):,}",
        f"{np.median(variant.steps):,.0f}",
        percent(converged.mean(), 1, "f"),
        f"{np.median(variant.converged[converged]):,.0f}" if converged.any() else "",
        f"{objective:.4g}" if np.isfinite(objective) else "diverged",
        f"{np.median(accuracy):.4f}" if len(accuracy) else "",
        f"{variant.seconds:.3g}",
    ]


MAX_LISTED = 50
"""The largest number of configurations listed from each end of the ranking."""


def sweep_block(folder: Path, id: str) -> tuple[str, ReportBlock]:
    """Draw the block of the sweep in a folder, with its study's name."""
    with contextlib.closing(load_sweep(folder)) as sweep:
        study, quantity = sweep.name, sweep.quantity
        settings, parts = sweep.scores_by_part()
        scores = parts.pop(sweep.ranked)
        blocks = scores.shape[1]
        trained = "each trained once" if blocks == 1 else f"over {blocks:,} folds and seeds"
        facts = [
            ("table", f"{shlex.join(['deltarule', 'sweep', '--table', folder.resolve().name])} prints it"),
            ("rows", f"{len(sweep):,}, {sweep.diverged:,} of them diverged"),
            ("configurations", f"{len(settings):,}, {trained}"),
            ("ranked by", f"mean {quantity}"),
        ]
        notes = [f"{note}." for note in sweep.notes]
    drawn = list[Chart]()
    if np.isfinite(scores).any() and len(settings) > 1:
        effect_sizes = effects(settings, scores)
        means = {part: mean_unless_diverged(values) for part, values in parts.items() if np.isfinite(values).any()}
        drawn += _sweep_figures(settings, scores, effect_sizes, quantity, means)
        notes += filter(None, [effect_sizes.without_effect])
    block = ReportBlock(
        id=id,
        title=f"Sweep of {study}: {folder.resolve().name}",
        facts=facts,
        commands=_commands(study, sweep.runs),
        figures=drawn,
        notes=notes,
    )
    return study, block


def _commands(study: str, runs: Iterable[Mapping[str, Any]]) -> list[str]:
    """The commands that have filled a sweep."""
    commands = []
    for run in runs:  # a sweep of a grid from Python has none
        named = {"study": study, "experiment": run["experiment"]}
        arguments = ["deltarule", "sweep", *study_arguments(named), *set_arguments(run["settings"])]
        arguments += [] if run["folds"] is None else ["--folds", str(run["folds"])]
        arguments += ["--keep"] if run["keep"] else []
        arguments += ["--rank-by", run["rank_by"]] if run["rank_by"] else []
        arguments += [] if run["data"] is None else ["--data", run["data"]]
        commands.append(shlex.join(arguments))
    return list(dict.fromkeys(commands))


def _sweep_figures(
    settings: list[dict[str, Any]], scores: Any, effect_sizes: Effects, quantity: str, other_means: Mapping[str, Any]
) -> Iterator[Chart]:
    """Charts of a sweep: the ranking of its settings and the effects of parameters."""
    ranked = ranking(scores)
    chart = sweep_figures.ranking_with_intervals(settings, ranked, quantity=quantity)
    yield replace(chart, numbers=_ranking_table(settings, ranked, other_means))
    if any(np.isfinite(effect.mean).any() for effect in effect_sizes.marginal):
        chart = sweep_figures.effects_matrix(effect_sizes, quantity=quantity)
        yield replace(chart, numbers=_effect_table(effect_sizes))


def _ranking_table(settings: list[dict[str, Any]], ranked: Ranking, other_means: Mapping[str, Any]) -> Table:
    """A row for each of the best and the worst configurations, the best first."""
    keys = list(settings[0])
    columns = [*map(last_key, keys), *other_means, "behind the first", "± of the mean", "mean"]
    means = [values[ranked.place].tolist() for values in other_means.values()]
    numbers = list(zip(*means, ranked.behind.tolist(), ranked.half.tolist(), ranked.mean.tolist(), strict=True))
    places = range(len(numbers))
    listed = places if len(places) <= 2 * MAX_LISTED else [*places[:MAX_LISTED], *places[-MAX_LISTED:]]
    rows = [
        [
            *(format_value(settings[ranked.place[place]][key]) for key in keys),
            *("" if np.isnan(number) else format_score(number) for number in numbers[place]),
        ]
        for place in listed
    ]
    return table(columns, rows).without_empty_columns()


def _effect_table(sweep_effects: Effects) -> Table:
    """A row for each value of each parameter, with its effect and interval."""
    columns = ["parameter", "value", "effect", "±", "diverged"]
    rows = []
    for parameter, effect in zip(sweep_effects.parameters, sweep_effects.marginal, strict=True):
        numbers = zip(effect.mean.tolist(), effect.half.tolist(), effect.diverged, effect.rows, strict=True)
        for value, (mean, half, diverged, total) in zip(parameter.values, numbers, strict=True):
            effect_text = "not estimated" if np.isnan(mean) else format_score(mean)
            diverged_text = f"{diverged:,} of {total:,}" if diverged else ""
            half_text = "" if np.isnan(half) else format_score(half)
            rows.append([parameter.key, value, effect_text, half_text, diverged_text])
    return table(columns, rows).without_empty_columns()
