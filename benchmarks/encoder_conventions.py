"""The 72 cost conventions that the encoder report may have used, and their fit.

The report states neither its cost (a sum or a mean, over samples or over all elements, with or without ½), nor what λ
multiplies, nor that the cost which it plots is the one which it differentiates. It does name Xavier weights, which may
be uniform or normal; two other laws are in the table for comparison.

The rule, fixed before there were results: the score of a convention is the least of the shares of seeds that satisfy
encoder-1 (all objects are right at 3,000), encoder-2 (its figure within a factor √2), encoder-5 and encoder-11 (each
output as printed); of equal scores the one with the greater mean of the four is better, then the one that comes first.
The recipe takes the best among those with Xavier weights. A convention fits if each of the four shares surely is what
its claim needed then, as `judge_share` judges it.

In docs/studies/results `encoder-conventions.csv` has a line for each, and 8 for longer trainings of the best one and of
its twin with ½: of seeds 0 to 99, on which the convention is chosen. `encoder-conventions-judged.csv` says for each
claim that takes seconds what its verdict is under each convention on seeds that the choice has not seen. Written by

    python benchmarks/encoder_conventions.py chosen.csv judged.csv
"""

import csv
import itertools
import sys
from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any

import numpy as np
from pydantic import TypeAdapter

from deltarule.recipes import load_recipe, with_settings
from deltarule.reports.table import table
from deltarule.studies.claims import Claim, Evidence, all_conditions, claims_of_study, is_about
from deltarule.studies.experiments import Experiments
from deltarule.studies.judges.encoder import FINAL_COST, encoder_5, share_right, train
from deltarule.studies.runner import holding_since
from deltarule.studies.verdicts import judge_claim, judge_share

FOLDER = Path(__file__).parents[1] / "docs" / "studies" / "results"
FILE, JUDGED = FOLDER / "encoder-conventions.csv", FOLDER / "encoder-conventions-judged.csv"
SEEDS, FIRST_JUDGED, JUDGED_SEEDS = 100, 100, 60
"""Seeds 0 to 99 choose the convention, 100 to 159 judge under each."""
SECONDS = ("encoder-5", "encoder-6")
"""Claims of at most three trainings of 3,000 iterations whose criterion is the one that was judged under each."""
CLAIMS = {"encoder_1": 0.9, "encoder_2": 0.5, "encoder_5": 0.9, "encoder_11": 0.5}
"""The columns of the four claims, with the share of seeds that each needs."""

LOSSES = {"squared_error": 1.0, "half_squared_error": 0.5}
"""Factors of the squared error."""

REDUCTIONS = {"sum": 64, "mean_samples": 8, "mean_elements": 1}
"""Factors from the mean over all 64 elements to each reduction."""

PENALTIES = {"weight_decay": "λW", "l2": "2λW", "weight_decay_per_sample": "λW/N"}
"""Each penalty's gradient."""

WEIGHTS: dict[str, Any] = {
    "glorot_uniform": "glorot_uniform",
    "glorot_normal": "glorot_normal",
    "normal": {"name": "normal", "std": 1.0},
    "uniform": {"name": "uniform", "range": 1.0},
}
XAVIER = ("glorot_uniform", "glorot_normal")

Convention = tuple[str, str, str, str, int]
"""Loss, reduction, gradient of the penalty, initial weights, iterations."""


@dataclass(frozen=True)
class Fit:
    """A line of the table: a convention, and how it fits the four claims.

    right_since      the median first iteration from which all objects stay right; NaN if they do for no seed
    cost, plotted    the median of the cost nearest to the report's figure, and which cost it is
    fits             whether each share is surely as large as its claim needs
    """

    loss: str
    reduction: str
    gradient: str
    weights: str
    iterations: int
    encoder_1: float
    encoder_2: float
    encoder_5: float
    encoder_11: float
    right_since: float
    cost: float
    plotted: str
    fits: bool

    @property
    def shares(self) -> tuple[float, ...]:
        """The shares of seeds that satisfy the four claims."""
        return tuple(getattr(self, column) for column in CLAIMS)


def all_conventions() -> list[Convention]:
    """The 72 conventions, all trained for 3,000 iterations."""
    return list(itertools.product(LOSSES, REDUCTIONS, PENALTIES.values(), WEIGHTS, (3000,)))


def experiments_under(convention: Convention, seeds: int, first_seed: int = 0) -> Experiments:
    """The encoder's experiments under a convention."""
    loss, reduction, gradient, weights, iterations = convention
    [penalty] = [name for name, its_gradient in PENALTIES.items() if its_gradient == gradient]
    settings = {
        "loss.name": loss,
        "loss.reduction": reduction,
        "loss.penalty": penalty,
        "network.initializer": WEIGHTS[weights],
        "stopping.max_steps": iterations,
    }
    return Experiments(with_settings(load_recipe("encoder"), settings), seeds=seeds, first_seed=first_seed)


def fit(convention: Convention, seeds: int = SEEDS, plotted: str = "") -> Fit:
    """Train under a convention, and measure how it fits the four claims.

    plotted : the cost that is held against the report's; the one that fits best if it is empty.
    """
    experiments = experiments_under(convention, seeds)
    run = train(experiments)
    costs = plotted_costs(run, experiments.dataset.train.x)
    near = {name: is_about(cost, FINAL_COST) for name, cost in costs.items()}
    plotted = plotted or max(
        costs, key=lambda name: (near[name].mean(), -abs(np.log(np.median(costs[name]) / FINAL_COST)))
    )
    shares = {
        "encoder_1": _share(Evidence(share_right(train(experiments))[-1] == 1)),
        "encoder_2": float(near[plotted].mean()),
        "encoder_5": _share(encoder_5(experiments)),
        "encoder_11": _share(has_printed_outputs(experiments)),
    }
    verdicts = [judge_share(round(shares[name] * seeds), seeds, least)[2] for name, least in CLAIMS.items()]
    since = holding_since(run, share_right(run) == 1)
    values: dict[str, Any] = {
        **shares,
        "right_since": float(np.nanmedian(since)) if np.isfinite(since).any() else float("nan"),
        "cost": float(np.median(costs[plotted])),
        "plotted": plotted,
        "fits": all(verdict == "agrees" for verdict in verdicts),
    }
    return Fit(*convention, **values)


