"""Measure how often `why_not_learning` is right, on runs with a planted cause and on healthy ones.

    python benchmarks/why_not_learning.py [--runs 50] [--healthy 200] [--set final] [--lenient] [--json FILE]

A setting is drawn (data, network, loss, optimizer, sensible rates) and trained, and trained once more with a single
cause planted. A pair counts if the first training learned and the second did not, by the R² of their outputs on the
training rows, which `why_not_learning` never uses. The thresholds of `why_not_learning` were chosen on the set
"development"; "final" has other seeds, and additional data sets.

K members · N rows · D inputs · C outputs
"""

import argparse
import json
import sys
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from planted.causes import PLANTS
from planted.settings import DATA, SEEDS, Setting, draw_setting

from deltarule.stats import metrics
from deltarule.symptoms.report import why_not_learning
from deltarule.training.run import Run

MAX_MEMBERS_PER_SETTING = 2
"""Members of a setting that are counted at most, so that fifty runs come from twenty-five settings or more."""
MIN_R_SQUARED = 0.15
"""The R² that the best member of a setting must reach; below it nobody could say which members are healthy."""
MIN_SHARE_OF_BEST = 0.8
"""The share of the best member's R² from which a member has learned as well."""
MAX_SHARE_OF_TWIN = 0.5
"""The share of the healthy twin's R² up to which a planted cause counts as having stopped the learning."""


def training_r_squared(run: Run) -> Any:
    """R² of each member's outputs on the training rows, [K]; 0 if it is negative or the member diverged."""
    outputs, weights = run.outputs(run.problem.x), np.ones((len(run.problem.x), 1))
    with np.errstate(all="ignore"):
        score = metrics.find("r_squared").value(outputs, run.problem.y, weights)
    is_finite = np.isfinite(score) & np.array([reason != "diverged" for reason in run.reasons])
    return np.where(is_finite, np.maximum(score, 0), 0.0)


def healthy_members(run: Run, lenient: bool = False) -> Any:
    """The indices of members that learned about as well as the best one, and predict every class.

    A member that learned much less than another of the same setting, or never predicts some class, has a cause to be
    reported. With `lenient`, every member that learned anything counts as healthy.
    """
    score = training_r_squared(run)
    if lenient:
        return np.flatnonzero(score >= MIN_R_SQUARED)
    members = np.flatnonzero(score >= max(MIN_R_SQUARED, MIN_SHARE_OF_BEST * score.max()))
    return np.array([member for member in members if not never_predicted(run, member)], int)


def planted_members(cause: str, healthy: Run, planted: Run) -> Any:
    """The indices of members that learn without the planted cause and do not learn with it."""
    twins = healthy_members(healthy)
    if cause == "class_never_predicted":
        return twins[[never_predicted(planted, member) for member in twins]]
    if cause == "shuffled_labels":
        return twins  # whatever was learned from shuffled targets is wrong
    return twins[training_r_squared(planted)[twins] <= MAX_SHARE_OF_TWIN * training_r_squared(healthy)[twins]]


def never_predicted(run: Run, member: int) -> bool:
    """Whether targets are classes and a member never predicts one of them on the training rows."""
    outputs, y = run.outputs(run.problem.x)[member], run.problem.y
    if run.problem.network.output.name not in ("sigmoid", "softmax"):
        return False
    if y.shape[1] == 1:
        return len(np.unique(outputs > 0.5)) < 2
    return len(np.unique(outputs.argmax(1))) < y.shape[1]


def planted_runs(which: str, cause: str, count: int) -> Iterator[tuple[Setting, Run, Any]]:
    """Yield settings with a planted cause, their runs, and the indices of members that count, `count` in all."""
    cause_index = list(PLANTS).index(cause)
    remaining, drawn = count, 0
    while remaining:
        random = np.random.default_rng([SEEDS[which], cause_index, drawn])
        first = draw_setting(random, which, cause)
        healthy, planted = PLANTS[cause](random, first)
        drawn += 1
        twin = healthy.run()
        if not len(healthy_members(twin)):
            continue
        run = planted.run()
        chosen = planted_members(cause, twin, run)[: min(MAX_MEMBERS_PER_SETTING, remaining)]
        remaining -= len(chosen)
        if len(chosen):
            yield planted, run, chosen


def healthy_runs(which: str, count: int, lenient: bool) -> Iterator[tuple[Setting, Run, Any]]:
    """Yield drawn settings, their runs, and the indices of healthy members; `count` members in all."""
    remaining, drawn = count, 0
    while remaining:
        random = np.random.default_rng([SEEDS[which], len(PLANTS), drawn])
        plain = draw_setting(random, which)
        drawn += 1
        run = plain.run()
        chosen = healthy_members(run, lenient)[: min(MAX_MEMBERS_PER_SETTING, remaining)]
        remaining -= len(chosen)
        if len(chosen):
            yield plain, run, chosen


@dataclass(frozen=True)
class Named:
    """The causes that were named in runs of one planted cause, or in healthy runs (cause "nothing").

    first   how often each code was named first        settings   how many settings the runs come from
    """

    cause: str
    runs: int
    settings: int
    first: dict[str, int]
    seconds: float

    @property
    def right(self) -> int:
        """How often the planted cause was named first."""
        return self.first.get(self.cause, 0)


def count_named(which: str, cause: str, count: int, lenient: bool = False) -> Named:
    """Let `why_not_learning` judge runs with a planted cause, or healthy ones ("nothing"), and count what it names."""
    started, first, settings = time.perf_counter(), Counter[str](), 0
    healthy = cause == "nothing"
    for _, run, members in healthy_runs(which, count, lenient) if healthy else planted_runs(which, cause, count):
        settings += 1
        for member in members.tolist():
            findings = why_not_learning(run, [member]).findings
            first[findings[0].code if findings else "nothing"] += 1
    return Named(cause, sum(first.values()), settings, dict(first.most_common()), time.perf_counter() - started)


def format_line(result: Named) -> str:
    """Format the counts of one cause as a line of the table."""
    others = ", ".join(f"{code} {count}" for code, count in result.first.items() if code != result.cause)
    return f"{result.cause:24}{result.right:4} of {result.runs:3}   {others}"


def main() -> None:
    """Judge every cause and healthy runs, and print both."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--runs", type=int, default=50, help="planted runs of each cause")
    parser.add_argument("--healthy", type=int, default=200, help="healthy runs")
    parser.add_argument("--set", choices=list(DATA), default="final", dest="which")
    parser.add_argument("--causes", nargs="*", default=[*PLANTS, "nothing"], help="only these")
    parser.add_argument("--lenient", action="store_true", help="count whatever learned anything at all as healthy")
    parser.add_argument("--json", type=Path, help="write what was found to this file")
    given = parser.parse_args()
    results = []
    print(f"{'planted':24}{'named first':14}named first instead", flush=True)
    for cause in given.causes:
        count = given.healthy if cause == "nothing" else given.runs
        results.append(count_named(given.which, cause, count, given.lenient))
        print(format_line(results[-1]), flush=True)
    planted = [result for result in results if result.cause != "nothing"]
    right, runs = sum(result.right for result in planted), sum(result.runs for result in planted)
    print(f"planted, all causes: {right} of {runs} named first")
    for result in results:
        if result.cause == "nothing":
            print(f"healthy: {result.runs - result.right} of {result.runs} accused")
    print(f"{sum(result.seconds for result in results):.0f} s")
    if given.json:
        given.json.write_text(json.dumps([vars(result) for result in results], indent=2), encoding="utf-8")


if __name__ == "__main__":
    sys.exit(main())
