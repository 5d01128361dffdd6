import numpy as np
import pytest
from figure_reading import marks_of
from hypothesis import example, given
from hypothesis import strategies as st

from deltarule.errors import BadInput
from deltarule.reports.formatting import format_signed
from deltarule.reports.heat_maps import activation_cells, weight_cells
from deltarule.reports.marks import Cells


def cells(chart, panel=0):
    [mark] = marks_of(chart, Cells, panel)
    return mark


def test_activations_are_the_record_with_codes():
    hidden, outputs = np.array([[0.97, 0.02], [0.51, 0.5]]), np.array([[0.9, 0.1], [0.2, 0.8]])
    chart = activation_cells(["cat", "dog"], hidden, outputs)
    assert cells(chart).texts == [["0.97*", "0.02"], ["0.51*", "0.50"]] and cells(chart).color_limits == (0, 1)
    assert np.array_equal(cells(chart, 1).bold, outputs > 0.5)
    assert [panel.y.names for panel in chart.panels] == [["cat", "dog"], ["10", "10"]]
    table = chart.table()
    assert [column.name for column in table.columns] == ["input", "h1", "h2", "code", "o1", "o2"]
    assert table.cells[0] == ["cat", "0.97*", "0.02 ", "10", "0.90*", "0.10 "]
    codes = "cat has the code 10; dog has the code 10."
    note = "Bold, with a star, and a 1 in the code: above 0.5. The 2 inputs have 1 different code."
    assert chart.description == f"Activations of each input. {codes} {note}"


def test_codes_of_tanh_are_signs():
    chart = activation_cells(["a", "b"], [[-0.99, 0.1], [-0.1, 0.4]], [[0.2], [0.9]], activation="tanh")
    assert chart.panels[1].y.names == ["01", "01"]
    assert cells(chart).texts == [["-0.99", "0.10*"], ["-0.10", "0.40*"]]
    assert cells(chart).color_limits == (-1, 1)
    assert "hidden units above 0, outputs above 0.5" in chart.notes[0]


@pytest.mark.parametrize(
    ("activation", "hidden", "limits"),
    [
        ("relu", [[0.0, 3.0], [np.nan, np.inf]], (0, 3)),
        ("identity", [[-4.0, 3.0], [0.0, 1.0]], (-4, 4)),
        ({"name": "leaky_relu", "slope": 0.2}, [[0.0, 0.0], [0.0, 0.0]], (0, 1)),
    ],
)
def test_unbounded_activations_have_no_codes_and_a_scale_of_their_values(activation, hidden, limits):
    chart = activation_cells(["a", "b"], hidden, [[2.0], [0.4]], activation=activation)
    assert cells(chart).color_limits == limits and cells(chart, 1).color_limits == (0, 2)
    assert chart.panels[1].y.names == ["a", "b"] and cells(chart, 1).texts == [["2.00*"], ["0.40"]]
    assert not np.any(cells(chart).bold) and "code" not in chart.description
    assert ("Gray: not finite." in chart.all_notes) == (activation == "relu")


def test_activations_that_grew_without_end_have_short_texts():
    chart = activation_cells(["a"], [[3e250, -12.344, 999.99]], [[-np.inf, np.nan, -0.004]])
    assert cells(chart).texts == [["3e+250*", "-12.34", "999.99*"]]
    assert cells(chart, 1).texts == [["-inf", "nan", "0.00"]]


def test_weights_are_the_record_on_one_scale_of_signs():
    weights = np.array([[1.25, -0.3], [-4.0, 0.0], [np.nan, 1e12]])
    chart = weight_cells({"W1": weights, "b1": [0.5, -0.5]}, {"W1": ["x", "y", "z"]})
    assert cells(chart).texts == [["+1.2", "-0.30"], ["-4.0", "0.0"], ["nan", "+1e+12"]]
    assert cells(chart).color_limits == cells(chart, 1).color_limits == (-1e12, 1e12)
    assert chart.panels[0].y.names == ["x", "y", "z"] and chart.panels[1].x.names == ["1", "2"]
    assert chart.sentences[1] == "b1: 1 positive, 1 negative, the largest 0.5 in size."
    assert chart.all_notes[-1] == "Gray: not finite."


@given(st.floats(allow_nan=False, allow_infinity=False))
@example(-1.2345e300)
@example(9999.4)
@example(0.049)
def test_a_weight_of_any_size_has_room_in_its_cell(value):
    text = format_signed(value)
    assert len(text) <= 7 and (float(text) == 0) == (value == 0)


@pytest.mark.parametrize(
    ("call", "sentence"),
    [
        (lambda: activation_cells(["a"] * 33, np.zeros((33, 2)), np.zeros((33, 2))), "33 × 2 cells; at most 32 × 16"),
        (lambda: weight_cells({"W9": np.zeros((2, 17))}), "the table has 2 × 17 cells"),
    ],
)
def test_what_cannot_be_shown_is_refused(call, sentence):
    with pytest.raises(BadInput, match=sentence):
        call()
