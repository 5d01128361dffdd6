"""A sweep as part of a report: ranked, and what its parameters are worth."""

import contextlib
import shlex
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from deltarule.errors import BadInput
from deltarule.json_files import read_json
from deltarule.reports import cell_figures, comparison_figures, network_figures, parallel_figures, sweep_figures
from deltarule.reports.report import Block
from deltarule.reports.svg_embed import EmbeddedFigures
from deltarule.reports.sweep_table import format_score
from deltarule.stats.effects import Effects, effects, format_value, mean_of_all
from deltarule.stats.ranking import Ranking, ranking
from deltarule.studies.recipes import bundled_studies
from deltarule.studies.report.command_lines import set_words, study_words
from deltarule.studies.report.variants_block import TIMED
from deltarule.studies.report.weight_images import images_of_sweep
from deltarule.sweeps.result import PARTS, Sweep, load_sweep
from deltarule.sweeps.store import read_notes
from deltarule.sweeps.sweep import differing_keys

MAX_LISTED = 50
"""Configurations of a sweep that are listed, the first and the last."""


def sweep_block(place: Path, id: str) -> tuple[str, Block]:
    """The study that the store in a folder sweeps, and what there is to tell of it.

    Errors: `BadInput` for a store that cannot be read.
    """
    with contextlib.closing(load_sweep(place)) as table:
        study, quantity = table.name, f"{table.metric.replace('_', ' ')} on {table.ranked} rows"
        settings, scores = table.scores()
        others = {part: table.scores(part) for part in PARTS if part != table.ranked}
        # Rows that come in between, while it still runs, may change the ranks.
        parts = {part: values for part, (ranked, values) in others.items() if ranked == settings}
        is_accuracy = table.metric == "accuracy"
        times = _times_by_weights(table)
        facts = [
            ("table", f"{shlex.join(['deltarule', 'sweep', '--table', place.resolve().name])} prints it"),
            ("rows", f"{len(table):,}, {table.diverged:,} of them diverged"),
            ("configurations", f"{len(settings):,}, {_blocks(scores.shape[1])}"),
            ("ranked by", f"mean {quantity}"),
        ]
        commands, of_runs = _commands(study, place)
        notes = [*(f"{note}." for note in table.notes), *of_runs]
        images = images_of_sweep(table)
    drawn = EmbeddedFigures(id)
    if np.isfinite(scores).any():
        means = {part: mean_of_all(values) for part, values in parts.items() if np.isfinite(values).any()}
        notes += _draw_sweep(drawn, settings, scores, quantity, means)
        if "test" in means and is_accuracy:
            _draw_above(drawn, settings, means["test"])
    if times:
        drawn.add(comparison_figures.spreads(times, option="initial weights", quantity="seconds of training"), [])
    # Figures of weights as images: one for the networks that began alike.
    for image in images[:4]:
        drawn.add(network_figures.weight_images(image.initial, image.final, image.shape))
    block = Block(
        id=id,
        title=f"Sweep of {study}: {place.resolve().name}",
        facts=facts,
        commands=commands,
        figures=drawn.all,
        notes=notes,
    )
    return study, block


def _blocks(count: int) -> str:
    return "each trained once" if count == 1 else f"over {count:,} folds and seeds"


def _commands(study: str, place: Path) -> tuple[list[str], list[str]]:
    """What does all of it again, and what is to be known of it: where a study's claims asked for the sweep, judging
    them."""
    if study in {name for name, _, _ in bundled_studies()}:
        with contextlib.suppress(BadInput, LookupError, TypeError):  # claims that cannot be read are told of elsewhere
            seeds = read_json(place.parent / "claims.json")["seeds"]
            return [shlex.join(["deltarule", "claims", study, "--seeds", str(seeds)])], []
    told, notes = [], []
    runs = read_notes(place).get("runs", ())  # none is known of a sweep of a grid from Python
    for run in runs:
        now = runs[-1].get("recipe")
        then = run.get("recipe", now)  # which earlier versions did not note
        # What was set was set after it: that may take away what the recipe said.
        # Of one that the recipe has no more everything is among what was set.
        is_there = run["experiment"] in runs[-1].get("experiments", [run["experiment"]])
        named = {"study": study, "experiment": run["experiment"] if is_there else None}
        words = ["deltarule", "sweep", *study_words(named)]
        words += set_words(_changed_settings(then, now) | run["settings"])
        words += [] if run["folds"] is None else ["--folds", str(run["folds"])]
        words += [] if run["keep"] == "none" else ["--keep", run["keep"]]
        words += [] if run.get("data") is None else ["--data", run["data"]]
        told.append(shlex.join(words))
        if then != now and then["grid"] != now["grid"]:
            grid = "; ".join(f"{key}: {', '.join(map(format_value, values))}" for key, values in then["grid"].items())
            notes.append(f"{told[-1]} was given when the recipe had another grid ({grid or 'none'}).")
    return list(dict.fromkeys(told)), notes


def _changed_settings(then: Mapping[str, Any] | None, now: Mapping[str, Any] | None) -> dict[str, Any]:
    """The keys that a recipe's file had set otherwise than now, with their values; those in its grid say nothing."""
    found: dict[str, Any] = {}
    if then is None or now is None:
        return found
    for dotted in differing_keys({**then, "grid": {}}, {**now, "grid": {}}):
        if dotted not in then["grid"]:
            value: Any = then
            for part in dotted.split("."):
                value = value.get(part) if isinstance(value, Mapping) else None
            found[dotted] = value
    return found


