"""Sweeps as a person starts them: what is in the table is what training each member alone comes to."""

import json
import signal
import threading
from dataclasses import replace
from fractions import Fraction

import numpy as np
import pandas as pd
import pytest
from refusals import refuses
from tables_by_hand import without_seconds
from unproved import unproved

from deltarule import load_sweep, sweep
from deltarule.data.dataset import Rows
from deltarule.data.pipeline import load_and_split, scale
from deltarule.data.splits import folds
from deltarule.errors import BadInput, RunFailed
from deltarule.json_files import to_jsonable
from deltarule.maths.activations import Activation
from deltarule.problem import registry
from deltarule.problem.create import create_problem
from deltarule.recipes import dataset_of, load_recipe, problem_of, training_of, with_settings
from deltarule.stats import metrics
from deltarule.studies.sweep_study import sweep_outcome
from deltarule.sweeps import grid
from deltarule.sweeps import plan as plans
from deltarule.sweeps.store import Store
from deltarule.sweeps.store_connection import FILE
from deltarule.sweeps.sweep import merge_sweeps
from deltarule.sweeps.table_rows import PARTS
from deltarule.training.train import train

RECIPE = """
[data]
name = "iris"
split = {test = 30}
scale = "standardize"
[network]
layers = ["auto", 4, "auto"]
output = "softmax"
[loss]
name = "cross_entropy"
[optimizer]
name = "momentum"
batch_size = 16
[stopping]
max_epochs = 4
[run]
seeds = 2
[grid]
"optimizer.learning_rate" = [0.1, 1e300, 0.01]
"network.layers" = [["auto", 4, "auto"], ["auto", 3, "auto"]]
"stopping.max_epochs" = [2, 4]
"""
SETTINGS = ("optimizer.learning_rate", "network.layers", "stopping.max_epochs")


@pytest.fixture
def recipe(tmp_path):
    (tmp_path / "mine.toml").write_text(RECIPE, encoding="utf-8")
    return load_recipe(tmp_path / "mine.toml")


def train_alone(recipe, row, keys=SETTINGS, **more):
    """Train a row's member by itself, by the functions that `deltarule run` uses; returns the data and the run."""
    one = with_settings(recipe, {key: row[key] for key in keys} | {"run.seeds": [row["seed"]], **more})
    dataset = dataset_of(one)
    problem = problem_of(one, dataset)
    return dataset, train(problem, engine=row["engine"], **training_of(one, dataset, problem))


@pytest.mark.slow
def test_rows_equal_trainings_alone(recipe):
    table = sweep(recipe, keep=True)
    rows = list(table.rows())
    assert len(rows) == len(table) == 24
    assert [tuple(map(str, (row[key] for key in SETTINGS))) + (row["seed"],) for row in rows[:3]] == [
        ("0.1", "['auto', 4, 'auto']", "2", 0),
        ("0.1", "['auto', 4, 'auto']", "2", 1),
        ("0.1", "['auto', 4, 'auto']", "4", 0),
    ]
    for row in rows:
        dataset, run = train_alone(recipe, row)
        assert (row["reason"], row["steps"]) == (run.reasons[0], run.steps[0])
        assert row["train_objective"] == (run.objective[0] if np.isfinite(run.objective[0]) else None)
        network = table.network(row["key"])
        assert np.array_equal(network.theta, run.state.theta[0])
        y = dataset.encode(dataset.test, 3)
        outputs = run.outputs(dataset.test.x)
        assert np.array_equal(network.outputs(dataset.test.x), outputs[0], equal_nan=True)
        assert row["test_accuracy"] == metrics.accuracy(outputs, y, np.ones((30, 1)))[0]
        assert row["validation_accuracy"] is None
        if row["optimizer.learning_rate"] == 1e300:
            assert (row["status"], row["diverged_layer"]) == ("diverged", run.diverged[0].layer)
        else:
            assert (row["status"], row["diverged_layer"], row["diverged_where"]) == ("done", None, None)


