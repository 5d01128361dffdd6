from dataclasses import replace

import numpy as np
import pytest
from figure_reading import marks_of, named, points_of
from refusals import refuses

from deltarule.problem.create import create_problem
from deltarule.problem.network import Network
from deltarule.reports.figures import (
    accuracy_curves,
    comparison_curves,
    object_curves,
    objective_curves,
    range_test_curves,
)
from deltarule.reports.marks import Band, Line, RuleLine, Segments
from deltarule.training.history import History
from deltarule.training.range_test import RangeTest, range_test
from deltarule.training.train import train

EYE = np.eye(8)


def encoder(max_steps=60, validation=(EYE, EYE), train_by=None, **given):
    settings = {"loss": "binary_cross_entropy", "learning_rate": 8.0, **given}
    problem = create_problem(Network([8, 3, 8], "sigmoid", "sigmoid"), EYE, EYE, **settings)
    return train(problem, max_steps=max_steps, record=["accuracy"], validation=validation, **(train_by or {}))


def test_few_members_are_lines_of_the_record():
    run = encoder(seeds=[5, 6])
    chart = objective_curves(run)
    names = ["seed 5, training", "seed 6, training", "seed 5, validation", "seed 6, validation"]
    assert named(chart) == names
    for line, name in zip(chart.panels[0].marks, names, strict=True):
        series = run.history.series("validation objective" if "validation" in name else "objective")
        assert points_of(line) == (run.history.steps, series[:, ["5" in name, "6" in name].index(True)].tolist())


def test_many_members_are_the_median_and_band_of_the_record():
    run = encoder(seeds=range(9), validation=None)
    chart = accuracy_curves(run)
    values = run.history.series("accuracy")
    [band], [line] = marks_of(chart, Band), marks_of(chart, Line)
    assert points_of(line) == (run.history.steps, np.median(values, 1).tolist())
    np.testing.assert_allclose([band.low, band.high], np.percentile(values, (10, 90), axis=1))
    assert "9 members" in chart.notes[0]


def test_members_that_ended_early_have_lines_that_reach_their_end():
    run = encoder(seeds=range(3), max_steps=2000, validation=None, train_by={"threshold": 0.1, "history_every": 37})
    assert len(set(run.steps.tolist())) > 1
    for member, line in enumerate(objective_curves(run).panels[0].marks):
        x, y = points_of(line)
        assert (x[-1], y[-1]) == (run.steps[member], run.objective[member])
        assert y[:-1] == run.history.objective[np.isfinite(run.history.objective[:, member]), member].tolist()


def test_with_patience_a_line_ends_at_the_last_evaluation():
    """The best weights, whose objective the run holds, are from before it."""
    rules = {"patience": 1000, "threshold": 0.1, "history_every": 37}
    run = encoder(max_steps=2000, train_by=rules)
    assert run.reasons == ("threshold",) and run.history.steps[-1] < run.steps[0]
    chart = objective_curves(run)
    assert points_of(chart.panels[0].marks[0]) == (run.history.steps, run.history.objective[:, 0].tolist())


def test_many_members_have_thin_lines_by_outcome():
    run = encoder(seeds=range(12), max_steps=3000, validation=None, train_by={"threshold": 0.1, "history_every": 20})
    chart = objective_curves(run)
    assert chart.notes[1].endswith("are of 12 members; those that stopped count with their last value.")
    median = next(line for line in marks_of(chart, Line) if line.name == "median")
    assert points_of(median)[1][-1] == np.median(run.objective) and len(set(run.steps.tolist())) > 2
    ends = {lines.name: sorted(path[-1].tolist() for path in lines.paths) for lines in marks_of(chart, Segments)}
    members = list(zip(run.reasons, run.steps, run.objective, strict=True))
    for reason, name in (("threshold", "at the threshold"), ("max_steps", "at the limit of updates")):
        assert ends.get(name, []) == sorted([step, value] for kind, step, value in members if kind == reason)


def test_diverged_members_are_named_or_counted():
    def chart(rates):
        return objective_curves(
            train(create_problem(Network([1, 1]), [[1.0], [9.0]], [1.0, 2.0], learning_rate=rates), max_steps=50)
        )

    assert named(chart([0.01, 1e200])) == ["learning rate 0.01", "learning rate 1e+200 (diverged)"]
    assert chart([0.01] * 8 + [1e200]).notes[2].endswith("8 at the limit of updates, 1 diverged.")


def test_a_single_member_is_named_only_beside_validation():
    assert named(objective_curves(encoder(validation=None))) == []
    assert named(objective_curves(encoder())) == ["training", "validation"]


