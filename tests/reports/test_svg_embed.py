import re
import xml.etree.ElementTree

import numpy as np
import pytest

from deltarule.reports import style
from deltarule.reports.figures import object_curves
from deltarule.reports.svg_embed import embed_figure

STEPS = np.arange(0, 1000, 10)
VALUES = np.stack([np.linspace(0.1, 0.9, 100), np.linspace(0.3, 0.2, 100)], 1)


def test_svg_is_described_and_affects_nothing_outside():
    chart = object_curves(STEPS, VALUES, ["<b>cat</b> & \x1b[1m", "dog"])
    svg, _ = embed_figure(chart, "one")
    root = xml.etree.ElementTree.fromstring(svg)
    assert root.attrib["aria-label"] == chart.description and "0.1 at 0 to 0.9 at 990" in chart.description
    assert not {"style", "metadata", "script"} & {element.tag for element in root.iter()}
    assert all(element.attrib.get("id", "one-").startswith("one-") for element in root.iter())
    assert set(re.findall(r"url\((.)", svg)) == {"#"}
    assert set(re.findall(r"url\(#([^)]+)\)", svg)) <= {e.attrib.get("id") for e in root.iter()}
    assert "xmlns" not in svg and "\x1b" not in svg


def test_tooltips_lie_where_the_curves_are_drawn():
    svg, hover = embed_figure(object_curves(STEPS, VALUES, ["cat", "dog"]), "one")
    root = xml.etree.ElementTree.fromstring(svg)
    paths = [path.attrib["d"] for path in root.iter("path") if f"stroke: {style.BLUE}" in path.attrib.get("style", "")]
    paths += [
        path.attrib["d"] for path in root.iter("path") if f"stroke: {style.ORANGE}" in path.attrib.get("style", "")
    ]
    corners = [np.array(re.findall(r"[ML] ([\d.]+) ([\d.]+)", path), float) for path in paths if path.count("L") > 0]
    assert hover[0]["x"] == "updates"
    for curve, name, values in zip(hover[0]["curves"], ("cat", "dog"), VALUES.T, strict=True):
        assert curve["name"] == name
        assert len(curve["points"]) == 60
        (left, top, at, value), (right, bottom, end, last) = curve["points"][0], curve["points"][-1]
        assert (at, end) == ("0", "990") and (float(value), float(last)) == pytest.approx((values[0], values[-1]))
        assert any(
            np.allclose(line[0], [left, top], atol=0.2) and np.allclose(line[-1], [right, bottom], atol=0.2)
            for line in corners
        )
