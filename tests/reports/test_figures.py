import itertools
import re
import subprocess
import sys
import xml.etree.ElementTree
from dataclasses import replace

import numpy as np
import pytest
from figure_reading import assert_readable, caption, drawn, legend
from hypothesis import example, given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from lanes import examples

from deltarule.errors import BadInput
from deltarule.problem.create import create_problem
from deltarule.problem.network import Network
from deltarule.reports import style
from deltarule.reports.figure_description import alt_text
from deltarule.reports.figures import (
    accuracy_curves,
    comparison_curves,
    object_curves,
    objective_curves,
    range_test_curves,
    save,
    time_curves,
)
from deltarule.reports.model_figures import loss_by_epoch, true_and_predicted_numbers
from deltarule.reports.score_figures import norm_curves
from deltarule.reports.svg_embed import embed_figure
from deltarule.training.history import History
from deltarule.training.range_test import RangeTest, range_test
from deltarule.training.train import train

EYE = np.eye(8)
finite = st.floats(-(2.0**20), 2.0**40, width=32)
anything = st.floats(width=32) | finite


def encoder(max_steps=60, metrics=("accuracy",), validation=(EYE, EYE), train_by=None, **given):
    settings = {"loss": "binary_cross_entropy", "learning_rate": 8.0, **given}
    problem = create_problem(Network([8, 3, 8], "sigmoid", "sigmoid"), EYE, EYE, **settings)
    return train(problem, max_steps=max_steps, metrics=metrics, validation=validation, **(train_by or {}))


def made_up(run, values):
    """The run as if its history had been this one: one look for each row.   values [T, K]"""
    names = run.history.names
    return replace(
        run,
        history=History(list(range(0, 7 * len(values), 7)), {name: list(values) for name in names}),
        steps=np.full(values.shape[1], 7 * len(values)),
        objective=values[-1],
    )


FEW, MANY = encoder(seeds=range(3)), encoder(seeds=range(9), validation=None)


def values_of(columns):
    """A few looks at so many members, whatever they were."""
    return st.integers(1, 6).flatmap(lambda looks: arrays(np.float64, (looks, columns), elements=anything))


def test_what_is_drawn_of_few_members_is_the_record():
    run = encoder(seeds=[5, 6])
    figure = objective_curves(run)
    names = ["seed 5, training", "seed 6, training", "seed 5, validation", "seed 6, validation"]
    assert legend(figure) == names
    for line, name in zip(figure.axes[0].lines, names, strict=True):
        series = run.history.series("validation objective" if "validation" in name else "objective")
        assert drawn(line) == (run.history.steps, series[:, ["5" in name, "6" in name].index(True)].tolist())


def test_what_is_drawn_of_many_members_is_the_median_and_the_band_of_the_record():
    figure = accuracy_curves(MANY)
    values = MANY.history.series("accuracy")
    (line,), (band,) = figure.axes[0].lines, figure.axes[0].collections
    assert drawn(line) == (MANY.history.steps, np.median(values, 1).tolist())
    looks = zip(MANY.history.steps, values, strict=True)
    edges = [(step, np.percentile(row, share)) for step, row in looks for share in (10, 90)]
    assert {tuple(corner) for corner in band.get_paths()[0].vertices.tolist()} == set(edges)
    assert "9 members" in caption(figure)


def test_a_single_look_at_many_members_is_a_dot_and_a_bar():
    values = np.linspace(1, 2, 9)[None]
    axes = objective_curves(made_up(MANY, values)).axes[0]
    (line,), (bar,) = axes.lines, axes.collections
    assert drawn(line) == ([0], [1.5]) and line.get_marker() == "o"
    (segment,) = bar.get_segments()
    np.testing.assert_allclose(segment, [(0, 1.1), (0, 1.9)])


def test_members_that_ended_before_have_shorter_lines_that_reach_their_very_end():
    run = encoder(seeds=range(3), max_steps=2000, validation=None, train_by={"threshold": 0.1, "history_every": 37})
    assert len(set(run.steps.tolist())) > 1
    for member, line in enumerate(objective_curves(run).axes[0].lines):
        x, y = drawn(line)
        assert (x[-1], y[-1]) == (run.steps[member], run.objective[member])
        looked = np.isfinite(run.history.objective[:, member])
        assert y[:-1] == run.history.objective[looked, member].tolist()


