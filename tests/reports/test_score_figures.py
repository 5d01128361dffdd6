import numpy as np
import pytest
from figure_reading import assert_readable, caption, drawn, legend
from hypothesis import example, given, settings
from hypothesis import strategies as st
from lanes import examples

from deltarule.errors import BadInput
from deltarule.reports.comparison_figures import (
    scores_above,
    shares_with_needed,
    spreads,
    success_rates,
    top_and_bottom,
)
from deltarule.reports.figure_description import alt_text
from deltarule.reports.score_figures import confusion_matrix, norm_curves, true_and_predicted
from deltarule.reports.svg_embed import embed_figure
from deltarule.stats.intervals import share_interval
from deltarule.stats.planes import decision_plane

names = st.text(st.characters(max_codepoint=0x17F), max_size=40)
ODD = ["$x", "$y$", "_hidden", "W" * 200, "a\nb", "", "<b>", "\x1b[31mred\x1b[0m\x00"]


@pytest.mark.slow
@settings(max_examples=examples(10))
@given(st.integers(1, 8), st.integers(1, 60), st.lists(names, min_size=8, max_size=8))
@example(8, 60, ODD)
@example(1, 1, [" "] * 8)
def test_true_stands_beside_predicted(classes, rows, given_names):
    random = np.random.default_rng(rows)
    x, labels, predicted = random.normal(size=(rows, 2)), *random.integers(0, classes, (2, rows))
    plane = decision_plane(lambda grid: np.cos(grid @ np.ones((2, classes)) + np.arange(classes)), x, points=21)
    figure = true_and_predicted(x, labels, predicted, plane=plane, features=given_names[:2], classes=given_names)
    assert_readable(figure)
    for axes, answers in zip(figure.axes, (labels, predicted), strict=True):
        points = [one for one in axes.collections if one.get_zorder() == 3]
        for label, one in enumerate(points):
            assert np.array_equal(one.get_offsets(), x[answers == label])
    [wrong] = [one for one in figure.axes[1].collections if one.get_zorder() == 4] or [None]
    assert (wrong is None) == bool((labels == predicted).all())
    if wrong is not None:
        assert np.array_equal(wrong.get_offsets(), x[labels != predicted])


@pytest.mark.parametrize("outputs", [1, 2])
def test_the_line_of_the_boundary_of_saturated_outputs_is_even(outputs):
    """Halfway between points of nearly 0 and 1 it was a stair."""

    def answers(x):
        p = 1 / (1 + np.exp(-40 * (x[:, :1] + 0.3 * x[:, 1:] - 0.6)))
        return p.astype(np.float32) if outputs == 1 else np.hstack([1 - p, p])

    x = np.random.default_rng(0).uniform(size=(20, 2))
    labels = (answers(x)[:, -1] > 0.5).astype(int)
    figure = true_and_predicted(x, labels, labels, plane=decision_plane(answers, x, points=21))
    lines = [one for one in figure.axes[1].collections if hasattr(one, "levels")]
    assert len(lines) == outputs
    for line in lines:
        places = np.concatenate([path.vertices for path in line.get_paths()])
        np.testing.assert_allclose(places[:, 0] + 0.3 * places[:, 1], 0.6, atol=1e-3)


def test_the_line_of_the_boundary_is_where_the_output_is_one_half():
    x = np.random.default_rng(0).uniform(size=(20, 3))
    plane = decision_plane(lambda rows: 1 / (1 + np.exp(-8 * (rows[:, :1] - rows[:, 2:]))), x, features=(0, 2))
    figure = true_and_predicted(x[:, [0, 2]], np.zeros(20, int), np.zeros(20, int), plane=plane)
    lines = [one for one in figure.axes[1].collections if hasattr(one, "levels")]
    corners = np.concatenate([path.vertices for one in lines for path in one.get_paths()])
    np.testing.assert_allclose(corners[:, 0], corners[:, 1], atol=1e-3)


