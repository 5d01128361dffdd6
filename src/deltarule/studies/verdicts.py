"""Define the claims of reports with their criteria, and judge each claim by trainings over many seeds.

A claim's criterion is a predicate over the records of trainings, with the share of seeds that must satisfy it. It is
fixed before there are results: its digest stands in the study's `criteria.json`, and beside every result.
"""

import ast
import bisect
import contextlib
import functools
import hashlib
import inspect
import math
import textwrap
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields
from functools import cached_property
from types import ModuleType
from typing import TYPE_CHECKING, Any

import numpy as np

from deltarule.errors import BadInput
from deltarule.stats.intervals import Interval, exact_share_interval
from deltarule.user_functions import call_user_function

if TYPE_CHECKING:
    from deltarule.studies.experiments import Experiments

VERDICTS = ("agrees", "disagrees", "mixed", "undecided", "not testable here")
MAX_ERROR_PROBABILITY = 1 / 16
"""How often the verdict of one convention may be wrong, however few the seeds: with it four seeds can decide a claim
that needs half of them. More would take too long for large networks."""
CONFIDENCE = 1 - 2 * MAX_ERROR_PROBABILITY
"""Confidence of the intervals by which claims are judged. Only one end of an interval can lead to a wrong verdict, as
the share is either enough or not.    Source: Schuirmann 1987"""


@dataclass(frozen=True)
class Evidence:
    """What trainings show about a claim: our figure in words, and the seeds for which the criterion holds.

    `holds` has an array with one boolean for each seed, for each convention under which the claim was tried; a study
    that knows its convention has a single array. If it is empty, the claim is not testable here, and `ours` says why.
    """

    ours: str
    holds: Mapping[str, Any]


Judge = Callable[["Experiments"], Evidence]


@dataclass(eq=False)
class Claim:
    """A sentence of a report, with its criterion; made by the decorator `claim` from the function that judges it.

    says, report         the claim in our words, and the report's figure
    criterion, needed    the predicate in words, and the share of seeds that must satisfy it
    contradicts_itself   what else in the report contradicts the claim, if anything does
    changed              why the criterion was changed after there were results, if it was
    cause, control       what we suppose makes it fail, and the evidence of a run that changes only that
    long                 whether it takes minutes: `deltarule reproduce --quick` leaves it out
    any_data             whether it can be judged on the rows that replace missing data
    """

    id: str
    says: str
    report: str
    criterion: str
    needed: float
    judge: Judge
    contradicts_itself: str = ""
    changed: str = ""
    cause: str = ""
    control_judge: Judge | None = None
    long: bool = False
    any_data: bool = False

    def control(self, cause: str) -> Callable[[Judge], Judge]:
        """Decorate the function that judges the control run, which changes only the supposed `cause`, a text."""

        def set_control(judge: Judge) -> Judge:
            self.cause, self.control_judge = cause, judge
            return judge

        return set_control

    # Both are computed once, before anything is trained: the file may be edited meanwhile.
    @cached_property
    def digest(self) -> str:
        """SHA-256 of the criterion: its text, the share that it needs, and the predicate's code without comments."""
        tree = ast.parse(textwrap.dedent(inspect.getsource(_source_function(self.judge))))
        function = tree.body[0]
        if isinstance(function, ast.FunctionDef):
            function.decorator_list = []
            if ast.get_docstring(function):
                function.body = function.body[1:]
        code = ast.unparse(tree).replace('"', "'")  # its choice of quotes depends on the version of Python
        return hashlib.sha256(repr((self.id, self.criterion, self.needed, code)).encode()).hexdigest()

    @cached_property
    def source(self) -> str:
        """SHA-256 of the files that define the claim and its control, with their constants and helper functions."""
        texts: dict[str, None] = {}
        for judge in (self.judge, self.control_judge):
            with contextlib.suppress(OSError, TypeError):  # a function without a file, or written in C
                texts["".join(inspect.findsource(_source_function(judge))[0])] = None
        return hashlib.sha256("".join(texts).encode()).hexdigest()


def _source_function(judge: Any) -> Any:
    """The function whose source defines a judge that may be decorated, a `partial`, or a callable object."""
    judge = inspect.unwrap(judge)
    while isinstance(judge, functools.partial):
        judge = inspect.unwrap(judge.func)
    return judge if inspect.isroutine(judge) else type(judge).__call__


