"""Define the claims of reports, and judge each by trainings over many seeds.

A claim's criterion is a predicate over the records of trainings, with the share of seeds that must satisfy it. Its text
stands beside the claim and in every result; the history of the file says when it was changed.
"""

import bisect
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
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
    """What trainings show about a claim: a figure, and the seeds it holds for.

    `holds` has an array with one boolean for each seed, for each convention under which the claim was tried; a study
    that knows its convention has a single array. If it is empty, the claim is not testable here, and `ours` says why.
    """

    ours: str
    holds: Mapping[str, Any]


Judge = Callable[..., Evidence]
"""Called with the study's `Experiments`, and with the settings of the claim or of its control as keywords."""


@dataclass(eq=False)
class Claim:
    """A sentence of a report, with the criterion that judges it.

    says, report         the claim in our words, and the report's figure
    criterion, needed    the predicate in words, and the share of seeds that must satisfy it
    settings             keyword arguments of the judge
    cause, control       what we suppose makes the claim fail, and the settings that change only that
    contradicts_itself   what else in the report contradicts the claim, if anything does
    changed              why the criterion was changed after there were results, if it was
    long                 whether it takes minutes: `deltarule reproduce --quick` leaves it out
    any_data             whether it can be judged on the rows that replace missing data
    """

    id: str
    says: str
    report: str
    criterion: str
    needed: float
    judge: Judge
    settings: Mapping[str, Any] = field(default_factory=dict)
    cause: str = ""
    control: Mapping[str, Any] | None = None
    contradicts_itself: str = ""
    changed: str = ""
    long: bool = False
    any_data: bool = False

    def __post_init__(self) -> None:
        if not 0 < self.needed <= 1:
            raise BadInput(
                f"the claim '{self.id}' needs the share {self.needed} of the seeds; give a number above 0, up to 1"
            )

    def evidence(self, experiments: "Experiments", *, control: bool = False) -> Evidence:
        """Call the judge with the claim's settings, or with those of its control run.

        Raises `BadInput` if the judge raises, or returns no `Evidence` of the seeds.
        """
        settings = {**self.settings, **((self.control or {}) if control else {})}
        evidence = call_user_function(self.judge, (experiments,), settings, f"the claim '{self.id}'")
        _check_evidence(evidence, self.id, experiments.seeds)
        return evidence


def claim(id: str, **described: Any) -> Callable[[Judge], Claim]:
    """Decorate a function from `Experiments` to `Evidence` to make it a `Claim`.

    >>> @claim("encoder-0", says="eight objects", report="8", criterion="there are 8 rows", needed=0.5)
    ... def encoder_0(experiments):
    ...     return Evidence("8 rows", {"": [True]})
    >>> encoder_0.id
    'encoder-0'
    """
    return lambda judge: Claim(id, judge=judge, **described)


def claims_of(module: ModuleType) -> tuple[Claim, ...]:
    """The claims that a module defines, in order."""
    return tuple(value for value in vars(module).values() if isinstance(value, Claim))


@dataclass(frozen=True)
class Share:
    """The share of seeds for which a criterion holds, with its interval and verdict."""

    count: int
    of: int
    interval: Interval
    verdict: str


@dataclass(frozen=True)
class Verdict:
    """The verdict on a claim: the record from which tables and pages are drawn.

    share, interval   under the best convention     conventions   every convention's share
    cause             why a claim fails: what the control run changed, and whether the claim then holds
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
    changed: str = ""


def judge_claim(claim: Claim, experiments: "Experiments") -> Verdict:
    """Judge a claim; if it is not supported, judge its control run too.

    If other rows replace the study's data, nothing is trained: they say nothing about the claim.
    Raises `BadInput` for a claim whose function raises, or returns no `Evidence` of its seeds.
    """
    remark = "" if claim.any_data else experiments.dataset.remark
    evidence = Evidence(remark, {}) if remark else claim.evidence(experiments)
    shares = {name: share(holds, claim.needed) for name, holds in evidence.holds.items()}
    verdict = combine_verdicts({name: share.verdict for name, share in shares.items()})
    best = max(shares.values(), key=lambda share: share.count / share.of, default=None)
    control, control_ours, cause, flipped = None, "", "", None
    if verdict not in ("agrees", "not testable here") and claim.control is not None:
        in_run = claim.evidence(experiments, control=True)
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
        changed=claim.changed,
    )


def _check_evidence(evidence: Any, id: str, seeds: int) -> None:
    """Check that a judge has returned evidence with a boolean for each seed."""
    if not isinstance(evidence, Evidence) or not isinstance(evidence.holds, Mapping):
        actual = type(getattr(evidence, "holds", evidence)).__name__
        raise BadInput(
            f"the claim '{id}' returns {actual}; return Evidence(our figure, a dictionary of arrays of booleans)"
        )
    for answers in map(np.asarray, evidence.holds.values()):
        # One for each seed, or fold: a single one would be a summary of several seeds.
        if answers.ndim != 1 or answers.dtype != bool or (len(answers) < 2 <= seeds):
            raise BadInput(
                f"the claim '{id}' gives {answers.dtype} of shape {answers.shape} for {seeds} seeds; "
                "give a boolean for each seed"
            )


def share(holds: Any, needed: float) -> Share:
    """Measure the share of seeds for which a criterion `holds` [S], with the verdict.

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
    """The smallest number of seeds that can support a claim.

    >>> min_seeds(0.9), min_seeds(0.5), min_seeds(1)
    (27, 4, None)
    """
    # A billion seeds are out of reach.
    counts = range(1, 10**9)
    index = bisect.bisect_left(counts, True, key=lambda count: _is_rare(needed**count))
    return counts[index] if index < len(counts) else None


def _is_rare(probability: float) -> bool:
    """Whether a probability is at most `MAX_ERROR_PROBABILITY`.

    Four seeds of four have exactly this probability if half of them are needed, which rounding must not change.
    """
    return probability <= MAX_ERROR_PROBABILITY or math.isclose(probability, MAX_ERROR_PROBABILITY)


def combine_verdicts(verdicts: Mapping[str, str]) -> str:
    """Combine the verdicts by convention into one.

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
    """Say in a sentence whether a control run confirms the supposed cause.

    >>> describe_control("the rate", "agrees")
    'the rate: in a control run that changes this, the claim holds'
    """
    if verdict == "agrees":
        return f"{cause}: in a control run that changes this, the claim holds"
    fails = verdict in ("disagrees", "mixed")
    finding = "the claim still does not hold" if fails else "the seeds do not tell whether the claim holds"
    return f"supposed: {cause}; in a control run that changes this, {finding}"