@pytest.mark.slow
@settings(max_examples=examples(10))
@given(st.integers(1, 16), st.integers(0, 99_999), st.lists(names, min_size=16, max_size=16))
@example(8, 60_000, ODD * 2)
@example(12, 999_999_999, ODD * 2)
def test_a_confusion_matrix_is_its_counts(classes, most, given_names):
    counts = np.random.default_rng(most).integers(0, most + 1, (classes, classes))
    figure = confusion_matrix(counts, given_names[:classes])
    assert_readable(figure)
    assert np.array_equal(figure.axes[0].images[0].get_array(), counts)
    assert [text.get_text() for text in figure.axes[0].texts] == [f"{count:,}" for count in counts.ravel()]
    assert f"{np.trace(counts):,} of {counts.sum():,} rows are in the class" in alt_text(figure)


@pytest.mark.parametrize("dtype", [np.int64, np.uint8, np.uint64])
def test_what_is_confused_is_reported_in_rows(dtype):
    told = alt_text(confusion_matrix(np.array([[5, 1], [2, 4]], dtype), ["8", "1"]))
    assert told.endswith(" 2 rows of class 1 taken for class 8. 1 row of class 8 taken for class 1.")


@pytest.mark.slow
@settings(max_examples=examples(10))
@given(
    st.dictionaries(
        names,
        st.lists(st.floats(1, 1e6) | st.just(float("nan")), min_size=1, max_size=20),
        min_size=1,
        max_size=10,
    )
)
@example({"none": [np.nan] * 5, "momentum": [3.0] * 5})
@example({name: [10.0, 20.0] for name in ODD})
@example({f"{place} {'WWWWWWW ' * 3}": [10.0, 20.0] for place in range(10)})
def test_spreads_are_every_seed_and_their_median(series):
    figure = spreads(series, option="optimizer", quantity="epochs to converge", limit=1000)
    assert_readable(figure)
    dots = [line for line in figure.axes[0].lines if line.get_marker() == "o"]
    bars = [line for line in figure.axes[0].lines if line.get_zorder() == 4]
    values = [np.array(one) for one in series.values()]
    assert [drawn(one)[1] for one in dots] == [one[np.isfinite(one)].tolist() for one in values]
    assert [drawn(one)[1][0] for one in bars] == [np.nanmedian(one) for one in values if np.isfinite(one).any()]
    missing = sum(np.isnan(one).sum() for one in values)
    assert (f"{missing} of" in caption(figure)) == bool(missing)


def test_success_rates_are_drawn_in_the_order_of_the_values():
    intervals = [[0.1, 0.3], [0.4, 0.6], [0.8, 1.0]]
    figure = success_rates([0.1, 1, 0.01], [0.2, 0.5, 0.9], intervals, parameter="learning rate")
    assert drawn(figure.axes[0].lines[0]) == ([0.01, 0.1, 1], [0.9, 0.2, 0.5])
    bars = figure.axes[0].collections[0].get_segments()
    assert [bar.tolist() for bar in bars] == [[[0.01, 0.8], [0.01, 1]], [[0.1, 0.1], [0.1, 0.3]], [[1, 0.4], [1, 0.6]]]
    assert "At 0.01: 90 % (80 % to 100 %). At 0.1: 20 %" in alt_text(figure)


def test_a_long_title_is_whole_beside_a_legend():
    success = "in which all eight patterns have been learned without any mistake within 200 updates"
    parameter = "the learning rate of the first layer and of all of its biases, in thousandths of a unit"
    figure = success_rates([0.1, 1], [0.2, 0.9], [[0.1, 0.3], [0.8, 1]], parameter=parameter, success=success)
    title = figure.axes[0].get_title(loc="left").replace("\n", " ")
    assert title == f"Share of seeds {success} by {parameter}"
    assert_readable(figure)


@pytest.mark.slow
@settings(max_examples=examples(10))
@given(st.lists(st.integers(0, 100), min_size=1, max_size=12), st.sampled_from([1, 10]))
def test_success_rates_are_shares_with_their_intervals(counts, base):
    values = [0.01 * (base + 1) ** place for place in range(len(counts))]
    intervals = [share_interval(count, 100) for count in counts]
    figure = success_rates(values, [count / 100 for count in counts], intervals, parameter="learning rate")
    assert_readable(figure)
    assert drawn(figure.axes[0].lines[0]) == (values, [count / 100 for count in counts])
    bars = [segment[:, 1].tolist() for segment in figure.axes[0].collections[0].get_segments()]
    assert bars == [list(interval) for interval in intervals]
    assert legend(figure) == ["share of seeds", "interval"]