def claim(
    id: str,
    *,
    says: str,
    report: str,
    criterion: str,
    needed: float,
    contradicts_itself: str = "",
    changed: str = "",
    long: bool = False,
    any_data: bool = False,
) -> Callable[[Judge], Claim]:
    """Decorate a function from `Experiments` to `Evidence` to make it a `Claim`, with these arguments as its fields.

    >>> @claim("encoder-0", says="eight objects", report="8", criterion="there are 8 rows", needed=0.5)
    ... def encoder_0(experiments):
    ...     return Evidence("8 rows", {"": [True]})
    >>> encoder_0.id
    'encoder-0'
    """
    if not 0 < needed <= 1:
        raise BadInput(f"the claim '{id}' needs the share {needed} of the seeds; give a number above 0, up to 1")

    def make_claim(judge: Judge) -> Claim:
        return Claim(
            id, says, report, criterion, needed, judge, contradicts_itself, changed, long=long, any_data=any_data
        )

    return make_claim


def claims_of(module: ModuleType) -> tuple[Claim, ...]:
    """The claims that a module defines, in order."""
    return tuple(value for value in vars(module).values() if isinstance(value, Claim))


@dataclass(frozen=True)
class Share:
    """The share of seeds for which a criterion holds: `count` of `of`, its interval (`CONFIDENCE`), and the verdict."""

    count: int
    of: int
    interval: Interval
    verdict: str


@dataclass(frozen=True)
class Verdict:
    """The verdict on a claim: the record from which tables and pages are drawn.

    share, interval   under the best convention     conventions   every convention's share
    cause             why a claim fails: what the control run changed, and whether the claim then holds
    source            SHA-256 of the text of the files that define it and its control; "" in files of earlier versions
    """

    id: str
    claim: str
    report: str
    ours: str
    share: float | None
    interval: Interval | None
    verdict: str
    contradicts_itself: str
    cause: str
    criterion: str
    needed: float
    conventions: Mapping[str, Share] = field(default_factory=dict)
    control: Mapping[str, Share] | None = None
    control_ours: str = ""
    flipped: bool | None = None
    digest: str = ""
    changed: str = ""
    source: str = ""


def judge_claim(claim: Claim, experiments: "Experiments") -> Verdict:
    """Judge a claim; if it is not supported, judge its control run too.

    If other rows replace the study's data, nothing is trained: they say nothing about the claim.
    Raises `BadInput` for a claim whose function raises, or returns no `Evidence` of its seeds.
    """
    digest, source = claim.digest, claim.source
    remark = "" if claim.any_data else experiments.dataset.remark
    evidence = Evidence(remark, {}) if remark else _evidence(claim, claim.judge, experiments)
    shares = {name: share(holds, claim.needed) for name, holds in evidence.holds.items()}
    verdict = combine_verdicts({name: share.verdict for name, share in shares.items()})
    best = max(shares.values(), key=lambda share: share.count / share.of, default=None)
    control, control_ours, cause, flipped = None, "", "", None
    if verdict not in ("agrees", "not testable here") and claim.control_judge is not None:
        in_run = _evidence(claim, claim.control_judge, experiments)
        control, control_ours = {name: share(holds, claim.needed) for name, holds in in_run.holds.items()}, in_run.ours
        in_control = combine_verdicts({name: share.verdict for name, share in control.items()})
        cause, flipped = describe_control(claim.cause, in_control), in_control == "agrees"
    return Verdict(
        id=claim.id,
        claim=claim.says,
        report=claim.report,
        ours=evidence.ours,
        share=None if best is None else best.count / best.of,
        interval=None if best is None else best.interval,
        verdict=verdict,
        contradicts_itself=claim.contradicts_itself,
        cause=cause,
        criterion=claim.criterion,
        needed=claim.needed,
        conventions=shares,
        control=control,
        control_ours=control_ours,
        flipped=flipped,
        digest=digest,
        changed=claim.changed,
        source=source,
    )


def _evidence(claim: Claim, judge: Judge, experiments: "Experiments") -> Evidence:
    """Call a claim's judge, or its control's, and return the evidence; raise `BadInput` unless it fits the seeds."""
    evidence = call_user_function(judge, (experiments,), {}, f"the claim '{claim.id}'")
    if not isinstance(evidence, Evidence) or not isinstance(evidence.holds, Mapping):
        actual = type(getattr(evidence, "holds", evidence)).__name__
        raise BadInput(
            f"the claim '{claim.id}' returns {actual}; return Evidence(our figure, a dictionary of arrays of booleans)"
        )
    for answers in map(np.asarray, evidence.holds.values()):
        # One for each seed, or fold: a single one would be a summary of several seeds.
        if answers.ndim != 1 or answers.dtype != bool or (len(answers) < 2 <= experiments.seeds):
            raise BadInput(
                f"the claim '{claim.id}' gives {answers.dtype} of shape {answers.shape} for {experiments.seeds} seeds; "
                "give a boolean for each seed"
            )
    return evidence


