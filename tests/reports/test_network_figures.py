import numpy as np
import pytest
from figure_reading import assert_readable, caption, legend
from hypothesis import example, given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from lanes import examples
from matplotlib.colors import to_hex

from deltarule.errors import BadInput
from deltarule.maths.activations import ACTIVATIONS
from deltarule.reports import style
from deltarule.reports.cell_figures import activation_cells, sign_agreement, weight_cells
from deltarule.reports.figure_description import alt_text
from deltarule.reports.formatting import format_signed
from deltarule.reports.network_figures import activation_curves, network_drawing, weight_images
from deltarule.reports.svg_embed import embed_figure

numbers = st.floats(-1e4, 1e4)
large = st.floats(-1e300, 1e300)
names = st.text(st.characters(max_codepoint=0x17F), max_size=40)
ODD = ["$x", "$y$", "_hidden", "W" * 200, "a\nb", "", "<b>", "\x1b[31mred\x1b[0m\x00"]


def cells(axes):
    return [text.get_text() for text in axes.texts]


@pytest.mark.slow
@settings(max_examples=examples(10))
@given(st.data())
def test_cells_of_activations_are_the_record(data):
    labels = data.draw(st.lists(names, min_size=1, max_size=8))
    hidden = data.draw(arrays(float, (len(labels), data.draw(st.integers(1, 5))), elements=st.floats(0, 1)))
    outputs = data.draw(arrays(float, (len(labels), data.draw(st.integers(1, 16))), elements=st.floats(0, 1)))
    figure = activation_cells(labels, hidden, outputs)
    assert_readable(figure)
    for axes, values in zip(figure.axes, (hidden, outputs), strict=True):
        assert np.array_equal(axes.images[0].get_array(), values)
        assert cells(axes) == [f"{value:.2f}" + "*" * int(value > 0.5) for value in values.ravel()]
    codes = ["".join(str(int(value > 0.5)) for value in row) for row in hidden]
    assert [text.get_text() for text in figure.axes[1].get_yticklabels()] == codes
    assert (f"have {len(set(codes))} different" in caption(figure)) == (len(codes) > 1)


def test_codes_of_tanh_are_signs():
    """The middle of −1 and 1 is 0; −0.99 and −0.10 are not the same, and a color means the same sign in both tables."""
    figure = activation_cells(["a", "b"], [[-0.99, 0.1], [-0.1, 0.4]], [[0.2], [0.9]], activation="tanh")
    assert_readable(figure)
    hidden, outputs = (axes.images[0] for axes in figure.axes)
    assert [text.get_text() for text in figure.axes[1].get_yticklabels()] == ["01", "01"]
    assert cells(figure.axes[0]) == ["-0.99", "0.10*", "-0.10", "0.40*"] and cells(figure.axes[1]) == ["0.20", "0.90*"]
    assert [to_hex(hidden.to_rgba(value)) for value in (-1.0, 0.0, 1.0)] == [style.BLUE, "#ffffff", style.ORANGE]
    assert [to_hex(outputs.to_rgba(value)) for value in (0.0, 1.0)] == ["#ffffff", style.ORANGE]
    assert "hidden units above 0, outputs above 0.5" in caption(figure)


@pytest.mark.parametrize(
    ("activation", "hidden", "limits"),
    [
        ("relu", [[0.0, 3.0], [np.nan, np.inf]], (0, 3)),
        ("identity", [[-4.0, 3.0], [0.0, 1.0]], (-4, 4)),
        ({"name": "leaky_relu", "slope": 0.2}, [[0.0, 0.0], [0.0, 0.0]], (0, 1)),
    ],
)
def test_what_has_no_bounds_has_no_codes_and_a_scale_of_what_is_there(activation, hidden, limits):
    figure = activation_cells(["a", "b"], hidden, [[2.0], [0.4]], activation=activation)
    assert_readable(figure)
    assert figure.axes[0].images[0].get_clim() == limits and figure.axes[1].images[0].get_clim()[1] == 2
    assert [text.get_text() for text in figure.axes[1].get_yticklabels()] == ["a", "b"]
    assert "*" not in "".join(cells(figure.axes[0])) and cells(figure.axes[1]) == ["2.00*", "0.40"]
    assert "code" not in caption(figure) + alt_text(figure)


@pytest.mark.slow
@settings(max_examples=examples(5))
@given(st.lists(names, min_size=16, max_size=16))
@example(["W" * 40] * 16)
def test_units_have_the_names_that_are_given(given_names):
    weights = np.ones((16, 16))
    for figure in (
        activation_cells(given_names, weights[:, :3], weights, classes=given_names),
        weight_cells({"W1": weights, "b1": weights[:1]}, {"W1": given_names}, dict.fromkeys(("W1", "b1"), given_names)),
        sign_agreement(weights, weights, given_names),
    ):
        assert_readable(figure)


