"""Which convention gives the encoder report's figures: each is trained, and all are held against four claims.

The report states neither its cost (a sum or a mean, over samples or over all elements, with or without ½), nor what λ
multiplies, nor that the cost which it plots is the one which it differentiates. It does name Xavier weights, which may
be uniform or normal; two other laws are in the table for comparison.

The rule, fixed before there were results. A convention is what is trained together with what is plotted. Its score is
the least of the shares of seeds that satisfy encoder-1, encoder-2 (its figure alone), encoder-5 and encoder-11; of
equal scores the one with the greater mean of the four is better, then the one that comes first. The recipe takes the
best among those with Xavier weights. A convention fits if each of the four shares surely is what its claim needs, as
`verdicts.share` judges it; the table says if none does.
"""

import itertools
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from deltarule.problem.problem import Floats
from deltarule.studies.encoder.claims import encoder_1, encoder_5, encoder_11, right, trained
from deltarule.studies.experiments import Experiments
from deltarule.studies.outcome import holding_since
from deltarule.studies.recipes import with_settings
from deltarule.studies.verdicts import Claim, share
from deltarule.training.run import Run

FIGURE = 0.000081
"""The final cost that the report gives (encoder-2)."""

NEEDED = {"encoder-1": 0.9, "encoder-2": 0.5, "encoder-5": 0.9, "encoder-11": 0.5}

LOSSES = {"squared_error": 1.0, "half_squared_error": 0.5}
REDUCTIONS = {"sum": 64, "mean_samples": 8, "mean_elements": 1}
"""What the mean over all 64 elements must be multiplied by."""

PENALTIES = {"weight_decay": "λ", "l2": "2λ", "weight_decay_per_sample": "λ/N"}
"""The gradient of each penalty is this times W."""

WEIGHTS: Mapping[str, Any] = {
    "glorot_uniform": "glorot_uniform",
    "glorot_normal": "glorot_normal",
    "normal": {"name": "normal", "std": 1.0},
    "uniform": {"name": "uniform", "range": 1.0},
}
XAVIER = ("glorot_uniform", "glorot_normal")


@dataclass(frozen=True)
class Plotted:
    """A cost that the report may have plotted: `near`, the share of seeds within √2 of its figure, and the median."""

    loss: str
    reduction: str
    penalty_shown: bool
    near: float
    median: float


@dataclass(frozen=True)
class Fit:
    """What is trained under one convention, held against the claims: shares of seeds, and our median figures."""

    loss: str
    reduction: str
    gradient: str
    weights: str
    encoder_1: float
    right_since: float | None
    encoder_5: float
    encoder_11: float
    plotted: tuple[Plotted, ...]

    @property
    def best_plotted(self) -> Plotted:
        """The plotted cost nearest to the report's figure: for most seeds, then in the median."""
        return max(self.plotted, key=lambda one: (one.near, -abs(np.log(one.median / FIGURE))))

    @property
    def shares(self) -> dict[str, float]:
        """The share of seeds that satisfy each of the four claims."""
        return {
            "encoder-1": self.encoder_1,
            "encoder-2": self.best_plotted.near,
            "encoder-5": self.encoder_5,
            "encoder-11": self.encoder_11,
        }

    @property
    def score(self) -> tuple[float, float]:
        """The least share, then the mean of all four."""
        return min(self.shares.values()), sum(self.shares.values()) / len(self.shares)

    def fits(self, seeds: int) -> bool:
        """Whether each share surely is what its claim needs."""
        return all(
            share(np.arange(seeds) < round(found * seeds), NEEDED[name]).verdict == "agrees"
            for name, found in self.shares.items()
        )


@dataclass(frozen=True)
class Conventions:
    """The table of all conventions over so many seeds; the best that has Xavier weights, and how many rows fit."""

    seeds: int
    fitting: int
    best: Fit
    rows: tuple[Fit, ...]


def conventions(experiments: Experiments, tell: Callable[[str], None] | None = None) -> Conventions:
    """Train the study under every convention and hold each against the claims.

    Parameters: `experiments`, of the encoder's recipe; `tell`, called with each convention as its turn comes.
    Returns: a row for each of the 72 conventions of training.
    """
    rows = []
    for loss, reduction, penalty, weights in itertools.product(LOSSES, REDUCTIONS, PENALTIES, WEIGHTS):
        if tell is not None:
            tell(f"{loss}, {reduction}, {PENALTIES[penalty]}, {weights}")
        rows.append(fit(experiments, loss, reduction, penalty, weights))
    best = max((row for row in rows if row.weights in XAVIER), key=lambda row: row.score)
    return Conventions(experiments.seeds, sum(row.fits(experiments.seeds) for row in rows), best, tuple(rows))


def fit(experiments: Experiments, loss: str, reduction: str, penalty: str, weights: str) -> Fit:
    """Train under one convention, and let the claims' own judges look."""
    settings = {
        "loss.name": loss,
        "loss.reduction": reduction,
        "loss.penalty": penalty,
        "network.initializer": WEIGHTS[weights],
    }
    here = Experiments(with_settings(experiments.recipe, settings), seeds=experiments.seeds, engine=experiments.engine)
    run = trained(here)
    since = holding_since(run, right(run) == 1)
    return Fit(
        loss=loss,
        reduction=reduction,
        gradient=PENALTIES[penalty],
        weights=weights,
        encoder_1=_share(encoder_1, here),
        right_since=float(np.nanmedian(since)) if np.isfinite(since).any() else None,
        encoder_5=_share(encoder_5, here),
        encoder_11=_share(encoder_11, here),
        plotted=tuple(_plotted(run, here)),
    )


def _share(claim: Claim, experiments: Experiments) -> float:
    [holds] = claim.judge(experiments).holds.values()
    return float(np.mean(holds))


def _plotted(run: Run, experiments: Experiments) -> list[Plotted]:
    """Every cost that may have been plotted, from the mean squared error over all elements and the penalty's value."""
    x = experiments.dataset.train.x
    mean = ((run.outputs(x) - x) ** 2).mean((-2, -1))
    penalty = run.objective - LOSSES[run.problem.loss.name] * REDUCTIONS[run.problem.reduction] * mean
    return [
        _judged(loss, reduction, shown, LOSSES[loss] * REDUCTIONS[reduction] * mean + shown * penalty)
        for loss, reduction, shown in itertools.product(LOSSES, REDUCTIONS, (False, True))
    ]


def _judged(loss: str, reduction: str, shown: bool, costs: Floats) -> Plotted:
    near = np.abs(np.log(costs / FIGURE)) <= np.log(2) / 2
    return Plotted(loss, reduction, shown, float(near.mean()), float(np.median(costs)))
