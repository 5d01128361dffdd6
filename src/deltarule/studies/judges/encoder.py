"""The judges of the encoder report's claims.

The report's cost convention was chosen on seeds 0 to 99 (`benchmarks/encoder_conventions.py`); the claims are judged on
others, and under a second convention too, half of that cost.

"Right", of an object: its own output is above 0.5 and all others are at most 0.5 (the metric `thresholded`).
"Cost": what the report plots, see `PLOTTED`.    K members · T evaluations in the history
loss : the loss that is differentiated · steps : iterations in place of 3,000
"""

import itertools
from collections.abc import Mapping
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
RATE = "optimizer.learning_rate"
DECAY = "loss.strength"
USUAL_LOSS = "squared_error"
LONGEST = 15_000
"""Iterations within which the outputs come to those of figure 5 under either cost, if they do."""


# --- the trainings ---------------------------------------------------------------------------------------------------


def train(
    experiments: Experiments,
    experiment: str | None = None,
    every: int = 10,
    loss: str = USUAL_LOSS,
    steps: int | None = None,
    changes: Mapping[str, Any] | None = None,
    outputs: bool = False,
) -> Run:
    """Train the study, or one of its experiments, with the metrics that claims need."""
    settings = dict(changes or {})
    if loss != USUAL_LOSS and experiment != "cross-entropy":
        settings["loss.name"] = loss
    if steps is not None and experiment != "rate-0.01":  # which ends after 50,000 always
        settings["stopping.max_steps"] = steps
    recorded = ("thresholded", PLOTTED, *(["outputs"] if outputs else []))
    return experiments.run(settings, experiment=experiment, history_every=every, record=recorded)


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
    """The first iteration [K] from which all objects stay right.

    It is the last iteration where they do not.
    """
    return holding_since(run, share_right(run) == 1)


# --- the judges ------------------------------------------------------------------------------------------------------


def as_figure_5_since(experiments: Experiments, experiment: str | None, loss: str) -> Any:
    """The first iteration [K] from which all outputs stay as those of figure 5, which prints two decimals."""
    run = train(experiments, experiment, every=50, loss=loss, steps=LONGEST, outputs=True)
    outputs: Any = run.history.series("outputs")  # [T, K, 8, 8]
    return holding_since(run, has_printed_outputs(outputs))


def has_printed_outputs(outputs: Any) -> Any:
    """Whether outputs [..., 8, 8] are as printed, to two decimals.

    The 8 correct outputs are 0.97 or more, the others at most 0.02.
    """
    return (outputs[..., np.eye(8) == 1] >= 0.965).all(-1) & (outputs[..., np.eye(8) == 0] < 0.025).all(-1)


def encoder_1(experiments: Experiments, until: str, loss: str = USUAL_LOSS) -> Evidence:
    """Judge whether training has converged from about iteration 3,000 on."""
    if until == "right":
        since = right_since(train(experiments, loss=loss, steps=5000))
    elif until == "figure 5":
        since = as_figure_5_since(experiments, None, loss)
    else:
        run = train(experiments, every=100, loss=loss, steps=50_000)
        since = holding_since(run, is_about(plotted_cost(run) / plotted_cost(run)[-1], 1.0))
    return Evidence(is_as_far_out(since, 3000), {"converged from iteration": since})


def encoder_2(experiments: Experiments, loss: str = USUAL_LOSS, steps: int | None = None) -> Evidence:
    """Judge whether the report's final cost is one of ours."""
    final = plotted_cost(train(experiments, every=1000, loss=loss, steps=steps))[-1]
    return Evidence(is_as_far_out(final, FINAL_COST - 5e-7, FINAL_COST + 5e-7), {"final cost": final})


def encoder_3(experiments: Experiments, jump: float, loss: str = USUAL_LOSS, rate: float = 100.0) -> Evidence:
    """Judge whether the cost drops, jumps by a factor and oscillates at this rate."""
    run = train(experiments, every=1, loss=loss, changes={RATE: rate})
    J = plotted_cost(run)
    learned = share_right(run) > 0
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


def encoder_4(experiments: Experiments, about: bool, loss: str = USUAL_LOSS) -> Evidence:
    """Judge whether rate 0.01 falls fast at first, then slightly, and leaves an object wrong.

    about : it falls fastest about iteration 3,000, and not before.
    """
    run = train(experiments, "rate-0.01", loss=loss)
    J = plotted_cost(run)
    right = share_right(run)[-1]
    steps = np.array(run.history.steps)
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


def encoder_5(experiments: Experiments, loss: str = USUAL_LOSS) -> Evidence:
    """Judge whether decay 0.1 gets no object right and keeps weights up to 1."""
    run = train(experiments, "decay-0.1", loss=loss)
    largest = np.max([np.abs(final_parameters(run)[name]).max((-2, -1)) for name in ("W1", "W2")], axis=0)
    return Evidence(
        {"never right": ~(share_right(run)[1:] > 0).any(0), "weights stay small": largest <= 1},
        {"largest weight": largest},
    )


