"""Claims and verdicts: what a report says, the criterion by which we judge it, and what many seeds say.

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
WRONG = 1 / 16
"""How often the verdict of one convention may be wrong, however few the seeds: so four can decide a claim that needs
half of them. More take too long where networks are large."""
CONFIDENCE = 1 - 2 * WRONG
"""Of the intervals by which claims are judged. Only one of the ends can lead to a wrong verdict, as the share is either
enough or not.    Source: Schuirmann 1987"""


@dataclass(frozen=True)
class Evidence:
    """What trainings say of a claim: our figure in words, and for which seeds the criterion holds.

    `holds` has one array of booleans, one a seed, for each convention under which the claim was tried; a study that
    knows its convention has a single one. Where it is empty, the claim is not testable here, and `ours` says why.
    """

    ours: str
    holds: Mapping[str, Any]


Judge = Callable[["Experiments"], Evidence]


@dataclass(eq=False)
class Claim:
    """A sentence of a report, with its criterion; made by the decorator `claim` from the function that judges it.

    says, report         the claim in our words, and the report's figure
    criterion, needed    the predicate in words, and the share of seeds that must satisfy it
    contradicts_itself   what in the report speaks against it, where the report contradicts itself
    changed              why the criterion was changed after results were there, where it was
    cause, control       what we suppose makes it fail, and the evidence of a run that changes only that
    long                 whether it takes minutes: `deltarule reproduce --quick` leaves it out
    any_data             whether it can be judged on the rows that stand in for data that are not there
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
        """Decorate the function that judges the control run: only the supposed cause is changed in it."""

        def keep(judge: Judge) -> Judge:
            self.cause, self.control_judge = cause, judge
            return judge

        return keep

    # Both are found once, before anything is trained: the file may be edited meanwhile.
    @cached_property
    def digest(self) -> str:
        """SHA-256 of the criterion: its words, its share, and the code of its predicate without comments."""
        tree = ast.parse(textwrap.dedent(inspect.getsource(_function_of(self.judge))))
        function = tree.body[0]
        if isinstance(function, ast.FunctionDef):
            function.decorator_list = []
            if ast.get_docstring(function):
                function.body = function.body[1:]
        code = ast.unparse(tree).replace('"', "'")  # which quotes it writes depends on the version of Python
        return hashlib.sha256(repr((self.id, self.criterion, self.needed, code)).encode()).hexdigest()

    @cached_property
    def source(self) -> str:
        """SHA-256 of the text of the files that define the claim and its control: constants and helpers, too."""
        texts: dict[str, None] = {}
        for judge in (self.judge, self.control_judge):
            with contextlib.suppress(OSError, TypeError):  # of what is written in no file, or in C
                texts["".join(inspect.findsource(_function_of(judge))[0])] = None
        return hashlib.sha256("".join(texts).encode()).hexdigest()


def _function_of(judge: Any) -> Any:
    """The function that stands in a file: of one with arguments given beforehand, and of an object that is called."""
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
    """Make a claim of the function that judges it: it gets `Experiments` and returns `Evidence`.

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
    """The claims that a module defines, in their order."""
    return tuple(value for value in vars(module).values() if isinstance(value, Claim))


@dataclass(frozen=True)
class Share:
    """For how many seeds a criterion holds, the interval of that share (`CONFIDENCE`), and what follows from it."""

    count: int
    of: int
    interval: Interval
    verdict: str


@dataclass(frozen=True)
class Verdict:
    """A claim, judged: the record that tables and pages are drawn from.

    share, interval   under the best convention     conventions   every convention's share
    cause             why a claim fails: what the control run changed, and whether it holds then
    source            SHA-256 of the text of the files that define it and its control; "" of earlier versions
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
    """Judge a claim; where it does not agree, run its control too.

    Where other rows stand in for the study's data, nothing is trained: they say nothing about the claim.
    Raises `BadInput` for a claim whose function raises, or returns no `Evidence` of its seeds.
    """
    digest, source = claim.digest, claim.source
    remark = "" if claim.any_data else experiments.dataset.remark
    evidence = Evidence(remark, {}) if remark else _evidence(claim, claim.judge, experiments)
    shares = {name: share(holds, claim.needed) for name, holds in evidence.holds.items()}
    verdict = combine_verdicts({name: share.verdict for name, share in shares.items()})
    best = max(shares.values(), key=lambda one: one.count / one.of, default=None)
    control, told, cause, flipped = None, "", "", None
    if verdict not in ("agrees", "not testable here") and claim.control_judge is not None:
        found = _evidence(claim, claim.control_judge, experiments)
        control, told = {name: share(holds, claim.needed) for name, holds in found.holds.items()}, found.ours
        in_control = combine_verdicts({name: one.verdict for name, one in control.items()})
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
        control_ours=told,
        flipped=flipped,
        digest=digest,
        changed=claim.changed,
        source=source,
    )


