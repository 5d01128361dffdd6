import itertools
import subprocess
import sys
import warnings
import xml.etree.ElementTree

import numpy as np
import pytest
from figure_reading import assert_readable
from hypothesis import example, given, settings
from hypothesis import strategies as st
from lanes import examples
from refusals import refuses

from deltarule.reports import style
from deltarule.reports.chart import Chart
from deltarule.reports.comparison_figures import shares_with_needed, spreads
from deltarule.reports.figures import object_curves
from deltarule.reports.heat_maps import activation_cells, weight_cells
from deltarule.reports.marks import Axis, Cells, Line, Panel
from deltarule.reports.model_figures import confusion_matrix, true_and_predicted
from deltarule.reports.network_figures import network_drawing, weight_images
from deltarule.reports.svg_embed import figure_html
from deltarule.reports.sweep_figures import effects_matrix, ranking_with_intervals
from deltarule.stats.effects import effects
from deltarule.stats.planes import decision_plane
from deltarule.stats.ranking import ranking

ODD = ["$x", "$y$", "_hidden", "W" * 200, "a\nb", "", "<b>", "\x1b[31mred\x1b[0m\x00"]
RANDOM = np.random.default_rng(0)
WEIGHTS = RANDOM.normal(size=(8, 3)), RANDOM.normal(size=(3, 8))
COUNTS = RANDOM.integers(0, 60_000, (8, 8))
POINTS, CLASSES = RANDOM.normal(size=(60, 2)), RANDOM.integers(0, 8, 60)
PLANE = decision_plane(lambda grid: np.cos(grid @ np.ones((2, 8)) + np.arange(8)), POINTS, points=21)


def one_panel(*marks, **options):
    return Chart("A title", [Panel(marks, Axis("updates", "updates"), Axis("loss"), **options)])


@pytest.mark.slow
@pytest.mark.parametrize("names", [ODD, [f"object {number}" for number in range(8)]])
def test_texts_never_overlap_whatever_the_names(names):
    for chart in (
        object_curves(range(5), np.linspace(0.1, 0.9, 40).reshape(5, 8), names),
        activation_cells(names, 1 / (1 + np.exp(-WEIGHTS[0])), np.eye(8), classes=names),
        weight_cells({"W1": WEIGHTS[0], "W2": WEIGHTS[1]}, {"W1": names}, {"W2": names}),
        network_drawing(WEIGHTS, names, names),
        weight_images(RANDOM.normal(size=(64, 9)), RANDOM.normal(size=(64, 9)), (8, 8)),
        confusion_matrix(COUNTS, names),
        true_and_predicted(POINTS, CLASSES, CLASSES[::-1], plane=PLANE, features=names[:2], classes=names),
        shares_with_needed(names, np.ones(8), np.ones((8, 2)), np.ones(8), confidence=0.95),
        spreads({f"{number} {name}": [10.0, 20.0] for number, name in enumerate(names)}, option="o", quantity="epochs"),
    ):
        assert_readable(chart)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("sizes", "scale", "names"),
    [([8, 3, 2], 1.0, ODD), ([3, 3, 3, 3, 3, 2], 0.1, ["value"] * 8), ([4, 5], 1e5, ["W" * 30] * 8)],
)
def test_texts_of_sweeps_never_overlap(sizes, scale, names):
    values = [[f"{number} {name}" for number, name in zip(range(size), names, strict=False)] for size in sizes]
    grid = [{f"section.key_{at}": value for at, value in enumerate(one)} for one in itertools.product(*values)]
    scores = scale * RANDOM.normal(size=(len(grid), 3))
    assert_readable(effects_matrix(effects(grid, scores), quantity="accuracy on validation rows"), is_matrix=True)
    assert_readable(ranking_with_intervals(grid, ranking(scores), quantity="accuracy on validation rows"))


@pytest.mark.slow
@settings(max_examples=examples(10))
@given(st.lists(st.lists(st.floats(-(2.0**99), 2.0**99, width=32), min_size=3, max_size=3), min_size=1, max_size=12))
@example([[np.nan, np.inf, 0.0]])
def test_curves_are_readable_whatever_the_values(columns):
    assert_readable(one_panel(*(Line([0, 1, 2], one, f"s{place}", place) for place, one in enumerate(columns))))


def test_names_stand_in_the_legend_as_they_are():
    names = ["$5 to $9", "_x", "10000000"]
    figure = object_curves([0, 1], np.full((2, 3), 0.5), names).figure()
    figure.draw_without_rendering()
    shown = [text._preprocess_math(text.get_text()) for text in figure.legends[0].get_texts()]
    assert [(text.strip(), is_formula) for text, is_formula in shown] == [(name, False) for name in names]