def encoder_6(experiments: Experiments, loss: str = USUAL_LOSS) -> Evidence:
    """Judge whether decay 1e-8 gets every object right."""
    run = train(experiments, "decay-1e-8", loss=loss)
    J = plotted_cost(run)
    return Evidence(
        {"right at 3,000": share_right(run)[-1] == 1, "the cost falls": J[-1] < J[0]},
        {"all right from iteration": right_since(run)},
    )


def encoder_7(experiments: Experiments, until: str, loss: str = USUAL_LOSS) -> Evidence:
    """Judge whether cross-entropy is about 5 times faster."""
    if until == "cost":
        usual, other = (train(experiments, name, loss=loss) for name in (None, "cross-entropy"))
        times = 3000 / holding_since(other, plotted_cost(other) <= plotted_cost(usual)[-1])
    elif until == "figure 5":
        times = as_figure_5_since(experiments, None, loss) / as_figure_5_since(experiments, "cross-entropy", loss)
    else:
        usual, other = (train(experiments, name, loss=loss, steps=LONGEST) for name in (None, "cross-entropy"))
        with np.errstate(invalid="ignore"):
            times = np.nan_to_num(right_since(usual) / right_since(other), nan=1.0, posinf=np.inf)
    return Evidence(is_as_far_out(times, 5), {"times fewer": times})


def encoder_8(experiments: Experiments, loss: str = USUAL_LOSS, steps: int | None = None) -> Evidence:
    """Judge whether the 8 objects have 8 different binary hidden codes."""
    run = train(experiments, every=1000, loss=loss, steps=steps)
    codes = (run.activations(experiments.dataset.train.x)["a1"] > 0.5) @ np.array([4, 2, 1])
    different = np.array([len(np.unique(codes_of_seed)) for codes_of_seed in codes])
    return Evidence(different == 8, {"codes": different})


def encoder_9(experiments: Experiments, loss: str = USUAL_LOSS, steps: int | None = None) -> Evidence:
    """Judge whether 23 of 24 pairs of weights with the same sign are one of our numbers."""
    parameters = final_parameters(train(experiments, every=1000, loss=loss, steps=steps))
    same = (np.sign(parameters["W1"]) == np.sign(parameters["W2"].swapaxes(-1, -2))).sum((-2, -1))
    return Evidence(is_as_far_out(same, 23), {"pairs of one sign": same})


def encoder_10(experiments: Experiments, other: str, loss: str = USUAL_LOSS) -> Evidence:
    """Judge whether other initial weights or biases end no lower."""
    seeds = seeds_of_their_own(experiments, OTHER_WEIGHTS.index(other))
    run = train(experiments, other, loss=loss, changes={"run.seeds": seeds})
    final = plotted_cost(train(experiments, loss=loss))[-1]
    cost = plotted_cost(run)[-1]
    return Evidence(~(cost < final), {"final cost": final, "of the other": cost})


def seeds_of_their_own(experiments: Experiments, index: int) -> list[int]:
    """As many seeds as the experiments have, after theirs and those of the settings before this one."""
    first = experiments.seed_numbers.start + (1 + index) * experiments.seeds
    return list(range(first, first + experiments.seeds))


def encoder_11(experiments: Experiments, loss: str = USUAL_LOSS, steps: int | None = None) -> Evidence:
    """Judge whether all outputs are as printed."""
    outputs = train(experiments, every=1000, loss=loss, steps=steps).outputs(experiments.dataset.train.x)
    own, others = outputs[:, np.eye(8) == 1], outputs[:, np.eye(8) == 0]
    figures = {"lowest correct": own.min(-1), "highest correct": own.max(-1), "highest other": others.max(-1)}
    return Evidence(has_printed_outputs(outputs) & (own < 0.985).all(-1), figures)


def encoder_12(experiments: Experiments, loss: str = USUAL_LOSS) -> Evidence:
    """Show how the report's own biases follow the sums of its weights, and how ours do.

    Its figures 5 and 6 print activations and weights, from which each bias follows within bounds.
    """
    ours = final_parameters(train(experiments, every=1000, loss=loss, steps=50_000))
    pairs = [(ours[weights].sum(-2), ours[biases][:, 0]) for weights, biases in (("W1", "b1"), ("W2", "b2"))]
    printed, bounds = printed_network(experiments)
    sums = [printed[name].sum(0) for name in ("W1", "W2")]
    first, second = (float(correlations(s, (low + high) / 2)) for s, (low, high) in zip(sums, bounds, strict=True))
    # No bound includes zero: the signs are certain.
    same = int(sum((np.sign(low) == np.sign(total)).sum() for total, (low, _) in zip(sums, bounds, strict=True)))
    return Evidence(
        None,
        {
            "of one sign, of 11": np.concatenate([np.sign(s) == np.sign(b) for s, b in pairs], axis=-1).sum(-1),
            "correlation of the first layer": correlations(*pairs[0]),
            "of the second": correlations(*pairs[1]),
        },
        f"the report's network: {same} of 11, {first:.2f} and {second:.3f}",
    )