@settings(max_examples=examples(10))
@given(st.lists(names, min_size=1, max_size=32))
def test_shares_of_claims_stand_beside_what_they_need(given_names):
    count = len(given_names)
    shares = np.linspace(0, 1, count)
    intervals = np.clip(np.stack([shares - 0.1, shares + 0.1], 1), 0, 1)
    figure = shares_with_needed(given_names, shares, intervals, np.full(count, 0.9), confidence=0.875)
    assert_readable(figure)
    dots, marks = figure.axes[0].lines
    assert drawn(dots) == (shares.tolist(), list(range(count)))
    assert drawn(marks)[0] == [0.9] * count
    assert [one[:, 0].tolist() for one in figure.axes[0].collections[0].get_segments()] == intervals.tolist()
    assert legend(figure) == ["share of seeds", "its interval (87.5 %)", "share that it needs"]


@settings(max_examples=examples(10))
@given(st.lists(st.tuples(names, st.floats(0, 1)), min_size=1, max_size=40))
def test_only_what_passes_the_bar_is_drawn_best_first(scored):
    passing = sorted((score for _, score in scored if score > 0.8), reverse=True)
    given_names, scores = zip(*scored, strict=True)
    if not 0 < len(passing) <= 32:
        with pytest.raises(BadInput, match="give a bar that 1 to 32"):
            scores_above(given_names, scores, 0.8, quantity="test accuracy (share of rows)")
        return
    figure = scores_above(given_names, scores, 0.8, quantity="test accuracy (share of rows)")
    assert_readable(figure)
    assert drawn(figure.axes[0].lines[0])[0] == passing


@pytest.mark.slow
@settings(max_examples=examples(10))
@given(st.integers(1, 60), st.integers(1, 7), names)
@example(243, 7, "W" * 60)
def test_first_and_last_rows_are_those_of_the_ranking(rows, columns, name):
    ranking = [[f"{row}.{column}" for column in range(columns)] for row in range(rows)]
    figure = top_and_bottom([f"{name}{place}" for place in range(columns)], ranking, ranked_by="accuracy")
    assert_readable(figure)
    title = f"All {rows}, by accuracy" if rows <= 20 else f"First and last of {rows}, by accuracy"
    assert alt_text(figure).startswith(f"{title}. ")
    shown = list(range(rows)) if rows <= 20 else [*range(10), *range(rows - 10, rows)]
    texts = [text.get_text() for text in figure.axes[0].texts if text.get_text()]
    assert texts == [cell for row in shown for cell in ranking[row]]
    ranks = [text.get_text() for text in figure.axes[0].get_yticklabels()]
    assert [rank for rank in ranks if rank != "…"] == [str(row + 1) for row in shown]
    assert ("…" in ranks) == (rows > 20)


def test_norms_are_lines_of_one_member_and_bands_of_many():
    steps, random = [0, 10, 20], np.random.default_rng(0)
    norms = {"W1": random.uniform(size=3), "W2": random.uniform(size=(3, 9))}
    figure = norm_curves(steps, norms, quantity="length of the gradient")
    assert_readable(figure)
    assert [drawn(line) for line in figure.axes[0].lines] == [
        (steps, norms["W1"].tolist()),
        (steps, np.median(norms["W2"], 1).tolist()),
    ]
    assert "9 members" in caption(figure)


@pytest.mark.parametrize(
    ("call", "sentence"),
    [
        (lambda: true_and_predicted([[0, 0]], [8], [0]), "there are 9 classes; at most 8"),
        (lambda: true_and_predicted([[0, 0]], [0], []), "1 rows, 1 labels and 0 predictions; give one each"),
        (lambda: confusion_matrix([[1, 2]], ["a", "b"]), "the counts are 1 × 2 for 2 classes"),
        (lambda: spreads({}, option="momentum", quantity="epochs"), "0 options of momentum; give 1 to 10"),
        (lambda: success_rates([], [], [], parameter="momentum"), "no values of momentum to draw; give the share of"),
        (lambda: top_and_bottom(["a"], [["1", "2"]], ranked_by="a"), "do not have 1 cells each"),
        (lambda: norm_curves([], {}, quantity="length"), "no layers to draw"),
    ],
)
def test_what_cannot_be_drawn_is_one_sentence(call, sentence):
    with pytest.raises(BadInput, match=sentence):
        call()