@pytest.mark.slow
@pytest.mark.parametrize("workers", [None, 2])
def test_widths_equal_trainings_alone(recipe, workers):
    recipe = with_settings(recipe, {"stopping.max_epochs": 60, "optimizer.learning_rate": 0.01})
    widths = [["auto", units, "auto"] for units in (1, 4, 9)]
    table = sweep(recipe, {"network.layers": widths}, engine="compiled", keep=True, workers=workers)
    assert len(table) == 6
    for row in table.rows():
        _, reference = train_alone(recipe, row | {"engine": "reference"}, ["network.layers"])
        _, run = train_alone(recipe, row | {"engine": "compiled"}, ["network.layers"])
        network = table.network(row["key"])
        assert np.array_equal(network.theta, run.state.theta[0])
        assert network.theta == pytest.approx(reference.state.theta[0], rel=1e-6, abs=1e-9)


@pytest.mark.parametrize(
    "chain",
    [
        ["auto", 5, "layer_norm", "tanh", "auto"],
        [
            4,
            5,
            "batch_norm",
            "relu",
            "dropout",
            {"name": "glu", "units": 5},
            {"name": "residual", "skip": "a1"},
            "auto",
        ],
    ],
)
def test_kept_networks_have_the_layers_of_their_recipe(recipe, chain, tmp_path):
    recipe = with_settings(recipe, {"network.layers": chain, "stopping.max_epochs": 1})
    rates = {"optimizer.learning_rate": [0.1, 0.01]}
    sweep(recipe, rates, out=tmp_path, keep=True, engine="reference").close()
    table = load_sweep(tmp_path)
    for row in table.rows():
        dataset, run = train_alone(recipe, row, list(rates))
        network = table.network(row["key"])
        assert repr(network.network) == repr(run.problem.network)
        assert np.array_equal(network.outputs(dataset.test.x), run.outputs(dataset.test.x)[0])


@pytest.mark.parametrize("how", ["standardize", "none"])  # each fold by itself, and all of them in one population
def test_folds_equal_trainings_on_their_rows(recipe, how):
    recipe = with_settings(recipe, {"data.scale": how})
    table = sweep(recipe, {"optimizer.learning_rate": [0.1], "stopping.max_epochs": [1, 3]}, folds=4, keep=True)
    whole = dataset_of(with_settings(recipe, {"data.scale": "none"}))
    divided = folds(whole.train, 4)
    y = whole.encode(whole.train, 3)
    assert len(table) == 16 and {row["fold"] for row in table.rows()} == {"0/4", "1/4", "2/4", "3/4"}
    for row in table.rows():
        own, aside = divided[int(row["fold"][0])]
        one = with_settings(recipe, {"optimizer.learning_rate": 0.1, "run.seeds": [row["seed"]]})
        # The fold that is held out says nothing, of the scale neither.
        scaled = scale(replace(whole, train=whole.train.take(own), test=whole.train), how)
        x = scaled.parts["test"].x
        problem = create_problem(
            problem_of(one, scaled).network,
            x,
            y,
            loss="cross_entropy",
            optimizer="momentum",
            learning_rate=0.1,
            batch_size=16,
            seeds=[row["seed"]],
            rows=[own],
        )
        run = train(problem, engine=row["engine"], max_epochs=row["stopping.max_epochs"])
        assert row["train_objective"] == run.objective[0]
        found = metrics.accuracy(run.outputs(x[aside]), y[aside], np.ones((len(aside), 1)))[0]
        assert row["validation_accuracy"] == found


def test_patience_restores_its_best_weights(recipe):
    changed = {"data.split.validation": 20, "stopping.patience": 2, "stopping.max_epochs": 30}
    one = with_settings(recipe, changed)
    for row in sweep(one, {"optimizer.learning_rate": [0.5]}).rows():
        _, run = train_alone(one, row, ["optimizer.learning_rate"])
        assert (row["steps"], row["best_step"]) == (run.steps[0], run.best_steps[0])
        assert row["validation_objective"] == np.nanmin(run.history.series("validation objective"))


def test_longer_grid_trains_only_new_rows(recipe, tmp_path):
    small = {"optimizer.learning_rate": [0.1, 0.2]}
    first = sweep(recipe, small, out=tmp_path / "out", keep=True)
    before = {row["key"]: row for row in first.rows()}
    seen = []
    longer = {"optimizer.learning_rate": [0.1, 0.2, 0.3], "loss.reduction": ["mean_samples", "sum"]}
    after = sweep(recipe, longer, out=tmp_path / "out", resume=True, progress=lambda told: seen.append(told.done))
    assert seen[0] == 4 and seen[-1] == len(after) == 12
    rows = {row["key"]: row for row in after.rows()}
    for key, row in before.items():  # the very rows, with the seconds that they took
        assert {name: rows[key][name] for name in row} == row
        assert rows[key]["loss.reduction"] == "mean_samples"


