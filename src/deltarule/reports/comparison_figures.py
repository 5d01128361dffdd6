"""Charts that compare configurations: spreads, claims."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from deltarule.reports import style
from deltarule.reports.chart import Chart, capitalize, rows_axis, spread_scale
from deltarule.reports.formatting import percent
from deltarule.reports.marks import Axis, Dots, Mark, Panel, Segments

NAMES_POINTS = 340
"""Width in points that the names of all options share."""


def spreads(series: Mapping[str, Any], *, option: str, quantity: str, limit: float | None = None) -> Chart:
    """A dot for each seed's value [K] of each option, and the medians.

    Parameters
    ----------
    series : for each option, by name, the values of its K seeds; NaN for a seed that has none, e.g. no convergence.
    option : what the options are values of, such as "momentum".
    quantity : what the values are, with their unit.
    limit : of the values, if there is one; seeds without a value exceeded it.

    >>> spreads({"0": [900, 800], "0.9": [110, 100]}, option="momentum", quantity="epochs to converge").sentences[0]
    '0: median 850, from 800 to 900, of 2 of 2 seeds.'
    """
    values = {name: np.asarray(value, np.float64) for name, value in series.items()}
    marks = list[Mark]()
    sentences = []
    for index, (name, value) in enumerate(values.items()):
        finite = value[np.isfinite(value)]
        sideways = (np.arange(len(value)) * 0.6180339887 % 1 - 0.5) * 0.3 * (len(value) > 1)
        places = index + sideways[np.isfinite(value)]
        marks.append(Dots(places, finite, opacity=0.75, are_upright=True))
        if not len(finite):
            sentences.append(f"{name}: no value.")
            continue
        median = float(np.median(finite))
        marks.append(Segments([[(index - 0.22, median), (index + 0.22, median)]], style.ORANGE, 3.0))
        spread = f"median {median:,.4g}, from {finite.min():,.4g} to {finite.max():,.4g}"
        sentences.append(f"{name}: {spread}, of {len(finite):,} of {len(value):,} seeds.")
    notes = ["A dot a seed; the bar is the median of those that have a value."]
    together = np.concatenate(list(values.values()))
    known = together[np.isfinite(together)]
    if missing := len(together) - len(known):
        reached = f" within {limit:,.0f}" if limit is not None else ""
        notes.insert(0, f"{missing:,} of {len(together):,} seeds have no value{reached}.")
    x = Axis(option, names=list(series), limits=(-0.6, len(series) - 0.4), name_points=NAMES_POINTS / len(series))
    panel = Panel(marks, x, Axis(quantity, spread_scale(known)))
    title = f"{capitalize(quantity)} by {option}"
    return Chart(title, [panel], size=(7.0, 3.8), notes=notes, sentences=sentences)


def shares_with_needed(names: Sequence[str], shares: Any, intervals: Any, needed: Any, *, confidence: float) -> Chart:
    """The share of seeds for which each claim holds, beside the share that it needs.

    Parameters
    ----------
    names : of the T claims.
    shares, intervals, needed : [T], [T, 2] and [T], from 0 to 1.
    confidence : of the intervals.

    >>> shares_with_needed(["encoder-1"], [1.0], [[0.96, 1.0]], [0.9], confidence=0.95).sentences
    ['encoder-1: 100 %, needs 90 %.']
    """
    rows = np.arange(len(names))
    marks = [
        Dots(shares, rows, f"share of seeds, and its interval ({percent(confidence)})", intervals=intervals),
        Dots(needed, rows, "share that it needs", style.ORANGE, "|", size=13),
    ]
    sentences = [
        f"{name}: {percent(share)}, needs {percent(bound)}."
        for name, share, bound in zip(names, np.asarray(shares).tolist(), np.asarray(needed).tolist(), strict=True)
    ]
    panel = Panel(marks, Axis("share of seeds", "share"), rows_axis("claim", names, name_points=190))
    return Chart("Seeds for which each claim holds", [panel], sentences=sentences)
