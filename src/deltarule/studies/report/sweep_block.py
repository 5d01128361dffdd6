"""The block of a report for a sweep: the ranking, and the effects of parameters."""

import contextlib
import shlex
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from deltarule.reports import sweep_figures
from deltarule.reports.chart import Chart
from deltarule.reports.formatting import format_score
from deltarule.reports.report import Block
from deltarule.reports.table import Table, table
from deltarule.stats.effects import Effects, effects, format_value, last_key, mean_unless_diverged
from deltarule.stats.ranking import Ranking, ranking
from deltarule.studies.report.claims_block import set_arguments, study_arguments
from deltarule.sweeps.result import load_sweep

MAX_LISTED = 50
"""The largest number of configurations listed from each end of the ranking."""


def sweep_block(folder: Path, id: str) -> tuple[str, Block]:
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
        found = effects(settings, scores)
        means = {part: mean_unless_diverged(values) for part, values in parts.items() if np.isfinite(values).any()}
        drawn += _sweep_figures(settings, scores, found, quantity, means)
        notes += filter(None, [found.without_effect])
    block = Block(
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
    settings: list[dict[str, Any]], scores: Any, found: Effects, quantity: str, other_means: Mapping[str, Any]
) -> Iterator[Chart]:
    ranked = ranking(scores)
    chart = sweep_figures.ranking_with_intervals(settings, ranked, quantity=quantity)
    yield replace(chart, numbers=_ranking_table(settings, ranked, other_means))
    if any(np.isfinite(effect.mean).any() for effect in found.marginal):
        chart = sweep_figures.effects_matrix(found, quantity=quantity)
        yield replace(chart, numbers=_effect_table(found))


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
    columns, rows = ["parameter", "value", "effect", "±", "diverged"], []
    for parameter, effect in zip(sweep_effects.parameters, sweep_effects.marginal, strict=True):
        numbers = zip(effect.mean.tolist(), effect.half.tolist(), effect.diverged, effect.rows, strict=True)
        for value, (mean, half, diverged, total) in zip(parameter.values, numbers, strict=True):
            effect_text = "not estimated" if np.isnan(mean) else format_score(mean)
            diverged_text = f"{diverged:,} of {total:,}" if diverged else ""
            half_text = "" if np.isnan(half) else format_score(half)
            rows.append([parameter.key, value, effect_text, half_text, diverged_text])
    return table(columns, rows).without_empty_columns()
