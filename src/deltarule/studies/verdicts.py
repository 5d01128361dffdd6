"""Judge claims by the shares of seeds that satisfy their criteria."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from deltarule.stats.intervals import Interval, exact_share_interval, median_interval, resampled_interval
from deltarule.studies.claims import COMPATIBLE, Claim, Control, Evidence, all_conditions

if TYPE_CHECKING:
    from deltarule.studies.experiments import Experiments

CONFIDENCE = 0.95
"""Confidence of the exact interval by which each reading is judged."""
FIRST_LOOK_ERROR = 0.032
"""The error of the first of several looks: the least with which six of six decide a share of one half."""
MIDDLE_LOOK_ERROR = 0.002
"""The error of each look between the first and the last, which has what is left of 5 %."""
LOOK_GROWTH = 4
"""How many times as many seeds the next look has."""
TIE = 0.05
"""A share is tied with the needed one if its whole interval lies this near to it: more seeds hardly matter then."""
COLLECTION_ERROR = 0.05
"""How often a collection of results may contain any wrong verdict that survives Holm's correction."""
HOLDS = {"agrees", "compatible"}
"""The verdicts on a reading under which the claim holds."""
REFUTED = {"disagrees", "some seeds"}
"""The verdicts on a reading under which the claim does not hold."""
UNJUDGED = ("no verdict", "not testable", "not testable here")
"""The verdicts on a claim that has no criterion, or could not be judged."""
DECIDED = ("agrees", "compatible", "disagrees", "some seeds", "mixed")
"""The verdicts on a claim that more seeds would not change."""
FEW = 0.1
"""A criterion that may hold for more than this share of the seeds, but not for enough, holds "for some seeds"."""


@dataclass(frozen=True)
class Figure:
    """The median of a measurement over the seeds, with its interval, where finite."""

    median: float | None
    low: float | None
    high: float | None


@dataclass(frozen=True)
class Reading:
    """One reading of a claim, judged.

    count, of    of how many seeds the criterion holds        interval   of that share
    p_value      how likely a share so far from the needed one is by chance; two-sided
    conditions   the count for each condition, if the criterion has several, and its verdict: parts
    figures      what was measured                            settings   the arguments of the judge
    """

    count: int
    of: int
    interval: Interval | None
    p_value: float | None
    verdict: str
    conditions: Mapping[str, int] = field(default_factory=dict)
    figures: Mapping[str, Figure] = field(default_factory=dict)
    settings: Mapping[str, Any] = field(default_factory=dict)
    remark: str = ""
    parts: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class ControlResult:
    """A control run beside the reading that it changes, seed by seed.

    claim_only, control_only   for how many seeds the criterion holds without the change alone, and with it alone
    flipped                    whether the criterion holds with the change, and does not without it
    """

    of: str
    cause: str
    result: Reading
    claim_only: int
    control_only: int
    flipped: bool


@dataclass(frozen=True)
class Verdict:
    """The verdict on a claim: the record from which tables and pages are drawn.

    Parameters
    ----------
    id : str
        Such as "encoder-1".
    claim, report, criterion : str
        What the report says, its figure, and when the claim holds.
    needed : float
        The share of seeds that must meet the criterion.
    rule : str
        The row of `RULES` that says which share that is, or "".
    verdict : str
        What `combine_verdicts` makes of those on the readings: "agrees" ("compatible" for what the report saw once),
        "disagrees", "some seeds", "mixed", "agrees where decided", "disagrees where decided", "undecided", "tie", "no
        verdict", "not testable" or "not testable here".
    readings : mapping of str to Reading
        The result of each reading of what the report leaves open, by its name.
    controls : tuple of ControlResult
        The runs that change only a supposed cause.
    contradicts_itself : str
        Where the report contradicts itself, or "".
    changed : str
        Why the criterion was changed after there were results, or "".
    remark : str
        A sentence for the reader, or "".
    commit : str
        The commit of the code that judged it, or "".
    seconds : float
        Duration of the trainings that judge it, also where other claims share them.

    Examples
    --------
    >>> from deltarule.studies.claim_results import published_results
    >>> from deltarule.recipes import load_recipe
    >>> verdict = published_results(load_recipe("encoder")).claims[0]
    >>> verdict.id, 0 < verdict.needed <= 1
    ('encoder-1', True)
    """

    id: str
    claim: str
    report: str
    criterion: str
    needed: float
    verdict: str
    readings: Mapping[str, Reading] = field(default_factory=dict)
    controls: tuple[ControlResult, ...] = ()
    contradicts_itself: str = ""
    changed: str = ""
    remark: str = ""
    commit: str = ""
    rule: str = ""
    seconds: float = field(default=0.0, compare=False)