def has_printed_outputs(experiments: Experiments) -> Evidence:
    """Whether, to two decimals, the 8 correct outputs are 0.97 or 0.98, and the others at most 0.02."""
    outputs = train(experiments, every=1000).outputs(experiments.dataset.train.x)
    own, others = outputs[:, np.eye(8) == 1], outputs[:, np.eye(8) == 0]
    return Evidence(((own >= 0.965) & (own < 0.985)).all(-1) & (others < 0.025).all(-1))


def plotted_costs(run: Any, x: Any) -> dict[str, Any]:
    """Every cost that the report may have plotted, [K] each, of a run."""
    mean = ((run.outputs(x) - x) ** 2).mean((-2, -1))
    penalty = run.objective - LOSSES[run.problem.loss.name] * REDUCTIONS[run.problem.reduction] * mean
    costs = {}
    for loss, reduction in itertools.product(LOSSES, REDUCTIONS):
        costs[f"{loss} {reduction}"] = LOSSES[loss] * REDUCTIONS[reduction] * mean
        costs[f"{loss} {reduction} with penalty"] = costs[f"{loss} {reduction}"] + penalty
    return costs


def _share(evidence: Evidence) -> float:
    return float(np.mean(all_conditions(evidence)))


def claims_of_seconds() -> list[Claim]:
    """The encoder's claims that are judged under each convention, which takes the place of their readings."""
    claims = claims_of_study(load_recipe("encoder"))
    return [replace(claim, control=None, readings={"": {}}) for claim in claims if claim.id in SECONDS]


def verdicts_under(convention: Convention, seeds: int = JUDGED_SEEDS) -> dict[str, str]:
    """The verdict on each claim that takes seconds, by its id, on fresh seeds."""
    experiments = experiments_under(convention, seeds, FIRST_JUDGED)
    return {claim.id: judge_claim(claim, experiments).verdict for claim in claims_of_seconds()}


def support(id: str) -> tuple[int, int] | None:
    """Under how many of how many conventions a claim is supported; None if unjudged."""
    with JUDGED.open(encoding="utf-8", newline="") as file:
        verdicts = [row.get(id) for row in csv.DictReader(file)]
    return None if None in verdicts else (verdicts.count("agrees"), len(verdicts))


def best_of(rows: Sequence[Fit]) -> Fit:
    """The best row with Xavier weights, by the smallest share, then by the mean."""
    xavier = [row for row in rows if row.weights in XAVIER]
    return max(xavier, key=lambda row: (min(row.shares), sum(row.shares)))


def read_conventions() -> list[Fit]:
    """Read the table: the 72 conventions in order, then the longer trainings."""
    with FILE.open(encoding="utf-8", newline="") as file:
        return TypeAdapter(list[Fit]).validate_python(list(csv.DictReader(file)))


def convention_table(rows: Sequence[Fit]) -> str:
    """Format rows as a Markdown table of the columns that differ."""
    headers = ["loss", "reduction", "penalty's gradient", "weights", "iterations", "right since", "cost"]
    cells = [
        [
            *(row.loss.replace("_", " "), row.reduction.replace("_", " "), row.gradient, row.weights.replace("_", " ")),
            *(f"{row.iterations:,}", f"{row.right_since:,.0f}", f"{row.cost:.6f}"),
            *(f"{100 * share:.0f} %" for share in row.shares),
            "yes" if row.fits else "no",
        ]
        for row in rows
    ]
    headers += [*(column.replace("_", "-") for column in CLAIMS), "fits"]
    columns = [column for column in range(len(headers)) if len({row[column] for row in cells}) > 1]
    return table(
        [headers[column] for column in columns], [[row[column] for column in columns] for row in cells]
    ).markdown()


def _write(path: str, header: Sequence[str], rows: Sequence[Sequence[Any]]) -> None:
    with Path(path).open("w", encoding="utf-8", newline="") as file:
        csv.writer(file, lineterminator="\n").writerows([header, *rows])


def main(chosen: str, judged: str) -> None:
    """Write both tables."""
    verdicts = []
    for convention in all_conventions():
        verdicts.append([*convention, *verdicts_under(convention).values()])
        print(*verdicts[-1], flush=True)
    names = [field.name for field in fields(Fit)]
    _write(judged, [*names[:5], *(claim.id for claim in claims_of_seconds())], verdicts)
    fits = [fit(convention) for convention in all_conventions()]
    # Added after the table was made: no rule depends on these.
    best = best_of(fits)
    fits += [
        fit((loss, best.reduction, best.gradient, best.weights, iterations), plotted=best.plotted)
        for loss, iterations in itertools.product(LOSSES, (4000, 6000, 8000, 10000))
    ]
    rows = [{**vars(row), "right_since": f"{row.right_since:g}", "cost": f"{row.cost:.6f}"} for row in fits]
    _write(chosen, names, [list(row.values()) for row in rows])


if __name__ == "__main__":
    main(*sys.argv[1:])