def _evidence(claim: Claim, judge: Judge, experiments: "Experiments") -> Evidence:
    """What a claim's function says, which may be somebody else's code."""
    evidence = call_user_function(judge, (experiments,), {}, f"the claim '{claim.id}'")
    if not isinstance(evidence, Evidence) or not isinstance(evidence.holds, Mapping):
        given = type(getattr(evidence, "holds", evidence)).__name__
        raise BadInput(
            f"the claim '{claim.id}' returns {given}; return Evidence(our figure, a dictionary of arrays of booleans)"
        )
    for answers in map(np.asarray, evidence.holds.values()):
        # One for each seed, or fold: whoever gives a single one has summed them up himself.
        if answers.ndim != 1 or answers.dtype != bool or (len(answers) < 2 <= experiments.seeds):
            raise BadInput(
                f"the claim '{claim.id}' gives {answers.dtype} of shape {answers.shape} for {experiments.seeds} seeds; "
                "give a boolean for each seed"
            )
    return evidence


def verdict_of(table: Mapping[str, Any]) -> Verdict:
    """A verdict as JSON has it, read back.

    Raises `KeyError` or `TypeError` for anything else.
    """
    table = {"source": "", **table}  # files of earlier versions have none
    named = {one.name: table[one.name] for one in fields(Verdict)}
    named["interval"] = None if table["interval"] is None else Interval(*table["interval"])
    named["conventions"] = _shares(table["conventions"])
    named["control"] = None if table["control"] is None else _shares(table["control"])
    return Verdict(**named)


def _shares(table: Mapping[str, Any]) -> dict[str, Share]:
    return {name: Share(**{**one, "interval": Interval(*one["interval"])}) for name, one in table.items()}


def share(holds: Any, needed: float) -> Share:
    """The share of seeds for which a criterion holds, and what it says where `needed` of them must.

    It agrees where the whole interval is at `needed` or above, and is undecided where `needed` lies within it. Where
    the whole interval is at `needed` or below, it disagrees if the interval reaches below a tenth, and is mixed if not:
    then it surely holds for some seeds.

    >>> [share([True] * count + [False] * (100 - count), 0.8).verdict for count in (100, 80, 50, 2)]
    ['agrees', 'undecided', 'mixed', 'disagrees']
    """
    from scipy.special import bdtr, bdtrc  # imported on use: `import deltarule` stays light

    seeds = np.asarray(holds, bool)
    count, of = int(seeds.sum()), len(seeds)
    interval = exact_share_interval(count, of, CONFIDENCE)
    if _is_rare(bdtrc(count - 1, of, needed)):  # so many or more
        verdict = "agrees"
    elif not _is_rare(bdtr(count, of, needed)):  # so few or fewer
        verdict = "undecided"
    else:
        # A claim that surely holds for less than is needed, but surely for this share of seeds or more, is mixed: it
        # holds for some.
        verdict = "mixed" if interval.low >= 0.1 else "disagrees"
    return Share(count, of, interval, verdict)


def least_seeds(needed: float) -> int | None:
    """The least number of seeds over which a claim can agree: it then does if it holds for all; None if there is none.

    >>> least_seeds(0.9), least_seeds(0.5), least_seeds(1)
    (27, 4, None)
    """
    # A billion seeds are out of reach.
    numbers = range(1, 10**9)
    place = bisect.bisect_left(numbers, True, key=lambda number: _is_rare(needed**number))
    return numbers[place] if place < len(numbers) else None


def _is_rare(chance: float) -> bool:
    """Whether that is the chance of at most one in 16: an end of the interval lies at the share that is needed, or
    beyond. Four of four are just that, which rounding must not change."""
    return chance <= WRONG or math.isclose(chance, WRONG)


def combine_verdicts(verdicts: Mapping[str, str]) -> str:
    """One verdict of those under several conventions: mixed where it agrees under some and disagrees under others.

    What one leaves undecided may yet agree with the others: so does all of it stay, unless two differ surely.

    >>> combine_verdicts({"sum": "agrees", "mean": "disagrees"}), combine_verdicts({})
    ('mixed', 'not testable here')
    >>> combine_verdicts({"sum": "agrees", "mean": "undecided"})
    'undecided'
    """
    found = set(verdicts.values())
    if not found:
        return "not testable here"
    if len(found) == 1:
        return found.pop()
    return "mixed" if "mixed" in found or {"agrees", "disagrees"} <= found else "undecided"


def describe_control(cause: str, verdict: str) -> str:
    """What a control run with that verdict says of the supposed cause, in a sentence.

    >>> describe_control("the rate", "agrees")
    'the rate: in a control run that changes this, the claim holds'
    """
    if verdict == "agrees":
        return f"{cause}: in a control run that changes this, the claim holds"
    fails = verdict in ("disagrees", "mixed")
    found = "the claim still does not hold" if fails else "the seeds do not tell whether the claim holds"
    return f"supposed: {cause}; in a control run that changes this, {found}"