@pytest.mark.slow
def test_progress_moves_within_a_population(recipe):
    long = with_settings(recipe, {"stopping.max_epochs": 1500, "network.layers": ["auto", 4, "auto"]})
    given, seen = {"optimizer.learning_rate": [0.1, 0.01]}, []
    sweep(long, given, engine="reference", seeds=4, progress=seen.append)
    reached = [one.done + one.under_way for one in seen]
    assert [one.done for one in seen] == [0] * (len(seen) - 1) + [8] and seen[-1].under_way == 0
    assert len(seen) > 3 and reached == sorted(reached) and 0 < reached[1] < 8
    short = with_settings(long, {"stopping.max_epochs": 10})
    sweep(short, given, engine="reference", seeds=4, workers=2, progress=seen.append)
    assert {one.under_way for one in seen[len(reached) :]} == {0}  # of others nothing is known before they are done


def test_best_rows_and_configurations(recipe, tmp_path):
    table = sweep(recipe, out=tmp_path / "out", seeds=5)
    rows = list(table.rows())
    for part in ("train", "test"):
        expected = sorted(rows, key=lambda row: (-row[f"{part}_accuracy"], row[f"{part}_objective"]))[:3]
        assert table.best(3, part) == expected
    with refuses(rows[0]["key"], "--keep"):
        table.network(rows[0]["key"])
    with refuses("x"):
        table.network("x")
    with refuses("trian", "train", "validation", "test"):
        table.best(part="trian")
    means = {}
    for row in rows:
        means.setdefault(row["configuration"], []).append(row["train_accuracy"])
    best = table.configurations(2)
    assert best[0].mean == pytest.approx(max(map(np.mean, means.values()))) and best[0].rows == 5
    own = table.rows_of(best[0].settings)
    of_parts = {part: np.mean([row[f"{part}_accuracy"] for row in own]) for part in ("train", "test")}
    assert len(set(of_parts.values())) == 2
    for part, mean in of_parts.items():
        assert table.mean(best[0].settings, part) == pytest.approx(mean)
    assert (best[0].least, best[0].greatest) == (min(means[best[0].configuration]), max(means[best[0].configuration]))


def test_store_exists_or_is_in_use(recipe, tmp_path):
    small = {"optimizer.learning_rate": [0.1]}
    sweep(recipe, small, out=tmp_path / "out")
    with refuses(tmp_path / "out", "--resume"):
        sweep(recipe, small, out=tmp_path / "out")
    with Store(tmp_path / "out"), refuses(tmp_path / "out", error=RunFailed):
        sweep(recipe, small, out=tmp_path / "out", resume=True)
    assert len(sweep(recipe, small, out=tmp_path / "new", resume=True)) == 2
    with refuses("resume", "True"):
        sweep(recipe, small, resume=True)


def test_numpy_values_as_settings(recipe):
    layers, rates = [[4, np.int64(5), 3], np.array([4, 6, 3])], np.array([0.1, 0.3])
    by_grid = sweep(recipe, {"network.layers": layers, "optimizer.learning_rate": rates})
    pairs = [{"network.layers": one, "optimizer.learning_rate": rate} for one in layers for rate in rates]
    by_list = sweep(recipe, [pd.Series(pair) for pair in pairs])  # as rows of a data frame
    plain = sweep(recipe, {"network.layers": [[4, 5, 3], [4, 6, 3]], "optimizer.learning_rate": [0.1, 0.3]})
    for table in (by_grid, by_list):
        assert without_seconds(table) == without_seconds(plain)
        assert table.mean({"network.layers": layers[0], "optimizer.learning_rate": rates[0]}) is not None


def test_population_size_changes_no_number(recipe, monkeypatch):
    whole = without_seconds(sweep(recipe))
    monkeypatch.setattr(grid, "MAX_MEMBERS", 2)
    assert without_seconds(sweep(recipe)) == whole