def test_a_share_is_reported_as_the_table_of_claims_reports_it():
    """62.5 % is no 62 % below the figure."""
    told = alt_text(shares_with_needed(["mine-1"], [0.625], [[0.5, 0.7]], [0.9], confidence=0.875))
    assert "mine-1: 62.5 %, needs 90 %." in told
    told = alt_text(success_rates([1.0], [0.625], [[0.5, 0.7125]], parameter="learning rate"))
    assert "At 1: 62.5 % (50 % to 71.2 %)." in told


def test_the_words_say_how_many_that_pass_they_leave_out():
    figure = scores_above([f"s{place}" for place in range(12)], np.linspace(0.7, 1, 12), 0.77, quantity="accuracy")
    assert alt_text(figure).startswith("9 of 12 pass 0.77. s11: 1. ") and alt_text(figure).endswith(" 1 more.")


def test_of_norms_that_grow_nothing_leaves_the_picture():
    """Outputs that learn prices of 250,000 begin near 0, and are no sign of anything that diverges."""
    figure = norm_curves([0, 1, 2], {"a1": [0.5, 0.5, 0.5], "a2": [0.7, 90_000.0, 250_000.0]}, quantity="activation")
    assert figure.axes[0].get_ylim()[1] > 250_000 and "outside the picture" not in caption(figure)
    assert figure.axes[0].get_yscale() == "log"


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("size", [1e105, 1e200, 2.27e280, 1e295, 1.79e308])
@pytest.mark.parametrize("start", [0.19, 1e-20])
def test_norms_that_diverge_leave_what_was_before_in_sight(size, start):
    figure = norm_curves([0, 1, 2], {"a1": [start, 0.5, size], "a2": [0.2, 0.3, np.nan]}, quantity="activation")
    assert "<svg" in embed_figure(figure, "a").svg and figure.axes[0].get_yscale() == "log"
    assert figure.axes[0].get_ylim() == (start / 2, 1e12)
    assert "Values above 1e+12 are outside the picture." in caption(figure)


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("size", [1e200, 2.27e280, 1e295, 1e308])
@pytest.mark.parametrize("end", [0.0, 1e-300, 1.0, 1e150, 1e290])
def test_norms_of_all_sizes_can_be_drawn(size, end):
    for values in ([size, end], [end, size]):
        figure = norm_curves([0, 1], {"a1": values}, quantity="activation")
        assert "<svg" in embed_figure(figure, "a").svg
        low, high = figure.axes[0].get_ylim()
        assert low < high and low <= min(values) <= high


LONG = ["mean income of households", "mean income of persons", "mean income of households in towns", "age"]


def test_names_that_are_shortened_are_marked_and_still_differ():
    figures = [
        confusion_matrix(np.eye(4, dtype=int), LONG),
        shares_with_needed(
            [f"{name} and others" for name in LONG], np.ones(4), np.ones((4, 2)), np.ones(4), confidence=0.875
        ),
        scores_above(
            [f"{name} of all kinds and of others, too" for name in LONG], np.ones(4), 0.5, quantity="accuracy"
        ),
    ]
    for figure in figures:
        shown = [text.get_text() for text in figure.axes[0].get_yticklabels()]
        assert len(set(shown)) == 4 and all("…" in text for text in shown[:3]), shown
    table = top_and_bottom(LONG, [[f"{name} of all" for name in LONG]] * 2, ranked_by="age")
    heads = [text.get_text() for text in table.axes[0].get_xticklabels()]
    assert len(set(heads)) == 4 and "…" in heads[0] and "\n" not in "".join(heads)


def test_figures_of_predictions_say_which_rows_and_whose():
    of = "training rows", "the first network (seed 3)"
    for figure in (
        confusion_matrix([[5, 1], [0, 4]], ["cat", "dog"], rows=of[0], predictor=of[1]),
        true_and_predicted([[0.0, 0.0], [1.0, 1.0]], [0, 1], [0, 0], rows=of[0], predictor=of[1]),
    ):
        assert "training rows are " in alt_text(figure) and "by the first network (seed 3)." in alt_text(figure)
        assert "training rows" in caption(figure) and "the first network (seed 3)" in caption(figure)