def test_cells_of_activations_that_grew_without_end_are_short():
    figure = activation_cells(["a"], [[3e250, -12.344, 999.99]], [[-np.inf, np.nan, 0.2]])
    assert_readable(figure)
    assert cells(figure.axes[0]) == ["3e+250*", "-12.34", "999.99*"]
    assert cells(figure.axes[1]) == ["-inf", "nan", "0.20"]


@pytest.mark.slow
@settings(max_examples=examples(10))
@given(arrays(float, st.tuples(st.integers(1, 32), st.integers(1, 16)), elements=numbers | large))
@example(np.zeros((2, 2)))
@example(np.array([[np.nan, np.inf], [-1.0, 1.0]]))
def test_cells_of_weights_are_the_record(weights):
    biases = weights[:1]
    figure = weight_cells({"W1": weights, "b1": biases[0]})
    assert_readable(figure)
    for axes, values in zip(figure.axes, (weights, biases), strict=True):
        assert np.array_equal(np.ma.getdata(axes.images[0].get_array()), values, equal_nan=True)
        told = np.array([float(text) for text in cells(axes)])
        assert np.allclose(told, values.ravel(), rtol=0.5, atol=0, equal_nan=True)
        rounded = (np.abs(values.ravel()) >= 0.01) & (np.abs(values.ravel()) < 9999)
        assert np.allclose(told[rounded], values.ravel()[rounded], rtol=0.05, atol=0)
        assert all(text.startswith(("+", "-")) or text in ("0.0", "nan") for text in cells(axes))
    assert ("Gray: not finite." in caption(figure)) == (not np.isfinite(weights).all())


@given(st.floats(allow_nan=False, allow_infinity=False))
@example(-1.2345e300)
@example(9999.4)
@example(0.049)
def test_a_weight_of_any_size_has_room_in_its_cell(value):
    told = format_signed(value)
    assert len(told) <= 7 and (float(told) == 0) == (value == 0)


@pytest.mark.parametrize("size", [2.0, 1.7e308])
def test_a_negative_weight_is_blue_a_positive_one_orange_and_none_white(size):
    weights = np.array([[-size], [size], [0.0], [0.0]])
    figures = weight_cells({"W": weights.T}), weight_images(weights, weights, (2, 2))
    for image in (figure.axes[0].images[0] for figure in figures):
        assert [to_hex(image.to_rgba(value)) for value in (-size, 0.0, size)] == [style.BLUE, "#ffffff", style.ORANGE]


@pytest.mark.slow
@settings(max_examples=examples(10))
@given(
    st.tuples(st.integers(1, 32), st.integers(1, 8)).flatmap(lambda shape: arrays(float, (2, *shape), elements=numbers))
)
def test_signs_that_differ_are_marked_and_counted(pair):
    first, second = pair
    figure = sign_agreement(first, second.T)
    assert_readable(figure)
    agree = np.sign(first) == np.sign(second)
    assert figure.axes[0].get_title(loc="left").endswith(f": {agree.sum()} of {agree.size} agree")
    bold = [text.get_weight() == "bold" for text in figure.axes[0].texts]
    assert bold == (~agree).ravel().tolist()
    assert np.array_equal(figure.axes[0].images[0].get_array() == 1, ~agree)