def test_none_has_one_form_in_a_table(recipe, tmp_path):
    """Whether a grid said so, as here the second, or a recipe, as the first; and a mean is found by either."""
    plain, rates = with_settings(recipe, {"optimizer.batch_size": "none"}), {"optimizer.learning_rate": [0.1]}
    sweep(plain, rates, out=tmp_path)
    table = sweep(
        plain,
        {"optimizer.learning_rate": [0.2], "optimizer.batch_size": ["none", 16]},
        out=tmp_path,
        resume=True,
    )
    assert [row["optimizer.batch_size"] for row in table.rows()] == [None] * 4 + [16] * 2
    settings, scores = table.scores()
    assert [one["optimizer.batch_size"] for one in settings].count(None) == 2
    assert settings == [one.settings for one in table.configurations()]
    assert scores.mean(1) == pytest.approx([one.mean for one in table.configurations()])
    assert [table.mean(one.settings) for one in table.configurations()] == [one.mean for one in table.configurations()]


def test_frame_can_be_grouped_by_lists(recipe):
    momentum = {"name": "momentum", "momentum": 0.5}
    table = sweep(
        recipe, {"network.layers": [["auto", 3, "auto"], ["auto", "auto"]], "optimizer.name": ["sgd", momentum]}
    )
    counts = table.frame().groupby(["network.layers", "optimizer.name"])["key"].count()
    assert {layers for layers, _ in counts.index} == {'["auto", 3, "auto"]', '["auto", "auto"]'}
    assert {name for _, name in counts.index} == {"sgd", json.dumps(momentum)} and counts.tolist() == [2] * 4
    assert ["auto", "auto"] in [row["network.layers"] for row in table.rows()]
    for one in table.configurations():  # without a momentum, and with another one than the recipe's
        assert table.mean(one.settings) == one.mean


CLASSES_AND_NUMBERS = {
    "data.name": ["iris", "diabetes"],
    "network.output": ["sigmoid"],
    "loss.name": ["squared_error"],
}


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ({"folds": 1}, "folds is 1; give a whole number of 2 or more"),
        ({"rank_by": "acuracy"}, "there is no metric 'acuracy'"),
        (
            {"grid": {"optimizer.schedule.every": [1], "optimizer.schedule": ["step", "exponential"]}},
            "the schedule 'exponential' has no parameter 'every'; its parameters: factor, per",
        ),
        ({"grid": {"network.layers": [["auto", 3, 2]]}}, "iris has 3 classes, so the network needs 3 outputs, not 2"),
        ({"grid": [{"optimizer.learning_rate": Fraction(1, 2)}]}, "optimizer.learning_rate is 1/2; give a number"),
        ({"grid": {"data.split.validation": [0.2, 0.0]}}, "some configurations rank by the accuracy on the validation"),
        (
            {"grid": CLASSES_AND_NUMBERS},
            "rank by the accuracy on the train rows and others by the r_squared on the tra",
        ),
    ],
)
def test_bad_input(recipe, tmp_path, given, told):
    with pytest.raises(BadInput) as error:
        sweep(recipe, out=tmp_path / "out", **given)
    assert told in str(error.value)
    assert not (tmp_path / "out").exists()


ON_NUMBERS = """
[data]
file = "numbers.csv"
target = "y"
[network]
layers = ["auto", 8, "auto"]
[stopping]
max_steps = 40
"""


@pytest.fixture
def on_numbers(tmp_path):
    """Sweeps a regression of 60 rows, the inputs of some of them multiplied by 100."""
    (tmp_path / "numbers.toml").write_text(ON_NUMBERS, encoding="utf-8")
    x = np.random.default_rng(0).normal(size=(60, 2))

    def swept(grid, larger=(), **given):
        factor = np.where(np.isin(np.arange(60), larger), 100, 1)[:, None]
        table = np.column_stack([x * factor, x @ [2, 1]])
        np.savetxt(tmp_path / "numbers.csv", table, delimiter=",", header="a,b,y", comments="")
        return sweep(tmp_path / "numbers.toml", grid, **given)

    return swept


