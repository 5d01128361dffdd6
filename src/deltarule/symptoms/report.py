"""Report the causes that keep members from learning."""

import itertools
import textwrap
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from html import escape
from typing import Any

import numpy as np

from deltarule.errors import BadInput
from deltarule.problem.validation import member_indices
from deltarule.symptoms.causes import CAUSES, FIXES, Cause
from deltarule.symptoms.detectors import LEARNED, SymptomEvidence
from deltarule.symptoms.observations import GivenNumbers, observe_members, observe_numbers
from deltarule.training.run import Run

MAX_MEMBERS = 32
"""Members of a population that are examined at most: each needs a range test."""
WIDTH = 100
"""Default number of characters of a line of a report."""


@dataclass(frozen=True)
class Finding:
    """A cause, its fix and the members that have it.

    Parameters
    ----------
    code : str
        The cause, such as "dead_units".
    sentence : str
        The evidence, of the member where it is strongest, which is the first of `members`.
    fix : str
        What to change.
    members : tuple of int
        The indices of the members that have it.

    Examples
    --------
    >>> from deltarule import why_not_learning
    >>> [finding] = why_not_learning(outputs=[[0.5]] * 4, targets=[0, 1, 1, 0])
    >>> finding.code
    'class_never_predicted'
    """

    code: str
    sentence: str
    fix: str
    members: tuple[int, ...]


@dataclass(frozen=True)
class WhyReport:
    """The findings about a training run.

    Parameters
    ----------
    findings : tuple of Finding
        Causes before their effects; with several members, the most frequent first causes first.
    members : tuple of int
        The examined members, among those that were trained.
    of : int
        The number of members of the run.
    skill : tuple of float
        For each of them the share of the best constant prediction's loss that it avoids: 1 all, 0 nothing; NaN if the
        least possible loss is unknown.

    Examples
    --------
    >>> from deltarule import why_not_learning
    >>> [finding.code for finding in why_not_learning(outputs=[[0.5]] * 4, targets=[0, 1, 1, 0])]
    ['class_never_predicted']
    """

    findings: tuple[Finding, ...]
    members: tuple[int, ...]
    of: int
    skill: tuple[float, ...]

    def __iter__(self) -> Iterator[Finding]:
        return iter(self.findings)

    def __len__(self) -> int:
        return len(self.findings)

    @property
    def header(self) -> str:
        """A sentence on the examined members, their progress and the findings."""
        if not self.members:
            return "Examined nothing: no update was made, so that nothing was trained."
        who = "the network" if self.of == 1 else f"{len(self.members)} of {self.of} members"
        learned = sum(skill >= LEARNED for skill in self.skill)
        if not np.isfinite(self.skill).any() and np.isnan(self.skill).any():
            far = "how far it learned is not known"
        elif self.of == 1:
            far = f"it avoids {max(self.skill[0], 0):.0%} of the loss of a constant prediction"
        else:
            far = f"{learned} of them avoid more than {LEARNED:.0%} of the loss of a constant prediction"
        return f"Examined {who}: {far}; findings: {len(self.findings) or 'none'}."

    def text(self, width: int = WIDTH) -> str:
        """The report in lines of at most `width` characters."""
        lines = textwrap.wrap(self.header, width)
        for index, finding in enumerate(self.findings, 1):
            start = f"{index}. {finding.code}: "
            lines += textwrap.wrap(start + self._describe_finding(finding) + ".", width, subsequent_indent="   ")
            lines += textwrap.wrap(f"Fix: {finding.fix}.", width, initial_indent="   ", subsequent_indent="   ")
        return "\n".join(lines)

    def __str__(self) -> str:
        return self.text()

    def _repr_html_(self) -> str:
        """The report as HTML with a table, for notebooks."""
        rows = [("code", "what stands out", "fix")]
        rows += [(finding.code, self._describe_finding(finding), finding.fix) for finding in self.findings]
        cells = [[f'<td style="text-align:left">{escape(text)}</td>' for text in row] for row in rows]
        table = "".join(f"<tr>{''.join(row)}</tr>" for row in cells)
        return f"<p>{escape(self.header)}</p>" + (f"<table>{table}</table>" if self.findings else "")

    def _describe_finding(self, finding: Finding) -> str:
        if self.of == 1:
            return finding.sentence
        return f"in {len(finding.members)} of {len(self.members)} members, most in member {finding.members[0]}: " + (
            finding.sentence
        )


