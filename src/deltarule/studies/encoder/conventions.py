"""Find the cost convention that reproduces the encoder report's figures: train each, and test it by four claims.

The report states neither its cost (a sum or a mean, over samples or over all elements, with or without ½), nor what λ
multiplies, nor that the cost which it plots is the one which it differentiates. It does name Xavier weights, which may
be uniform or normal; two other laws are in the table for comparison.

The rule, fixed before there were results. A convention is what is trained together with what is plotted. Its score is
the least of the shares of seeds that satisfy encoder-1, encoder-2 (its figure alone), encoder-5 and encoder-11; of
equal scores the one with the greater mean of the four is better, then the one that comes first. The recipe takes the
best among those with Xavier weights. A convention fits if each of the four shares surely is what its claim needs, as
`verdicts.share` judges it; the table says if none does.

Written to a file by    python -m deltarule.studies.encoder.conventions FILE
"""

import itertools
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from deltarule.json_files import write_json
from deltarule.problem.problem import Floats
from deltarule.reports import markdown
from deltarule.studies.encoder.claims import encoder_1, encoder_5, encoder_11
from deltarule.studies.encoder.trainings import share_right, train
from deltarule.studies.experiments import Experiments
from deltarule.studies.recipes import load_recipe, with_settings
from deltarule.studies.runner import holding_since
from deltarule.studies.verdicts import Claim, share
from deltarule.training.run import Run

FIGURE = 0.000081
"""The final cost that the report gives (encoder-2)."""

NEEDED_SHARES = {"encoder-1": 0.9, "encoder-2": 0.5, "encoder-5": 0.9, "encoder-11": 0.5}

LOSSES = {"squared_error": 1.0, "half_squared_error": 0.5}
"""Factors of the squared error."""

REDUCTIONS = {"sum": 64, "mean_samples": 8, "mean_elements": 1}
"""Factors from the mean over all 64 elements to each reduction."""

PENALTIES = {"weight_decay": "λW", "l2": "2λW", "weight_decay_per_sample": "λW/N"}
"""Each penalty's gradient."""

WEIGHTS: Mapping[str, Any] = {
    "glorot_uniform": "glorot_uniform",
    "glorot_normal": "glorot_normal",
    "normal": {"name": "normal", "std": 1.0},
    "uniform": {"name": "uniform", "range": 1.0},
}
XAVIER = ("glorot_uniform", "glorot_normal")


@dataclass(frozen=True)
class Convention:
    """A convention of training: the loss, its reduction, the gradient of the penalty, the initial weights."""

    loss: str
    reduction: str
    gradient: str
    weights: str
    iterations: int = 3000


@dataclass(frozen=True)
class Plotted:
    """A cost that the report may have plotted: its median, and the share of seeds (`near`) within √2 of its figure."""

    loss: str
    reduction: str
    penalty_shown: bool
    near: float
    median: float


@dataclass(frozen=True)
class Fit:
    """How a training under a convention fits the claims.

    shares       the share of seeds that satisfies each of the four claims; encoder-2 for the `plotted` cost
    plotted      the cost nearest to the report's figure, for most seeds, then in the median; `others`, all other costs
    right_since  the median first iteration from which all objects stay right, None if they do for no seed
    fits         whether each share is surely as large as its claim needs
    """

    trained: Convention
    shares: dict[str, float]
    fits: bool
    right_since: float | None
    plotted: Plotted
    others: tuple[Plotted, ...]


@dataclass(frozen=True)
class Conventions:
    """The table of all conventions over `seeds` seeds, the best one with Xavier weights, and longer trainings."""

    seeds: int
    fitting: int
    best: Fit
    rows: tuple[Fit, ...]
    longer: tuple[Fit, ...]


def conventions(experiments: Experiments, before_fit: Callable[[str], None] | None = None) -> Conventions:
    """Train the study under every convention, and measure how each fits the claims.

    Parameters: `experiments` of the encoder's recipe; `before_fit`, called with each convention as text.
    Returns: 72 rows, one for each convention of training, and 8 of longer trainings.
    """

    def fit_all(conventions: list[Convention]) -> tuple[Fit, ...]:
        """Fit the conventions in order."""
        rows = []
        for convention in conventions:
            if before_fit is not None:
                before_fit(" ".join(str(value) for value in vars(convention).values()))
            rows.append(fit(experiments, convention))
        return tuple(rows)

    product = itertools.product(LOSSES, REDUCTIONS, PENALTIES.values(), WEIGHTS)
    rows = fit_all([Convention(*combination) for combination in product])
    best = best_of(rows)
    # Added after the table was made, for the best convention and for its twin with ½: no rule depends on these.
    longer = [
        Convention(loss, best.trained.reduction, best.trained.gradient, best.trained.weights, iterations)
        for loss, iterations in itertools.product(LOSSES, (4000, 6000, 8000, 10000))
    ]
    return Conventions(experiments.seeds, sum(row.fits for row in rows), best, rows, fit_all(longer))


