"""The block of a report for a sweep: the ranking, and the effects of parameters."""

import contextlib
import shlex
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from deltarule.data.pipeline import name_and_options
from deltarule.errors import BadInput
from deltarule.json_files import read_json
from deltarule.problem.problem import Floats
from deltarule.problem.recipe_sections import Configuration
from deltarule.reports import network_figures, sweep_figures
from deltarule.reports.chart import Chart
from deltarule.reports.formatting import format_score
from deltarule.reports.report import Block
from deltarule.reports.table import Table, table
from deltarule.stats.effects import Effects, effects, format_value, last_key, mean_unless_diverged
from deltarule.stats.ranking import Ranking, ranking
from deltarule.studies.recipes import bundled_studies
from deltarule.studies.report.claims_block import set_arguments, study_arguments
from deltarule.studies.representative_run import in_image_order
from deltarule.sweeps.result import Sweep, load_sweep
from deltarule.sweeps.store import StoredNetwork

IMAGE_SHAPES = {"digits": (8, 8), "mnist": (28, 28), "fashion-mnist": (28, 28), "cifar10": (32, 32, 3)}
"""Shapes of the images in published data sets: a sweep stores the name of its data, not the data."""
MAX_IMAGED = 8
"""The largest number of a sweep's networks whose weights are drawn: one half the best, one half the worst."""
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
        images = images_of_sweep(sweep)
    drawn = list[Chart]()
    if np.isfinite(scores).any() and len(settings) > 1:
        found = effects(settings, scores)
        means = {part: mean_unless_diverged(values) for part, values in parts.items() if np.isfinite(values).any()}
        drawn += _sweep_figures(settings, scores, found, quantity, means)
        notes += _effect_notes(found)
    # One figure for each group of networks with the same initial weights.
    drawn += [network_figures.weight_images(one.initial, one.final, one.shape) for one in images[:4]]
    block = Block(
        id=id,
        title=f"Sweep of {study}: {folder.resolve().name}",
        facts=facts,
        commands=_commands(study, folder, sweep.runs),
        figures=drawn,
        notes=notes,
    )
    return study, block


def _commands(study: str, folder: Path, runs: Iterable[Mapping[str, Any]]) -> list[str]:
    """The commands that have filled a sweep."""
    if study in {name for name, _, _ in bundled_studies()}:
        with contextlib.suppress(BadInput, LookupError, TypeError):  # unreadable claims are reported by their own block
            seeds = read_json(folder.parent / "claims.json")["seeds"]
            return [shlex.join(["deltarule", "claims", study, "--seeds", str(seeds)])]
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


def _effect_notes(sweep_effects: Effects) -> list[str]:
    """Notes on how effects are estimated if a grid is not full."""
    if sweep_effects.is_full:
        return []
    text = "The grid is not full, or lacks scores: what its parameters are worth is fitted as a sum, a number for each"
    return [f"{text} value.", *filter(None, [sweep_effects.without_effect])]


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


@dataclass(frozen=True, eq=False)
class WeightImages:
    """First layers, as images, of a sweep's networks with the same initial weights.

    shape     of an image: (rows, columns), or (rows, columns, 3) of colors
    initial   [D, H], in the order of `shape`
    final     [D, H] of each network, by the settings in which its configuration differs from others
    """

    shape: tuple[int, ...]
    initial: Floats
    final: dict[str, Floats]


def images_of_sweep(table: Sweep) -> list[WeightImages]:
    """Collect the stored first layers of a sweep, before and after training.

    Only the first row of each configuration is used. Initial weights are drawn again, from the row's seed.
    """
    rows = list({row["configuration"]: row for row in reversed(table.kept())}.values())[::-1]
    rows = _best_and_worst(rows, f"{table.ranked}_{table.metric}", table.sign)
    texts = {key: [format_value(row[key]) for row in rows] for key in table.grid}
    differing = [key for key, values in texts.items() if len(set(values)) > 1]
    images: list[WeightImages] = []
    for index, row in enumerate(rows):
        configuration, network = table.configuration_of(row["key"]), table.network(row["key"])
        weights = network.parameters["W1"]
        shape = _image_shape_of_data(configuration, len(weights))
        if not shape:
            continue
        name = ", ".join(f"{last_key(key)} {texts[key][index]}" for key in differing) or "as it is"
        name += " (diverged)" if row["status"] == "diverged" else ""
        initial = in_image_order(_initial_weights(configuration, network, row["seed"]), shape)
        group = next((one for one in images if np.array_equal(one.initial, initial)), None)
        if group is None:
            group = WeightImages(shape, initial, {})
            images.append(group)
        group.final[name] = in_image_order(weights, shape)
    return images


def _best_and_worst(rows: list[dict[str, Any]], score: str, sign: int) -> list[dict[str, Any]]:
    """Choose at most `MAX_IMAGED` rows, the best and the worst by `score`."""
    if len(rows) <= MAX_IMAGED:
        return rows
    ranked = sorted(rows, key=lambda row: -np.inf if row[score] is None else sign * row[score], reverse=True)
    half = MAX_IMAGED // 2
    chosen = {row["key"] for row in ranked[:half] + ranked[-half:]}
    return [row for row in rows if row["key"] in chosen]


def _image_shape_of_data(configuration: Configuration, inputs: int) -> tuple[int, ...]:
    """The shape of the images in a configuration's data set."""
    if configuration.data.file is not None or configuration.data.components is not None:
        return ()
    for source in (configuration.data.name, configuration.data.offline):
        shape = () if source is None else IMAGE_SHAPES.get(name_and_options(source)[0], ())
        if shape and np.prod(shape) == inputs:
            return shape
    return ()


def _initial_weights(configuration: Configuration, stored: StoredNetwork, seed: int) -> Floats:
    network = stored.network
    drawn = network.initializers[0].weights(np.array([seed], np.uint64), 1, network.inputs, network.sizes[1])[0]
    return (drawn * configuration.network.initial_scale).astype(stored.theta.dtype)