def test_nonfinite_numbers_are_null(on_numbers, tmp_path):
    # A step of 50 is far beyond 2 / curvature: the predictions, and with them R², have no bounds.
    rates = {"optimizer.learning_rate": [50.0, 0.01, 1.0]}
    table = on_numbers(rates, out=tmp_path / "out", seeds=3, keep=True)
    rows = list(table.rows())
    numbers = [row[f"{part}_{what}"] for row in rows for part in PARTS for what in ("objective", "r_squared")]
    assert all(one is None or np.isfinite(one) for one in numbers)
    assert [row["train_r_squared"] is None for row in rows] == [True] * 3 + [False] * 3 + [True] * 3
    first, *others = table.configurations()
    assert first.settings == {"optimizer.learning_rate": 0.01} and (first.rows, first.diverged) == (3, 0)
    for one in others:
        assert (one.rows, one.diverged, one.mean, one.least, one.greatest) == (3, 3, None, None, None)
    assert len(table.best()) == 3 and table.network(table.best(1)[0]["key"]) is not None
    told = json.loads(json.dumps(to_jsonable(sweep_outcome(table, None)), allow_nan=False))
    assert [one["mean"] is None for one in told["configurations"]] == [False, True, True]


@pytest.mark.parametrize(
    "changed", [{"data.scale": ["standardize"]}, {"data.scale": ["unit"]}, {"data.components": [2]}]
)
def test_held_out_fold_does_not_leak(on_numbers, changed):
    _, aside = folds(Rows(np.zeros((60, 2)), targets=np.zeros((60, 1))), 3)[0]
    plain, moved = (on_numbers(changed, folds=3, larger=larger).frame() for larger in ((), aside))
    same = plain["train_objective"] == moved["train_objective"]
    assert dict(zip(plain["fold"], same, strict=True)) == {"0/3": True, "1/3": False, "2/3": False}
    assert (plain["validation_objective"] != moved["validation_objective"]).all()


def test_file_of_folds_is_read_once(on_numbers, monkeypatch):
    read = []
    monkeypatch.setattr(plans, "load_and_split", lambda *given: read.append(given) or load_and_split(*given))
    assert len(on_numbers({"data.scale": ["standardize"], "stopping.max_steps": [1]}, folds=10)) == 10
    assert len(read) == 1


@pytest.mark.parametrize("given", [{}, {"folds": 3}])
@pytest.mark.parametrize("scale", ["standardize", "none"])
def test_data_of_a_row(on_numbers, tmp_path, given, scale):
    """With them the network comes to the score that stands in its row."""
    table = on_numbers({"data.scale": [scale], "optimizer.learning_rate": [0.1]}, keep=True, **given)
    for row in table.rows():
        data, network = table.data(row["key"], tmp_path), table.network(row["key"])
        for part in ("train", "validation") if given else ("train",):
            rows = data.parts[part]
            targets = np.asarray(rows.targets, np.float64)
            rest = ((targets - network.outputs(rows.x)) ** 2).sum() / ((targets - targets.mean()) ** 2).sum()
            assert row[f"{part}_r_squared"] == pytest.approx(1 - rest, rel=1e-6)
    on_numbers({"stopping.max_steps": [1]}, larger=(3,))
    with pytest.raises(BadInput):
        table.data(row["key"], tmp_path)


def test_untrained_and_diverged_differ_in_scores(on_numbers, tmp_path):
    out = tmp_path / "out"
    on_numbers({"optimizer.learning_rate": [50.0, 0.01]}, out=out, seeds=2).close()
    table = on_numbers({"optimizer.learning_rate": [0.01]}, out=out, seeds=4, resume=True)
    settings, scores = table.scores()
    assert [one["optimizer.learning_rate"] for one in settings] == [0.01, 50.0]
    assert np.isfinite(scores[0]).all() and np.isneginf(scores[1, :2]).all() and np.isnan(scores[1, 2:]).all()


