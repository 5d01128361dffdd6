"""Verdicts on claims, the records of `claims.json`, in words and on the terminal."""

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from deltarule.errors import count_of
from deltarule.json_files import to_jsonable
from deltarule.reports.formatting import percent
from deltarule.reports.table import Pairs
from deltarule.stats.intervals import confidence_of, exact_share_interval

if TYPE_CHECKING:
    from rich.console import RenderableType

VERDICTS = {
    "agrees": ("supported", "bold green"),
    "compatible": ("compatible", "bold green"),
    "disagrees": ("not supported", "bold red"),
    "some seeds": ("for some seeds only", "bold yellow"),
    "mixed": ("depends on the reading", "bold yellow"),
    "agrees where decided": ("supported where decided", "bold green"),
    "disagrees where decided": ("not supported where decided", "bold red"),
    "undecided": ("undecided (too few seeds)", "bold cyan"),
    "tie": ("a tie", "bold cyan"),
    "no verdict": ("figures without a verdict", ""),
    "not testable": ("not testable", ""),
    "not testable here": ("not testable here", ""),
}
"""The words and the style on a terminal of each verdict."""
HELD = ("agrees", "compatible")
REFUTED = ("disagrees", "some seeds")
"""The verdicts on a reading that count as held and as refuted; all others are open."""
ENOUGH_FOR_NONE = 1000
"""If a criterion holds for none of so many seeds, it surely holds for less than 0.4 % of all."""
SUPERSCRIPTS = str.maketrans("0123456789", "⁰¹²³⁴⁵⁶⁷⁸⁹")


def describe_verdict(claim: Mapping[str, Any]) -> str:
    """The verdict on a judged claim in words.

    Before it stands how many readings hold, are refuted and are left open.
    """
    words = VERDICTS[claim["verdict"]][0]
    codes = [reading["verdict"] for reading in claim["readings"].values()]
    if len(codes) < 2 or claim["verdict"] in ("no verdict", "not testable", "not testable here"):
        return words
    held, refuted = (sum(code in kind for code in codes) for kind in (HELD, REFUTED))
    return f"{held} held, {refuted} refuted, {len(codes) - held - refuted} open of {len(codes)} readings: {words}"


def count_verdicts(verdicts: Iterable[str]) -> dict[str, tuple[str, int]]:
    """The number of claims of each verdict, supported ones first."""
    counts = Counter(verdicts)
    words = {code: text for code, (text, _) in VERDICTS.items()} | {"left out": "left out"}
    return {code: (text, counts[code]) for code, text in words.items() if counts[code]}


def list_verdicts(verdicts: Iterable[str]) -> str:
    return ", ".join(f"{count:,} {words}" for words, count in count_verdicts(verdicts).values())


def judged_claims(verdicts: Sequence[Any]) -> "list[RenderableType]":
    """Each claim: criterion, both numbers, share of seeds, what is needed, verdict."""
    from rich.text import Text

    shown: list[RenderableType] = []
    claims = [to_jsonable(verdict) for verdict in verdicts]
    for claim in claims:
        words = Text(describe_verdict(claim), VERDICTS[claim["verdict"]][1])
        lines = [("claim", claim["claim"]), ("report", claim["report"]), ("criterion", claim["criterion"])]
        lines += [("rule", claim["rule"])] if claim.get("rule") else []
        lines.append(("ours", describe_readings(claim)))
        lines += [("seeds", describe_shares(claim))] if claim["readings"] else []
        if claim["contradicts_itself"]:
            lines.append(("flag", f"the report contradicts itself: {claim['contradicts_itself']}"))
        lines += [("control", describe_control(control)) for control in claim["controls"]]
        pairs = Pairs([(f"  {name}", text) for name, text in lines])
        shown += [Text(f"{claim['id']}  ", "bold").append_text(words), pairs, ""]
    return [*shown, f"{count_of(len(claims), 'claim')}: {list_verdicts(claim['verdict'] for claim in claims)}"]