def _draw_sweep(
    drawn: EmbeddedFigures, settings: list[dict[str, Any]], scores: Any, quantity: str, others: Mapping[str, Any]
) -> list[str]:
    """Which configurations are best, whether that is more than noise, and which parameter matters; and what is to be
    known of that."""
    ranked, found = ranking(scores), effects(settings, scores)
    columns, rows = _nonempty_columns(*_ranked_rows(settings, ranked, others))
    drawn.add(comparison_figures.top_and_bottom(columns, rows, ranked_by="mean"), [columns, *_ends(rows)])
    if len(settings) > 1:
        drawn.add(sweep_figures.ranking_with_intervals(settings, ranked, quantity=quantity), [])
    is_told = any(np.isfinite(one.mean).any() for one in found.marginal)
    if is_told:
        drawn.add(sweep_figures.effects_matrix(found, quantity=quantity), _effect_rows(found))
    if is_told and len(found.parameters) > 1:
        drawn.add(parallel_figures.parallel_coordinates(settings, scores, quantity=quantity), [])
    return _effect_notes(found)


def _ranked_rows(
    settings: list[dict[str, Any]], ranked: Ranking, others: Mapping[str, Any]
) -> tuple[list[str], list[list[str]]]:
    """A row for each configuration, the best first.    others   means on other parts of the data, by the part"""
    keys = list(settings[0])
    columns = [*(key.rpartition(".")[2].replace("_", " ") for key in keys), *others]
    columns += ["behind the first", "± of the mean", "mean"]
    means = [values[ranked.place].tolist() for values in others.values()]
    numbers = zip(*means, ranked.behind.tolist(), ranked.half.tolist(), ranked.mean.tolist(), strict=True)
    rows = [
        [
            *(format_value(settings[place][key]) for key in keys),
            *("" if np.isnan(one) else format_score(one) for one in row),
        ]
        for place, row in zip(ranked.place.tolist(), numbers, strict=True)
    ]
    return columns, rows


def _nonempty_columns(columns: list[str], rows: list[list[str]]) -> tuple[list[str], list[list[str]]]:
    """The columns in which some row has something: of a single seed there are no intervals."""
    places = [place for place in range(len(columns)) if any(row[place] for row in rows)]
    return [columns[place] for place in places], [[row[place] for place in places] for row in rows]


def _times_by_weights(table: Sweep) -> dict[str, list[float]]:
    """The seconds of each network, by configurations that differ in their initial weights alone; else nothing."""
    # Rows of a sweep whose seconds are compared.
    if TIMED not in table.grid or len(table) > 5_000:
        return {}
    twins: dict[str, dict[str, list[float]]] = {}
    for row in table.rows():
        others = ", ".join(format_value(row[key]) for key in table.grid if key != TIMED)
        twins.setdefault(others, {}).setdefault(format_value(row[TIMED]), []).append(row["train_seconds"])
    found = {f"{word}: {name}": one for name, by in twins.items() if len(by) > 1 for word, one in by.items()}
    return found if len(found) <= comparison_figures.MAX_OPTIONS else {}


def _ends(rows: list[list[str]]) -> list[list[str]]:
    """The first and the last of many rows."""
    return rows if len(rows) <= 2 * MAX_LISTED else rows[:MAX_LISTED] + rows[-MAX_LISTED:]


def _effect_notes(found: Effects) -> list[str]:
    """What is to be known of effects where a grid is not full."""
    if found.is_full:
        return []
    text = "The grid is not full, or lacks scores: what its parameters are worth is fitted as a sum, a number for each"
    untold: list[str] = []
    for parameter, effect in zip(found.parameters, found.marginal, strict=True):
        rows = zip(parameter.values, effect.mean.tolist(), effect.diverged.tolist(), strict=True)
        values = [value for value, mean, diverged in rows if np.isnan(mean) and not diverged]
        untold += [f"{parameter.key} ({', '.join(values)})"] if values else []
    lacks = f"Not told, for lack of scores or of configurations that differ in nothing else: {'; '.join(untold)}."
    diverged = sweep_figures.diverged_with(found)
    return [f"{text} value.", *([lacks] if untold else []), *([diverged] if diverged else [])]


def _effect_rows(found: Effects) -> list[list[str]]:
    columns, rows = ["parameter", "value", "effect", "±", "diverged"], []
    for parameter, effect in zip(found.parameters, found.marginal, strict=True):
        numbers = zip(effect.mean.tolist(), effect.half.tolist(), effect.diverged, effect.rows, strict=True)
        for value, (mean, half, diverged, of) in zip(parameter.values, numbers, strict=True):
            told = "not told" if np.isnan(mean) else format_score(mean)
            among = f"{diverged:,} of {of:,}" if diverged else ""
            rows.append([parameter.key, value, told, "" if np.isnan(half) else format_score(half), among])
    columns, rows = _nonempty_columns(columns, rows)
    return [columns, *rows]


def _draw_above(drawn: EmbeddedFigures, settings: list[dict[str, Any]], means: Any) -> None:
    """The configurations above the lowest of some bars that not too many pass.    means   of the test rows"""
    # Accuracies above which the configurations are listed: the first that not too many exceed.
    bars = [bar for bar in (0.8, 0.9, 0.95, 0.97, 0.98, 0.99) if 0 < (means > bar).sum() <= cell_figures.MAX_ROWS]
    if bars:
        names = [", ".join(map(format_value, setting.values())) for setting in settings]
        drawn.add(
            comparison_figures.scores_above(names, means, bars[0], quantity="mean test accuracy (share of rows)"), []
        )