@pytest.mark.parametrize(
    ("given", "column", "expected"),
    [
        ({"folds": 12}, "fold", [f"{number}/12" for number in range(12)]),
        (
            {"seeds": [10**19, 2**64 - 1, 2**63, 5, 2**63 - 1, 40]},
            "seed",
            [5, 40, 2**63 - 1, 2**63, 10**19, 2**64 - 1],
        ),
    ],
)
def test_rows_are_ordered_by_number(on_numbers, given, column, expected):
    table = on_numbers({"stopping.max_steps": [1]}, keep=True, **given)
    assert [row[column] for row in table.rows()] == expected
    assert [row[column] for row in table.kept()] == expected
    assert [row[column] for row in table.rows_of({"stopping.max_steps": 1})] == expected
    scores = table.scores()[1][0]
    assert scores.tolist() == [row[f"{table.ranked}_r_squared"] for row in table.rows()]


RATE = {"optimizer.learning_rate": [0.1]}


@pytest.mark.parametrize(
    ("first", "then", "told"),
    [
        ({}, {"larger": (3,)}, "the data are not those of the sweep in {}; put them back, or name another folder"),
        ({"folds": 2}, {"folds": 2, "larger": (3,)}, "the data are not those of the sweep in {}"),
        ({"folds": 3}, {"folds": 4}, "in {} differs in folds (3, not 4); name another folder"),
    ],
)
def test_other_data_or_folds_are_refused(on_numbers, tmp_path, first, then, told):
    out = tmp_path / "out"
    before = list(on_numbers(RATE, out=out, **first).rows())
    with pytest.raises(BadInput) as error:
        on_numbers(RATE, out=out, resume=True, **then)
    assert told.format(out) in str(error.value)
    assert list(load_sweep(out).rows()) == before
    longer = list(on_numbers({"optimizer.learning_rate": [0.1, 0.3]}, out=out, resume=True, **first).rows())
    assert longer[: len(before)] == before and len(longer) == 2 * len(before)


def test_sweep_ranks_by_an_error(recipe, tmp_path):
    table = sweep(recipe, rank_by="mean_absolute_error", out=tmp_path / "out")
    errors = [row["train_mean_absolute_error"] for row in table.rows() if row["train_mean_absolute_error"] is not None]
    assert [row["train_mean_absolute_error"] for row in table.best(3)] == sorted(errors)[:3]
    means = [one.mean for one in table.configurations() if one.mean is not None]
    assert means == sorted(means) and table.quantity == "negative mean absolute error on train rows"
    settings, scores = table.scores()
    assert -scores[0].mean() == pytest.approx(means[0]) == table.mean(settings[0])
    plain = sweep(recipe, {"optimizer.learning_rate": [0.1]})
    assert plain.metric == "accuracy" and plain.best(1)[0]["train_accuracy"] > 0.5
    with refuses("metric", "mean_absolute_error", "accuracy"):
        sweep(recipe, out=tmp_path / "out", resume=True)


@pytest.mark.parametrize(
    ("then", "now"),
    [
        ({"data.name": ["diabetes"], "network.layers": [["auto", "auto"]]}, "metric (accuracy, not r_squared)"),
        ({"data.split.validation": [0.2]}, "ranked (train, not validation)"),
    ],
)
def test_other_ranking_is_refused(recipe, tmp_path, then, now):
    plain = with_settings(recipe, {"network.output": "sigmoid", "loss.name": "squared_error"})
    sweep(plain, {"data.name": ["iris"]}, out=tmp_path)
    before = list(load_sweep(tmp_path).rows())
    with refuses(tmp_path, now):
        sweep(plain, then, out=tmp_path, resume=True)
    assert list(load_sweep(tmp_path).rows()) == before


def test_other_numerics_version_is_refused(on_numbers, tmp_path):
    out = tmp_path / "out"
    on_numbers(RATE, out=out)
    with Store(out) as store:
        store.connection.execute("UPDATE members SET numerics = numerics - 1, key = 'of another version'")
    with refuses(out):
        on_numbers(RATE, out=out, resume=True)


@pytest.mark.slow
def test_resume_after_ctrl_c_gives_the_same_table(recipe, tmp_path):
    long = with_settings(recipe, {"stopping.max_epochs": 800, "network.layers": ["auto", 4, "auto"]})  # for a second
    given = {"optimizer.learning_rate": [0.1, 0.01], "network.initial_scale": [1, 2]}
    expected = without_seconds(sweep(long, given, engine="reference", seeds=4))
    out = tmp_path / "out"
    for folder, named in ((None, ["--out"]), (out, [out, "--resume"])):
        threading.Timer(0.4, signal.raise_signal, [signal.SIGINT]).start()
        with refuses("0 of 16", *named, error=RunFailed):
            sweep(long, given, out=folder, engine="reference", seeds=4)
    table = sweep(long, given, out=tmp_path / "out", resume=True, engine="reference", seeds=4)
    assert without_seconds(table) == expected


