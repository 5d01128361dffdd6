import numpy as np
import optuna
import pytest
from scipy.stats import loguniform

from deltarule import sweep
from deltarule.errors import BadInput
from deltarule.sweeps.candidate_selection import ask_and_tell, halving, sampled, scores_of

RECIPE = """
[data]
name = "iris"
split = {validation = 50}
scale = "standardize"
[network]
layers = ["auto", 4, "auto"]
output = "softmax"
[loss]
name = "cross_entropy"
[optimizer]
name = "momentum"
[stopping]
max_epochs = 30
[run]
seeds = 2
"""
RATES = [{"optimizer.learning_rate": rate} for rate in (1e-6, 1e-5, 1e-4, 1e-3, 1e-2, 0.1, 0.5, 1e300, 0.2)]


@pytest.fixture
def run(tmp_path):
    """Sweeps into one store, and notes what each call asked for."""
    (tmp_path / "mine.toml").write_text(RECIPE, encoding="utf-8")

    def called(settings):
        called.asked.append(list(settings))
        return sweep(tmp_path / "mine.toml", settings, out=tmp_path / "out", resume=True)

    called.asked = []
    return called


def test_sampled():
    space = {"optimizer.learning_rate": loguniform(1e-3, 1), "network.layers": [["auto", 3, "auto"], ["auto", "auto"]]}
    one, other, again = sampled(space, 20), sampled(space, 20, seed=1), sampled(space, 20)
    assert one == again != other and len(one) == 20
    assert all(1e-3 <= drawn["optimizer.learning_rate"] <= 1 for drawn in one)
    assert {str(drawn["network.layers"]) for drawn in one} == {"['auto', 3, 'auto']", "['auto', 'auto']"}
    lists = sampled({"loss.reduction": ["sum", "mean_samples"], "loss.strength": [0, 1]}, 4)
    assert len({str(sorted(drawn.items())) for drawn in lists}) == 4


def test_halving(run):
    best = halving(run, RATES, budgets=[1, 3, 9], keep=1 / 3)
    assert [len(asked) for asked in run.asked] == [9, 3, 1]
    assert [asked[0]["stopping.max_epochs"] for asked in run.asked] == [1, 3, 9]
    # By hand: the mean over the seeds of the validation score, from a sweep that knows nothing of rounds.
    plain = run([{**one, "stopping.max_epochs": 1} for one in RATES])
    means = {}
    for row in plain.rows():
        if row["stopping.max_epochs"] == 1:
            means.setdefault(row["optimizer.learning_rate"], []).append(row["validation_accuracy"] or 0)
    kept = [one["optimizer.learning_rate"] for one in run.asked[1]]
    worst_kept = min(np.mean(means[rate]) for rate in kept)
    assert all(np.mean(means[rate]) <= worst_kept for rate in means if rate not in kept)
    assert best[0]["optimizer.learning_rate"] in kept


@pytest.mark.parametrize(("count", "keep", "last"), [(2, 0.1, 1), (5, 1 / 3, 2), (4, 0.5, 2)])
def test_halving_keeps_one_at_least(run, count, keep, last):
    halving(run, RATES[:count], [1, 2], keep=keep)
    assert [len(asked) for asked in run.asked] == [count, last]


def test_optuna_gets_mean_scores(run):
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    study = optuna.create_study(direction="maximize", sampler=optuna.samplers.RandomSampler(seed=0))
    space = {
        "optimizer.learning_rate": optuna.distributions.FloatDistribution(1e-4, 1e200, log=True),
        "network.dropout": optuna.distributions.CategoricalDistribution([0.0, 0.2]),
    }
    ask_and_tell(run, study, space, rounds=2, batch=4)
    assert len(study.trials) == 8 and len(run.asked) == 2
    table = run(run.asked[0])
    for trial in study.trials:
        rows = [
            row for row in table.rows() if row["optimizer.learning_rate"] == trial.params["optimizer.learning_rate"]
        ]
        assert len(rows) == 2
        if trial.state == optuna.trial.TrialState.COMPLETE:
            assert trial.value == pytest.approx(np.mean([row["validation_accuracy"] for row in rows]))
    with pytest.raises(BadInput, match="the Optuna study minimizes"):
        ask_and_tell(run, optuna.create_study(), space, rounds=1)


def test_optuna_gets_failures(tmp_path):
    text = RECIPE.replace("iris", "diabetes").replace("softmax", "identity").replace("cross_entropy", "squared_error")
    (tmp_path / "mine.toml").write_text(text, encoding="utf-8")
    study = optuna.create_study(direction="maximize")
    for rate in (1e-6, 1e300):
        study.enqueue_trial({"optimizer.learning_rate": rate})
    space = {"optimizer.learning_rate": optuna.distributions.FloatDistribution(1e-6, 1e300)}
    ask_and_tell(lambda settings: sweep(tmp_path / "mine.toml", settings), study, space, rounds=1, batch=2)
    assert [trial.state.name for trial in study.trials] == ["COMPLETE", "FAIL"]


def test_equal_settings_are_one_configuration(run):
    table = run([{"optimizer.learning_rate": 1}, {"optimizer.learning_rate": 1.0}, {"optimizer.momentum": 0.9}, {}])
    assert len(table) == 4
    scores = scores_of(table, [{"optimizer.learning_rate": 1.0}, {}, {"optimizer.learning_rate": 2}])
    assert np.isfinite(scores[:2]).all() and scores[2] == -np.inf
    with pytest.raises(BadInput, match="there is no configuration to sweep"):
        run([])
