"""The variants of a study beside one another, as part of a report."""

from collections.abc import Sequence
from itertools import compress

import numpy as np

from deltarule.reports import comparison_figures, figures
from deltarule.reports.formatting import percent
from deltarule.reports.report import Block
from deltarule.reports.svg_embed import EmbeddedFigures
from deltarule.stats.intervals import share_interval
from deltarule.studies.variants import Comparison, Variant, comparisons

TIMED = "network.initializer"
"""The key whose values the reports compare by the time that training takes."""


def variants_block(study: str, variants: Sequence[Variant], id: str) -> Block:
    """What the variants of a study came to, as a table, and figures of those that differ in one key alone."""
    drawn, found = EmbeddedFigures(id), comparisons(variants)
    for one in found:
        # Values of a key that are compared in a figure.
        if len(one.variants) <= 10:
            _draw_comparison(drawn, one)
    text = f"{len(variants)} variants, each over its seeds; figures compare those that differ in one setting alone."
    return Block(id, f"Variants of {study} beside one another", text, table=_table(variants), figures=drawn.all)


def _draw_comparison(drawn: EmbeddedFigures, compared: Comparison) -> None:
    """The curves, the updates until all is learned, the share that learns it, and the time it takes."""
    name = _describe_key(compared.key)
    variants = {value.replace("_", " "): variant for value, variant in compared.variants.items()}
    # Keys with whose values the objective is another number.
    if compared.key not in ("loss.name", "loss.reduction", "loss.penalty", "data.rows"):
        curves = {
            value: (variant.looks, variant.curve)
            for value, variant in variants.items()
            if np.isfinite(variant.curve).any()
        }
        if len(curves) > 1:
            drawn.add(figures.comparison_curves(curves, parameter=name, quantity="median objective"))
    has_converged = [np.isfinite(variant.converged) for variant in variants.values()]
    if any(one.any() for one in has_converged):
        limit = max(int(variant.steps.max()) for variant in variants.values())
        needed = {value: variant.converged for value, variant in variants.items()}
        drawn.add(comparison_figures.spreads(needed, option=name, quantity="updates to converge", limit=limit))
        if all(compared.key in variant.numbers for variant in variants.values()):
            _draw_success(drawn, compared, [(int(one.sum()), len(one)) for one in has_converged])
    if compared.key == TIMED:
        seconds = {
            value: variant.seconds * variant.steps / max(variant.steps.mean(), 1) for value, variant in variants.items()
        }
        drawn.add(comparison_figures.spreads(seconds, option=name, quantity="seconds of training, by its updates"))


def _draw_success(drawn: EmbeddedFigures, compared: Comparison, counts: Sequence[tuple[int, int]]) -> None:
    drawn.add(
        comparison_figures.success_rates(
            [variant.numbers[compared.key] for variant in compared.variants.values()],
            [count / of for count, of in counts],
            [share_interval(count, of) for count, of in counts],
            parameter=_describe_key(compared.key),
            success="converged",
        )
    )


def _table(variants: Sequence[Variant]) -> list[list[str]]:
    columns = ["variant", "networks", "updates", "converged", "by update", "objective", "accuracy", "seconds each"]
    rows = [[variant.name, *_cells(variant)] for variant in variants]
    texts = [any(cells) for cells in zip(*rows, strict=True)]  # of sweeps no accuracy is kept, and so on
    return [list(compress(row, texts)) for row in [columns, *rows]]


def _cells(one: Variant) -> list[str]:
    converged = np.isfinite(one.converged)
    accuracy = one.accuracy[np.isfinite(one.accuracy)]
    objective = float(np.median(np.where(np.isfinite(one.objective), one.objective, np.inf)))
    return [
        f"{len(one.steps):,}",
        f"{np.median(one.steps):,.0f}",
        percent(converged.mean(), 1, "f"),
        f"{np.median(one.converged[converged]):,.0f}" if converged.any() else "",
        f"{objective:.4g}" if np.isfinite(objective) else "diverged",
        f"{np.median(accuracy):.4f}" if len(accuracy) else "",
        f"{one.seconds:.3g}",
    ]


def _describe_key(key: str) -> str:
    """A key in words: of an optimizer's name the optimizer."""
    section, _, name = key.partition(".")
    return section if name == "name" else name.replace("_", " ")
