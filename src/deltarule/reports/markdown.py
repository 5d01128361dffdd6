"""Format verdicts of a study as Markdown for its page."""

from collections.abc import Mapping, Sequence
from typing import Any

from deltarule.reports.formatting import percent
from deltarule.reports.verdict_words import describe_verdict


def table(headers: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Format a Markdown table.

    >>> print(table(["rate", "cost"], [["10", "0.1"], ["|1|", "0.2"]]))
    | rate | cost |
    |---|---|
    | 10 | 0.1 |
    | \\|1\\| | 0.2 |
    """
    lines = [list(headers), ["---"] * len(headers), *rows]
    cells = [[cell.replace("|", "\\|").replace("\n", "<br>") for cell in line] for line in lines]
    return "\n".join(["|" + "|".join(cell) + "|" if cell[0] == "---" else f"| {' | '.join(cell)} |" for cell in cells])


def verdicts(results: Mapping[str, Any]) -> str:
    """Format a study's results.json as a Markdown table with remarks below it.

    Parameters
    ----------
    results : the content of a study's results.json.

    Examples
    --------
    >>> claim = dict(id="encoder-1", claim="It learns.", report="3,000", ours="180", share=1.0, interval=[0.96, 1.0],
    ...     verdict="agrees", contradicts_itself="", changed="", cause="", conventions={}, control=None,
    ...     control_ours="")
    >>> print(verdicts({"claims": [claim]}))
    | claim | the report | its figure | ours | seeds | verdict |
    |---|---|---|---|---|---|
    | encoder-1 | It learns. | 3,000 | 180 | 100 % (96 to 100) | **supported** |
    """
    headers = ["claim", "the report", "its figure", "ours", "seeds", "verdict"]
    claims = table(headers, [_claim_row(claim) for claim in results["claims"]])
    reasons = [line for claim in results["claims"] for line in _reasons(claim)]
    return "\n\n".join([claims, "\n".join(reasons)] if reasons else [claims])


def _claim_row(claim: Mapping[str, Any]) -> list[str]:
    words = describe_verdict(claim["verdict"], claim["conventions"])
    return [claim["id"], claim["claim"], claim["report"], claim["ours"], _format_seeds(claim), f"**{words}**"]


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


def _reasons(claim: Mapping[str, Any]) -> list[str]:
    """Lines of a Markdown list on a claim: a contradiction, the cause of its failure."""
    lines = []
    if claim["contradicts_itself"]:
        lines.append(f"- **{claim['id']}**: the report contradicts itself: {claim['contradicts_itself']}.")
    if claim["changed"]:
        lines.append(f"- **{claim['id']}**: the criterion was changed after there were results: {claim['changed']}.")
    if claim["cause"]:
        control = "; ".join(_format_count(count) for count in claim["control"].values())
        lines.append(
            f"- **{claim['id']}**: {claim['cause']}. Control: {claim['control_ours']}; {control} of the seeds."
        )
    return lines
