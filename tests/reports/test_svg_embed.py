import re
import xml.etree.ElementTree
from base64 import b64decode
from io import BytesIO, StringIO

import numpy as np
import pytest
from PIL import Image

from deltarule.reports import style
from deltarule.reports.figures import object_curves
from deltarule.reports.network_figures import weight_images
from deltarule.reports.svg_embed import EmbeddedFigures, embed_figure

STEPS = np.arange(0, 1000, 10)
VALUES = np.stack([np.linspace(0.1, 0.9, 100), np.linspace(0.3, 0.2, 100)], 1)


def test_a_figure_becomes_svg_that_is_reported_and_keeps_to_itself():
    made = embed_figure(object_curves(STEPS, VALUES, ["<b>cat</b> & \x1b[1m", "dog"]), "one")
    root = xml.etree.ElementTree.fromstring(made.svg)
    assert root.attrib["aria-label"] == made.alt and "0.1 at 0 to 0.9 at 990" in made.alt
    assert not {"style", "metadata", "script"} & {element.tag for element in root.iter()}
    assert all(element.attrib.get("id", "one-").startswith("one-") for element in root.iter())
    assert set(re.findall(r"url\((.)", made.svg)) == {"#"}
    assert set(re.findall(r"url\(#([^)]+)\)", made.svg)) <= {e.attrib.get("id") for e in root.iter()}
    assert "xmlns" not in made.svg and "\x1b" not in made.svg


def test_points_for_the_pointer_lie_where_the_curves_are_drawn():
    made = embed_figure(object_curves(STEPS, VALUES, ["cat", "dog"]), "one")
    root = xml.etree.ElementTree.fromstring(made.svg)
    paths = [path.attrib["d"] for path in root.iter("path") if f"stroke:{style.BLUE}" in path.attrib.get("style", "")]
    paths += [
        path.attrib["d"] for path in root.iter("path") if f"stroke:{style.ORANGE}" in path.attrib.get("style", "")
    ]
    corners = [np.array(re.findall(r"[ML] ([\d.]+) ([\d.]+)", path), float) for path in paths if path.count("L") > 0]
    assert made.hover[0]["x"] == "updates"
    for curve, name, values in zip(made.hover[0]["curves"], ("cat", "dog"), VALUES.T, strict=True):
        assert curve["name"] == name
        assert len(curve["points"]) == 60
        (left, top, at, value), (right, bottom, end, last) = curve["points"][0], curve["points"][-1]
        assert (at, end) == ("0", "990") and (float(value), float(last)) == pytest.approx((values[0], values[-1]))
        assert any(
            np.allclose(line[0], [left, top], atol=0.2) and np.allclose(line[-1], [right, bottom], atol=0.2)
            for line in corners
        )


def test_the_table_has_numbers_of_every_curve():
    made = embed_figure(object_curves(STEPS, VALUES, ["cat", "dog"]), "one")
    head, *rows = made.table
    assert head == ["updates", "cat", "dog"]
    assert len(rows) == 9
    for at, cat, dog in rows:
        assert [float(cat), float(dog)] == pytest.approx(VALUES[int(at) // 10], rel=1e-3)


def test_the_svg_says_the_same_in_fewer_characters():
    """Of Matplotlib's own the numbers are rounded to a hundredth of a point, and the font is named once."""
    figure = object_curves(STEPS, VALUES, ["cat", "dog"])
    made = embed_figure(figure, "one").svg
    content = BytesIO()
    with style.style_context():
        figure.savefig(content, format="svg", metadata={"Date": None})
    own = xml.etree.ElementTree.fromstring(content.getvalue())
    assert len(made) < 0.6 * len(content.getvalue())
    short = xml.etree.ElementTree.fromstring(made)
    for tag in ("path", "text", "use"):
        one, other = ([e for e in root.iter() if e.tag.rpartition("}")[2] == tag] for root in (own, short))
        assert [e.text if tag == "text" else "" for e in one] == [e.text if tag == "text" else "" for e in other]
        for name in ("d", "x", "y"):
            before, after = (" ".join(e.attrib.get(name, "") for e in of) for of in (one, other))
            np.testing.assert_allclose(*(numbers(text) for text in (before, after)), atol=0.005)
            assert letters(before) == letters(after)
    assert made.count("DejaVu") == 1 and "<g>" not in made
    sizes = [
        re.findall(r"font(?:-size)?: ?(?:bold |\d00 )?([\d.]+px)", text) for text in (content.getvalue().decode(), made)
    ]
    assert sizes[0] == sizes[1] != []


def colors(svg):
    """The colors of the embedded images, each once."""
    found = re.findall(r'"data:image/png;base64,([^"]*)"', svg)
    images = [Image.open(BytesIO(b64decode(one))).convert("RGBA") for one in found]
    return [np.unique(np.array(one, int).reshape(-1, 4), axis=0) for one in images]


@pytest.mark.slow
@pytest.mark.parametrize("shape", [(10, 10), (6, 6, 3)])
def test_images_have_the_colors_of_a_scale_and_fewer_characters(shape):
    weights = np.random.default_rng(0).normal(size=(2, np.prod(shape), 16))
    figure, content = weight_images(*weights, shape), StringIO()
    made = embed_figure(figure, "one").svg
    with style.style_context():
        figure.savefig(content, format="svg")
    own = content.getvalue()
    assert len(made) < 0.75 * len(own)
    before, after = colors(own), colors(made)
    assert len(before) == len(after) >= 2
    for many, few in zip(before, after, strict=True):
        if len(shape) == 2:  # a scale of colors has no more than are kept
            np.testing.assert_array_equal(many, few)
        else:
            nearest = np.abs(many[:, None] - few[None]).max(axis=-1).min(axis=1)
            assert len(few) <= 256 < len(many) and nearest.mean() < 12


def numbers(text):
    return np.array(re.findall(r"-?\d+(?:\.\d+)?", text), float)


def test_a_figure_that_cannot_be_drawn_leaves_a_sentence_and_the_others():
    from matplotlib.collections import LineCollection

    broken = object_curves(STEPS, VALUES, ["cat", "dog"])
    broken.axes[0].add_collection(LineCollection([[(0, 0), (1, 1)]], linewidths=[0], linestyles=["dashed"]))
    drawn = EmbeddedFigures("block")
    drawn.add(broken)
    drawn.add(object_curves(STEPS, VALUES, ["cat", "dog"]))
    lost, other = drawn.all
    assert lost.svg.startswith("<p>This figure cannot be drawn") and "dash list" in lost.svg
    assert (lost.id, lost.title, lost.alt, lost.hover) == ("block-figure-1", other.title, other.alt, [])
    assert other.svg.startswith("<svg") and other.id == "block-figure-2"


def letters(text):
    return re.findall("[A-Za-z]", text)


def test_drawing_leaves_matplotlib_as_it_was():
    import matplotlib

    before = matplotlib.rcParams.copy()
    embed_figure(object_curves(STEPS, VALUES, ["cat", "dog"]), "one")
    assert matplotlib.rcParams.copy() == before