def printed_network(experiments: Experiments) -> tuple[dict[str, Floats], list[tuple[Floats, Floats]]]:
    """The report's printed arrays by name, and bounds of b1 and b2 that follow.

    An activation is its logit's sigmoid, and the logit is the bias and what comes in by the weights; all are rounded.
    """
    table = np.loadtxt(experiments.recipe.folder / "printed_network.csv", delimiter=",", skiprows=1)
    hidden = table[:, :3]
    outputs = table[:, 3:11]
    W1 = table[:, 11:14]
    W2 = table[:, 14:].T
    from_inputs = W1
    from_hidden = hidden @ W2
    errors = 0.05, 0.05 * hidden.sum(1)[:, None] + 0.005 * np.abs(W2).sum(0)
    bounds = []
    for activations, incoming, error in ((hidden, from_inputs, errors[0]), (outputs, from_hidden, errors[1])):
        p = np.array([np.maximum(activations - 0.005, 0), np.minimum(activations + 0.005, 1)])
        with np.errstate(divide="ignore"):
            low, high = np.log(p) - np.log1p(-p)
        bounds.append(((low - incoming - error).max(0), (high - incoming + error).min(0)))
    return {"W1": W1, "W2": W2, "a1": hidden, "a2": outputs}, bounds


def encoder_13(experiments: Experiments, loss: str = USUAL_LOSS) -> Evidence:
    """Judge whether rate 10 and decay 1e-5 are good at every value of the other."""
    pairs = list(itertools.product(RATES, DECAYS))
    settings = [{RATE: rate, DECAY: decay, "loss.name": loss} for rate, decay in pairs]
    runs = experiments.each(settings, history_every=3000, record=(PLOTTED,))
    ends = np.array([plotted_cost(run)[-1] for run in runs]).reshape(len(RATES), len(DECAYS), -1)
    J = np.where(np.isfinite(ends), ends, np.inf)
    ten = RATES.index(10)
    usual = DECAYS.index(1e-5)
    conditions = {
        "rate 10 is best": J[ten, usual] <= J[:, usual].min(0),
        "at every decay": (J[ten] <= 2 * J.min(0)).all(0),
        "decay 1e-5 at every rate": (J[:, usual] <= 2 * J.min(1)).all(0),
    }
    return Evidence(conditions, {f"cost at rate {rate:g}": J[index, usual] for index, rate in enumerate(RATES)})


def encoder_14(
    experiments: Experiments, loss: str = USUAL_LOSS, steps: int | None = None, own_weights: bool = False
) -> Evidence:
    """Judge whether the final cost is lower than that of any other setting tried.

    own_weights : each other setting begins from weights of its own.
    """
    final = plotted_cost(train(experiments, every=1000, loss=loss, steps=steps))[-1]
    others = []
    for index, name in enumerate(TRIED):
        changes = {"run.seeds": seeds_of_their_own(experiments, index)} if own_weights else None
        others.append(plotted_cost(train(experiments, name, every=1000, loss=loss, steps=steps, changes=changes))[-1])
    lowest = np.min(np.nan_to_num(others, nan=np.inf, posinf=np.inf), axis=0)
    return Evidence(final <= lowest, {"final cost": final, "as a share of the lowest other": final / lowest})


def encoder_15(experiments: Experiments, loss: str = USUAL_LOSS, steps: int | None = None) -> Evidence:
    """Judge whether decay 1e-8 ends with the outputs of no decay."""
    runs = [train(experiments, every=1000, loss=loss, steps=steps, changes={DECAY: decay}) for decay in (1e-8, 0.0)]
    little, none = (run.outputs(experiments.dataset.train.x) for run in runs)
    apart = np.abs(little - none).max((-2, -1))
    return Evidence(apart <= 0.005, {"largest difference of an output": apart})


def encoder_16(experiments: Experiments, highest: float, loss: str = USUAL_LOSS) -> Evidence:
    """Judge whether a larger rate needs fewer iterations until every object stays right."""
    rates = [rate for rate in RATES if rate <= highest]
    since = []
    for rate in rates:
        run = train(experiments, every=100 if rate < 0.1 else 10, loss=loss, steps=50_000, changes={RATE: rate})
        since.append(np.where(share_right(run)[-1] == 1, right_since(run), np.inf))
    fewer = np.array([np.isinf(slow) | (fast < slow) for slow, fast in itertools.pairwise(since)])
    figures = {f"iterations at rate {rate:g}": values for rate, values in zip(rates, since, strict=True)}
    return Evidence(fewer.all(0), figures)