def test_with_patience_a_line_ends_at_the_last_look_since_the_best_weights_are_from_before_it():
    rules = {"patience": 1000, "threshold": 0.1, "history_every": 37}
    run = encoder(max_steps=2000, train_by=rules)
    assert run.reasons == ("threshold",)
    assert run.history.steps[-1] < run.steps[0]
    assert drawn(objective_curves(run).axes[0].lines[0]) == (run.history.steps, run.history.objective[:, 0].tolist())


def test_the_caption_of_a_band_says_how_many_still_train():
    run = encoder(seeds=range(12), max_steps=3000, validation=None, train_by={"threshold": 0.1, "history_every": 20})
    told, steps = caption(objective_curves(run)), run.history.steps
    for place in (0, len(steps) // 2, len(steps) - 1):
        still = int((run.steps >= steps[place]).sum())
        assert f"{still} at {steps[place]:,}" in told
    assert still < 12


def test_a_member_that_diverges_is_reported():
    problem = create_problem(Network([1, 1]), [[1.0], [9.0]], [1.0, 2.0], learning_rate=[0.01, 1e200])
    run = train(problem, max_steps=50)
    assert [one.member for one in run.diverged] == [1]
    assert legend(objective_curves(run)) == ["learning rate 0.01", "learning rate 1e+200 (diverged)"]
    problem = create_problem(Network([1, 1]), [[1.0], [9.0]], [1.0, 2.0], learning_rate=[0.01] * 8 + [1e200])
    assert "1 diverged" in caption(objective_curves(train(problem, max_steps=50)))


def test_a_single_member_needs_no_legend_but_validation_does():
    assert legend(objective_curves(encoder(validation=None))) == []
    assert legend(objective_curves(encoder())) == ["training", "validation"]


@pytest.mark.parametrize(
    ("values", "scale"), [([1.0, 0.02], "linear"), ([1.0, 0.002], "log"), ([1.0, 0.0], "linear"), ([3.0], "linear")]
)
def test_the_scale_is_logarithmic_over_more_than_two_decades(values, scale):
    run = made_up(encoder(validation=None), np.array(values)[:, None])
    assert objective_curves(run).axes[0].get_yscale() == scale


def test_what_diverges_leaves_the_picture_and_the_caption_says_so():
    run = made_up(FEW, np.array([[1.0, 2.0, 3.0], [0.5, 1e20, 3.0], [0.1, 1e30, 3.0]]))
    figure = objective_curves(run)
    low, high = figure.axes[0].get_ylim()
    assert 0.01 < low < 0.1
    assert high == 3000
    assert "above 3e+03" in caption(figure)
    assert max(drawn(figure.axes[0].lines[1])[1]) == 1e30


@pytest.mark.slow
@pytest.mark.parametrize(
    "values", [[1.0, 5e5, 1e6, 2e6], [1.0, 0.5, 0.4, 1e20], [1e300, 1e200, 1e-300], [1.0] + 9 * [1e6]]
)
def test_what_is_mostly_large_or_ends_so_stays_in_the_picture(values):
    figure = loss_by_epoch(values)
    assert_readable(figure)
    low, high = figure.axes[0].get_ylim()
    assert low <= min(values) < max(values) <= high and "outside" not in caption(figure)
    assert sum(low <= mark <= high for mark in figure.axes[0].get_yticks()) > 1


def test_the_caption_says_what_the_objective_is():
    told = caption(objective_curves(encoder(reduction="mean_elements", penalty="l2", strength=0.1)))
    assert told == (
        "Network 8-3-8 (sigmoid, sigmoid), 59 parameters. "
        "Objective: binary cross entropy, mean over elements, plus a penalty (l2)."
    )


def test_a_metric_that_the_history_lacks_is_one_sentence():
    with pytest.raises(BadInput, match="the history holds no 'r_squared' but objective, accuracy, .*; train with that"):
        accuracy_curves(FEW, "r_squared")


@pytest.mark.slow
@settings(max_examples=examples(15))
@given(values=values_of(3))
@example(values=np.array([[1e-30, 1e30, 0.0], [np.nan, np.inf, -np.inf]]))
@example(values=np.full((2, 3), np.nan))
@example(values=np.array([[1.0] * 3, [2.0] * 3, [np.inf] * 3, [3.0] * 3, [4.0] * 3]))
def test_curves_of_few_members_are_readable_and_true_whatever_the_values(values):
    run = made_up(FEW, values)
    figure = objective_curves(run)
    assert_readable(figure)
    for line, column in zip(figure.axes[0].lines[:3], values.T, strict=True):
        x, y = (np.array(one)[np.isfinite(drawn(line)[1])].tolist() for one in drawn(line))
        there = np.isfinite(column)
        ended = [7 * len(values)] if there[-1] else []
        assert x == np.arange(0, 7 * len(values), 7)[there].tolist() + ended
        assert y[: there.sum()] == column[there].tolist()


@pytest.mark.slow
@settings(max_examples=examples(10))
@given(values=values_of(9))
@example(values=np.array([[0.0] * 8 + [np.nan]]))
@example(values=np.full((1, 9), np.nan))
def test_bands_are_readable_and_true_whatever_the_values(values):
    figure = objective_curves(made_up(MANY, values))
    assert_readable(figure)
    drawn_of = dict(zip(*drawn(figure.axes[0].lines[0]), strict=True))
    for step, row in zip(range(0, 7 * len(values), 7), values, strict=True):
        if np.isfinite(row).any() and step in drawn_of:
            assert drawn_of[step] == np.median(row[np.isfinite(row)])


@pytest.mark.slow
@settings(max_examples=examples(10))
@given(names=st.lists(st.text(st.characters(max_codepoint=0x17F, exclude_categories=["C"]), max_size=120), max_size=40))
@example(names=["$x", "$y$", "_hidden", "W" * 200, "a\nb", ""])
def test_object_curves_are_readable_and_true_whatever_the_names(names):
    probabilities = np.linspace(0.1, 0.9, 5 * len(names)).reshape(5, -1)
    figure = object_curves(range(5), probabilities, names)
    assert_readable(figure)
    if 0 < len(names) <= 16:
        assert [drawn(line) for line in figure.axes[0].lines[: len(names)]] == [
            (list(range(5)), column.tolist()) for column in probabilities.T
        ]
        assert len(legend(figure)) == sum(bool(name) for name in names)


def test_outputs_that_are_no_probabilities_are_called_otherwise_and_all_shown():
    figure = object_curves([0, 1], [[-0.4, 0.2], [1.2, 0.9]], ["a", "b"], quantity="value of the correct output")
    assert_readable(figure)
    low, high = figure.axes[0].get_ylim()
    assert low < -0.4 and high > 1.2 and figure.axes[0].get_ylabel() == "value of the correct output"
    assert "robability" not in alt_text(figure)


def test_where_values_are_missing_there_is_a_gap_and_a_value_alone_is_a_dot():
    values = [np.nan, 0.1, 0.2, np.nan, np.inf, 0.5, np.nan, 0.6, 0.7, np.nan]
    (line, _) = object_curves(range(10), np.array(values)[:, None], ["a"]).axes[0].lines
    x, y = drawn(line)
    assert x == [1, 2, 3, 5, 6, 7, 8]
    np.testing.assert_equal(y, [0.1, 0.2, np.nan, 0.5, np.nan, 0.6, 0.7])
    assert line.get_markevery() == [3, -1]
    made = embed_figure(object_curves(range(10), np.array(values)[:, None], ["a"]), "one")
    assert "nan" not in str(made.table) + str(made.hover) + made.alt


@pytest.mark.slow
@given(st.integers(2, 9), st.integers(1, 9))
def test_rare_looks_are_joined(apart, looks):
    """What is looked at only now and then has no two values beside one another."""
    values = np.full((apart * looks, 1), np.nan)
    values[::apart] = 0.5
    line = object_curves(range(len(values)), values, ["a"]).axes[0].lines[0]
    assert drawn(line) == (list(range(0, len(values), apart)), [0.5] * looks)


@pytest.mark.slow
@given(arrays(np.float64, st.integers(0, 300), elements=st.sampled_from([0.5, np.nan, np.inf])))
@example(np.tile([0.5, 0.5, np.nan], 50))
@example(np.tile([0.5, 0.5, np.nan], 51))
@example(np.concatenate([np.tile([0.5, 0.5, np.nan], 51), np.full(99, np.nan), np.ones(9)]))
def test_a_line_has_all_values_and_the_gaps_that_can_be_seen(values):
    """Those that are too narrow and too many would make a file several times as large."""
    line = comparison_curves({"a": (range(len(values)), values)}, parameter="rate").axes[0].lines[0]
    x, y = (np.array(one) for one in drawn(line))
    there = np.flatnonzero(np.isfinite(values))
    assert x[np.isfinite(y)].tolist() == there.tolist()
    parts = np.split(there, np.flatnonzero(np.diff(there) > 1) + 1)
    alone = [part[0] for part in parts if len(part) == 1]
    are_many, are_rare = len(parts) > 50, 2 * len(alone) > len(there)
    widths = [after[0] - before[-1] for before, after in itertools.pairwise(parts)]
    seen = [] if are_rare else [width for width in widths if width > (len(values) / 50 if are_many else 1)]
    assert np.isnan(y).sum() == len(seen)
    assert all(np.isfinite(y[place - 1]) and np.isfinite(y[place + 1]) for place in np.flatnonzero(np.isnan(y)))
    dots = [] if are_many or are_rare else alone
    assert len(there) == 0 or x[line.get_markevery()].tolist() == [*dots, there[-1]]


@pytest.mark.parametrize("shape", [(50, 30), (30,), (29, 50), ()])
def test_values_that_are_no_row_for_each_step_are_one_sentence(shape):
    told = re.escape(f"the values have the shape {shape} for 30 steps and 50 objects; give the shape (30, 50), a value")
    with pytest.raises(BadInput, match=told):
        object_curves(range(30), np.full(shape, 0.5), ["a"] * 50)


@pytest.mark.parametrize("shape", [(3,), (6,), (), (3, 2), (6, 2), (5, 2, 2)])
def test_series_that_are_no_value_for_each_step_are_one_sentence(shape):
    for draw in (
        lambda: comparison_curves({"a": ([0, 1, 2, 7, 8], np.ones(shape))}, parameter="rate"),
        lambda: norm_curves([0, 1, 2, 7, 8], {"a": np.ones(shape)}, quantity="length"),
        lambda: time_curves("batch", [1, 2, 4, 8, 16], {"a": np.ones(shape)}, note=""),
    ):
        with pytest.raises(BadInput, match=r"^the values( of 'a')? have the shape \(.*\) for 5 x values"):
            draw()


def test_names_stand_in_the_legend_as_they_are():
    names = ["$5 to $9", "_x", "10000000"]
    figure = object_curves([0, 1], np.full((2, 3), 0.5), names)
    with style.style_context():
        figure.draw_without_rendering()
    shown = [text._preprocess_math(text.get_text()) for text in figure.legends[0].get_texts()]
    assert [(text.strip(), is_formula) for text, is_formula in shown] == [(name, False) for name in names]


@pytest.mark.sampled(4)
@pytest.mark.parametrize("kind", ["exponential", "linear"])
@pytest.mark.parametrize("members", [1, 3, 9])
def test_a_range_test_is_drawn_as_it_was_seen_with_the_suggestion_marked(kind, members):
    problem = create_problem(Network([8, 8], output="softmax"), EYE, EYE, loss="cross_entropy", seeds=range(members))
    tested = range_test(problem, steps=40, kind=kind, highest=100.0, accuracy=True)
    figure = range_test_curves(tested)
    assert_readable(figure)
    assert figure.axes[-1].get_xscale() == ("log" if kind == "exponential" else "linear")
    suggested = np.median(tested.suggested)
    assert any(text.startswith(f"suggested: {suggested:.3g}") for text in legend(figure))
    for axes, values in zip(figure.axes, (tested.objective, tested.accuracy), strict=True):
        *curves, mark = axes.lines
        assert mark.get_xdata() == [suggested, suggested]
        expected = values.T if members <= 8 else [np.median(values, 1)]
        assert [drawn(line) for line in curves] == [(tested.rates.tolist(), column.tolist()) for column in expected]


def test_rates_of_any_size_are_drawn_on_the_scale_that_they_were_chosen_on():
    for rates, scale in ((np.logspace(-12, -9, 9), "log"), (np.linspace(1e-12, 1e-9, 9), "linear")):
        tested = RangeTest(rates, np.linspace(2, 1, 9)[:, None], None, np.array([1e-10]))
        assert range_test_curves(tested).axes[0].get_xscale() == scale


def test_the_fall_of_a_range_test_is_seen_beside_its_breaking_away():
    rates, objective = np.logspace(-4, 1, 6), np.array([[2.3], [2.3], [2.0], [9.0], [1e6], [np.nan]])
    figure = range_test_curves(RangeTest(rates, objective, None, np.array([1e-3])))
    low, high = figure.axes[0].get_ylim()
    assert 1.9 < low < 2.0 and high == pytest.approx(2.9) and figure.axes[0].get_yscale() == "linear"
    assert "Values above 2.9 are outside the picture." in caption(figure)


def test_a_range_test_without_a_suggestion_says_so():
    rates = np.logspace(-3, 0, 5)
    figure = range_test_curves(RangeTest(rates, np.ones((5, 1)), None, np.array([np.nan])))
    assert_readable(figure)
    assert "No rate is suggested" in caption(figure)
    assert len(figure.axes[0].lines) == 1


@pytest.mark.slow
@settings(max_examples=examples(10))
@given(
    st.dictionaries(
        st.text(st.characters(min_codepoint=33, max_codepoint=126), min_size=1, max_size=60),
        arrays(np.float64, (2, 4), elements=anything),
        min_size=1,
        max_size=20,
    )
)
def test_comparisons_are_readable_and_true(series):
    figure = comparison_curves(
        {name: ([0, 10], values if place % 2 else values[:, 0]) for place, (name, values) in enumerate(series.items())},
        parameter="learning rate of all layers but the last, and of their biases",
    )
    assert_readable(figure)
    assert len(legend(figure)) == len(figure.axes[0].lines) == len(series)
    for place, (line, values) in enumerate(zip(figure.axes[0].lines, series.values(), strict=True)):
        rows = values if place % 2 else values[:, :1]
        there = np.isfinite(rows).any(1)
        expected = [np.median(row[np.isfinite(row)]) for row in rows[there]]
        assert drawn(line) == (np.array([0, 10])[there].tolist(), expected)


def test_comparing_nothing_is_one_sentence():
    with pytest.raises(BadInput, match="there are no series to compare by learning rate; give at least one"):
        comparison_curves({}, parameter="learning rate")


def test_saved_files_are_the_same_bytes_for_the_same_record_hold_text_and_no_date(tmp_path):
    first, again = ([path.read_bytes() for path in save(objective_curves(FEW), tmp_path / f"one.{n}")] for n in (1, 2))
    assert first == again
    assert sorted(path.name for path in tmp_path.iterdir()) == ["one.1.png", "one.1.svg", "one.2.png", "one.2.svg"]
    written = [node.text for node in xml.etree.ElementTree.fromstring(first[0]).iter() if node.text]
    assert {"Objective", "updates", "objective", "seed 0, training"} <= set(written)
    assert b"dc:date" not in first[0]


@pytest.mark.filterwarnings("ignore:Data has no positive values")
@pytest.mark.parametrize(
    "figure",
    [
        lambda: time_curves("batch", [1], {"a": [None]}, note="x"),
        lambda: true_and_predicted_numbers([1e307, -1e308], [1.2e308, -1.5e308], target="t"),
    ],
)
def test_what_matplotlib_cannot_draw_is_one_sentence_and_writes_nothing(figure, tmp_path):
    with pytest.raises(BadInput, match="the figure cannot be drawn; Matplotlib says: .*; give it at least one"):
        save(figure(), tmp_path / "one")
    assert not list(tmp_path.iterdir())


def test_a_saved_picture_is_not_empty_and_has_the_size_of_a_page(tmp_path):
    from PIL import Image

    _, png = save(objective_curves(FEW), tmp_path / "curves")
    with Image.open(png) as image:
        width, height = image.size
        colors = {color for _, color in image.convert("RGB").getcolors(width * height)}
    assert width > 1000 < 2 * height
    line = tuple(int(style.BLUE[place : place + 2], 16) for place in (1, 3, 5))
    assert {(255, 255, 255), line} <= colors


def test_a_place_that_cannot_be_written_gets_nothing(tmp_path):
    with pytest.raises(BadInput, match="cannot be written"):
        save(objective_curves(FEW), tmp_path / "missing" / "curves")
    assert list(tmp_path.iterdir()) == []


def test_figures_need_no_display_and_leave_matplotlib_as_it_was(tmp_path):
    code = (
        "import sys, matplotlib; before = matplotlib.rcParams.copy()\n"
        "from deltarule.reports.figures import object_curves, save\n"
        f"save(object_curves([0, 1], [[0.1], [0.9]], ['cat']), {str(tmp_path / 'objects')!r})\n"
        "assert matplotlib.rcParams.copy() == before\n"
        "print('matplotlib.pyplot' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, encoding="utf-8", check=True)
    assert (done.stdout.split(), done.stderr) == (["False"], "")
