"""Markdown tables of stored records for docs/; a test compares each page with its records."""

from collections.abc import Mapping, Sequence
from typing import Any

from deltarule.reports.formatting import percent
from deltarule.reports.verdict_words import describe_verdict


def table(headers: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Write a Markdown table.

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
    """Write a study's claims with their verdicts as a table, and the reasons of those that fail below it.

    Parameters: `results`, a study's results.json as it was read.

    >>> claim = dict(id="encoder-1", claim="It learns.", report="3,000", ours="180", share=1.0, interval=[0.96, 1.0],
    ...     verdict="agrees", contradicts_itself="", changed="", cause="", conventions={}, control=None,
    ...     control_ours="")
    >>> print(verdicts({"claims": [claim]}))
    | claim | the report | its figure | ours | seeds | verdict |
    |---|---|---|---|---|---|
    | encoder-1 | It learns. | 3,000 | 180 | 100 % (96 to 100) | **supported** |
    """
    headers = ["claim", "the report", "its figure", "ours", "seeds", "verdict"]
    claims = table(headers, [_verdict(claim) for claim in results["claims"]])
    reasons = [line for claim in results["claims"] for line in _reasons(claim)]
    return "\n\n".join([claims, "\n".join(reasons)] if reasons else [claims])


def _verdict(one: Mapping[str, Any]) -> list[str]:
    words = describe_verdict(one["verdict"], one["conventions"])
    return [one["id"], one["claim"], one["report"], one["ours"], _seeds(one), f"**{words}**"]


def _seeds(one: Mapping[str, Any]) -> str:
    """The share of seeds with its interval; for several conventions one of each."""
    if one["share"] is None:
        return "none"
    if len(one["conventions"]) < 2:
        return _share_with_interval(one["share"], one["interval"])
    return "; ".join(f"{name}: {_share_of_count(share)}" for name, share in one["conventions"].items())


def _share_with_interval(share: float, interval: Sequence[float]) -> str:
    low, high = interval
    return f"{percent(share, 0, 'f')} ({100 * low:.0f} to {100 * high:.0f})"


def _share_of_count(share: Mapping[str, Any]) -> str:
    return _share_with_interval(share["count"] / share["of"], share["interval"])


def _reasons(one: Mapping[str, Any]) -> list[str]:
    lines = []
    if one["contradicts_itself"]:
        lines.append(f"- **{one['id']}**: the report contradicts itself: {one['contradicts_itself']}.")
    if one["changed"]:
        lines.append(f"- **{one['id']}**: the criterion was changed after there were results: {one['changed']}.")
    if one["cause"]:
        control = "; ".join(_share_of_count(share) for share in one["control"].values())
        lines.append(f"- **{one['id']}**: {one['cause']}. Control: {one['control_ours']}; {control} of the seeds.")
    return lines
