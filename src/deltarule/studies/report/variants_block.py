"""The block of a report that compares the variants of a study."""

from collections.abc import Iterator, Mapping, Sequence

import numpy as np

from deltarule.errors import count_of
from deltarule.reports import comparison_figures, figures
from deltarule.reports.chart import Chart
from deltarule.reports.formatting import percent
from deltarule.reports.report import Block
from deltarule.reports.table import table
from deltarule.studies.variants import Variant, comparisons


def variants_block(study: str, variants: Sequence[Variant], id: str) -> Block:
    """Draw the block of a study's variants: a table, and figures of comparisons."""
    # A figure has no room for more values of a key.
    compared = {key: values for key, values in comparisons(variants).items() if len(values) <= 10}
    drawn = [chart for key, values in compared.items() for chart in _comparison_figures(key, values)]
    count = count_of(len(variants), "variant")
    text = f"{count}, each over its seeds; figures compare those that differ in one setting alone."
    columns = ["variant", "networks", "updates", "converged", "by update", "objective", "accuracy", "seconds each"]
    listed = table(columns, [[variant.name, *_result_cells(variant)] for variant in variants])
    listed = listed.without_empty_columns()  # sweeps store no accuracy, for example
    return Block(id, f"Variants of {study} beside one another", text, table=listed, figures=drawn)


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
