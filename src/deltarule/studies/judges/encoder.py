"""The judges of the encoder report's claims.

A claim about what a setting does must hold for 9 in 10 seeds, a ranking of settings for more than half. A figure that
the report read from one network must lie in the central 90 % of ours: at least 5 % are as far out.

The report's cost convention was chosen on seeds 0 to 99 (`benchmarks/encoder_conventions.py`); the claims are judged on
others.

"Right", of an object: its own output is above 0.5 and all others are at most 0.5 (the metric `thresholded`).
"Cost": what the report plots, see `PLOTTED`.    K members · T evaluations in the history
"""

import itertools
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from deltarule.maths.network import views
from deltarule.problem.problem import Floats
from deltarule.studies.claims import Evidence, is_about, is_as_far_out
from deltarule.studies.experiments import Experiments
from deltarule.studies.runner import holding_since
from deltarule.training.run import Run

PLOTTED = "half_mean_squared_error"
"""The metric that is the report's plotted cost: half the mean over all 64 elements, without the penalty."""

RATES = (0.01, 0.1, 1.0, 10.0, 100.0)
DECAYS = (1e-8, 1e-5, 1e-3, 0.1)
TRIED = ("rate-0.01", "rate-0.1", "rate-1", "rate-100", "decay-1e-8", "decay-0.001", "decay-0.1")
"""The experiments that the report compares with its best setting, which is the recipe's own."""
OTHER_WEIGHTS = ("weights-normal", "weights-uniform", "weights-small", "weights-zero", "biases-random")
"""The experiments with other initial weights or biases."""
FINAL_COST = 0.000081
"""The cost that the report gives of its final network."""


# --- the trainings ---------------------------------------------------------------------------------------------------


def train(
    experiments: Experiments, experiment: str | None = None, every: int = 10, changes: Mapping[str, Any] | None = None
) -> Run:
    """Train the study, or one of its experiments, with the metrics that claims need."""
    return experiments.run(changes, experiment=experiment, history_every=every, record=("thresholded", PLOTTED))


def share_right(run: Run) -> Floats:
    """The share of the eight objects that are right at each evaluation, [T, K]."""
    return run.history.series("thresholded")


def plotted_cost(run: Run) -> Floats:
    """The report's plotted cost at each evaluation, [T, K]."""
    return run.history.series(PLOTTED)


def final_parameters(run: Run) -> dict[str, Floats]:
    return views(run.state.theta, run.problem.network.entries)


def count_turns(series: Floats, min_change: float) -> Floats:
    """Count the turns [K], up or down, of each series in [T, K]."""
    changes = np.diff(series, axis=0) / series[:-1]
    directions = [np.sign(column[np.abs(column) > min_change]) for column in changes.T]
    return np.array([np.count_nonzero(np.diff(column)) for column in directions])


def correlations(first: Floats, second: Floats) -> Floats:
    """The correlations [K] of the rows of two arrays [K, n]."""
    a, b = first - first.mean(-1, keepdims=True), second - second.mean(-1, keepdims=True)
    with np.errstate(invalid="ignore"):
        return np.asarray((a * b).sum(-1) / np.sqrt((a * a).sum(-1) * (b * b).sum(-1)))


def right_since(run: Any) -> Any:
    """The first iteration [K] from which all objects stay right; the last one where they are not."""
    return holding_since(run, share_right(run) == 1)


# --- the judges ------------------------------------------------------------------------------------------------------


def encoder_1(experiments: Experiments, until: str) -> Evidence:
    """Judge whether training has converged from about iteration 3,000 on."""
    if until == "right":
        since = right_since(train(experiments, changes={"stopping.max_steps": 5000}))
    elif until == "figure 5":
        run = experiments.run(
            {"stopping.max_steps": 5000}, history_every=10, record=["accuracy", "thresholded", "outputs"]
        )
        outputs: Any = run.history.series("outputs")  # [T, K, 8, 8]; figure 5 prints two decimals
        are_high = (outputs[..., np.eye(8) == 1] >= 0.965).all(-1)
        since = holding_since(run, are_high & (outputs[..., np.eye(8) == 0] < 0.025).all(-1))
    else:
        run = train(experiments, every=100, changes={"stopping.max_steps": 50_000})
        since = holding_since(run, is_about(plotted_cost(run) / plotted_cost(run)[-1], 1.0))
    return Evidence(is_as_far_out(since, 3000), {"converged from iteration": since})


def encoder_2(experiments: Experiments, changes: Mapping[str, Any] | None = None) -> Evidence:
    """Judge whether the report's final cost is one of ours."""
    final = plotted_cost(train(experiments, every=1000, changes=changes))[-1]
    return Evidence(is_as_far_out(final, FINAL_COST - 5e-7, FINAL_COST + 5e-7), {"final cost": final})