def test_diverging_objective_is_cut_off_with_a_note():
    run = encoder(seeds=range(2), validation=None)
    history = History([0, 7], {"objective": [np.array([1.0, 2.0]), np.array([0.1, 1e30])]})
    chart = objective_curves(replace(run, history=history, steps=np.full(2, 7), objective=np.array([0.1, 1e30])))
    assert chart.panels[0].y.limits[1] == 2000 and chart.notes[-1] == "Values above 2e+03 are outside the picture."


def test_note_says_what_the_objective_is():
    chart = objective_curves(encoder(reduction="mean_elements", penalty="l2", strength=0.1))
    assert chart.notes[0] == (
        "Network 8-3-8 (sigmoid, sigmoid), 59 parameters. "
        "Objective: binary cross entropy, mean over elements, plus a penalty (l2)."
    )


def test_metric_that_the_history_lacks_is_refused():
    with refuses("r_squared", "objective", "accuracy"):
        accuracy_curves(encoder(), "r_squared")


def test_outputs_that_are_no_probabilities_are_named_and_all_shown():
    chart = object_curves([0, 1], [[-0.4, 0.2], [1.2, 0.9]], ["a", "b"], quantity="value of the correct output")
    assert chart.panels[0].y.scale == "linear" and "robability" not in chart.description


def test_many_objects_are_a_band():
    chart = object_curves(range(5), np.linspace(0, 1, 100).reshape(5, 20), [str(number) for number in range(20)])
    assert len(marks_of(chart, Band)) == 1 and "median of 20" in named(chart)


@pytest.mark.parametrize("kind", ["exponential", "linear"])
@pytest.mark.parametrize("members", [1, 3, 9])
def test_range_test_shows_its_record_and_the_suggestion(kind, members):
    problem = create_problem(Network([8, 8], output="softmax"), EYE, EYE, loss="cross_entropy", seeds=range(members))
    tested = range_test(problem, steps=40, kind=kind, highest=100.0, accuracy=True)
    chart = range_test_curves(tested)
    assert chart.panels[0].x.scale == ("log" if kind == "exponential" else "linear")
    for panel, values in enumerate((tested.objective, tested.accuracy)):
        [rule] = marks_of(chart, RuleLine, panel)
        assert rule.x == np.median(tested.suggested) and rule.name.startswith(f"suggested: {rule.x:.3g}")
        expected = values.T if members <= 8 else [np.median(values, 1)]
        lines = marks_of(chart, Line, panel)
        assert [points_of(line) for line in lines] == [(tested.rates.tolist(), one.tolist()) for one in expected]


def test_fall_of_a_range_test_is_seen_beside_its_divergence():
    rates, objective = np.logspace(-4, 1, 6), np.array([[2.3], [2.3], [2.0], [9.0], [1e6], [np.nan]])
    chart = range_test_curves(RangeTest(rates, objective, None, np.array([1e-3])))
    axis = chart.panels[0].y
    assert axis.scale == "linear" and 1.9 < axis.limits[0] < 2.0 and axis.limits[1] == pytest.approx(2.9)
    assert chart.notes == ["Values above 2.9 are outside the picture."]


def test_range_test_without_a_suggestion_says_so():
    chart = range_test_curves(RangeTest(np.logspace(-3, 0, 5), np.ones((5, 1)), None, np.array([np.nan])))
    assert chart.notes == ["No rate is suggested: at none does the objective fall."] and not marks_of(chart, RuleLine)


def test_comparison_of_members_shows_their_medians():
    values = np.array([[1.0, 2, 3], [np.nan, 2, 4]])
    chart = comparison_curves({"0.1": ([0, 5], values), "1": ([0, 5], [1.0, 0.2])}, parameter="learning rate")
    assert [points_of(line) for line in marks_of(chart, Line)] == [([0, 5], [2, 3]), ([0, 5], [1.0, 0.2])]
    assert len(marks_of(chart, Band)) == 1
    assert chart.notes == ["Medians of the members that still train; band: 10 to 90 %."]


def test_large_values_stay_and_those_that_diverge_leave_the_picture():
    def chart(*values):
        series = {f"a{layer}": ([0, 1, 2], one) for layer, one in enumerate(values, 1)}
        return comparison_curves(series, parameter="layer", quantity="activation", max_growth=1e6)

    learned = chart([0.5, 0.5, 0.5], [0.7, 90_000.0, 250_000.0])
    assert learned.panels[0].y.limits is None and learned.panels[0].y.scale == "log"
    diverged = chart([0.2, 0.5, 1e105], [0.2, 0.3, np.nan])
    assert diverged.panels[0].y.limits == (0.1, 2e5) and "outside the picture" in diverged.notes[0]