def why_not_learning(
    run: Any = None,
    members: Any = None,
    y: Any = None,
    *,
    outputs: Any = None,
    targets: Any = None,
    inputs: Any = None,
    weights: Any = None,
) -> WhyReport:
    """Report the most likely reasons why a training run does not learn.

    It examines the data, the first and last weights and the history, and runs a range test. A network that learns gets
    no findings, whatever its units look like, except for targets that are unrelated to the inputs and classes that are
    never predicted. Of a fitted estimator, `why_not_learning(model, X, y)`, it examines the data and the outputs, and
    of numbers from elsewhere, `why_not_learning(outputs=…, targets=…, inputs=…, weights=…)`, what is given of them.

    Parameters
    ----------
    run : Run or estimator, optional
        Made by `train`.
    members : sequence of int or bool, optional
        Indices of those to examine, or a mask; None for all, or for 32 evenly spaced ones if there are more. Of an
        estimator, the rows X.
    y : array-like, optional
        The targets of these rows; classes as the estimator was given them.
    outputs, targets, inputs : array-like, optional
        Numbers by row; classes of targets as 0 and 1, or one-hot.
    weights : sequence of array-like, optional
        The initial matrices W1, W2, … [inputs, units] of the layers.

    Returns
    -------
    WhyReport
        Its `findings` have causes before their effects; docs/reference/why-not-learning.md explains every code.

    Raises
    ------
    BadInput
        For anything but a run with a history or a fitted estimator, a member that the run lacks, and numbers that are
        not finite or have unequal rows.

    Examples
    --------
    >>> import numpy as np
    >>> from deltarule import why_not_learning
    >>> import deltarule
    >>> x = np.random.default_rng(0).normal(size=(100, 2))
    >>> problem = deltarule.create_problem(deltarule.Network([2, 8, 1], "tanh"), x, x.prod(1), learning_rate=1e-6)
    >>> report = why_not_learning(deltarule.train(problem, max_steps=500))
    >>> [finding.code for finding in report]
    ['rate_too_low']
    """
    named = {"outputs": outputs, "targets": targets, "inputs": inputs, "weights": weights}
    given = {name: values for name, values in named.items() if values is not None}
    if given:
        return _report_numbers(given)
    if hasattr(run, "predict") and members is not None and y is not None:
        outputs, targets = _numbers_of_estimator(run, members, y)
        return _report_numbers({"outputs": outputs, "targets": targets, "inputs": members})
    if not isinstance(run, Run):
        raise BadInput(f"run is {type(run).__name__}; give what `train` returns, or a fitted estimator with X and y")
    return _report_run(run, members)


def _report_run(run: Run, members: Any) -> WhyReport:
    """Report what the networks of a run show, of which many are represented by some."""
    diverged = {divergence.member for divergence in run.diverged}
    count = run.problem.members
    some = np.linspace(0, count - 1, min(count, MAX_MEMBERS)).astype(int)
    wanted = some if members is None else member_indices(members, count)
    chosen = [member for member in wanted.tolist() if run.steps[member] or member in diverged]
    observations = observe_members(run, chosen) if chosen else []
    causes = [_causes_of(observation) for observation in observations]
    firsts = Counter(next(iter(cause)) for cause in causes if cause)
    codes = sorted((code for code in FIXES if any(code in cause for cause in causes)), key=lambda code: -firsts[code])
    return WhyReport(
        findings=tuple(_combine_finding(code, chosen, causes) for code in codes),
        members=tuple(chosen),
        of=count,
        skill=tuple(observation.skill for observation in observations),
    )


def _numbers_of_estimator(model: Any, rows: Any, y: Any) -> tuple[Any, Any]:
    """The outputs of an estimator, with the targets that belong to them."""
    if not hasattr(model, "predict_proba"):
        return model.predict(rows), y
    if not (np.asarray(y)[:, None] == model.classes_).any(axis=1).all():
        raise BadInput("y holds a class that the estimator was not fitted to; give the targets of its training")
    return model.predict_proba(rows), np.asarray(y)[:, None] == model.classes_


def _report_numbers(given: dict[str, Any]) -> WhyReport:
    """Report what numbers from elsewhere show, of which only some may be given."""
    known = [cause for cause in CAUSES if cause.numbers and given.keys() >= set(cause.numbers)]
    if not known:
        raise BadInput(f"{' and '.join(given)} alone show nothing; give outputs with targets, inputs, or weights")
    weights = [_finite_numbers("weights", matrix) for matrix in given.pop("weights", ())]
    columns = {name: _finite_numbers(name, values) for name, values in given.items()}
    _check_shapes(columns, weights)
    numbers = observe_numbers(columns, weights)
    causes = _causes_of(numbers, known)
    findings = tuple(_combine_finding(code, [0], [causes]) for code in causes)
    return WhyReport(findings, members=(0,), of=1, skill=(numbers.skill,))


def _check_shapes(columns: Mapping[str, Any], weights: Sequence[Any]) -> None:
    """Refuse columns with unequal rows, and matrices that do not follow one another."""
    shapes = [column.shape for column in columns.values()]
    answers = {columns[name].shape for name in ("outputs", "targets") if name in columns}
    if len({rows for rows, _ in shapes}) > 1 or len(answers) > 1:
        raise BadInput(
            f"{', '.join(columns)} have the shapes {shapes}; give outputs like targets, and the same rows of each"
        )
    if any(first.shape[1] != second.shape[0] for first, second in itertools.pairwise(weights)):
        raise BadInput(
            f"the weights have the shapes {[W.shape for W in weights]}; give each as [inputs, units], a matrix of "
            "[units, inputs] as its .T"
        )


def _finite_numbers(name: str, values: Any) -> Any:
    array = np.asarray(values)
    if array.dtype.kind not in "fiub" or not np.isfinite(array).all() or array.ndim not in (1, 2):
        raise BadInput(f"{name} holds {array.dtype} of shape {array.shape}; give finite numbers [rows, columns]")
    return array.reshape(len(array), -1).astype(float)


def _causes_of(observation: GivenNumbers, known: Iterable[Cause] = CAUSES) -> dict[str, tuple[Cause, SymptomEvidence]]:
    causes: dict[str, tuple[Cause, SymptomEvidence]] = {}
    for cause in known:
        evidence = None if causes and cause.last_resort else cause.detect(observation)
        if evidence is not None:
            causes.setdefault(cause.code, (cause, evidence))
    return causes


def _combine_finding(
    code: str, members: Sequence[int], causes: Sequence[Mapping[str, tuple[Cause, SymptomEvidence]]]
) -> Finding:
    having = [(member, *each[code]) for member, each in zip(members, causes, strict=True) if code in each]
    having.sort(key=lambda case: -case[2].excess)
    _, cause, evidence = having[0]
    return Finding(code, evidence.sentence, cause.fix, tuple(member for member, *_ in having))