def interrupted_within_pydantic(*_):
    try:
        raise KeyboardInterrupt
    except KeyboardInterrupt as request:
        raise ValueError("Error calling function") from request


@pytest.mark.parametrize("name", ["plan_sweep", "to_jsonable"])
def test_ctrl_c_beside_a_training(recipe, tmp_path, monkeypatch, name):
    """Within a function of Pydantic's it becomes an error of another kind."""
    given = {"grid": {"optimizer.learning_rate": [0.1]}, "out": tmp_path / "out", "resume": True}
    with monkeypatch.context() as patch:
        patch.setattr(f"deltarule.sweeps.sweep.{name}", interrupted_within_pydantic)
        with refuses(*([] if name == "plan_sweep" else [tmp_path / "out", "--resume"]), error=RunFailed):
            sweep(recipe, **given)
    assert (tmp_path / "out" / FILE).exists() == (name != "plan_sweep")
    assert len(sweep(recipe, **given)) == 2
    monkeypatch.setattr("deltarule.sweeps.sweep.plan_sweep", interrupted_within_pydantic)
    with refuses(tmp_path / "out", "--resume", error=RunFailed):
        sweep(recipe, **given)


def test_metric_without_threshold_stops_nothing(recipe, tmp_path):
    text = RECIPE.replace("[stopping]", '[stopping]\nmetric = "accuracy"')
    (tmp_path / "metric.toml").write_text(text, encoding="utf-8")
    table = sweep(tmp_path / "metric.toml", {"stopping.threshold": [0.1, "none"]}, seeds=1)
    ends = {row["stopping.threshold"]: row for row in table.rows()}
    assert [ends[one]["reason"] for one in (0.1, None)] == ["threshold", "max_steps"]
    plain = sweep(recipe, {"stopping.tolerance": ["none"]}, seeds=1)
    assert ends[None]["train_objective"] == next(plain.rows())["train_objective"]


SCHEDULES = {"optimizer.schedule.every": [1, 3], "optimizer.schedule": ["step", "squaring"]}


@pytest.mark.parametrize("order", [1, -1])
def test_order_of_grid_keys_changes_no_number(recipe, order):
    """A parameter above the name that it belongs to was taken away by it, and stood in the table all the same."""
    base = with_settings(recipe, {"optimizer.schedule": {"name": "step", "every": 10, "factor": 0.1}})
    table = sweep(base, dict(list(SCHEDULES.items())[::order]), seeds=1, engine="reference")
    rows = list(table.rows())
    assert len(rows) == 4
    for row in rows:
        schedule = {"name": row["optimizer.schedule"], "every": row["optimizer.schedule.every"]}
        _, run = train_alone(recipe, row, [], **{"optimizer.schedule": schedule})
        assert row["train_objective"] == run.objective[0]


def test_rows_of_a_changed_recipe_have_its_keys(recipe, tmp_path):
    rates, given = {"optimizer.learning_rate": [0.1, 0.01]}, {"out": tmp_path, "resume": True, "engine": "reference"}
    step = {"name": "step", "every": 5}
    first = list(sweep(recipe, rates, **given).rows())
    sweep(with_settings(recipe, {"network.activation": "tanh"}), rates, **given)
    table = sweep(with_settings(recipe, {"optimizer.schedule": step, "network.dropout": 0.5}), rates, **given)
    assert table.grid == ("optimizer.learning_rate", "network.activation", "network.dropout", "optimizer.schedule")
    found = {tuple(map(str, one.settings.values())) for one in table.configurations()}
    others = (("relu", "0.0", "constant"), ("tanh", "0.0", "constant"))
    stepped = ("relu", "0.5", "{'name': 'step', 'every': 5, 'factor': 0.5}")
    assert found == {(rate, *other) for rate in ("0.1", "0.01") for other in (*others, stepped)}
    rows = {row["key"]: row for row in table.rows()}
    assert len(rows) == 12
    for row in first:
        assert {**row, **dict(zip(table.grid[1:], ("relu", 0.0, "constant"), strict=True))} == rows[row["key"]]
    # A grid that sets a parameter: of the rows before it, and of the name in its own rows.
    table = sweep(with_settings(recipe, {"optimizer.schedule": "step"}), {"optimizer.schedule.every": [7]}, **given)
    schedules = {(row["optimizer.schedule.every"], str(row["optimizer.schedule"])) for row in table.rows()}
    seventh = (7, "{'name': 'step', 'every': 7, 'factor': 0.5}")
    assert schedules == {(None, "constant"), (5, stepped[-1]), seventh}