def best_of(rows: tuple[Fit, ...]) -> Fit:
    """The best row by the rule above: among those with Xavier weights, by the smallest share, then by the mean."""
    xavier = [row for row in rows if row.trained.weights in XAVIER]
    return max(xavier, key=lambda row: (min(row.shares.values()), sum(row.shares.values())))


def fit(experiments: Experiments, convention: Convention) -> Fit:
    """Train under one convention, and measure how it fits the four claims, by their own judges."""
    [penalty] = [name for name, gradient in PENALTIES.items() if gradient == convention.gradient]
    settings = {
        "loss.name": convention.loss,
        "loss.reduction": convention.reduction,
        "loss.penalty": penalty,
        "network.initializer": WEIGHTS[convention.weights],
        "stopping.max_steps": convention.iterations,
    }
    recipe = with_settings(experiments.recipe, settings)
    convention_experiments = Experiments(recipe, seeds=experiments.seeds, engine=experiments.engine)
    run = train(convention_experiments)
    costs = plotted_costs(run, convention_experiments.dataset.train.x)
    nearest = max(costs, key=lambda cost: (cost.near, -abs(np.log(cost.median / FIGURE))))
    shares = {
        "encoder-1": _share(encoder_1, convention_experiments),
        "encoder-2": nearest.near,
        "encoder-5": _share(encoder_5, convention_experiments),
        "encoder-11": _share(encoder_11, convention_experiments),
    }
    since = holding_since(run, share_right(run) == 1)
    return Fit(
        trained=convention,
        shares=shares,
        fits=all(_is_supported(shares[name], experiments.seeds, needed) for name, needed in NEEDED_SHARES.items()),
        right_since=float(np.nanmedian(since)) if np.isfinite(since).any() else None,
        plotted=nearest,
        others=tuple(cost for cost in costs if cost is not nearest),
    )


def plotted_costs(run: Run, x: Floats) -> list[Plotted]:
    """Compute every cost that the report may have plotted, of a run on inputs `x` [N, D], which are its targets too."""
    # From the mean squared error over all elements, and the penalty's value.
    mean = ((run.outputs(x) - x) ** 2).mean((-2, -1))
    penalty = run.objective - LOSSES[run.problem.loss.name] * REDUCTIONS[run.problem.reduction] * mean
    return [
        _compare_cost(loss, reduction, shown, LOSSES[loss] * REDUCTIONS[reduction] * mean + shown * penalty)
        for loss, reduction, shown in itertools.product(LOSSES, REDUCTIONS, (False, True))
    ]


def _compare_cost(loss: str, reduction: str, penalty_shown: bool, costs: Floats) -> Plotted:
    """Compare the costs of all seeds [K] under one reading with the report's figure."""
    near = np.abs(np.log(costs / FIGURE)) <= np.log(2) / 2
    return Plotted(loss, reduction, penalty_shown, float(near.mean()), float(np.median(costs)))


def _share(claim: Claim, experiments: Experiments) -> float:
    """The share of seeds for which a claim's criterion holds; the claim has a single convention."""
    [holds] = claim.judge(experiments).holds.values()
    return float(np.mean(holds))


def _is_supported(share_of_seeds: float, seeds: int, needed: float) -> bool:
    """Whether a claim that needs a share of the seeds is supported by this share of them."""
    return share(np.arange(seeds) < round(share_of_seeds * seeds), needed).verdict == "agrees"


def convention_table(rows: Sequence[Mapping[str, Any]]) -> str:
    """Format rows of the stored table (`Fit` as JSON objects) as a Markdown table."""
    headers = ["trained", "penalty's gradient", "weights", "iterations", "encoder-1", "right since", "encoder-2"]
    headers += ["our cost", "plotted as", "encoder-5", "encoder-11", "fits"]
    return markdown.table(headers, [_table_row(row) for row in rows])


def _table_row(row: Mapping[str, Any]) -> list[str]:
    """The cells of one row of the Markdown table."""
    trained, plotted, shares = row["trained"], row["plotted"], row["shares"]
    percent = {name: f"{share:.0%}".replace("%", " %") for name, share in shares.items()}
    return [
        _describe_cost(trained),
        trained["gradient"],
        trained["weights"].replace("_", " "),
        f"{trained['iterations']:,}",
        percent["encoder-1"],
        "never" if row["right_since"] is None else f"{row['right_since']:,.0f}",
        percent["encoder-2"],
        f"{plotted['median']:.6f}",
        _describe_cost(plotted) + (", with the penalty" if plotted["penalty_shown"] else ""),
        percent["encoder-5"],
        percent["encoder-11"],
        "yes" if row["fits"] else "no",
    ]


def _describe_cost(cost: Mapping[str, Any]) -> str:
    """A loss and its reduction in words."""
    half = "½ " if LOSSES[cost["loss"]] == 0.5 else ""
    return half + {"sum": "sum", "mean_samples": "mean, samples", "mean_elements": "mean, elements"}[cost["reduction"]]


if __name__ == "__main__":
    write_json(sys.argv[1], conventions(Experiments(load_recipe("encoder"), seeds=100), before_fit=print))
