"""Records as text for a terminal, in which nothing is said by color alone.

T evaluations · N objects · D inputs · H hidden units · C outputs
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from deltarule.errors import count_of
from deltarule.maths.activations import Activation
from deltarule.problem import registry
from deltarule.reports.formatting import (
    activation_bounds,
    describe_marked,
    describe_solved,
    format_score,
    hidden_codes,
    percent,
)
from deltarule.reports.progress import probability_bars
from deltarule.reports.table import Column, Pairs, Table, table
from deltarule.reports.verdicts import list_verdicts
from deltarule.stats.effects import format_value

if TYPE_CHECKING:
    from rich.console import RenderableType

MAX_BITS = 16
"""Maximum number of hidden units whose code is shown."""
MAX_LISTED = 5
"""Maximum number of diverged members that are listed individually."""
BAR_CHARACTERS = 32
BYTES_PER_MB = 1e6
ENDED = {
    "max_steps": "at the limit of updates",
    "threshold": "at the threshold",
    "tolerance": "no longer changing",
    "patience": "no longer improving",
    "diverged": "diverged",
    "interrupted": "interrupted",
}
"""How members ended, in words, by the reason."""


def run_summary(outcome: Any) -> Pairs:
    """Summarize the result of a run in a few lines.

    `outcome` is a record with the fields of `deltarule run --json`.

    >>> from types import SimpleNamespace as record
    >>> from rich import print
    >>> print(run_summary(record(
    ...     study="encoder", experiment=None, data="one-hot", engine="reference", dtype="float64", members=2,
    ...     steps=500, member_steps=900, seconds=0.25, objective=record(min=0.01, median=0.02, max=0.03),
    ...     accuracy=record(min=0.875, median=0.9375, max=1.0), validation_accuracy=None, test_accuracy=None,
    ...     solved=record(criterion="accuracy of 1", count=1, of=2, steps_median=400.0),
    ...     reasons={"threshold": 1, "max_steps": 1}, diverged=[], out=None)))
    study      encoder on one-hot
    networks   2, float64, reference engine
    updates    500 at most, 900 in all, in 0.25 s
    ended      1 at the threshold, 1 at the limit of updates
    objective  median 0.02, from 0.01 to 0.03
    accuracy   median 93.75 %, from 87.5 % to 100 %
    solved     1 of 2 (accuracy of 1), by update 400
    """
    study = f"{outcome.study}, {outcome.experiment}" if outcome.experiment else outcome.study
    updates = f"{outcome.steps:,}" + (f" at most, {outcome.member_steps:,} in all" if outcome.members > 1 else "")
    rows = [
        ("study", f"{study} on {outcome.data}"),
        ("networks", f"{outcome.members:,}, {outcome.dtype}, {outcome.engine} engine"),
        ("updates", f"{updates}, in {outcome.seconds:.2f} s"),
        ("ended", ", ".join(f"{count:,} {ENDED[reason]}" for reason, count in outcome.reasons.items())),
        ("objective", _format_spread(outcome.objective, _format_objective)),
    ]
    for name in ("accuracy", "validation_accuracy", "test_accuracy"):
        if getattr(outcome, name) is not None:
            spread = _format_spread(getattr(outcome, name), lambda share: percent(share, 4))
            rows.append((name.replace("_", " "), spread))
    if outcome.solved is not None:
        solved = outcome.solved
        rows.append(("solved", describe_solved(solved.criterion, solved.count, solved.of, solved.steps_median)))
    if outcome.diverged:
        rows.append(("diverged", _describe_diverged(outcome.diverged)))
    if outcome.out is not None:
        rows.append(("written to", outcome.out))
    return Pairs(rows)


def _format_objective(value: float) -> str:
    return f"{value:.4g}" if value < np.inf else "diverged"


def _format_spread(spread: Any, format_number: Callable[[float], str]) -> str:
    if format_number(spread.min) == format_number(spread.max):
        return format_number(spread.median)
    return f"median {format_number(spread.median)}, from {format_number(spread.min)} to {format_number(spread.max)}"


def _describe_diverged(diverged: Sequence[Any]) -> str:
    """How many members diverged, and when and where the first few of them did."""
    texts = [
        f"member {record['member']} after update {record['step']:,} (layer {record['layer']}, {record['where']})"
        for record in diverged[:MAX_LISTED]
    ]
    more = len(diverged) - len(texts)
    return f"{len(diverged):,}: " + "; ".join([*texts, *([f"and {more:,} more"] if more else [])])


def object_convergence(steps: Any, probabilities: Any, labels: Sequence[str]) -> Table:
    """The probability of each object's correct output during training.

    An object is right from the update on which it is above 0.5 at every evaluation.

    Parameters
    ----------
    steps : [T].
    probabilities : [T, N].
    labels : names of the N objects.

    Examples
    --------
    >>> from rich import print
    >>> print(object_convergence([0, 10, 20], [[0.6, 0.4], [0.2, 0.4], [0.9, 0.4]], ["cat", "dog"]))
    object  correct output                    at the end  right from
    ────────────────────────────────────────────────────────────────
    cat     ▅▅▅▅▅▅▅▅▂▂▂▂▂▂▂▂▂▂▂▂▂▂▂▂████████        0.90          20
    dog     ▄▄▄▄▄▄▄▄▄▄▄▄▄▄▄▄▄▄▄▄▄▄▄▄▄▄▄▄▄▄▄▄        0.40   not right
    """
    columns = [
        Column("object", is_text=True),
        Column("correct output", is_text=True, min_width=BAR_CHARACTERS),
        Column("at the end", is_text=False),
        Column("right from", is_text=False, style=lambda text: "bold" if text == "not right" else ""),
    ]
    rows = []
    for label, values in zip(labels, np.asarray(probabilities).T, strict=True):
        wrong = np.flatnonzero(~(values > 0.5))
        since = int(wrong[-1]) + 1 if len(wrong) else 0
        right_from = f"{steps[since]:,}" if since < len(values) else "not right"
        rows.append([label, probability_bars(values, BAR_CHARACTERS), f"{values[-1]:.2f}", right_from])
    return table(columns, rows)


def activation_table(
    labels: Sequence[str], hidden: Any, outputs: Any, *, activation: str | Activation = "sigmoid"
) -> "list[RenderableType]":
    r"""The activations of every input, with the code of the hidden units.

    High activations are marked with a star, and have a 1 in the code.

    Parameters
    ----------
    labels : names of the N inputs.
    hidden : [N, H].
    outputs : [N, C], high above 0.5.
    activation : of the hidden units: high is above 0 for tanh, above 0.5 for sigmoid and softmax; others have none.

    Examples
    --------
    >>> from rich import print
    >>> print(*activation_table(["cat", "dog"], [[0.97, 0.02], [0.51, 0.5]], [[0.9, 0.1], [0.2, 0.8]]), sep="\n")
    input     h1     h2  code     o1     o2
    ───────────────────────────────────────
    cat    0.97*   0.02    10  0.90*   0.10
    dog    0.51*   0.50    10   0.20  0.80*
    * above 0.5. The 2 inputs have 1 different code: cat and dog share 10.
    """
    hidden, outputs = np.asarray(hidden), np.asarray(outputs)
    bounds = activation_bounds(registry.activation(activation))
    threshold = np.inf if bounds is None else sum(bounds) / 2
    columns = [Column("input", is_text=True), *_activation_columns("h", hidden.shape[1], threshold)]
    codes = hidden_codes(hidden, threshold)
    has_codes = bounds is not None and hidden.shape[1] <= MAX_BITS
    if has_codes:
        columns.append(Column("code", is_text=False))
    columns += _activation_columns("o", outputs.shape[1], 0.5)
    rows = [
        [label, *units, *([code] if has_codes else []), *answers]
        for label, units, code, answers in zip(labels, hidden.tolist(), codes, outputs.tolist(), strict=True)
    ]
    text = "* outputs above 0.5."
    if bounds is not None:
        text = f"* {describe_marked(threshold)}." + (f" {_describe_codes(labels, codes)}" if len(codes) > 1 else "")
    return [table(columns, rows, splits=True), text]


def _activation_columns(letter: str, count: int, threshold: float) -> list[Column]:
    return [
        Column(
            f"{letter}{number + 1} ",
            is_text=False,
            format=lambda value: f"{value:.2f}{'*' if value > threshold else ' '}",
            style=lambda value: "bold green" if value > threshold else "",
        )
        for number in range(count)
    ]


def _describe_codes(labels: Sequence[str], codes: Sequence[str]) -> str:
    """A sentence on how many codes differ, and which inputs share a code."""
    labels_of_code: dict[str, list[str]] = {}
    for label, code in zip(labels, codes, strict=True):
        labels_of_code.setdefault(code, []).append(label)
    text = f"The {len(codes)} inputs have {count_of(len(labels_of_code), 'different code')}"
    shared = [
        f"{', '.join(group[:-1])} and {group[-1]} share {code}"
        for code, group in labels_of_code.items()
        if len(group) > 1
    ]
    return f"{text}: {'; '.join(shared)}." if shared else f"{text}."


def best_configurations(outcome: Any) -> "Iterator[RenderableType]":
    r"""The best configurations of a sweep, by the mean score over folds and seeds.

    Parameters
    ----------
    outcome : a record with the fields of `deltarule sweep --json`.

    Examples
    --------
    >>> from types import SimpleNamespace as record
    >>> from rich import print
    >>> best = record(settings={"optimizer.learning_rate": 0.1}, rows=5, diverged=1, mean=0.9, least=0.8, greatest=1.0)
    >>> outcome = record(study="mine", metric="accuracy", ranked="validation", rows=10, diverged=1, out=None, notes=())
    >>> print(*best_configurations(record(**vars(outcome), configurations=[best])), sep="\n")
    learning_rate  accuracy   least  greatest  rows
    ───────────────────────────────────────────────
              0.1    0.9000  0.8000    1.0000     5
    <BLANKLINE>
    mine: 10 rows, 1 of them diverged; mean accuracy on the validation rows
    """
    best = outcome.configurations
    keys = list(best[0].settings) if best else []
    columns = []
    for key in keys:
        are_numbers = all(type(one.settings[key]) in (int, float) for one in best)  # True is no number
        columns.append(Column(_short_key(key, keys), is_text=not are_numbers, format=format_value))
    columns += [Column(name, is_text=False, format=_format_score) for name in (outcome.metric, "least", "greatest")]
    columns.append(Column("rows", is_text=False, format="{:,}".format))
    yield table(columns, [[*one.settings.values(), one.mean, one.least, one.greatest, one.rows] for one in best])
    text = f"{outcome.study}: {outcome.rows:,} rows, {outcome.diverged:,} of them diverged; "
    yield ""
    yield text + f"mean {outcome.metric} on the {outcome.ranked} rows" + (f"; in {outcome.out}" if outcome.out else "")
    yield from (f"Note: {note}." for note in outcome.notes)


def _format_score(score: float | None) -> str:
    return "–" if score is None else format_score(score)


def _short_key(key: str, keys: list[str]) -> str:
    last = key.rpartition(".")[2]
    return last if sum(other.rpartition(".")[2] == last for other in keys) == 1 else key


def reproduction_summary(reproduction: Any) -> "Iterator[RenderableType]":
    r"""For each study how many claims have which verdict, and what was left out.

    Parameters
    ----------
    reproduction : a record with the fields of `deltarule reproduce --json`.

    Examples
    --------
    >>> from types import SimpleNamespace as record
    >>> from rich import print
    >>> said = {"mine-1": "agrees", "mine-2": "agrees", "mine-3": "mixed"}
    >>> mine = record(study="mine", data="digits", seeds=20, seconds=3, notes=(), verdicts=said, left_out=["mine-4"])
    >>> print(*reproduction_summary(record(studies=[mine], left_out=["mine: 20 seeds in place of 100"], report=None)),
    ...     sep="\n")
    study  data    seeds  claims                                             seconds
    ────────────────────────────────────────────────────────────────────────────────
    mine   digits     20  2 supported, 1 depends on the reading, 1 left out        3
    <BLANKLINE>
    Left out: mine: 20 seeds in place of 100.
    """
    columns: list[str | Column] = [
        "study",
        "data",
        Column("seeds", is_text=False),
        Column("claims", is_text=True),
        "seconds",
    ]
    rows = []
    for study in reproduction.studies:
        claims = list_verdicts([*study.verdicts.values(), *["left out"] * len(study.left_out)])
        seeds = "–" if study.seeds is None else f"{study.seeds:,}"
        rows.append([study.study, study.data, seeds, claims, f"{study.seconds:,.0f}"])
    yield table(columns, rows)
    yield ""
    yield from (f"Left out: {text}." for text in reproduction.left_out)
    yield from (f"Note: {study.study}: {note}." for study in reproduction.studies for note in study.notes)
    if reproduction.report:
        yield f"Written: {reproduction.report}"


def describe_computer(findings: Mapping[str, Any]) -> Pairs:
    """The findings of `deltarule doctor`, the JSON object of `--json`, as lines."""
    machine, blas = findings["machine"], findings["matrices"]
    engines = [
        engine["name"] if engine["usable"] else f"{engine['name']} (not usable)" for engine in findings["engines"]
    ]
    matrices = "none"
    if blas:
        matrices = f"{blas['name']}, {blas['kernels']} kernels, {count_of(blas['threads'], 'thread')} of ours"
    rows = [
        ("processor", f"{machine['processor']}, {machine['processors']} to use; {' '.join(machine['features'])}"),
        ("versions", _format_versions(findings["versions"])),
        ("optional", _format_versions(findings["optional"])),
        ("engines", ", ".join(engines)),
        ("BLAS", "; ".join(map(_describe_blas, findings["blas"]))),
        ("matrices", matrices),
        ("data", ", ".join(f"{one['name']}: {one['place'] or 'not here yet'}" for one in findings["data"])),
        ("", f"DELTARULE_DATA: {findings['data_folder'] or 'not set'}; bundled: {', '.join(findings['bundled'])}"),
    ]
    for cache in findings["caches"]:
        rows.append((f"cache: {cache['what']}", f"{cache['folder']}, {cache['bytes'] / BYTES_PER_MB:,.1f} MB"))
    return Pairs([*rows, *(("note", note) for note in findings["notes"])])


def _format_versions(versions: Mapping[str, str | None]) -> str:
    return ", ".join(f"{name} {number or '(not installed)'}" for name, number in versions.items())


def _describe_blas(library: Mapping[str, Any]) -> str:
    kernels = f", {library['kernels']} kernels" if library["kernels"] else ""
    name = f"{library['library']} {library['version'] or ''}"
    return f"{library['whose']}: {name}{kernels}, {count_of(library['threads'], 'thread')}"