def test_missing_values_are_gaps_unless_most_are_missing():
    values = [0.1, 0.2, np.nan, 0.5, np.inf, 0.6, 0.7]
    [line] = one_panel(Line(range(7), values)).figure().axes[0].lines
    np.testing.assert_equal(line.get_ydata(), [0.1, 0.2, np.nan, 0.5, np.nan, 0.6, 0.7])
    [line] = one_panel(Line(range(5), [1, np.nan, np.nan, 3, np.nan])).figure().axes[0].lines
    assert (line.get_xdata().tolist(), line.get_ydata().tolist()) == ([0, 3], [1, 3])


@pytest.mark.parametrize("last", [0, 1, 7])
def test_updates_are_whole_numbers_and_each_stands_once(last):
    figure = object_curves([0, last] if last else [0], np.full((2 if last else 1, 1), 0.5), ["a"]).figure()
    figure.canvas.draw()
    axes = figure.axes[0]
    low, high = axes.get_xlim()
    labels = zip(axes.get_xticks(), axes.get_xticklabels(), strict=True)
    shown = [text.get_text() for at, text in labels if low <= at <= high]
    assert "0" in shown and len(set(shown)) == len(shown)


@pytest.mark.parametrize("values", [[1.9405985, 1.940598502, 1.9405985001], [2e4, 5e5], [0.0, 9e6]])
def test_numbers_along_an_axis_have_no_common_factor(values):
    figure = one_panel(Line(range(len(values)), values)).figure()
    figure.draw_without_rendering()
    axis = figure.axes[0].yaxis
    assert not axis.get_offset_text().get_text()
    for text, at in zip(axis.get_ticklabels(), axis.get_ticklocs(), strict=True):
        assert float(text.get_text().replace("\N{MINUS SIGN}", "-")) == pytest.approx(at)


def test_negative_cells_are_blue_positive_orange_and_missing_gray():
    from matplotlib.colors import to_hex

    values = np.array([[-2.0, 2.0, 0.0, np.nan]])
    axes = one_panel(Cells(values, [["a", "b", "c", "d"]], (-2, 2), values > 0)).figure().axes[0]
    colors = axes.images[0].to_rgba(np.ma.masked_invalid(values))[0]
    assert [to_hex(color) for color in colors] == [style.BLUE, style.ORANGE, "#ffffff", style.PALE]
    assert [text.get_weight() for text in axes.texts] == ["normal", "bold", "normal", "normal"]


def test_line_of_a_boundary_of_saturated_outputs_is_even():
    def outputs(x):
        return 1 / (1 + np.exp(-40 * (x[:, :1] + 0.3 * x[:, 1:] - 0.6)))

    x = np.random.default_rng(0).uniform(size=(20, 2))
    labels = (outputs(x)[:, -1] > 0.5).astype(int)
    chart = true_and_predicted(x, labels, labels, plane=decision_plane(outputs, x, points=21))
    [line] = [one for one in chart.figure().axes[1].collections if hasattr(one, "levels")]
    places = np.concatenate([path.vertices for path in line.get_paths()])
    np.testing.assert_allclose(places[:, 0] + 0.3 * places[:, 1], 0.6, atol=1e-3)


def test_saved_files_are_the_same_bytes_hold_text_and_no_date(tmp_path):
    chart = one_panel(Line([0, 1], [1, 2], "seed 0"), Line([0, 1], [1, 2], "seed 1"))
    first, again = ([path.read_bytes() for path in chart.save(tmp_path / f"one.{n}")] for n in (1, 2))
    assert first == again
    assert sorted(path.name for path in tmp_path.iterdir()) == ["one.1.png", "one.1.svg", "one.2.png", "one.2.svg"]
    written = [node.text for node in xml.etree.ElementTree.fromstring(first[0]).iter() if node.text]
    assert {"A title", "updates", "loss", "seed 0"} <= set(written)
    assert b"dc:date" not in first[0]


def test_folder_that_is_missing_is_refused(tmp_path):
    with refuses(tmp_path / "missing"):
        one_panel(Line([0], [1])).save(tmp_path / "missing" / "curves")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.slow
def test_letters_that_the_font_lacks_are_drawn_without_a_warning(tmp_path):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        chart = object_curves([0, 1], [[0.1, 0.3], [0.9, 0.3]], ["日本語クラス", "b"])
        chart.save(tmp_path / "figure")
        assert "日本語" in figure_html(chart)


@pytest.mark.slow
def test_drawing_needs_no_display_and_leaves_matplotlib_as_it_was(tmp_path):
    code = (
        "import sys, matplotlib; before = matplotlib.rcParams.copy()\n"
        "from deltarule.reports.figures import object_curves\n"
        f"object_curves([0, 1], [[0.1], [0.9]], ['cat']).save({str(tmp_path / 'objects')!r})\n"
        "assert matplotlib.rcParams.copy() == before\n"
        "print('matplotlib.pyplot' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, encoding="utf-8", check=True)
    assert (done.stdout.split(), done.stderr) == (["False"], "")
