"""Simulate how often verdicts on claims are wrong: `python benchmarks/verdict_error_rates.py`.

For a claim that needs half, or nine tenths, of the seeds, each seed of each reading satisfies the criterion with a true
probability. Readings are judged over so many seeds, or at looks that grow to so many. Printed are the shares of
simulated claims with each kind of verdict, by the number of readings and of seeds; the true probability is the same for
all readings. Also printed: how often a collection of true and false claims
has any wrong verdict, before and after Holm's correction over all its readings.
"""

from collections import Counter
from collections.abc import Sequence

import numpy as np

from deltarule.reports.table import table
from deltarule.studies.verdicts import (
    Look,
    Reading,
    Verdict,
    combine_verdicts,
    judge_share,
    looks_up_to,
    surviving_verdicts,
)

READINGS, SEEDS, REPEATS = (1, 4), (20, 100, 300, 1000), 20_000
KINDS = (
    "agrees",
    "agrees where decided",
    "mixed",
    "undecided",
    "tie",
    "disagrees where decided",
    "some seeds",
    "disagrees",
)
CASES = {0.5: (0.5, 0.4, 0.6), 0.9: (0.9, 0.85, 0.95)}
"""Needed shares, each with true ones: at the border, where a verdict is wrong at its likeliest, and around it."""


def frequencies(
    readings: int, looks: Sequence[Look], needed: float, truth: float, random: np.random.Generator
) -> Counter[str]:
    """How often a claim with this true share has which verdict, if the first look that decides a reading judges it."""
    counts, before = np.zeros((REPEATS, readings), int), 0
    found = np.full(counts.shape, "undecided", "U16")
    for look in looks:
        counts += random.binomial(look.seeds - before, truth, size=counts.shape)
        before = look.seeds
        codes = np.array([judge_share(count, before, needed, look.confidence)[2] for count in range(before + 1)])
        found = np.where(np.isin(found, ["undecided", "tie"]), codes[counts], found)
    return Counter(map(combine_verdicts, found.tolist()))


def collection_errors(seeds: int, random: np.random.Generator, repeats: int = 2000) -> tuple[float, float]:
    """How often any of 100 claims at the border has a decided verdict, and one that stands after Holm."""
    found = [judge_share(count, seeds, 0.5) for count in range(seeds + 1)]
    one_reading = [{"": Reading(count, seeds, *one)} for count, one in enumerate(found)]
    verdicts = [Verdict("", "", "", "", 0.5, one[2], reading) for one, reading in zip(found, one_reading, strict=True)]
    any_decided = any_standing = 0
    for counts in random.binomial(seeds, 0.5, size=(repeats, 100)):
        claims = [verdicts[count] for count in counts]
        any_decided += any(claim.verdict not in ("undecided", "tie") for claim in claims)
        any_standing += any(surviving_verdicts(claims))
    return any_decided / repeats, any_standing / repeats


def main() -> None:
    """Print both tables."""
    random = np.random.default_rng(0)
    rows = [
        [
            f"{100 * needed:g} %",
            f"{100 * truth:g} %",
            str(readings),
            f"{looks[0].seeds:,}" + (f" to {looks[-1].seeds:,}" if len(looks) > 1 else ""),
            *(f"{100 * found[kind] / REPEATS:.1f} %" for kind in KINDS),
        ]
        for needed, truths in CASES.items()
        for truth in truths
        for readings in READINGS
        for looks in (*([Look(seeds)] for seeds in SEEDS), looks_up_to(300))
        for found in [frequencies(readings, looks, needed, truth, random)]
    ]
    print(table(["needed", "true", "readings", "seeds", *KINDS], rows).markdown(), end="\n\n")
    rows = []
    for seeds in SEEDS:
        decided, standing = collection_errors(seeds, random)
        rows.append([f"{seeds:,}", f"{100 * decided:.1f} %", f"{100 * standing:.1f} %"])
    print(table(["seeds", "any decided verdict", "any that stands after Holm"], rows).markdown())


if __name__ == "__main__":
    main()
