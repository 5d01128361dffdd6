import numpy as np
import pytest
from figure_reading import assert_readable, marks_of, named

from deltarule.reports import style
from deltarule.reports.marks import Dots, Image, Segments
from deltarule.reports.network_figures import network_drawing, weight_images


@pytest.mark.parametrize("shape", [(8, 8), (4, 5, 3)])
@pytest.mark.parametrize("units", [1, 5, 16, 20])
def test_images_are_the_weights_of_each_unit(shape, units):
    initial, final = np.random.default_rng(0).normal(size=(2, int(np.prod(shape)), units))
    chart = weight_images(initial, final, shape)
    across = int(np.ceil(np.sqrt(min(units, 16))))
    for panel, values in enumerate((initial, final)):
        [image] = marks_of(chart, Image, panel)
        largest = np.abs(values[:, :16]).max()
        pixels = (2 * image.pixels - 1) * largest if len(shape) == 3 else image.pixels
        for unit in range(min(units, 16)):
            top, left = (shape[0] + 1) * (unit // across), (shape[1] + 1) * (unit % across)
            tile = pixels[top : top + shape[0], left : left + shape[1]]
            np.testing.assert_allclose(tile, values[:, unit].reshape(shape), atol=1e-12)
        assert len(shape) == 3 or image.limit == largest
    assert ("The first 16 of 20 units." in chart.notes) == (units == 20)


def test_images_of_several_networks_have_scales_of_their_own():
    initial, *finals = np.random.default_rng(0).normal(size=(4, 16, 3))
    chart = weight_images(initial, {"0.1": finals[0], "1": finals[1], "10": finals[2]}, (4, 4))
    assert_readable(chart)
    for panel, values in zip(chart.panels, (initial, *finals), strict=True):
        assert panel.marks[0].limit == np.abs(values).max()
        assert panel.x.label.endswith(f", up to {np.abs(values).max():.2g}")


def test_weights_that_are_not_finite_are_gray_or_at_the_end_of_the_scale():
    broken = np.ones((12, 2))
    broken[0], broken[1] = np.nan, np.inf
    [image] = marks_of(weight_images(np.ones((12, 2)), broken, (2, 2, 3)), Image, 1)
    assert image.pixels[0, 0].tolist() == [0.5, 1.0, 1.0]


@pytest.mark.parametrize("sizes", [[8, 3, 8], [40, 100, 10], [3] * 9])
def test_network_is_drawn_with_its_weights_as_widths(sizes):
    random = np.random.default_rng(0)
    weights = [random.normal(size=pair) for pair in zip(sizes, sizes[1:], strict=False)]
    chart = network_drawing(weights)
    shown = np.concatenate([one[:16, :16].ravel() for one in weights])
    largest = np.abs(shown).max()
    for lines, sign, color in zip(marks_of(chart, Segments), (1, -1), (style.ORANGE, style.BLUE), strict=True):
        widths = 5 * sign * shown / largest
        np.testing.assert_allclose(lines.widths, widths[widths >= 0.01])
        assert lines.colors == color
    assert len(marks_of(chart, Dots)[0].x) == sum(min(size, 16) for size in sizes)
    assert named(chart) == ["positive weight", "negative weight"]
    assert ("Of 40 units the first 16 are shown." in chart.notes) == (40 in sizes)


@pytest.mark.parametrize(
    ("weights", "widths", "note"),
    [
        ([[0.0], [-2.0], [1.0]], [2.5, 5.0], "The widest line is a weight of -2."),
        ([[0.0], [0.0]], [], "No weight has a line."),
        ([[np.nan], [3.0], [np.inf]], [5.0], "The widest line is a weight of 3."),
        ([[-0.001], [1.0]], [5.0], "The widest line is a weight of 1."),
    ],
)
def test_a_line_is_a_weight_that_is_finite_and_can_be_seen(weights, widths, note):
    chart = network_drawing([weights])
    assert [width for lines in marks_of(chart, Segments) for width in lines.widths] == widths
    assert chart.notes[-1] == note and chart.figure()