def verdict_of(table: Mapping[str, Any]) -> Verdict:
    """Read a verdict from its JSON object `table`.

    Raises `KeyError` or `TypeError` for anything else.
    """
    table = {"source": "", **table}  # files of earlier versions have none
    named = {field.name: table[field.name] for field in fields(Verdict)}
    named["interval"] = None if table["interval"] is None else Interval(*table["interval"])
    named["conventions"] = _shares(table["conventions"])
    named["control"] = None if table["control"] is None else _shares(table["control"])
    return Verdict(**named)


def _shares(table: Mapping[str, Any]) -> dict[str, Share]:
    """Read the shares by convention from their JSON object."""
    return {name: Share(**{**share, "interval": Interval(*share["interval"])}) for name, share in table.items()}


def share(holds: Any, needed: float) -> Share:
    """Measure the share of seeds for which a criterion `holds` [S], with the verdict on a claim that needs this share.

    The verdict is "agrees" if the whole interval is at `needed` or above, and "undecided" if `needed` lies within it.
    If the whole interval is at `needed` or below, it is "disagrees" if the interval reaches below a tenth, and else
    "mixed": the criterion surely holds for some seeds.

    >>> [share([True] * count + [False] * (100 - count), 0.8).verdict for count in (100, 80, 50, 2)]
    ['agrees', 'undecided', 'mixed', 'disagrees']
    """
    from scipy.special import bdtr, bdtrc  # imported on use: `import deltarule` stays light

    seeds = np.asarray(holds, bool)
    count, of = int(seeds.sum()), len(seeds)
    interval = exact_share_interval(count, of, CONFIDENCE)
    if _is_rare(bdtrc(count - 1, of, needed)):  # the probability of this count or more
        verdict = "agrees"
    elif not _is_rare(bdtr(count, of, needed)):  # the probability of this count or less
        verdict = "undecided"
    else:
        # Mixed: it surely holds for fewer seeds than needed, but surely for a tenth of them or more.
        verdict = "mixed" if interval.low >= 0.1 else "disagrees"
    return Share(count, of, interval, verdict)


def min_seeds(needed: float) -> int | None:
    """The smallest number of seeds with which a claim is supported if it holds for all of them; None if there is none.

    >>> min_seeds(0.9), min_seeds(0.5), min_seeds(1)
    (27, 4, None)
    """
    # A billion seeds are out of reach.
    counts = range(1, 10**9)
    index = bisect.bisect_left(counts, True, key=lambda count: _is_rare(needed**count))
    return counts[index] if index < len(counts) else None


def _is_rare(probability: float) -> bool:
    """Whether a probability is at most `MAX_ERROR_PROBABILITY`: then the interval ends at the needed share, or before.

    Four seeds of four have exactly this probability if half of them are needed, which rounding must not change.
    """
    return probability <= MAX_ERROR_PROBABILITY or math.isclose(probability, MAX_ERROR_PROBABILITY)


def combine_verdicts(verdicts: Mapping[str, str]) -> str:
    """Combine the verdicts by convention into one: "mixed" if a claim agrees under some and disagrees under others.

    If one is undecided, it may yet agree with the others: so the whole is undecided, unless two verdicts contradict.

    >>> combine_verdicts({"sum": "agrees", "mean": "disagrees"}), combine_verdicts({})
    ('mixed', 'not testable here')
    >>> combine_verdicts({"sum": "agrees", "mean": "undecided"})
    'undecided'
    """
    distinct = set(verdicts.values())
    if not distinct:
        return "not testable here"
    if len(distinct) == 1:
        return distinct.pop()
    return "mixed" if "mixed" in distinct or {"agrees", "disagrees"} <= distinct else "undecided"


def describe_control(cause: str, verdict: str) -> str:
    """Say in a sentence whether a control run with this verdict confirms the supposed cause.

    >>> describe_control("the rate", "agrees")
    'the rate: in a control run that changes this, the claim holds'
    """
    if verdict == "agrees":
        return f"{cause}: in a control run that changes this, the claim holds"
    fails = verdict in ("disagrees", "mixed")
    finding = "the claim still does not hold" if fails else "the seeds do not tell whether the claim holds"
    return f"supposed: {cause}; in a control run that changes this, {finding}"