@dataclass(frozen=True)
class Look:
    """A number of seeds at which readings are judged, with its confidence."""

    seeds: int
    confidence: float = CONFIDENCE


def looks_up_to(limit: int) -> tuple[Look, ...]:
    """The looks at 6, 24, 96 ... and `limit` seeds; the first that decides counts.

    Their errors sum to 5 %: the shares that a middle look decides are clear ones, so that it needs little.
    """
    first = min_seeds(0.5)
    assert first is not None
    if limit <= first:
        return (Look(limit),)
    looks = [Look(first, 1 - FIRST_LOOK_ERROR)]
    while (seeds := looks[-1].seeds * LOOK_GROWTH) < limit:
        looks.append(Look(seeds, 1 - MIDDLE_LOOK_ERROR))
    left = 1 - CONFIDENCE - FIRST_LOOK_ERROR - MIDDLE_LOOK_ERROR * (len(looks) - 1)
    return (*looks, Look(limit, 1 - left))


def judge_claim(claim: Claim, experiments: "Experiments", looks: Sequence[Look] = ()) -> Verdict:
    """Judge a claim; if it is not supported, judge its controls too.

    Without `looks` all readings are judged over all seeds; with them each at the first look that decides it. If other
    rows replace the study's data, nothing is trained: they say nothing about the claim.
    """
    experiments.used.clear()
    looks = looks or (Look(experiments.seeds),)
    if claim.rule == "images":  # minutes for a network: few seeds have to do
        looks = looks[:1]
    remark = "" if claim.any_data else experiments.dataset.remark
    decided: dict[str, tuple[Reading, Evidence]] = {}
    for number, name in enumerate(() if remark else claim.readings, 1):
        experiments.judged = f"{claim.id}, reading {number} of {len(claim.readings)}"
        decided[name] = _first_decided(claim, experiments, looks, name)
    readings = {name: reading for name, (reading, _) in decided.items()}
    verdict = combine_verdicts((reading.verdict for reading in readings.values()), claim.rule)
    remark = _remark_on_choice(claim, readings) or remark
    controls = []
    for control in () if verdict in (*HOLDS, *UNJUDGED) else claim.controls:
        of = control.of or next(iter(readings))
        experiments.judged = f"{claim.id}, a control"
        changed = _first_decided(claim, experiments, looks, of, control)
        controls.append(_compare_control(of, control.cause, decided[of], changed))
    copied = ("id", "report", "criterion", "needed", "contradicts_itself", "changed", "rule")
    described: dict[str, Any] = {name: getattr(claim, name) for name in copied}
    described["seconds"] = sum(experiments.used.values())
    described |= {"controls": tuple(controls), "remark": remark}
    return Verdict(claim=claim.says, verdict=verdict, readings=readings, **described)


def _remark_on_choice(claim: Claim, readings: Mapping[str, Reading]) -> str:
    supporting = [name for name, reading in readings.items() if reading.verdict in HOLDS]
    if not claim.chose or not supporting or not all(name.startswith(claim.chose) for name in supporting):
        return ""
    return f"it holds only under what its own figures helped to choose, {claim.chose}: that is no support"


def _compare_control(
    of: str, cause: str, claimed: tuple[Reading, Evidence], changed: tuple[Reading, Evidence]
) -> ControlResult:
    """Compare a reading with its control run on the seeds that both have."""
    before, after = all_conditions(claimed[1]), all_conditions(changed[1])
    before, after = before[: len(after)], after[: len(before)]
    return ControlResult(
        of=of,
        cause=cause,
        result=changed[0],
        claim_only=int((before & ~after).sum()),
        control_only=int((after & ~before).sum()),
        flipped=changed[0].verdict in HOLDS and claimed[0].verdict in REFUTED,
    )


def _first_decided(
    claim: Claim, experiments: "Experiments", looks: Sequence[Look], reading: str, control: Control | None = None
) -> tuple[Reading, Evidence]:
    """Judge a reading, or a control of it, at the first look that decides it."""
    settings = control.settings if control else claim.readings[reading]
    for look in looks:
        evidence = claim.evidence(experiments.over(look.seeds), reading, control)
        judged = judge_reading(evidence, claim.needed, settings, look.confidence)
        # Evidence of nothing: none of these seeds tells, and more may.
        if judged.verdict not in ("undecided", "tie") and (evidence.holds is not None or evidence.figures):
            break
    return replace(judged, verdict=verdict_by_rule(judged.verdict, claim.rule)), evidence


def verdict_by_rule(verdict: str, rule: str) -> str:
    """The verdict on a reading under a row of `RULES`.

    What a report saw once can be compatible with our results, no more.
    """
    return "compatible" if verdict == "agrees" and rule in COMPATIBLE else verdict


