"""Put verdicts into words."""

from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any

VERDICT_WORDS = {
    "agrees": "supported",
    "disagrees": "not supported",
    "mixed": "supported in part",
    "undecided": "undecided (too few seeds)",
    "not testable here": "not testable here",
}


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
    codes = [
        convention["verdict"] if isinstance(convention, Mapping) else convention.verdict
        for convention in conventions.values()
    ]
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
    codes = [*VERDICT_WORDS, *(code for code in counts if code not in VERDICT_WORDS)]
    return {code: (VERDICT_WORDS.get(code, code), counts[code]) for code in codes if counts[code]}
