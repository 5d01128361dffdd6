import numpy as np
import pytest
from refusals import refuses

from deltarule.reports.chart import Chart, median_band, objective_axis
from deltarule.reports.marks import Axis, Line, Panel


def test_median_and_band_leave_out_rows_without_values():
    values = np.array([[1.0, 2, 3, 4, 5], [np.nan] * 5, [np.inf, 1, 1, 1, np.nan]])
    band, line = median_band([0, 1, 2], values, "all", index=3)
    assert (line.x.tolist(), line.y.tolist(), line.index, line.name) == ([0, 2], [3, 1], 3, "all")
    np.testing.assert_allclose([band.low, band.high], [[1.4, 1], [4.6, 1]])


@pytest.mark.parametrize(
    ("values", "scale"), [([1.0, 0.1], "linear"), ([1.0, 0.02], "log"), ([1.0, 0.0], "linear"), ([3.0], "linear")]
)
def test_objective_is_logarithmic_where_it_crosses_a_decade(values, scale):
    axis, notes = objective_axis("objective", [Line(range(len(values)), values)])
    assert (axis.scale, notes) == (scale, [])


@pytest.mark.parametrize("values", [[1.0, 5e5, 1e6, 2e6], [1.0, *9 * [1e6]]])
def test_values_that_are_mostly_large_stay_in_the_picture(values):
    axis, notes = objective_axis("loss", [Line(range(len(values)), values)])
    assert axis.limits is None and notes == []


def test_table_has_a_row_for_at_most_101_x_values():
    lines = [Line(range(200), np.arange(200) / 8, "a"), Line([0, 199], [1.0, np.nan], "b")]
    table = Chart("A title", [Panel(lines, Axis("updates"), Axis("loss"))]).table()
    assert [column.name for column in table.columns] == ["updates", "a", "b"] and len(table.cells) == 101
    assert table.cells[0] == ["0", "0", "1"] and table.cells[-1] == ["199", "24.88", ""]


def test_description_names_eight_curves_and_counts_the_others():
    lines = [Line([0, 1], [0, number], f"s{number}") for number in range(11)]
    guide = Line([0, 1], [0, 0], "zero", is_data=False)
    text = Chart("Who wins?", [Panel([*lines, guide], Axis("x"), Axis("y"))]).description
    assert text.startswith("Who wins? Y against x: s0 from 0 at 0 to 0 at 1; s1") and text.endswith("; and 3 more.")


def test_control_characters_of_names_are_visible_in_the_description():
    chart = Chart("\x1b[31mred", [Panel([Line([0], [1], "\x00")])])
    assert "\x1b" not in chart.description and "\x00" not in chart.description


def test_only_one_panel_can_be_drawn_into_given_axes():
    from matplotlib.figure import Figure

    axes = Figure().subplots()
    panel = Panel([Line([0, 1], [1, 2], "a")], Axis("updates", "updates"), Axis("loss"))
    Chart("One", [panel]).draw(axes)
    assert axes.get_ylabel() == "loss" and axes.lines[0].get_ydata().tolist() == [1, 2]
    assert [text.get_text() for text in axes.get_legend().get_texts()] == ["a"]
    with refuses(2, "`figure()`"):
        Chart("Two", [panel, panel]).draw(axes)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "first_bytes"), [("a.pdf", [b"%PDF"]), ("a.PNG", [b"\x89PNG"]), ("rate 0.1", [b"<?xm", b"\x89PNG"])]
)
def test_extension_of_the_file_is_its_format(name, first_bytes, tmp_path):
    files = Chart("A title", [Panel([Line([0, 1], [1, 2])])]).save(tmp_path / name)
    assert [file.read_bytes()[:4] for file in files] == first_bytes
    assert set(files) == set(tmp_path.iterdir()) and all(file.name.startswith(name) for file in files)
    again = Chart("A title", [Panel([Line([0, 1], [1, 2])])]).save(tmp_path / f"again {name}")
    assert [file.read_bytes() for file in files] == [file.read_bytes() for file in again]