@pytest.mark.parametrize("shape", [(8, 8), (4, 5, 3)])
@pytest.mark.parametrize("units", [1, 5, 16, 20])
def test_images_are_the_weights_of_each_unit(shape, units):
    initial, final = np.random.default_rng(0).normal(size=(2, int(np.prod(shape)), units))
    figure = weight_images(initial, final, shape)
    assert_readable(figure)
    across = int(np.ceil(np.sqrt(min(units, 16))))
    for axes, values in zip(figure.axes[:2], (initial, final), strict=True):
        mosaic = np.asarray(axes.images[0].get_array())
        if len(shape) == 3:
            mosaic = (2 * mosaic - 1) * np.abs(values[:, :16]).max()
        for unit in range(min(units, 16)):
            top, left = (shape[0] + 1) * (unit // across), (shape[1] + 1) * (unit % across)
            tile = mosaic[top : top + shape[0], left : left + shape[1]]
            np.testing.assert_allclose(tile, values[:, unit].reshape(shape), atol=1e-12)
    assert ("The first 16 of 20 units." in caption(figure)) == (units == 20)


@settings(max_examples=examples(10))
@given(st.lists(names, min_size=1, max_size=8, unique=True), st.sampled_from([(4, 4), (3, 5, 3)]))
@example(ODD, (3, 5, 3))
def test_images_of_several_networks_stand_beside_what_they_began_as(given_names, shape):
    random = np.random.default_rng(len(given_names))
    initial, *finals = random.normal(size=(1 + len(given_names), int(np.prod(shape)), 3))
    figure = weight_images(initial, dict(zip(given_names, finals, strict=True)), shape)
    assert_readable(figure)
    assert len([axes for axes in figure.axes if axes.images]) == 1 + len(finals)
    for axes, values in zip(figure.axes, (initial, *finals), strict=False):
        mosaic, largest = np.asarray(axes.images[0].get_array()), np.abs(values).max()
        tile = mosaic[: shape[0], : shape[1]]
        tile = largest * (2 * tile - 1) if len(shape) == 3 else tile
        np.testing.assert_allclose(tile, values[:, 0].reshape(shape), atol=1e-12)
        assert axes.get_xlabel().endswith(f"\nup to {largest:.2g}")


def test_weights_that_are_not_finite_are_gray():
    broken = np.ones((12, 2))
    broken[0], broken[1] = np.nan, np.inf
    mosaic = np.asarray(weight_images(np.ones((12, 2)), broken, (2, 2, 3)).axes[1].images[0].get_array())
    assert mosaic[0, 0].tolist() == [0.5, 1.0, 1.0], "no number is 0, what is infinite as far as the scale goes"


@pytest.mark.slow
@settings(max_examples=examples(10))
@given(st.lists(st.integers(1, 20), min_size=2, max_size=5), st.lists(names, max_size=20), st.randoms())
@example([8, 3, 8], ODD, None)
@example([40, 100, 10], [], None)
@example([3] * 9, ["W" * 40] * 3, None)
def test_a_network_is_drawn_with_its_weights_as_widths(sizes, given_names, chance):
    random = np.random.default_rng(0)
    weights = [random.normal(size=pair) for pair in zip(sizes, sizes[1:], strict=False)]
    figure = network_drawing(weights, given_names, given_names)
    assert_readable(figure)
    widest = max(np.concatenate([one[:16, :16].ravel() for one in weights]), key=abs)
    largest = abs(widest)
    assert f"The widest line is a weight of {widest:.3g}." in caption(figure)
    for drawn, matrix in zip(figure.axes[0].collections, weights, strict=False):
        shown = matrix[:16, :16].ravel()
        shown = shown[np.abs(shown) >= largest / 500]
        np.testing.assert_allclose(drawn.get_linewidths(), 5 * np.abs(shown) / largest)
        expected = [style.ORANGE if value > 0 else style.BLUE for value in shown]
        assert [to_hex(color) for color in drawn.get_colors()] == expected
    assert legend(figure) == ["positive weight", "negative weight"]


@pytest.mark.parametrize("activation", ["tanh", "relu"])
def test_cells_that_are_not_finite_are_gray_and_can_be_read(activation):
    broken = np.array([[np.nan, np.inf], [-np.inf, -1.0]])
    outputs = np.array([[np.nan], [np.inf]])
    figure = activation_cells(["a", "b"], broken, outputs, activation=activation)
    drawn = [*zip(figure.axes, (broken, outputs), strict=True), (weight_cells({"W1": broken}).axes[0], broken)]
    for axes, values in drawn:
        image = axes.images[0]
        grounds = image.to_rgba(image.get_array())[~np.isfinite(values)]
        assert {to_hex(ground) for ground in grounds} == {style.PALE}
        inks = [
            text.get_color() for text, there in zip(axes.texts, np.isfinite(values).ravel(), strict=True) if not there
        ]
        assert set(inks) == {"#000000"}
        assert "Gray: not finite." in caption(axes.figure)


def test_activations_of_which_none_is_finite_have_no_ends():
    figure = activation_cells(["a"], [[np.nan]], [[0.5]], activation="relu")
    assert "Hidden units: none is finite. Outputs: from 0.5 to 0.5." in alt_text(figure)


def test_signs_of_what_is_no_number_are_not_counted():
    figure = sign_agreement([[np.nan, 1.0], [-np.inf, 2.0]], [[1.0, -1.0], [np.nan, -3.0]])
    assert cells(figure.axes[0]) == ["? +", "+ ?", "− −", "+ −"]
    assert figure.axes[0].get_title(loc="left").endswith(": 1 of 2 agree")
    assert [text.get_weight() for text in figure.axes[0].texts] == ["normal"] * 3 + ["bold"]
    assert alt_text(figure).endswith("They differ between 2 and h2.")
    assert "question mark" in caption(figure)


@pytest.mark.parametrize(
    ("weights", "widths", "told"),
    [
        ([[0.0], [-2.0], [1.0]], [5.0, 2.5], "The widest line is a weight of -2."),
        ([[0.0], [0.0]], [], "No weight has a line."),
        ([[np.nan], [3.0], [np.inf]], [5.0], "a weight of 3. No line for 2 weights that are not finite."),
        ([[-np.inf]], [], "No weight has a line. No line for 1 weight that is not finite."),
        ([[-1e-320], [1.7e308]], [5.0], "The widest line is a weight of 1.7e+308."),
        ([[-1e-9], [1.0]], [5.0], "The widest line is a weight of 1."),
        ([[-0.002], [1.0]], [0.01, 5.0], "The widest line is a weight of 1."),
    ],
)
def test_a_line_is_a_weight_that_is_finite_and_can_be_seen(weights, widths, told, tmp_path):
    figure = network_drawing([weights])
    made = embed_figure(figure, "network")
    figure.savefig(tmp_path / "network.png")
    np.testing.assert_allclose(figure.axes[0].collections[0].get_linewidths(), widths, atol=1e-6)
    assert caption(figure).endswith(told) and made.svg


@pytest.mark.parametrize("name", ACTIVATIONS)
def test_an_activation_is_drawn_with_its_derivative(name):
    figure = activation_curves(name)
    assert_readable(figure)
    function, slope = figure.axes[0].lines
    z, a = function.get_data()
    between = (z[1:] + z[:-1]) / 2
    steepness = np.diff(a) / np.diff(z)  # at a kink the drawn slope is left out
    at, slopes = slope.get_data()
    alone = np.convolve(np.isfinite(slopes), [1, 0, 1], "same") == 0
    drawn = np.interp(between, at[~alone], np.where(alone, np.nan, slopes)[~alone])
    there = np.isfinite(drawn)
    assert there.sum() >= 390
    np.testing.assert_allclose(drawn[there], steepness[there], rtol=2e-3, atol=2e-3)


@pytest.mark.parametrize(("name", "at_0"), [("relu", "0"), ("leaky_relu", "0.01"), ("elu", "1")])
def test_the_numbers_of_a_derivative_are_whole_at_a_kink_too(name, at_0):
    table = embed_figure(activation_curves(name), "figure").table
    assert ["0", "0", at_0] in table and not any("nan" in cell for row in table for cell in row)


def test_a_small_activation_has_no_sign():
    figure = activation_cells(["a"], [[-0.004]], [[-0.0]], activation="tanh")
    assert [text.get_text() for axes in figure.axes for text in axes.texts] == ["0.00", "0.00"]


@pytest.mark.parametrize(
    ("call", "sentence"),
    [
        (lambda: activation_cells(["a"] * 33, np.zeros((33, 2)), np.zeros((33, 2))), "33 × 2 cells; at most 32 × 16"),
        (lambda: weight_cells({}), "no weights to draw; give at least one"),
        (lambda: weight_cells({"W9": np.zeros((2, 17))}), "the table of W9 has 2 × 17 cells"),
        (lambda: sign_agreement(np.zeros((8, 3)), np.zeros((3, 4))), "W1 is 8 × 3 and W2 3 × 4; signs are compared"),
        (lambda: weight_images(np.zeros((5, 2)), np.zeros((5, 2)), (2, 3)), "make no images of 2 × 3"),
        (lambda: weight_images(np.zeros((6, 2)), {}, (2, 3)), "the weights of 0 networks; give those of 1 to 8"),
        (lambda: network_drawing([]), "the weights given make no network"),
        (lambda: network_drawing([np.zeros((2, 3)), np.zeros((2, 1))]), "2 × 3, 2 × 1 make no network"),
    ],
)
def test_what_cannot_be_drawn_is_one_sentence(call, sentence):
    with pytest.raises(BadInput, match=sentence):
        call()


def test_words_report_what_there_is_to_see():
    told = alt_text(activation_cells(["cat", "dog"], [[0.9, 0.1], [0.9, 0.2]], [[1.0], [0.0]]))
    codes = "cat has the code 10; dog has the code 10. The 2 inputs have 1 different code."
    assert told == f"Activations of each input. {codes}"
    assert alt_text(sign_agreement([[1.0, -2.0]], [[3.0], [4.0]])).endswith("They differ between 1 and h2.")
    assert alt_text(sign_agreement([[1.0, -2.0]], [[3.0], [4.0]], ["0"])).endswith("They differ between 0 and h2.")
    assert alt_text(activation_curves("sigmoid")).endswith(
        "of the unit: sigmoid from 0.006693 at -5 to 0.9933 at 5; derivative from 0.006648 at -5 to 0.006648 at 5."
    )