def judge_reading(
    evidence: Evidence, needed: float, settings: Mapping[str, Any] | None = None, confidence: float = CONFIDENCE
) -> Reading:
    """Judge one reading of a claim by the exact interval of the share of its seeds.

    The verdict is "agrees" if the whole interval is at `needed` or above. If `needed` lies within it, it is
    "undecided", or "tie" if both ends are near. If the whole interval is below, it is "disagrees", or "some seeds" if
    the criterion holds for any and the interval ends above a tenth: for the same share few seeds are not the harsher.
    """
    shown: dict[str, Any] = {
        "figures": {name: _figure(values) for name, values in evidence.figures.items()},
        "settings": dict(settings or {}),
        "remark": evidence.remark,
    }
    if evidence.holds is None:
        return Reading(0, 0, None, None, "no verdict", **shown)
    if isinstance(evidence.holds, bool):  # by arithmetic: there is no chance in it
        return Reading(int(evidence.holds), 1, None, None, "agrees" if evidence.holds else "disagrees", **shown)
    holds = all_conditions(evidence)
    if isinstance(evidence.holds, Mapping):
        counts = {name: int(np.sum(values)) for name, values in evidence.holds.items()}
        verdicts = {name: judge_share(count, len(holds), needed, confidence)[2] for name, count in counts.items()}
        shown |= {"conditions": counts, "parts": verdicts}
    count = int(holds.sum())
    of = len(holds)
    return Reading(count, of, *judge_share(count, of, needed, confidence), **shown)


def judge_share(count: int, of: int, needed: float, confidence: float = CONFIDENCE) -> tuple[Interval, float, str]:
    """The exact interval of a share, its p-value against `needed`, and the verdict."""
    from scipy.special import bdtr, bdtrc  # imported on use: `import deltarule` stays light

    interval = exact_share_interval(count, of, confidence)
    so_many, so_few = float(bdtrc(count - 1, of, needed)), float(bdtr(count, of, needed))
    p_value = min(1.0, 2 * min(so_many, so_few))
    if p_value > 1 - confidence:
        verdict = "tie" if max(interval.high - needed, needed - interval.low) <= TIE else "undecided"
    elif so_many < so_few:
        verdict = "agrees"
    else:
        verdict = "some seeds" if count and interval.high > FEW else "disagrees"
    return interval, p_value, verdict


def min_seeds(needed: float) -> int | None:
    """The smallest number of seeds that can support a claim."""
    if needed >= 1:
        return None
    count = max(1, int(np.log((1 - CONFIDENCE) / 2) / np.log(needed)) - 1)
    while judge_share(count, count, needed)[2] != "agrees":
        count += 1
    return count


def combine_verdicts(verdicts: Iterable[str], rule: str = "") -> str:
    """Combine the verdicts on the readings of a claim into one, by the table in docs/studies/criteria.md."""
    distinct = set(verdicts)
    if not distinct:
        return "not testable here"
    if rule == "not testable":
        return "not testable"
    holds, fails = distinct & HOLDS, distinct & REFUTED
    if holds and fails:
        return "mixed"
    if holds or fails:
        is_open = distinct - holds - fails
        if is_open:
            return "agrees where decided" if holds else "disagrees where decided"
        return next((code for code in ("compatible", "some seeds") if code in distinct), distinct.pop())
    return distinct.pop() if len(distinct) == 1 else "undecided"


def surviving_verdicts(verdicts: Iterable[Verdict]) -> tuple[bool, ...]:
    """Which verdicts stand if all readings are corrected after Holm (1979).

    A verdict stands if its readings give it even when all those that Holm does not reject count as undecided.
    """
    verdicts = tuple(verdicts)
    p_values = sorted(
        reading.p_value for verdict in verdicts for reading in verdict.readings.values() if reading.p_value is not None
    )
    limit = 0.0
    for index, p_value in enumerate(p_values):
        if p_value > COLLECTION_ERROR / (len(p_values) - index):
            break
        limit = p_value

    def corrected(reading: Reading) -> str:
        return reading.verdict if reading.p_value is None or reading.p_value <= limit else "undecided"

    return tuple(
        verdict.verdict in DECIDED
        and combine_verdicts(map(corrected, verdict.readings.values()), verdict.rule) == verdict.verdict
        for verdict in verdicts
    )


def _figure(values: Any) -> Figure:
    row = np.nan_to_num(np.asarray(values, np.float64), nan=np.inf, posinf=np.inf, neginf=-np.inf)
    if row.ndim == 2:
        return Figure(float(np.median(row.mean(1))), *resampled_interval(row))
    return Figure(*(float(x) if np.isfinite(x) else None for x in (np.median(row), *median_interval(row))))
