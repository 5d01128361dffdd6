"""Records as text for a terminal, in which nothing is said by color alone.

T evaluations · N objects
"""

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

from deltarule.errors import count_of
from deltarule.problem.problem import Floats
from deltarule.reports.claim_verdicts import list_verdicts
from deltarule.reports.formatting import format_score, percent
from deltarule.reports.table import Pairs, Table, TableColumn, table
from deltarule.stats.effects import format_value

if TYPE_CHECKING:
    from rich.console import RenderableType

    from deltarule.training.run import Run

BARS = "▁▂▃▄▅▆▇█"
BAR_CHARACTERS = 32
DIGITS = 12
"""Of a digest that are shown: enough to see whether two runs have the same parameters."""
ENDED = {
    "max_steps": "at the limit of updates",
    "threshold": "at the threshold",
    "tolerance": "no longer changing",
    "patience": "no longer improving",
    "diverged": "diverged",
    "interrupted": "interrupted",
}


def run_facts(run: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Names with texts for the record of `deltarule run --json`."""
    study = f"{run['study']}, {run['experiment']}" if run["experiment"] else run["study"]
    updates = f"{run['steps']:,}" + (f" at most, {run['member_steps']:,} in all" if run["members"] > 1 else "")
    facts = [
        ("study", f"{study} on {run['data']}"),
        ("networks", f"{run['members']:,}, {run['dtype']}, {run['engine']} engine"),
        ("updates", f"{updates}, in {run['seconds']:.2f} s"),
        ("ended", ", ".join(f"{count:,} {ENDED[reason]}" for reason, count in run["reasons"].items())),
        *([("parameters", f"SHA-256 {run['digest'][:DIGITS]}")] if run.get("digest") else []),  # older records lack it
        ("objective", format_spread(**run["objective"])),
    ]
    for name in ("accuracy", "validation_accuracy", "test_accuracy"):
        if run[name] is not None:
            facts.append((name.replace("_", " "), format_spread(**run[name], format=partial(percent, digits=4))))
    if solved := run["solved"]:
        text = f"{solved['count']:,} of {solved['of']:,}"
        if "interval" in solved and solved["of"] > 1:  # which older records lack
            low, high = solved["interval"]
            text += f": {percent(solved['count'] / solved['of'])} ({100 * low:.3g} to {100 * high:.3g})"
        text += f", {solved['criterion']}"
        steps = solved["steps_median"]
        facts.append(("solved", text if steps is None else f"{text}, half of them by update {steps:,.0f}"))
    if run["diverged"]:
        first = run["diverged"][0]
        text = f"member {first['member']} after update {first['step']:,} (layer {first['layer']}, {first['where']})"
        facts.append(("diverged", f"{len(run['diverged']):,}, the first: {text}"))
    return facts


def format_spread(
    min: float | None, median: float | None, max: float | None, format: Callable[[float], str] = "{:.4g}".format
) -> str:
    """Format the spread of a number over members; None is that of one that diverged."""
    low, middle, high = ("diverged" if value is None else format(value) for value in (min, median, max))
    return middle if low == high else f"median {middle}, from {low} to {high}"


def describe_progress(progress: Any) -> str:
    """Describe the progress of a population in a few words."""
    counts = {"solved": progress.solved, "stopped": progress.stopped - progress.solved, "diverged": progress.diverged}
    ended = [f"{count:,} {word}" for word, count in counts.items() if count]
    objective = [] if math.isnan(progress.objective) else [f"{progress.objective:.3g}"]
    return ", ".join([*objective, f"step {progress.step:,}", f"{progress.training:,} training", *ended])


def training_listing(run: "Run", every: int) -> Table:
    """The objective and the metrics of a run's first member, every N updates."""
    history = run.history.take(0)
    names = [
        name for name in history.names if history.series(name).ndim == 2 and history.steps_of(name) == history.steps
    ]
    shown = [index for index, step in enumerate(history.steps) if step % every == 0 and step <= run.steps[0]]
    values = [history.series(name)[shown, 0].tolist() for name in names]
    steps = [history.steps[index] for index in shown]
    columns = [TableColumn(name.replace("_", " "), is_text=False, format="{:.6g}".format) for name in names]
    update = TableColumn("update", is_text=False, format="{:,}".format)
    return table([update, *columns], list(zip(steps, *values, strict=True)))


def object_convergence(steps: Any, probabilities: Any, labels: Sequence[str]) -> Table:
    """The probability [T, N] of each object's correct output during training.

    An object is right from the update on which it is above 0.5 at every evaluation.
    """
    columns = [
        TableColumn("object", is_text=True),
        TableColumn("correct output", is_text=True, min_width=BAR_CHARACTERS),
        TableColumn("at the end", is_text=False),
        TableColumn("right from", is_text=False, style=lambda text: "bold" if text == "not right" else ""),
    ]
    rows = []
    for label, values in zip(labels, np.asarray(probabilities).T, strict=True):
        wrong = np.flatnonzero(~(values > 0.5))
        since = int(wrong[-1]) + 1 if len(wrong) else 0
        right_from = f"{steps[since]:,}" if since < len(values) else "not right"
        rows.append([label, probability_bars(values, BAR_CHARACTERS), f"{values[-1]:.2f}", right_from])
    return table(columns, rows)


def probability_bars(values: Floats, width: int) -> str:
    """Draw values from 0 to 1 [T] as `width` bar characters."""
    indices = np.linspace(0, len(values) - 1, width).round().astype(int)
    heights = np.nan_to_num(np.floor(values[indices] * len(BARS)).clip(0, len(BARS) - 1), nan=-1)
    return "".join(f"{BARS} "[int(height)] for height in heights)


def best_configurations(outcome: Any) -> "Iterator[RenderableType]":
    """The best configurations of the record of `deltarule sweep --json`."""
    best = outcome.configurations
    keys = list(best[0].settings) if best else []
    last_parts = [key.rpartition(".")[2] for key in keys]
    names = [last if last_parts.count(last) == 1 else key for key, last in zip(keys, last_parts, strict=True)]
    are_texts = [any(type(row.settings[key]) not in (int, float) for row in best) for key in keys]
    columns = [TableColumn(name, is_text, format_value) for name, is_text in zip(names, are_texts, strict=True)]
    columns += [TableColumn(name, is_text=False, format=format_score) for name in (outcome.metric, "least", "greatest")]
    columns.append(TableColumn("rows", is_text=False, format="{:,}".format))
    yield table(columns, [[*row.settings.values(), row.mean, row.least, row.greatest, row.rows] for row in best])
    text = f"{outcome.study}: {count_of(outcome.rows, 'row')}, {outcome.diverged:,} of them diverged; "
    yield ""
    yield text + f"mean {outcome.metric} on the {outcome.ranked} rows" + (f"; in {outcome.out}" if outcome.out else "")
    yield from (f"Note: {note}." for note in outcome.notes)


def reproduction_summary(reproduction: Any) -> "Iterator[RenderableType]":
    """How many claims of each study have which verdict, and what was left out."""
    rows = []
    for study in reproduction.studies:
        claims = list_verdicts([*study.verdicts.values(), *["left out"] * len(study.left_out)])
        seeds = "–" if study.seeds is None else f"{study.seeds:,}"
        rows.append([study.study, study.data, seeds, claims, f"{study.seconds:,.0f}"])
    yield table(["study", "data", TableColumn("seeds", False), TableColumn("claims", True), "seconds"], rows)
    yield ""
    yield from (f"Left out: {text}." for text in reproduction.left_out)
    yield from (f"Note: {study.study}: {note}." for study in reproduction.studies for note in study.notes)
    if reproduction.report:
        yield f"Written: {reproduction.report}"


def describe_computer(findings: Mapping[str, Any]) -> Pairs:
    """The findings of `deltarule doctor`, the JSON object of `--json`, as lines."""
    machine = findings["machine"]
    versions = {**findings["versions"], **findings["optional"]}
    blas = "{internal_api} {version}, {architecture} kernels, threads: {num_threads}, {filepath}"
    engines = [name + (" (not usable)" if reason else "") for name, reason in findings["engines"].items()]
    rows = [
        ("processor", f"{machine['processor']}, {machine['processors']} to use; {' '.join(machine['features'])}"),
        ("versions", ", ".join(f"{name} {number or '(not installed)'}" for name, number in versions.items())),
        ("engines", ", ".join(engines)),
        *(("BLAS", blas.format(**{"architecture": "unknown"} | library)) for library in findings["blas"]),
        ("data", ", ".join(f"{name}: {place or 'not here yet'}" for name, place in findings["data"].items())),
        ("", f"DELTARULE_DATA: {findings['data_folder'] or 'not set'}; bundled: {', '.join(findings['bundled'])}"),
    ]
    caches = [(f"cache: {content}", folder) for content, folder in findings["caches"].items()]
    return Pairs([*rows, *caches, *(("note", note) for note in findings["notes"])])