@pytest.fixture
def mine():
    """Gives the activation "mine" to somebody else."""

    def given_to(function, derivative, **parameters):
        if "mine" in registry.names("activation"):
            registry.remove("activation", "mine")
        registry.add("activation", unproved(Activation("mine", function, derivative, parameters=parameters)))

    yield given_to
    registry.remove("activation", "mine")


def test_changed_formula_is_refused(recipe, tmp_path, mine):
    rates, square = {"optimizer.learning_rate": [0.1]}, (lambda z: z * z, lambda z, a: 2 * z)
    mine(*square)
    own = with_settings(recipe, {"network.activation": "mine"})
    first = sweep(own, rates, out=tmp_path, keep=True)
    before = list(first.rows())
    x = np.ones((1, 4))
    outputs = first.network(before[0]["key"]).outputs(x)
    mine(lambda z: z - z * z / 2, lambda z, a: 1 - z)
    with refuses("mine", tmp_path):
        sweep(own, rates, out=tmp_path, resume=True)
    registry.remove("activation", "mine")
    assert list(load_sweep(tmp_path).rows()) == before
    mine(lambda z: z - z * z / 2, lambda z, a: 1 - z)
    assert {row["key"] for row in sweep(own, rates).rows()}.isdisjoint(row["key"] for row in before)
    with refuses("mine", before[0]["key"]):
        load_sweep(tmp_path).network(before[0]["key"])
    rate = {"optimizer.learning_rate": 0.1}  # the rows that are there are the store's own, whatever is registered now
    assert load_sweep(tmp_path).rows_of(rate) == before
    scores = [row[f"{first.ranked}_{first.metric}"] for row in before]
    assert load_sweep(tmp_path).mean(rate) == pytest.approx(np.mean(scores))
    mine(*square)
    assert np.array_equal(load_sweep(tmp_path).network(before[0]["key"]).outputs(x), outputs)
    longer = list(sweep(own, {"optimizer.learning_rate": [0.1, 0.2]}, out=tmp_path, resume=True).rows())
    assert longer[: len(before)] == before and len(longer) == 2 * len(before)


def without_order(table):
    return sorted([{**row, "configuration": None} for row in without_seconds(table)], key=lambda row: row["key"])


@pytest.mark.slow
def test_merged_shards_are_the_whole(recipe, tmp_path):
    whole = sweep(recipe, keep=True)
    for part in (1, 2, 3):
        sweep(recipe, keep=True, out=tmp_path / f"part {part}", shard=(part, 3))
    merged = merge_sweeps([tmp_path / f"part {part}" for part in (1, 2, 2, 3)], tmp_path / "merged")
    assert without_order(merged) == without_order(whole)
    assert (merged.grid, merged.metric, len(merged.runs)) == (whole.grid, whole.metric, 1)
    row = merged.best(1)[0]
    assert np.array_equal(merged.network(row["key"]).theta, whole.network(row["key"]).theta)
    sweep(recipe, folds=2, out=tmp_path / "folds", shard=(1, 12))
    with refuses("folds", "none", 2):
        merge_sweeps([tmp_path / "folds"], tmp_path / "merged")


@pytest.mark.slow
def test_parts_of_the_plan_change_no_row(recipe, monkeypatch):
    whole, seen = sweep(recipe), []
    monkeypatch.setattr(grid, "PLANNED_AT_ONCE", 5)
    parts = sweep(recipe, progress=seen.append)
    assert without_order(parts) == without_order(whole) and parts.scores()[0] == whole.scores()[0]
    assert {progress.rows for progress in seen} == {24} and seen[-1].done == 24