def encoder_3(experiments: Experiments, jump: float, rate: float = 100.0) -> Evidence:
    """Judge whether the cost drops, jumps by a factor and oscillates at this rate."""
    run = train(experiments, every=1, changes={"optimizer.learning_rate": rate})
    J, learned = plotted_cost(run), share_right(run) > 0
    learned[:10] = False
    dropped = np.minimum.accumulate(J, axis=0) <= J[0] / 2
    jumps = np.zeros(J.shape, bool)
    jumps[10:] = (J[10:] >= jump * J[:-10]) & dropped[:-10]
    turned = count_turns(J, 0.01)
    return Evidence(
        {
            "drops": dropped.any(0),
            "an object is right before it jumps": (jumps & np.maximum.accumulate(learned, axis=0)).any(0),
            "turns": turned >= 10,
        },
        {"turns": turned},
    )


def encoder_4(experiments: Experiments, about: bool) -> Evidence:
    """Judge whether rate 0.01 falls fast at first, then slightly, and leaves an object wrong.

    about : it falls fastest about iteration 3,000, and not before.
    """
    run = train(experiments, "rate-0.01")
    J, right, steps = plotted_cost(run), share_right(run)[-1], np.array(run.history.steps)
    share_late = (J[steps <= 3000 * np.sqrt(2)][-1] - J[-1]) / (J[0] - J[-1])
    fastest = steps[np.argmin(J[10:] - J[:-10], axis=0)] + 50.0  # in the middle of 100 iterations
    return Evidence(
        {
            "not all right": right < 1,
            "falls fastest then": is_about(fastest, 3000) if about else fastest <= 3000,
            "slightly later": share_late <= 0.1,
        },
        {
            "objects right at 50,000": 8 * right,
            "falls fastest at": fastest,
            "share of the fall after 4,243": share_late,
        },
    )


def encoder_5(experiments: Experiments) -> Evidence:
    """Judge whether decay 0.1 gets no object right and keeps weights up to 1."""
    run = train(experiments, "decay-0.1")
    largest = np.max([np.abs(final_parameters(run)[name]).max((-2, -1)) for name in ("W1", "W2")], axis=0)
    return Evidence(
        {"never right": ~(share_right(run)[1:] > 0).any(0), "weights stay small": largest <= 1},
        {"largest weight": largest},
    )


def encoder_6(experiments: Experiments) -> Evidence:
    """Judge whether decay 1e-8 gets every object right."""
    run = train(experiments, "decay-1e-8")
    J = plotted_cost(run)
    return Evidence(
        {"right at 3,000": share_right(run)[-1] == 1, "the cost falls": J[-1] < J[0]},
        {"all right from iteration": right_since(run)},
    )


def encoder_7(experiments: Experiments, until: str, changes: Mapping[str, Any] | None = None) -> Evidence:
    """Judge whether cross-entropy is about 5 times faster."""
    usual, other = train(experiments), train(experiments, "cross-entropy", changes=changes)
    if until == "right":
        with np.errstate(invalid="ignore"):
            times = np.nan_to_num(right_since(usual) / right_since(other), nan=1.0, posinf=np.inf)
    else:
        times = 3000 / holding_since(other, plotted_cost(other) <= plotted_cost(usual)[-1])
    return Evidence(is_as_far_out(times, 5), {"times fewer": times})


def encoder_8(
    experiments: Experiments, experiment: str | None = None, changes: Mapping[str, Any] | None = None
) -> Evidence:
    """Judge whether the 8 objects have 8 different binary hidden codes."""
    run = train(experiments, experiment, every=1000, changes=changes)
    codes = (run.activations(experiments.dataset.train.x)["a1"] > 0.5) @ np.array([4, 2, 1])
    different = np.array([len(np.unique(one)) for one in codes])
    return Evidence(different == 8, {"codes": different})


def encoder_9(experiments: Experiments, changes: Mapping[str, Any] | None = None) -> Evidence:
    """Judge whether at least 23 of 24 pairs of weights have the same sign."""
    found = final_parameters(train(experiments, every=1000, changes=changes))
    same = (np.sign(found["W1"]) == np.sign(found["W2"].swapaxes(-1, -2))).sum((-2, -1))
    return Evidence(same >= 23, {"pairs of one sign": same})


def encoder_10(experiments: Experiments, other: str) -> Evidence:
    """Judge whether other initial weights or biases end no lower."""
    first = experiments.seed_numbers.start + (1 + OTHER_WEIGHTS.index(other)) * experiments.seeds
    seeds = list(range(first, first + experiments.seeds))  # of their own
    run = experiments.run({"run.seeds": seeds}, experiment=other, history_every=10, record=(PLOTTED,))
    final, cost = plotted_cost(train(experiments))[-1], plotted_cost(run)[-1]
    return Evidence(~(cost < final), {"final cost": final, "of the other": cost})


