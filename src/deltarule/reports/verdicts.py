"""Verdicts on claims, in words, on the terminal and in Markdown."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from deltarule.errors import count_of
from deltarule.reports.formatting import percent
from deltarule.reports.table import Pairs, table

if TYPE_CHECKING:
    from rich.console import RenderableType

VERDICT_WORDS = {
    "agrees": "supported",
    "disagrees": "not supported",
    "mixed": "supported in part",
    "undecided": "undecided (too few seeds)",
    "not testable here": "not testable here",
}
VERDICT_STYLES = {"agrees": "bold green", "disagrees": "bold red", "mixed": "bold yellow", "undecided": "bold cyan"}


def describe_verdict(verdict: str, conventions: Mapping[str, Any]) -> str:
    """A claim's verdict in words; of a mixed one also what it depends on.

    Parameters
    ----------
    verdict : its code.
    conventions : a record with the code `verdict` for each reading of the report.

    Examples
    --------
    >>> describe_verdict("agrees", {})
    'supported'
    >>> describe_verdict("mixed", {"sum": {"verdict": "disagrees"}, "mean": {"verdict": "agrees"}})
    'depends on an unstated convention: supported under 1 of 2 readings'
    >>> describe_verdict("mixed", {"": {"verdict": "mixed"}})
    'supported for some seeds only'
    """
    if verdict != "mixed":
        return VERDICT_WORDS.get(verdict, verdict)
    codes = [one["verdict"] if isinstance(one, Mapping) else one.verdict for one in conventions.values()]
    if "agrees" not in codes:
        return "supported for some seeds only"
    readings = f"{codes.count('agrees')} of {len(codes)} readings"
    return f"depends on an unstated convention: supported under {readings}"


def count_verdicts(verdicts: Iterable[str]) -> dict[str, tuple[str, int]]:
    """The number of claims of each verdict, supported ones first.

    >>> count_verdicts(["mixed", "agrees", "agrees"])
    {'agrees': ('supported', 2), 'mixed': ('supported in part', 1)}
    """
    counts = Counter(verdicts)
    codes = dict.fromkeys([*VERDICT_WORDS, *counts])
    return {code: (VERDICT_WORDS.get(code, code), counts[code]) for code in codes if counts[code]}


def list_verdicts(verdicts: Iterable[str]) -> str:
    """The number of claims of each verdict, as text."""
    return ", ".join(f"{count:,} {words}" for words, count in count_verdicts(verdicts).values())


def judged_claims(verdicts: Sequence[Any]) -> "list[RenderableType]":
    """Each claim with the report's number, ours, the share of seeds and the verdict.

    Parameters
    ----------
    verdicts : the judged claims, as `deltarule claims --json` lists them.

    Examples
    --------
    >>> from types import SimpleNamespace as record
    >>> from rich import print
    >>> print(*judged_claims([record(id="encoder-8", claim="8 different codes", report="8 codes", ours="8 codes",
    ...     share=0.97, interval=(0.92, 0.99), verdict="agrees", contradicts_itself="", cause="", conventions={})]),
    ...     sep="\\n")
    encoder-8  supported
      claim    8 different codes
      report   8 codes
      ours     8 codes
      seeds    97 % (92 to 99 %)
    <BLANKLINE>
    1 claim: 1 supported
    """
    from rich.text import Text

    shown: list[RenderableType] = []
    for claim in verdicts:
        words = Text(describe_verdict(claim.verdict, claim.conventions), VERDICT_STYLES.get(claim.verdict, ""))
        shown += [Text(f"{claim.id}  ", "bold").append_text(words), Pairs(_claim_lines(claim)), ""]
    return [*shown, f"{count_of(len(verdicts), 'claim')}: {list_verdicts(claim.verdict for claim in verdicts)}"]


def _claim_lines(claim: Any) -> list[tuple[str, str]]:
    lines = [("claim", claim.claim), ("report", claim.report), ("ours", claim.ours)]
    if claim.share is not None:
        low, high = claim.interval
        lines.append(("seeds", f"{percent(claim.share)} ({100 * low:.3g} to {percent(high)})"))
    if claim.contradicts_itself:
        lines.append(("flag", f"the report contradicts itself: {claim.contradicts_itself}"))
    if len(claim.conventions) > 1:
        best = max(claim.conventions, key=lambda name: claim.conventions[name].count / claim.conventions[name].of)
        lines.append(("under", f"{best} (the best of {len(claim.conventions)} conventions)"))
    if claim.cause:
        lines.append(("cause", claim.cause))
    return [(f"  {name}", text) for name, text in lines]


def verdicts_in_markdown(results: Mapping[str, Any]) -> str:
    """Format a study's results.json as a Markdown table with remarks below it.

    Parameters
    ----------
    results : the content of a study's results.json.

    Examples
    --------
    >>> claim = dict(id="encoder-1", claim="It learns.", report="3,000", ours="180", share=1.0, interval=[0.96, 1.0],
    ...     verdict="agrees", contradicts_itself="", changed="", cause="", conventions={}, control=None,
    ...     control_ours="")
    >>> print(verdicts_in_markdown({"claims": [claim]}))
    | claim | the report | its figure | ours | seeds | verdict |
    |---|---|---|---|---|---|
    | encoder-1 | It learns. | 3,000 | 180 | 100 % (96 to 100) | **supported** |
    """
    headings = ["claim", "the report", "its figure", "ours", "seeds", "verdict"]
    rows = []
    for claim in results["claims"]:
        words = describe_verdict(claim["verdict"], claim["conventions"])
        texts = [claim[name] for name in ("id", "claim", "report", "ours")]
        rows.append([*texts, _format_seeds(claim), f"**{words}**"])
    remarks = [f"- **{claim['id']}**: {remark}" for claim in results["claims"] for remark in _remarks(claim)]
    return "\n\n".join([table(headings, rows).markdown(), *(["\n".join(remarks)] if remarks else [])])


def _format_seeds(claim: Mapping[str, Any]) -> str:
    """The share of seeds for which a claim holds with its interval, by convention."""
    if claim["share"] is None:
        return "none"
    if len(claim["conventions"]) < 2:
        return _format_share(claim["share"], claim["interval"])
    return "; ".join(f"{name}: {_format_count(count)}" for name, count in claim["conventions"].items())


def _format_share(share: float, interval: Sequence[float]) -> str:
    low, high = interval
    return f"{percent(share, 0, 'f')} ({100 * low:.0f} to {100 * high:.0f})"


def _format_count(count: Mapping[str, Any]) -> str:
    return _format_share(count["count"] / count["of"], count["interval"])


def _remarks(claim: Mapping[str, Any]) -> list[str]:
    """Sentences on a claim: a contradiction, a changed criterion, the cause of its failure."""
    remarks = []
    if claim["contradicts_itself"]:
        remarks.append(f"the report contradicts itself: {claim['contradicts_itself']}.")
    if claim["changed"]:
        remarks.append(f"the criterion was changed after there were results: {claim['changed']}.")
    if claim["cause"]:
        control = "; ".join(_format_count(count) for count in claim["control"].values())
        remarks.append(f"{claim['cause']}. Control: {claim['control_ours']}; {control} of the seeds.")
    return remarks
