"""Show runs as tables on the terminal; nothing is expressed by color alone.

T evaluations · N objects · D inputs · H hidden units · C outputs

The functions return what Rich prints; in a file or a pipe that is plain text.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from deltarule.maths.activations import Activation
from deltarule.problem import registry
from deltarule.problem.problem import Floats
from deltarule.reports.bars import Bars
from deltarule.reports.formatting import (
    activation_bounds,
    describe_marked,
    describe_solved,
    hidden_codes,
    percent,
)
from deltarule.reports.terminal_layout import pairs, plain_table

if TYPE_CHECKING:
    from rich.console import Console, ConsoleOptions, RenderableType, RenderResult
    from rich.text import Text

MAX_BITS = 16
"""Maximum number of hidden units whose code is shown."""
MAX_LISTED = 5
"""Maximum number of diverged members that are listed individually."""


ENDED = {
    "max_steps": "at the limit of updates",
    "threshold": "at the threshold",
    "tolerance": "no longer changing",
    "patience": "no longer improving",
    "diverged": "diverged",
    "interrupted": "interrupted",
}
"""How members ended, in words, by the reason."""


def run_summary(outcome: Any) -> "RenderableType":
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
        (
            "objective",
            _format_spread(outcome.objective, lambda value: f"{value:.4g}" if value < np.inf else "diverged"),
        ),
        *(
            (name.replace("_", " "), _format_spread(getattr(outcome, name), lambda share: percent(share, 4)))
            for name in ("accuracy", "validation_accuracy", "test_accuracy")
            if getattr(outcome, name) is not None
        ),
    ]
    if outcome.solved is not None:
        solved = outcome.solved
        rows.append(("solved", describe_solved(solved.criterion, solved.count, solved.of, solved.steps_median)))
    if outcome.diverged:
        rows.append(("diverged", _describe_diverged(outcome.diverged)))
    if outcome.out is not None:
        rows.append(("written to", outcome.out))
    return pairs(rows)


def object_convergence(steps: Any, probabilities: Any, labels: Sequence[str] | None = None) -> "RenderableType":
    """Show the probability of each object's correct output during training.

    It is right if it is above 0.5 at every evaluation from there to the end.

    Parameters
    ----------
    steps : [T].
    probabilities : [T, N].
    labels : names of the N objects, None for 1 to N.

    Examples
    --------
    >>> from rich import print
    >>> print(object_convergence([0, 10, 20], [[0.6, 0.4], [0.2, 0.4], [0.9, 0.4]], ["cat", "dog"]))
    object correct output                                   at the end right from
    ─────────────────────────────────────────────────────────────────────────────
    cat    ▅▅▅▅▅▅▅▅▅▅▅▅▂▂▂▂▂▂▂▂▂▂▂▂▂▂▂▂▂▂▂▂▂▂▂▂████████████       0.90         20
    dog    ▄▄▄▄▄▄▄▄▄▄▄▄▄▄▄▄▄▄▄▄▄▄▄▄▄▄▄▄▄▄▄▄▄▄▄▄▄▄▄▄▄▄▄▄▄▄▄▄       0.40  not right
    Right from the update on which it is above 0.5 at every look until the end.
    """
    from rich.console import Group
    from rich.text import Text

    values = np.asarray(probabilities)
    table = plain_table()
    table.add_column("object", no_wrap=True, max_width=20)
    table.add_column("correct output", overflow="ellipsis")
    table.add_column("at the end", justify="right", no_wrap=True)
    table.add_column("right from", justify="right", no_wrap=True)
    for label, column in zip(_text_labels(labels, values.shape[1]), values.T, strict=True):
        since = _right_since(column)
        text = f"{steps[since]:,}" if since is not None else "not right"
        table.add_row(Text(label), Bars(column), f"{column[-1]:.2f}", Text(text, "" if since is not None else "bold"))
    return Group(table, Text("Right from the update on which it is above 0.5 at every look until the end."))


def activation_table(
    labels: Sequence[str], hidden: Any, outputs: Any, *, activation: str | Activation = "sigmoid"
) -> "RenderableType":
    """Show the activations of every input, with the code of the hidden units.

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
    >>> print(activation_table(["cat", "dog"], [[0.97, 0.02], [0.51, 0.5]], [[0.9, 0.1], [0.2, 0.8]]))
    input h1    h2    code o1    o2
    ──────────────────────────────────
    cat   0.97* 0.02  10   0.90* 0.10
    dog   0.51* 0.50  10   0.20  0.80*
    * above 0.5. The 2 inputs have 1 different code: cat and dog share 10.
    """
    from rich.console import Group
    from rich.text import Text

    hidden, outputs = np.asarray(hidden), np.asarray(outputs)
    bounds = activation_bounds(registry.activation(activation))
    threshold = np.inf if bounds is None else sum(bounds) / 2
    groups = [_activation_columns("h", hidden, threshold), _activation_columns("o", outputs, 0.5)]
    text = "* outputs above 0.5."
    if bounds is not None:
        codes = hidden_codes(hidden, threshold)
        text = f"* {describe_marked(threshold)}." + (f" {_describe_codes(labels, codes)}" if len(codes) > 1 else "")
        if hidden.shape[1] <= MAX_BITS:
            groups[0].append(_Column("code", [Text(code) for code in codes]))
    return Group(_Blocks("input", _text_labels(labels, len(hidden)), groups), Text(text))


@dataclass(frozen=True)
class _Column:
    """A column of a table, whose cells are never wrapped."""

    header: str
    cells: Sequence["Text"]
    justify: Any = "left"

    @property
    def width(self) -> int:
        """The width in characters of the widest cell or the header."""
        from rich.cells import cell_len

        return max([cell_len(self.header), *(cell.cell_len for cell in self.cells)])


@dataclass(frozen=True)
class _Blocks:
    """A table with labelled rows, split if its columns do not fit."""

    corner: str
    labels: Sequence[str]
    groups: Sequence[Sequence[_Column]]

    def __rich_console__(self, console: "Console", options: "ConsoleOptions") -> "RenderResult":
        """Yield the tables at the width of the console."""
        from rich.text import Text

        labels = _Column(self.corner, [Text(label) for label in self.labels])
        room = options.max_width - min(labels.width, options.max_width // 3)
        for index, columns in enumerate(self._split_columns(room)):
            table = plain_table()
            table.add_column(self.corner, no_wrap=True, max_width=options.max_width // 3, overflow="ellipsis")
            for column in columns:
                table.add_column(column.header, no_wrap=True, justify=column.justify)
            for row in zip(labels.cells, *(column.cells for column in columns), strict=True):
                table.add_row(*row)
            if index:
                yield ""
            yield table

    def _split_columns(self, room: int) -> "Iterable[Sequence[_Column]]":
        """Split the columns into parts that are at most `room` characters wide."""
        all_columns = [column for group in self.groups for column in group]
        if sum(column.width + 1 for column in all_columns) <= room:
            return [all_columns]
        parts: list[list[_Column]] = []
        for group in self.groups:
            remaining = 0
            for column in group:
                if column.width + 1 > remaining:
                    parts.append([])
                    remaining = room
                parts[-1].append(column)
                remaining -= column.width + 1
        return parts


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


def _text_labels(labels: Sequence[str] | None, count: int) -> list[str]:
    return [str(label) for label in labels] if labels is not None else [str(number + 1) for number in range(count)]


def _activation_columns(letter: str, values: Floats, threshold: float) -> list[_Column]:
    """A column for each unit with its activations [N, units]."""
    from rich.text import Text

    return [
        _Column(
            f"{letter}{number + 1}",
            [
                Text(f"{value:.2f}*", "bold green") if value > threshold else Text(f"{value:.2f} ")
                for value in column.tolist()
            ],
        )
        for number, column in enumerate(values.T)
    ]


def _describe_codes(labels: Sequence[str], codes: Sequence[str]) -> str:
    """A sentence on how many codes differ, and which inputs share a code."""
    labels_of_code: dict[str, list[str]] = {}
    for label, code in zip(labels, codes, strict=True):
        labels_of_code.setdefault(code, []).append(str(label))
    different = len(labels_of_code)
    if different == len(codes):
        return f"The {len(codes)} inputs have {len(codes)} different codes."
    text = "; ".join(f"{_join_words(group)} share {code}" for code, group in labels_of_code.items() if len(group) > 1)
    return f"The {len(codes)} inputs have {different} different code{'' if different == 1 else 's'}: {text}."


def _join_words(words: Sequence[str]) -> str:
    return f"{', '.join(words[:-1])} and {words[-1]}"


def _right_since(values: Floats) -> int | None:
    wrong = np.flatnonzero(~(values > 0.5))
    since = int(wrong[-1]) + 1 if len(wrong) else 0
    return since if since < len(values) else None