def describe_share(reading: Mapping[str, Any], needed: float | None = None) -> str:
    """The share of seeds for which a reading holds, its interval and the needed one."""
    if reading["interval"] is None:
        return "by arithmetic" if reading["of"] else "none"
    if reading["count"] == 0 and reading["of"] >= ENOUGH_FOR_NONE:
        return f"none of {reading['of']:,}: cannot hold under this reading"
    low, high = reading["interval"]
    of = f"{percent(reading['count'] / reading['of'], 0, 'f')} of {reading['of']:,}"
    share = f"{of} ({100 * low:.0f} to {100 * high:.0f})"
    return share if needed is None else f"{share}, needed {percent(needed)}"


def describe_figures(reading: Mapping[str, Any]) -> str:
    """What was measured under a reading, in one line."""
    conditions = [f"{name} {describe_condition(reading, name)}" for name in reading["conditions"]]
    figures = [f"{name} {describe_figure(figure)}" for name, figure in reading["figures"].items()]
    return "; ".join(filter(None, [*conditions, *figures, reading["remark"]]))


def describe_condition(reading: Mapping[str, Any], name: str) -> str:
    """The share of seeds for one condition of a criterion, its interval and its verdict.

    The interval has the confidence of the reading's.
    """
    count, of = reading["conditions"][name], reading["of"]
    share = percent(count / of, 0, "f")
    said = []
    if reading.get("interval") is not None:
        low, high = exact_share_interval(count, of, confidence_of(reading["interval"], reading["count"], of))
        said.append(f"{100 * low:.0f} to {100 * high:.0f}")
    verdict = reading.get("parts", {}).get(name)
    if verdict is not None:
        said.append(VERDICTS[verdict][0].partition(" (")[0])
    return f"{share} ({', '.join(said)})" if said else share


def describe_readings(claim: Mapping[str, Any]) -> str:
    return "\n".join(filter(None, [*_of_readings(claim, describe_figures), claim["remark"]]))


def describe_shares(claim: Mapping[str, Any]) -> str:
    return "\n".join(_of_readings(claim, lambda reading: describe_share(reading, claim["needed"]))) or "none"


def _of_readings(claim: Mapping[str, Any], describe: Callable[[Mapping[str, Any]], str]) -> list[str]:
    return [": ".join(filter(None, [name, describe(reading)])) for name, reading in claim["readings"].items()]


def describe_control(control: Mapping[str, Any]) -> str:
    """A control run beside the reading that it changes, seed by seed."""
    result = control["result"]
    shares = f"{describe_share(result)} of the seeds"
    pairs = f"{control['control_only']:,} seeds with the change alone, {control['claim_only']:,} without it alone"
    return f"{describe_finding(control)}, {shares} ({pairs}); {describe_figures(result)}".removesuffix("; ")


def describe_finding(control: Mapping[str, Any]) -> str:
    """What a control run changes, and whether the claim holds with it."""
    if control["flipped"]:
        finding = "the claim holds with this change"
    elif control["result"]["verdict"] in REFUTED:
        finding = "the claim still does not hold with this change"
    else:
        finding = "the control decides nothing"
    beside = f' (beside "{control["of"]}")' if control["of"] else ""
    return f"{control['cause']}{beside}: {finding}"


def describe_figure(figure: Mapping[str, Any], digits: int = 4) -> str:
    """The median of a measurement, with its interval unless both ends equal it."""
    median, low, high = (_short_number(figure[end], digits) for end in ("median", "low", "high"))
    return median if low == median == high else f"{median} ({low} to {high})"


def _short_number(value: float | None, digits: int) -> str:
    """A number as text in a few digits, huge ones as a power of ten."""
    if value is None:
        return "none"
    if abs(value) >= 1e12:
        mantissa, power = f"{value:.1e}".split("e+")
        return f"{mantissa} × 10{power.translate(SUPERSCRIPTS)}"
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.{digits}g}"