def encoder_11(experiments: Experiments, changes: Mapping[str, Any] | None = None) -> Evidence:
    """Judge whether the printed extreme outputs are among ours."""
    outputs = train(experiments, every=1000, changes=changes).outputs(experiments.dataset.train.x)
    own, others = outputs[:, np.eye(8) == 1], outputs[:, np.eye(8) == 0]
    figures = {"lowest correct": own.min(-1), "highest correct": own.max(-1), "highest other": others.max(-1)}
    far_out = [
        is_as_far_out(ours, printed - 0.005, printed + 0.005)
        for ours, printed in zip(figures.values(), (0.97, 0.98, 0.02), strict=True)
    ]
    return Evidence(min(far_out, key=np.count_nonzero), figures)


def encoder_12(experiments: Experiments, pattern: str) -> Evidence:
    """Judge whether the report's own biases follow the sums of its weights.

    Its figures 5 and 6 print activations and weights, from which each bias follows within bounds; the figures are ours.
    """
    ours = final_parameters(train(experiments, every=1000, changes={"stopping.max_steps": 50_000}))
    pairs = [(ours[weights].sum(-2), ours[biases][:, 0]) for weights, biases in (("W1", "b1"), ("W2", "b2"))]
    printed, bounds = printed_network(experiments)
    sums = [printed[name].sum(0) for name in ("W1", "W2")]
    if pattern == "in step with the weights":
        first, second = (float(correlations(s, (low + high) / 2)) for s, (low, high) in zip(sums, bounds, strict=True))
        figures = [correlations(*pair) for pair in pairs]
        return Evidence(
            min(abs(first), abs(second)) >= 0.9,
            {"correlation of the first layer": figures[0], "of the second": figures[1]},
            f"the report's are {first:.2f} and {second:.3f}; the figures are those of our networks",
        )
    ours_same = np.concatenate([np.sign(s) == np.sign(b) for s, b in pairs], axis=-1)
    # No bound includes zero: the signs are certain.
    same = int(sum((np.sign(low) == np.sign(total)).sum() for total, (low, _) in zip(sums, bounds, strict=True)))
    return Evidence(
        same >= 10 or same <= 1,
        {"of one sign, of 11": ours_same.sum(-1)},
        f"of the report's 11 biases {same} have the sign; the figures are those of our networks",
    )


def printed_network(experiments: Experiments) -> tuple[dict[str, Floats], list[tuple[Floats, Floats]]]:
    """The report's figures 5 and 6 by name, and the bounds of b1 and b2 they imply.

    An activation is its logit's sigmoid, and the logit is the bias and what comes in by the weights; all are rounded.
    """
    table = np.loadtxt(experiments.recipe.folder / "printed_network.csv", delimiter=",", skiprows=1)
    hidden, outputs, W1, W2 = table[:, :3], table[:, 3:11], table[:, 11:14], table[:, 14:].T
    from_inputs, from_hidden = W1, hidden @ W2
    errors = 0.05, 0.05 * hidden.sum(1)[:, None] + 0.005 * np.abs(W2).sum(0)
    bounds = []
    for activations, incoming, error in ((hidden, from_inputs, errors[0]), (outputs, from_hidden, errors[1])):
        p = np.array([np.maximum(activations - 0.005, 0), np.minimum(activations + 0.005, 1)])
        with np.errstate(divide="ignore"):
            low, high = np.log(p) - np.log1p(-p)
        bounds.append(((low - incoming - error).max(0), (high - incoming + error).min(0)))
    return {"W1": W1, "W2": W2, "a1": hidden, "a2": outputs}, bounds


def encoder_13(experiments: Experiments) -> Evidence:
    """Judge whether rate 10 and decay 1e-5 are good at every value of the other."""
    pairs = list(itertools.product(RATES, DECAYS))
    settings = [{"optimizer.learning_rate": rate, "loss.strength": decay} for rate, decay in pairs]
    runs = experiments.each(settings, history_every=3000, record=(PLOTTED,))
    ends = np.array([plotted_cost(run)[-1] for run in runs]).reshape(len(RATES), len(DECAYS), -1)
    J = np.where(np.isfinite(ends), ends, np.inf)
    ten, usual = RATES.index(10), DECAYS.index(1e-5)
    conditions = {
        "rate 10 is best": J[ten, usual] <= J[:, usual].min(0),
        "at every decay": (J[ten] <= 2 * J.min(0)).all(0),
        "decay 1e-5 at every rate": (J[:, usual] <= 2 * J.min(1)).all(0),
    }
    return Evidence(conditions, {f"cost at rate {rate:g}": J[index, usual] for index, rate in enumerate(RATES)})


def encoder_14(
    experiments: Experiments, tried: Sequence[str] = TRIED, changes: Mapping[str, Any] | None = None
) -> Evidence:
    """Judge whether the final cost is lower than that of any other setting tried."""
    names = (None, *tried)
    final, *others = (plotted_cost(train(experiments, name, every=1000, changes=changes))[-1] for name in names)
    lowest = np.min(np.nan_to_num(others, nan=np.inf, posinf=np.inf), axis=0)
    return Evidence(final <= lowest, {"final cost": final, "as a share of the lowest other": final / lowest})
